"""Streams: whatever comes over the wire, an answer is whole or it is an error of ours."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, strategies as st

from pipex_core.adapters.anthropic.stream import Assembly
from pipex_core.adapters.anthropic.turns import response_of
from pipex_core.adapters.mock import pieces
from pipex_core.llm.provider import Response
from tests.fakes.provider_server import anthropic_message, anthropic_stream

content = [
    {"type": "thinking", "thinking": "hm", "signature": "sig"},
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "t1", "name": "Read", "input": {"path": "a", "n": [1, None]}},
]
whole = anthropic_message(content=content, stop_reason="tool_use")
events = [json.loads(sent.split(b"data: ", 1)[1]) for sent in anthropic_stream(whole)]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "text", "tool_use", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text"]), inner)
    ),
    max_leaves=4,
)


class Event:
    """An event as the SDK hands it over."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def model_dump(self, **_: Any) -> Any:
        return self._data


def answer(sent: list[Any]) -> Response | None:
    """The answer of a stream, or None when it is not complete."""
    assembly = Assembly()
    for event in sent:
        assembly.add(Event(event))
    return response_of(assembly.message(), "req") if assembly.is_complete else None


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def test_the_whole_stream_gives_the_message() -> None:
    response = answer(events)
    assert response is not None
    assert response == response_of(whole, "req")
    assert list(response.parts) == content


def test_no_beginning_of_a_stream_is_an_answer() -> None:
    for length in range(len(events)):
        assert answer(events[:length]) is None


@given(data=st.data())
def test_a_changed_event_gives_an_answer_or_a_value_error(data: st.DataObject) -> None:
    sent = json.loads(json.dumps(events))
    path = data.draw(st.sampled_from(places(sent)))
    target = sent
    for key in path[:-1]:
        target = target[key]
    if data.draw(st.booleans()):
        del target[path[-1]]
    else:
        target[path[-1]] = data.draw(values)
    try:
        found = answer(sent)
    except ValueError:
        return
    assert found is None or found.model_served


@given(st.lists(values, max_size=6))
def test_garbage_is_a_value_error(sent: list[Any]) -> None:
    with suppress(ValueError):
        assert answer(sent) is None


@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces.findall(text)) == text
