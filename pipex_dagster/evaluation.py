"""One evaluation of a suite on a target: asked with a journal, judged by what the files say, published.

Everything here is a call of the core with what Dagster knows put in the right places. The run id of an
evaluation follows from the root run and the partition, so a re-execution finds the journal of the run
that it repeats, and publishes under the same id.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.app.evaluations import Desk
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError, StepError
from pipex_core.evals.answers import Answer
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.job import EvalJob, capped
from pipex_core.evals.judgefile import Bench
from pipex_core.evals.judgement import Judgement, scores_without_secrets, summarise
from pipex_core.evals.jury import hear
from pipex_core.evals.responding import respond
from pipex_core.evals.resuming import check_resume, header_of
from pipex_core.evals.rulings import Rulings, no_rulings, rulings_in
from pipex_core.evals.scoring import score
from pipex_core.evals.table import joined, response_batch
from pipex_core.evals.watching import watch
from pipex_core.jsonvalue import Json, digest
from pipex_core.secrets import Redactor
from pipex_core.telemetry import Event, Listener
from pipex_dagster.presentation import Metadata
from pipex_dagster.resources import ParquetTables, PipexResource, core_key, root_of, tables_key
from pipex_dagster.suitefiles import nobody
from pipex_dagster.translator import target_of

# What tells whose answer a row is; that of a known target has its response key besides.
matched = ("case_id", "repeat", "input_hash")
answers_scope, judges_scope = "main", "judges"  # parts of the journal of an evaluation
logged_share = 0.1  # of the rows, between two lines in the log: each line is a row of the event log
unasked = Answer(
    status="cancelled",
    error_code="not_asked",
    error="there is no answer to the case as it is now: materialize the responses again",
    attempts=0,
)
annotations = ("cluster_id", "weight", "tags", "split", "slices", "quarantined", "metadata")


class At:
    """Where a layer is computed: its run, its partition, and what it may use."""

    def __init__(self, context: dg.AssetExecutionContext, suite_id: str) -> None:
        self.context = context
        self.pipex: PipexResource = getattr(context.resources, core_key)
        self.tables: ParquetTables = getattr(context.resources, tables_key)
        self._suite_id = suite_id

    @property
    def partition(self) -> str:
        """Key of the partition."""
        return str(self.context.partition_key)

    @property
    def target(self) -> str:
        """Name of the target that the partition stands for."""
        return target_of(self.partition)

    @property
    def named(self) -> Metadata:
        """The readable name of the target, which its partition may only hold encoded."""
        return {"target": dg.MetadataValue.text(self.target)}

    @property
    def run_id(self) -> str:
        """Id of the evaluation: equal for all tries of one root run, and sortable by time."""
        root_run_id, created = root_of(self.context)
        hashed = digest([root_run_id, self._suite_id, self.partition])
        return f"ev_{created:%Y%m%dT%H%M%S}_{hashed[:8]}"

    @property
    def redact(self) -> Callable[[str], str]:
        """Takes secrets out of what is kept."""
        return Redactor(secrets=self.pipex.settings.secrets()).text

    def bench(self) -> Bench:
        """What judges are read with: the project's own provider asks them, whoever the target is."""
        return self.pipex.desk().bench({})

    @property
    def origin(self) -> Mapping[str, Json]:
        """Who asks for the evaluation."""
        return {"orchestrator_run_id": self.context.run.run_id, "partition_key": self.partition}

    def stored(self, key: dg.AssetKey) -> pa.Table | None:
        """The table of this partition of an asset, or None."""
        return self.tables.stored(key, self.partition)

    def required(self, key: dg.AssetKey, *, is_partitioned: bool = True) -> pa.Table:
        """The table of an asset that this layer reads.

        Raises:
            ConfigError: ``not_materialized``.
        """
        table = self.tables.stored(key, self.partition if is_partitioned else None)
        if table is None:
            name = key.to_user_string()
            raise ConfigError(
                f"{name} is not materialized",
                code="not_materialized",
                next_step=f"materialize `{name}` first, or together with this asset",
            )
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What asking a target gave.

    Attributes:
        calls: Model calls that this try made.
        resumed: Rows that an earlier try of the same root run has.
    """

    table: pa.Table
    calls: int
    resumed: int


async def ask(job: EvalJob, desk: Desk, *, carry: CarryIndex) -> Asked:
    """Ask the target, journalled under the run id of the job.

    Raises:
        ConfigError: ``resume_mismatch``, suite or target changed since the root run was started.
        StepError: Something stopped the run that would stop every case, such as ``auth``.
        StoreError: The journal cannot be used.
    """
    services = desk.services
    journal = journal_of(services, job.run_id, scope=answers_scope)
    try:
        check_resume(job, journal)
        resumed = sum(journal.state.finished(unit.name) is not None for unit in job.units())
        journal.start(header_of(job, services))
        watching = watch(job, services)
        found = await respond(job, services, journal=journal, carry=carry, watching=watching)
    finally:
        await journal.close()
        await services.client.aclose()
    if found.stopped == "fatal":
        # Rows without an answer are not worth a table: what was answered is in the journal.
        raise StepError(
            f"asking {job.target.target_id} stopped: {found.reason}", code=found.reason or "fatal"
        )
    return Asked(table=found.table, calls=watching.progress.calls, resumed=resumed)


async def scored(job: EvalJob, at: At, responses: pa.Table, *, carried: CarryIndex) -> pa.Table:
    """The scores of the responses, without secrets; judges are asked where metrics need them.

    Their verdicts have a journal of their own beside that of the answers, so a repeated run pays for
    none twice.
    """
    rulings: Rulings = no_rulings
    if job.judged:
        desk = at.pipex.desk()
        job = replace(job, options=capped(job.options, at.pipex.settings.max_cost_usd))
        services = desk.services
        journal = journal_of(services, job.run_id, scope=judges_scope)
        try:
            journal.start(header_of(job, services))
            rulings = await hear(job, services, responses, carried=carried.scores, journal=journal)
        finally:
            await journal.close()
            await desk.aclose()
    table = score(job, responses, carried=carried.scores, rulings=rulings)
    return scores_without_secrets(table, at.redact)


def journal_of(services: Services, run_id: str, *, scope: str) -> Journal:
    """A part of the journal of an evaluation, opened; see ``open_journal``."""
    return open_journal(
        services.journals,
        run_id,
        clock=services.clock,
        faults=services.faults,
        hold=services.hold,
        scope=scope,
    )


def known_answers(desk: Desk, suite_id: str, own: pa.Table | None) -> CarryIndex:
    """Answers that need no call: those of the partition itself, then of published runs, newest first."""
    left_out: list[str] = []
    published = desk.archive.readable("responses", suite=suite_id, left_out=left_out)
    return CarryIndex(
        responses=[*([] if own is None else [own]), *published],
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Responses and their scores, each sorted."""

    responses: pa.Table
    scores: pa.Table

    def judgement(self, job: EvalJob) -> Judgement:
        """What the rows say, without a verdict."""
        return summarise(job, self.responses, self.scores)


