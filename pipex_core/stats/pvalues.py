"""Exact and rank tests, and what many tests at once do to a p value.

"Worse" is the lower tail throughout: differences are turned so that positive is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from pipex_core.stats.units import Floats, Numbers, floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """One-sided p values of one test.

    Attributes:
        worse: Small when the data speak for "worse".
        better: Small when the data speak for "better".
    """

    worse: float
    better: float

    @property
    def two_sided(self) -> float:
        """Twice the smaller one, at most 1."""
        return min(1.0, 2 * min(self.worse, self.better))


def mcnemar_mid_p(*, worse: int, better: int) -> Tails:
    """McNemar's test with mid-p on the two counts of discordant pairs; 1 when there are none.

    P(X ≥ worse) - ½P(X = worse) with X ~ Bin(worse + better, ½). Fagerland, Lydersen and Laake
    2013, https://doi.org/10.1186/1471-2288-13-91.

    Raises:
        ValueError: A count is negative.
    """
    if not _pairs(worse, better):
        return Tails(worse=1.0, better=1.0)
    return Tails(worse=_mid_p(worse, better), better=_mid_p(better, worse))


def mcnemar_exact(*, worse: int, better: int) -> float:
    """Two-sided exact McNemar p: twice the smaller binomial tail, at most 1.

    Raises:
        ValueError: A count is negative.
    """
    pairs = _pairs(worse, better)
    return min(1.0, 2 * float(special.bdtr(min(worse, better), pairs, 0.5))) if pairs else 1.0


def _pairs(worse: int, better: int) -> int:
    if min(worse, better) < 0:
        raise ValueError(f"counts of pairs are not negative, got {worse} and {better}")
    return worse + better


def _mid_p(count: int, other: int) -> float:
    # The mean of P(X ≥ count) and P(X > count) spares the difference of two nearly equal numbers.
    pairs = count + other
    at_least = 1.0 if count == 0 else float(special.bdtrc(count - 1, pairs, 0.5))
    return (at_least + float(special.bdtrc(count, pairs, 0.5))) / 2


def score_test(*, passed: int, total: int, value: float) -> Tails:
    """Is the pass rate ``value``? Normal score test, the one that Wilson's interval inverts.

    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Raises:
        ValueError: ``total`` is not positive, or ``passed`` is outside ``0..total``.
    """
    if total < 1 or not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} is not a pass rate")
    gap = passed / total - value
    # At a value of 0 or 1 the null says that no case differs, so that one that does refutes it.
    spread = np.sqrt(max(value * (1 - value), 0.0) / total)
    z = gap / spread if spread else np.sign(gap) * np.inf if gap else 0.0
    return Tails(worse=float(special.ndtr(z)), better=float(special.ndtr(-z)))


def fisher_exact(*, hits_a: int, total_a: int, hits_b: int, total_b: int) -> float:
    """Two-sided p of "both arms have the same share of hits", such as missing cases.

    Sum of the probabilities of all tables with these margins that are no likelier than the one
    seen. Fisher 1935, https://doi.org/10.2307/2342435.

    Raises:
        ValueError: Hits outside ``0..total``.
    """
    if not (0 <= hits_a <= total_a and 0 <= hits_b <= total_b):
        raise ValueError(f"{hits_a} of {total_a} and {hits_b} of {total_b} are not shares")
    hits = hits_a + hits_b
    first = np.arange(max(0, hits - total_b), min(hits, total_a) + 1, dtype=np.float64)
    log_p = _log_choose(total_a, first) + _log_choose(total_b, hits - first)
    likelihood = np.exp(log_p - log_p.max())
    # Tables of equal probability differ by rounding; scipy and R allow the same 1e-7.
    seen = likelihood[hits_a - int(first[0])] * (1 + 1e-7)
    return min(1.0, float(likelihood[likelihood <= seen].sum() / likelihood.sum()))


def _log_choose(count: int, chosen: Floats) -> Floats:
    result: Floats = (
        special.gammaln(count + 1)
        - special.gammaln(chosen + 1)
        - special.gammaln(count - chosen + 1)
    )
    return result


def wilcoxon(differences: Numbers) -> float:
    """Two-sided signed-rank p; 1 when every difference is 0.

    Zeros are ranked and then dropped (Pratt 1959, https://doi.org/10.2307/2282543); normal
    approximation with tie correction and without continuity correction.

    Raises:
        ValueError: No differences, or one that is not finite.
    """
    array = floats(differences)
    size = array.size
    zeros = int(np.count_nonzero(array == 0))
    if zeros == size:
        return 1.0
    _, place, counts = np.unique(np.abs(array), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[place]
    tied = counts[1:] if zeros else counts
    expected = (size * (size + 1) - zeros * (zeros + 1)) / 4
    squares = size * (size + 1) * (2 * size + 1) - zeros * (zeros + 1) * (2 * zeros + 1)
    variance = (squares - float((tied.astype(np.float64) ** 3 - tied).sum()) / 2) / 24
    z = (float(ranks[array > 0].sum()) - expected) / np.sqrt(variance)
    return float(2 * special.ndtr(-abs(z)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the given order, that keep the chance of any false claim at alpha.

    Holm 1979, https://www.jstor.org/stable/4615733.

    Raises:
        ValueError: A p value is outside [0, 1].
    """
    array, order = _sorted(p_values)
    stepped = np.maximum.accumulate(array[order] * np.arange(array.size, 0, -1))
    return _in_order(stepped, order)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the given order, that keep the expected share of false claims at alpha.

    Benjamini and Hochberg 1995, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x.

    Raises:
        ValueError: A p value is outside [0, 1].
    """
    array, order = _sorted(p_values)
    # The factor first: p·n/n may round to less than p.
    stepped = array[order] * (array.size / np.arange(1, array.size + 1))
    return _in_order(np.minimum.accumulate(stepped[::-1])[::-1], order)


def _sorted(p_values: Sequence[float]) -> tuple[Floats, npt.NDArray[np.intp]]:
    array = np.asarray(p_values, dtype=np.float64)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"p values lie in [0, 1], got {list(p_values)}")
    return array, np.argsort(array, kind="stable")


def _in_order(stepped: Floats, order: npt.NDArray[np.intp]) -> list[float]:
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(one) for one in adjusted]
