"""Child pipelines of one run: isolated names, shared budget and limits, a bounded depth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipex_core.engine.execution import Execution, Ran, StepLimit
from pipex_core.engine.keeping import kept_variables
from pipex_core.engine.timing import within
from pipex_core.engine.view import View
from pipex_core.errors import ErrorRecord, ExpressionError, StepError
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.source import resolve
from pipex_core.jsonvalue import Json
from pipex_core.spec.inputs import bind_inputs
from pipex_core.spec.model import PipelineSpec, StepSpec
from pipex_core.spec.plan import Plan
from pipex_core.steps.contract import ChildResult, ChildRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A child that ran, for the step and for the executor's account."""

    result: ChildResult
    ran: Ran


async def run_child(
    wanted: ChildRun, *, step: StepSpec, path: str, view: View, execution: Execution
) -> Nested:
    """Run the child of a step.

    Raises:
        StepError: The child cannot start: its file, its inputs, the depth; or it took too long.
        SpecError: Its file has problems.
    """
    plan, child = _opened(wanted, step, path, execution)
    start = _view(wanted, plan.spec, view, child)
    clock = execution.services.clock
    until = clock.monotonic() + wanted.timeout_s
    child = replace(child, deadline=until if child.deadline is None else min(until, child.deadline))
    ran = await within(
        clock,
        wanted.timeout_s,
        child.run_steps(child, start, f"{path}/"),
        what=f"the pipeline {plan.spec.name!r}",
    )
    scope = ran.view.scope(now=clock.now)
    return Nested(result=_result(plan.spec, ran, scope), ran=ran)


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
        raise StepError(
            f"{path} would be nested {execution.depth + 1} deep, and {max_depth} is the most",
            code="limit_exceeded",
        )
    plan, file = _plan(wanted, step, execution)
    child = execution.child(plan, file=file, top=path)
    limits = child.limits
    if wanted.max_total_steps is not None:
        limits = (StepLimit(wanted.max_total_steps), *limits)
    return plan, replace(child, max_depth=max_depth, limits=limits)


def _plan(wanted: ChildRun, step: StepSpec, execution: Execution) -> tuple[Plan, str | None]:
    if wanted.file is None:
        return execution.plan.child(step), None
    plan = execution.plan.children.get(step.path)
    if plan is None:  # its path holds a template
        plan = execution.services.load_pipeline(wanted.file, execution.plan.spec.source.file)
    file = plan.spec.source.file
    if file in execution.chain:
        chain = " -> ".join([*execution.chain, file])
        raise StepError(f"a pipeline contains itself: {chain}", code="circular_pipeline")
    return plan, file


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
