"""Calls to models as different programs log them, each as one plain record.

A preset adds to a logged record the fields that mappings need whatever wrote it: ``input`` (the text of
the only turn, or all turns), ``last`` (the text of the last turn of a user), ``output``, ``model``,
``at`` and ``log_id``. What the system said stands in ``system``: it belongs to the program, not to the
question. A record that is no call to a model gives nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pipex_core.jsonvalue import Json, parse

Unfold = Callable[[Json], Iterator[Json]]
mapping_of_presets: Final[Mapping[str, str]] = MappingProxyType(
    {"input": "input", "created_at": "at", "metadata.model": "model"}
)
_requests: Final = ("request", "params", "body")
_texts: Final = ("text", "content", "value", "input_text", "output_text")
_indexed: Final = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(role|content)")
_old_events: Final = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message")


def _call(  # noqa: PLR0913 - the parts of a call, all named
    record: Mapping[str, Json],
    turns: Sequence[Mapping[str, Json]],
    *,
    output: Json,
    system: Json = None,
    model: Json = None,
    at: Json = None,
    log_id: Json = None,
) -> dict[str, Json]:
    """The record with the fields that all presets give."""
    said = [turn for turn in turns if turn["role"] not in ("system", "developer")]
    told = [turn["content"] for turn in turns if turn["role"] in ("system", "developer")]
    users = [turn["content"] for turn in said if turn["role"] == "user"]
    alone = len(said) == 1 and isinstance(said[0]["content"], str)
    whole = said[0]["content"] if alone else [*said]
    return {
        **record,
        "input": whole or None,
        "last": users[-1] if users else None,
        "output": output if output != "" else None,
        "system": system or "\n\n".join(one for one in told if isinstance(one, str)) or None,
        "model": model,
        "at": at,
        "log_id": log_id,
    }


def _of_chat(record: Json) -> Iterator[Json]:
    """A logged request with messages, as both vendors write it, and the response beside it."""
    if not isinstance(record, Mapping):
        yield record
        return
    request = _inner(record, *_requests)
    request = _inner(request, "body", "params")
    response = _inner(record, "response", "result")
    response = _inner(response, "body", "message") if response is not record else record
    asked = request.get("messages", request.get("input", request.get("prompt")))
    turns = _turns(asked)
    output = _answer(response)
    if output is None and len(turns) > 1 and turns[-1]["role"] == "assistant":
        output = turns[-1]["content"]
        turns = turns[:-1]
    yield _call(
        record,
        turns,
        output=output,
        system=_text(request.get("system", request.get("instructions"))) or None,
        model=_first(request.get("model"), response.get("model")),
        at=_at(record, response),
        log_id=_first(*(record.get(name) for name in ("custom_id", "id", "request_id"))),
    )


def _inner(record: Mapping[str, Json], *names: str) -> Mapping[str, Json]:
    """The first map that stands under one of the names, else the record itself."""
    found = (record.get(name) for name in names)
    return next((one for one in found if isinstance(one, Mapping)), record)


def _first(*values: Json) -> Json:
    return next((value for value in values if value is not None), None)


def _at(*records: Mapping[str, Json]) -> Json:
    names = ("timestamp", "created_at", "created", "time", "at")
    return _first(*(record.get(name) for record in records for name in names))


def _turns(value: Json) -> list[dict[str, Json]]:
    """Messages as turns with text; a text is one turn of a user; blocks that are no text stay as they are."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}] if value else []
    if not isinstance(value, list):
        return []
    return [
        {"role": turn["role"], "content": _content(turn)}
        for turn in value
        if isinstance(turn, Mapping) and isinstance(turn.get("role"), str)
    ]


def _content(turn: Mapping[str, Json]) -> Json:
    """The text of a turn, or its parts when some of them are no text."""
    parts = _first(turn.get("content"), turn.get("parts"))
    if isinstance(parts, list) and not all(map(_is_text, parts)):
        return parts
    return _text(parts)


def _is_text(part: Json) -> bool:
    return isinstance(part, str) or (
        isinstance(part, Mapping) and any(isinstance(part.get(name), str) for name in _texts)
    )


