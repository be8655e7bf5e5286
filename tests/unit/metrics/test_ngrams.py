"""BLEU and ROUGE where no library speaks: empty texts, options, several types, corpus values."""

import math

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, Scored
from pipex_core.metrics.overlap import Overlap, lcs_length, shared_sentences
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, code, entry_of, score, value


@pytest.mark.parametrize("raw", ["bleu", "rouge", "rouge1", "rouge2", "rougeLsum"])
@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [("", "", 1.0), (" ", "\n", 1.0), ("", "a cat", 0.0), ("a cat", "", 0.0), ("👍", "", 0.0)],
)
def test_empty_texts(raw: str, output: str, reference: str, expected: float) -> None:
    assert value(raw, output, reference) == expected


def test_an_empty_one_among_the_references_may_match() -> None:
    assert value("bleu", "", "a cat", "") == 1.0
    assert score("rouge1", "", "a cat", "") == Scored(
        value=1.0,
        details={"reference_index": 1},
        submetrics={"precision": 1.0, "recall": 1.0},
    )


def test_bleu_by_hand() -> None:
    # All n-grams of order 1 to 4 match; the output has 4 of 6 words: exp(1 - 6/4).
    assert value("bleu", "the cat sat on", "the cat sat on the mat") == pytest.approx(
        math.exp(-0.5)
    )
    # Unigrams alone: 3 of 4.
    assert value({"type": "bleu", "n_gram": 1}, "the cat sat down", "the cat sat up") == (
        pytest.approx(0.75)
    )


def test_the_option_of_sacrebleu_is_an_alias() -> None:
    assert entry_of({"type": "bleu", "max_ngram_order": 2}).options["n_gram"] == 2


@pytest.mark.parametrize(
    "options",
    [
        {"type": "bleu", "n_gram": 0},
        {"type": "bleu", "tokenize": "flores200"},
        {"type": "bleu", "smooth_method": "laplace"},
        {"type": "rouge", "rouge_type": "rouge-x"},
        {"type": "rouge", "rouge_type": []},
        {"type": "rouge", "field": "f1"},
    ],
)
def test_options_outside_of_the_tables_are_refused(options: Json) -> None:
    with pytest.raises(SpecError):
        entry_of(options)


def corpus(raw: Json, *pairs: tuple[str, ...]) -> Corpus:
    entry = entry_of(raw)
    items = [answer(output, *references) for output, *references in pairs]
    found = corpus_value(entry, [(item, score_item(entry, item)) for item in items])
    assert isinstance(found, Corpus)
    return found


def test_corpus_bleu_is_not_the_mean_which_stands_beside_it() -> None:
    # 5 of 6 unigrams in all, while the sentences have 4/4 and 1/2.
    found = corpus({"type": "bleu", "n_gram": 1}, ("a b c d", "a b c d"), ("a b", "a c"))
    assert found.value == pytest.approx(5 / 6)
    assert found.submetrics == pytest.approx({"mean": 0.75})
    signature = str(found.details["signature"])
    assert signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_the_signature_says_when_the_number_of_references_varies() -> None:
    found = corpus("bleu", ("a b", "a b"), ("a b", "a c", "a d"))
    assert str(found.details["signature"]).startswith("nrefs:var|")


@pytest.mark.parametrize("raw", ["bleu", "chrf", "ter"])
def test_a_suite_without_scores_has_no_corpus_value(raw: str) -> None:
    assert corpus_value(entry_of(raw), []) is None


def test_cases_of_one_suite_may_have_different_numbers_of_references() -> None:
    # The second case alone decides: its first reference is the answer.
    found = corpus("chrf", ("a cat", "a cat"), ("a dog", "a dog", "a bird"))
    assert found.value == pytest.approx(1.0)


def test_ter_by_hand() -> None:
    # One word is missing of six; then one phrase stands elsewhere, which is one shift of four words.
    assert value("ter", "the cat sat on mat", "the cat sat on the mat") == pytest.approx(1 / 6)
    assert value("ter", "c d a b", "a b c d") == pytest.approx(1 / 4)
    assert value("ter", "a b c d e", "x") == 5.0
    assert corpus("ter", ("a b", "a b"), ("x y", "a b c")).value == pytest.approx(3 / 5)
    assert corpus("ter", ("a", ""), ("", "")).value == 1.0
    assert corpus("ter", ("", ""), ("", "")).value == 0.0


def test_ter_refuses_long_texts() -> None:
    assert code("ter", "a " * 20_001, "a") == "too_large"


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("rouge-l", "rougeL"),
        ("rouge-2", "rouge2"),
        ("rougelsum", "rougeLsum"),
        ("rouge-7", "rouge7"),
    ],
)
def test_spellings_of_rouge_types(spelling: str, kind: str) -> None:
    assert entry_of({"type": "rouge", "rouge_type": spelling}).options["rouge_type"] == kind


def test_several_types_are_submetrics_and_the_first_is_the_value() -> None:
    # Bigrams "the cat" of 2 and 3: F = 2/5; longest common subsequence 3 of 3 and 4: F = 6/7.
    raw = {"type": "rouge", "rouge_type": ["rouge-2", "rougeL"], "use_stemmer": False}
    found = score(raw, "the cat sat", "the cat has sat")
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(2 / 5)
    assert found.submetrics == pytest.approx({"rouge2": 2 / 5, "rougeL": 6 / 7})


@pytest.mark.parametrize(("field", "expected"), [("p", 1.0), ("recall", 0.75), ("f", 6 / 7)])
def test_the_field_is_the_value(field: str, expected: float) -> None:
    raw = {"type": "rouge", "field": field}
    found = score(raw, "the cat sat", "the cat has sat")
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(expected)
    assert found.submetrics == {"precision": 1.0, "recall": 0.75}


def test_a_reference_that_rouge_cannot_read_is_not_applicable() -> None:
    found = code("rouge", "東京は雨です", "東京は晴れです")
    assert found == "not_applicable"
    raw = {"type": "rouge", "tokenizer": "unicode"}
    assert value(raw, "東京は雨です", "東京は晴れです") == pytest.approx(10 / 13)


def test_one_readable_reference_is_enough() -> None:
    assert value("rouge", "Tokyo", "東京", "Tokyo") == 1.0


def test_stemming_is_an_option() -> None:
    assert value("rouge", "gas", "ga") == 0.0  # words of three letters stay
    assert value("rouge", "jumping cats", "jumps cats") == 1.0
    assert value({"type": "rouge", "use_stemmer": False}, "jumping cats", "jumps cats") == 0.5


def test_the_quadratic_types_refuse_long_texts_and_the_others_count_them() -> None:
    long = "a " * 20_001
    assert code("rougeL", long, "a") == "too_large"
    assert code("rougeLsum", "a", long) == "too_large"
    assert value({"type": "rouge1", "field": "r"}, long, "a") == 1.0


def test_the_bits_of_a_long_sequence_are_counted_once() -> None:
    left = ["a", "b"] * 500
    assert lcs_length(left, ["b", "a"] * 500) == 999
    assert lcs_length(left, []) == 0
    assert lcs_length([], left) == 0


def test_a_word_counts_at_most_as_often_as_it_occurs() -> None:
    # Both lines of the reference hold "a", the candidate has it once.
    assert shared_sentences([["a"], ["a"]], [["a"]]) == Overlap(1.0, 0.5)
    assert shared_sentences([[]], [["a"]]) == Overlap(0.0, 0.0)
    assert Overlap(0.0, 0.0).f_measure == 0.0
