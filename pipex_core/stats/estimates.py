"""Summary of one metric on one slice: centre, spread, percentiles and an interval for the mean.

Exactly one interval method applies, the first that fits: clusters or unequal weights, pass flags,
skewed metrics, all others. The interval speaks about the population that the cases came from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from pipex_core.stats.resampling import Ends, Statistic, bca, bca_mean, percentiles
from pipex_core.stats.units import (
    Floats,
    Labels,
    Numbers,
    Units,
    floats,
    standard_deviation,
    unequal,
    units_of,
)

IntervalMethod = Literal["cluster_t", "wilson", "bca", "t", "percentile", "percentile_sampled"]

fewest_resampled = 20  # below, the percentiles of a bootstrap are too coarse
most_resampled = (
    20_000  # above, the normal limit has long been reached and resampling takes minutes
)
fewest_clusters = 10  # below, t with G-1 degrees of freedom is not trusted to gate
_bins = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a metric says about its own values.

    Attributes:
        low: Lowest possible value; may be -inf.
        high: Highest possible value; may be inf.
        direction: Which way is better; ``none`` is read as ``higher``, such a metric is only shown.
        skewed: Declared to have a long tail, so that resampling replaces t.
    """

    low: float = 0.0
    high: float = 1.0
    direction: Literal["higher", "lower", "none"] = "higher"
    skewed: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"a range goes upwards, got {self.low} to {self.high}")

    @property
    def width(self) -> float:
        """Distance of the ends; infinite when one of them is."""
        return self.high - self.low

    @property
    def sign(self) -> int:
        """Factor that turns values so that higher is better."""
        return -1 if self.direction == "lower" else 1

    def checked(self, values: Numbers) -> Floats:
        """The values as an array.

        Raises:
            ValueError: No values, or one that is not finite or outside the range.
        """
        array = floats(values)
        if array.min() < self.low or array.max() > self.high:
            raise ValueError(
                f"values from {array.min()} to {array.max()} leave the range"
                f" {self.low} to {self.high}"
            )
        return array

    def flags(self, values: Floats) -> bool:
        """Are the values pass flags: a range of 0 to 1 of which only the ends occur?"""
        return self.width == 1 and self.low == 0 and bool(((values == 0) | (values == 1)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a population value plausibly lies.

    Attributes:
        level: Share of such intervals that hold the value, 0.95 for a 95 % interval.
    """

    low: float
    high: float
    method: IntervalMethod
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts in bins of equal width from ``low`` to ``high``; the last bin holds its upper edge."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Numbers about the values of one metric, in its own unit.

    Attributes:
        n: Number of values.
        units: Number of independent units: clusters, or n.
        sd: With n - 1; of unequally weighted values the one for reliability weights. None for n=1.
        p5: Percentiles by linear interpolation; of unequally weighted values the smallest value
            at which the weighted share reaches 5 %. The median follows the same rule.
        interval: For the mean, inside the range of the metric; None for fewer than 2 units.
        few_clusters: Fewer than 10 units under ``cluster_t``: shown, but too few to gate on.
    """

    n: int
    units: int
    mean: float
    median: float
    sd: float | None
    min: float
    max: float
    p5: float
    p25: float
    p75: float
    p90: float
    p95: float
    p99: float
    interval: Interval | None
    few_clusters: bool


def percentile(values: Numbers, *, share: float, weights: Numbers | None = None) -> float:
    """Value below which ``share`` of ``values`` lie, by linear interpolation.

    Args:
        values: In any order; left untouched.
        share: In [0, 1]; 0.5 is the median, the mean of the two middle values when their number
            is even.
        weights: When they differ, the answer is the smallest value at which the share of the
            weights reaches ``share``, and nothing is interpolated.

    Raises:
        ValueError: ``values`` is empty or holds a NaN, ``share`` is outside [0, 1], or the
            weights do not fit.

    Source: definition 7 of Hyndman and Fan 1996, https://doi.org/10.2307/2684934.
    """
    array = floats(values)
    return _percentiles(array, [share], unequal(weights, count=array.size))[0]


def _percentiles(array: Floats, shares: Sequence[float], weights: Floats | None) -> list[float]:
    if weights is None:
        return [float(one) for one in np.quantile(array, shares)]
    inverse = np.quantile(array, shares, weights=weights, method="inverted_cdf")
    return [float(one) for one in inverse]


def wilson(*, passed: int, total: int, level: float = 0.95) -> Interval:
    """Interval for a pass rate that stays inside [0, 1], also for 0 or all passed.

    Either end alone is a bound at (1 + level)/2: for one-sided bounds at 1 - alpha take level 1 - 2·alpha.

    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Raises:
        ValueError: ``total`` is not positive, ``passed`` is outside ``0..total``, or ``level`` is
            outside (0, 1).
    """
    if total < 1 or not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} is not a pass rate")
    _check(level)
    z = float(special.ndtri((1 + level) / 2))
    shrunk = total + z * z
    centre = (passed + z * z / 2) / shrunk
    half = z / shrunk * math.sqrt(passed * (total - passed) / total + z * z / 4)
    # The ends are 0 and 1 by algebra there; rounding would miss them.
    low = 0.0 if passed == 0 else centre - half
    high = 1.0 if passed == total else centre + half
    return Interval(low=low, high=high, method="wilson", level=level)


def histogram(values: Numbers, *, scale: Scale) -> Histogram:
    """Twenty bins over the range of the metric, or over the values when the range has no end.

    Raises:
        ValueError: No values, or one that is not finite or outside the range.
    """
    array = scale.checked(values)
    ends = (scale.low, scale.high) if math.isfinite(scale.width) else (array.min(), array.max())
    counts, edges = np.histogram(array, bins=_bins, range=ends)
    return Histogram(
        low=float(edges[0]), high=float(edges[-1]), counts=tuple(int(one) for one in counts)
    )


def summarise(
    values: Numbers,
    *,
    scale: Scale,
    weights: Numbers | None = None,
    clusters: Labels | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Centre, spread, percentiles and interval of the values.

    Args:
        values: In a fixed order, such as sorted by case id; pass flags as 0 and 1.
        scale: Range and shape of the metric; its direction plays no part.
        weights: Positive, one per value.
        clusters: A label per value; equal labels make one independent unit, None is one of its own.
        seed: Of the bootstrap, which only skewed metrics use.
        level: Of the interval, in (0, 1).

    Raises:
        ValueError: No values, a value that is not finite or outside the range, or weights, labels
            or a level that do not fit.
    """
    _check(level)
    array = scale.checked(values)
    shares = unequal(weights, count=array.size)
    units = units_of(array, weights=shares, clusters=clusters)
    method = _method(array, scale, plain=shares is None and clusters is None)
    p5, p25, median, p75, p90, p95, p99 = _percentiles(
        array, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99], shares
    )
    return Estimate(
        n=array.size,
        units=units.count,
        mean=units.mean,
        median=median,
        sd=standard_deviation(array, weights=shares),
        min=float(array.min()),
        max=float(array.max()),
        p5=p5,
        p25=p25,
        p75=p75,
        p90=p90,
        p95=p95,
        p99=p99,
        interval=_interval(units, method, scale=scale, seed=seed, level=level),
        few_clusters=method == "cluster_t" and units.count < fewest_clusters,
    )


def corpus_interval(
    count: int, statistic: Statistic, *, scale: Scale, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """Interval for a value that only a whole corpus has, such as BLEU; None below 2 units.

    BCa for 20 to 20 000 units; otherwise 1 000 plain percentile resamples (``percentile``), of at
    most 20 000 units drawn once (``percentile_sampled``).

    Args:
        count: Number of independent units: cases, or clusters.
        statistic: Indices of units [resamples, units] to the value of each resample.
        scale: Range of the value; the interval stays inside.
        seed: Of the bootstrap.
        level: In (0, 1).

    Raises:
        ValueError: ``level`` is outside (0, 1).
    """
    _check(level)
    if count <= 1:
        return None
    tail = (1 - level) / 2
    method: IntervalMethod
    if fewest_resampled <= count <= most_resampled:
        method, ends = "bca", bca(count, statistic, seed=seed).ends(tail)
    else:
        ends = percentiles(count, statistic, seed=seed, at_most=most_resampled).ends(tail)
        method = "percentile" if count < fewest_resampled else "percentile_sampled"
    return _clipped(ends, scale=scale, method=method, level=level)


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")


def _method(array: Floats, scale: Scale, *, plain: bool) -> IntervalMethod:
    if not plain:
        return "cluster_t"
    if scale.flags(array):
        return "wilson"
    if scale.skewed and fewest_resampled <= array.size <= most_resampled:
        return "bca"
    return "t"


def _interval(
    units: Units, method: IntervalMethod, *, scale: Scale, seed: int, level: float
) -> Interval | None:
    if units.count <= 1:
        return None
    tail = (1 - level) / 2
    match method:
        case "wilson":
            return wilson(passed=round(units.sums.sum()), total=units.count, level=level)
        case "bca" if not units.constant:
            ends = bca_mean(units, seed=seed).ends(tail)
        case _:
            reach = float(special.stdtrit(units.count - 1, 1 - tail)) * units.se
            ends = Ends(units.mean - reach, units.mean + reach)
    return _clipped(ends, scale=scale, method=method, level=level)


def _clipped(ends: Ends, *, scale: Scale, method: IntervalMethod, level: float) -> Interval:
    return Interval(
        low=max(scale.low, ends.low), high=min(scale.high, ends.high), method=method, level=level
    )
