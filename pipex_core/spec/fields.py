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
    description="`fail` ends the run; `continue` and `warn` go on with a warning.",
)
_modes: Final = text(
    kind="plain",
    choices=("strict", "lenient"),
    description="Whether an undefined name fails the step or is null; else the workflow's.",
)
_continue: Final = FieldShape(
    kind="plain", types=("bool",), alias_of="on_failure", alias_values=((True, "continue"),)
)


def _any(description: str) -> FieldShape:
    return FieldShape(kind="plain", description=description)


def _map(description: str) -> FieldShape:
    return FieldShape(kind="plain", types=("map",), description=description)


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
        "claude_preset": text(
            kind="plain", choices=presets, description="Preset of Claude steps that take one."
        ),
        "claude_model": text(kind="plain", description="Model of Claude steps."),
        "claude_fallback_model": text(
            kind="plain", description="Asked once when that model cannot be reached."
        ),
        "claude_options": claude_options,
        "claude_output_format": output_formats,
        "gemini_model": text(kind="plain", description="Model of Gemini steps."),
        "gemini_token_budget": token_budget,
        "output_dir": text(kind="plain", description="Where `output_to_file` goes."),
        "timeout_seconds": number(
            kind="plain", above=0, description="Of each step, retries included."
        ),
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
        "max_total_steps": integer(
            1,
            100_000,
            kind="plain",
            default=100_000,
            description="Steps executed in the whole run.",
        ),
        "max_memory_mb": number(
            kind="plain",
            above=0,
            description="Memory of the process above which no further step starts.",
        ),
        "max_execution_time_s": number(kind="plain", above=0, description="Time of the whole run."),
        "max_depth": integer(
            0, 10, kind="plain", default=10, description="Levels of nested pipelines."
        ),
    },
    description="Lower limits than the built-in ones.",
)

_environment: Final = FieldShape(
    kind="plain",
    types=("map",),
    fields={
        "mode": text(
            kind="plain",
            choices=("development", "production", "test"),
            description="Chooses the preset of steps that are `environment_aware`.",
        ),
        "debug_level": ignored(),
        "cost_alerts": FieldShape(
            kind="plain",
            types=("map",),
            fields={
                "enabled": flag(kind="plain", description="Whether to warn."),
                "threshold_usd": number(
                    kind="plain", low=0, description="US dollars above which to warn, once."
                ),
            },
            description="`enabled` and `threshold_usd`: warn once when a run costs more.",
        ),
    },
    description="What the workflow is run for.",
)

_gemini_functions: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Functions that Gemini steps may name.",
    values=FieldShape(
        kind="plain",
        types=("map",),
        fields={
            "description": text(
                kind="plain",
                required=True,
                description="What the function is for, in words for the model.",
            ),
            "parameters": FieldShape(
                kind="schema",
                types=("map",),
                required=True,
                description="JSON Schema of its arguments.",
            ),
        },
    ),
)

input_fields: Final[Table] = {
    "type": text(
        kind="plain",
        choices=("string", "integer", "number", "boolean", "list", "map"),
        description="What text of the command line is converted to.",
    ),
    "default": _any("Its value when the run gives none."),
    "required": flag(
        kind="plain",
        description="Whether a run must give it; by default when there is no `default`.",
    ),
    "enum": FieldShape(kind="plain", types=("list",), description="The values that are allowed."),
    "description": _any("What it is, for people."),
}

