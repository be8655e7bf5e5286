"""Judgements of all repeats of a case together: how often it succeeds, and whether it says the same."""

import math
from collections.abc import Sequence
from itertools import combinations

from pipex_core.errors import Problem
from pipex_core.jsonvalue import Json
from pipex_core.metrics.catalogue import built_in
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    RepeatsMetric,
    Sample,
    Score,
    Scored,
    Unscored,
)
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.scoring import score_item
from pipex_core.registry import nearest

_options = {
    "k": OptionInfo(kind="int", default=1, least=1, description="repeats that are drawn"),
    "of": OptionInfo(
        kind="str", description="name of the metric that has to pass, by default all required ones"
    ),
}


class PassAtK:
    """Chance that at least one of ``k`` repeats passes, estimated without bias from all repeats.

    A failure of the target has not passed; a repeat that was not reached is left out. Fewer repeats
    than ``k`` are ``not_applicable``.

    Source: Chen 2021, https://arxiv.org/abs/2107.03374, equation 1.
    """

    info = MetricInfo(
        name="pass_at_k",
        summary="chance that one of k repeats passes",
        needs=frozenset({"repeats"}),
        levels=("repeats",),
        options=_options,
    )

    def __init__(self, *, k: int = 1, of: str | None = None) -> None:
        self._k = k
        self.of = of

    def score_repeats(self, samples: Sequence[Sample]) -> Score:
        known = [sample.passed for sample in samples if sample.passed is not None]
        n, passed = len(known), sum(known)
        if len(samples) < self._k:
            reason = f"{len(samples)} repeats, and {self._k} are drawn"
            return Unscored(code="not_applicable", reason=reason)
        if n < self._k:
            reason = f"only {n} of {len(samples)} repeats have passed or failed"
            return Unscored(code="not_run", reason=reason)
        return Scored(value=self._chance(n, passed), details={"n": n, "passed": passed})

    def _chance(self, n: int, passed: int) -> float:
        return 1 - math.comb(n - passed, self._k) / math.comb(n, self._k)

    def score(self, item: MetricInput) -> Score:
        return _only_together(item)


class PassHatK(PassAtK):
    """Chance that all of ``k`` repeats pass, estimated without bias from all repeats.

    Source: Yao 2024, https://arxiv.org/abs/2406.12045, section 4.
    """

    info = MetricInfo(
        name="pass_hat_k",
        summary="chance that all of k repeats pass",
        needs=frozenset({"repeats"}),
        levels=("repeats",),
        options=_options,
    )

    def _chance(self, n: int, passed: int) -> float:
        return math.comb(passed, self._k) / math.comb(n, self._k)


class Consistency:
    """Mean agreement of all pairs of repeats: whether the texts are equal, or how alike ``by`` finds them.

    ``by`` is an entry of a metric that compares an answer with a reference; the mean of both directions
    is taken. A failure of the target agrees with nothing, a repeat that was not reached is left out.
    Fewer than two repeats are ``not_applicable``.
    """

    info = MetricInfo(
        name="consistency",
        summary="mean agreement of the repeats of a case",
        needs=frozenset({"repeats"}),
        levels=("repeats",),
        options={
            "by": OptionInfo(
                kind="str|map",
                default="exact_match",
                description="metric that compares two answers",
            ),
        },
    )

    def __init__(self, *, by: Json = "exact_match") -> None:
        self.of = None
        (self._by,) = resolve_entries([by], built_in(), where="by")
        compares = self._by.info.needs == {"output", "reference"}
        if not compares or self._by.info.range != (0.0, 1.0):
            raise ValueError(f"{self._by.type!r} does not tell how alike two texts are")

    def score_repeats(self, samples: Sequence[Sample]) -> Score:
        known = [one.item for one in samples if one.item.response_class != "missing"]
        if len(samples) <= 1:
            return Unscored(code="not_applicable", reason="one repeat agrees with nothing")
        if len(known) <= 1:
            return Unscored(code="not_run", reason=f"only {len(known)} repeats were answered")
        found = []
        for left, right in combinations(known, 2):
            alike = _agreement(self._by, left, right)
            if isinstance(alike, Unscored):
                return alike
            found.append(alike)
        return Scored(value=math.fsum(found) / len(found), details={"pairs": len(found)})

    def score(self, item: MetricInput) -> Score:
        return _only_together(item)


def problems_of_repeats(entries: Sequence[Entry], *, where: str = "metrics") -> list[Problem]:
    """What is wrong with metrics of repeats that tell how often another metric passes.

    Args:
        entries: All that judge a case, in the order of their document.
        where: Path of the list in its document.
    """
    passing = {entry.name: entry for entry in entries}
    found = []
    for at, entry in enumerate(entries):
        of = entry.metric.of if isinstance(entry.metric, RepeatsMetric) else None
        other = passing.get(of) if of is not None else None
        if of is None or (other is not None and other.threshold is not None):
            continue
        message = f"{entry.name} counts what passes {of!r}, which has no threshold"
        near = None
        if other is None:
            message = f"{entry.name} counts what passes {of!r}, and no metric is named so"
            near = nearest(of, passing)
        path = f"{where}[{at}].of"
        found.append(Problem(code="bad_option", path=path, message=message, suggestion=near))
    return found


def _agreement(by: Entry, left: MetricInput, right: MetricInput) -> float | Unscored:
    if left.output is None or right.output is None:
        return 0.0
    found = []
    for one, other in ((left, right), (right, left)):
        score = score_item(by, MetricInput(output=one.output, references=(other.output or "",)))
        if isinstance(score, Unscored):
            return score
        found.append(score.value)
    return math.fsum(found) / len(found)


def _only_together(item: MetricInput) -> Unscored:
    del item
    return Unscored(code="not_applicable", reason="a metric of repeats says nothing of one answer")
