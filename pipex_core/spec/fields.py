"""Tables of the fields of a workflow, of every step, of prompt parts and of declared inputs."""

from collections.abc import Mapping
from typing import Final

from pipex_core.spec.model import FieldShape, StepShape
from pipex_core.spec.option_fields import (
    budget,
    claude_options,
    flag,
    hooks,
    ignored,
    integer,
    number,
    output_formats,
    retry,
    text,
    texts,
    token_budget,
)

Table = Mapping[str, FieldShape]

on_failure: Final = text(
    kind="plain",
    default="fail",
    choices=("fail", "continue", "warn"),
    description="After a failure.",
)
_modes: Final = text(kind="plain", choices=("strict", "lenient"))
_continue: Final = FieldShape(
    kind="plain", types=("bool",), alias_of="on_failure", alias_values=((True, "continue"),)
)
_any: Final = FieldShape(kind="plain")
_map: Final = FieldShape(kind="plain", types=("map",))

_refused: Final[Table] = {
    "extends": FieldShape(unsupported="files are not composed; use a pipeline step"),
    "include": FieldShape(unsupported="files are not composed; use a pipeline step"),
    "$if": FieldShape(unsupported="use condition"),
    "error_handler": FieldShape(unsupported="use on_failure, retry or rollback"),
    "on_error": FieldShape(unsupported="use on_failure, retry or rollback"),
}

presets: Final = ("development", "production", "analysis", "chat", "test")

_defaults: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Options of all steps that do not set their own.",
    fields={
        "claude_preset": text(kind="plain", choices=presets),
        "claude_model": text(kind="plain"),
        "claude_fallback_model": text(kind="plain"),
        "claude_options": claude_options,
        "claude_output_format": output_formats,
        "gemini_model": text(kind="plain"),
        "gemini_token_budget": token_budget,
        "output_dir": text(kind="plain"),
        "timeout_seconds": number(kind="plain", above=0),
        "retry": retry,
        "on_failure": on_failure,
        "continue_on_error": _continue,
        "retry_on_error": FieldShape(
            kind="plain", types=("bool",), alias_of="retry.max_retries", alias_values=((False, 0),)
        ),
    },
)

_resource_limits: Final = FieldShape(
    kind="plain",
    types=("map",),
    fields={
        "max_total_steps": integer(1, 100_000, kind="plain", default=100_000),
        "max_memory_mb": number(kind="plain", above=0),
        "max_execution_time_s": number(kind="plain", above=0),
        "max_depth": integer(0, 10, kind="plain", default=10),
    },
)

_environment: Final = FieldShape(
    kind="plain",
    types=("map",),
    fields={
        "mode": text(kind="plain", choices=("development", "production", "test")),
        "debug_level": ignored(),
        "cost_alerts": FieldShape(
            kind="plain",
            types=("map",),
            fields={"enabled": flag(kind="plain"), "threshold_usd": number(kind="plain", low=0)},
        ),
    },
)

_gemini_functions: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Functions that Gemini steps may name.",
    values=FieldShape(
        kind="plain",
        types=("map",),
        fields={
            "description": text(kind="plain", required=True),
            "parameters": FieldShape(kind="schema", types=("map",), required=True),
        },
    ),
)

input_fields: Final[Table] = {
    "type": text(kind="plain", choices=("string", "integer", "number", "boolean", "list", "map")),
    "default": _any,
    "required": flag(kind="plain"),
    "enum": FieldShape(kind="plain", types=("list",)),
    "description": _any,
}

workflow_fields: Final[Table] = {
    "name": text(kind="plain", required=True),
    "steps": FieldShape(kind="steps", types=("list",), required=True),
    "description": _any,
    "author": _any,
    "tags": _any,
    "metadata": _any,
    "version": text(kind="plain"),
    "inputs": _map,
    "input": FieldShape(kind="plain", alias_of="inputs"),
    "variables": _map,
    "global_vars": _map,
    "outputs": FieldShape(
        kind="source", types=("map",), values=FieldShape(kind="source", types=("any",))
    ),
    "defaults": _defaults,
    "execution": text(kind="plain", default="sequential", choices=("sequential", "dag")),
    "max_concurrency": integer(1, 64, kind="plain", default=4),
    "templates": text(kind="plain", default="strict", choices=("strict", "lenient")),
    "workspace_dir": text(kind="plain"),
    "output_dir": text(kind="plain"),
    "checkpoint_dir": text(kind="plain"),
    "allow_paths": texts(kind="plain"),
    "checkpoint_enabled": flag(kind="plain", default=True),
    "budget": budget,
    "resource_limits": _resource_limits,
    "transaction": flag(kind="plain", default=False),
    "gemini_functions": _gemini_functions,
    "functions": FieldShape(kind="plain", alias_of="gemini_functions"),
    "environment": _environment,
    "hooks": hooks,
    **dict.fromkeys(
        (
            *("claude_auth", "gemini_auth", "agents", "mcp_servers", "setting_sources"),
            *("enable_skills", "enable_context_management", "memory_config", "monitoring"),
            *("telemetry", "performance", "safety", "providers", "models", "token_management"),
            *("directories", "cache_config", "async_streaming", "lazy", "batch_size"),
        ),
        ignored(),
    ),
    **_refused,
    "output": FieldShape(unsupported="use outputs"),
}

