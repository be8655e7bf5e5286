"""Tables of the options of model calls and retries, shared by steps and by the workflow's defaults."""

from dataclasses import replace
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.spec.model import FieldShape


def text(**more: Json) -> FieldShape:
    """A field that holds text."""
    return FieldShape(types=("str",), **more)


def integer(low: int | None = None, high: int | None = None, **more: Json) -> FieldShape:
    """A field that holds an integer within bounds."""
    return FieldShape(types=("int",), low=low, high=high, **more)


def number(**more: Json) -> FieldShape:
    """A field that holds a number."""
    return FieldShape(types=("num",), **more)


def flag(**more: Json) -> FieldShape:
    """A field that holds true or false."""
    return FieldShape(types=("bool",), **more)


def texts(**more: Json) -> FieldShape:
    """A field that holds a list of texts."""
    return FieldShape(types=("list",), item=text(kind=more.get("kind", "template")), **more)


def ignored() -> FieldShape:
    """A field of old files that changes nothing."""
    return FieldShape(kind="plain", ignored=True)


models: Final = {
    "sonnet": "claude-sonnet-5-5",
    "opus": "claude-opus-5-5",
    "haiku": "claude-haiku-5-5",
}

output_formats: Final = FieldShape(
    types=("str",),
    default="text",
    choices=("text", "json", "stream_json"),
    choices_of={"stream-json": "stream_json"},
)

retry: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Retries of the step; the only layer that retries.",
    fields={
        "max_retries": integer(0, kind="plain"),
        "backoff_strategy": text(
            kind="plain", default="exponential", choices=("exponential", "linear", "fixed")
        ),
        "backoff": text(kind="plain", alias_of="backoff_strategy"),
        "base_delay_ms": number(kind="plain", default=1000, low=0),
        "max_delay_ms": number(kind="plain", default=30000, low=0),
        "jitter": flag(kind="plain", default=True),
        "retry_on": texts(kind="plain"),
        "retry_conditions": FieldShape(kind="plain", alias_of="retry_on"),
        "fallback_action": text(kind="plain"),
        "emergency_text": text(kind="plain"),
    },
)

hooks: Final = FieldShape(
    kind="plain",
    types=("map",),
    keys=("PreToolUse", "PostToolUse"),
    values=FieldShape(
        kind="plain",
        types=("list",),
        item=FieldShape(
            kind="plain",
            types=("map",),
            fields={
                "matcher": text(kind="plain"),
                "deny": texts(
                    kind="plain",
                    description="Patterns beside the built-in ones, for `validate_bash`.",
                ),
                "hooks": FieldShape(
                    kind="plain",
                    types=("list",),
                    item=text(
                        kind="plain", choices=("log_tool_use", "audit_tool", "validate_bash")
                    ),
                ),
            },
        ),
    ),
)

budget: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Limits of what a run may spend.",
    fields={
        "max_cost_usd": number(kind="plain", low=0),
        "max_tokens": integer(0, kind="plain"),
        "max_calls": integer(0, kind="plain"),
        "on_exceed": text(kind="plain", default="stop", choices=("stop", "warn")),
        "unknown_price": text(kind="plain", default="highest", choices=("highest", "refuse")),
    },
)

claude_options: Final = FieldShape(
    types=("map",),
    description="How Claude is called.",
    fields={
        "model": text(),
        "fallback_model": text(),
        "max_turns": integer(1, default=3),
        "allowed_tools": texts(),
        "disallowed_tools": texts(),
        "system_prompt": text(),
        "append_system_prompt": text(),
        "output_format": output_formats,
        "cwd": text(),
        "max_tokens": integer(1),
        "temperature": number(low=0),
        "top_p": number(low=0, high=1),
        "top_k": integer(1),
        "timeout_ms": integer(1, default=300_000),
        "session_id": text(),
        "resume_session": flag(),
        "retry_config": retry,
        "budget": replace(budget, description="Limits of what the calls of a step may spend."),
        "hooks": hooks,
        **dict.fromkeys(
            ("verbose", "debug_mode", "telemetry_enabled", "cost_tracking", "print"), flag()
        ),
        **dict.fromkeys(
            (
                *("mcp_servers", "agents", "permission_mode", "enable_skills", "setting_sources"),
                *("memory_config", "enable_context_management", "async_streaming", "monitoring"),
                *("telemetry", "performance", "safety", "cache_config"),
            ),
            ignored(),
        ),
    },
)

token_budget: Final = FieldShape(
    types=("map",),
    description="Sampling and sizes of a Gemini call.",
    fields={
        "max_output_tokens": integer(1),
        "max_input_tokens": integer(1),
        "temperature": number(low=0),
        "top_p": number(low=0, high=1),
        "top_k": integer(1),
    },
)
