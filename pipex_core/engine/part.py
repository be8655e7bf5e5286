"""One step of a run whose steps are executed one by one by somebody else, such as an orchestrator.

The orchestrator keeps the records of finished steps and decides what runs when. A step executed here
sees the same view, has the same options and leaves the same record as in ``runner.run_plan``. Each step
has a scope of its own in the journal of the run, so that steps in different processes never wait for
one another, and a repeated step goes on where its scope ends.

A step is named by its path: a step inside of an opened one (``engine.inside``) is ``report/draft``.
"""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pipex_core.engine.execution import Execution, execution_of
from pipex_core.engine.fold import RunState, fold
from pipex_core.engine.inside import closed_by, execute_at, paths_of, step_of
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.keeping import header_of, keep_variables, variables_of_sessions
from pipex_core.engine.nested import outputs_of
from pipex_core.engine.records import RunWarning, StepRecord
from pipex_core.engine.runner import budget_of
from pipex_core.engine.schedule import run_steps
from pipex_core.engine.segments import verified
from pipex_core.engine.services import Services
from pipex_core.engine.timing import TookTooLong, within
from pipex_core.engine.view import View, run_names
from pipex_core.errors import ConfigError, StepError
from pipex_core.jsonvalue import Json, digest
from pipex_core.llm.cost import Amount, Ledger
from pipex_core.spec.plan import Plan
from pipex_core.telemetry import RunEvents

