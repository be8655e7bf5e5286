"""Tables of the options of model calls and retries, shared by steps and by the workflow's defaults."""

from collections.abc import Iterable
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


def words(names: Iterable[str]) -> str:
    """Names as a description lists them."""
    return ", ".join(f"`{name}`" for name in names)


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
    description="`json`: the reply must parse; `stream_json`: it is streamed.",
)

retry: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Retries of the step; the only layer that retries.",
    fields={
        "max_retries": integer(
            0, kind="plain", description="Further tries after the first; 3 for model steps, else 0."
        ),
        "backoff_strategy": text(
            kind="plain",
            default="exponential",
            choices=("exponential", "linear", "fixed"),
            description="How the waits grow.",
        ),
        "backoff": text(kind="plain", alias_of="backoff_strategy"),
        "base_delay_ms": number(
            kind="plain", default=1000, low=0, description="Wait before the first retry."
        ),
        "max_delay_ms": number(
            kind="plain", default=30000, low=0, description="No wait is longer."
        ),
        "jitter": flag(
            kind="plain",
            default=True,
            description="Shortens each wait by chance, to half of it at most.",
        ),
        "retry_on": texts(
            kind="plain",
            description="Error codes, or words of the message; without it what may pass.",
        ),
        "retry_conditions": FieldShape(kind="plain", alias_of="retry_on"),
        "fallback_action": text(
            kind="plain", description="Of `claude_robust`: what to do when no try succeeded."
        ),
        "emergency_text": text(
            kind="plain", description="Of `claude_robust`: the text of `emergency_response`."
        ),
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
                "matcher": text(
                    kind="plain",
                    description="Regular expression over whole names of tools; without it all.",
                ),
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
                    description="What to do.",
                ),
            },
        ),
    ),
    description="Tool calls to log or refuse, before or after they happen.",
)

budget: Final = FieldShape(
    kind="plain",
    types=("map",),
    description="Limits of what a run may spend.",
    fields={
        "max_cost_usd": number(kind="plain", low=0, description="US dollars."),
        "max_tokens": integer(0, kind="plain", description="Tokens, of prompts and replies."),
        "max_calls": integer(0, kind="plain", description="Calls, failed ones included."),
        "on_exceed": text(
            kind="plain",
            default="stop",
            choices=("stop", "warn"),
            description="`stop` fails before the call; `warn` goes on.",
        ),
        "unknown_price": text(
            kind="plain",
            default="highest",
            choices=("highest", "refuse"),
            description="For a model without a price: the highest known one, or an error.",
        ),
    },
)

claude_options: Final = FieldShape(
    types=("map",),
    description="How Claude is called.",
    fields={
        "model": text(
            description="A model, an alias (`sonnet`, `opus`, `haiku`) or a group of models."
        ),
        "fallback_model": text(description="Asked once when the model cannot be reached."),
        "max_turns": integer(1, default=3, description="Turns of the model while it uses tools."),
        "allowed_tools": texts(description="Tools that it may use; none unless named."),
        "disallowed_tools": texts(description="Tools that it may not use, also when allowed."),
        "system_prompt": text(description="Stands before the conversation."),
        "append_system_prompt": text(
            description="Goes behind the system prompt, also that of a preset."
        ),
        "output_format": output_formats,
        "cwd": text(description="Folder of the workspace that tools work in; it is made."),
        "max_tokens": integer(1, description="Of the reply."),
        "temperature": number(low=0, description="Sampling; the provider's without it."),
        "top_p": number(low=0, high=1, description="Sampling; the provider's without it."),
        "top_k": integer(1, description="Sampling; the provider's without it."),
        "timeout_ms": integer(1, default=300_000, description="Of one call."),
        "session_id": text(description="Session that the call belongs to."),
        "resume_session": flag(description="Go on with its earlier turns; false starts it empty."),
        "retry_config": retry,
        "budget": replace(budget, description="Limits of what the calls of a step may spend."),
        "hooks": hooks,
        **dict.fromkeys(
            ("verbose", "debug_mode", "telemetry_enabled", "cost_tracking", "print"),
            flag(description="Accepted; changes no result."),
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
        "max_output_tokens": integer(1, description="Of the reply."),
        "max_input_tokens": integer(1, description="A longer prompt is an error before the call."),
        "temperature": number(low=0, description="Sampling; the provider's without it."),
        "top_p": number(low=0, high=1, description="Sampling; the provider's without it."),
        "top_k": integer(1, description="Sampling; the provider's without it."),
    },
)
