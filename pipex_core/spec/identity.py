"""What a step and a pipeline mean, as digests: equal ones give equal requests to equal inputs."""

from collections.abc import Mapping, Sequence
from typing import Final

from pipex_core.jsonvalue import Json, digest
from pipex_core.spec.fields import fields_of
from pipex_core.spec.model import FieldShape, PipelineSpec, Shapes, StepSpec
from pipex_core.spec.options import effective

# When and how often, but not what.
_timing: Final = frozenset(
    {
        *("retry", "retry_config", "timeout_seconds", "timeout_ms", "timeout_per_task", "cache"),
        *("streaming", "max_parallel", "max_concurrency", "max_concurrent", "batch_size"),
    }
)
# Words for people, and what the effective options say in the end.
_not_meaning: Final = _timing | frozenset(
    {
        *("description", "role", "tags", "metadata", "pin_model", "preset", "environment_aware"),
        *("claude_options", "token_budget", "model", "templates", "on_failure", "repair"),
    }
)
_workflow_meaning: Final = (
    *("name", "version", "variables", "global_vars", "outputs", "gemini_functions"),
    "transaction",
)
_not_options: Final = _timing | frozenset(
    ("preset", "verbose", "debug_mode", "telemetry_enabled", "cost_tracking", "print")
)
_about: Final = ("description", "author", "tags", "metadata")


def pipeline_digest(spec: PipelineSpec, steps: Sequence[str], *, about: bool) -> str:
    """Digest of a pipeline from those of its steps.

    Args:
        spec: As checked.
        steps: Digests of the top-level steps, in file order.
        about: Whether a text reads the workflow's description or the like, which then have a meaning.
    """
    names = (*_workflow_meaning, *_about) if about else _workflow_meaning
    return digest(
        {
            "workflow": {name: spec.fields[name] for name in names if name in spec.fields},
            "inputs": {
                name: [one.type, one.has_default, one.default, one.required, list(one.enum)]
                for name, one in spec.inputs.items()
            },
            "steps": list(steps),
        }
    )


def step_digest(
    step: StepSpec,
    spec: PipelineSpec,
    shapes: Shapes,
    *,
    children: Mapping[str, str],
    run_options: Mapping[str, Json],
    environment: Mapping[str, Json],
) -> str:
    """Digest of a step with all that it holds.

    Args:
        step: A step of ``spec``, nested or not.
        spec: As checked.
        shapes: All step types that it uses.
        children: Path of a step to the digest of the child pipeline that it runs.
        run_options: Strongest layer of options.
        environment: Layer of options below the workflow's defaults.
    """
    shape = shapes[step.type]
    fields = fields_of(shape)
    options = effective(step, spec, shape, run_options=run_options, environment=environment)
    blocks = {
        name: [
            step_digest(
                inner,
                spec,
                shapes,
                children=children,
                run_options=run_options,
                environment=environment,
            )
            for inner in block
        ]
        for name, block in step.blocks.items()
    }
    return digest(
        {
            "name": step.name,
            "type": step.type,
            "fields": {
                name: _meaning(value, fields[name])
                for name, value in step.fields.items()
                if name not in _not_meaning
            },
            "options": {
                name: value for name, value in options.values.items() if name not in _not_options
            },
            "blocks": blocks,
            "child": children.get(step.path),
        }
    )


def _meaning(value: Json, shape: FieldShape) -> Json:
    """The value without its settings of time; a prompt in its one long form."""
    if shape.kind == "prompt":
        parts = value if isinstance(value, list) else [value]
        return [
            {"type": "static", "content": part} if isinstance(part, str) else part for part in parts
        ]
    if isinstance(value, Mapping) and shape.fields is not None:
        return {
            name: _meaning(inner, shape.fields[name])
            for name, inner in value.items()
            if name not in _timing
        }
    if isinstance(value, list) and shape.item is not None:
        return [_meaning(inner, shape.item) for inner in value]
    return value
