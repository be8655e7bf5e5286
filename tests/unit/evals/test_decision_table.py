"""Sections 6.8 and 6.9 as one generated table: what happened x direction of the metric x tier of the rule."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from pipex_core.evals.arms import Arm, MetricFacts
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate, Rule, Tier
from pipex_core.evals.judged import Baseline, Judged, SummaryBaseline
from pipex_core.evals.verdict import Outcome, Verdict
from pipex_core.stats.estimates import Scale
from tests.fakes.arms import arm, metric

Direction = Literal["higher", "lower"]
Values = Sequence[float | str | None]

noninferior = Rule(id="r", metric="m", kind="noninferiority", margin=0.1)
better = Rule(id="r", metric="m", kind="superiority")
same = Rule(id="r", metric="m", kind="equivalence", margin=0.1)
percent = Rule(id="r", metric="m", kind="regression_pct", drop=5.0)
covered = Rule(id="r", metric="m", kind="coverage", min=0.95)
floor = Rule(id="r", metric="m", kind="threshold", value=0.7)
exactly = replace(floor, bound="point")


def flags(wins: int, losses: int, ties: int, missing: int = 0) -> tuple[Values, Values]:
    """Values of a baseline and a challenger; ties passed both."""
    a: list[float | str | None] = [*[0.0] * wins, *[1.0] * (losses + ties + missing)]
    b: list[float | str | None] = [*[1.0] * wins, *[0.0] * losses, *[1.0] * ties, *[None] * missing]
    return a, b


@dataclass(frozen=True, kw_only=True)
class Row:
    """What happened, and what follows for the rule.

    Attributes:
        before: Values of the baseline, higher is better; None for no baseline.
        now: Values of the challenger.
        bounded: False gives the metric a range without an end.
    """

    rule: Rule
    outcome: Outcome
    reason: str | None = None
    before: Values | Literal["summary"] | None = None
    now: Values
    bounded: bool = True
    change: Callable[[Judged], Judged] = lambda run: run


def pair(rule: Rule, outcome: Outcome, reason: str | None, *counts: int) -> Row:
    before, now = flags(*counts)
    return Row(rule=rule, outcome=outcome, reason=reason, before=before, now=now)


def one(rule: Rule, outcome: Outcome, reason: str | None, now: Values, **given: Any) -> Row:
    return Row(rule=rule, outcome=outcome, reason=reason, now=now, **given)


def other_ruler(run: Judged) -> Judged:
    made = run.arm.metrics["m"]
    facts = replace(made.facts, fingerprint="other")
    return replace(run, arm=replace(run.arm, metrics={"m": replace(made, facts=facts)}))


def uncertified(run: Judged) -> Judged:
    return replace(run, uncertified=frozenset({"m"}))


def without_metric(run: Judged) -> Judged:
    made = run.arm.metrics["m"]
    facts = replace(made.facts, name="n")
    return replace(run, arm=replace(run.arm, metrics={"n": replace(made, facts=facts)}))


hundred = [1.0] * 90 + [0.0] * 10
half = [1.0] * 50 + [0.0] * 50
table: dict[str, Row] = {
    "noninferiority holds": pair(noninferior, "PASS", None, 20, 20, 360),
    "worse within the margin": pair(noninferior, "PASS", "worse_within_margin", 0, 8, 992),
    "a shown regression": pair(noninferior, "FAIL", None, 5, 60, 335),
    "noninferiority is open": pair(noninferior, "INCONCLUSIVE", None, 15, 18, 67),
    "superiority is shown": pair(better, "PASS", None, 60, 5, 335),
    "superiority is refuted": pair(better, "FAIL", None, 5, 60, 335),
    "superiority is open": pair(better, "INCONCLUSIVE", None, 12, 10, 378),
    "equivalence is shown": pair(same, "PASS", None, 20, 20, 360),
    "equivalence is refuted below": pair(same, "FAIL", None, 0, 90, 310),
    "equivalence is refuted above": pair(same, "FAIL", None, 90, 0, 310),
    "equivalence is open": pair(same, "INCONCLUSIVE", None, 15, 18, 67),
    "a threshold is reached": one(floor, "PASS", None, hundred),
    "a threshold is missed": one(floor, "FAIL", None, half),
    "a threshold is open": one(floor, "INCONCLUSIVE", None, [1.0] * 72 + [0.0] * 28),
    "a number is reached": one(exactly, "PASS", None, [1.0] * 7 + [0.0] * 3),
    "a number is missed": one(exactly, "FAIL", None, [1.0] * 69 + [0.0] * 31),
    "covered": one(covered, "PASS", None, hundred),
    "not covered": one(covered, "INCOMPLETE", "low_coverage", [*hundred[:90], *[None] * 10]),
    "no number at all": one(exactly, "INCOMPLETE", "not_computed", ["na"] * 40),
    "no baseline": one(noninferior, "INCONCLUSIVE", "no_baseline", hundred),
    "only means of a baseline": one(noninferior, "INCONCLUSIVE", "summary_baseline", hundred, before="summary"),
    "another ruler": one(noninferior, "INCONCLUSIVE", "ruler_changed", hundred, before=hundred, change=other_ruler),
    "a judge without certificate": one(floor, "INCONCLUSIVE", "judge_uncertified", hundred, change=uncertified),
    "few flags": pair(noninferior, "INCONCLUSIVE", "insufficient_data", 2, 2, 15),
    "few numbers": one(noninferior, "INCONCLUSIVE", "insufficient_data", [0.4, 0.6] * 24, before=[0.5] * 48),
    "equal differences without a range": one(
        noninferior, "INCONCLUSIVE", "degenerate", [3.0] * 60, before=[2.0] * 60, bounded=False
    ),
    "many missing that matter": pair(noninferior, "INCOMPLETE", "too_many_missing", 20, 20, 260, 100),
    "many missing that do not matter": pair(noninferior, "FAIL", None, 0, 250, 100, 50),
    "a drop within the percentage": pair(percent, "PASS", None, 20, 21, 359),
    "a shown drop": pair(percent, "FAIL", None, 5, 60, 335),
    "a drop that may be chance": pair(percent, "INCONCLUSIVE", None, 8, 15, 77),
    "the metric is gone": one(percent, "FAIL", "metric_missing", hundred, before=hundred, change=without_metric),
}  # fmt: skip


def turned(values: Values, direction: Direction, *, bounded: bool) -> Values:
    """The same values of a metric whose lower end is the better one."""
    if direction == "higher":
        return values
    top = 1.0 if bounded else 0.0
    return [top - value if isinstance(value, float) else value for value in values]


def verdict_of(row: Row, direction: Direction, tier: Tier) -> Verdict:
    low, high = (0.0, 1.0) if row.bounded else (-math.inf, math.inf)
    facts = MetricFacts(
        name="m",
        type="m",
        fingerprint="f",
        scale=Scale(low=low, high=high, direction=direction),
        threshold=0.5,
    )

    def made(values: Values, run_id: str) -> Arm:
        own = turned(values, direction, bounded=row.bounded)
        return arm({"m": metric(own, facts)}, run_id=run_id)

    baseline: Baseline | None = None
    if row.before == "summary":
        baseline = SummaryBaseline(means={"m": 0.5})
    elif row.before is not None:
        baseline = Judged(arm=made(row.before, "base"))
    rule = replace(row.rule, tier=tier)
    if rule.value is not None and direction == "lower":
        rule = replace(rule, value=1.0 - rule.value)
    run = row.change(Judged(arm=made(row.now, "new")))
    return judge(Gate(rules=(rule,)), run, baseline=baseline)


def wanted(outcome: Outcome, tier: Tier) -> Outcome:
    """The decision table of 6.9 for a single rule."""
    match tier, outcome:
        case "advisory", _:
            return "PASS"
        case "supporting", "INCONCLUSIVE":
            return "PASS"
        case _:
            return outcome


@pytest.mark.parametrize("direction", ["higher", "lower"])
@pytest.mark.parametrize("name", table)
def test_every_row_of_the_table_holds_in_both_directions_and_every_tier(
    name: str, direction: Direction
) -> None:
    row = table[name]
    tiers: tuple[Tier, ...] = ("critical", "supporting", "advisory")
    for tier in tiers:
        found = verdict_of(row, direction, tier)
        (result,) = found.rules
        if tier == "advisory" and row.reason == "judge_uncertified":
            assert result.outcome == "PASS"  # what does not count needs no certificate
            continue
        assert (result.outcome, result.reason) == (row.outcome, row.reason)
        assert found.verdict == wanted(row.outcome, tier)


def test_every_outcome_and_every_reason_of_the_specification_has_a_row() -> None:
    assert {row.outcome for row in table.values()} == {"PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE"}
    assert {row.rule.kind for row in table.values()} == {
        *("threshold", "noninferiority", "superiority", "equivalence", "regression_pct", "coverage")
    }
    assert {row.reason for row in table.values() if row.reason} >= {
        *("no_baseline", "ruler_changed", "judge_uncertified", "insufficient_data", "degenerate"),
        *("summary_baseline", "metric_missing", "worse_within_margin"),
    }


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_a_baseline_of_zero_has_no_percentage(direction: Direction) -> None:
    facts = MetricFacts(
        name="m", type="m", fingerprint="f", scale=Scale(low=-1.0, direction=direction)
    )
    a = arm({"m": metric([0.0] * 60, facts)}, run_id="base")
    b = arm({"m": metric([0.5, -0.5] * 30, facts)}, run_id="new")
    found = judge(Gate(rules=(percent,)), Judged(arm=b), baseline=Judged(arm=a))
    assert (found.verdict, found.rules[0].reason) == ("INCONCLUSIVE", "zero_baseline")
