"""Rule R1: what is no number inside the range is a reason, and the reason says what happened."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    Sample,
    Score,
    Scored,
    Unscored,
    aggregated,
    best,
    hit,
    measured,
    measured_repeats,
    prepared,
    too_many_tokens,
    why_no_answer,
)
from tests.fakes.metrics import Answering, answer, raising


def test_an_exception_is_a_reason_with_its_type_and_message() -> None:
    broken = Answering(raising(KeyError("topic")))
    assert measured(broken, answer("x")) == Unscored(
        code="metric_error", reason="KeyError: 'topic'"
    )


def test_a_time_out_has_its_own_code() -> None:
    slow = Answering(raising(TimeoutError("a second passed")))
    assert measured(slow, answer("x")) == Unscored(
        code="metric_timeout", reason="TimeoutError: a second passed"
    )


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1.000001, -0.000001])
def test_a_number_outside_the_range_is_no_score(number: float) -> None:
    found = measured(Answering(lambda _: Scored(value=number)), answer("x"))
    assert isinstance(found, Unscored)
    assert found.code == "metric_error"
    assert repr(number) in found.reason


@pytest.mark.parametrize(("number", "inside"), [(1 + 1e-10, 1.0), (-1e-10, 0.0), (0.25, 0.25)])
def test_rounding_outside_the_range_is_moved_to_its_end(number: float, inside: float) -> None:
    assert measured(Answering(lambda _: Scored(value=number)), answer("x")) == Scored(value=inside)


def test_an_infinite_range_still_takes_no_infinity() -> None:
    info = MetricInfo(name="latency", summary="", range=(0.0, math.inf))
    assert isinstance(
        measured(Answering(lambda _: Scored(value=math.inf), info=info), answer("x")), Unscored
    )
    assert measured(Answering(lambda _: Scored(value=1e300), info=info), answer("x")) == Scored(
        value=1e300
    )


def test_a_submetric_that_is_no_number_spoils_the_score() -> None:
    odd = Answering(lambda _: Scored(value=1.0, submetrics={"recall": 1.0, "precision": math.nan}))
    assert measured(odd, answer("x")) == Unscored(
        code="metric_error", reason="submetric 'precision' is not a finite number"
    )


def test_a_reason_of_the_metric_itself_is_kept() -> None:
    reason = Unscored(code="not_applicable", reason="no claims")
    assert measured(Answering(lambda _: reason), answer("x")) is reason


@pytest.mark.parametrize("answered", [None, 0.5, "yes", (1.0, {})])
def test_an_answer_that_is_no_score_is_a_reason(answered: Json) -> None:
    found = measured(Answering(lambda _: answered), answer("x"))
    assert found == Unscored(
        code="metric_error",
        reason=f"the metric answered {type(answered).__name__}, neither Scored nor Unscored",
    )


@pytest.mark.parametrize("number", [True, 1, np.float64(1.0), np.int64(1)])
def test_every_kind_of_number_becomes_a_float(number: Json) -> None:
    found = measured(Answering(lambda _: Scored(value=number)), answer("x"))
    assert isinstance(found, Scored)
    assert (type(found.value), found.value) == (float, 1.0)


@pytest.mark.parametrize("value", [None, "1.0", [1.0]])
def test_a_value_that_is_no_number_is_a_reason(value: Json) -> None:
    found = measured(Answering(lambda _: Scored(value=value)), answer("x"))
    assert isinstance(found, Unscored)
    assert found.code == "metric_error"


def test_aggregation_is_held_to_the_same_rule() -> None:
    def at(value: float) -> Answering:
        return Answering(lambda _: Scored(value=1.0), total=lambda _: Corpus(value=value))

    assert aggregated(at(1 + 1e-10), []) == Corpus(value=1.0)
    assert isinstance(aggregated(at(math.nan), []), Unscored)
    assert aggregated(Answering(lambda _: Scored(value=1.0)), []) is None

    def broken(_items: object) -> Corpus:
        raise ZeroDivisionError("division by zero")

    failing = Answering(lambda _: Scored(value=1.0), total=broken)
    assert aggregated(failing, []) == Unscored(
        code="metric_error", reason="ZeroDivisionError: division by zero"
    )


def test_the_best_of_several_references_says_which_one_it_was() -> None:
    scores = [Scored(value=0.2), Scored(value=0.9, label="a"), Scored(value=0.9, label="b")]
    assert best(scores) == Scored(value=0.9, label="a", details={"reference_index": 1})
    assert best(scores[:1]) == Scored(value=0.2)
    assert hit([False, True]) == Scored(value=1.0, details={"reference_index": 1})
    assert hit([False]) == Scored(value=0.0)


def test_twenty_thousand_tokens_are_the_end_of_quadratic_metrics() -> None:
    assert too_many_tokens(20_000, 5) is None
    refused = too_many_tokens(3, 20_001)
    assert refused is not None
    assert refused.code == "too_large"
    assert "20001" in refused.reason


@pytest.mark.parametrize(
    ("response_class", "status", "code"),
    [
        ("target_failure", "target_error", "no_output"),
        ("missing", "rate_limited", "not_run"),
        ("missing", "not_run_budget", "budget"),
    ],
)
def test_why_there_is_no_answer(response_class: str, status: str, code: str) -> None:
    absent = why_no_answer(answer(None, response_class=response_class, status=status))
    assert absent is not None
    assert absent.code == code
    assert why_no_answer(answer("x")) is None


class Together(Answering):
    """A metric of repeats that breaks, and one that gets ready and breaks."""

    of = None

    def score_repeats(self, samples: Sequence[Sample]) -> Score:
        raise KeyError(len(samples))

    def prepare(self, items: Sequence[MetricInput]) -> None:
        raise MemoryError(len(items))


def test_an_exception_over_repeats_is_a_reason_too() -> None:
    found = measured_repeats(Together(lambda _: Scored(value=1.0)), [])
    assert found == Unscored(code="metric_error", reason="KeyError: 0")


def test_getting_ready_is_asked_of_those_who_can_and_its_failure_waits_for_the_score() -> None:
    plain = Answering(lambda _: Scored(value=1.0))
    prepared(plain, [answer("x")])
    prepared(Together(lambda _: Scored(value=1.0)), [answer("x")])
    assert measured(plain, answer("x")) == Scored(value=1.0)
