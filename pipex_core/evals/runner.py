"""Runs an evaluation: respond, score, summarise, decide, publish; each phase also by itself.

The phases are functions over tables, so that an orchestrator may keep what lies between them and call
them one by one. ``evaluate`` calls them in one go; both ways give equal tables and an equal
``row_digest``.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError
from pipex_core.evals.answers import cleaned
from pipex_core.evals.callrows import calls_table
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.columns import lean_memory
from pipex_core.evals.durable import DurableScores
from pipex_core.evals.job import EvalJob
from pipex_core.evals.judgement import (
    Judgement,
    comparison_table,
    decide,
    passed_filled_in,
    summarise,
)
from pipex_core.evals.jury import Jury
from pipex_core.evals.manifest import (
    Circumstances,
    Environment,
    manifest_of,
    run_row,
    unknown_environment,
)
from pipex_core.evals.privacy import privacy_of
from pipex_core.evals.publication import Place, publish
from pipex_core.evals.respond import nothing
from pipex_core.evals.responding import asked, no_carry
from pipex_core.evals.resuming import check_resume, header_of
from pipex_core.evals.rulings import Ruling
from pipex_core.evals.scoring import Scoring, ScoringBehind
from pipex_core.evals.summary import MetricSummary, Summary
from pipex_core.evals.table import record_batch
from pipex_core.evals.turns import Lane
from pipex_core.evals.verdict import Verdict
from pipex_core.evals.watching import Watch, watch
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Amount, Ledger
from pipex_core.ports import BlobStore


# No repr: asyncio writes that of a task's result when it looks for its signal handler, tables and all.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EvalRun:
    """A finished evaluation.

    Attributes:
        responses: Sorted by case and repeat, ``passed`` filled in.
        scores: Sorted by case, repeat, metric and submetric.
        manifest: As published, or as it would have been.
        spent: By this run, tries that failed and those before a restart included.
    """

    job: EvalJob
    responses: pa.Table
    scores: pa.Table
    judgement: Judgement
    manifest: Mapping[str, Json]
    spent: Amount = nothing

    @property
    def run_id(self) -> str:
        return self.job.run_id

    @property
    def status(self) -> str:
        """``completed``, ``incomplete`` or ``failed``."""
        return self.judgement.outcome.status

    @property
    def summary(self) -> Summary:
        return self.judgement.summary

    @property
    def metrics(self) -> Mapping[str, MetricSummary]:
        """The summary of each metric by name."""
        return self.judgement.summary.metrics

    @property
    def verdict(self) -> Verdict | None:
        return self.judgement.verdict

    @property
    def row_digest(self) -> str:
        """Digest of all rows, apart from ids, times and provenance."""
        return str(self.manifest["row_digest"])


def publish_run(  # noqa: PLR0913 - the tables of a run, and where they go
    job: EvalJob,
    responses: pa.Table,
    scores: pa.Table,
    judgement: Judgement,
    *,
    around: Circumstances,
    blobs: BlobStore,
    calls: pa.Table | None = None,
    redact: Callable[[str], str] = str,
) -> EvalRun:
    """The finished run, its tables and its manifest stored, without secrets.

    ``calls`` are there when somebody has them.
    """
    privacy = privacy_of(job.suite, redact)
    redact = privacy.redact
    responses = privacy.table("responses", responses)
    scores = privacy.table("scores", scores)
    filled = passed_filled_in(responses, scores)
    row = run_row(
        job,
        judgement.summary,
        judgement.outcome,
        verdict=judgement.verdict,
        around=around,
    )
    manifest = publish(
        blobs,
        place_of_job(job),
        {
            "runs": record_batch("runs", [cleaned(row, redact)]),
            "responses": filled,
            "scores": scores,
            **({} if calls is None else {"calls": calls}),
            "comparisons": comparison_table(judgement.comparisons),
        },
        cleaned(
            manifest_of(job, row, judgement.summary, filled, judgement.verdict, around), redact
        ),
    )
    return EvalRun(job=job, responses=filled, scores=scores, judgement=judgement, manifest=manifest)


async def evaluate(
    job: EvalJob,
    services: Services,
    *,
    blobs: BlobStore,
    carry: CarryIndex = no_carry,
    environment: Environment = unknown_environment,
    lane: Lane | None = None,
) -> EvalRun:
    """All phases in one go. A run that was interrupted goes on where its journal ends.

    Args:
        job: From ``prepare``.
        services: Clock, client, journals and settings.
        blobs: Where the tables go, rooted at the results folder.
        carry: Rows of earlier runs.
        environment: What the run is made with.
        lane: Of several runs side by side, or None.

    Raises:
        ConfigError: ``resume_mismatch``, the journal under this run id belongs to another job; or a
            reason why the gate can say nothing.
        RunLocked: Another process runs it.
        StoreError: The journal or the results could not be written.
    """
    watching = watch(job, services)
    journal = open_journal(
        services.journals,
        job.run_id,
        clock=services.clock,
        faults=services.faults,
        hold=services.hold,
    )
    status: str | None = None
    try:
        check_resume(job, journal)
        journal.start(header_of(job, services))
        watching.events.emit("eval_started", data=job.announcement)
        for code, message in job.warnings:
            watching.events.emit("warning", data={"code": code, "message": message})
        with lean_memory():
            run = await _phases(
                job, services, journal, watching, _Around(blobs, carry, environment, lane)
            )
        status = run.status
        watching.events.emit("eval_finished", data=_end_facts(run))
        return run
    finally:
        await journal.close(status)


@dataclass(frozen=True, slots=True)
class _Around:
    blobs: BlobStore
    carry: CarryIndex
    environment: Environment
    lane: Lane | None


async def _phases(
    job: EvalJob, services: Services, journal: Journal, watching: Watch, around: _Around
) -> EvalRun:
    """Respond, score, judge and publish."""
    clock = services.clock
    started_at, started = clock.now(), clock.monotonic()
    ledger = Ledger(job.options.budget)
    responses, scores = await _rows(job, services, journal, watching, around, ledger)
    with services.hold():
        judgement, refusal = await asyncio.to_thread(_judged, job, responses, scores)
        calls = await asyncio.to_thread(calls_table, journal.records(), run_id=job.run_id)
        circumstances = Circumstances(
            started_at=started_at,
            finished_at=clock.now(),
            duration_ms=round((clock.monotonic() - started) * 1000),
            environment=around.environment,
            limits=watching.limits,
        )
        run = await asyncio.to_thread(
            publish_run,
            job,
            responses,
            scores,
            judgement,
            around=circumstances,
            blobs=around.blobs,
            calls=calls,
            redact=services.redact,
        )
        if refusal is not None:
            raise refusal  # What was paid for is published; only the verdict is not there.
        return replace(run, spent=ledger.spent)


async def _rows(
    job: EvalJob,
    services: Services,
    journal: Journal,
    watching: Watch,
    around: _Around,
    ledger: Ledger,
) -> tuple[pa.Table, pa.Table]:
    """The responses and their scores; what needs no judge is scored while others are still asked."""
    rulings: dict[str, Ruling] = {}
    privacy = privacy_of(job.suite, services.redact)
    services = replace(services, redact=privacy.redact)
    durable = DurableScores(job, privacy, carried=around.carry.scores)
    behind = ScoringBehind(
        Scoring(job, carried=durable.scores, progress=watching.progress, rulings=rulings.get)
    )
    try:
        responses = await asked(
            job,
            services,
            durable,
            journal=journal,
            carry=around.carry,
            watching=watching,
            # A judged row is scored once its judges were heard.
            packed=None if job.judged else behind.add,
            ledger=ledger,
            lane=around.lane,
        )
        if job.judged:
            jury = Jury(
                job=job,
                services=services,
                ledger=ledger,
                sink=watching.events,
                journal=journal,
                progress=watching.progress,
            )
            rulings |= await jury.hear(responses.table, carried=durable.scores)
            behind.add(responses.table)
        with services.hold():
            return responses.table, await behind.table()
    finally:
        behind.close()


def _judged(
    job: EvalJob, responses: pa.Table, scores: pa.Table
) -> tuple[Judgement, ConfigError | None]:
    """What the rows say, and why the gate can say nothing, if so."""
    found = summarise(job, responses, scores)
    try:
        return decide(job, found), None
    except ConfigError as error:
        return found, error


def _end_facts(run: EvalRun) -> dict[str, Json]:
    outcome = run.judgement.outcome
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "verdict": run.verdict.verdict if run.verdict else None,
        "row_digest": run.row_digest,
    }


def place_of_job(job: EvalJob) -> Place:
    """The partition of the run's tables."""
    return Place(suite_id=job.suite.id, model_id=job.target.model_id, run_id=job.run_id)
