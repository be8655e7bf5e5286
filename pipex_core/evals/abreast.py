"""Several targets that ran side by side on the same cases: each compared with the first."""

from collections.abc import Sequence
from dataclasses import replace

from pipex_core.evals.arms import Arm
from pipex_core.evals.compare import Comparison, compare
from pipex_core.stats.pvalues import holm

family = "targets"


def against_first(arms: Sequence[Arm]) -> list[list[Comparison]]:
    """The comparisons of each arm but the first with it; empty for one arm.

    The p values of a metric are adjusted by Holm over the targets; a difference that chance explains
    after that is one that nobody can tell.

    Raises:
        ConfigError: ``not_comparable``.
    """
    first, *others = arms
    rows = [compare(first, arm) for arm in others]
    for metric in first.metrics:
        _adjust(rows, metric)
    return rows


def _adjust(rows: Sequence[list[Comparison]], metric: str) -> None:
    """Adjust one metric's p values over all targets, in place."""
    places = [
        (of_target, number)
        for of_target in rows
        for number, row in enumerate(of_target)
        if row.metric == metric and row.slice is None and row.p is not None
    ]
    if not places:
        return
    known = [of_target[number].p or 0.0 for of_target, number in places]
    for (of_target, number), p_adj in zip(places, holm(known), strict=True):
        row = of_target[number]
        diff = row.diff or 0.0
        seen = "better" if diff > 0 else "worse" if diff < 0 else "cannot_tell"
        of_target[number] = replace(
            row,
            p_adj=p_adj,
            family=family,
            family_size=len(known),
            outcome=seen if p_adj <= row.alpha else "cannot_tell",
        )
