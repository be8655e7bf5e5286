"""Our values in the words of ``generateContent``, and its answer as a value of ours."""

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from google.genai import types

from pipex_core.adapters.gemini.faults import name
from pipex_core.errors import InvalidReply, InvalidRequest
from pipex_core.llm.provider import (
    FinishReason,
    Message,
    Request,
    Response,
    ToolCall,
    ToolDefinition,
    Usage,
)

option_names: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "stop": "stop_sequences",
}
finish_reasons: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
bad_calls = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")
roles = {"user": "user", "assistant": "model"}
# The service may leave calls without an id; ours stay here and are never sent.
own_id = "pipex_call_"


def contents_of(request: Request) -> list[types.ContentUnion]:
    """The turns of the conversation in the vendor's words.

    Raises:
        InvalidRequest: A tool's result belongs to no call before it.
    """
    contents: list[types.ContentUnion] = []
    names: dict[str | None, str] = {}
    for is_result, found in groupby(request.messages, lambda m: m.role == "tool"):
        if is_result:
            parts = [_result(request, message, names) for message in found]
            contents.append(types.Content(role="user", parts=parts))
            continue
        for message in found:
            names |= {call.id: call.name for call in message.tool_calls}
            contents.append(types.Content(role=roles[message.role], parts=_parts(message)))
    return contents


def _parts(message: Message) -> list[types.Part]:
    if message.parts:
        return [types.Part.model_validate_json(json.dumps(part)) for part in message.parts]
    calls = [
        types.Part(
            function_call=types.FunctionCall(
                id=_sent_id(call.id), name=call.name, args=dict(call.arguments)
            )
        )
        for call in message.tool_calls
    ]
    return [types.Part(text=message.text), *calls] if message.text or not calls else calls


def _result(request: Request, message: Message, names: Mapping[str | None, str]) -> types.Part:
    tool = names.get(message.tool_call_id)
    if message.tool_call_id is None or tool is None:
        raise _invalid(request, "a tool's result does not say which call it answers")
    return types.Part(
        function_response=types.FunctionResponse(
            id=_sent_id(message.tool_call_id),
            name=tool,
            response={"error" if message.is_error else "output": message.text},
        )
    )


def _sent_id(call_id: str) -> str | None:
    return None if call_id.startswith(own_id) else call_id


def config_of(request: Request) -> types.GenerateContentConfig:
    """Everything besides the turns; what cannot be sent is refused.

    Raises:
        InvalidRequest: An option that this service does not have.
    """
    unknown = set(request.options) - set(option_names)
    if unknown:
        raise _invalid(request, f"option {min(unknown)!r} does not exist for Gemini")
    form: dict[str, Any] = {}
    if request.schema is not None:
        form["response_mime_type"] = "application/json"
        form["response_json_schema"] = dict(request.schema)
    if request.tools:
        declared = [_declaration(tool) for tool in request.tools]
        form["tools"] = [types.Tool(function_declarations=declared)]
    return types.GenerateContentConfig(
        system_instruction=request.system,
        max_output_tokens=request.max_tokens,
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        http_options=http_options_of(request),
        **{option_names[name]: value for name, value in request.options.items()},
        **form,
    )


def http_options_of(request: Request) -> types.HttpOptions:
    """One try within the request's time; the SDK has no time limit of its own and counts in ms."""
    return types.HttpOptions(
        timeout=max(1, round(request.timeout_s * 1000)),
        retry_options=types.HttpRetryOptions(attempts=1),
    )


def _declaration(tool: ToolDefinition) -> types.FunctionDeclaration:
    """A declaration and nothing that could be called: the SDK would execute it."""
    return types.FunctionDeclaration(
        name=tool.name,
        description=tool.description,
        parameters_json_schema={"type": "object", **tool.parameters},
    )


def response_of(reply: types.GenerateContentResponse) -> Response:
    """The answer, believed only when it is whole: the SDK takes any JSON for an answer.

    Raises:
        ValueError: Something is missing or unknown.
        InvalidReply: The model called a function that cannot be.
    """
    served = reply.model_version
    if not reply.candidates:
        feedback = reply.prompt_feedback
        if feedback is None or feedback.block_reason is None:
            raise ValueError("there is no candidate")
        return _response(reply, [], finish="content_filter", word=feedback.block_reason.value)
    if not served:
        raise ValueError("the model is missing")
    candidate = reply.candidates[0]
    word = candidate.finish_reason.value if candidate.finish_reason else None
    if word in bad_calls:
        raise InvalidReply(f"the model ended with {word}", maybe_billed=True)
    if word is None or word not in finish_reasons:
        raise ValueError(f"finish reason {word!r} is not known")
    parts = (candidate.content.parts if candidate.content else None) or []
    return _response(reply, parts, finish=finish_reasons[word], word=word)


def _response(
    reply: types.GenerateContentResponse,
    parts: list[types.Part],
    *,
    finish: FinishReason,
    word: str,
) -> Response:
    calls = [part.function_call for part in parts if part.function_call]
    if calls and finish == "stop":
        finish = "tool_calls"
    raw: dict[str, Any] = {"id": reply.response_id, "finish_reason": word}
    if finish == "tool_calls":
        raw["parts"] = [
            part.model_dump(mode="json", exclude_none=True, by_alias=True) for part in parts
        ]
    return Response(
        text="".join(part.text for part in parts if part.text and not part.thought),
        finish_reason=finish,
        usage=_usage_of(reply.usage_metadata, is_refusal=finish == "content_filter"),
        model_served=reply.model_version or "",
        tool_calls=tuple(_call(call, place) for place, call in enumerate(calls)),
        request_id=reply.response_id,
        raw=raw,
    )


def _call(call: types.FunctionCall, place: int) -> ToolCall:
    if not call.name:
        raise ValueError("a function call has no name")
    return ToolCall(id=call.id or f"{own_id}{place}", name=call.name, arguments=call.args or {})


def _usage_of(
    usage: types.GenerateContentResponseUsageMetadata | None, *, is_refusal: bool
) -> Usage:
    """Tokens in normal form: the vendor's prompt count includes what came from the cache.

    Raises:
        ValueError: The prompt's count is missing or smaller than its cached part.
    """
    if usage is None and is_refusal:
        return Usage()
    if usage is None or usage.prompt_token_count is None:
        raise ValueError("usage is missing")
    cached = usage.cached_content_token_count or 0
    thoughts = usage.thoughts_token_count or 0
    counts = Usage(
        input=usage.prompt_token_count - cached,
        cache_read=cached,
        output=(usage.candidates_token_count or 0) + thoughts,
        thinking=thoughts,
        tool_use=usage.tool_use_prompt_token_count or 0,
    )
    if min(counts.input, counts.cache_read, counts.output, counts.thinking) < 0:
        raise ValueError("a count of usage is negative")
    return counts


def _invalid(request: Request, message: str) -> InvalidRequest:
    return InvalidRequest(message, provider=name, model=request.model)
