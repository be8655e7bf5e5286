"""Our values in the words of the Messages API, and its message as a value of ours."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import anthropic

from pipex_core.adapters.anthropic.faults import name
from pipex_core.errors import InvalidRequest
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import (
    FinishReason,
    Message,
    Request,
    Response,
    ToolCall,
    ToolDefinition,
    Usage,
)

sampling = ("temperature", "top_p", "top_k")
finish_reasons: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "content_filter",
    "pause_turn": "pause",
}


def arguments_of(request: Request) -> dict[str, Any]:
    """Arguments of ``messages.create``; everything that matters is sent, the rest is refused.

    Raises:
        InvalidRequest: An option that this service does not have, or a tool's result without its call.
    """
    unknown = set(request.options) - {*sampling, "stop"}
    if unknown:
        raise _invalid(request, f"option {min(unknown)!r} does not exist for Claude")
    arguments: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request),
        "extra_body": {name: request.options[name] for name in sampling if name in request.options},
    }
    if request.system is not None:
        arguments["system"] = request.system
    if request.tools:
        arguments["tools"] = [_tool(tool) for tool in request.tools]
    if "stop" in request.options:
        arguments["stop_sequences"] = list(request.options["stop"])
    form = _form(request.schema)
    if form is not None:
        arguments["output_config"] = {"format": {"type": "json_schema", "schema": form}}
    return arguments


def _messages(request: Request) -> list[dict[str, Any]]:
    """The turns; results of tools that were called together go back together, as the user's turn."""
    turns: list[dict[str, Any]] = []
    for is_result, found in groupby(request.messages, lambda m: m.role == "tool"):
        if is_result:
            turns.append({"role": "user", "content": [_result(request, m) for m in found]})
        else:
            turns += [{"role": m.role, "content": _content(m)} for m in found]
    return turns


def _result(request: Request, message: Message) -> dict[str, Any]:
    if message.tool_call_id is None:
        raise _invalid(request, "a tool's result does not say which call it answers")
    block = {
        "type": "tool_result",
        "tool_use_id": message.tool_call_id,
        "content": message.text,
    }
    return {**block, "is_error": True} if message.is_error else block


def _content(message: Message) -> str | list[dict[str, Any]]:
    if message.parts:
        return [dict(part) for part in message.parts]
    if not message.tool_calls:
        return message.text
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}
        for call in message.tool_calls
    ]
    return [{"type": "text", "text": message.text}, *calls] if message.text else calls


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": {"type": "object", **tool.parameters},
    }


def _form(schema: Mapping[str, Json] | None) -> dict[str, Any] | None:
    """The schema as the service can enforce it, or None where it cannot: the reply is checked anyway."""
    if schema is None:
        return None
    try:
        return anthropic.transform_schema(dict(schema))
    except (ValueError, TypeError, AttributeError, AssertionError):
        # 2.13 knows a part of JSON Schema only: no boolean schemas, no unions of types.
        return None


def response_of(message: Mapping[str, Any], request_id: str | None) -> Response:
    """The answer, believed only when it is whole: the SDK checks nothing.

    Raises:
        ValueError: Something is missing or unknown.
    """
    try:
        return _response_of(message, request_id)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError("something in the message has the wrong kind") from exc


def _response_of(message: Mapping[str, Any], request_id: str | None) -> Response:
    stop, content = message.get("stop_reason"), message.get("content")
    if not isinstance(stop, str) or stop not in finish_reasons:
        raise ValueError(f"stop reason {stop!r} is not known")
    if not isinstance(content, list) or not all(isinstance(block, Mapping) for block in content):
        raise ValueError("content is missing")
    texts = [block.get("text") for block in content if block.get("type") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("content is missing")
    if not isinstance(message.get("model"), str):
        raise ValueError("the model is missing")  # noqa: TRY004 - malformed
    calls = tuple(_call(block) for block in content if block.get("type") == "tool_use")
    finish = finish_reasons[stop]
    if finish == "tool_calls" and not calls:
        raise ValueError("the model stopped for a tool that it does not name")
    if finish == "stop" and calls:
        finish = "tool_calls"
    return Response(
        text="".join(map(str, texts)),
        finish_reason=finish,
        usage=_usage_of(message.get("usage") or {}),
        model_served=message["model"],
        tool_calls=calls,
        request_id=request_id,
        raw=_raw(message, content, goes_back=finish in {"tool_calls", "pause"}),
    )


def _call(block: Mapping[str, Json]) -> ToolCall:
    call, tool, arguments = block.get("id"), block.get("name"), block.get("input")
    if isinstance(call, str) and isinstance(tool, str) and isinstance(arguments, Mapping):
        return ToolCall(id=call, name=tool, arguments=arguments)
    raise ValueError("a tool call is not whole")


def _raw(message: Mapping[str, Any], content: Sequence[Json], *, goes_back: bool) -> dict[str, Any]:
    raw = {"id": message.get("id"), "stop_reason": message["stop_reason"]}
    return {**raw, "parts": list(content)} if goes_back else raw


def _usage_of(usage: Mapping[str, Json]) -> Usage:
    """Tokens in normal form: input excludes what was read from or written to the cache."""
    split = usage.get("cache_creation") or {}
    long = _count(split.get("ephemeral_1h_input_tokens") or 0)
    written = _count(usage.get("cache_creation_input_tokens") or 0)
    if long > written:
        raise ValueError("the counts of usage contradict each other")
    return Usage(
        input=_count(usage.get("input_tokens")),
        cache_read=_count(usage.get("cache_read_input_tokens") or 0),
        cache_write_5m=written - long,
        cache_write_1h=long,
        output=_count(usage.get("output_tokens")),
        thinking=_count((usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0),
    )


def _count(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("usage lacks a count of tokens")
    return value


def _invalid(request: Request, message: str) -> InvalidRequest:
    return InvalidRequest(message, provider=name, model=request.model)
