"""Steps of nested pipelines executed one by one: the way down to them, and the step around them closed.

A step that runs another pipeline may be opened: whoever executes a run step by step then executes the
steps of that pipeline, and at last the step itself, which makes its record of theirs. The records are
those of a run in one go. So that they can be, a step is opened only when nothing but its inputs and
outputs says how it runs: a condition, a retry, a time limit or a rule for failures of its own needs
the step in one piece.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from pipex_core.engine.execution import Execution, Ran
from pipex_core.engine.executor import execute_step
from pipex_core.engine.nested import open_child
from pipex_core.engine.records import StepRecord
from pipex_core.engine.timing import TookTooLong, within
from pipex_core.engine.view import View
from pipex_core.errors import PipexError
from pipex_core.expressions.template import render
from pipex_core.jsonvalue import Json
from pipex_core.spec.plan import Plan, PlanStep
from pipex_core.steps.contract import ChildRun

# What a step may say and still be opened.
_of_opened: Final = frozenset(
    {"name", "type", "description", "depends_on", "tags", "metadata"}
    | {"pipeline", "pipeline_file", "inputs", "outputs", "output_to_file", "config"}
)
_of_opened_config: Final = frozenset({"inherit_context", "max_depth"})
closed_by: Final = frozenset({"timeout_seconds", "retry", "on_failure"})  # as options around it


def opened(plan: Plan, step: PlanStep) -> Plan | None:
    """The pipeline whose steps may be executed one by one instead of the step; None for most steps."""
    child = plan.children.get(step.spec.path)
    if child is None or not _of_opened.issuperset(step.spec.fields):
        return None
    if closed_by.intersection(plan.spec.get("defaults", {})) or child.spec.get("transaction"):
        return None  # a transaction is undone by the process that executes all of it
    return child if _of_opened_config.issuperset(step.spec.get("config") or {}) else None


def step_of(plan: Plan, path: str) -> tuple[Plan, PlanStep]:
    """The step at a path such as ``report/draft``, and the plan that it is a step of.

    Raises:
        KeyError: There is none, or a step on the way is not opened.
    """
    *around, name = path.split("/")
    for outer in around:
        child = opened(plan, _named(plan, outer))
        if child is None:
            raise KeyError(path)
        plan = child
    return plan, _named(plan, name)


def paths_of(plan: Plan, *, prefix: str = "") -> Sequence[str]:
    """The paths of all steps that are executed by themselves, those of a nested pipeline before its step."""
    found: list[str] = []
    for step in plan.steps:
        child = opened(plan, step)
        if child is not None:
            found += paths_of(child, prefix=f"{prefix}{step.name}/")
        found.append(prefix + step.name)
    return found


def _named(plan: Plan, name: str) -> PlanStep:
    found = next((step for step in plan.steps if step.name == name), None)
    if found is None:
        raise KeyError(name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a step is executed.

    Attributes:
        left_s: Time that the nested pipeline around it has left; None at the top.
    """

    step: PlanStep
    view: View
    execution: Execution
    prefix: str
    left_s: float | None = None


async def execute_at(
    path: str, view: View, execution: Execution, *, finished: Mapping[str, Sequence[StepRecord]]
) -> StepRecord:
    """Execute the step at a path.

    Args:
        path: Names of the opened steps around it, and its own.
        view: What the first of them sees.
        execution: Of the root plan.
        finished: Path of an opened step to the records of the steps inside of it so far, in file order.

    Returns:
        Its record; when it ends the run, that of the top-level step around it.
    """
    *around, name = path.split("/")
    place = _Place(
        step=_named(execution.plan, around[0] if around else name),
        view=view,
        execution=execution,
        prefix="",
    )
    places = [place]
    # The steps around are closed outside of `except`: a cause of their failure would be named twice.
    error: PipexError | None = None
    try:
        for inner in (*around[1:], name) if around else ():
            place = _below(place, inner, finished)
            places.append(place)
    except PipexError as exc:
        error = exc  # the step around it cannot start its pipeline
    if error is not None:
        return await _closed(places, finished, error=error)
    record: StepRecord | None = None
    try:
        record = await _executed(place, finished)
    except TookTooLong as exc:
        error = exc
    if record is None:
        return await _closed(places[:-1], finished, error=error)
    is_last = record.ends_run and len(places) > 1
    return await _closed(places[:-1], finished, last=record) if is_last else record


async def _executed(place: _Place, finished: Mapping[str, Sequence[StepRecord]]) -> StepRecord:
    path = place.prefix + place.step.name
    execution = _with_records(place.execution, finished[path]) if path in finished else None
    work = execute_step(
        place.step.spec, place.view, execution or place.execution, prefix=place.prefix
    )
    what = f"the pipeline {place.execution.plan.spec.name!r}"
    return await within(place.execution.services.clock, place.left_s, work, what=what)


async def _closed(
    places: Sequence[_Place],
    finished: Mapping[str, Sequence[StepRecord]],
    *,
    last: StepRecord | None = None,
    error: PipexError | None = None,
) -> StepRecord:
    """The record of the top-level step after a failure inside: each step around makes its own of it."""
    for place in reversed(places):
        path = place.prefix + place.step.name
        records = [*finished.get(path, ()), *([] if last is None else [last])]
        execution = _with_records(place.execution, records, error=error)
        for limit in execution.limits:
            limit.count -= 1  # the step was counted when the one inside of it began
        last = await execute_step(place.step.spec, place.view, execution, prefix=place.prefix)
        error = None
    return cast("StepRecord", last)


def _below(place: _Place, name: str, finished: Mapping[str, Sequence[StepRecord]]) -> _Place:
    """A step inside of an opened one.

    Raises:
        PipexError: The step around it cannot start its pipeline.
    """
    around, path = place.step.spec, place.prefix + place.step.name
    wanted = _wanted(place)
    execution, start = open_child(
        wanted, step=around, path=path, view=place.view, execution=place.execution
    )
    records = finished.get(path, ())
    took_s = sum(record.duration_ms for record in records) / 1000
    deadline = None if execution.deadline is None else execution.deadline - took_s
    left_s = max(wanted.timeout_s - took_s, 0.0)
    return _Place(
        step=_named(execution.plan, name),
        view=start.with_records(records),
        execution=replace(execution, deadline=deadline),
        prefix=f"{path}/",
        left_s=left_s if place.left_s is None else min(left_s, place.left_s),
    )


def _wanted(place: _Place) -> ChildRun:
    step, execution = place.step.spec, place.execution
    scope = place.view.scope(step, now=execution.services.clock.now)
    mode = execution.options_of(step).templates
    given: Mapping[str, Json] = render(step.get("inputs", {}), scope, mode=mode)
    return ChildRun.of(step, file=step.get("pipeline_file"), inputs=given)


def _with_records(
    execution: Execution, records: Sequence[StepRecord], *, error: PipexError | None = None
) -> Execution:
    """An execution whose nested pipeline has run already: with these records, or into an error."""

    async def run_known(child: Execution, view: View, prefix: str) -> Ran:
        del prefix
        for record in records:
            child.told(record)
        if error is not None:
            raise error
        return Ran(
            records={record.name: record for record in records},
            order=[record.name for record in records],
            view=view.with_records(records),
            failed=next((record for record in records if record.ends_run), None),
        )

    return replace(execution, run_steps=run_known)
