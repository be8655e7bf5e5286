"""Which slices of a run moved against its baseline: the ones in which chance is ruled out."""

from collections.abc import Iterable

from pipex_core.evals.arms import Arm
from pipex_core.evals.compare import Comparison, compare
from pipex_core.evals.pairs import match

usual_slicings = ("tags", "split")


def slicings_of(arm: Arm, wanted: Iterable[str] = ()) -> tuple[str, ...]:
    """The slicings that a run can be looked at by: tags, split, its paths of metadata, those wanted."""
    paths = sorted({path for case in arm.cases for path in case.slices})
    return tuple(dict.fromkeys((*usual_slicings, *paths, *wanted)))


def moved_slices(
    before: Arm, now: Arm, *, wanted: Iterable[str] = (), min_slice: int = 30
) -> list[Comparison]:
    """Slices that became better or worse, worse first, the surest first among them.

    Skewed metrics are left out: each slice of them would be resampled ten thousand times.

    Args:
        before: The baseline.
        now: The run.
        wanted: Slicings beside the usual ones.
        min_slice: Slices of fewer cases are looked at together.
    """
    names = [
        name
        for name, one in now.metrics.items()
        if one.facts.scale.direction != "none" and not one.facts.scale.skewed
    ]
    rows = compare(
        before,
        now,
        metrics=names,
        by=slicings_of(now, wanted),
        min_slice=min_slice,
        matched=match(before, now),
    )
    moved = [row for row in rows if row.slice is not None and row.outcome != "cannot_tell"]
    return sorted(moved, key=lambda row: (row.outcome != "worse", row.p_adj or 0.0))
