"""The demands of a gate: each rule on all cases and on its slices, with what the data say about it.

The evidence of a demand is computed three times when cases are missing: on what is there, and with the
missing cases at the worst and at the best end of the range.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import MetricArm, slices_of, small
from pipex_core.evals.compare import Comparison, described
from pipex_core.evals.evidence import (
    Evidence,
    Repeats,
    Standards,
    cases_needed,
    margin_to_show,
    of_filled,
    of_pairs,
    of_values,
    repeats_that_tell,
)
from pipex_core.evals.gatefile import Gate, Rule, paired_kinds, percentiles
from pipex_core.evals.judged import (
    Baseline,
    Judged,
    Quantity,
    SummaryBaseline,
    quantity_of,
    statistic,
    total_of,
    totals,
    values_of,
)
from pipex_core.evals.pairs import ArmSample, Matched, PairSample, arm_sample, sample
from pipex_core.evals.results import tolerance
from pipex_core.stats.units import standard_deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One rule on all cases or on one slice, with all that is known about it.

    Attributes:
        rule: With ``bound`` and ``stat`` as they apply.
        blocked: Why numbers cannot decide whatever they are, such as ``no_baseline``.
        worst: With the missing cases at the worst end; None when nothing is missing, or the range
            of the metric has no ends. ``best`` likewise.
        bounded: Has the range of the metric two ends?
        missing_share: Of the arm that misses more.
        repeats: Answers per case that would decide over the same cases; None when that is not known.
        row: For the table of comparisons and for people; its outcome is not yet decided.
    """

    rule: Rule
    row: Comparison
    evidence: Evidence
    blocked: str | None = None
    worst: Evidence | None = None
    best: Evidence | None = None
    bounded: bool = True
    missing_share: float = 0.0
    repeats: Repeats | None = None

    @property
    def is_point(self) -> bool:
        """Does the rule compare numbers as they stand?"""
        return self.rule.kind == "coverage" or self.rule.bound == "point"

    @property
    def claims(self) -> bool:
        """Does the rule belong to the family whose FAIL claims are corrected together?"""
        return (
            self.blocked is None
            and not self.is_point
            and self.evidence.decides
            and self.evidence.p is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all rules of one verdict share.

    Attributes:
        matched: The common cases; None without a baseline that has cases.
    """

    gate: Gate
    run: Judged
    baseline: Baseline | None
    matched: Matched | None
    standards: Standards


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Some cases of the run.

    Attributes:
        positions: In the arm of the run that is judged.
    """

    by: str
    value: str
    positions: Sequence[int]


def demands(bench: Bench, rule: Rule) -> Iterator[Demand]:
    """The rule on all cases, then on each value of its slices.

    Raises:
        ConfigError: ``unknown_metric``, ``metric_not_gated``, ``no_interval``, or
            ``conflicting_fields`` for slices of a number that has none.
    """
    quantity = demanded(rule, bench.run, bench.baseline)
    whole = _resolved(rule, quantity)
    yield _demand(bench, whole, quantity, None)
    for by in rule.slices:
        found = slices_of(bench.run.arm, by, min_slice=bench.gate.min_slice)
        for value, positions in found.items():
            part = Slice(by=by, value=value, positions=positions)
            if value != small:
                yield _demand(bench, whole, quantity, part)
            else:
                shown = _demand(bench, replace(whole, tier="advisory"), quantity, part)
                yield replace(shown, blocked="small_slice")


def demanded(rule: Rule, run: Judged, baseline: Baseline | None) -> Quantity:
    """What the rule is about, when something can be said of it at all.

    Raises:
        ConfigError: ``unknown_metric``, ``metric_not_gated``, ``no_interval``, or
            ``conflicting_fields`` for slices of a number that has none.
    """
    known_there = baseline if rule.kind == "regression_pct" else None
    quantity = quantity_of(rule, run, known_there)
    whole = _resolved(rule, quantity)
    of_means = isinstance(baseline, SummaryBaseline) and rule.kind in paired_kinds
    if rule.slices and (quantity.total or (of_means and whole.bound == "point")):
        known = "the baseline is known" if of_means else f"{rule.metric!r} is a number"
        message = f"rule {rule.id!r}: {known} for the whole suite only, so it cannot have slices"
        raise ConfigError(message, code="conflicting_fields", next_step="remove slices")
    return quantity


def _resolved(rule: Rule, quantity: Quantity) -> Rule:
    """The rule with the bound that applies: an interval exists for means and rates of cases only."""
    number_only = quantity.total or quantity.stat in percentiles
    if number_only and rule.kind not in ("threshold", "coverage"):
        message = f"rule {rule.id!r}: {rule.metric!r} has no values by case to compare in pairs"
        raise ConfigError(message, code="no_interval")
    if number_only and rule.bound == "ci":
        message = f"rule {rule.id!r}: {rule.metric!r} has no interval; use bound: point"
        raise ConfigError(message, code="no_interval")
    bound = rule.bound or ("point" if number_only else "ci")
    return replace(rule, bound=bound, stat=quantity.stat)


def _demand(bench: Bench, rule: Rule, quantity: Quantity, part: Slice | None) -> Demand:
    row = Comparison(
        baseline_run_id=bench.baseline.run_id if bench.baseline else "none",
        metric=rule.metric,
        outcome="INCONCLUSIVE",
        fingerprint="",
        stat=rule.stat,
        rule_id=rule.id,
        slice_by=part.by if part else None,
        slice=part.value if part else None,
        kind=rule.kind,
        tier=rule.tier,
        level=bench.standards.inference.level,
        alpha=bench.standards.inference.alpha,
        margin=rule.min_gain if rule.kind == "superiority" else rule.margin,
        value={"coverage": rule.min, "regression_pct": rule.drop}.get(rule.kind, rule.value),
    )
    demand = Demand(rule=rule, row=row, evidence=Evidence())
    metric = values_of(quantity, bench.run)
    if quantity.total:
        demand = _total_demand(bench, demand, quantity)
    elif metric is None:
        return replace(demand, blocked="metric_missing")
    elif rule.kind in paired_kinds:
        demand = _paired_demand(bench, demand, (quantity, metric), part)
    else:
        demand = _single_demand(bench, demand, metric, part)
    certified = not bench.gate.require_certificate or quantity.name not in bench.run.uncertified
    if rule.tier != "advisory" and not certified:
        demand = replace(demand, blocked="judge_uncertified")
    return demand


def _total_demand(bench: Bench, demand: Demand, quantity: Quantity) -> Demand:
    """A number of the whole suite; its own missing rate is no reason to doubt a missing rate."""
    found = total_of(quantity, bench.run)
    limit = demand.rule.value
    reached = None
    if found is not None and limit is not None:
        lower = totals[quantity.name] == "lower"
        reached = found <= limit + tolerance if lower else found >= limit - tolerance
    return replace(
        demand,
        row=replace(demand.row, mean_b=found, method="point"),
        evidence=Evidence(n=len(bench.run.arm.cases), reached=reached),
        bounded=False,
        missing_share=0.0 if quantity.name == "missing_rate" else bench.run.missing_share,
    )


# -- one arm against a value


def _single_demand(bench: Bench, demand: Demand, metric: MetricArm, part: Slice | None) -> Demand:
    within = part.positions if part else None
    values = arm_sample(metric, cases=bench.run.arm.cases, within=within)
    known = values.complete()
    row = replace(
        demand.row,
        fingerprint=values.seed_of,
        n_pairs=known.values.size,
        n_missing_b=values.missing,
        mean_b=statistic(values, demand.rule.stat),
        method="point",
    )
    if demand.rule.kind == "coverage":
        chosen = range(len(metric.states)) if within is None else within
        states = [metric.states[i] for i in chosen]
        asked = len(states) - states.count(None) - states.count("na")
        share = states.count("scored") / asked if asked else None  # an imputed failure is no score
        reached = None if share is None else share >= demand.rule.min - tolerance
        row = replace(row, mean_b=share, stat="coverage")
        return replace(demand, row=row, evidence=Evidence(n=asked, reached=reached))
    ends = _ends(values)
    demand = replace(
        demand,
        row=row,
        evidence=of_values(demand.rule, known, bench.standards),
        worst=of_values(demand.rule, values.filled("worst"), bench.standards) if ends else None,
        best=of_values(demand.rule, values.filled("best"), bench.standards) if ends else None,
        bounded=math.isfinite(values.scale.width),
        missing_share=values.missing_share,
    )
    demand = replace(demand, row=_tested_row(bench, demand, known))
    gap = demand.evidence.diff
    if gap is None or demand.is_point:
        return demand
    repeats = repeats_that_tell(
        bench.standards,
        [metric],
        margin=abs(gap),
        sd=standard_deviation(known.values),
        n=known.values.size,
    )
    return replace(demand, repeats=repeats)


def _ends(values: ArmSample | PairSample) -> bool:
    """Can the missing cases be put at either end?"""
    return values.missing_share > 0 and math.isfinite(values.scale.width)


def _tested_row(bench: Bench, demand: Demand, known: ArmSample) -> Comparison:
    """The row with the bounds turned back to the metric's own unit: l1 is the end on the worse side."""
    row, value = demand.row, demand.rule.value
    if demand.is_point or not known.values.size or value is None:
        return row
    result = known.tested(value, bench.standards.inference)
    sign, finding = known.scale.sign, result.finding
    row = replace(row, diff=result.diff, n_clusters=result.units, method=finding.method or "none")
    if finding.ci is None or finding.l1 is None or finding.u1 is None:
        return row
    low, high = sorted((value + sign * finding.ci.low, value + sign * finding.ci.high))
    sd = standard_deviation(known.values)
    return replace(
        row,
        ci_low=low,
        ci_high=high,
        l1=value + sign * finding.l1,
        u1=value + sign * finding.u1,
        n_needed=cases_needed(
            bench.standards, margin=abs(result.diff), sd=sd, fewest=demand.evidence.fewest
        ),
    )


# -- two arms in pairs


def _paired_demand(
    bench: Bench, demand: Demand, of: tuple[Quantity, MetricArm], part: Slice | None
) -> Demand:
    quantity, in_b = of
    demand = replace(demand, row=replace(demand.row, fingerprint=in_b.facts.fingerprint))
    baseline = bench.baseline
    if baseline is None:
        return replace(demand, blocked="no_baseline")
    if isinstance(baseline, Judged):
        return _of_two(bench, demand, (values_of(quantity, baseline), in_b), part)
    if demand.is_point:
        return _against_summary(demand, in_b, bench, baseline.means.get(quantity.name))
    return replace(demand, blocked="summary_baseline")


def _against_summary(demand: Demand, in_b: MetricArm, bench: Bench, mean_a: float | None) -> Demand:
    values = arm_sample(in_b, cases=bench.run.arm.cases)
    mean_b = statistic(values, "mean")
    row = replace(demand.row, mean_a=mean_a, mean_b=mean_b, method="point")
    demand = replace(demand, row=row, missing_share=values.missing_share, bounded=False)
    evidence = Evidence(n=values.values.size)
    if mean_a == 0:
        return replace(demand, evidence=replace(evidence, reason="zero_baseline"))
    if mean_a is None or mean_b is None:
        return replace(demand, evidence=evidence)
    gain = values.scale.sign * (mean_b - mean_a)
    reached = -100 * gain / abs(mean_a) <= demand.rule.drop + tolerance
    return replace(
        demand, row=replace(row, diff=gain), evidence=replace(evidence, diff=gain, reached=reached)
    )


def _of_two(
    bench: Bench, demand: Demand, arms: tuple[MetricArm | None, MetricArm], part: Slice | None
) -> Demand:
    in_a, in_b = arms
    if in_a is None:
        return replace(demand, blocked="no_baseline")
    if in_a.facts.fingerprint != in_b.facts.fingerprint:
        return replace(demand, blocked="ruler_changed")
    pairs = sample(
        bench.matched or Matched(a=(), b=(), only_a=0, only_b=0),
        in_a,
        in_b,
        cases=bench.run.arm.cases,
        within=part.positions if part else None,
    )
    if not pairs.is_of_one_ruler:
        return replace(demand, blocked="ruler_changed")
    complete, rule = pairs.complete(), demand.rule
    result = complete.tested(bench.standards.inference) if complete.a.size else None
    ends = _ends(pairs)
    demand = replace(
        demand,
        row=described(demand.row, pairs, result),
        evidence=of_pairs(rule, complete, result, bench.standards),
        worst=of_filled(rule, pairs, "worst", bench.standards) if ends else None,
        best=of_filled(rule, pairs, "best", bench.standards) if ends else None,
        bounded=math.isfinite(pairs.scale.width),
        missing_share=pairs.missing_share,
    )
    if result is None:
        return demand
    margin, sd = margin_to_show(rule, result), result.sd_per_case
    needed = cases_needed(bench.standards, margin=margin, sd=sd, fewest=demand.evidence.fewest)
    repeats = repeats_that_tell(
        bench.standards, [in_a, in_b], margin=margin, sd=sd, n=result.n_pairs
    )
    return replace(demand, row=replace(demand.row, n_needed=needed), repeats=repeats)
