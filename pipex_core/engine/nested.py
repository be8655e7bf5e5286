"""Child pipelines of one run: isolated names, shared budget and limits, a bounded depth."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace

from pipex_core.engine.blocks import Below
from pipex_core.engine.execution import Execution, Ran, StepLimit
from pipex_core.engine.keeping import kept_variables
from pipex_core.engine.records import StepRecord
from pipex_core.engine.timing import TookTooLong, within
from pipex_core.engine.view import View
from pipex_core.errors import ErrorRecord, ExpressionError, SpecError, StepError
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.source import resolve
from pipex_core.jsonvalue import Json
from pipex_core.spec.inputs import bind_inputs
from pipex_core.spec.model import PipelineSpec, StepSpec
from pipex_core.spec.plan import Plan
from pipex_core.steps.blocks import Record, value_of
from pipex_core.steps.contract import ChildResult, ChildRun, Outcome


async def run_child(  # noqa: PLR0913 - a child, where it stands, and who is told how it goes
    wanted: ChildRun,
    *,
    step: StepSpec,
    path: str,
    view: View,
    execution: Execution,
    spent: Below,
    gather: Callable[[Callable[[], Outcome]], None],
) -> ChildResult:
    """What the child of a step did; what its finished steps gave is kept also when it is cut off.

    Its costs go to ``spent``, the account of the step, as they come. ``gather`` is told how to make the
    outcome of the step if that is ended from outside.

    Raises:
        StepError: The child cannot start: its file, its inputs, the depth.
        SpecError: Its file has problems.
    """
    child, start = open_child(wanted, step=step, path=path, view=view, execution=execution)
    spec, records = child.plan.spec, _Records(child.plan)

    def told(record: StepRecord) -> None:
        records.add(record)
        spent.add_child([record])

    gather(records.outcome)
    work = child.run_steps(replace(child, told=told), start, f"{path}/")
    what = f"the pipeline {spec.name!r}"
    clock = execution.services.clock
    try:
        ran = await within(clock, wanted.timeout_s, work, what=what)
    except TookTooLong as error:
        scope = start.with_records(records.in_order()).scope(now=clock.now)
        return ChildResult(
            steps=records.as_json(), scope=scope, outputs=None, error=error.record(path)
        )
    return _result(spec, ran, ran.view.scope(now=clock.now))


class _Records:
    """Records of a child's steps so far, shown in file order."""

    def __init__(self, plan: Plan) -> None:
        self._names = [step.name for step in plan.steps]
        self._known: dict[str, StepRecord] = {}

    def add(self, record: StepRecord) -> None:
        """Take in the record of a step that has ended."""
        self._known[record.name] = record

    def in_order(self) -> list[StepRecord]:
        """Those of the steps that have ended."""
        return [self._known[name] for name in self._names if name in self._known]

    def as_json(self) -> dict[str, Record]:
        """Name to record as documents show it."""
        return {record.name: record.as_json() for record in self.in_order()}

    def outcome(self) -> Outcome:
        """What the step around them has when it is ended now."""
        shown = self.as_json()
        values = {name: value_of(record) for name, record in shown.items()}
        return Outcome(data=values, metadata={"steps": shown})


def open_child(
    wanted: ChildRun, *, step: StepSpec, path: str, view: View, execution: Execution
) -> tuple[Execution, View]:
    """The execution of a step's child, and what its first step sees; nothing is executed.

    Raises:
        StepError: The child cannot start: its file, its inputs, the depth.
        SpecError: Its file has problems.
    """
    plan, child = _opened(wanted, step, path, execution)
    start = _view(wanted, plan.spec, view, child)
    until = execution.services.clock.monotonic() + wanted.timeout_s
    deadline = until if child.deadline is None else min(until, child.deadline)
    return replace(child, deadline=deadline), start


