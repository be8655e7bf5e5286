"""Evaluations that a command runs: who hears of them, what is said at their end, and the exit code."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipex_core.cli.main import (
    emit,
    exit_failed,
    exit_incomplete,
    exit_inconclusive,
    exit_ok,
    note,
    say_interrupted,
)
from pipex_core.cli.progress import ProgressLine

if TYPE_CHECKING:
    from pipex_core.app.evaluations import Desk
    from pipex_core.app.eventfile import EventFile
    from pipex_core.app.requests import EvalRequest
    from pipex_core.evals.compare import Comparison
    from pipex_core.evals.runner import EvalRun
    from pipex_core.telemetry import Event

# Worst first: several targets end with the code of the worst.
severity = (exit_failed, exit_incomplete, exit_inconclusive, exit_ok)


@dataclass(slots=True)
class Heard:
    """Hears the events of a run: a line on the terminal, and a file when one is wanted.

    Attributes:
        quiet: Show warnings only.
    """

    quiet: bool = False
    _line: ProgressLine = field(init=False)
    _file: "EventFile | None" = None

    def __post_init__(self) -> None:
        self._line = ProgressLine(quiet=self.quiet)

    def __call__(self, event: "Event") -> None:
        """Pass an event on."""
        if self._file is not None:
            self._file(event)
        self._line(event)

    def write_events(self, path: str | None, desk: "Desk") -> None:
        """Also write every event to a file, if one is named."""
        if path is not None:
            from pipex_core.app.eventfile import open_event_file

            self._file = open_event_file(path, desk.settings)

    def close(self) -> None:
        """Nothing more comes."""
        self._line.close()
        if self._file is not None:
            self._file.close()


def run_all(
    desk: "Desk",
    requests: Sequence["EvalRequest"],
    heard: Heard,
    *,
    reports: Sequence[str],
    as_json: bool,
) -> int:
    """Evaluate, publish, report; the exit code of the worst run."""
    jobs = [desk.job(request) for request in requests]
    desk.require_folders()
    for job, request in zip(jobs, requests, strict=True):
        desk.remember(job, request)
    try:
        found = asyncio.run(_evaluate(desk, jobs, requests))
    except KeyboardInterrupt:
        # The journals hold what was done.
        following = "; ".join(f"pipex eval resume {job.run_id}" for job in jobs)
        return say_interrupted("interrupted", as_json=as_json, next_step=following)
    finally:
        heard.close()
    for run in found:
        _promote(desk, run)
    return _say(desk, found, requests, reports=reports, as_json=as_json)


async def _evaluate(
    desk: "Desk", jobs: Sequence[Any], requests: Sequence["EvalRequest"]
) -> list["EvalRun"]:
    from pipex_core.app.abreast import run_abreast
    from pipex_core.app.rulers import baseline_today

    try:
        jobs = [await baseline_today(desk, job, tell=note) for job in jobs]
        return await run_abreast(desk, jobs, carry=[request.carry for request in requests])
    finally:
        await desk.aclose()


def _say(
    desk: "Desk",
    found: Sequence["EvalRun"],
    requests: Sequence["EvalRequest"],
    *,
    reports: Sequence[str],
    as_json: bool,
) -> int:
    from pipex_core.app.reporting import write_reports

    shown = [
        (run, write_reports(desk, run, reports, tell=note), request)
        for run, request in zip(found, requests, strict=True)
    ]
    documents = [_document(*one) for one in shown]
    blocks = ["\n".join(_lines(run, files)) for run, files, _ in shown]
    payload = documents[0]
    if len(shown) > 1:
        from pipex_core.evals.abreast import against_first

        rows = against_first([run.judgement.arm for run in found])
        payload = {
            "schema": "pipex.evals/1",
            "runs": documents,
            "comparisons": [
                {"run_id": run.run_id, "target": run.job.target.target_id, **row.as_row()}
                for run, of_run in zip(found[1:], rows, strict=True)
                for row in of_run
            ],
        }
        blocks += _compared(found, rows)
    emit(payload, as_json=as_json, text=lambda: "\n\n".join(blocks))
    return min((_exit_of(run, request) for run, _, request in shown), key=severity.index)


def _compared(found: Sequence["EvalRun"], rows: Sequence[Sequence["Comparison"]]) -> Iterator[str]:
    """What is said of each target against the first, after Holm's correction over the targets."""
    from pipex_core.evals.compare import sentence

    first = found[0].job.target.target_id
    for run, of_run in zip(found[1:], rows, strict=True):
        lines = [f"{run.job.target.target_id} against {first}:"]
        yield "\n".join([*lines, *(f"  {sentence(row)}" for row in of_run)])


def _promote(desk: "Desk", run: "EvalRun") -> None:
    """Let the rule ``promotion`` of the gate have its way."""
    gate = run.job.gate
    if gate is None or gate.promotion is None or run.verdict is None:
        return
    from pipex_core.app.baselines import promote_by_rule
    from pipex_core.evals.runner import place_of_job

    place = place_of_job(run.job)
    if promote_by_rule(desk.archive, place, run.verdict, gate.promotion) is not None:
        note(f"the champion of {place.suite_id} is now {run.run_id}, by the promotion rule")


def _exit_of(found: "EvalRun", request: "EvalRequest") -> int:
    from pipex_core.evals.outcome import exit_code

    return exit_code(
        found.summary,
        found.verdict,
        finished=found.judgement.outcome.finished,
        fail_on_threshold=request.fail_on_threshold,
        max_missing=request.options.max_missing,
    )


def _document(found: "EvalRun", files: Sequence[str], request: "EvalRequest") -> dict[str, Any]:
    from pipex_core.evals.summary import metric_document, totals_document

    totals = found.summary.totals
    verdict = found.verdict
    return {
        "schema": "pipex.eval/1",
        "run_id": found.run_id,
        "suite": request.suite,
        "target": found.job.target.target_id,
        "status": found.status,
        "counts": {
            "rows": totals.n_rows,
            "ok": totals.n_ok,
            "failed": totals.n_failed,
            "missing": totals.n_missing,
            "carried": totals.n_carried,
        },
        "summary": totals_document(found.summary),
        "metrics": {name: metric_document(one) for name, one in found.summary.metrics.items()},
        "cost": totals.cost_nanousd / 1e9,
        "judge_cost": totals.judge_cost_nanousd / 1e9,
        "calls": totals.calls,
        "carried": totals.n_carried,
        "row_digest": found.row_digest,
        "verdict": None if verdict is None else verdict.as_json(),
        "files": list(files),
        "next": f"pipex eval show {found.run_id}",
    }


def _lines(found: "EvalRun", files: Sequence[str]) -> Iterator[str]:
    from pipex_core.app.reports import run_block

    yield run_block(found)
    yield from (f"wrote {path}" for path in files)
    if found.status != "completed":
        yield f"next: pipex eval resume {found.run_id}"
    else:
        yield f"run {found.run_id}; next: pipex eval show {found.run_id}"
