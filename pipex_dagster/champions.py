"""Whom a target is compared with, and what the comparison shows.

The champion is the run that the pointer names. Until somebody has promoted a run it is the stored
partition of the target that the models file marks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import pyarrow as pa

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import Arm
from pipex_core.evals.compare import Comparison, compare, flips, sentence
from pipex_dagster.evaluation import At
from pipex_dagster.presentation import Metadata, numbers, rows_shown, shown_rows
from pipex_dagster.suitefiles import SuiteFiles

slicings = ("tags", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Stored rows of the champion."""

    run_id: str
    responses: pa.Table
    scores: pa.Table


def blessed_rows(at: At, files: SuiteFiles) -> Baseline | None:
    """The rows of the run that was promoted; None before any promotion.

    Raises:
        ConfigError: ``baseline_missing``, the pointer names a run that is not in the results.
    """
    pointer = files.pointer
    if pointer is None:
        return None
    archive = at.pipex.desk().archive
    for place in archive.places(suite=files.suite.id):
        if place.run_id == pointer.run_id:
            return Baseline(
                run_id=pointer.run_id,
                responses=archive.table(place, "responses"),
                scores=archive.table(place, "scores"),
            )
    raise ConfigError(
        f"the champion of {files.suite.id} is run {pointer.run_id}, which is not in the results",
        code="baseline_missing",
        next_step="bring the run back, or promote another one",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A target beside the champion.

    Attributes:
        rows: Per metric, for all cases first and then for slices; empty when there is nothing to compare.
        why: Why there is nothing, or an empty string.
        changed: Cases that passed with one of the two only, under the first metric; what got worse first.
    """

    rows: Sequence[Comparison] = ()
    why: str = ""
    changed: Sequence[Mapping[str, str | float]] = ()

    @property
    def numbers(self) -> Metadata:
        """Differences over all cases, positive where the target is better, and how many pairs there are."""
        whole = [row for row in self.rows if row.slice_by is None]
        found = {f"{row.metric}_difference": row.diff for row in whole}
        return numbers({**found, **({"pairs": max(row.n_pairs for row in whole)} if whole else {})})

    @property
    def shown(self) -> Mapping[str, dg.TableMetadataValue | None]:
        """Tables for people."""
        return {
            "differences": rows_shown(_row(row) for row in self.rows),
            "changed cases": rows_shown(self.changed),
        }

    def text(self, *, against: str | None) -> str:
        """The comparison in sentences."""
        if self.why:
            return self.why
        lines = [f"- {sentence(row)}" for row in self.rows if row.slice_by is None]
        return "\n".join([f"Compared with {against}:", "", *lines])


def compared(own: Arm, before: Arm | None) -> Compared:
    """What a target's rows show beside those of the champion; None when there is no champion to compare with."""
    if before is None:
        return Compared(
            why="There is nothing to compare with: this is the champion, or it has no rows yet."
        )
    try:
        rows = compare(before, own, by=slicings)
    except ConfigError as error:
        return Compared(why=f"{error.code}: {error.message}")
    first = rows[0].metric if rows else ""
    changed = flips(before, own, first) if first in before.metrics else []
    return Compared(
        rows=rows,
        changed=[
            {
                "case": flip.case_id,
                "metric": first,
                "champion": flip.value_a,
                "target": flip.value_b,
                "now": "passes" if flip.passed_b else "fails",
            }
            for flip in changed[:shown_rows]
        ],
    )


def _row(row: Comparison) -> Mapping[str, str | float | None]:
    return {
        "metric": row.metric,
        "slice": "all" if row.slice_by is None else f"{row.slice_by}={row.slice}",
        "outcome": row.outcome.replace("_", " "),
        "difference": row.diff,
        "low": row.ci_low,
        "high": row.ci_high,
        "pairs": row.n_pairs,
        "champion": row.mean_a,
        "target": row.mean_b,
        "p adjusted": row.p_adj,
        "cases that would tell": row.n_needed,
    }
