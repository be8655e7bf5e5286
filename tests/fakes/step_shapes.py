"""Tables of step types for tests of the loader, the check and the plan: one of every kind of field.

They say what the language says of these types, and are no classes: what the loader makes of a table
must not depend on which step types are built in today.
"""

from collections.abc import Iterable

from pipex_core.spec.fields import presets
from pipex_core.spec.model import Effect, FieldShape, Shapes, StepShape, StepSpec
from pipex_core.spec.option_fields import claude_options, flag, hooks, integer, text, token_budget

prompt = FieldShape(kind="prompt", required=True)
block = FieldShape(kind="steps", types=("list",), required=True)


def _written(step: StepSpec) -> Iterable[Effect]:
    names = [step.get("variable"), *step.get("variables", {})]
    return [Effect(kind="variable", name=name, writes=True) for name in names if name]


def _opened(step: StepSpec) -> Iterable[str]:
    return [step.get("iterator", "item")]


_shapes = [
    StepShape(
        type="echo",
        summary="",
        fields={"value": FieldShape(), "fail": flag(), "test": FieldShape(kind="expression")},
    ),
    StepShape(
        type="set_variable",
        summary="",
        fields={
            "variables": FieldShape(types=("map",)),
            "variable": text(kind="plain"),
            "value": FieldShape(),
        },
        effects=_written,
    ),
    StepShape(
        type="data_transform",
        summary="",
        fields={
            "input_source": FieldShape(kind="source", required=True),
            "operations": FieldShape(kind="operations", required=True),
            "output_field": text(kind="plain"),
        },
        aliases=lambda step: [step.fields["output_field"]] if "output_field" in step.fields else [],
    ),
    StepShape(
        type="claude",
        summary="",
        is_model=True,
        family="claude",
        fields={"prompt": prompt, "claude_options": claude_options},
    ),
    StepShape(
        type="claude_smart",
        summary="",
        is_model=True,
        family="claude",
        fields={
            "prompt": prompt,
            "claude_options": claude_options,
            "preset": text(kind="plain", choices=presets),
            "environment_aware": flag(kind="plain"),
        },
    ),
    StepShape(
        type="claude_batch",
        summary="",
        is_model=True,
        family="claude",
        preset="development",
        fields={
            "tasks": FieldShape(
                types=("list",),
                item=FieldShape(
                    types=("map",),
                    fields={"id": text(), "prompt": prompt, "claude_options": claude_options},
                ),
            ),
            "claude_options": claude_options,
        },
    ),
    StepShape(
        type="gemini",
        summary="",
        is_model=True,
        family="gemini",
        fields={
            "prompt": prompt,
            "model": text(),
            "token_budget": token_budget,
            "functions": FieldShape(kind="function_names", types=("list",)),
            "timeout_ms": integer(1),
        },
    ),
    StepShape(
        type="pipeline",
        summary="",
        fields={
            "pipeline_file": FieldShape(kind="pipeline_file"),
            "pipeline": FieldShape(kind="pipeline"),
            "inputs": FieldShape(types=("map",)),
            "config": FieldShape(
                kind="plain", types=("map",), fields={"inherit_context": flag(kind="plain")}
            ),
        },
    ),
    StepShape(
        type="for_loop",
        summary="",
        is_loop=True,
        fields={
            "steps": block,
            "data_source": FieldShape(kind="source", types=("list", "str"), required=True),
            "items": FieldShape(alias_of="data_source"),
            "iterator": text(kind="plain"),
            "parallel": flag(kind="plain"),
            "max_parallel": integer(1, 64, kind="plain"),
            "continue_condition": FieldShape(kind="condition", sees="iteration"),
            "break_condition": FieldShape(kind="condition", sees="body"),
        },
        opens=_opened,
        parallel=lambda step: step.get("parallel") is True,
    ),
    StepShape(
        type="while_loop",
        summary="",
        is_loop=True,
        fields={
            "steps": block,
            "condition": FieldShape(kind="condition", required=True, sees="body"),
        },
    ),
    StepShape(
        type="switch",
        summary="",
        fields={
            "expression": FieldShape(kind="source", types=("str",), required=True),
            "cases": FieldShape(kind="cases", required=True),
            "default": FieldShape(kind="steps", types=("list",)),
        },
    ),
    StepShape(type="break", summary="", fields={}, needs_loop=True),
    StepShape(type="checkpoint", summary="", fields={"label": text()}, boundary=True),
    StepShape(
        type="eval_batch",
        summary="",
        is_eval=True,
        fields={
            "test_suite": FieldShape(required=True),
            "max_concurrency": integer(1, 64),
            "max_concurrent": FieldShape(alias_of="max_concurrency"),
            "hooks": hooks,
        },
    ),
]

step_shapes: Shapes = {shape.type: shape for shape in _shapes} | {"test_echo": _shapes[0]}
