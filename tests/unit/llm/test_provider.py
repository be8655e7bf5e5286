"""Requests, their keys, and responses as JSON."""

import json
from dataclasses import replace

import pytest

from pipex_core.llm.provider import (
    Message,
    Origin,
    Request,
    Response,
    ToolCall,
    ToolDefinition,
    Usage,
)

call = ToolCall(id="1", name="Read", arguments={"path": "a"})
base = Request(
    provider="anthropic",
    model="m",
    messages=[
        Message(role="user", text="first"),
        Message(role="assistant", text="", tool_calls=[call]),
        Message(role="tool", text="content", tool_call_id="1"),
    ],
    tools=[ToolDefinition(name="Read", description="reads", parameters={"type": "object"})],
)


def test_the_prompt_is_the_last_turn_of_the_user() -> None:
    assert base.prompt == "first"
    assert replace(base, messages=[]).prompt == ""


def test_everything_an_answer_depends_on_is_in_the_key() -> None:
    changed = [
        base,
        replace(base, provider="gemini"),
        replace(base, base_url="http://127.0.0.1"),
        replace(base, model="n"),
        replace(base, system="be brief"),
        replace(base, messages=base.messages[:1]),
        replace(base, messages=[replace(base.messages[0], is_error=True)]),
        replace(base, messages=[replace(base.messages[0], parts=[{"type": "text"}])]),
        replace(base, tools=[]),
        replace(base, schema={"type": "object"}),
        replace(base, options={"temperature": 0.5}),
        replace(base, max_tokens=1),
        replace(base, repeat=1),
    ]
    keys = {request.key(adapter_version=1) for request in changed}
    assert len(keys | {base.key(adapter_version=2)}) == len(changed) + 1


def test_where_a_call_comes_from_is_not_in_the_key() -> None:
    elsewhere = replace(base, origin=Origin(path="x", attempt=2, role="judge"), timeout_s=1.0)
    assert elsewhere.key(adapter_version=1) == base.key(adapter_version=1)


def test_a_response_survives_json() -> None:
    response = Response(
        text="größe",
        finish_reason="tool_calls",
        usage=Usage(input=1, cache_read=2, output=3, thinking=1),
        tool_calls=(call,),
        ttft_ms=1.5,
        cost_nanousd=7,
        raw={"id": "x"},
    )
    assert Response.from_json(json.loads(json.dumps(response.to_json()))) == response
    assert Response.from_json({"text": "x"}) == Response(text="x")


def test_a_response_refuses_fields_it_does_not_know() -> None:
    with pytest.raises(TypeError):
        Response.from_json({"text": "x", "txet": "y"})


def test_all_input_counts_whatever_it_costs() -> None:
    usage = Usage(input=1, cache_read=2, cache_write_5m=4, cache_write_1h=8, output=16)
    assert usage.total_input == 15
