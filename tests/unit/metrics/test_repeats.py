"""Metrics of all repeats of a case."""

from collections.abc import Sequence
from math import comb

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Sample, Score, Scored, Unscored
from pipex_core.metrics.repeats import problems_of_repeats
from pipex_core.metrics.scoring import score_item, score_samples
from tests.fakes.metrics import answer, entry_of


def of_flags(raw: Json, passed: Sequence[bool | None]) -> Score:
    return score_samples(entry_of(raw), [Sample(item=answer("x"), passed=one) for one in passed])


def of_texts(raw: Json, *texts: str | None) -> Score:
    samples = [
        Sample(
            item=answer(text, response_class="observed" if text is not None else "target_failure"),
            passed=None,
        )
        for text in texts
    ]
    return score_samples(entry_of(raw), samples)


def number(found: Score) -> float:
    assert isinstance(found, Scored), found
    return found.value


@pytest.mark.parametrize(("k", "passed"), [(1, 3), (2, 3), (5, 1), (10, 0), (8, 3), (3, 10)])
def test_pass_at_k_and_pass_hat_k_are_the_unbiased_estimates(k: int, passed: int) -> None:
    flags = [True] * passed + [False] * (10 - passed)
    at_least_one = 1 - comb(10 - passed, k) / comb(10, k)
    assert number(of_flags({"type": "pass_at_k", "k": k}, flags)) == pytest.approx(at_least_one)
    all_of_them = comb(passed, k) / comb(10, k)
    assert number(of_flags({"type": "pass^k", "k": k}, flags)) == pytest.approx(all_of_them)


def test_fewer_repeats_than_k_say_nothing() -> None:
    found = of_flags({"type": "pass_at_k", "k": 3}, [True, True])
    assert isinstance(found, Unscored)
    assert found.code == "not_applicable"


def test_repeats_that_were_not_reached_are_left_out() -> None:
    assert number(of_flags({"type": "pass_at_k", "k": 1}, [True, None, False])) == 0.5
    found = of_flags({"type": "pass_hat_k", "k": 3}, [True, None, True])
    assert isinstance(found, Unscored)
    assert found.code == "not_run"


def test_negation_turns_the_chance_around() -> None:
    assert number(of_flags({"type": "pass_at_k", "negate": True}, [True, False])) == 0.5


def test_consistency_is_the_mean_agreement_of_pairs() -> None:
    assert number(of_texts("consistency", "a", " a ", "b")) == pytest.approx(1 / 3)
    assert number(of_texts("consistency", "a", "a", "a")) == 1.0


def test_consistency_may_go_by_any_similarity_in_both_directions() -> None:
    raw: Json = {
        "type": "consistency",
        "by": {"type": "rouge", "rouge_type": "rouge1", "field": "p"},
    }
    # precision of "a b" against "a" is 1/2, the other way round 1
    assert number(of_texts(raw, "aa bb", "aa")) == 0.75


def test_what_is_taken_out_of_the_answers_is_compared() -> None:
    raw: Json = {"type": "consistency", "extract": {"last_number": True}}
    assert number(of_texts(raw, "it is 5", "5 it is")) == 1.0


def test_a_failure_of_the_target_agrees_with_nothing() -> None:
    assert number(of_texts("consistency", "a", "a", None)) == pytest.approx(1 / 3)


def test_consistency_needs_two_answers() -> None:
    alone = of_texts("consistency", "a")
    assert isinstance(alone, Unscored)
    assert alone.code == "not_applicable"
    missing = Sample(item=answer(None, response_class="missing"), passed=None)
    found = score_samples(entry_of("consistency"), [Sample(item=answer("a"), passed=True), missing])
    assert isinstance(found, Unscored)
    assert found.code == "not_run"


def test_a_pair_that_cannot_be_compared_leaves_the_case_without_a_number() -> None:
    raw: Json = {"type": "consistency", "by": {"type": "rouge", "tokenizer": "rouge"}}
    found = of_texts(raw, "猫", "犬")
    assert isinstance(found, Unscored)
    assert found.code == "not_applicable"


@pytest.mark.parametrize("by", ["latency", "regex_match", "wer", "nothing_like_this"])
def test_consistency_goes_by_metrics_that_compare_two_texts(by: str) -> None:
    with pytest.raises(SpecError):
        entry_of({"type": "consistency", "by": by})


@pytest.mark.parametrize("name", ["pass_at_k", "pass_hat_k", "consistency"])
def test_a_metric_of_repeats_says_nothing_of_one_answer(name: str) -> None:
    found = score_item(entry_of(name), answer("x"))
    assert isinstance(found, Unscored)
    assert found.code == "not_applicable"


def test_a_metric_of_one_answer_is_not_asked_for_repeats() -> None:
    with pytest.raises(TypeError, match="no metric of repeats"):
        score_samples(entry_of("bleu"), [])


def test_a_pattern_that_takes_too_long_is_a_time_out_of_the_case() -> None:
    raw: Json = {"type": "consistency", "extract": {"regex": "(a|aa)+$"}}
    found = of_texts(raw, "a" * 60 + "b", "b")
    assert isinstance(found, Unscored)
    assert found.code == "metric_timeout"


def test_what_a_chance_is_counted_of_is_a_metric_with_a_threshold() -> None:
    def problems(*raw: Json) -> list[tuple[str, str | None]]:
        found = problems_of_repeats([entry_of(one) for one in raw])
        return [(one.path, one.suggestion) for one in found]

    of_match = {"type": "pass_at_k", "of": "exact_match"}
    assert problems("exact_match", of_match, "pass_hat_k", "consistency") == []
    assert problems({"type": "pass_at_k", "of": "exact_mach"}, "exact_match") == [
        ("metrics[0].of", "exact_match")
    ]
    assert problems("bleu", {"type": "pass_at_k", "of": "bleu"}) == [("metrics[1].of", None)]
