"""Turns with a model that may call tools, until it answers or its turns are used up."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from pipex_core.errors import InvalidReply
from pipex_core.llm.client import Reply
from pipex_core.llm.provider import Message, Request, ToolCall
from pipex_core.llm.tools import NullToolLog, ToolBegun, Toolbox, ToolLog, ToolResult

Send = Callable[[Request], Awaitable[Reply]]
Warn = Callable[[str, str], None]

no_tool_log = NullToolLog()


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A tool call and what the model was told about it: the decision and its reason."""

    call: ToolBegun
    result: ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """How a conversation ended.

    Attributes:
        reply: The last one: the model's answer.
        replies: One for each turn of the model, the last one included.
        carried: Tool calls in order.
        messages: Everything said, the answer included.
    """

    reply: Reply
    replies: Sequence[Reply]
    carried: Sequence[Carried] = ()
    messages: Sequence[Message] = ()


async def converse(
    request: Request,
    *,
    send: Send,
    toolbox: Toolbox | None = None,
    max_turns: int = 3,
    log: ToolLog = no_tool_log,
    warn: Warn | None = None,
) -> Conversation:
    """Ask, carry out what the model calls, tell it the results, and ask again until it answers.

    Without a toolbox nothing is carried out: calls come back with the reply.

    Args:
        request: The first one; ``tools`` are taken from the toolbox.
        send: Sends one request; journalled and paid there.
        toolbox: What the model may use, or None.
        max_turns: Turns of the model at most.
        log: Journal of the tool calls of this unit.
        warn: Told of ``tool_in_doubt``.

    Raises:
        InvalidReply: ``max_turns``, the model still calls tools at its last turn; they are not carried out.
        ProviderError: A call failed for good.
    """
    if toolbox is not None:
        request = replace(request, tools=toolbox.definitions)
    replies: list[Reply] = []
    carried: list[Carried] = []
    while True:
        reply = await send(request)
        replies.append(reply)
        request = replace(request, messages=(*request.messages, turn_of(reply)))
        calls = reply.response.tool_calls
        if (toolbox is None or not calls) and reply.response.finish_reason != "pause":
            return Conversation(
                reply=reply, replies=replies, carried=carried, messages=request.messages
            )
        if len(replies) >= max_turns:
            raise _used_up(request, max_turns, calls)
        if toolbox is None:
            continue
        for call in calls:
            begun = toolbox.begun(call, ordinal=reply.ordinal)
            result = await _carried_out(begun, toolbox, log, warn)
            carried.append(Carried(call=begun, result=result))
            request = replace(request, messages=(*request.messages, _told(call, result)))


def turn_of(reply: Reply) -> Message:
    """The model's turn as it goes back to the model."""
    response = reply.response
    return Message(
        role="assistant",
        text=response.text,
        tool_calls=response.tool_calls,
        parts=response.parts,
    )


def system_of(*texts: str | None) -> str | None:
    """A system prompt put together of its parts, with a blank line between them; None without any."""
    return "\n\n".join(text for text in texts if text) or None


async def _carried_out(
    call: ToolBegun, toolbox: Toolbox, log: ToolLog, warn: Warn | None
) -> ToolResult:
    """What became of a call, which happens exactly once where that can be known."""
    known = log.known(call)
    if known is not None and known.result is not None:
        return known.result
    if known is None:
        await log.tool_begin(call)
        result = await toolbox.run(call)
    else:
        result = await toolbox.again(call, known)
        if result.code == "tool_in_doubt" and warn is not None:
            warn("tool_in_doubt", f"{call.tool} was interrupted; what it did is unknown")
    await log.tool_done(call, result)
    return result


def _told(call: ToolCall, result: ToolResult) -> Message:
    return Message(role="tool", text=result.text, tool_call_id=call.id, is_error=result.is_error)


def _used_up(request: Request, max_turns: int, calls: Sequence[ToolCall]) -> InvalidReply:
    pending = ", ".join(dict.fromkeys(call.name for call in calls)) or "to go on"
    return InvalidReply(
        f"the model has used its {max_turns} turns and still asks for {pending}; raise max_turns",
        code="max_turns",
        provider=request.provider,
        model=request.model,
    )