workflow_fields: Final[Table] = {
    "name": text(
        kind="plain",
        required=True,
        description="1 to 200 characters; what checkpoints and results are filed under.",
    ),
    "steps": FieldShape(
        kind="steps", types=("list",), required=True, description="The steps, in order."
    ),
    "description": _any("What it does; read as `workflow.description`."),
    "author": _any("Kept; read as `workflow.author`."),
    "tags": _any("Kept; read as `workflow.tags`."),
    "metadata": _any("Kept; read as `workflow.metadata`."),
    "version": text(kind="plain", description="Of the pipeline; part of its digest."),
    "inputs": _map("What a run is given: name to `type`, `default` and more, or to a default."),
    "input": FieldShape(kind="plain", alias_of="inputs"),
    "variables": _map("Name to first value; steps may change them."),
    "global_vars": _map("Constants, read as `global_vars.x`."),
    "outputs": FieldShape(
        kind="source",
        types=("map",),
        values=FieldShape(kind="source", types=("any",)),
        description="Name to expression: what the run gives, evaluated at its end.",
    ),
    "defaults": _defaults,
    "execution": text(
        kind="plain",
        default="sequential",
        choices=("sequential", "dag"),
        description="`dag`: a step waits only for what it uses.",
    ),
    "max_concurrency": integer(
        1, 64, kind="plain", default=4, description="Steps of one run in flight."
    ),
    "templates": text(
        kind="plain",
        default="strict",
        choices=("strict", "lenient"),
        description="Whether an undefined name fails a step or is null.",
    ),
    "workspace_dir": text(
        kind="plain", description="The only folder that steps and tools may write in."
    ),
    "output_dir": text(kind="plain", description="Where `output_to_file` goes."),
    "checkpoint_dir": text(kind="plain", description="Where journals and checkpoints are kept."),
    "allow_paths": texts(
        kind="plain",
        description="Folders to read from, if the run is started with `--allow-path` for each.",
    ),
    "checkpoint_enabled": flag(
        kind="plain", default=True, description="Whether checkpoints are saved."
    ),
    "budget": budget,
    "resource_limits": _resource_limits,
    "transaction": flag(
        kind="plain",
        default=False,
        description="Undo what steps did when the run fails, last step first.",
    ),
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
workflow_config: Final = _map("Variables of an evaluation, by name.")

step_fields: Final[Table] = {
    "name": text(
        kind="plain",
        required=True,
        description="Unique in its list and in those around it; letters, digits, `_`, `-`, `.`.",
    ),
    "type": text(kind="plain", required=True, description="One of the types below."),
    "condition": FieldShape(kind="condition", description="False skips the step."),
    "when": FieldShape(kind="condition", alias_of="condition"),
    "description": _any("What it is for; no effect."),
    "role": _any("Kept; no effect."),
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
            "enabled": flag(kind="plain", description="Whether to stream."),
            "handler": text(
                kind="plain",
                choices=("console", "simple", "debug", "file", "callback", "buffer"),
                description="Where the pieces go.",
            ),
            "buffer_size": integer(
                1,
                kind="plain",
                description="Characters that are gathered before they are handed on.",
            ),
        },
        description="Hand on the reply while it comes; the record stays the same.",
    ),
    "rollback": FieldShape(kind="steps", types=("list",), description="Run on undo."),
    "templates": _modes,
    "pin_model": flag(
        kind="plain", default=False, description="An evaluation may not ask another model here."
    ),
    "tags": _any("Kept in the `metadata` of its record."),
    "metadata": _any("Kept in the `metadata` of its record."),
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

_part_condition: Final = {
    "condition": FieldShape(kind="condition", description="False drops the part.")
}
_part_type: Final = {"type": text(kind="plain", description="Which kind of part it is.")}

part_fields: Final[Mapping[str, Table]] = {
    "static": {
        **_part_type,
        **_part_condition,
        "content": FieldShape(required=True, description="The text."),
        "raw": flag(kind="plain", default=False, description="Braces are text."),
    },
    "file": {
        **_part_type,
        **_part_condition,
        "path": text(required=True, description="In the workspace, or beside the pipeline."),
        "encoding": text(default="utf-8", description="Of the file."),
        "max_bytes": integer(1, description="A larger file is an error."),
    },
    "previous_response": {
        **_part_type,
        **_part_condition,
        "step": text(required=True, description="Whose result it is."),
        "extract": text(description="Path into the result; without it the text."),
        "strict": flag(
            default=True, description="Whether a path that leads nowhere fails the step."
        ),
        "extract_with": ignored(),
        "summary": flag(description="The same as `max_length: 500`."),
        "max_length": integer(0, description="Cut to so many characters."),
        "format": text(description="`json`: as JSON, also when there is text."),
    },
    "session_context": {
        **_part_type,
        **_part_condition,
        "session_id": text(required=True, description="Name of the session."),
        "include_last_n": integer(1, default=5, description="How many of its last turns."),
    },
    "claude_continue": {
        **_part_type,
        **_part_condition,
        "session_id": text(
            required=True, description="Name of the session that the call goes on with."
        ),
        "new_prompt": FieldShape(description="What is said in it."),
    },
}


def fields_of(shape: StepShape) -> Table:
    """All fields of a step type: its own ones over those of every step."""
    common = dict(step_fields)
    if "condition" in shape.fields:
        common["when"] = FieldShape(kind="condition", description="False skips the step.")
    return {**common, **shape.fields}
