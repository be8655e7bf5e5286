"""Two arms without common cases, side by side: information for people, nothing to gate on."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from pipex_core.stats.estimates import Scale
from pipex_core.stats.resampling import Ends
from pipex_core.stats.units import Floats, Numbers, mean, units_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired:
    """What two separate samples show.

    Attributes:
        mean_a: Of arm A, in the metric's own direction; mean_b likewise.
        diff: Difference of the means, turned so that positive says that B is better.
        ci: Welch's interval for ``diff``; None when an arm has one case or neither varies.
        p: Two-sided, of Welch's t; None as ``ci``.
        cliffs_delta: P(B better) - P(A better) for a random case of each, in [-1, 1].
    """

    n_a: int
    n_b: int
    mean_a: float
    mean_b: float
    diff: float
    ci: Ends | None
    p: float | None
    cliffs_delta: float


def unpaired(arm_a: Numbers, arm_b: Numbers, *, scale: Scale, level: float = 0.95) -> Unpaired:
    """Arm B beside arm A.

    Welch 1947, https://doi.org/10.1093/biomet/34.1-2.28; Cliff 1993,
    https://doi.org/10.1037/0033-2909.114.3.494.

    Raises:
        ValueError: An arm is empty or holds a value that is not finite or outside the range.
    """
    a, b = scale.checked(arm_a), scale.checked(arm_b)
    diff = scale.sign * (mean(b) - mean(a))
    ci, p = _welch(a, b, diff=diff, level=level)
    return Unpaired(
        n_a=a.size,
        n_b=b.size,
        mean_a=mean(a),
        mean_b=mean(b),
        diff=diff,
        ci=ci,
        p=p,
        cliffs_delta=scale.sign * _cliffs_delta(a, b),
    )


def _welch(
    a: Floats, b: Floats, *, diff: float, level: float
) -> tuple[Ends, float] | tuple[None, None]:
    first, second = units_of(a), units_of(b)
    if min(a.size, b.size) == 1 or (first.constant and second.constant):
        return None, None
    va, vb = first.se**2, second.se**2
    freedom = (va + vb) ** 2 / (va**2 / (a.size - 1) + vb**2 / (b.size - 1))
    se = math.sqrt(va + vb)
    reach = float(special.stdtrit(freedom, (1 + level) / 2)) * se
    p = 2 * float(special.stdtr(freedom, -abs(diff) / se))
    return Ends(diff - reach, diff + reach), p


def _cliffs_delta(a: Floats, b: Floats) -> float:
    ordered = np.sort(a)
    below = np.searchsorted(ordered, b, side="left")
    above = a.size - np.searchsorted(ordered, b, side="right")
    return float((below - above).sum() / (a.size * b.size))
