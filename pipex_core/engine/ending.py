"""How a try of a step ends as a record: what the step gave back, what it took, and why it failed."""

from dataclasses import replace

from pipex_core.engine.blocks import Below
from pipex_core.engine.execution import Execution
from pipex_core.engine.records import StepRecord, error_json
from pipex_core.engine.recovery import Action, SkipStep, strategy_of
from pipex_core.errors import ErrorRecord, StepError
from pipex_core.jsonvalue import Json, check_schema
from pipex_core.spec.model import StepSpec
from pipex_core.steps.blocks import with_sessions
from pipex_core.steps.contract import Outcome


def record_of(step: StepSpec, outcome: Outcome, spent: Below, *, attempts: int) -> StepRecord:
    """The record of a step that was not made to fail."""
    kept = {name: step.fields[name] for name in ("tags", "metadata") if name in step.fields}
    if outcome.skipped is not None:
        kept["reason"] = outcome.skipped
    return StepRecord(
        name=step.name,
        type=step.type,
        status="succeeded" if outcome.skipped is None else "skipped",
        text=outcome.text,
        data=outcome.data,
        model=outcome.model,
        cost_nanousd=spent.cost_nanousd,
        tokens=spent.tokens,
        attempts=attempts,
        degraded=outcome.degraded,
        metadata={**kept, **outcome.metadata},
        variables=outcome.written.variables,
        session=with_sessions(spent.session, outcome.written.session),
        loop_variables=outcome.written.loop,
        said=(*outcome.written.said, *spent.said),
        signal=outcome.signal,
        aliases=tuple(outcome.aliases),
        files=tuple(sorted(spent.files)),
    )


def failed(
    record: StepRecord, error: ErrorRecord, action: Action, *, retry_after_s: float | None = None
) -> StepRecord:
    """The record of a failure after which ``action`` follows, with what had been gathered."""
    return replace(
        record,
        status="failed",
        text=None,
        error=error,
        ends_run=not isinstance(action, SkipStep),
        decision={"row": action.row, "strategy": strategy_of(action)},
        retry_after_s=retry_after_s,
    )


def ended_below(record: StepRecord, end: StepRecord, outcome: Outcome) -> StepRecord:
    """The record of a step below which something ended the run, whatever the step made of it."""
    error = end.error
    if error is not None and outcome.failure is not None:
        error = replace(error, message=outcome.failure.message)
    return replace(
        record,
        status="failed",
        text=None,
        error=error,
        ends_run=True,
        decision=end.decision,
        retry_after_s=end.retry_after_s,
    )


def without_exchange(record: StepRecord, path: str) -> StepRecord:
    """The record of a step that failed: its own exchange does not count, those inside of it do."""
    if not record.said:
        return record
    return replace(record, said=tuple(one for one in record.said if one.turns[-1].step != path))


async def journalled(
    record: StepRecord, execution: Execution, *, unit: str, attempt: int
) -> StepRecord:
    """The record once it is durable.

    Raises:
        StoreError: It cannot be kept.
    """
    journal, faults = execution.journal, execution.services.faults
    if execution.transaction is not None:
        for said in execution.transaction.said():
            journal.append_soon(said)
    end: dict[str, Json] = {
        "t": "unit_end",
        "unit": unit,
        "attempt": attempt,
        "status": record.status,
        "error": error_json(record.error),
        **await journal.encoded_field("result", record.encode()),
    }
    if record.status == "failed" and not record.ends_run:
        end["final"] = True
    faults.hit("engine.before_unit_end")
    if execution.is_nested:
        # Whoever is around it waits, and its own end stands behind this one.
        journal.append_soon(end)
    else:
        await journal.append(end)
    faults.hit("engine.after_unit_end")
    return record


def check_output(step: StepSpec, outcome: Outcome) -> None:
    """Pass when the value of a step is what its ``output_schema`` asks for.

    Raises:
        StepError: ``output_schema_failed``.
    """
    schema = step.get("output_schema")
    if schema is None or outcome.failure is not None:
        return
    value = outcome.text if outcome.data is None else outcome.data
    problems = check_schema(value, schema)
    if problems:
        listed = "; ".join(f"{pointer or '(whole)'}: {text}" for pointer, text in problems)
        raise StepError(
            f"step {step.name!r}: the value does not match output_schema: {listed}",
            code="output_schema_failed",
        )