def _text(value: Json) -> str:
    """The text of a content: a text, a block, or a list of them; what is no text is left out."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _text(_first(*(value.get(name) for name in _texts)))
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    return ""


def _answer(response: Mapping[str, Json]) -> str | None:
    """What a response says: of the first choice, of its content, or of its output."""
    choices = response.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        choice = choices[0]
        return _text(_first(choice.get("message"), choice.get("text"))) or None
    output = response.get("output", response.get("content", response.get("completion")))
    if isinstance(output, list):
        # The items of a response beside messages are thoughts and calls of tools.
        output = [one for one in output if not isinstance(one, Mapping) or _says(one)]
    return _text(output) or None


def _says(item: Mapping[str, Json]) -> bool:
    return item.get("type") in (None, "message", "text", "output_text")


def _of_spans(record: Json) -> Iterator[Json]:
    """The calls to models among the spans of a trace: OTLP JSON, or spans one by one."""
    if not isinstance(record, Mapping):
        yield record
        return
    for span in _spans(record):
        attributes = _attributes(span.get("attributes"))
        events = _events(span)
        turns = _span_turns(attributes, events, "input")
        if turns:
            yield _span_call(span, attributes, events, turns)


def _spans(record: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    if "resourceSpans" not in record and "resource_spans" not in record:
        yield record
        return
    for resource in _maps(_first(record.get("resourceSpans"), record.get("resource_spans"))):
        for scope in _maps(_first(resource.get("scopeSpans"), resource.get("scope_spans"))):
            yield from _maps(scope.get("spans"))


def _maps(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _span_call(
    span: Mapping[str, Json],
    attributes: Mapping[str, Json],
    events: Sequence[tuple[Json, Mapping[str, Json]]],
    turns: Sequence[Mapping[str, Json]],
) -> Json:
    said = _span_turns(attributes, events, "output")
    context = _inner(span, "context")
    started = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")
    names = ("spanId", "span_id")
    return _call(
        {"name": span.get("name"), "attributes": attributes},
        turns,
        output="\n".join(_text(turn["content"]) for turn in said) or None,
        system=_text(_decoded(attributes.get("gen_ai.system_instructions"))) or None,
        model=_first(
            attributes.get("gen_ai.request.model"), attributes.get("gen_ai.response.model")
        ),
        at=_first(*(span.get(name) for name in started)),
        log_id=_first(*(one.get(name) for one in (span, context) for name in names)),
    )


def _span_turns(
    attributes: Mapping[str, Json], events: Sequence[tuple[Json, Mapping[str, Json]]], side: str
) -> list[dict[str, Json]]:
    """Turns of one side of a call, in whichever of the conventions it was recorded."""
    word, role = ("prompt", "user") if side == "input" else ("completion", "assistant")
    carriers = [attributes, *(facts for _, facts in events)]
    for facts in carriers:
        for name in (f"gen_ai.{side}.messages", f"gen_ai.{word}"):
            found = _decoded(facts.get(name))
            if isinstance(found, str) and found:
                return [{"role": role, "content": found}]
            turns = _turns(found)
            if turns:
                return turns
    return _indexed_turns(attributes, word, role) or _event_turns(events, side)


def _indexed_turns(attributes: Mapping[str, Json], word: str, role: str) -> list[dict[str, Json]]:
    """``gen_ai.prompt.0.content`` and the like."""
    found: dict[int, dict[str, Json]] = {}
    for name, value in attributes.items():
        match = _indexed.fullmatch(name)
        if match and match[1] == word:
            turn = found.setdefault(int(match[2]), {"role": role, "content": ""})
            turn[match[3]] = value
    return _turns([found[number] for number in sorted(found)])


def _event_turns(
    events: Sequence[tuple[Json, Mapping[str, Json]]], side: str
) -> list[dict[str, Json]]:
    """``gen_ai.user.message`` and ``gen_ai.choice`` among the events of a span."""
    turns = []
    for name, facts in events:
        match = _old_events.fullmatch(str(name))
        if match and side == "input":
            turns.append({"role": match[1], "content": _text(facts.get("content"))})
        if name == "gen_ai.choice" and side == "output":
            message = _decoded(facts.get("message"))
            said = message if isinstance(message, Mapping) else facts
            turns.append({"role": "assistant", "content": _text(said.get("content"))})
    return turns


def _events(span: Mapping[str, Json]) -> list[tuple[Json, Mapping[str, Json]]]:
    return [
        (one.get("name"), _attributes(_first(one.get("attributes"), one.get("body"))))
        for one in _maps(span.get("events"))
    ]


def _attributes(value: Json) -> Mapping[str, Json]:
    """Attributes as a map, also those of OTLP, which are a list of keys with typed values."""
    if isinstance(value, Mapping):
        return value
    return {str(one.get("key")): _of_any_value(one.get("value")) for one in _maps(value)}


def _of_any_value(value: Json) -> Json:
    """The JSON value of an ``AnyValue`` of OTLP."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    match kind, inner:
        case "arrayValue", {"values": [*items]}:
            return [_of_any_value(item) for item in items]
        case "kvlistValue", {"values": [*items]}:
            return _attributes(items)
        case "intValue", str():
            return int(inner)
        case _:
            return inner


def _decoded(value: Json) -> Json:
    """The JSON value that a text spells, when it spells a list or a map; else the value."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return parse(value)
    except ValueError:
        return value


def _of_pipex(record: Json) -> Iterator[Json]:
    """A ``pipex.run/1`` document, or a row of a table of responses."""
    if not isinstance(record, Mapping):
        yield record
        return
    outputs = record.get("outputs")
    if isinstance(outputs, Mapping):
        only = next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)
        yield {
            **record,
            "input": record.get("inputs"),
            "output": only,
            "model": None,
            "at": record.get("started_at"),
            "log_id": record.get("run_id"),
        }
        return
    run, case = record.get("origin_run_id"), record.get("case_id")
    yield {
        **record,
        "input": _decoded(record.get("input")),
        "model": record.get("model_resolved"),
        "at": record.get("started_at"),
        "log_id": f"{run}/{case}" if run and case else None,
    }


log_presets: Final[Mapping[str, Unfold]] = MappingProxyType(
    {"openai": _of_chat, "anthropic": _of_chat, "otel": _of_spans, "pipex": _of_pipex}
)
