"""Steps without a model: values, variables, transforms, branches, jumps, checkpoints, nested pipelines."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipex_core.errors import ExpressionError, StepError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.paths import entry, parse_path
from pipex_core.expressions.reading import read_expression
from pipex_core.expressions.transform import transform
from pipex_core.expressions.values import to_text, truth
from pipex_core.jsonvalue import Json, compact, type_name
from pipex_core.spec.model import Effect, FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import flag, integer, number, text
from pipex_core.steps.blocks import BlockResult, Inside, Record, Written, error_of, value_of
from pipex_core.steps.contract import ChildResult, ChildRun, Outcome, StepContext

_step_name: Final = re.compile(r"[\w.-]+")  # may be none that the expression language could read
_plain: Final = text(kind="plain")


class Echo:
    """A value as it is: for fixed data, for tests, and to fail on purpose."""

    shape = StepShape(
        type="echo",
        summary="Give a value.",
        fields={
            "value": FieldShape(description="What the step gives."),
            "fail": flag(description="Fail on purpose."),
            "error_message": text(description="What the failure says."),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        if truth(ctx.rendered("fail", default=False)):
            message = to_text(ctx.rendered("error_message", default="the step fails on purpose"))
            raise StepError(message, code="echo_failed")
        value = ctx.rendered("value")
        return Outcome(text=value) if isinstance(value, str) else Outcome(data=value)


def _variables_of(step: StepSpec) -> Mapping[str, Json]:
    if "variable" in step.fields:
        return {step.fields["variable"]: step.get("value")}
    variables = step.get("variables", {})
    return variables if isinstance(variables, Mapping) else {}


def _variable_effects(step: StepSpec) -> Iterable[Effect]:
    scope, session = step.get("scope", "global"), step.get("session_name", "")
    return [
        Effect(kind="variable", name=name, writes=True, scope=scope, session=session)
        for name in _variables_of(step)
    ]


def _check_variables(step: StepSpec) -> Iterable[Finding]:
    single = [name for name in ("variable", "value") if name in step.fields]
    if "variables" in step.fields and single:
        yield Finding(
            code="conflicting_fields",
            message=f"`variables` and `{single[0]}` exclude each other",
            path=single[0],
        )
    elif "variables" not in step.fields and len(single) != 2:  # noqa: PLR2004 - a name and a value
        missing = "value" if single == ["variable"] else "variables"
        yield Finding(code="missing_field", message=f"`{missing}` is missing", path=missing)


class SetVariable:
    """Write variables, in order, each seeing the ones before it."""

    shape = StepShape(
        type="set_variable",
        summary="Write variables.",
        fields={
            "variables": FieldShape(
                types=("map",), description="Name to value; each sees those before it."
            ),
            "variable": text(kind="plain", description="Name of a single one, beside `value`."),
            "value": FieldShape(description="Value of `variable`."),
            "scope": text(
                kind="plain",
                default="global",
                choices=("global", "session", "loop"),
                description="Whether they live for the run, across runs, or for one iteration.",
            ),
            "session_name": text(
                kind="plain",
                description="Session that keeps them across runs; the workflow's name without it.",
            ),
        },
        effects=_variable_effects,
        check=_check_variables,
        in_loop_only=lambda step: step.get("scope") == "loop",
    )

    async def run(self, ctx: StepContext) -> Outcome:
        values: dict[str, Json] = {}
        written = Written()
        for name, value in _variables_of(ctx.step).items():
            scope = ctx.scope_of(Inside(written=written))
            values[name] = replace(ctx, scope=scope).expand(value, f"variables.{name}")
            written = self._written(ctx, values)
        return Outcome(data=values, written=written)

    def _written(self, ctx: StepContext, values: Mapping[str, Json]) -> Written:
        match ctx.step.get("scope", "global"):
            case "session":
                names = ctx.scope.workflow or {}
                session = ctx.step.get("session_name") or names.get("name", "")
                return Written(session={session: dict(values)})
            case "loop":
                return Written(loop=dict(values))
            case _:
                return Written(variables=dict(values))


class Switch:
    """One of several blocks, chosen by the text of a value."""

    shape = StepShape(
        type="switch",
        summary="Choose steps by a value.",
        fields={
            "expression": FieldShape(
                kind="source",
                types=("str",),
                required=True,
                description="Its text picks the case; without braces it is an expression.",
            ),
            "cases": FieldShape(
                kind="cases",
                types=("map",),
                required=True,
                description="Text to the steps that it chooses.",
            ),
            "default": FieldShape(kind="steps", types=("list",), description="When no case fits."),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        text = to_text(ctx.source("expression"))
        blocks = ctx.step.blocks
        if f"cases.{text}" in blocks:
            case, block = text, f"cases.{text}"
        elif "default" in blocks:
            case, block = "default", "default"
        else:
            return Outcome(data={"case": None, "results": {}, "output": None})
        result = await ctx.run_block(blocks[block], f"{ctx.path}/")
        return self._outcome(case, result)

    def _outcome(self, case: str, result: BlockResult) -> Outcome:
        data = {"case": case, "results": dict(result.records), "output": result.output}
        failure = None if result.error is None else error_of(result.error)
        return Outcome(data=data, written=result.written, signal=result.signal, failure=failure)


class Break:
    """End the loop around this step."""

    shape = StepShape(type="break", summary="End the loop.", fields={}, needs_loop=True)

    async def run(self, ctx: StepContext) -> Outcome:
        del ctx
        return Outcome(signal="break")


class Continue:
    """End the iteration around this step."""

    shape = StepShape(type="continue", summary="End the iteration.", fields={}, needs_loop=True)

    async def run(self, ctx: StepContext) -> Outcome:
        del ctx
        return Outcome(signal="continue")


class Checkpoint:
    """Save what the run has so far; later steps wait for it."""

    shape = StepShape(
        type="checkpoint",
        summary="Save a checkpoint now.",
        fields={"label": text(description="Keeps this checkpoint for good.")},
        boundary=True,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        label = ctx.rendered("label")
        await ctx.checkpoint(None if label is None else to_text(label))
        return Outcome(metadata={} if label is None else {"label": label})


class DataTransform:
    """Operations on plain data."""

    shape = StepShape(
        type="data_transform",
        summary="Filter, map, aggregate, join, group and sort data.",
        fields={
            "input_source": FieldShape(
                kind="source",
                required=True,
                description="The data: a value, a name, an expression or a template.",
            ),
            "operations": FieldShape(
                kind="operations",
                types=("list",),
                required=True,
                description="What is done with it, in order; see the language.",
            ),
            "output_field": text(kind="plain", description="A further name of the result."),
            "output_format": text(
                kind="plain",
                choices=("json", "string", "count"),
                description="The result itself, its JSON as text, or the number of its items.",
            ),
            "lazy": flag(kind="plain", ignored=True),
        },
        aliases=lambda step: [name] if (name := step.get("output_field")) else [],
    )

    async def run(self, ctx: StepContext) -> Outcome:
        data = ctx.source("input_source")
        operations = ctx.step.get("operations", [])
        result = transform(data, operations, ctx.scope)
        metadata = {
            "operation_count": len(operations),
            "input_type": type_name(data),
            "output_type": type_name(result),
        }
        alias = ctx.step.get("output_field")
        outcome = Outcome(aliases=(alias,) if alias else (), metadata=metadata)
        match ctx.step.get("output_format", "json"):
            case "string":
                return replace(outcome, text=compact(result))
            case "count":
                return replace(outcome, data=len(result) if isinstance(result, list | dict) else 0)
            case _:
                return replace(outcome, data=result)


def _check_child(step: StepSpec) -> Iterable[Finding]:
    has_file, has_inline = "pipeline_file" in step.fields, step.child is not None
    if has_file and has_inline:
        yield Finding(
            code="conflicting_fields",
            message="`pipeline_file` and `pipeline` exclude each other",
            path="pipeline_file",
        )
    elif not has_file and not has_inline:
        message = "`pipeline_file` or `pipeline` is missing"
        yield Finding(code="missing_field", message=message, path="pipeline_file")
    yield from _check_outputs(step.get("outputs") or ())


def _check_outputs(wanted: Json) -> Iterable[Finding]:
    """Paths that are no expressions; where they lead is known when the child has run."""
    places = wanted.items() if isinstance(wanted, Mapping) else enumerate(wanted)
    for key, given in places:
        inner = ".path" if isinstance(given, Mapping) else ""
        path = given["path"] if isinstance(given, Mapping) else given
        place = entry(key) if isinstance(key, str) else f"[{key}]"
        for found in () if _step_name.fullmatch(path) else read_expression(path).findings:
            yield Finding(
                code=found.code,
                message=found.message,
                path=f"outputs{place}{inner}",
                suggestion=found.suggestion,
                position=found.position,
                in_text=True,
            )


_child_config: Final[Mapping[str, FieldShape]] = {
    "inherit_context": flag(kind="plain", description="Hand on inputs and constants."),
    "max_depth": integer(1, kind="plain", description="Levels of pipelines from the root on."),
    "max_total_steps": integer(1, kind="plain", description="Steps executed below; else 1000."),
    "timeout_seconds": number(kind="plain", above=0, description="Of the child; else 300."),
    "workspace_dir": text(kind="plain", description="Folder of the workspace that is the child's."),
    "memory_limit_mb": number(kind="plain", ignored=True),
    "continue_on_error": flag(kind="plain", description="The same as `on_failure: continue`."),
    "max_retries": integer(0, kind="plain", description="The same as `retry.max_retries`."),
    **dict.fromkeys(
        ("inherit_providers", "inherit_functions", "enable_tracing", "checkpoint_enabled"),
        flag(kind="plain", description="Accepted, no effect."),
    ),
}
_named_output: Final[Mapping[str, FieldShape]] = {
    "path": text(kind="plain", required=True, description="From a step of the child on."),
    "as": text(kind="plain", description="Its name; the last word of the path without it."),
}


class NestedPipeline:
    """Another pipeline as one step, isolated: it sees its own inputs, variables and steps only."""

    shape = StepShape(
        type="pipeline",
        summary="Run another pipeline.",
        fields={
            "pipeline_file": FieldShape(
                kind="pipeline_file",
                types=("str",),
                description="Path from the file that names it. Either this or `pipeline`.",
            ),
            "pipeline": FieldShape(kind="pipeline", types=("map",), description="Written here."),
            "pipeline_ref": FieldShape(
                kind="plain", unsupported="use `pipeline_file`, or `pipeline` for an inline one"
            ),
            "inputs": FieldShape(types=("map",), description="All that the child sees."),
            "outputs": FieldShape(
                kind="plain",
                types=("list", "map"),
                item=FieldShape(kind="plain", types=("str", "map"), fields=_named_output),
                values=_plain,
                description="Paths into the child's steps, each with the name of what it gives.",
            ),
            "config": FieldShape(
                kind="plain",
                types=("map",),
                fields=_child_config,
                description="Limits and options of the child.",
            ),
        },
        check=_check_child,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        file = ctx.rendered("pipeline_file")
        child = ChildRun.of(
            ctx.step,
            file=None if file is None else to_text(file),
            inputs=ctx.rendered("inputs", default={}),
        )
        result = await ctx.run_child(child)
        metadata = {"steps": dict(result.steps)}
        if result.error is not None:
            return Outcome(data=_values(result.steps), metadata=metadata, failure=result.error)
        return Outcome(data=_outputs(ctx.step, result), metadata=metadata)


def _outputs(step: StepSpec, result: ChildResult) -> Mapping[str, Json]:
    """What the parent sees: what it asked for, else what the child declares, else every value.

    Raises:
        ExpressionError: ``undefined_reference``, something asked for is not there.
    """
    wanted = step.get("outputs")
    if wanted is None:
        return _values(result.steps) if result.outputs is None else result.outputs
    made: dict[str, Json] = {}
    for name, path in _named_paths(wanted):
        try:
            made[name] = _at(result, path)
        except ExpressionError as exc:
            raise ExpressionError(
                f"step {step.name!r}, field 'outputs': {path}: {exc.message}", code=exc.code
            ) from exc
    return made


def _named_paths(wanted: Json) -> Sequence[tuple[str, str]]:
    if isinstance(wanted, Mapping):
        return list(wanted.items())
    pairs = []
    for item in wanted:
        path = item if isinstance(item, str) else item["path"]
        name = None if isinstance(item, str) else item.get("as")
        pairs.append((name or str(parse_path(path)[-1]), path))
    return pairs


def _at(result: ChildResult, path: str) -> Json:
    # A step's name need not be a name of the expression language.
    if path in result.steps:
        return value_of(result.steps[path])
    return evaluate(path, result.scope, mode="strict")


def _values(records: Mapping[str, Record]) -> Mapping[str, Json]:
    return {name: value_of(record) for name, record in records.items()}
