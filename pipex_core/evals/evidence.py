"""What one sample says about one rule: bounds, a p value, or whether a number reaches a limit."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipex_core.evals.arms import MetricArm
from pipex_core.evals.gatefile import Rule
from pipex_core.evals.judged import statistic
from pipex_core.evals.pairs import ArmSample, End, PairSample
from pipex_core.evals.regressions import percent_change
from pipex_core.evals.results import tolerance
from pipex_core.stats.bounds import Inference
from pipex_core.stats.paired import Against, Paired
from pipex_core.stats.power import n_needed, repeats_needed

fewest_flags = 20
fewest_numbers = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Standards:
    """How sure a gate wants to be.

    Attributes:
        min_pairs: Fewest cases that decide; None takes 20 for pass flags and 50 for other numbers.
    """

    inference: Inference = field(default_factory=Inference)
    min_pairs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one sample says about one rule; differences are turned so that positive is better.

    Attributes:
        n: Cases or pairs with a value.
        fewest: Cases below which nothing is decided.
        few_clusters: Clusters are given, but too few.
        diff: To the baseline, or to the value of a threshold; l1 and u1 are its one-sided bounds.
        p: Of what a FAIL claims.
        reached: Of rules that compare numbers: is the limit kept? None when there is no number.
        reason: Why the numbers cannot decide, such as ``degenerate``.
    """

    n: int = 0
    fewest: int = 0
    few_clusters: bool = False
    diff: float | None = None
    l1: float | None = None
    u1: float | None = None
    p: float | None = None
    reached: bool | None = None
    reason: str | None = None

    @property
    def decides(self) -> bool:
        """Is there enough to claim anything?"""
        return self.n >= self.fewest and not self.few_clusters and self.reason is None


def of_values(rule: Rule, values: ArmSample, standards: Standards) -> Evidence:
    """What one arm says of a threshold; ``values`` holds no missing case unless the number is a plain one."""
    value = rule.value or 0.0
    if rule.bound == "point":
        found = statistic(values, rule.stat)
        gap = None if found is None else values.scale.sign * (found - value)
        reached = None if gap is None else gap >= -tolerance
        return Evidence(n=values.values.size, reached=reached)
    fewest = _fewest(rule, standards, flags=values.flags)
    if not values.values.size:
        return Evidence(fewest=fewest)
    result = values.tested(value, standards.inference)
    return _evidence(result, fewest=fewest, n=result.n, p=result.finding.p_worse)


def of_filled(rule: Rule, pairs: PairSample, b_at: End, standards: Standards) -> Evidence:
    """What pairs say when the missing cases of the challenger are put at one end of the range."""
    filled = pairs.filled(b_at)
    return of_pairs(rule, filled, filled.tested(standards.inference), standards)


def of_pairs(
    rule: Rule, pairs: PairSample, result: Paired | None, standards: Standards
) -> Evidence:
    """What complete pairs say of a rule that compares two runs.

    Args:
        rule: Of a paired kind.
        pairs: Without missing values.
        result: Their comparison; None when there are none.
        standards: Of the gate.
    """
    fewest = _fewest(rule, standards, flags=pairs.flags)
    if result is None:
        return Evidence(fewest=fewest)
    p = _p_of_fail(rule, pairs, result, standards.inference)
    found = _evidence(result, fewest=fewest, n=result.n_pairs, p=p)
    if rule.kind != "regression_pct":
        return found
    if not result.mean_a:
        return replace(found, reason="zero_baseline")
    return replace(found, reached=-percent_change(result) <= rule.drop + tolerance)


def _p_of_fail(rule: Rule, pairs: PairSample, result: Paired, inference: Inference) -> float | None:
    """The p of what a FAIL of the rule claims: worse than nothing, or beyond the margin."""
    margin = rule.margin or 0.0
    match rule.kind:
        case "equivalence":
            low, high = (pairs.tails_at(at, inference) for at in (-margin, margin))
            if low is None or high is None:
                return None
            return min(1.0, 2 * min(low.worse, high.better))
        case "noninferiority" if rule.fail_on == "margin":
            beyond = pairs.tails_at(-margin, inference)
            return None if beyond is None else beyond.worse
        case _:
            return result.finding.p_worse


def _evidence(result: Paired | Against, *, fewest: int, n: int, p: float | None) -> Evidence:
    finding = result.finding
    reason = "insufficient_data" if finding.reason == "too_few_units" else finding.reason
    return Evidence(
        n=n,
        fewest=fewest,
        few_clusters=result.few_clusters,
        diff=result.diff,
        l1=finding.l1,
        u1=finding.u1,
        p=p,
        reason=reason,
    )


def _fewest(rule: Rule, standards: Standards, *, flags: bool) -> int:
    wanted = rule.min_pairs if rule.min_pairs is not None else standards.min_pairs
    return wanted if wanted is not None else fewest_flags if flags else fewest_numbers


def margin_to_show(rule: Rule, result: Paired) -> float:
    """The difference that has to be told from nothing for the rule to pass."""
    match rule.kind:
        case "superiority":
            return result.diff - rule.min_gain
        case "regression_pct":
            return rule.drop / 100 * abs(result.mean_a)
        case _:
            return rule.margin or 0.0


def cases_needed(
    standards: Standards, *, margin: float, sd: float | None, fewest: int
) -> int | None:
    """Cases that would decide; None when no number of them would."""
    if sd is None or margin <= 0:
        return None
    sure = standards.inference
    return max(fewest, n_needed(margin=margin, sd=sd, alpha=sure.alpha, power=sure.power))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """Answers per case: those there are, and those that would decide over the same cases."""

    present: int
    needed: int


def repeats_that_tell(
    standards: Standards, arms: Sequence[MetricArm], *, margin: float, sd: float | None, n: int
) -> Repeats | None:
    """Answers per case that would decide over the same cases; None when that is not known.

    Args:
        standards: Of the gate.
        arms: The one or two behind the differences; their repeats say how much a case varies by itself.
        margin: The difference that has to be told from nothing.
        sd: Of the differences, made with the repeats that there are.
        n: Cases.
    """
    within = [(arm.within_variance, arm.repeats) for arm in arms]
    if sd is None or margin <= 0 or any(v is None or k is None for v, k in within):
        return None
    noise = sum(v / k for v, k in within if v is not None and k)
    sure = standards.inference
    found = repeats_needed(
        margin=margin,
        n=n,
        between=max(0.0, sd**2 - noise),
        within=sum(v for v, _ in within if v is not None),
        alpha=sure.alpha,
        power=sure.power,
    )
    present = max(int(k) for _, k in within if k is not None)
    if found is None:
        return None
    return Repeats(present=present, needed=max(found, present + 1))
