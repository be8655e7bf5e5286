"""Prompt parts -> text, options -> request, reply -> outcome: what all steps that call a model share."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipex_core.errors import ExpressionError, InvalidReply, StepError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.paths import dotted, parse_path, step as step_into
from pipex_core.expressions.records import StepEntry
from pipex_core.expressions.scope import Scope
from pipex_core.expressions.values import Undefined, to_text, truth, undefined
from pipex_core.jsonvalue import Json, check_schema, parse
from pipex_core.llm.provider import Message, Origin, Request
from pipex_core.steps.contract import Answer, Outcome, StepContext

summary_length: Final = 500
decoding_options: Final = ("temperature", "top_p", "top_k", "seed", "stop")
default_max_tokens: Final = 4096
default_timeout_ms: Final = 300_000
repair_head: Final = "The previous reply did not match the required JSON Schema:"
repair_tail: Final = "Return only the corrected JSON."

_fence: Final = re.compile(r"```[^\n`]*\n(?P<inside>.*?)\n?```", re.DOTALL)


def prompt_text(ctx: StepContext) -> str:
    """The rendered prompt of a step: its parts, joined with one newline.

    Raises:
        ExpressionError: A template or a path has no value.
        StepError: A file cannot be read.
    """
    prompt = ctx.step.get("prompt", "")
    parts = prompt if isinstance(prompt, list | tuple) else [prompt]
    texts = [_part(ctx, part, f"prompt[{place}]") for place, part in enumerate(parts)]
    return "\n".join(text for text in texts if text is not None)


def _part(ctx: StepContext, part: Json, field: str) -> str | None:
    """Text of one part; None when its condition drops it."""
    if isinstance(part, str):
        return to_text(ctx.expand(part, field))
    if "condition" in part and not truth(evaluate(part["condition"], ctx.scope)):
        return None
    match part.get("type", "static"):
        case "static":
            content = part["content"]
            return to_text(content if part.get("raw") else ctx.expand(content, f"{field}.content"))
        case "file":
            return ctx.workspace.read_text(
                to_text(ctx.expand(part["path"], f"{field}.path")),
                encoding=part.get("encoding", "utf-8"),
                max_bytes=part.get("max_bytes"),
            )
        case "previous_response":
            return _previous(ctx.scope, part, f"step {ctx.step.name!r}, field {field!r}")
        case other:
            raise StepError(
                f"step {ctx.step.name!r}: prompt parts of type {other!r} are not supported",
                code="unsupported_feature",
            )


def _previous(scope: Scope, part: Mapping[str, Json], where: str) -> str:
    """Text of an earlier step's result, or of something inside it."""
    name, extract = part["step"], part.get("extract")
    entry = scope.previous(name)
    if entry is undefined:
        raise ExpressionError(
            f"{where}: there is no step {name!r} here", code="undefined_reference"
        )
    found = entry if extract is None else _inside(entry, extract)
    if found is undefined:
        if part.get("strict", True):
            fields = ", ".join(_fields_of(entry)) or "none"
            message = f"{where}: step {name!r} has no {extract!r}; its fields: {fields}"
            raise ExpressionError(message, code="undefined_reference")
        found = None
    text = _shown(found, as_json=part.get("format") == "json", whole=extract is None)
    limit = part.get("max_length", summary_length if part.get("summary") else None)
    return text if limit is None or len(text) <= limit else text[:limit] + "..."


def _inside(entry: "Json | StepEntry", path: str) -> "Json | StepEntry | Undefined":
    found = entry
    for key in parse_path(path):
        if isinstance(key, str):
            number = int(key) if key.isascii() and key.isdigit() else None
            reach = found.dotted if isinstance(found, StepEntry) else None
            found = reach(key, number) if reach else dotted(found, key, number)
        else:
            found = found.index(key) if isinstance(found, StepEntry) else step_into(found, key)
        if found is undefined:
            return undefined
    return found


def _fields_of(entry: "Json | StepEntry") -> Sequence[str]:
    value = entry.value() if isinstance(entry, StepEntry) else entry
    return sorted(value) if isinstance(value, Mapping) else ()


def _shown(found: "Json | StepEntry", *, as_json: bool, whole: bool) -> str:
    """A value inside a prompt: text as is, maps and lists as indented JSON."""
    if isinstance(found, StepEntry):
        if not as_json:
            return _whole(found)
        found = found.value()
    if as_json:
        return indented(found)
    if isinstance(found, Mapping | list | tuple):
        return indented(found)
    if found is None:
        return "" if whole else "null"
    return to_text(found)


def _whole(entry: StepEntry) -> str:
    """A step as a whole: its text if it has one, else its data, else nothing."""
    value = entry.value()
    if value is None:
        return ""
    text = entry.text()
    has_text = isinstance(value, str) or text != to_text(value)
    return text if has_text else indented(value)


