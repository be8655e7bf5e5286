"""Similarity by edits; expected values by hand."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, score, value


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
