"""Similarity by edits; expected values by hand."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, Scored
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, code, entry_of, score, value


@pytest.mark.parametrize(
    ("raw", "output", "reference", "expected"),
    [
        # Insertions and deletions only: 2 of 8 characters.
        ("fuzzy_match", "abcd", "abce", 0.75),
        ({"type": "fuzzy_match", "variant": "partial"}, "the black cat", "black", 1.0),
        ({"type": "fuzzy_match", "variant": "token_sort"}, "cat black", "black cat", 1.0),
        ({"type": "fuzzy_match", "variant": "token_set"}, "cat cat black", "black cat", 1.0),
        ("fuzzy_match", "ABCD", "abcd", 0.0),
        ({"type": "fuzzy_match", "ignore_case": True}, "ABCD", "abcd", 1.0),
        ({"type": "fuzzy_match", "normalize": "nfc"}, "caf\u00e9", "cafe\u0301", 1.0),
        # kitten -> sitting takes three edits, the longer word has seven letters.
        ("levenshtein", "kitten", "sitting", 1 - 3 / 7),
        ({"type": "levenshtein", "unit": "word"}, "the black cat", "the cat", 1 - 1 / 3),
        ({"type": "levenshtein", "unit": "word"}, " ", "", 1.0),
    ],
)
def test_similarity(raw: Json, output: str, reference: str, expected: float) -> None:
    assert value(raw, output, reference) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("variant", ["ratio", "partial", "token_sort", "token_set"])
def test_two_empty_texts_are_equal_and_one_alone_is_worth_nothing(variant: str) -> None:
    raw = {"type": "fuzzy_match", "variant": variant}
    assert (value(raw, "", ""), value(raw, "a", ""), value(raw, "", "a")) == (1.0, 0.0, 0.0)


def test_the_distance_is_told_and_the_best_reference_counts() -> None:
    assert score("levenshtein", "abc", "xyz", "abd") == Scored(
        value=1 - 1 / 3, details={"distance": 1, "reference_index": 1}
    )


@pytest.mark.parametrize("kind", ["fuzzy_match", "levenshtein"])
def test_long_texts_are_refused(kind: str) -> None:
    words = "a " * 20_001
    assert code(kind, words, "a") == "too_large"
    assert code(kind, "a", "字" * 200_001) == "too_large"
    assert value(kind, words[2:], words[2:]) == 1.0


def test_jaro_winkler_by_the_published_example() -> None:
    # Winkler 1990, table of examples: MARTHA and MARHTA, DWAYNE and DUANE.
    assert value("jaro_winkler", "MARTHA", "MARHTA") == pytest.approx(0.9611, abs=5e-5)
    assert value("jaro_winkler", "DWAYNE", "DUANE") == pytest.approx(0.84, abs=5e-5)


@pytest.mark.parametrize(
    ("raw", "output", "reference", "edits", "length"),
    [
        ("wer", "the fat cat sat", "the cat sat", 1, 3),
        ("wer", "dogs", "the cat sat", 3, 3),
        ("wer", "a b c d", "x y", 4, 2),
        ("cer", "kitten", "sitting", 3, 7),
        ("wer", "cat", " ", 1, 0),
    ],
)
def test_error_rates(raw: str, output: str, reference: str, edits: int, length: int) -> None:
    assert score(raw, output, reference) == Scored(
        value=edits / length if length else 1.0, details={"edits": edits, "ref_length": length}
    )


def test_the_lowest_error_rate_of_the_references_counts() -> None:
    found = score("wer", "the cat", "a dog", "the cat sat", "the bat")
    assert isinstance(found, Scored)
    assert (found.value, found.details["reference_index"]) == (1 / 3, 1)


def test_the_error_rate_of_a_suite_weighs_by_length() -> None:
    entry = entry_of("wer")
    items = [answer("a b c", "a b c d"), answer("x", "y"), answer("", "")]
    pairs = [(item, score_item(entry, item)) for item in items]
    # One edit each on four words and on one: 2/5, while the rates are 1/4, 1 and 0.
    assert corpus_value(entry, pairs) == Corpus(value=0.4, submetrics={"mean": 1.25 / 3})
    assert corpus_value(entry, []) is None


@pytest.mark.parametrize("kind", ["jaro_winkler", "wer", "cer"])
def test_the_other_edit_metrics_refuse_long_texts_too(kind: str) -> None:
    assert code(kind, "a " * 20_001, "a") == "too_large"
