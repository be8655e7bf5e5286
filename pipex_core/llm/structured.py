"""A model's text as JSON, and the calls that mend a value which fails its schema."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipex_core.errors import StepError
from pipex_core.expressions.values import Undefined, undefined
from pipex_core.jsonvalue import Json, check_schema, parse
from pipex_core.llm.client import Reply
from pipex_core.llm.provider import Message, Request

repair_head: Final = "The previous reply did not match the required JSON Schema:"
repair_tail: Final = "Return only the corrected JSON."

_fence: Final = re.compile(r"```[^\n`]*\n(?P<inside>.*?)\n?```", re.DOTALL)

Problems = Sequence[tuple[str, str]]
Send = Callable[[Request], Awaitable[Reply]]


def json_of(text: str) -> Json | Undefined:
    """The JSON value that a whole text is, without blanks and at most one code fence; else undefined."""
    stripped = text.strip()
    fenced = _fence.fullmatch(stripped)
    try:
        return parse(fenced["inside"].strip() if fenced else stripped)
    except ValueError:
        return undefined


def data_of(text: str) -> Json:
    """The object or array that a whole text is, else None."""
    value = json_of(text)
    return value if isinstance(value, dict | list) else None


def problems_of(value: Json | Undefined, schema: Mapping[str, Json] | None) -> Problems:
    """What is wrong with a value as (pointer, message); empty when it fits, or when nothing is asked."""
    if schema is None:
        return ()
    if value is undefined:
        return [("", "the reply is not JSON")]
    return check_schema(value, schema)


def repair_of(first: Request, problems: Problems) -> Request:
    """The original request with what was wrong with its reply."""
    lines = [f"- {pointer}: {message}" for pointer, message in problems]
    text = "\n".join([first.prompt, "", repair_head, *lines, repair_tail])
    turns = list(first.messages)
    place = max(i for i, message in enumerate(turns) if message.role == "user")
    turns[place] = Message(role="user", text=text)
    return replace(first, messages=tuple(turns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A reply whose value satisfies the schema.

    Attributes:
        value: The JSON of the reply; undefined when it is none and no schema asks for any.
        repairs: Further calls that were needed.
    """

    reply: Reply
    value: Json | Undefined
    repairs: int = 0


async def mended(
    request: Request,
    *,
    send: Send,
    schema: Mapping[str, Json] | None,
    repairs: int,
    before_repair: Callable[[], None] = lambda: None,
    value_of: Callable[[Reply], Json | Undefined] = lambda reply: json_of(reply.response.text),
) -> Mended:
    """A reply that satisfies ``schema``, asked for anew up to ``repairs`` times.

    Args:
        request: The original one, which every repair repeats with what was wrong with the last reply.
        send: One call, or a whole conversation with tools.
        schema: What the value must satisfy; None takes any reply.
        repairs: Further calls at most.
        before_repair: Told before each of them, for instance to void what was shown of a stream.
        value_of: Finds the value in a reply; default: the JSON that its text is.

    Raises:
        StepError: ``output_schema_failed``, listing the pointers of the last reply.
    """
    sent = request
    for count in range(repairs + 1):
        if count:
            before_repair()
        reply = await send(sent)
        value = value_of(reply)
        problems = problems_of(value, schema)
        if not problems:
            return Mended(reply=reply, value=value, repairs=count)
        sent = repair_of(request, problems)
    raise StepError(
        "the reply does not match output_schema: "
        + "; ".join(f"{pointer or '(whole)'}: {message}" for pointer, message in problems),
        code="output_schema_failed",
    )


def loosened(value: Json, schema: Mapping[str, Json]) -> Json:
    """A value nearer to its schema: without unknown properties, numbers and booleans out of their text.

    Only what a schema says of properties and items is followed; references and alternatives are not.
    """
    properties, items = schema.get("properties"), schema.get("items")
    match value:
        case dict() if isinstance(properties, Mapping):
            return {
                name: loosened(inner, _map_of(properties[name]))
                for name, inner in value.items()
                if name in properties
            }
        case list() if isinstance(items, Mapping):
            return [loosened(inner, items) for inner in value]
        case str():
            return _read(value, schema.get("type"))
        case _:
            return value


def _map_of(schema: Json) -> Mapping[str, Json]:
    return schema if isinstance(schema, Mapping) else {}


def _read(text: str, wanted: Json) -> Json:
    """What a text says as a value of a type; the text where it says none or text is allowed."""
    types = [wanted] if isinstance(wanted, str) else wanted or ()
    if "string" in types:
        return text
    try:
        value = parse(text.strip().lower() if "boolean" in types else text.strip())
    except ValueError:
        return text
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = ("boolean" in types and isinstance(value, bool)) or (
        is_number and bool({"number", "integer"}.intersection(types))
    )
    return value if fits else text