# Only in a workflow that holds an evaluation step.
workflow_config: Final = _map

step_fields: Final[Table] = {
    "name": text(kind="plain", required=True),
    "type": text(kind="plain", required=True),
    "condition": FieldShape(kind="condition", description="False skips the step."),
    "when": FieldShape(kind="condition", alias_of="condition"),
    "description": _any,
    "role": _any,
    "output_to_file": text(description="File under the output directory."),
    "output_schema": FieldShape(
        kind="schema", types=("map",), description="JSON Schema of the step's value."
    ),
    "repair": integer(0, 5, default=0, description="Extra calls to mend a wrong value."),
    "retry": retry,
    "retry_config": FieldShape(kind="plain", alias_of="retry"),
    "max_retries": FieldShape(kind="plain", alias_of="retry.max_retries"),
    "timeout_seconds": number(above=0, description="Of the whole step, retries included."),
    "on_failure": on_failure,
    "optional": _continue,
    "continue_on_error": _continue,
    "depends_on": texts(kind="plain", description="Earlier steps of the same list."),
    "cache": FieldShape(
        kind="plain",
        types=("bool", "map"),
        default=False,
        fields={
            "ttl_seconds": number(kind="plain", low=0, description="Older replies are not used."),
            "key": text(description="Stands for the prompt where replies are looked up."),
        },
        description="Reuse the reply to an equal request, also of earlier runs.",
    ),
    "streaming": FieldShape(
        kind="plain",
        types=("bool", "map"),
        default=False,
        fields={
            "enabled": flag(kind="plain"),
            "handler": text(
                kind="plain", choices=("console", "simple", "debug", "file", "callback", "buffer")
            ),
            "buffer_size": integer(1, kind="plain"),
        },
    ),
    "rollback": FieldShape(kind="steps", types=("list",), description="Run on undo."),
    "templates": _modes,
    "pin_model": flag(kind="plain", default=False),
    "tags": _any,
    "metadata": _any,
    "conversation": FieldShape(unsupported="write one step per turn"),
    "pipeline_ref": FieldShape(unsupported="use pipeline_file"),
    **dict.fromkeys(
        (
            *("monitoring", "telemetry", "performance", "safety", "token_management"),
            *("agents", "mcp_servers", "enable_skills", "memory_config", "permission_mode"),
            *("setting_sources", "enable_context_management", "cache_config", "async_streaming"),
        ),
        ignored(),
    ),
    **_refused,
}

_part_condition: Final = {"condition": FieldShape(kind="condition")}
_part_type: Final = {"type": text(kind="plain")}

part_fields: Final[Mapping[str, Table]] = {
    "static": {
        **_part_type,
        **_part_condition,
        "content": FieldShape(required=True),
        "raw": flag(kind="plain", default=False),
    },
    "file": {
        **_part_type,
        **_part_condition,
        "path": text(required=True),
        "encoding": text(default="utf-8"),
        "max_bytes": integer(1),
    },
    "previous_response": {
        **_part_type,
        **_part_condition,
        "step": text(required=True),
        "extract": text(),
        "strict": flag(default=True),
        "extract_with": ignored(),
        "summary": flag(),
        "max_length": integer(0),
        "format": text(),
    },
    "session_context": {
        **_part_type,
        **_part_condition,
        "session_id": text(required=True),
        "include_last_n": integer(1, default=5),
    },
    "claude_continue": {
        **_part_type,
        **_part_condition,
        "session_id": text(required=True),
        "new_prompt": FieldShape(),
    },
}


def fields_of(shape: StepShape) -> Table:
    """All fields of a step type: its own ones over those of every step."""
    common = dict(step_fields)
    if "condition" in shape.fields:
        common["when"] = FieldShape(kind="condition", description="False skips the step.")
    return {**common, **shape.fields}
