"""The first phase of an evaluation: an answer, or a reason why there is none, for every row of its job."""

from dataclasses import replace
from functools import partial

from pipex_core.engine.journal import Journal
from pipex_core.engine.services import Services
from pipex_core.evals.answers import Answer
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.durable import DurableScores
from pipex_core.evals.inquiry import source_of
from pipex_core.evals.job import EvalJob
from pipex_core.evals.packing import Packed
from pipex_core.evals.privacy import privacy_of
from pipex_core.evals.respond import CaseLog, Respond, Responses, Rules, Unit
from pipex_core.evals.turns import Lane
from pipex_core.evals.watching import Watch, watch
from pipex_core.llm.cost import Amount, Ledger

no_carry = CarryIndex()


async def respond(
    job: EvalJob,
    services: Services,
    *,
    journal: Journal | None = None,
    carry: CarryIndex = no_carry,
    watching: Watch | None = None,
) -> Responses:
    """An answer or a reason for every row of the job, with the texts that may be kept.

    Args:
        job: From ``prepare``.
        services: Client, clock and settings.
        journal: Of this run, started; rows that it holds are not asked again. None keeps nothing.
        carry: Rows of earlier runs; those with an equal key are not asked.
        watching: Whom to tell.

    Raises:
        StoreError: The journal failed; nothing more was asked.
    """
    privacy = privacy_of(job.suite, services.redact)
    durable = DurableScores(job, privacy, carried=carry.scores)
    found = await asked(
        job,
        replace(services, redact=privacy.redact),
        durable,
        journal=journal,
        carry=carry,
        watching=watching,
        ledger=Ledger(job.options.budget),
    )
    return replace(found, table=privacy.table("responses", found.table))


async def asked(  # noqa: PLR0913 - what a phase has of its run, all named
    job: EvalJob,
    services: Services,
    durable: DurableScores,
    *,
    journal: Journal | None,
    carry: CarryIndex,
    watching: Watch | None,
    ledger: Ledger,
    packed: Packed | None = None,
    lane: Lane | None = None,
) -> Responses:
    """The rows as they were given: they are scored before anything is taken out of them."""
    watched = watching or watch(job, services)
    known = journal.state if journal is not None else None
    if known is not None and known.calls:
        tokens = known.input_tokens + known.output_tokens
        ledger.charge(Amount(nanousd=known.spent_nanousd, tokens=tokens, calls=known.calls))

    def carried(unit: Unit) -> Answer | None:
        answer = carry.answer(unit.key) if job.may_carry else None
        if answer is not None:
            durable.take(answer)
        return answer

    def found_again(answer: Answer) -> None:
        durable.take(answer)
        _charge(ledger, answer, journalled=bool(known and known.calls))

    phase = Respond(
        row_of=partial(job.row_of, redact=services.redact),
        class_of=job.class_of,
        source=source_of(job, services, journal=journal, ledger=ledger, sink=watched.events),
        carried=carried,
        log=CaseLog(journal),
        progress=watched.progress,
        clock=services.clock,
        rules=_rules(job, services),
        kept=durable.kept,
        budget_refuses=lambda: ledger.has_refused,
        packed=packed or (lambda _: None),
        again=None if job.options.again is None else frozenset(job.options.again),
        lane=lane,
        found=found_again,
    )
    found = await phase.run(job.units())
    _warn(carry, durable, watched)
    return replace(found, spent=ledger.spent)


def _charge(ledger: Ledger, answer: Answer, *, journalled: bool) -> None:
    """Count an answer of an earlier try of this run; calls in the journal were counted as such."""
    if answer.is_new and not journalled:
        tokens = (answer.input_tokens or 0) + (answer.output_tokens or 0)
        ledger.charge(Amount(nanousd=answer.cost_nanousd, tokens=tokens, calls=answer.calls))


def _rules(job: EvalJob, services: Services) -> Rules:
    limit = job.options.max_time_s
    return Rules(
        at_once=job.options.max_concurrency,
        second_pass=job.options.second_pass,
        max_attempts=job.options.max_attempts,
        deadline=None if limit is None else services.clock.monotonic() + limit,
    )


def _warn(carry: CarryIndex, durable: DurableScores, watched: Watch) -> None:
    """Say what was stored and could not be used, or not as it was given."""
    damaged = [f"the stored row {key} is damaged" for key in carry.damaged]
    for message in (*carry.left_out, *damaged):
        watched.events.emit("warning", data={"code": "cache_damaged", "message": message})
    if durable.without_original:
        message = (
            f"{durable.without_original} answers are known without what was taken out of them;"
            " a metric that has not measured them yet sees them so"
        )
        watched.events.emit("warning", data={"code": "answers_redacted", "message": message})
