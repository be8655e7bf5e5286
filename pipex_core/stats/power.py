"""How large a difference a comparison can see, and how many cases or repeats a margin needs."""

import math

from scipy import special


def mde(*, se: float, alpha: float = 0.05, power: float = 0.8, units: int | None = None) -> float:
    """Smallest true difference that a one-sided test at ``alpha`` finds with chance ``power``.

    Args:
        se: Standard error of the difference, in the unit of the metric.
        alpha: In (0, 1).
        power: In (0, 1).
        units: Number of clusters, for t with one degree of freedom less; None takes the normal.

    Raises:
        ValueError: ``alpha`` or ``power`` is not in (0, 1), or there are fewer than 2 clusters.
    """
    return _quantiles(alpha, power, units=units) * se


def design_effect(*, mean_cluster_size: float, icc: float) -> float:
    """Factor by which clusters inflate the variance of a mean, 1 + (m - 1)·rho.

    Kish 1965, Survey Sampling.

    Args:
        mean_cluster_size: Cases per cluster, m.
        icc: Correlation of two cases of one cluster, rho.
    """
    return 1 + (mean_cluster_size - 1) * icc


def n_needed(
    *, margin: float, sd: float, alpha: float = 0.05, power: float = 0.8, effect: float = 1.0
) -> int:
    """Cases needed to show, when there is no true difference, that it is smaller than ``margin``.

    Args:
        margin: Positive, in the unit of the metric.
        sd: Standard deviation of the paired differences.
        alpha: In (0, 1), one-sided.
        power: In (0, 1).
        effect: Design effect of clusters; 1 without clusters.

    Raises:
        ValueError: ``margin`` is not positive, or ``alpha`` or ``power`` is not in (0, 1).
    """
    if margin <= 0:
        raise ValueError(f"a margin is positive, got {margin}")
    independent = math.ceil((_quantiles(alpha, power, units=None) * sd / margin) ** 2)
    return math.ceil(independent * effect)


def sd_of_discordance(rate: float) -> float:
    """Standard deviation of the differences of two pass flags that disagree at ``rate``.

    Holds when there is no true difference. ``rate`` lies in [0, 1].
    """
    return math.sqrt(rate)


def sd_with_repeats(*, between: float, within_a: float, within_b: float, repeats: int) -> float:
    """Standard deviation of the paired differences of means over ``repeats`` answers per arm.

    Args:
        between: Variance of the true differences between cases, σ²_b.
        within_a: Variance between repeats of one case in arm A, s²_wA.
        within_b: The same in arm B.
        repeats: At least 1.
    """
    return math.sqrt(between + (within_a + within_b) / repeats)


def repeats_needed(
    *,
    margin: float,
    n: int,
    between: float,
    within: float,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int | None:
    """Repeats per arm with which ``n`` cases show ``margin``; None when no number of them does.

    Args:
        margin: Positive, in the unit of the metric.
        n: Cases compared, at least 1.
        between: Variance of the true differences between cases, σ²_b.
        within: Variance between repeats of one case, of both arms added, s²_wA + s²_wB.
        alpha: In (0, 1), one-sided.
        power: In (0, 1).

    Raises:
        ValueError: ``alpha`` or ``power`` is not in (0, 1).
    """
    room = n * (margin / _quantiles(alpha, power, units=None)) ** 2 - between
    if room <= 0:
        return None
    return max(1, math.ceil(within / room))


def _quantiles(alpha: float, power: float, *, units: int | None) -> float:
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha and power lie between 0 and 1, got {alpha} and {power}")
    if units is None:
        return float(special.ndtri(1 - alpha) + special.ndtri(power))
    if units <= 1:
        raise ValueError(f"at least 2 clusters are needed, got {units}")
    return float(special.stdtrit(units - 1, 1 - alpha) + special.stdtrit(units - 1, power))
