"""Steps that ask one model once: ``claude`` with its kin, ``gemini`` and ``gemini_instructor``."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from pipex_core.errors import InvalidReply, PipexError, ProviderError, StepError
from pipex_core.expressions.template import has_template
from pipex_core.expressions.values import Undefined, to_text, undefined
from pipex_core.jsonvalue import Json, check_schema
from pipex_core.llm.client import Reply
from pipex_core.llm.mock_rules import default_text
from pipex_core.llm.provider import Message, Request, ToolCall, ToolDefinition
from pipex_core.llm.structured import loosened
from pipex_core.registry import nearest
from pipex_core.spec.fields import presets
from pipex_core.spec.model import Effect, FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import (
    claude_options,
    flag,
    integer,
    text,
    texts,
    token_budget,
)
from pipex_core.steps.contract import Outcome, StepContext
from pipex_core.steps.model_call import (
    Asked,
    InSession,
    ask,
    ask_claude,
    claude_asked,
    default_exchanges,
    request_of,
    value_in_text,
)
from pipex_core.steps.prompts import prompt_text

simplified_length: Final = 500
no_answer: Final = "[emergency] no response available"
fallback_actions: Final = (
    *("fail", "skip", "graceful_degradation", "use_cached_response", "cached_response"),
    *("simplified_prompt", "emergency_response", "mock_response"),
)

_prompt: Final = FieldShape(
    kind="prompt", types=("str", "list"), required=True, description="A text, or a list of parts."
)


class Claude:
    """One question to a Claude model: text in, text out, with the JSON of the reply where it is one."""

    shape = StepShape(
        type="claude",
        summary="Ask a Claude model.",
        is_model=True,
        family="claude",
        fields={"prompt": _prompt, "claude_options": claude_options},
    )

    async def run(self, ctx: StepContext) -> Outcome:
        return await ask_claude(ctx)


class ClaudeSmart:
    """``claude`` with the options of a preset, or of the one that the environment's mode names."""

    shape = StepShape(
        type="claude_smart",
        summary="Ask a Claude model with the options of a preset.",
        is_model=True,
        family="claude",
        fields={
            "prompt": _prompt,
            "claude_options": claude_options,
            "preset": text(
                kind="plain", choices=presets, description="Options that fill what is not set."
            ),
            "environment_aware": flag(
                kind="plain", description="Without `preset`, choose it by `environment.mode`."
            ),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        return await ask_claude(ctx)


def _session_effects(step: StepSpec) -> Iterable[Effect]:
    config = step.get("session_config", {})
    name = config.get("session_name", "*") if isinstance(config, Mapping) else "*"
    known = isinstance(name, str) and not has_template(name)
    yield Effect(kind="session", name=name if known else "*", writes=True)


class ClaudeSession:
    """One exchange of a session: the model sees the earlier turns, later steps see this one."""

    shape = StepShape(
        type="claude_session",
        summary="Go on with a named conversation with a Claude model.",
        is_model=True,
        family="claude",
        fields={
            "prompt": _prompt,
            "claude_options": claude_options,
            "session_config": FieldShape(
                types=("map",),
                required=True,
                fields={
                    "session_name": text(
                        required=True,
                        description="Name of the conversation; `session_id` means the same.",
                    ),
                    "session_id": text(alias_of="session_name"),
                    "persist": flag(
                        kind="plain", default=True, description="Keep it for later runs."
                    ),
                    "continue_on_restart": flag(
                        kind="plain",
                        default=True,
                        description="Later runs go on with it; false starts empty in each run.",
                    ),
                    "max_turns": integer(
                        1,
                        kind="plain",
                        default=default_exchanges,
                        description="Exchanges; one more is `session_limit`.",
                    ),
                    "max_session_turns": FieldShape(kind="plain", alias_of="max_turns"),
                    "checkpoint_frequency": integer(
                        1,
                        kind="plain",
                        default=1,
                        description="Each exchange is durable anyway.",
                    ),
                    "checkpoint_interval": FieldShape(
                        kind="plain", alias_of="checkpoint_frequency"
                    ),
                    "description": text(kind="plain", description="What it is about; no effect."),
                },
                description="Which conversation it is.",
            ),
        },
        effects=_session_effects,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        config = ctx.step.get("session_config")
        persists = config.get("persist", True)
        session = InSession(
            name=to_text(ctx.expand(config["session_name"], "session_config.session_name")),
            persists=persists,
            is_fresh=not (persists and config.get("continue_on_restart", True)),
            max_turns=config.get("max_turns", default_exchanges),
        )
        return await ask(ctx, replace(claude_asked(ctx), session=session))


def _unknown_fallback(step: StepSpec) -> Iterable[Finding]:
    retry = step.get("retry", {})
    action = retry.get("fallback_action") if isinstance(retry, Mapping) else None
    if action is not None and action not in fallback_actions:
        yield Finding(
            code="unknown_value",
            message=f"a fallback is one of {', '.join(fallback_actions)}, not {action!r}",
            path="retry.fallback_action",
            suggestion=nearest(str(action), fallback_actions),
        )


class ClaudeRobust:
    """``claude`` with an answer for the case that no attempt succeeds, marked as such."""

    shape = StepShape(
        type="claude_robust",
        summary="Ask a Claude model, with a fallback when it cannot be reached.",
        is_model=True,
        family="claude",
        fields={"prompt": _prompt, "claude_options": claude_options},
        check=_unknown_fallback,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        asked = claude_asked(ctx)
        try:
            outcome = await ask(ctx, asked)
        except ProviderError as error:
            return await _instead(ctx, asked, error)
        except StepError as error:
            if error.code != "output_schema_failed":
                raise
            return await _instead(ctx, asked, error)
        ctx.answers[_known_as(ctx, asked.request)] = outcome.text or ""
        return outcome


async def _instead(ctx: StepContext, asked: Asked, error: PipexError) -> Outcome:
    """What the step's fallback gives after the last error; that error where it has none."""
    retry = ctx.options.get("retry", {})
    action = retry.get("fallback_action", "fail")
    degraded = f"[degraded] {ctx.redact(error.message)}"
    facts: dict[str, Json] = {
        "fallback_action": action,
        "last_error": {
            "code": error.code,
            "message": ctx.redact(error.message),
            "retryable": error.retryable,
            "path": ctx.path,
        },
    }
    match action:
        case "skip":
            reason = f"no attempt succeeded: {ctx.redact(error.message)}"
            return Outcome(skipped=reason, metadata=facts)
        case "graceful_degradation":
            given = degraded
        case "use_cached_response" | "cached_response":
            known = ctx.answers.get(_known_as(ctx, asked.request)) or ctx.cached(asked.request)
            given = known or degraded
        case "simplified_prompt":
            simple = await _simplified(ctx, asked)
            if simple is not None:
                return replace(simple, degraded=True, metadata={**simple.metadata, **facts})
            given = degraded
        case "emergency_response":
            given = to_text(ctx.expand(retry.get("emergency_text", no_answer), "emergency_text"))
        case "mock_response":
            given = default_text(asked.request.prompt)
        case _:
            raise error
    return Outcome(text=given, degraded=True, metadata=facts)


def _known_as(ctx: StepContext, request: Request) -> tuple[str, str]:
    return ctx.step.path, request.prompt


async def _simplified(ctx: StepContext, asked: Asked) -> Outcome | None:
    """The answer to the beginning of the prompt, asked once and without tools; None when it fails."""
    start = Message(role="user", text=asked.request.prompt[:simplified_length])
    simple = replace(
        asked,
        request=replace(asked.request, messages=(start,)),
        fallback_model=None,
        toolbox=None,
        repairs=0,
        retries=0,
    )
    try:
        return await ask(ctx, simple)
    except (ProviderError, StepError):
        return None


_gemini_fields: Final = {
    "prompt": _prompt,
    "model": text(description="A model, or a group of models."),
    "token_budget": token_budget,
    "functions": texts(
        kind="function_names", description="Names of `gemini_functions` that the model may call."
    ),
    "timeout_ms": integer(1, description="Of one call."),
}


class Gemini:
    """One question to a Gemini model, which may answer with a call of a declared function."""

    shape = StepShape(
        type="gemini",
        summary="Ask a Gemini model.",
        is_model=True,
        family="gemini",
        fields=_gemini_fields,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        return await _ask_gemini(ctx, ctx.step.get("output_schema"))


class GeminiInstructor:
    """``gemini`` that answers with a value of a schema, mended where it does not fit."""

    shape = StepShape(
        type="gemini_instructor",
        summary="Ask a Gemini model for a value of a schema.",
        is_model=True,
        family="gemini",
        fields={
            **_gemini_fields,
            "schema": FieldShape(kind="schema", alias_of="output_schema"),
            "validation_mode": text(
                kind="plain",
                default="strict",
                choices=("strict", "loose"),
                description="`loose` drops unknown properties and converts text first.",
            ),
            "repair": integer(0, 5, default=1, description="Extra calls to mend a wrong value."),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        schema = ctx.step.get("output_schema")
        if schema is None:
            first = next(iter(_functions(ctx)), None)
            schema = None if first is None else first.parameters
        return await _ask_gemini(
            ctx, schema, is_loose=ctx.step.get("validation_mode", "strict") == "loose"
        )


async def _ask_gemini(
    ctx: StepContext, schema: Mapping[str, Json] | None, *, is_loose: bool = False
) -> Outcome:
    functions = {function.name: function for function in _functions(ctx)}
    request = request_of(ctx, prompt_text(ctx), vendor="gemini")
    _check_size(ctx, request)

    def value(reply: Reply) -> Json | Undefined:
        found = value_in_text(reply)
        calls = reply.response.tool_calls
        if found is undefined and calls:
            found = _arguments(calls[0], functions, request)
        if is_loose and schema is not None and found is not undefined:
            return loosened(found, schema)
        return found

    return await ask(
        ctx,
        Asked(
            request=replace(request, tools=tuple(functions.values()), schema=schema),
            schema=schema,
            repairs=ctx.options.get("repair", 0),
            value=value,
        ),
    )


def _functions(ctx: StepContext) -> list[ToolDefinition]:
    """The functions that the step names, as the workflow declares them."""
    return [
        ToolDefinition(
            name=name,
            description=ctx.functions[name]["description"],
            parameters=ctx.functions[name]["parameters"],
        )
        for name in ctx.step.get("functions", ())
    ]


def _arguments(
    call: ToolCall, functions: Mapping[str, ToolDefinition], request: Request
) -> Mapping[str, Json]:
    """What a function was called with.

    Raises:
        InvalidReply: There is no such function, or its schema does not allow the arguments.
    """
    function = functions.get(call.name)
    problems = (
        [("", f"there is no function {call.name!r} here")]
        if function is None
        else check_schema(dict(call.arguments), function.parameters)
    )
    if problems:
        shown = "; ".join(f"{pointer or '(whole)'}: {message}" for pointer, message in problems)
        raise InvalidReply(
            f"the model called {call.name} wrongly: {shown}",
            provider=request.provider,
            model=request.model,
        )
    return dict(call.arguments)


def _check_size(ctx: StepContext, request: Request) -> None:
    """Pass when the prompt is within ``max_input_tokens``, four characters counted as a token.

    Raises:
        StepError: ``invalid_request``; nothing was sent.
    """
    most = ctx.options.get("max_input_tokens")
    tokens = -(-(len(request.prompt) + len(request.system or "")) // 4)
    if most is not None and tokens > most:
        raise StepError(
            f"step {ctx.step.name!r}: the prompt has about {tokens} tokens, and max_input_tokens"
            f" is {most}",
            code="invalid_request",
        )
