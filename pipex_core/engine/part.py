"""One step of a run whose steps are executed one by one by somebody else, such as an orchestrator.

The orchestrator keeps the records of finished steps and decides what runs when. A step executed here
sees the same view, has the same options and leaves the same record as in ``runner.run_plan``. Each step
has a scope of its own in the journal of the run, so that steps in different processes never wait for
one another, and a repeated step goes on where its scope ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipex_core.engine.execution import Execution, execution_of
from pipex_core.engine.executor import execute_step
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.keeping import header_of, keep_variables, kept_variables
from pipex_core.engine.records import RunWarning, StepRecord
from pipex_core.engine.runner import budget_of
from pipex_core.engine.schedule import run_steps
from pipex_core.engine.services import Services
from pipex_core.engine.view import View, run_names
from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import Json, digest
from pipex_core.llm.cost import Amount, Ledger
from pipex_core.spec.plan import Plan, PlanStep
from pipex_core.telemetry import EventSink, RunEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What a step is given of the run that it belongs to.

    Attributes:
        run_id: Of the root run: equal for all tries of the run.
        started: When the run first started; UTC.
        inputs: Effective ones.
        records: Of all steps that this one waits for, directly or not, in file order.
        provider_state: What the providers had counted, from ``Done`` of the step before; None at first.
    """

    run_id: str
    started: datetime
    inputs: Mapping[str, Json]
    records: Sequence[StepRecord] = ()
    provider_state: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a step.

    Attributes:
        provider_state: To be handed to the steps that follow.
        resumed: The record, or some of its calls, come from an earlier try.
    """

    record: StepRecord
    warnings: Sequence[RunWarning] = ()
    provider_state: Json = None
    resumed: bool = False


async def run_part(
    plan: Plan,
    name: str,
    before: Before,
    *,
    services: Services,
    values: Mapping[str, Json] | None = None,
    ledger: Ledger | None = None,
) -> Done:
    """Execute one top-level step of a plan.

    Args:
        plan: Of the whole pipeline.
        name: Of the step.
        before: The run so far.
        services: Of this process.
        values: Strongest layer of options, by name.
        ledger: Budget around the pipeline's own one.

    Raises:
        ConfigError: ``workflow_changed``, the step or the inputs are not those of the earlier try.
        RunLocked: Another live process executes the step.
        StoreError: The journal cannot be used.
    """
    step = next(step for step in plan.steps if step.name == name)
    journal = open_journal(
        services.journals,
        before.run_id,
        scope=f"step-{name}",
        clock=services.clock,
        faults=services.faults,
        hold=services.hold,
    )
    status: str | None = None
    try:
        _start(journal, plan, step, before, services)
        services.provider_state.restore(before.provider_state)
        events = RunEvents(run_id=before.run_id, clock=services.clock, listener=services.listener)
        execution = _execution(
            plan,
            before,
            journal=journal,
            sink=events,
            services=services,
            values=values or {},
            ledger=ledger,
        )
        record = await execute_step(step.spec, _view(plan, before, execution), execution)
        await keep_variables(record, execution)
        status = record.status
        return Done(
            record=record,
            warnings=tuple(execution.warnings),
            provider_state=services.provider_state.save(),
            resumed=journal.state.records > 0,
        )
    finally:
        await journal.close(status)


def _view(plan: Plan, before: Before, execution: Execution) -> View:
    run = run_names(before.run_id, before.started)
    kept = kept_variables(execution, plan.spec)
    first = View.first(plan.spec, before.inputs, run=run, session=kept)
    return first.with_records(before.records)


def _start(
    journal: Journal, plan: Plan, step: PlanStep, before: Before, services: Services
) -> None:
    identity = {"step_digest": step.digest, "inputs_digest": digest(dict(before.inputs))}
    header = journal.state.header
    if any(header.get(key, value) != value for key, value in identity.items()):
        message = f"step {step.name!r} or the inputs changed since run {before.run_id} was started"
        raise ConfigError(
            message,
            code="workflow_changed",
            next_step="start a new run, or undo the change and repeat this one",
        )
    document = {
        "run_id": before.run_id,
        "root_run_id": before.run_id,
        "plan_digest": plan.digest,
        **identity,
    }
    journal.start({**header_of(document, services), "step_digest": step.digest})


def _execution(  # noqa: PLR0913 - what a run is made of, all named
    plan: Plan,
    before: Before,
    *,
    journal: Journal,
    sink: EventSink,
    services: Services,
    values: Mapping[str, Json],
    ledger: Ledger | None,
) -> Execution:
    execution = execution_of(
        plan,
        services=services,
        run_id=before.run_id,
        journal=journal,
        ledger=_ledger(plan, before.records, journal, around=ledger),
        sink=sink,
        run_steps=run_steps,
        options=values,
    )
    for limit in execution.limits:
        limit.count = len(before.records)
    return execution


def _ledger(
    plan: Plan, records: Sequence[StepRecord], journal: Journal, *, around: Ledger | None
) -> Ledger:
    """The run's budget, with what the steps before took and earlier tries of this one."""
    ledger = Ledger(budget_of(plan.spec), parent=around)
    for record in records:
        tokens = record.tokens.input + record.tokens.output
        calls = record.attempts if record.model is not None else 0
        ledger.charge(Amount(nanousd=record.cost_nanousd, tokens=tokens, calls=calls))
    state = journal.state
    tokens = state.input_tokens + state.output_tokens
    ledger.charge(Amount(nanousd=state.spent_nanousd, tokens=tokens, calls=state.calls))
    return ledger
