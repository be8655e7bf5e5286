"""Single measurements as plain maps: the names of the worker and of the facade."""

import math

import pytest

import pipex_core
from pipex_core.errors import ConfigError, SpecError

keys = ["name", "value", "passed", "threshold", "status", "code", "details"]


def test_a_measurement_says_value_threshold_and_whether_it_passed() -> None:
    found = pipex_core.bleu_score("the cat sat down", "the cat sat down", threshold=0.5)
    assert list(found) == keys
    assert (found["name"], found["value"], found["passed"]) == ("bleu", pytest.approx(1.0), True)
    assert (found["threshold"], found["status"], found["code"]) == (0.5, "scored", None)


def test_without_a_score_value_and_passed_are_none_and_the_code_says_why() -> None:
    found = pipex_core.rouge_score("a", None, threshold=0.5)
    assert list(found) == keys
    assert (found["value"], found["passed"], found["status"]) == (None, None, "unscored")
    assert found["code"] == "no_reference"
    assert "reference" in found["details"]["reason"]


def test_bleu_of_the_worker_has_its_own_keys() -> None:
    # unigrams 3/4, bigrams 2/3; no brevity penalty
    found = pipex_core.calculate_bleu("a b c x", "a b c d", n_gram=2)
    assert found == {
        "score": pytest.approx(math.sqrt(3 / 4 * 2 / 3)),
        "n_gram": 2,
        "metric": "bleu",
    }
    assert pipex_core.calculate_bleu("a", None)["score"] is None


def test_rouge_of_the_worker_has_its_own_keys() -> None:
    found = pipex_core.calculate_rouge("the cat", "the black cat", rouge_type="rouge-1")
    assert found == {
        "precision": 1.0,
        "recall": pytest.approx(2 / 3),
        "fmeasure": pytest.approx(0.8),
        "metric": "rouge-1",
    }
    assert pipex_core.calculate_rouge("a", None) == {
        "precision": None,
        "recall": None,
        "fmeasure": None,
        "metric": "rouge-l",
    }


def test_perplexity_needs_something_that_gives_probabilities() -> None:
    assert pipex_core.perplexity("a b", corpus="a b")["value"] < 2
    assert pipex_core.perplexity("a b", corpus=("a b", "a c"))["status"] == "scored"
    with pytest.raises(ConfigError) as caught:
        pipex_core.perplexity("a b")
    assert caught.value.code == "dependency_missing"


def test_embedding_similarity_names_its_model_and_stands_for_nothing_else() -> None:
    model = "tests.fakes.vectors:letter_counts"
    found = pipex_core.embedding_similarity("ab", "ba", model, backend="python")
    assert found == {
        "similarity": pytest.approx(1.0),
        "model": model,
        "metric": "embedding_similarity",
    }
    with pytest.raises(ConfigError) as caught:
        pipex_core.embedding_similarity("a", "b", "a-model-that-nobody-has")
    assert caught.value.code == "dependency_missing"


def test_a_function_is_held_to_the_rules_of_metrics() -> None:
    def near(predicted: str, expected: str, context: list[str], slack: int = 0) -> float:
        return float(abs(len(predicted) - len(expected)) <= slack + len(context))

    found = pipex_core.custom_metric(
        "abcd", "ab", near, threshold=1.0, slack=1, context="x", name="near"
    )
    assert list(found) == keys
    assert (found["name"], found["value"], found["passed"]) == ("near", 1.0, True)
    broken = pipex_core.custom_metric("a", "b", lambda p, e: p.nothing(e))
    assert (broken["value"], broken["code"]) == (None, "metric_error")
    wide = pipex_core.custom_metric("a", "b", lambda p, e: len(p + e), range=(0, 9))
    assert (wide["value"], wide["threshold"], wide["passed"]) == (2.0, None, None)


def test_a_wrong_option_is_refused_as_everywhere() -> None:
    with pytest.raises(SpecError, match="n_gramm"):
        pipex_core.bleu_score("a", "b", n_gramm=2)


def test_the_numbers_are_those_of_the_catalogue() -> None:
    assert pipex_core.bleu_score("a b c d e", "a b c d f")["value"] == getattr(
        pipex_core.score("bleu", "a b c d e", "a b c d f"), "value", None
    )