def judged_today(
    job: EvalJob, responses: pa.Table, scores: pa.Table, *, redact: Callable[[str], str]
) -> Rows:
    """The rows with the annotations and thresholds of the job; no stored score is computed again."""
    known = annotated(job, responses, redact=redact)
    carried = CarryIndex(scores=[scores])
    return Rows(
        responses=_with_origin(known, "cache", job.run_id),
        scores=_with_origin(
            score(job, known, carried=carried.scores, rulings=rulings_in(scores)),
            "carried",
            job.run_id,
        ),
    )


def _with_origin(table: pa.Table, column: str, run_id: str) -> pa.Table:
    """The table with ``column`` as a reader of run ``run_id`` sees it: carried, or made here."""
    is_own = pc.equal(table["origin_run_id"].cast(pa.string()), run_id)
    place = table.schema.get_field_index(column)
    field = table.schema.field(place)
    if column == "carried":
        return table.set_column(place, field, pc.invert(is_own))
    words = pc.if_else(is_own, table[column].cast(pa.string()), "carried")
    return table.set_column(place, field, words.dictionary_encode().cast(field.type))


def annotated(job: EvalJob, responses: pa.Table, *, redact: Callable[[str], str]) -> pa.Table:
    """The responses to the job's cases, with tags, weights and other annotations as they are now.

    A response to a case that has left the suite is left out. A case whose stored response is one to
    another question, or by another target than the job's, has none: its row is a hole.
    """
    rows = response_batch([job.row_of(unit, unasked, redact=redact) for unit in job.units()])
    today = joined("responses", [rows])
    names = matched if job.target is nobody else (*matched, "response_key")
    place_of = {key: place for place, key in enumerate(_keys(today, names))}
    places = [place_of.pop(key, None) for key in _keys(responses, names)]
    kept = responses.filter(pa.array([place is not None for place in places], pa.bool_()))
    current = today.take(pa.array([p for p in places if p is not None], pa.int64()))
    for name in annotations:
        place = kept.schema.get_field_index(name)
        kept = kept.set_column(place, kept.schema.field(place), current[name])
    if not place_of:
        return kept
    holes = today.take(pa.array(sorted(place_of.values()), pa.int64()))
    return joined("responses", [kept.replace_schema_metadata(today.schema.metadata), holes])


def _keys(table: pa.Table, names: Sequence[str]) -> list[tuple[Json, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def progress_log(context: dg.AssetExecutionContext) -> Listener:
    """A listener that writes every tenth of the rows, and every warning, into the run's log."""
    told = 0.0

    def listen(event: Event) -> None:
        nonlocal told
        data = event.data
        if event.kind == "warning":
            context.log.warning("%s: %s", data["code"], data["message"])
        if event.kind == "progress" and data["total"]:
            share = data["done"] / data["total"]
            if share >= told + logged_share or share == 1 > told:
                told = share
                context.log.info(
                    "%s of %s cases, %s carried, %.4f USD, %s calls",
                    *(data[name] for name in ("done", "total", "carried", "cost_usd", "calls")),
                )

    return listen
