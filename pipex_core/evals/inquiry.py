"""How the rows of a job get their answers: a lookup, a model call, or a run of a pipeline."""

from dataclasses import replace
from typing import assert_never

from pipex_core.engine.calls import JournalCallLog
from pipex_core.engine.journal import Journal
from pipex_core.engine.services import Services
from pipex_core.evals.answers import Answer, cleaned
from pipex_core.evals.callrows import NotedCalls
from pipex_core.evals.discreet import discreet
from pipex_core.evals.job import EvalJob
from pipex_core.evals.pipeline import PipelineTarget, Surroundings, ask_pipeline
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.respond import Ask, Lookup, Unit
from pipex_core.evals.target import Asking, PromptTarget, ask_model
from pipex_core.llm.client import CachePolicy
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import CallLog
from pipex_core.telemetry import EventSink


def source_of(
    job: EvalJob,
    services: Services,
    *,
    journal: Journal | None,
    ledger: Ledger,
    sink: EventSink,
) -> Ask | Lookup:
    """Whom to ask for an answer.

    Args:
        job: Any job.
        services: Client, clock and settings.
        journal: Where calls are kept; None keeps none.
        ledger: The run's budget.
        sink: Events of the run.
    """
    target = job.target
    match target:
        case RecordedTarget():
            hashes = job.hashes
            return Lookup(
                lambda unit: target.answer(unit.case, unit.repeat, hashes[unit.case.id].input_hash)
            )
        case PromptTarget():
            model = _ModelInquiry(job, target, services, journal=journal, ledger=ledger, sink=sink)
            return Ask(model.ask)
        case PipelineTarget():
            around = Surroundings(
                services=services,
                ledger=ledger,
                sink=sink,
                journal=discreet(journal, services.redact),
                timeout_s=job.options.timeout_s,
                allow_paths=job.options.allow_paths,
            )
            return Ask(_PipelineInquiry(target, around).ask)
        case _:
            assert_never(target)


class _PipelineInquiry:
    """One run per row, of one pipeline."""

    def __init__(self, target: PipelineTarget, around: Surroundings) -> None:
        self._target = target
        self._around = around

    async def ask(self, unit: Unit, attempt: int) -> Answer:
        """The answer, with the wall clock around it."""
        del attempt
        clock = self._around.services.clock
        started = clock.now()
        answer = await ask_pipeline(self._target, unit.case, unit.name, self._around)
        return replace(answer, started_at=started, finished_at=clock.now())


class _ModelInquiry:
    """One call per row, to one model."""

    def __init__(
        self,
        job: EvalJob,
        target: PromptTarget,
        services: Services,
        *,
        journal: Journal | None,
        ledger: Ledger,
        sink: EventSink,
    ) -> None:
        self._job = job
        self._target = target
        self._services = services
        self._ledger = ledger
        self._sink = sink
        provider = services.client.providers.get(target.provider)
        # Calls that cost nothing are journalled with their row and are not cached: nothing can be lost.
        billable = provider is not None and provider.billable
        self._journal = journal if billable else None
        self._cache: CachePolicy = job.options.cache if billable else "off"
        self._retry = RetryPolicy(max_retries=services.settings.get("max_retries", 3))

    async def ask(self, unit: Unit, attempt: int) -> Answer:
        """The answer, with the wall clock around it."""
        clock = self._services.clock
        started = clock.now()
        timeout_s = self._job.options.timeout_s
        log = self._log(unit, attempt)
        asking = Asking(
            client=self._services.client,
            log=log,
            ledger=self._ledger,
            retry=self._retry,
            sink=self._sink,
            cache=self._cache,
            deadline=None if timeout_s is None else clock.monotonic() + timeout_s,
        )
        answer = await ask_model(self._target, unit.case, unit.repeat, asking)
        noted = log.calls if isinstance(log, NotedCalls) else ()
        return replace(answer, started_at=started, finished_at=clock.now(), noted_calls=noted)

    def _log(self, unit: Unit, attempt: int) -> CallLog:
        if self._journal is None:
            return NotedCalls(unit.name, self._services.clock)
        # Only the try that a crash interrupted goes on with its calls; a later one starts afresh.
        known = self._journal.state.units.get(unit.name)
        before = known if known is not None and attempt == known.attempt + 1 else None
        redact = self._services.redact
        return JournalCallLog(
            self._journal,
            unit.name,
            before=before,
            kept=lambda reply: cleaned(reply, redact),
        )