def outputs_of(spec: PipelineSpec, scope: Scope) -> Mapping[str, Json] | None:
    """The workflow's ``outputs``; None when it declares none.

    Raises:
        ExpressionError: One of them has no value; the message names it.
    """
    declared = spec.get("outputs")
    if declared is None:
        return None
    made: dict[str, Json] = {}
    for name, source in declared.items():
        try:
            made[name] = resolve(source, scope)
        except ExpressionError as exc:
            message = f"output {name!r}: {exc.message}"
            raise ExpressionError(message, code=exc.code, position=exc.position) from exc
    return made


def _opened(
    wanted: ChildRun, step: StepSpec, path: str, execution: Execution
) -> tuple[Plan, Execution]:
    """The child's plan and its execution, within the limits of all that surround it."""
    max_depth = min(
        execution.max_depth, execution.depth + (wanted.max_depth or execution.max_depth)
    )
    if execution.depth + 1 > max_depth:
        files = f" ({' -> '.join(execution.chain)})" if len(execution.chain) > 1 else ""
        raise StepError(
            f"{path}{files} would be nested {execution.depth + 1} deep, and {max_depth} is the most",
            code="limit_exceeded",
        )
    plan, file = _plan(wanted, step, execution)
    child = execution.child(plan, file=file, top=path)
    if wanted.workspace_dir is not None:
        folder = posixpath.join(execution.folder, wanted.workspace_dir)
        inside = execution.workspace.narrowed(execution.folder or ".")
        inside.narrowed(wanted.workspace_dir)  # refuses one that lies outside of what is allowed
        child = replace(child, folder=folder)
    limits = child.limits
    if wanted.max_total_steps is not None:
        limits = (StepLimit(wanted.max_total_steps), *limits)
    return plan, replace(child, max_depth=max_depth, limits=limits)


def _plan(wanted: ChildRun, step: StepSpec, execution: Execution) -> tuple[Plan, str | None]:
    if wanted.file is None:
        return execution.plan.child(step), None
    plan = execution.plan.children.get(step.path)
    if plan is None:  # its path holds a template
        plan = _loaded(wanted.file, execution)
    file = plan.spec.source.file
    if file in execution.chain:
        chain = " -> ".join([*execution.chain, file])
        raise StepError(f"a pipeline contains itself: {chain}", code="circular_pipeline")
    return plan, file


def _loaded(file: str, execution: Execution) -> Plan:
    try:
        return execution.services.load_pipeline(file, execution.plan.spec.source.file)
    except SpecError as exc:
        if exc.code == "file_unreadable":
            raise StepError(exc.message, code="file_not_found") from exc
        raise


def _view(wanted: ChildRun, spec: PipelineSpec, parent: View, execution: Execution) -> View:
    """What the child's first step sees: nothing of the parent but what it is given."""
    given = dict(wanted.inputs)
    if wanted.inherit:
        takes_any = all(one.implied for one in spec.inputs.values())
        for name, value in parent.inputs.items():
            if takes_any or name in spec.inputs:
                given.setdefault(name, value)
    bound = bind_inputs(spec, given)
    if bound.problems:
        problem = bound.problems[0]
        raise StepError(f"pipeline {spec.name!r}: {problem.message}", code=problem.code)
    kept = kept_variables(execution, spec)
    session = {name: {**kept[name], **parent.session.get(name, {})} for name in kept}
    first = View.first(spec, bound.values, run=parent.run, session=session)
    own = replace(first, said=parent.said)
    if wanted.inherit:
        own = replace(own, global_vars={**parent.global_vars, **own.global_vars})
    return own


def _result(spec: PipelineSpec, ran: Ran, scope: Scope) -> ChildResult:
    steps = {name: record.as_json() for name, record in ran.records.items()}
    if ran.failed is None:
        return ChildResult(steps=steps, scope=scope, outputs=outputs_of(spec, scope))
    error = ran.failed.error or ErrorRecord(code="internal_error", message="failed")
    place = error.path or ran.failed.name
    return ChildResult(
        steps=steps,
        scope=scope,
        outputs=None,
        error=replace(error, message=f"{place}: {error.message}"),
    )