def indented(value: Json) -> str:
    """JSON with two spaces of indentation, non-ASCII kept, keys in stored order."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def json_of(text: str) -> Json | Undefined:
    """The JSON value that a whole reply is, without blanks and at most one code fence; else undefined."""
    stripped = text.strip()
    fenced = _fence.fullmatch(stripped)
    try:
        return parse(fenced["inside"].strip() if fenced else stripped)
    except ValueError:
        return undefined


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and how its reply is to be read.

    Attributes:
        schema: What the reply's JSON must satisfy, or None.
        repairs: Further calls to mend a reply that does not.
        must_be_json: Whether any reply that is no JSON fails.
    """

    request: Request
    fallback_model: str | None = None
    schema: Mapping[str, Json] | None = None
    repairs: int = 0
    must_be_json: bool = False


def request_of(ctx: StepContext, prompt: str, *, vendor: str) -> Request:
    """The request of a step: its prompt and its effective options.

    Raises:
        ExpressionError: A template in the system prompt has no value.
        StepError: ``invalid_request``, a live provider is asked without a model.
    """
    options = ctx.options
    provider = ctx.vendors.get(vendor, vendor)
    model = options.get("model")
    if model is None and provider == vendor:
        raise StepError(
            f"step {ctx.step.name!r} names no model for {vendor}; set `model`", code="missing_field"
        )
    return Request(
        provider=provider,
        model=to_text(ctx.expand(model, "model")) if model else provider,
        messages=(Message(role="user", text=prompt),),
        system=_system(ctx),
        schema=ctx.step.get("output_schema"),
        options={name: options[name] for name in decoding_options if name in options},
        max_tokens=options.get("max_tokens") or default_max_tokens,
        timeout_s=(options.get("timeout_ms") or default_timeout_ms) / 1000,
        origin=Origin(path=ctx.path, step_type=ctx.step.type),
    )


def _system(ctx: StepContext) -> str | None:
    texts = [
        to_text(ctx.expand(ctx.options[name], name))
        for name in ("system_prompt", "append_system_prompt")
        if ctx.options.get(name)
    ]
    return "\n\n".join(texts) or None


async def ask(ctx: StepContext, asked: Asked) -> Outcome:
    """Send a request, read the reply as text and JSON, and have it mended while repairs are left.

    Raises:
        ProviderError: The call failed for good; ``invalid_reply``, the reply had to be JSON.
        StepError: ``output_schema_failed``, the last reply does not satisfy the schema.
    """
    request = asked.request
    for repairs in range(asked.repairs + 1):
        answer = await ctx.call(request, fallback_model=asked.fallback_model)
        for warning in answer.reply.warnings:
            ctx.warn(warning.code, warning.message)
        value = json_of(answer.reply.response.text)
        problems = _problems(value, asked.schema)
        if not problems:
            return _outcome(ctx, asked, answer, value, repairs)
        request = _repair(asked.request, problems)
    raise StepError(
        f"step {ctx.step.name!r}: the reply does not match output_schema: "
        + "; ".join(f"{pointer or '(whole)'}: {message}" for pointer, message in problems),
        code="output_schema_failed",
    )


def _problems(
    value: Json | Undefined, schema: Mapping[str, Json] | None
) -> Sequence[tuple[str, str]]:
    if schema is None:
        return ()
    if value is undefined:
        return [("", "the reply is not JSON")]
    return check_schema(value, schema)


def _repair(first: Request, problems: Sequence[tuple[str, str]]) -> Request:
    """The original request with what was wrong with its reply."""
    lines = [f"- {pointer}: {message}" for pointer, message in problems]
    text = "\n".join([first.prompt, "", repair_head, *lines, repair_tail])
    return replace(first, messages=(*first.messages[:-1], Message(role="user", text=text)))


def _outcome(
    ctx: StepContext, asked: Asked, answer: Answer, value: Json | Undefined, repairs: int
) -> Outcome:
    response = answer.reply.response
    if asked.must_be_json and value is undefined:
        raise InvalidReply(
            f"step {ctx.step.name!r}: output_format is json, and the reply is not",
            provider=asked.request.provider,
            model=answer.model,
        )
    is_value = asked.must_be_json or asked.schema is not None or isinstance(value, dict | list)
    metadata: dict[str, Json] = {}
    if repairs:
        metadata["repairs"] = repairs
    if ctx.step.get("cache"):
        metadata["cache"] = answer.reply.cache
    if answer.fallback_from is not None:
        metadata |= {"fallback_from": answer.fallback_from, "model_served": response.model_served}
    return Outcome(
        text=response.text,
        data=value if is_value and value is not undefined else None,
        model=response.model_served or answer.model,
        degraded=answer.fallback_from is not None,
        metadata=metadata,
    )
