"""Is the challenger worse, and how sure is that? Two arms over the same cases, or one and a value.

Pairs are compared case by case; differences are turned so that positive is better, whatever the
metric's direction. What could not be computed is None, with a reason beside it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipex_core.stats.bounds import (
    Evidence,
    Inference,
    Method,
    Unknown,
    bonett_price,
    bonett_price_se,
    bonett_price_tails,
    evidence_of,
    pass_rate,
    t_hall,
)
from pipex_core.stats.estimates import Scale, fewest_clusters, most_resampled
from pipex_core.stats.power import mde
from pipex_core.stats.pvalues import Tails, mcnemar_exact, wilcoxon
from pipex_core.stats.resampling import Ends, sign_flip
from pipex_core.stats.units import (
    Floats,
    Labels,
    Numbers,
    Units,
    exact_sum,
    mean,
    rounding,
    standard_deviation,
    unequal,
    units_of,
)

as_usual = Inference()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Bounds and p values of a difference; all None when ``reason`` says why.

    Attributes:
        ci: Two-sided interval at the level asked for.
        l1: Lower bound, wrong with probability alpha.
        u1: Upper bound, wrong with probability alpha.
        p_worse: One-sided; small when the data speak for a true difference below 0.
        p_better: One-sided; small when they speak for one above 0.
        p_two_sided: Twice the smaller p, at most 1.
        reason: ``degenerate``: all differences of an unbounded metric are equal;
            ``too_few_units``: fewer than 2 independent units.
    """

    method: Method | None = None
    ci: Ends | None = None
    l1: float | None = None
    u1: float | None = None
    p_worse: float | None = None
    p_better: float | None = None
    p_two_sided: float | None = None
    reason: Unknown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagEffect:
    """How much pass flags changed.

    Attributes:
        odds_ratio: (wins + ½)/(losses + ½).
        p_mcnemar: Two-sided exact p.
    """

    odds_ratio: float
    p_mcnemar: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftEffect:
    """How much numbers changed.

    Attributes:
        d_z: Mean by standard deviation of the differences; None when they do not vary.
        p_sign_flip: Two-sided permutation p by unit; None above 20 000 units.
        p_wilcoxon: Two-sided signed-rank p by unit.
    """

    d_z: float | None
    p_sign_flip: float | None
    p_wilcoxon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Arm B compared with arm A over the cases that both have.

    Attributes:
        n_pairs: Number of cases.
        units: Number of independent units: clusters, or n_pairs.
        wins: Cases in which B is better; ties and losses likewise. Arms that differ by no more
            than rounding tie.
        mean_a: Weighted mean of arm A, in the metric's own direction; mean_b likewise.
        diff: Mean of the turned differences, positive is better.
        sd: Standard deviation of the differences; None for one case.
        se: Standard error of ``diff``, of pass flags the adjusted one of Bonett and Price, which
            is never 0; None when the differences do not vary, or below 2 units.
        finding: Bounds and p values.
        mde: Smallest true difference found with the power asked for; None when ``se`` is.
        win_share: Weighted P(win) + ½·P(tie).
        few_clusters: Clusters were given, fewer than 10: shown, but too few to gate on.
    """

    n_pairs: int
    units: int
    wins: int
    ties: int
    losses: int
    mean_a: float
    mean_b: float
    diff: float
    sd: float | None
    se: float | None
    finding: Finding
    mde: float | None
    win_share: float
    effect: FlagEffect | ShiftEffect
    few_clusters: bool

    @property
    def sd_per_case(self) -> float | None:
        """``se``·√n: clusters, weights and adjustment included, what ``n_needed`` takes as sd."""
        return None if self.se is None else self.se * math.sqrt(self.n_pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """One arm compared with a fixed value.

    Attributes:
        n: Number of cases.
        units: Number of independent units: clusters, or n.
        mean: Weighted mean, in the metric's own direction.
        diff: Mean less ``value``, turned so that positive is better.
        finding: Bounds and p values of ``diff``: a lower bound of at least 0 shows that the mean
            keeps to the value.
        few_clusters: As in ``Paired``.
    """

    n: int
    units: int
    mean: float
    value: float
    diff: float
    finding: Finding
    few_clusters: bool


def paired(
    arm_a: Numbers,
    arm_b: Numbers,
    *,
    scale: Scale,
    weights: Numbers | None = None,
    clusters: Labels | None = None,
    inference: Inference = as_usual,
) -> Paired:
    """Arm B (challenger) compared with arm A (baseline), case by case.

    Pass flags without clusters and with equal weights are compared by ``bonett_price``; all else
    by ``evidence_of``, where a sign-flip permutation gives the p of skewed metrics.

    Args:
        arm_a: In a fixed order of cases, such as sorted by id.
        arm_b: Of the same cases in the same order.
        scale: Range, direction and shape of the metric.
        weights: Positive, one per case.
        clusters: A label per case; equal labels make one independent unit, None is one of its own.
        inference: Error, power, level and seed.

    Raises:
        ValueError: No cases, arms of different length, a value that is not finite or outside the
            range, or weights or labels that do not fit.
    """
    a, b = scale.checked(arm_a), scale.checked(arm_b)
    d = scale.sign * _differences(a, b) + 0.0  # a turned 0 is no negative zero
    shares = unequal(weights, count=d.size)
    units = units_of(d, weights=shares, clusters=clusters)
    sd = standard_deviation(d, weights=shares)
    wins, losses = int(np.count_nonzero(d > 0)), int(np.count_nonzero(d < 0))
    plain = shares is None and clusters is None
    if plain and scale.flags(a) and scale.flags(b):
        seen = _of_flags(wins=wins, losses=losses, n=d.size)
    else:
        seen = _of_numbers(units, sd=sd, scale=scale, seed=inference.seed)
    return Paired(
        n_pairs=d.size,
        units=units.count,
        wins=wins,
        ties=d.size - wins - losses,
        losses=losses,
        mean_a=mean(a, weights=shares),
        mean_b=mean(b, weights=shares),
        diff=units.mean,
        sd=sd,
        se=seen.se,
        finding=_finding(seen.found, low=-scale.width, high=scale.width, inference=inference),
        mde=_mde(seen.se, units=None if clusters is None else units.count, inference=inference),
        win_share=mean((np.sign(d) + 1) / 2, weights=shares),
        effect=seen.effect,
        few_clusters=clusters is not None and units.count < fewest_clusters,
    )


def tails_at(  # noqa: PLR0913 - the arguments of paired and the difference
    arm_a: Numbers,
    arm_b: Numbers,
    at: float,
    *,
    scale: Scale,
    weights: Numbers | None = None,
    clusters: Labels | None = None,
    inference: Inference = as_usual,
) -> Tails | None:
    """The p values of ``paired`` against a true difference ``at``, not 0; None when there are none.

    Args:
        arm_a: As in ``paired``; so are the arguments that are not told here.
        arm_b: As in ``paired``.
        at: Turned so that positive is better, such as minus a margin.
        scale: As in ``paired``.
        weights: As in ``paired``.
        clusters: As in ``paired``.
        inference: As in ``paired``.

    Raises:
        ValueError: As ``paired``.
    """
    a, b = scale.checked(arm_a), scale.checked(arm_b)
    d = scale.sign * _differences(a, b)
    shares = unequal(weights, count=d.size)
    plain = shares is None and clusters is None
    if plain and d.size > 1 and scale.flags(a) and scale.flags(b):
        wins, losses = int(np.count_nonzero(d > 0)), int(np.count_nonzero(d < 0))
        return bonett_price_tails(worse=losses, better=wins, n=d.size, at=at)
    units = units_of(d - at, weights=shares, clusters=clusters)
    flips = partial(sign_flip, units.sums, seed=inference.seed) if scale.skewed else None
    found = evidence_of(units, width=scale.width, seed=inference.seed, skewed_tails=flips)
    return found.tails if isinstance(found, Evidence) else None


def against(
    values: Numbers,
    value: float,
    *,
    scale: Scale,
    weights: Numbers | None = None,
    clusters: Labels | None = None,
    inference: Inference = as_usual,
) -> Against:
    """One arm compared with a fixed value, by the methods of ``paired`` on x - value.

    Pass flags without clusters and with equal weights: Wilson bounds and the score test. The p
    values of all else are those of ``t_hall``, also where the bounds are resampled: flipping signs
    around a value would suppose a symmetric tail.

    Args:
        values: In a fixed order of cases.
        value: In the unit of the metric; may lie outside the range.
        scale: As in ``paired``.
        weights: As in ``paired``.
        clusters: As in ``paired``.
        inference: As in ``paired``.

    Raises:
        ValueError: As ``paired``.
    """
    array = scale.checked(values)
    shares = unequal(weights, count=array.size)
    units = units_of(scale.sign * (array - value), weights=shares, clusters=clusters)
    tails = partial(_t_tails, units) if scale.skewed else None
    found: Evidence | Unknown
    if units.count > 1 and shares is None and clusters is None and scale.flags(array):
        passed = int(np.count_nonzero(array))
        found = pass_rate(passed=passed, n=array.size, value=value, scale=scale)
    else:
        found = evidence_of(units, width=scale.width, seed=inference.seed, skewed_tails=tails)
    low, high = sorted((scale.sign * (scale.low - value), scale.sign * (scale.high - value)))
    return Against(
        n=array.size,
        units=units.count,
        mean=mean(array, weights=shares),
        value=value,
        diff=units.mean,
        finding=_finding(found, low=low, high=high, inference=inference),
        few_clusters=clusters is not None and units.count < fewest_clusters,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    found: Evidence | Unknown
    se: float | None
    effect: FlagEffect | ShiftEffect


def _differences(a: Floats, b: Floats) -> Floats:
    """What B has over A, where rounding is neither a win nor the only thing that varies."""
    if a.size != b.size:
        raise ValueError(f"arms of {a.size} and {b.size} cases are not paired")
    size = np.maximum(np.abs(a), np.abs(b))
    d = b - a
    d[np.abs(d) <= rounding * size] = 0.0
    if np.ptp(d) <= rounding * size.max():
        d[:] = exact_sum(d) / d.size
    return d


def _of_flags(*, wins: int, losses: int, n: int) -> _Seen:
    effect = FlagEffect(
        odds_ratio=(wins + 0.5) / (losses + 0.5),
        p_mcnemar=mcnemar_exact(worse=losses, better=wins),
    )
    if n == 1:
        return _Seen(found="too_few_units", se=None, effect=effect)
    return _Seen(
        found=bonett_price(worse=losses, better=wins, n=n),
        se=bonett_price_se(worse=losses, better=wins, n=n),
        effect=effect,
    )


def _of_numbers(units: Units, *, sd: float | None, scale: Scale, seed: int) -> _Seen:
    flips = partial(sign_flip, units.sums, seed=seed)
    found = evidence_of(
        units, width=scale.width, seed=seed, skewed_tails=flips if scale.skewed else None
    )
    effect = ShiftEffect(
        d_z=units.mean / sd if sd and not units.constant else None,
        p_sign_flip=_flip_p(found, flips) if units.count <= most_resampled else None,
        p_wilcoxon=wilcoxon(units.sums),
    )
    varies = units.count > 1 and not units.constant
    return _Seen(found=found, se=units.se if varies else None, effect=effect)


def _flip_p(found: Evidence | Unknown, flips: Callable[[], Tails]) -> float:
    if isinstance(found, Evidence) and found.method == "bca":
        return found.tails.two_sided  # the same flips, already made to decide
    return flips().two_sided


def _t_tails(units: Units) -> Tails:
    return t_hall(units).tails


def _finding(
    found: Evidence | Unknown, *, low: float, high: float, inference: Inference
) -> Finding:
    if not isinstance(found, Evidence):
        return Finding(reason=found)
    ci = found.ends((1 - inference.level) / 2)
    l1, u1 = found.ends(inference.alpha)
    return Finding(
        method=found.method,
        ci=Ends(max(low, ci.low), min(high, ci.high)),
        l1=max(low, l1),
        u1=min(high, u1),
        p_worse=found.tails.worse,
        p_better=found.tails.better,
        p_two_sided=found.tails.two_sided,
    )


def _mde(se: float | None, *, units: int | None, inference: Inference) -> float | None:
    if se is None:
        return None
    return mde(se=se, alpha=inference.alpha, power=inference.power, units=units)
