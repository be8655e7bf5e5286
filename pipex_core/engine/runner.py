"""A plan executed from its inputs to its result: new runs, resumed ones, and runs inside other journals.

A run of its own has a journal, checkpoints and crash reports. A run that is part of something larger (a
case of an evaluation) writes into that one's journal, under a prefix, and leaves the rest to it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from pipex_core.engine.execution import Execution, Ran, execution_of
from pipex_core.engine.journal import Journal
from pipex_core.engine.keeping import Keeper, keep_variables, kept_variables
from pipex_core.engine.nested import outputs_of
from pipex_core.engine.opening import Opened, Wanted, open_run
from pipex_core.engine.records import RunError, RunResult, RunStatus, StepRecord
from pipex_core.engine.schedule import AfterStep, run_steps
from pipex_core.engine.services import Services
from pipex_core.engine.view import View, run_names
from pipex_core.errors import ErrorRecord, ExpressionError, SpecError, StoreError
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Amount, Budget, Ledger
from pipex_core.spec.inputs import bind_inputs
from pipex_core.spec.model import PipelineSpec
from pipex_core.spec.plan import Plan
from pipex_core.steps.contract import Tokens
from pipex_core.telemetry import EventSink, NullSink, RunEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is to be executed.

    Attributes:
        run_id: Of the run to make, a random one when None; or of the one to resume.
        resume: Whether ``run_id`` names a run that is to go on.
        force: Resume although plan or inputs changed; unchanged finished steps are kept.
        values: Strongest layer of options, by name: ``model``, ``output_dir`` and their like.
        allow_paths: Further folders that may be read.
        max_concurrency: Steps in flight; the workflow's own number when None.
        document: More fields for ``run.json``, such as the options of the call.
        stop: Set by whoever wants the run to stop; it then ends as ``cancelled``, resumable.
        may_fall_back: Whether another model may stand in for one that was given up.
    """

    run_id: str | None = None
    resume: bool = False
    force: bool = False
    values: Mapping[str, Json] = field(default_factory=dict)
    allow_paths: Sequence[str] = ()
    max_concurrency: int | None = None
    document: Mapping[str, Json] = field(default_factory=dict)
    stop: asyncio.Event | None = None
    may_fall_back: bool = True


async def run_plan(  # noqa: PLR0913 - a plan, what it runs with, and what it may be part of
    plan: Plan,
    inputs: Mapping[str, Json],
    *,
    services: Services,
    options: RunOptions | None = None,
    ledger: Ledger | None = None,
    journal: Journal | None = None,
    unit_prefix: str = "",
    sink: EventSink | None = None,
) -> RunResult:
    """Execute a plan.

    Args:
        plan: Made with the options and settings that it is executed with.
        inputs: Given values by name.
        services: Of this process.
        options: The usual ones when None.
        ledger: Budget around the run's own one.
        journal: Of a larger run that this is a part of; None for a run of its own.
        unit_prefix: Path of the part in that journal, such as ``case:q17#0/``.
        sink: Events of a part; nobody hears them when None.

    Raises:
        SpecError: ``missing_input``, ``invalid_input`` or ``unknown_input``; nothing was executed.
        ConfigError: The resume request is refused: ``unknown_run``, ``run_finished`` or
            ``checkpoint_mismatch``.
        RunLocked: Another live process writes the run.
        StoreError: The run's files cannot be used: ``journal_damaged``, ``state_lost`` and their like.
    """
    options = options or RunOptions()
    values = effective_inputs(plan, inputs)
    if journal is not None:
        part = _Run(plan, values, services, options, ledger, sink or NullSink())
        return await part.within(journal, unit_prefix)
    wanted = Wanted(
        run_id=options.run_id,
        resume=options.resume,
        force=options.force,
        extra=options.document,
    )
    opened = await open_run(plan, values, services=services, wanted=wanted)
    try:
        events = RunEvents(
            run_id=opened.keeper.journal.run_id, clock=services.clock, listener=services.listener
        )
        return await _Run(plan, values, services, options, ledger, events).kept(opened)
    finally:
        # After an orderly end there is nothing to do; a cancelled run is left as it stands.
        opened.keeper.journal.release()


def effective_inputs(plan: Plan, inputs: Mapping[str, Json]) -> Mapping[str, Json]:
    """The inputs that a run sees.

    Raises:
        SpecError: ``missing_input``, ``invalid_input`` or ``unknown_input``.
    """
    bound = bind_inputs(plan.spec, inputs)
    if bound.problems:
        raise SpecError(bound.problems)
    return bound.values


