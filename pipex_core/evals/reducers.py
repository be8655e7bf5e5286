"""How the repeats of a case become one value.

Statistics of the values (``mean median min max mode``) keep the unit of the metric. Chances of passing
(``pass_at_k pass_hat_k at_least_k``) look at which repeats reached the threshold: whatever the unit was,
a case then has a value from 0 to 1 that is better when higher. In the place of ``k`` stands a number, as
in ``pass_at_3``; the letter means all repeats of the case.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, multimode, variance
from typing import Final

from pipex_core.errors import Problem
from pipex_core.evals.results import ScoreState, passes
from pipex_core.stats.estimates import Scale

even: Final = 0.5  # a case passes when its chance is at least this
chance_scale: Final = Scale()

statistics: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "median": lambda values: float(median(values)),
    "min": min,
    "max": max,
    "mode": lambda values: min(multimode(values)),
}
chance_name: Final = re.compile(r"(pass_at|pass_hat|at_least)_(k|[1-9][0-9]?|100)")


def is_chance(reducer: str) -> bool:
    """Does the reducer look at which repeats passed, and not at their values?"""
    return chance_name.fullmatch(reducer) is not None


def problem_of(reducer: str) -> str:
    """What is wrong with the name of a reducer, or nothing."""
    if reducer in statistics or is_chance(reducer):
        return ""
    return (
        f"{reducer!r} is no reducer; known: {', '.join(statistics)}, and pass_at_k, pass_hat_k and"
        " at_least_k with a number in the place of k"
    )


def problems_of(reducer: str, *, repeats: int) -> list[Problem]:
    """What is wrong with reducing this many repeats; an empty list when nothing is."""
    message = problem_of(reducer)
    if message:
        return [Problem(code="unknown_value", message=f"reducer: {message}")]
    found = chance_name.fullmatch(reducer)
    wanted = int(found[2]) if found and found[2] != "k" else 1
    if wanted <= repeats:
        return []
    message = f"the reducer {reducer} needs {wanted} repeats of a case, and there are {repeats}"
    return [Problem(code="too_few_repeats", message=message)]


def chance(reducer: str, flags: Sequence[bool]) -> float | None:
    """The value of a case of which these repeats passed; None when fewer than ``k`` are known.

    ``pass_at_k`` and ``pass_hat_k`` are unbiased estimates of the chance that one of k, or each of k
    new repeats passes: 1 - C(n-c, k)/C(n, k) (Chen 2021, https://arxiv.org/abs/2107.03374) and
    C(c, k)/C(n, k) (Yao 2024, https://arxiv.org/abs/2406.12045). ``at_least_k`` is 1 when k or more
    passed, else 0; it waits for repeats only while those that are unknown could matter.

    Args:
        reducer: For which ``is_chance`` holds.
        flags: Whether each known repeat passed.
    """
    found = chance_name.fullmatch(reducer)
    if found is None:
        raise ValueError(f"{reducer!r} is no chance of passing")
    kind, word = found.groups()
    n, passed = len(flags), sum(flags)
    k = n if word == "k" else int(word)
    if kind == "at_least":
        return 1.0 if passed >= k else None if n < k else 0.0
    if n < k:
        return None
    if kind == "pass_hat":
        return math.comb(passed, k) / math.comb(n, k)
    return 1 - math.comb(n - passed, k) / math.comb(n, k)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseValue:
    """What the repeats of one case come to.

    Attributes:
        value: NaN where there is none.
        passed: None without a threshold or a value.
        samples: Values of the repeats that are known, imputed ones included.
        flags: Whether each of them passed; None without a threshold.
    """

    state: ScoreState
    value: float = math.nan
    passed: bool | None = None
    samples: Sequence[float] = ()
    flags: Sequence[bool | None] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """How the repeats of every case of one metric become one value.

    Attributes:
        reducer: One of ``statistics`` or of the chances; where ``chances`` is False a chance is the mean.
        direction: Of the metric.
        imputes: Whether a failure of the target counts as a repeat.
        worst: Value of such a repeat; None leaves it out of statistics, and for chances it has not passed.
        chances: Whether chances are asked for and there is a threshold to pass.
    """

    reducer: str
    direction: str
    imputes: bool = True
    worst: float | None = 0.0
    chances: bool = False

    def of(
        self, marks: Sequence[ScoreState], scores: Sequence[float | None], threshold: float | None
    ) -> CaseValue:
        """The value of a case: at least half of its repeats must be known, else it is missing.

        Args:
            marks: How each repeat counts.
            scores: Value of each repeat; read where it was scored.
            threshold: Of the case.
        """
        known = [mark for mark in marks if mark in ("scored", "failed")]
        asked = len(marks) - marks.count("na")
        if not asked:
            return CaseValue(state="na")
        if not known or 2 * len(known) < asked:
            return CaseValue(state="missing")
        worst = self.worst if self.imputes else None
        values = [
            score if mark == "scored" else worst
            for mark, score in zip(marks, scores, strict=True)
            if mark in ("scored", "failed")
        ]
        samples = [value for value in values if value is not None]
        flags = [passes(x, threshold=threshold, direction=self.direction) for x in samples]
        value = self._value(samples, flags, unseen=len(values) - len(samples))
        if value is None and self.chances and (samples or self.imputes):
            return CaseValue(state="missing", samples=samples, flags=flags)
        state: ScoreState = "scored" if "scored" in known else "failed"
        if value is None:
            return CaseValue(state=state)
        passed = (
            value >= even
            if self.chances
            else passes(value, threshold=threshold, direction=self.direction)
        )
        return CaseValue(state=state, value=value, passed=passed, samples=samples, flags=flags)

    def _value(
        self, samples: Sequence[float], flags: Sequence[bool | None], *, unseen: int
    ) -> float | None:
        if self.chances:
            failed = unseen if self.imputes else 0
            known = [flag is True for flag in flags] + [False] * failed
            return chance(self.reducer, known) if known else None
        return statistics.get(self.reducer, statistics["mean"])(samples) if samples else None


def pooled_variance(cases: Sequence[CaseValue]) -> float | None:
    """Variance of the repeats of a case, pooled over the cases that have two or more; None without any."""
    several = [case.samples for case in cases if len(case.samples) > 1]
    freedom = sum(len(samples) - 1 for samples in several)
    if not freedom:
        return None
    return math.fsum(variance(samples) * (len(samples) - 1) for samples in several) / freedom


def flake_rate(cases: Sequence[CaseValue]) -> float | None:
    """Share of the cases with two or more repeats whose repeats disagree on passed; None without any."""
    several = [len(set(case.flags)) > 1 for case in cases if len(case.flags) > 1]
    return sum(several) / len(several) if several else None
