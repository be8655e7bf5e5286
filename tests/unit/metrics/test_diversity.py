"""Distinct n-grams, and phrases that the context has."""

import pytest

from pipex_core.metrics.contract import Corpus
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, code, entry_of, score, value


@pytest.mark.parametrize(
    ("output", "n", "expected"),
    [
        ("a b c", 2, 1.0),
        ("a b a b", 2, 2 / 3),
        ("a a a a", 1, 1 / 4),
        ("The the THE", 1, 1 / 3),
        ("猫が好き", 1, 1.0),
    ],
)
def test_the_share_of_ngrams_that_differ(output: str, n: int, expected: float) -> None:
    assert value({"type": "distinct_n", "n": n}, output) == pytest.approx(expected)


def test_too_few_words_have_no_ngrams() -> None:
    assert code("distinct_n", "one") == "not_applicable"
    assert code("distinct_n", "") == "not_applicable"


def test_over_a_suite_the_ngrams_of_all_answers_are_pooled() -> None:
    entry = entry_of("distinct_n")
    items = [answer("a b c"), answer("a b d"), answer("x")]
    found = corpus_value(entry, [(item, score_item(entry, item)) for item in items])
    # ab bc ab bd: three of four differ; the mean of the two cases is 1
    assert found == Corpus(value=0.75, submetrics={"mean": 1.0})
    assert corpus_value(entry, [(items[2], score_item(entry, items[2]))]) is None


@pytest.mark.parametrize(
    ("output", "context", "expected"),
    [
        ("The red fox jumped", ("A red fox jumped over.",), 1.0),
        ("The red fox slept", ("A red fox jumped over.",), 0.0),
        ("red fox jumped high dogs", ("red fox jumped high",), 2 / 3),
        ("red fox", ("fox red. red fox.",), 1.0),
        ("fox", ("The FOX",), 1.0),
        ("red fox", ("red", "fox"), 0.0),
    ],
)
def test_the_share_of_phrases_that_the_context_has(
    output: str, context: tuple[str, ...], expected: float
) -> None:
    assert value("grounded_overlap", output, context=context) == pytest.approx(expected)


def test_short_answers_are_compared_by_shorter_phrases() -> None:
    found = score("grounded_overlap", "the fox is red", context=("fox red",))
    assert getattr(found, "details", None) == {"n": 2}


def test_an_answer_of_stop_words_says_nothing_that_could_be_grounded() -> None:
    assert code("grounded_overlap", "it is what it is", context=("x",)) == "not_applicable"
    assert code("grounded_overlap", "fox") == "missing_input"
