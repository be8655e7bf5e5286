"""How low, how high, how surprising: one-sided bounds and p values of a mean difference.

One function per row of the method table. Differences are turned so that positive is better. A
bound holds with one tail outside; an interval is the two bounds at half the tail each, so that
what is shown and what decides cannot disagree.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from pipex_core.stats.estimates import Scale, fewest_resampled, most_resampled, wilson
from pipex_core.stats.pvalues import Tails, mcnemar_mid_p, score_test
from pipex_core.stats.resampling import Ends, bca_mean
from pipex_core.stats.units import Units

Method = Literal["bonett_price", "wilson", "bca", "t_hall", "degenerate"]
Unknown = Literal["degenerate", "too_few_units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """How sure one wants to be, and the seed of everything drawn.

    Attributes:
        alpha: Error allowed to a one-sided bound, in (0, ½).
        power: Chance wanted of seeing a true difference, in (0, 1).
        level: Of the two-sided interval, in (0, 1).
        seed: Of bootstrap and permutation; derived from content by the caller.
    """

    alpha: float = 0.05
    power: float = 0.8
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:  # noqa: PLR2004 - from ½ on a lower bound lies above the mean
            raise ValueError(f"alpha lies between 0 and 0.5, got {self.alpha}")
        if not (0 < self.power < 1 and 0 < self.level < 1):
            raise ValueError(f"power and level lie between 0 and 1, got {self.power}, {self.level}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a sample says of the mean of its population.

    Attributes:
        ends: Both bounds for a given tail: each is wrong with that probability.
        tails: p values against a mean of 0.
    """

    method: Method
    ends: Callable[[float], Ends]
    tails: Tails


def evidence_of(
    units: Units, *, width: float, seed: int, skewed_tails: Callable[[], Tails] | None = None
) -> Evidence | Unknown:
    """What differences that are no pairs of pass flags say, by the first method that fits.

    Differences that are all equal have bounds only when the metric is bounded (``degenerate``);
    skewed metrics are resampled when they have 20 to 20 000 independent units; ``t_hall`` takes
    the rest. Fewer than 2 independent units say nothing.

    Args:
        units: The differences, positive is better.
        width: Of the metric's range; may be infinite.
        seed: Of the bootstrap.
        skewed_tails: Gives the p values of a skewed metric; None when the metric is not skewed.
    """
    if units.count <= 1:
        return "too_few_units"
    if units.constant:
        return degenerate(units, width=width) if math.isfinite(width) else "degenerate"
    if skewed_tails and fewest_resampled <= units.count <= most_resampled:
        return Evidence(method="bca", ends=bca_mean(units, seed=seed).ends, tails=skewed_tails())
    return t_hall(units)


def bonett_price(*, worse: int, better: int, n: int) -> Evidence:
    """Adjusted Wald interval for a difference of two paired pass rates, with McNemar's mid-p.

    Bonett and Price 2012, https://doi.org/10.3102/1076998611411915.

    Raises:
        ValueError: A count is negative, or there are more discordant pairs than pairs.
    """
    tails = mcnemar_mid_p(worse=worse, better=better)
    if worse + better > n:
        raise ValueError(f"{worse} and {better} discordant pairs are more than {n} pairs")
    centre = (better - worse) / (n + 2)
    se = bonett_price_se(worse=worse, better=better, n=n)

    def ends(tail: float) -> Ends:
        reach = -float(special.ndtri(tail)) * se
        return Ends(max(-1.0, centre - reach), min(1.0, centre + reach))

    return Evidence(method="bonett_price", ends=ends, tails=tails)


def bonett_price_tails(*, worse: int, better: int, n: int, at: float) -> Tails:
    """The tails at which a bound of ``bonett_price`` lies at ``at``: p values of that difference.

    McNemar's test knows no other difference than 0.
    """
    z = ((better - worse) / (n + 2) - at) / bonett_price_se(worse=worse, better=better, n=n)
    return Tails(worse=float(special.ndtr(z)), better=float(special.ndtr(-z)))


def bonett_price_se(*, worse: int, better: int, n: int) -> float:
    """Standard error of the adjusted difference of two paired pass rates; never 0."""
    low, high = (worse + 1) / (n + 2), (better + 1) / (n + 2)
    return math.sqrt((low + high - (high - low) ** 2) / (n + 2))


def pass_rate(*, passed: int, n: int, value: float, scale: Scale) -> Evidence:
    """Wilson bounds of a pass rate less ``value``, turned to the better side, and the score test."""
    score = score_test(passed=passed, total=n, value=value)
    lower_is_better = scale.sign < 0

    def ends(tail: float) -> Ends:
        rate = wilson(passed=passed, total=n, level=1 - 2 * tail)
        if lower_is_better:
            return Ends(value - rate.high, value - rate.low)
        return Ends(rate.low - value, rate.high - value)

    turned = Tails(worse=score.better, better=score.worse) if lower_is_better else score
    return Evidence(method="wilson", ends=ends, tails=turned)


def t_hall(units: Units) -> Evidence:
    """The wider of the (cluster) t bound and the bound transformed for skewness.

    Plain t lets a challenger with rare large losses pass more than twice as often as it should;
    the transformation alone is too bold towards the short tail.

    Hall 1992, https://doi.org/10.1111/j.2517-6161.1992.tb01872.x.
    """
    freedom = units.count - 1
    bend = units.skewness / math.sqrt(units.count)
    plain = units.mean / units.se
    bent = _bend(plain, bend)

    def ends(tail: float) -> Ends:
        quantile = float(special.stdtrit(freedom, 1 - tail))
        return Ends(
            units.mean - units.se * max(quantile, _straighten(quantile, bend)),
            units.mean - units.se * min(-quantile, _straighten(-quantile, bend)),
        )

    def tail_p(sign: int) -> float:
        return max(
            float(special.stdtr(freedom, sign * plain)), float(special.stdtr(freedom, sign * bent))
        )

    return Evidence(method="t_hall", ends=ends, tails=Tails(worse=tail_p(1), better=tail_p(-1)))


def _bend(t: float, k: float) -> float:
    """h(T) = T + kT²/3 + k²T³/27 + k/6."""
    return t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6


def _straighten(q: float, k: float) -> float:
    """The T with h(T) = q, (3/k)·(∛(1 + k(q - k/6)) - 1), in a form that k = 0 does not break."""
    shifted = q - k / 6
    root = float(np.cbrt(1 + k * shifted))
    return 3 * shifted / (root**2 + root + 1)


def degenerate(units: Units, *, width: float) -> Evidence:
    """All units show the same difference: how large can a share be that none of them belongs to?

    A share q of other cases stays unseen with probability (1 - q)^G and moves the mean by at most
    q·``width``.
    """
    seen, count = units.mean, units.count

    def ends(tail: float) -> Ends:
        reach = width * (1 - tail ** (1 / count))
        return Ends(seen - reach, seen + reach)

    unseen = max(0.0, 1 - abs(seen) / width) ** count
    tails = Tails(worse=unseen if seen < 0 else 1.0, better=unseen if seen > 0 else 1.0)
    return Evidence(method="degenerate", ends=ends, tails=tails)
