"""Independent units of a sample, cases or clusters of cases, and how sure their mean is.

Everything in ``stats`` that speaks about a mean goes through ``Units``: values, weights and cluster
labels come in, one sum per independent unit comes out, and no later step can forget a cluster.
Sums are exact to the last bit (``math.fsum``), so the order in which cases ended changes nothing.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.float64]
Labels = Sequence[Hashable | None]

rounding = 1e-12  # relative: thousands of roundings of a double, below any real difference
negligible = 1e-300  # absolute, and still far enough from underflow to divide by


def floats(values: Numbers) -> Floats:
    """The values as a one-dimensional array of doubles.

    Raises:
        ValueError: There are none, or one is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"a list of at least one number is needed, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("a value is NaN or infinite; leave it out and count it instead")
    return array


def exact_sum(values: Floats) -> float:
    """Sum of the values, rounded once."""
    return math.fsum(values.tolist())


def mean(values: Numbers, *, weights: Numbers | None = None) -> float:
    """Sum of weight times value by the sum of the weights; without weights the plain mean.

    Raises:
        ValueError: No values, a value that is not finite, or weights that do not fit.
    """
    array = floats(values)
    if weights is None:
        return exact_sum(array) / array.size
    shares = positive(weights, count=array.size)
    return exact_sum(shares * array) / exact_sum(shares)


def positive(weights: Numbers, *, count: int) -> Floats:
    """The weights as an array.

    Raises:
        ValueError: One is not a positive number, or there are not ``count`` of them.
    """
    array = floats(weights)
    if array.size != count:
        raise ValueError(f"{count} values have {array.size} weights")
    if array.min() <= 0:
        raise ValueError(f"a weight must be positive, got {array.min()}")
    return array


def unequal(weights: Numbers | None, *, count: int) -> Floats | None:
    """The weights when they differ from one another, else None: equal weights weigh nothing.

    Raises:
        ValueError: As ``positive``.
    """
    if weights is None:
        return None
    array = positive(weights, count=count)
    return None if array.min() == array.max() else array


def standard_deviation(values: Floats, *, weights: Floats | None = None) -> float | None:
    """Of the population, estimated with n - 1; None for a single value.

    Unequal weights count as reliabilities: the divisor is Σw - Σw²/Σw, which is n - 1 for weights
    of 1.
    """
    if values.size == 1:
        return None
    shares = np.ones_like(values) if weights is None else weights
    squares = exact_sum(shares * (values - mean(values, weights=shares)) ** 2)
    freedom = exact_sum(shares) - exact_sum(shares**2) / exact_sum(shares)
    return math.sqrt(squares / freedom)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """One number per independent unit, ready for the formulas about a (weighted) mean.

    Attributes:
        size: Number of values.
        mean: θ, the weighted mean of all values.
        sums: Σ w·x of each unit, in the order in which units first appear, [units].
        weights: Σ w of each unit, [units].
        residuals: Σ w·(x - θ) of each unit, [units]; they add up to 0.
        constant: No unit's mean differs from θ by more than rounding, so that the sample says
            nothing about spread.
    """

    size: int
    mean: float
    sums: Floats
    weights: Floats
    residuals: Floats
    constant: bool

    @property
    def count(self) -> int:
        """Number of independent units, G: clusters, or cases when there are no clusters."""
        return self.residuals.size

    @property
    def se(self) -> float:
        """Standard error of the mean, √(G/(G-1)·Σu²)/Σw; infinite when there is one unit.

        Without clusters and weights this is sd/√n. Linearised estimator of a ratio, the one of
        weighted least squares on a constant with cluster-robust covariance.
        """
        if self.count == 1:
            return math.inf
        scaled, largest = self._scaled()
        squares = exact_sum(scaled**2) * self.count / (self.count - 1)
        return largest * math.sqrt(squares) / exact_sum(self.weights)

    @property
    def skewness(self) -> float:
        """Third central moment of the residuals by the 3/2 power of the second; 0 when constant."""
        if self.constant:
            return 0.0
        scaled, _ = self._scaled()
        second = exact_sum(scaled**2) / self.count
        return exact_sum(scaled**3) / self.count / math.pow(second, 1.5)

    def _scaled(self) -> tuple[Floats, float]:
        """The residuals in units of the largest: squares and cubes of tiny ones would underflow."""
        largest = float(np.abs(self.residuals).max())
        return (self.residuals / largest if largest else self.residuals), largest


def units_of(
    values: Numbers, *, weights: Numbers | None = None, clusters: Labels | None = None
) -> Units:
    """The sample by independent units.

    Args:
        values: In a fixed order, such as sorted by case id.
        weights: Positive, one per value; None weighs all the same.
        clusters: A label per value; equal labels make one unit, None is a unit of its own.

    Raises:
        ValueError: No values, a value that is not finite, or weights or labels that do not fit.
    """
    array = floats(values)
    shares = np.ones_like(array) if weights is None else positive(weights, count=array.size)
    centre = mean(array, weights=shares)
    parts = (shares * array, shares, shares * (array - centre))
    if clusters is not None:
        codes = _codes(clusters, count=array.size)
        sums, by_weight, residuals = (_by_unit(part, codes) for part in parts)
    else:
        sums, by_weight, residuals = parts
    largest = float(np.abs(parts[0]).max())
    return Units(
        size=array.size,
        mean=centre,
        sums=sums,
        weights=by_weight,
        residuals=residuals,
        constant=bool(np.abs(residuals).max() <= max(rounding * largest, negligible)),
    )


def _codes(labels: Labels, *, count: int) -> list[int]:
    """Number of the unit of each value, counted from 0 in order of appearance."""
    if len(labels) != count:
        raise ValueError(f"{count} values have {len(labels)} cluster labels")
    known: dict[Hashable, int] = {}
    return [known.setdefault(object() if one is None else one, len(known)) for one in labels]


def _by_unit(values: Floats, codes: Sequence[int]) -> Floats:
    groups: list[list[float]] = [[] for _ in range(max(codes) + 1)]
    for code, value in zip(codes, values.tolist(), strict=True):
        groups[code].append(value)
    return np.array([math.fsum(group) for group in groups])