executed_alone: Final = "steps that are executed one by one are not undone; run the pipeline in one go for `transaction`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What steps took from the limits of their run.

    Attributes:
        tokens: Input and output.
        calls: Started, failed ones included.
        steps: Executed, those inside of others included.
    """

    nanousd: int = 0
    tokens: int = 0
    calls: int = 0
    steps: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(
            nanousd=self.nanousd + other.nanousd,
            tokens=self.tokens + other.tokens,
            calls=self.calls + other.calls,
            steps=self.steps + other.steps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A step that was executed.

    Attributes:
        path: Of the step.
        digest: What the step meant then, and those around it.
    """

    path: str
    record: StepRecord
    used: Used
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a step is given of the run that it belongs to.

    Attributes:
        run_id: Of the root run: equal for all tries of the run.
        started: When the run first started; UTC.
        inputs: Effective ones.
        finished: All steps that this one waits for, directly or not, in file order.
        provider_state: What the providers had counted, from ``Done`` of the step before; None at first.
    """

    run_id: str
    started: datetime
    inputs: Mapping[str, Json]
    finished: Sequence[Finished] = ()
    provider_state: Json = None

    def inside(self) -> Mapping[str, Sequence[StepRecord]]:
        """Path of an opened step to the records of the steps inside of it so far."""
        found: dict[str, list[StepRecord]] = {}
        for one in self.finished:
            around, _, inner = one.path.rpartition("/")
            if inner != one.path:
                found.setdefault(around, []).append(one.record)
        return found

    def top(self) -> Sequence[StepRecord]:
        """The records of top-level steps."""
        return [one.record for one in self.finished if "/" not in one.path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a step.

    Attributes:
        finished: The step; of a failure inside of an opened step that ends the run, the top-level step.
        provider_state: To be handed to the steps that follow.
        resumed: The record, or some of its calls, come from an earlier try.
    """

    finished: Finished
    warnings: Sequence[RunWarning] = ()
    provider_state: Json = None
    resumed: bool = False

    @property
    def record(self) -> StepRecord:
        """The record of the step."""
        return self.finished.record


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a run made whose steps have all finished.

    Attributes:
        outputs: As the workflow declares them; empty when it declares none.
        files: Paths below the output directory, sorted, unique.
    """

    outputs: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    files: Sequence[str] = ()
    used: Used = field(default_factory=Used)


async def run_part(
    plan: Plan,
    path: str,
    before: Before,
    *,
    services: Services,
    values: Mapping[str, Json] | None = None,
    ledger: Ledger | None = None,
) -> Done:
    """Execute one step of a plan, or close an opened one over the steps inside of it.

    Args:
        plan: Of the whole pipeline.
        path: Of the step.
        before: The run so far.
        services: Of this process.
        values: Strongest layer of options, by name.
        ledger: Budget around the pipeline's own one.

    Raises:
        ConfigError: ``workflow_changed``, the step, a finished one or the inputs are not those of the
            earlier try; ``invalid_option``, an option cannot hold for an opened step.
        StepError: ``limit_exceeded``, the run has no time left.
        RunLocked: Another live process executes the step.
        StoreError: The journal cannot be used.
    """
    _check_options(path, values or {})
    for one in before.finished:
        if one.digest != digest_of(plan, one.path):
            raise _changed(f"step {one.path!r}", before)
    journal = open_journal(
        services.journals,
        before.run_id,
        scope=scope_of(path),
        clock=services.clock,
        faults=services.faults,
        hold=services.hold,
    )
    status: str | None = None
    try:
        _start(journal, plan, path, before, services)
        services.provider_state.restore(before.provider_state)
        services.provider_state.take(journal.state.drawn)
        own = _Part(plan, path, before, journal, services, values or {}, around=ledger)
        done = await own.done()
        status = done.record.status
        return done
    finally:
        await journal.close(status)


def end_run(plan: Plan, before: Before, *, services: Services) -> Ended:
    """What the run made, once every step of it has finished.

    Raises:
        ExpressionError: An output has no value; the message names it.
        StoreError: The variables of a session cannot be read.
    """
    view = _view(plan, before, services).with_records(before.top())
    return Ended(
        outputs=outputs_of(plan.spec, view.scope(now=services.clock.now)) or {},
        variables=view.variables,
        files=sorted({path for record in before.top() for path in record.files}),
        used=sum((one.used for one in before.finished), Used()),
    )


def scope_of(path: str) -> str:
    """Name of the journal of a step."""
    return f"step-{path}"


def digest_of(plan: Plan, path: str) -> str:
    """What a step means, and the steps around it; empty for a path that leads nowhere any more."""
    names = path.split("/")
    try:
        around = [step_of(plan, "/".join(names[: at + 1]))[1] for at in range(len(names))]
    except KeyError:
        return ""
    return around[0].digest if len(around) == 1 else digest([step.digest for step in around])


class _Part:
    """One step being executed by itself."""

    def __init__(  # noqa: PLR0913 - what a step is executed with
        self,
        plan: Plan,
        path: str,
        before: Before,
        journal: Journal,
        services: Services,
        values: Mapping[str, Json],
        *,
        around: Ledger | None,
    ) -> None:
        self._plan = plan
        self._path = path
        self._before = before
        self._journal = journal
        self._services = services
        self._ledger = Ledger(budget_of(plan.spec), parent=around)
        self._is_capped = around is not None or "budget" in plan.spec.fields
        self._execution = self._made(values)

    async def done(self) -> Done:
        """The step, executed."""
        before, execution = self._before, self._execution
        for used in (*(one.used for one in before.finished), *self._beside()):
            self._charge(used)
        counted = _counted(self._ledger.spent)
        self._charge(_used(self._journal.state))
        limit = execution.limits[0]
        limit.count = sum(one.used.steps for one in before.finished) + self._path.count("/")
        first = limit.count
        view = _view(self._plan, before, self._services).with_records(before.top())
        record = await self._in_time(
            execute_at(self._path, view, execution, finished=before.inside())
        )
        await keep_variables(record, execution)
        is_told = any(one.message == executed_alone for one in execution.warnings)
        if self._plan.spec.get("transaction") and not is_told:
            execution.warn("irreversible_step", executed_alone, step=self._path)
        took = _counted(self._ledger.spent, minus=counted, steps=limit.count - first)
        below = (one.used for one in before.finished if one.path.startswith(f"{self._path}/"))
        took = sum(below, took)
        path = self._path.partition("/")[0] if record.ends_run else self._path
        return Done(
            finished=Finished(
                path=path, record=record, used=took, digest=digest_of(self._plan, path)
            ),
            warnings=tuple(execution.warnings),
            provider_state=self._services.provider_state.save(),
            resumed=self._journal.state.records > 0,
        )

    async def _in_time(self, work: Coroutine[Any, Any, StepRecord]) -> StepRecord:
        """The record of the step, if the time of the run is enough for it.

        Raises:
            StepError: ``limit_exceeded``; the step starts over in the next try.
        """
        limit_s = self._plan.spec.get("resource_limits", {}).get("max_execution_time_s")
        took_s = sum(one.record.duration_ms for one in self._before.finished) / 1000
        left_s = None if limit_s is None else max(limit_s - took_s, 0.0)
        try:
            return await within(self._services.clock, left_s, work, what="the run")
        except TookTooLong as exc:
            message = f"the run took longer than max_execution_time_s, {limit_s:g} s"
            raise StepError(message, code="limit_exceeded") from exc

    def _made(self, values: Mapping[str, Json]) -> Execution:
        services, run_id = self._services, self._before.run_id
        return execution_of(
            self._plan,
            services=services,
            run_id=run_id,
            journal=self._journal,
            ledger=self._ledger,
            sink=RunEvents(run_id=run_id, clock=services.clock, listener=services.listener),
            run_steps=run_steps,
            options=values,
        )

    def _charge(self, used: Used) -> None:
        amount = Amount(nanousd=used.nanousd, tokens=used.tokens, calls=used.calls)
        self._ledger.charge(amount)

    def _beside(self) -> Iterable[Used]:
        """What steps took that this one does not wait for: the budget is the whole run's."""
        if not self._is_capped:
            return
        known = {self._path, *(one.path for one in self._before.finished)}
        for path in paths_of(self._plan):
            names = path.split("/")
            if known.isdisjoint("/".join(names[: at + 1]) for at in range(len(names))):
                yield _used(self._state_of(path))

    def _state_of(self, path: str) -> RunState:
        run_id = self._before.run_id
        segments = self._services.journals.read_log(run_id, scope_of(path))
        return fold(verified(segments, run_id=run_id).records)