def budget_of(spec: PipelineSpec) -> Budget:
    """The budget that a workflow declares; without caps when it declares none."""
    alerts = spec.get("environment", {}).get("cost_alerts", {})
    alert = alerts.get("threshold_usd") if alerts.get("enabled", True) else None
    found = Budget.of(spec.get("budget", {}))
    return found if alert is None else replace(found, cost_alert_usd=Decimal(str(alert)))


class _Run:
    """One run on its way."""

    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Json],
        services: Services,
        options: RunOptions,
        ledger: Ledger | None,
        sink: EventSink,
    ) -> None:
        self._plan = plan
        self._inputs = inputs
        self._services = services
        self._options = options
        self._sink = sink
        budget = budget_of(plan.spec)
        self._ledger = Ledger(budget) if ledger is None else ledger.child(budget)

    async def within(self, journal: Journal, unit_prefix: str) -> RunResult:
        """The result of a run that is part of a larger one."""
        run_id = self._options.run_id or journal.run_id
        started = self._services.clock.now()
        execution = self._execution(run_id, journal, unit_prefix)
        view = self._view(execution, started)
        ran = await run_steps(execution, view, "")
        return self._result(execution, ran, started)

    async def kept(self, opened: Opened) -> RunResult:
        """The result of a run of its own, everything of it kept."""
        journal = opened.keeper.journal
        execution = self._execution(journal.run_id, journal, "")
        if opened.is_resumed:
            self._restore(opened, execution)
        for code, message in opened.warnings:
            execution.warn(code, message, step=None)
        view = self._view(execution, opened.started)
        self._sink.emit("run_started", data=self._start_facts(opened))
        opened.keeper.start(view.variables)
        execution = self._keeping(execution, opened.keeper)
        async with _stopping(execution, self._options.stop, self._plan.spec) as stoppable:
            after = self._after_step(opened.keeper, execution)
            ran = await run_steps(stoppable, view, "", after_step=after)
        result = self._result(execution, ran, opened.started)
        return await self._ended(opened.keeper, execution, result, ran)

    # -- the parts of a run

    @property
    def _saves(self) -> bool:
        return self._plan.spec.get("checkpoint_enabled", True) is not False

    def _execution(self, run_id: str, journal: Journal, unit_prefix: str) -> Execution:
        return execution_of(
            self._plan,
            services=self._services,
            run_id=run_id,
            journal=journal,
            unit_prefix=unit_prefix,
            ledger=self._ledger,
            sink=self._sink,
            run_steps=run_steps,
            options=self._options.values,
            allow_paths=self._options.allow_paths,
            max_concurrency=self._options.max_concurrency,
            may_fall_back=self._options.may_fall_back,
        )

    def _view(self, execution: Execution, started: datetime) -> View:
        return View.first(
            self._plan.spec,
            self._inputs,
            run=run_names(execution.run_id, started),
            session=kept_variables(execution, self._plan.spec),
        )

    def _start_facts(self, opened: Opened) -> dict[str, Json]:
        state = opened.keeper.journal.state
        finished = [s.name for s in self._plan.steps if state.finished(s.name) is not None]
        return {
            "workflow": self._plan.name,
            "resumed": opened.is_resumed,
            "finished": finished,
            "steps": len(self._plan.steps),
            "in_doubt": len(state.in_doubt),
            "spent_nanousd": state.spent_nanousd,
        }

    def _restore(self, opened: Opened, execution: Execution) -> None:
        """Count what was spent and executed before, and let the mock go on counting."""
        state = opened.keeper.journal.state
        tokens = state.input_tokens + state.output_tokens
        self._ledger.charge(Amount(nanousd=state.spent_nanousd, tokens=tokens, calls=state.calls))
        for limit in execution.limits:
            limit.count = sum(unit.is_finished for unit in state.units.values())
        provider = self._services.provider_state
        if state.provider is not None or state.drawn:
            provider.restore(state.provider)
            provider.take(state.drawn)
        elif opened.saved is not None:
            provider.restore(opened.saved.get("provider"))

    def _keeping(self, execution: Execution, keeper: Keeper) -> Execution:
        """The execution with a way for its steps to save a checkpoint."""

        async def checkpoint(path: str, label: str | None) -> None:
            seq = await keeper.save(self._ledger, at=path, label=label)
            execution.sink.emit("checkpoint_saved", step=path, data={"seq": seq})

        return replace(
            execution, checkpoint=checkpoint, is_kept=self._saves, is_forced=self._options.force
        )

    def _after_step(self, keeper: Keeper, execution: Execution) -> AfterStep:
        """Save a checkpoint after every top-level step."""
        known = keeper.journal.state

        async def save(record: StepRecord) -> StepRecord:
            keeper.add(record)
            is_old = known.finished(record.name) is not None
            if self._saves and not is_old:
                try:
                    seq = await keeper.save(self._ledger)
                except StoreError as error:
                    found = error.record(record.name)
                    return replace(record, status="failed", error=found, ends_run=True)
                execution.sink.emit("checkpoint_saved", step=record.name, data={"seq": seq})
            await keep_variables(record, execution)
            return record

        return save

    async def _ended(
        self, keeper: Keeper, execution: Execution, result: RunResult, ran: Ran
    ) -> RunResult:
        """Close the journal, and leave a crash report behind a bad end."""
        journal = keeper.journal
        if result.error is not None and result.status == "failed" and journal.failed is None:
            error = ErrorRecord(
                code=result.error.code,
                message=result.error.message,
                retryable=result.error.retryable,
                path=result.error.path,
            )
            try:
                await keeper.report(error, ran.failed, self._ledger, undo_open=ran.undo_open)
                self._sink.emit("crash_reported", data={"code": error.code})
            except StoreError as exc:
                execution.warn("crash_report_not_written", exc.message, step=None)
                result = replace(result, warnings=tuple(execution.warnings))
        try:
            await keeper.rotate()
        except StoreError as exc:
            execution.warn("checkpoints_not_deleted", exc.message, step=None)
        try:
            if journal.failed is None:
                await keeper.keep_artifacts(result)
            await journal.close(result.status)
        except StoreError as exc:
            result = replace(
                result, status="failed", error=RunError(code=exc.code, message=exc.message)
            )
        self._sink.emit("run_finished", data={"status": result.status})
        return result

    def _result(self, execution: Execution, ran: Ran, started: datetime) -> RunResult:
        clock = self._services.clock
        error = self._error(ran)
        outputs: Mapping[str, Json] = {}
        if error is None:
            try:
                outputs = outputs_of(self._plan.spec, ran.view.scope(now=clock.now)) or {}
            except ExpressionError as exc:
                error = RunError(code=exc.code, message=exc.message)
        finished = clock.now()
        status: RunStatus = "succeeded" if error is None else "failed"
        if ran.stopped is not None and ran.stopped.code == "cancelled":
            status = "cancelled"
        tokens = sum((record.tokens for record in ran.records.values()), Tokens())
        return RunResult(
            run_id=execution.run_id,
            workflow=self._plan.name,
            status=status,
            started_at=started.isoformat(),
            finished_at=finished.isoformat(),
            duration_ms=round((finished - started).total_seconds() * 1000),
            inputs=self._inputs,
            order=ran.order,
            steps=ran.records,
            variables=ran.view.variables,
            outputs=outputs,
            files=sorted({path for record in ran.records.values() for path in record.files}),
            cost_nanousd=self._ledger.spent.nanousd,
            tokens=tokens,
            calls=self._ledger.spent.calls,
            error=error,
            warnings=tuple(execution.warnings),
        )

    def _error(self, ran: Ran) -> RunError | None:
        if ran.failed is not None and ran.failed.error is not None:
            error = ran.failed.error
            wait_s = ran.failed.retry_after_s
            now = self._services.clock.now()
            return RunError(
                code=error.code,
                message=error.message,
                step=ran.failed.name,
                path=error.path,
                retryable=error.retryable or wait_s is not None,
                retry_at=None if wait_s is None else (now + timedelta(seconds=wait_s)).isoformat(),
            )
        if ran.stopped is not None:
            return RunError(code=ran.stopped.code, message=ran.stopped.message)
        return None


@asynccontextmanager
async def _stopping(
    execution: Execution, stop: asyncio.Event | None, spec: PipelineSpec
) -> AsyncIterator[Execution]:
    """The execution with what can stop it: somebody's wish, and the run's own time limit."""
    limit_s = spec.get("resource_limits", {}).get("max_execution_time_s")
    clock = execution.services.clock
    watchers = []
    if stop is not None:
        cancelled = ErrorRecord(code="cancelled", message="the run was interrupted")
        watchers.append(_reason(stop.wait, cancelled))
    if limit_s is not None:
        too_long = f"the run took longer than max_execution_time_s, {limit_s:g} s"
        exceeded = ErrorRecord(code="limit_exceeded", message=too_long)
        watchers.append(_reason(partial(clock.sleep, limit_s), exceeded))
    tasks = tuple(asyncio.ensure_future(watcher) for watcher in watchers)
    deadline = None if limit_s is None else clock.monotonic() + limit_s
    try:
        yield replace(execution, stops=tasks, deadline=deadline)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _reason(event: Callable[[], Awaitable[object]], error: ErrorRecord) -> ErrorRecord:
    await event()
    return error
