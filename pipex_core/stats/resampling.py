"""Bootstrap intervals and sign-flip tests: what the sample itself says when no formula fits.

Chance comes from a seed that the caller derives from content, so that the same data give the same
bytes everywhere. Resamples are drawn in blocks of about a million indices, so that memory stays
level for any number of units.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from pipex_core.stats.pvalues import Tails
from pipex_core.stats.units import Floats, Numbers, Units, floats

Indices = npt.NDArray[np.int64]
Statistic = Callable[[Indices], npt.ArrayLike]

resamples_of_bca = 9_999
exact_up_to = 16  # units that differ: 65 536 patterns of signs
_block = 2**20


class Ends(NamedTuple):
    """Lower and upper end of an interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bootstrap:
    """A bootstrap distribution and what corrects its percentiles.

    Attributes:
        distribution: The statistic of each resample, [resamples].
        bias: z₀; 0 for plain percentiles.
        acceleration: a; 0 for plain percentiles.
    """

    distribution: Floats
    bias: float = 0.0
    acceleration: float = 0.0

    def ends(self, tail: float) -> Ends:
        """Each end has ``tail`` of the probability outside; ``tail`` in (0, ½)."""
        quantile = float(special.ndtri(tail))
        low, high = np.quantile(
            self.distribution, [self._level(quantile), self._level(-quantile)]
        ).tolist()
        return Ends(low, high)

    def _level(self, quantile: float) -> float:
        shifted = self.bias + quantile
        return float(special.ndtr(self.bias + shifted / (1 - self.acceleration * shifted)))


def bca(
    count: int, statistic: Statistic, *, seed: int, jackknife: Floats | None = None
) -> Bootstrap:
    """Bias-corrected and accelerated bootstrap with 9 999 resamples of the units.

    Where the correction does not exist (the statistic does not vary, or lies outside of all its
    resamples) the plain percentiles remain.

    Args:
        count: Number of units.
        statistic: Indices of units [resamples, units] to one number per row. It is asked for about
            a million indices at a time.
        seed: Of the PCG64 stream.
        jackknife: The statistic with each unit left out, [units]; computed when None.

    Source: Efron 1987, https://doi.org/10.2307/2289144; equal to ``scipy.stats.bootstrap``.
    """
    distribution = _resampled(count, statistic, seed=seed, resamples=resamples_of_bca)
    observed = float(np.asarray(statistic(np.arange(count)[np.newaxis, :])).item())
    below = np.count_nonzero(distribution < observed) + np.count_nonzero(distribution <= observed)
    bias = float(special.ndtri(below / (2 * distribution.size)))
    left_out = _jackknife(count, statistic) if jackknife is None else jackknife
    influence = left_out.mean() - left_out
    spread = float((influence**2).sum())
    if not (math.isfinite(bias) and spread > 0):
        return Bootstrap(distribution=distribution)
    acceleration = float((influence**3).sum()) / (6 * spread**1.5)
    return Bootstrap(distribution=distribution, bias=bias, acceleration=acceleration)


def bca_mean(units: Units, *, seed: int) -> Bootstrap:
    """``bca`` of a (weighted) mean; whole units are drawn, so clusters stay together."""
    sums, weights = units.sums, units.weights
    left_out = (sums.sum() - sums) / (weights.sum() - weights)
    if weights.min() == weights.max():
        means = sums / weights[0]
        return bca(
            units.count, lambda rows: means[rows].mean(axis=1), seed=seed, jackknife=left_out
        )
    return bca(
        units.count,
        lambda rows: sums[rows].sum(axis=1) / weights[rows].sum(axis=1),
        seed=seed,
        jackknife=left_out,
    )


def percentiles(
    count: int, statistic: Statistic, *, seed: int, resamples: int = 1_000, at_most: int = 20_000
) -> Bootstrap:
    """Plain percentile bootstrap; of more than ``at_most`` units that many are drawn once, first.

    Args:
        count: Number of units.
        statistic: As for ``bca``.
        seed: As for ``bca``.
        resamples: Size of the distribution.
        at_most: Largest sample that is resampled; an interval from fewer units is a wider one.
    """
    if count <= at_most:
        return Bootstrap(distribution=_resampled(count, statistic, seed=seed, resamples=resamples))
    chosen = _stream(seed, 1).choice(count, size=at_most, replace=False)
    return Bootstrap(
        distribution=_resampled(
            at_most, lambda rows: statistic(chosen[rows]), seed=seed, resamples=resamples
        )
    )


def _stream(*seeds: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seeds[0] if len(seeds) == 1 else list(seeds)))


def _resampled(count: int, statistic: Statistic, *, seed: int, resamples: int) -> Floats:
    rng = _stream(seed)
    block = max(1, _block // count)
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    return np.concatenate(
        [
            np.asarray(statistic(rng.integers(0, count, size=(rows, count))), dtype=np.float64)
            for rows in sizes
        ]
    )


def _jackknife(count: int, statistic: Statistic) -> Floats:
    block = max(1, _block // count)
    kept = np.arange(count - 1)
    parts = []
    for start in range(0, count, block):
        left_out = np.arange(start, min(start + block, count))[:, np.newaxis]
        parts.append(np.asarray(statistic(kept + (kept >= left_out)), dtype=np.float64))
    return np.concatenate(parts)


def sign_flip(sums: Numbers, *, seed: int, draws: int = 9_999) -> Tails:
    """Permutation test of paired arms: under "no difference" each unit's sign is a coin toss.

    Exact when at most 16 units differ from 0; otherwise ``draws`` random patterns, with the one
    seen counted in (Phipson and Smyth 2010, https://doi.org/10.2202/1544-6115.1585).

    Args:
        sums: Difference of each unit, positive is better; of a cluster the sum of its cases.
        seed: Of the PCG64 stream; apart from that of a bootstrap with the same seed.
        draws: Number of random patterns.

    Raises:
        ValueError: No sums, or one that is not finite.
    """
    array = floats(sums)
    moving = array[array != 0]
    observed = float(moving.sum())
    # A pattern that equals the one seen must count as equal, whatever the order of its additions.
    slack = 100 * float(np.finfo(np.float64).eps) * float(np.abs(moving).sum())
    exact = moving.size <= exact_up_to
    flipped = _all_patterns(moving) if exact else _random_patterns(moving, seed=seed, draws=draws)
    seen = 0 if exact else 1
    return Tails(
        worse=(int(np.count_nonzero(flipped <= observed + slack)) + seen) / (flipped.size + seen),
        better=(int(np.count_nonzero(flipped >= observed - slack)) + seen) / (flipped.size + seen),
    )


def _all_patterns(moving: Floats) -> Floats:
    flipped = np.zeros(1)
    for one in moving:
        flipped = np.concatenate([flipped + one, flipped - one])
    return flipped


def _random_patterns(moving: Floats, *, seed: int, draws: int) -> Floats:
    rng = _stream(seed, 1)
    width = -(-moving.size // 8)
    block = max(1, _block // moving.size)
    parts = []
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        drawn = np.frombuffer(rng.bytes(rows * width), dtype=np.uint8).reshape(rows, width)
        heads = np.unpackbits(drawn, axis=1, count=moving.size)
        parts.append(2 * (heads @ moving) - moving.sum())
    return np.concatenate(parts)
