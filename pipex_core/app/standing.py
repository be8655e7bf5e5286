"""Evaluations that are not complete: how far they are by their journals, and how to stop one."""

import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from pipex_core.app import suitewiring, wiring
from pipex_core.app.evaluations import reopened
from pipex_core.app.settings import read_settings
from pipex_core.app.stored import find_run
from pipex_core.engine.fold import RunState
from pipex_core.engine.journal import stored_value
from pipex_core.engine.segments import Verified, examine
from pipex_core.errors import ConfigError, StoreError
from pipex_core.evals.answers import Answer
from pipex_core.evals.archive import Archive
from pipex_core.evals.job import EvalJob
from pipex_core.evals.judgement import summarise
from pipex_core.evals.results import ResponseRow
from pipex_core.evals.scoring import score
from pipex_core.evals.summary import metric_document, totals_document
from pipex_core.evals.table import response_batch
from pipex_core.jsonvalue import Json
from pipex_core.ports import JournalStore

scope: Final = "main"
Redact = Callable[[str], str]


def standing(run_id: str, *, archive: Archive | None) -> dict[str, Json]:
    """How an evaluation stands: by its manifest when it is complete, else by its journal.

    ``partial`` says that the numbers are those of the rows that are durable so far.

    Raises:
        ConfigError: ``unknown_run``.
        StoreError: The journal is damaged.
    """
    if archive is not None:
        try:
            place = find_run(archive, run_id)
        except ConfigError:
            pass
        else:
            manifest = archive.manifest(place)
            row = manifest["run"]
            return {
                **place.ids(),
                "target_id": row["target_id"],
                "status": row["status"],
                "reason": row["status_reason"],
                "partial": False,
                "rows": row["n_rows"],
                "done": row["n_rows"] - row["n_missing"],
                "missing": row["n_missing"],
                "cost_usd": row["cost_usd"],
                "summary": {k: v for k, v in manifest["summary"].items() if k != "metrics"},
                "metrics": manifest["summary"]["metrics"],
            }
    desk, request = reopened(run_id)
    job = desk.job(request)
    journals = wiring.journals(desk.settings)
    return _by_journal(job, journals, redact=desk.services.redact)


def _by_journal(job: EvalJob, journals: JournalStore, *, redact: Redact) -> dict[str, Json]:
    state = _state(journals, job.run_id)
    rows = _rows(job, journals, state, redact=redact)
    is_running = _is_held(job.run_id)
    found: dict[str, Json] = {
        "suite_id": job.suite.id,
        "model_id": job.target.model_id,
        "run_id": job.run_id,
        "target_id": job.target.target_id,
        "status": "running" if is_running else "incomplete",
        "reason": None if is_running else "interrupted",
        "partial": True,
        "rows": len(job.cases) * job.repeats,
        "done": len(rows),
        "missing": len(job.cases) * job.repeats - len(rows),
        "cost_usd": state.spent_nanousd / 1e9,
    }
    if not rows:
        return {**found, "summary": None, "metrics": {}}
    table = response_batch(rows)
    summary = summarise(job, table, score(job, table)).summary
    return {
        **found,
        "summary": {**totals_document(summary), "partial": True},
        "metrics": {name: metric_document(one) for name, one in summary.metrics.items()},
    }


def _rows(
    job: EvalJob, journals: JournalStore, state: RunState, *, redact: Redact
) -> list[ResponseRow]:
    """The rows that are durable so far, in order of case and repeat."""
    row_of = partial(job.row_of, redact=redact)
    blobs = journals.blobs(job.run_id)
    found = []
    for unit in sorted(job.units(), key=lambda unit: (unit.case.id, unit.repeat)):
        end = state.finished(unit.name)
        if end is not None:
            answer = Answer.from_stored(stored_value(blobs, "result", end))
            found.append(row_of(unit, answer))
    return found


def _state(journals: JournalStore, run_id: str) -> RunState:
    state = RunState()
    for record in _records(journals, run_id):
        state.add(record)
    return state


def _records(journals: JournalStore, run_id: str) -> list[dict[str, Json]]:
    found = examine(journals.read_log(run_id, scope))
    if not isinstance(found, Verified):
        raise StoreError(str(found), code="journal_damaged")
    return found.records


def _is_held(run_id: str) -> bool:
    journals = wiring.journals(read_settings())
    return suitewiring.is_held(journals.root / run_id / "journal" / scope / "lock")


def cancel(run_id: str) -> Mapping[str, Json]:
    """Ask the process that runs an evaluation to stop, as Ctrl-C does; it writes what it has and ends.

    Raises:
        ConfigError: ``unknown_run``; ``not_running``, nobody runs it; ``other_host``, another machine does.
    """
    desk, request = reopened(run_id)
    name = request.run_id or run_id
    if not _is_held(name):
        raise ConfigError(
            f"the evaluation {name} is not running",
            code="not_running",
            next_step=f"pipex eval status {name}",
        )
    records = _records(wiring.journals(desk.settings), name)
    header = [record for record in records if record["t"] == "open"][-1]
    host, pid = header.get("host"), header.get("pid")
    if host != desk.services.process.host or not isinstance(pid, int):
        message = f"the evaluation {name} runs on {host}; stop it there"
        raise ConfigError(message, code="other_host")
    os.kill(pid, signal.SIGINT)
    return {"run_id": name, "status": "cancelled", "pid": pid}
