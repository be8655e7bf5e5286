"""How repeats become one value: chances of passing, missing repeats, and what they vary."""

import math
from typing import Any

import pytest

from pipex_core.evals.reducers import (
    CaseValue,
    Reduction,
    chance,
    flake_rate,
    is_chance,
    pooled_variance,
    problem_of,
    problems_of,
    statistics,
)

yes, no = True, False


@pytest.mark.parametrize(
    ("reducer", "flags", "value"),
    [
        # 1 - C(3,2)/C(5,2) = 1 - 3/10, C(2,2)/C(5,2) = 1/10.
        ("pass_at_2", [yes, no, yes, no, no], 0.7),
        ("pass_hat_2", [yes, no, yes, no, no], 0.1),
        ("pass_at_1", [yes, no, yes, no], 0.5),
        ("pass_hat_1", [yes, no, yes, no], 0.5),
        ("pass_at_k", [no, no, yes], 1.0),
        ("pass_hat_k", [yes, yes, no], 0.0),
        ("pass_hat_k", [yes, yes, yes], 1.0),
        ("at_least_2", [yes, no, yes], 1.0),
        ("at_least_2", [yes, no, no], 0.0),
        ("at_least_k", [yes, yes], 1.0),
        ("pass_at_3", [yes, yes], None),
        # Two of two passed: whatever the third does, two are enough and three are open.
        ("at_least_2", [yes, yes], 1.0),
        ("at_least_3", [yes, yes], None),
    ],
)
def test_a_chance_is_counted_from_the_repeats_that_passed(
    reducer: str, flags: Any, value: float | None
) -> None:
    assert chance(reducer, flags) == (None if value is None else pytest.approx(value, abs=1e-12))


def test_a_statistic_is_no_chance() -> None:
    assert [is_chance(name) for name in statistics] == [False] * 5
    with pytest.raises(ValueError, match="'mean' is no chance"):
        chance("mean", [True])


@pytest.mark.parametrize("name", ["meen", "pass_at_0", "pass_at_101", "pass_at_", "at_least_x"])
def test_an_unknown_reducer_says_what_is_known(name: str) -> None:
    assert "with a number in the place of k" in problem_of(name)
    (found,) = problems_of(name, repeats=3)
    assert found.code == "unknown_value"


def test_a_chance_needs_as_many_repeats_as_it_draws() -> None:
    (found,) = problems_of("at_least_3", repeats=2)
    assert (found.code, found.message) == (
        "too_few_repeats",
        "the reducer at_least_3 needs 3 repeats of a case, and there are 2",
    )
    assert problems_of("at_least_3", repeats=3) == []
    assert problems_of("pass_at_k", repeats=1) == []
    assert problems_of("median", repeats=1) == []


def reduce(reducer: str, marks: Any, scores: Any, **given: Any) -> CaseValue:
    own = {"direction": "higher", "chances": is_chance(reducer), **given}
    return Reduction(reducer=reducer, **own).of(marks, scores, 0.5)


def test_chances_look_at_the_threshold_and_not_at_the_unit() -> None:
    slow = Reduction(reducer="at_least_2", direction="lower", worst=None, chances=True)
    found = slow.of(["scored"] * 3, [90.0, 700.0, 80.0], 100.0)
    assert (found.state, found.value, found.passed) == ("scored", 1.0, True)
    # A failure of the target of an unbounded metric has no value, and has not passed.
    failed = slow.of(["scored", "failed", "failed"], [90.0, None, None], 100.0)
    assert (failed.value, failed.passed, failed.samples) == (0.0, False, [90.0])
    left_out = Reduction(reducer="pass_at_1", direction="lower", imputes=False, chances=True)
    assert left_out.of(["scored", "failed"], [90.0, None], 100.0).value == 1.0
    all_left_out = left_out.of(["failed", "failed"], [None, None], 100.0)
    assert (all_left_out.state, math.isnan(all_left_out.value)) == ("failed", True)


def test_a_case_with_too_few_known_repeats_for_a_chance_is_missing() -> None:
    found = reduce("pass_at_3", ["scored", "scored", "missing"], [1.0, 0.0, None])
    assert (found.state, math.isnan(found.value), found.passed) == ("missing", True, None)
    half = reduce("pass_at_1", ["scored", "missing"], [1.0, None])
    assert (half.state, half.value) == ("scored", 1.0)
    less = reduce("pass_at_1", ["scored", "missing", "missing"], [1.0, None, None])
    assert less.state == "missing"


def test_without_a_threshold_the_mean_stands_in_for_a_chance() -> None:
    found = reduce("pass_at_1", ["scored", "scored"], [0.25, 0.75], chances=False)
    assert (found.value, found.passed) == (0.5, True)


def test_failures_count_with_the_worst_value_or_stand_outside() -> None:
    assert reduce("mean", ["scored", "failed"], [1.0, None]).value == 0.5
    assert reduce("mean", ["scored", "failed"], [1.0, None], imputes=False).value == 1.0
    only = reduce("max", ["failed"], [None], worst=None)
    assert (only.state, math.isnan(only.value), only.passed) == ("failed", True, None)
    assert reduce("mean", ["na"], [None]).state == "na"


def test_the_variance_within_cases_is_pooled_by_degrees_of_freedom() -> None:
    # s² of (1, 3) is 2 with 1 degree, of (0, 0, 3) it is 3 with 2: (2 + 6)/3.
    cases = [
        CaseValue(state="scored", samples=[1.0, 3.0], flags=[True, True]),
        CaseValue(state="scored", samples=[0.0, 0.0, 3.0], flags=[False, False, True]),
        CaseValue(state="scored", samples=[9.0], flags=[True]),
    ]
    assert pooled_variance(cases) == pytest.approx(8 / 3, abs=1e-12)
    assert flake_rate(cases) == 0.5
    assert pooled_variance(cases[2:]) is None
    assert flake_rate(cases[2:]) is None