def _used(state: RunState) -> Used:
    tokens = state.input_tokens + state.output_tokens
    return Used(nanousd=state.spent_nanousd, tokens=tokens, calls=state.calls)


def _counted(spent: Amount, *, minus: Used | None = None, steps: int = 0) -> Used:
    before = minus or Used()
    return Used(
        nanousd=spent.nanousd - before.nanousd,
        tokens=spent.tokens - before.tokens,
        calls=spent.calls - before.calls,
        steps=steps,
    )


def _view(plan: Plan, before: Before, services: Services) -> View:
    kept = variables_of_sessions(services.session_variables, plan.spec, services.shapes)
    run = run_names(before.run_id, before.started)
    return View.first(plan.spec, before.inputs, run=run, session=kept)


def _check_options(path: str, values: Mapping[str, Json]) -> None:
    wrong = sorted(closed_by.intersection(values)) if "/" in path else []
    if wrong:
        raise ConfigError(
            f"{', '.join(wrong)} cannot be set for the run: the steps of {path} run one by one",
            code="invalid_option",
            next_step="set it in the steps of the nested pipeline",
        )


def _start(journal: Journal, plan: Plan, path: str, before: Before, services: Services) -> None:
    identity = {
        "step_digest": digest_of(plan, path),
        "inputs_digest": digest(dict(before.inputs)),
    }
    header = journal.state.header
    if any(header.get(key, value) != value for key, value in identity.items()):
        raise _changed(f"step {path!r} or the inputs", before)
    document = {
        "run_id": before.run_id,
        "root_run_id": before.run_id,
        "plan_digest": plan.digest,
        **identity,
    }
    journal.start({**header_of(document, services), "step_digest": identity["step_digest"]})


def _changed(what: str, before: Before) -> ConfigError:
    return ConfigError(
        f"{what} changed since run {before.run_id} was started",
        code="workflow_changed",
        next_step="start a new run, or undo the change and repeat this one",
    )
