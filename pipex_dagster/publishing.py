"""An evaluation put where everybody looks: its run in the results store, its report, and its end in the verdict's table."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.app.evaluations import Desk
from pipex_core.app.reporting import findings_for, rendered
from pipex_core.engine.services import Services
from pipex_core.evals.callrows import calls_table
from pipex_core.evals.job import EvalJob
from pipex_core.evals.judgement import Judgement, comparison_table
from pipex_core.evals.manifest import Circumstances
from pipex_core.evals.runner import EvalRun, place_of_job, publish_run
from pipex_core.evals.verdict import sentence
from pipex_dagster.evaluation import At, Rows, answers_scope, journal_of, judges_scope
from pipex_dagster.resources import root_of
from pipex_dagster.tables import with_end


def published(job: EvalJob, rows: Rows, judgement: Judgement, *, at: At, desk: Desk) -> EvalRun:
    """The run in the results store, as the command line would have put it there."""
    _, created = root_of(at.context)
    finished = pc.max(rows.responses["finished_at"]).as_py()
    end = max(created, finished) if finished is not None else created
    around = Circumstances(
        started_at=created,
        finished_at=end,
        duration_ms=round((end - created).total_seconds() * 1000),
        environment=desk.environment,
    )
    return publish_run(
        job,
        rows.responses,
        rows.scores,
        judgement,
        around=around,
        blobs=desk.blobs,
        calls=calls_made(desk.services, job.run_id),
        redact=at.redact,
    )


def calls_made(services: Services, run_id: str) -> pa.Table:
    """The calls that stand in the journals of an evaluation: those to its target, then to its judges."""
    found = []
    for scope, prefix in ((answers_scope, run_id), (judges_scope, f"{run_id}/{judges_scope}")):
        if services.journals.read_log(run_id, scope):
            journal = journal_of(services, run_id, scope=scope)
            try:
                found.append(calls_table(journal.records(), run_id=prefix))
            finally:
                journal.release()
    return pa.concat_tables(found) if found else calls_table((), run_id=run_id)


def verdict_table(run: EvalRun) -> pa.Table:
    """The comparisons of a run, with how it ended."""
    end = {
        "run_id": run.run_id,
        "status": run.status,
        "verdict": run.verdict.verdict if run.verdict else None,
        "sentence": sentence(run.verdict) if run.verdict else "",
        "row_digest": run.row_digest,
    }
    return with_end(comparison_table(run.judgement.comparisons), end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report of a run.

    Attributes:
        text: Markdown.
    """

    path: str
    text: str


def write_report(run: EvalRun, desk: Desk) -> Report:
    """The report of a published run, written beside the results."""
    found = findings_for(
        desk.archive, place_of_job(run.job), settings=desk.settings, results=desk.results
    )
    text = rendered(found, "markdown")
    key = f"reports/{run.run_id}.md"
    desk.blobs.put(key, text.encode())
    return Report(path=desk.blobs.url(key), text=text)
