"""Agreement of raters beyond chance, and rank correlations: does a judge agree with people?

Kappa and alpha are functions of sums over cases, so a bootstrap resamples cases by weighing each with
the number of times it was drawn. What is not defined, such as the kappa of raters who always say the
same, is None and never 0 or 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from pipex_core.stats.resampling import Ends, bca
from pipex_core.stats.units import Floats, Numbers, floats

Label = str | int | float | bool
Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]

seed_of_intervals: Final = 0
_fewest: Final = 3  # cases below which no rank correlation says anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A coefficient of agreement with its interval over resampled cases.

    Attributes:
        value: 1 is perfect, 0 is chance, negative is worse than chance.
        low: Lower end, or None where the resamples do not allow one.
        n: Cases that it is made of.
    """

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """A coefficient as a function of sums of one row per case.

    Attributes:
        rows: Contributions [cases, parts].
        finish: Sums [resamples, parts] to coefficients [resamples]; NaN where not defined.
    """

    rows: Floats
    finish: Callable[[Floats], Floats]


def cohen_kappa(
    first: Sequence[Label],
    second: Sequence[Label],
    *,
    weights: Weights = "none",
    labels: Sequence[Label] | None = None,
    level: float = 0.95,
) -> Agreement | None:
    """Cohen's kappa of two raters; None when chance alone would agree fully.

    Args:
        first: What the one said, by case.
        second: What the other said of the same cases.
        weights: Of disagreements, by their distance in the order of ``labels``.
        labels: All that can be said, in order; those that occur, sorted, when None.
        level: Of the BCa interval over cases.

    Raises:
        ValueError: The two speak of different numbers of cases, or say something else than ``labels``.

    Source: Cohen 1968, https://doi.org/10.1037/h0026256.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} ratings are not of the same cases")
    known = sorted({*first, *second}, key=_order) if labels is None else list(labels)
    place = {label: index for index, label in enumerate(known)}
    strange = {*first, *second} - place.keys()
    if strange:
        raise ValueError(f"{min(map(str, strange))!r} is none of the labels")
    size = len(known)
    if not first or size < 2:  # noqa: PLR2004 - with one label there is nothing to disagree about
        return None
    rows = np.zeros((len(first), size * size))
    cells = [place[one] * size + place[other] for one, other in zip(first, second, strict=True)]
    rows[np.arange(len(first)), cells] = 1.0
    costs = _costs(size, weights)

    def finish(sums: Floats) -> Floats:
        tables = sums.reshape(-1, size, size)
        total = tables.sum(axis=(1, 2))
        expected = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]
        chance = (expected * costs).sum(axis=(1, 2))
        seen = (tables * costs).sum(axis=(1, 2)) * total
        return _one_less(seen, chance)

    return _agreement(_Sums(rows=rows, finish=finish), level=level)


def krippendorff_alpha(
    ratings: Sequence[Sequence[Label | None]],
    *,
    level_of_measurement: Level = "nominal",
    level: float = 0.95,
) -> Agreement | None:
    """Krippendorff's alpha of any number of raters with holes; None when nothing varies.

    Args:
        ratings: One sequence per case, a value per rater; None where a rater said nothing. A case
            with fewer than two values says nothing about agreement.
        level_of_measurement: ``interval`` needs numbers; ``ordinal`` needs values with an order.
        level: Of the BCa interval over cases.

    Source: Krippendorff 2011, https://repository.upenn.edu/asc_papers/43.
    """
    pairable = [[one for one in case if one is not None] for case in ratings]
    cases = [case for case in pairable if len(case) > 1]
    if not cases:
        return None
    sums = _moments(cases) if level_of_measurement == "interval" else None
    return _agreement(sums or _coincidences(cases, level_of_measurement), level=level)


def spearman(first: Numbers, second: Numbers) -> float | None:
    """Rank correlation with mid-ranks for ties; None for fewer than three cases or without spread."""
    if len(first) < _fewest:
        return None
    a, b = floats(first), floats(second)
    return _correlation(_ranks(a), _ranks(b))


def partial_spearman(first: Numbers, second: Numbers, given: Numbers) -> float | None:
    """Rank correlation of two quantities among cases that are alike in a third.

    None where one of the three does not vary, or the third explains one of the others fully.

    Source: Kim 2015, https://doi.org/10.5351/CSAM.2015.22.6.665.
    """
    if len(first) < _fewest:
        return None
    ranks = [_ranks(floats(one)) for one in (first, second, given)]
    ab, ac, bc = (_correlation(ranks[i], ranks[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    if ab is None:
        return None
    if ac is None or bc is None:
        return ab  # a third that is the same for all holds nothing fixed that varied
    rest = (1 - ac * ac) * (1 - bc * bc)
    return (ab - ac * bc) / math.sqrt(rest) if rest > _tiny else None


def partial_spearman_interval(
    first: Numbers, second: Numbers, given: Numbers, *, level: float = 0.95
) -> Ends | None:
    """Fisher-z interval of ``partial_spearman``; None below five cases or without the coefficient.

    Source: Bonett and Wright 2000, https://doi.org/10.1007/BF02294183, with one case fewer for the
    quantity that is held fixed.
    """
    rho = partial_spearman(first, second, given)
    count = len(first)
    if rho is None or count <= 4 or abs(rho) >= 1:  # noqa: PLR2004 - n - 3 - 1 degrees of freedom
        return None
    half = float(special.ndtri((1 + level) / 2)) * math.sqrt((1 + rho * rho / 2) / (count - 4))
    centre = math.atanh(rho)
    return Ends(math.tanh(centre - half), math.tanh(centre + half))


_tiny: Final = 1e-12


def _order(label: Label) -> tuple[bool, float, str]:
    """Numbers by value, then words by their letters."""
    return (True, 0.0, label) if isinstance(label, str) else (False, float(label), "")


def _costs(size: int, weights: Weights) -> Floats:
    away = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(np.float64)
    match weights:
        case "none":
            return (away > 0).astype(np.float64)
        case "linear":
            return away
        case "quadratic":
            return away**2


def _coincidences(cases: Sequence[Sequence[Label]], level: Level) -> _Sums:
    known = sorted({one for case in cases for one in case}, key=_order)
    place = {label: index for index, label in enumerate(known)}
    size = len(known)
    rows = np.zeros((len(cases), size, size))
    for number, case in enumerate(cases):
        counts = np.bincount([place[one] for one in case], minlength=size).astype(np.float64)
        rows[number] = (np.outer(counts, counts) - np.diag(counts)) / (len(case) - 1)

    def finish(sums: Floats) -> Floats:
        tables = sums.reshape(-1, size, size)
        margins = tables.sum(axis=2)
        total = margins.sum(axis=1)
        away = _away(margins, level)
        seen = (tables * away).sum(axis=(1, 2)) * (total - 1)
        # The values of one case never meet themselves, which only the diagonal would tell: it costs 0.
        chance = (margins[:, :, None] * margins[:, None, :] * away).sum(axis=(1, 2))
        return _one_less(seen, chance)

    return _Sums(rows=rows.reshape(len(cases), -1), finish=finish)


def _away(margins: Floats, level: Level) -> Floats:
    """Squared distance of each two values [resamples, values, values]."""
    if level == "nominal":
        return (1.0 - np.eye(margins.shape[1]))[None]
    # Between two ordinal values lie all the ratings in between, and half of their own.
    middle = np.cumsum(margins, axis=1) - margins / 2
    between: Floats = (middle[:, :, None] - middle[:, None, :]) ** 2
    return between


def _moments(cases: Sequence[Sequence[Label]]) -> _Sums:
    """Sums that the alpha of numbers needs: spread inside cases, count, sum, sum of squares."""
    # Around their middle the squares do not cancel.
    centre = float(np.mean([float(one) for case in cases for one in case]))
    rows = np.empty((len(cases), 4))
    for number, case in enumerate(cases):
        values = np.array([float(one) for one in case]) - centre
        total, squares, count = values.sum(), (values**2).sum(), len(case)
        rows[number] = (2 * (count * squares - total**2) / (count - 1), count, total, squares)

    def finish(sums: Floats) -> Floats:
        inside, count, total, squares = sums.T
        return _one_less(inside * (count - 1), 2 * (count * squares - total**2))

    return _Sums(rows=rows, finish=finish)


def _one_less(seen: Floats, chance: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(chance > _tiny, 1 - seen / chance, np.nan)


def _agreement(sums: _Sums, *, level: float) -> Agreement | None:
    value = float(sums.finish(sums.rows.sum(axis=0, keepdims=True))[0])
    if math.isnan(value):
        return None
    ends = _interval(sums, value, tail=(1 - level) / 2)
    low, high = (None, None) if ends is None else ends
    return Agreement(value=value, low=low, high=high, n=len(sums.rows))


def _interval(sums: _Sums, value: float, *, tail: float) -> Ends | None:
    count = len(sums.rows)
    if count < _fewest:
        return None
    # Cases that say the same are one row with a weight: a thousand cases are a handful of kinds.
    kinds, kind_of = np.unique(sums.rows, axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    total = sums.rows.sum(axis=0)

    def statistic(drawn: npt.NDArray[np.int64]) -> Floats:
        width = len(kinds)
        shifted = kind_of[drawn] + np.arange(len(drawn))[:, None] * width
        counts = np.bincount(shifted.ravel(), minlength=len(drawn) * width)
        found = sums.finish(counts.reshape(-1, width).astype(np.float64) @ kinds)
        # A resample in which nothing varies says no more than the sample did.
        return np.where(np.isnan(found), value, found)

    left_out = sums.finish(total - sums.rows)
    jackknife = np.where(np.isnan(left_out), value, left_out)
    found = bca(count, statistic, seed=seed_of_intervals, jackknife=jackknife).ends(tail)
    return found if all(map(math.isfinite, found)) else None


def _correlation(first: Floats, second: Floats) -> float | None:
    a, b = first - first.mean(), second - second.mean()
    spread = math.sqrt(float((a @ a) * (b @ b)))
    if spread <= _tiny:
        return None
    return max(-1.0, min(1.0, float(a @ b) / spread))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs (``scipy.stats.rankdata``, a large import)."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return floats((last - (counts - 1) / 2)[places])
