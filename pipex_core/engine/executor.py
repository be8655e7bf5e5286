"""The one way to run a step, here and under Dagster: condition, work, retries, schema, file, record.

``execute_step`` takes a step and a view of what ran before it, and gives its record. A failure is a
value: the record says what failed, whether the run goes on, and what a resumed run has to do. Only
cancellation is let through.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pipex_core.engine.asking import Asking
from pipex_core.engine.blocks import Below, block_of
from pipex_core.engine.crash import causes_of
from pipex_core.engine.ending import (
    check_output,
    ended_below,
    failed,
    journalled,
    record_of,
    without_exchange,
)
from pipex_core.engine.execution import Execution
from pipex_core.engine.fold import Unit
from pipex_core.engine.nested import run_child
from pipex_core.engine.records import StepRecord, file_text, skipped
from pipex_core.engine.recovery import (
    FailPipeline,
    Failure,
    RetryStep,
    decide,
    is_repeatable,
)
from pipex_core.engine.sessions import keep_said, session_in
from pipex_core.engine.streaming import onlooker
from pipex_core.engine.timing import within
from pipex_core.engine.toolcalls import HeldCommands, audited
from pipex_core.engine.view import View
from pipex_core.errors import PipexError, ProviderError, StepError, StoreError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.template import render
from pipex_core.expressions.values import to_text, truth
from pipex_core.jsonvalue import compact
from pipex_core.llm.client import CacheUse
from pipex_core.llm.cost import Amount
from pipex_core.ports import Workspace
from pipex_core.spec.model import StepShape, StepSpec
from pipex_core.steps.blocks import BlockResult, Inside, outermost
from pipex_core.steps.contract import ChildResult, ChildRun, Outcome, Paid, Step, StepContext


async def execute_step(
    step: StepSpec, view: View, execution: Execution, *, prefix: str = ""
) -> StepRecord:
    """The record of a step; of one that finished before a restart, what the journal has.

    Args:
        step: Of the execution's plan, nested or not.
        view: What the step may see.
        execution: The run that it is a part of.
        prefix: Step path in front of the step's name, such as ``loop[0]/``.
    """
    path = prefix + step.name
    known = execution.unit(path)
    if execution.has_ended(known) and known.end is not None:
        record = StepRecord.from_stored(execution.journal.value("result", known.end))
        execution.warn_again(path, known)
        await keep_said(record, path, view, execution)
        return record
    return await _Run(step, path, view, execution, known).record()


class _Run:
    """One step being executed."""

    def __init__(
        self, step: StepSpec, path: str, view: View, execution: Execution, known: Unit
    ) -> None:
        services = execution.services
        self._step = step
        self._path = path
        self._unit = execution.unit_prefix + path
        self._view = view
        self._execution = execution
        self._known = known
        self._clock = services.clock
        self._shape: StepShape = services.shapes[step.type]
        self._options = execution.options_of(step)
        self._retry = self._options.retry
        self._attempt = known.attempt + 1
        # Tries that failed before a restart count; one that a kill interrupted is no failure.
        self._tries = min(known.failed_tries, self._retry.attempts - 1)
        self._first_try = self._tries + 1
        self._repeated_calls = 0
        self._spent = Below()
        self._gathered: Callable[[], Outcome] = Outcome
        self._started = 0.0

    async def record(self) -> StepRecord:
        """The step's record, journalled."""
        self._started = self._clock.monotonic()
        self._warn_of_commands()
        self._execution.sink.emit("step_started", step=self._path, data={"type": self._step.type})
        try:
            self._execution.count_step()
            record = await self._judged()
        except PipexError as exc:
            record = self._failed(exc, self._gathered())
        record = record.lasting(self._elapsed_ms())
        try:
            record = await self._journalled(record)
        except (TypeError, ValueError, RecursionError) as exc:
            # A step of a plug-in may give back what is no JSON value; that it did is one.
            message = f"the step gave back something that is no JSON: {exc}"
            error = StepError(message, code="internal_error")
            record = await self._journalled(self._failed(error, Outcome()))
        await keep_said(record, self._path, self._view, self._execution)
        if record.status == "failed" and not record.ends_run and record.error is not None:
            self._execution.warn(record.error.code, record.error.message, step=self._path)
        self._execution.sink.emit(
            "step_finished",
            step=self._path,
            data={
                "status": record.status,
                "duration_ms": record.duration_ms,
                "cost_nanousd": record.cost_nanousd,
                "error": None if record.error is None else record.error.code,
            },
        )
        return record

    # -- deciding

    async def _judged(self) -> StepRecord:
        condition = self._shape.skip_condition(self._step)
        if condition is not None:
            scope = self._view.scope(self._step, now=self._clock.now)
            if not truth(evaluate(condition, scope)):
                text = condition if isinstance(condition, str) else compact(condition)
                return skipped(
                    self._step.name, self._step.type, reason=f"condition not met: {text}"
                )
        what = f"step {self._step.name!r}"
        return await within(self._clock, self._options.timeout_s, self._tried(), what=what)

    async def _tried(self) -> StepRecord:
        """The record after as many tries as the rules allow."""
        while True:
            self._tries += 1
            self._begin()
            self._gathered = Outcome
            outcome: Outcome | None = None
            try:
                outcome = await self._once()
                if self._spent.end is not None:
                    return ended_below(self._record(outcome), self._spent.end, outcome)
                if outcome.failure is None:
                    return await self._succeeded(outcome)
                failure = StepError(outcome.failure.message, code=outcome.failure.code)
                failure.retryable = outcome.failure.retryable
                error: PipexError = failure
            except PipexError as exc:
                error = exc
            except Exception as exc:  # noqa: BLE001 - a step may break in any way; its record says how
                error = StepError(f"{type(exc).__name__}: {exc}", code="internal_error")
            outcome = self._gathered() if outcome is None else outcome
            wait_s = self._retry.wait_s(self._tries - 1, self._execution.services.rng)
            action = decide(self._failure(error, wait_s))
            if not isinstance(action, RetryStep):
                return self._failed(error, outcome)
            await self._wait_for_next(error, action, wait_s)

    async def _wait_for_next(self, error: PipexError, action: RetryStep, wait_s: float) -> None:
        facts = {"attempt": self._attempt, "code": error.code, "row": action.row}
        await self._execution.journal.append({"t": "retry_unit", "unit": self._unit, **facts})
        self._execution.sink.emit(
            "attempt_failed",
            step=self._path,
            data={"attempt": self._tries, "code": error.code, "wait_s": wait_s},
        )
        await self._clock.sleep(wait_s)
        self._attempt += 1

    def _failure(self, error: PipexError, wait_s: float) -> Failure:
        deadline = self._execution.deadline
        return Failure(
            code=error.code,
            detail=error.detail,
            repeatable=is_repeatable(error, self._retry),
            attempt=self._tries,
            attempts=self._retry.attempts,
            is_in_time=deadline is None or self._clock.monotonic() + wait_s < deadline,
            on_failure=self._options.on_failure,
        )

    # -- doing

    def _begin(self) -> None:
        self._execution.journal.append_soon(
            {"t": "unit_begin", "unit": self._unit, "attempt": self._attempt}
        )
        self._execution.sink.emit("attempt_started", step=self._path, data={"attempt": self._tries})

    async def _once(self) -> Outcome:
        """What the step's class makes of one try, its value checked against the schema."""
        looking = onlooker(self._execution, self._path, self._options.values)
        asking = Asking(
            self._execution,
            self._unit,
            path=self._path,
            retry=self._retry,
            # Only the first try may use what a crash left: a later one failed on its own answers.
            before=self._known if self._is_continued() else None,
            cache=self._cache_use(),
            deadline=self._deadline(),
            onlooker=looking,
            budget=self._options.values.get("budget"),
        )
        self._spent.said.clear()
        try:
            outcome = await self._work().run(self._context(asking))
            if outcome.paid.is_something:
                self._charge(outcome.paid)
        finally:
            self._spent.cost_nanousd += asking.cost_nanousd
            self._spent.tokens += asking.tokens
            self._repeated_calls += max(asking.attempts - 1, 0)
            if looking is not None:
                looking.end()
        if not self._shape.is_model:
            check_output(self._step, outcome)
        return outcome

    def _cache_use(self) -> CacheUse | None:
        given = self._step.get("cache", False)
        if not isinstance(given, Mapping):
            return CacheUse() if given else None
        key = given.get("key")
        if key is not None:
            scope = self._view.scope(self._step, attempt=self._tries, now=self._clock.now)
            key = to_text(render(key, scope, mode=self._options.templates))
        return CacheUse(key=key, max_age_s=given.get("ttl_seconds"))

    def _charge(self, paid: Paid) -> None:
        self._spent.cost_nanousd += paid.nanousd
        self._spent.tokens += paid.tokens
        tokens = paid.tokens.input + paid.tokens.output
        self._execution.ledger.charge(Amount(nanousd=paid.nanousd, tokens=tokens, calls=paid.calls))

    def _work(self) -> Step:
        return self._execution.services.steps.get(self._step.type)()

    def _context(self, asking: Asking) -> StepContext:
        execution = self._execution
        services = execution.services
        commands = services.commands
        scope = self._view.scope(self._step, attempt=self._tries, now=self._clock.now)
        return StepContext(
            step=self._step,
            path=self._path,
            scope=scope,
            options=self._options.values,
            clock=self._clock,
            workspace=self._workspace(),
            call=asking.call,
            run_block=self._run_block,
            run_child=self._run_child,
            scope_of=lambda inside: self._view.inside(inside).scope(
                self._step, attempt=self._tries, now=self._clock.now
            ),
            gather=self._gather,
            checkpoint=partial(execution.checkpoint, self._path),
            warn=self._warn,
            mode=self._options.templates,
            attempt=self._tries,
            vendors=services.vendors,
            extensions=services.extensions,
            tools=asking.tools,
            commands=None if commands is None else HeldCommands(commands, services.hold),
            session=partial(session_in, self._view, execution),
            answers=execution.answers,
            cached=asking.cached,
            functions=execution.plan.spec.get("gemini_functions", {}),
            redact=services.redact,
            hooks=execution.plan.spec.get("hooks") or {},
            audit=partial(audited, execution, self._path),
        )

    def _workspace(self) -> Workspace:
        execution = self._execution
        files = execution.workspace
        if execution.transaction is not None:
            files = execution.transaction.guarded(files, self._unit)
        return files.narrowed(execution.folder) if execution.folder else files

    def _gather(self, gathered: Callable[[], Outcome]) -> None:
        self._gathered = gathered

    async def _run_block(
        self, steps: Sequence[StepSpec], prefix: str, inside: Inside = outermost
    ) -> BlockResult:
        # Thousands of blocks may wait for nothing; others, such as deadlines, have their turn between.
        await asyncio.sleep(0)
        view = self._view.inside(inside)
        execution = self._below()
        records: list[StepRecord] = []
        for step in steps:
            record = await execute_step(step, view, execution, prefix=prefix)
            self._spent.add([record])
            records.append(record)
            if record.ends_run or record.signal is not None:
                break
            view = view.with_records([record])
        return block_of(records)

    async def _run_child(self, wanted: ChildRun) -> ChildResult:
        return await run_child(
            wanted,
            step=self._step,
            path=self._path,
            view=self._view,
            execution=self._below(),
            spent=self._spent,
            gather=self._gather,
        )

    # -- ending

    async def _succeeded(self, outcome: Outcome) -> StepRecord:
        record = self._record(outcome)
        name = self._step.get("output_to_file")
        if name is None or record.status == "skipped":
            return record
        scope = self._view.scope(self._step, attempt=self._tries, now=self._clock.now)
        path = to_text(render(name, scope, mode=self._options.templates))
        text = file_text(path, record)
        with self._execution.services.hold():
            written = await asyncio.to_thread(self._execution.workspace.write_output, path, text)
        return replace(
            record,
            files=tuple(sorted({*record.files, written})),
            metadata={**record.metadata, "output_file": written},
        )

    def _failed(self, error: PipexError, outcome: Outcome) -> StepRecord:
        """The record of a failure, with what a composite step had gathered."""
        action = decide(replace(self._failure(error, 0.0), repeatable=False))
        services = self._execution.services
        path = self._path if outcome.failure is None else outcome.failure.path or self._path
        found = replace(error.record(path), message=services.redact(error.message))
        causes = causes_of(error, services.redact) if error.__traceback__ is not None else ()
        record = replace(without_exchange(self._record(outcome), self._path), causes=causes)
        parked = isinstance(action, FailPipeline) and action.parked
        wait_s = error.retry_after_s if parked and isinstance(error, ProviderError) else None
        return failed(record, found, action, retry_after_s=wait_s)

    def _record(self, outcome: Outcome) -> StepRecord:
        attempts = max(self._tries, 1) + self._repeated_calls
        return record_of(self._step, outcome, self._spent, attempts=attempts)

    async def _journalled(self, record: StepRecord) -> StepRecord:
        """The record once it is durable, or the record of why it cannot be."""
        execution = self._execution
        try:
            if execution.transaction is not None:
                view = self._view.with_records([record])
                place = {"path": self._path, "unit": self._unit}
                execution.transaction.ended(self._step, record, execution.plan, view, **place)
            return await journalled(record, execution, unit=self._unit, attempt=self._attempt)
        except StoreError as error:
            return self._failed(error, Outcome())

    def _warn_of_commands(self) -> None:
        allowed = self._options.values.get("allowed_tools") or ()
        if self._execution.transaction is not None and "Bash" in allowed:
            message = f"{self._path} may run commands, which no transaction can undo"
            self._warn("irreversible_step", message)

    # -- small things

    def _is_continued(self) -> bool:
        return self._tries == self._first_try and self._known.end is None

    def _below(self) -> Execution:
        since = self._known.begun if self._is_continued() else None
        return self._execution.below(self._path, since=since)

    def _deadline(self) -> float | None:
        own = self._options.timeout_s
        if own is None:
            return self._execution.deadline
        until = self._started + own
        return until if self._execution.deadline is None else min(until, self._execution.deadline)

    def _elapsed_ms(self) -> int:
        return round((self._clock.monotonic() - self._started) * 1000)

    def _warn(self, code: str, message: str) -> None:
        self._execution.warn(code, message, step=self._path)
