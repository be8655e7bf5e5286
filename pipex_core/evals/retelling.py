"""Findings of a stored run: its tables compared again with its baseline, beside what was stored of it.

A report says what was stored. Where the rows of the baseline are still there, it is computed again and
must come out the same; else the stored rows are shown, with a warning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipex_core.errors import ConfigError, StoreError
from pipex_core.evals.archive import Archive, outputs_of
from pipex_core.evals.compare import flips
from pipex_core.evals.findings import Findings, FlipText, Witness
from pipex_core.evals.judged import SummaryBaseline
from pipex_core.evals.proof import Retold, arm_of_rows, as_stored, retold
from pipex_core.evals.publication import Place
from pipex_core.evals.regressions import Regression, regressions
from pipex_core.evals.summary import Summary
from pipex_core.evals.verdict import uncertified
from pipex_core.jsonvalue import Json, canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Who makes a report, and when.

    Attributes:
        by: Version of pipex.
        at: Empty for the end of the run.
        command: That repeats the run, when it is known.
    """

    by: str = ""
    at: str = ""
    command: str = ""


nobody = Made()


def stored_findings(archive: Archive, place: Place, *, made: Made = nobody) -> Findings:
    """Everything a report says of a stored run.

    Raises:
        StoreError: A table is damaged or not there.
    """
    run = witness_of(archive, place)
    comparisons = archive.table(place, "comparisons")
    against = _against(archive, run, comparisons)
    barred = _uncertified(run)
    told = _retold(run, against, barred)
    is_retold = told is not None
    if told is None:
        told = Retold(judgement=as_stored(run, comparisons))
    before = against if isinstance(against, Witness) else None
    return Findings(
        manifest=run.manifest,
        judgement=told.judgement,
        responses=run.responses,
        scores=run.scores,
        flips=_flips(before, run, told.judgement.summary) if before else [],
        regressions=_regressions(before, run) if before else [],
        moved=told.moved,
        files=[file["path"] for file in run.manifest["files"]],
        command=made.command,
        against=against if is_retold else None,
        uncertified=barred,
        is_retold=is_retold,
        made_by=made.by,
        made_at=made.at,
    )


def witness_of(archive: Archive, place: Place) -> Witness:
    """The rows of a stored run."""
    return Witness(
        manifest=archive.manifest(place),
        responses=archive.table(place, "responses"),
        scores=archive.table(place, "scores"),
    )


def _retold(
    run: Witness, against: Witness | SummaryBaseline | None, barred: frozenset[str]
) -> Retold | None:
    """What the rows say, if that is what was stored; None when it cannot be told again."""
    try:
        told = retold(run, against, uncertified=barred)
    except ConfigError:
        return None  # the gate was asked of runs that are not comparable by themselves
    verdict = told.judgement.verdict
    said = None if verdict is None else verdict.as_json()
    return told if canonical(said) == canonical(run.manifest["verdict"]) else None


def _against(
    archive: Archive, run: Witness, comparisons: pa.Table
) -> Witness | SummaryBaseline | None:
    said = (run.manifest["verdict"] or {}).get("baseline")
    named = set(comparisons["baseline_run_id"].to_pylist()) | ({said} if said else set())
    place = next((place for place in archive.places() if place.run_id in named), None)
    if place is not None:
        return _readable(archive, place)
    if not named - {None, "", "none"}:
        return None
    names = comparisons.select(("metric", "mean_a")).to_pylist()
    means = {row["metric"]: row["mean_a"] for row in names if row["mean_a"] is not None}
    return SummaryBaseline(means=means, run_id=min(named)) if means else None


def _readable(archive: Archive, place: Place) -> Witness | None:
    try:
        return witness_of(archive, place)
    except StoreError:
        return None  # the verdict is that of the day; a damaged baseline changes nothing of it


def _uncertified(run: Witness) -> frozenset[str]:
    """Metrics whose judge had no certificate, as the verdict tells."""
    said: Json = run.manifest["verdict"] or {}
    barred = [r["metric"] for r in said.get("rules", ()) if r["reason"] == "judge_uncertified"]
    for line in said.get("warnings", ()):
        if line.startswith(uncertified):
            barred += line.rpartition(": ")[2].split(", ")
    return frozenset(barred)


def _flips(before: Witness, run: Witness, summary: Summary) -> Sequence[FlipText]:
    """Cases that changed sides under the metric that decides, with both answers."""
    metric = _deciding(summary)
    old_arm, arm = arm_of_rows(before), arm_of_rows(run)
    if metric not in old_arm.metrics:
        return []
    found = flips(old_arm, arm, metric)
    ids = [flip.case_id for flip in found]
    old, new = outputs_of(before.responses, ids), outputs_of(run.responses, ids)
    nothing = (None, None)
    return [
        FlipText(
            case_id=flip.case_id,
            metric=metric,
            change=flip.change,
            passed_now=flip.passed_b,
            output_before=old.get(flip.case_id, nothing)[0],
            output_now=new.get(flip.case_id, nothing)[0],
            expected=new.get(flip.case_id, nothing)[1],
        )
        for flip in found
    ]


def _regressions(before: Witness, run: Witness) -> list[Regression]:
    try:
        return regressions(arm_of_rows(before), arm_of_rows(run))
    except ConfigError:
        return []  # too few cases are common


def _deciding(summary: Summary) -> str:
    """The first metric whose cases pass or fail; else the first."""
    deciding = [name for name, one in summary.metrics.items() if one.pass_rate is not None]
    return (deciding or list(summary.metrics))[0]
