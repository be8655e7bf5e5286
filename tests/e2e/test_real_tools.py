"""Tools through the vendors' own SDKs: what is declared, what comes back, and what never happens."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.adapters.anthropic import AnthropicProvider
from pipex_core.adapters.gemini import GeminiProvider
from pipex_core.errors import InvalidRequest, ProviderError
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import (
    Message,
    Request,
    Response,
    StreamingProvider,
    ToolCall,
    ToolDefinition,
)
from tests.fakes.provider_server import (
    ProviderServer,
    Reply as Served,
    anthropic_event,
    anthropic_message,
    anthropic_stream,
    gemini_answer,
    gemini_stream,
    good_key,
    running,
)

pytestmark = pytest.mark.e2e
schema: dict[str, Json] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
tool = ToolDefinition(name="weather", description="Weather of a city.", parameters=schema)
question = Message(role="user", text="How warm is it?")
claude = Request(
    provider="anthropic",
    model="claude-haiku-5-5",
    messages=[question],
    tools=[tool],
    timeout_s=20.0,
)
gemini = replace(claude, provider="gemini", model="gemini-3.8-flash")
both = pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
streaming = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])

claude_parts = [
    {"type": "thinking", "thinking": "two cities", "signature": "sig-1"},
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Köln"}},
]
claude_calls = anthropic_message(content=claude_parts, stop_reason="tool_use")
gemini_parts: list[dict[str, Any]] = [
    {"text": "two cities", "thought": True},
    {"text": "Let me see."},
    {
        "functionCall": {"id": "fc_1", "name": "weather", "args": {"city": "Paris"}},
        "thoughtSignature": "c2ln/+8=",
    },
    {"functionCall": {"name": "weather", "args": {"city": "Köln"}}},
]


def gemini_calls(parts: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"role": "model", "parts": parts}
    return gemini_answer(candidates=[{"content": content, "finishReason": "STOP", "index": 0}])


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


def ask(url: str, request: Request, *, is_streamed: bool = False) -> Response:
    async def work() -> Response:
        made = AnthropicProvider if request.provider == "anthropic" else GeminiProvider
        provider: StreamingProvider = made(api_key=good_key, base_url=url)
        try:
            if not is_streamed:
                return await provider.complete(request)
            items = [item async for item in provider.stream(request)]
            assert isinstance(items[-1], Response)
            return items[-1]
        finally:
            await provider.aclose()

    return asyncio.run(work())


def answered(request: Request, first: Response) -> Request:
    """The conversation after the results of the calls of ``first``, the second one an error."""
    turn = Message(
        role="assistant", text=first.text, tool_calls=first.tool_calls, parts=first.parts
    )
    results = [
        Message(role="tool", text=text, tool_call_id=call.id, is_error=text != "21 C")
        for call, text in zip(first.tool_calls, ["21 C", "no such city"], strict=True)
    ]
    return replace(request, messages=[*request.messages, turn, *results])


@streaming
def test_claude_calls_tools_and_gets_all_results_in_one_turn(
    server: ProviderServer, *, is_streamed: bool
) -> None:
    first_reply = (
        Served(chunks=anthropic_stream(claude_calls)) if is_streamed else Served(body=claude_calls)
    )
    server.script(first_reply)
    first = ask(server.url, claude, is_streamed=is_streamed)
    assert (first.finish_reason, first.text) == ("tool_calls", "Let me see.")
    assert first.tool_calls == (
        ToolCall(id="toolu_1", name="weather", arguments={"city": "Paris"}),
        ToolCall(id="toolu_2", name="weather", arguments={"city": "Köln"}),
    )
    assert ask(server.url, answered(claude, first)).text == "four"
    sent, again = (received.body for received in server.requests)
    assert (
        sent["tools"]
        == again["tools"]
        == [{"name": "weather", "description": "Weather of a city.", "input_schema": schema}]
    )
    assert again["messages"] == [
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "content": claude_parts},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 C"},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": "no such city",
                    "is_error": True,
                },
            ],
        },
    ]


@streaming
def test_gemini_calls_functions_and_gets_its_signatures_back(
    server: ProviderServer, *, is_streamed: bool
) -> None:
    body = gemini_calls(gemini_parts)
    server.script(Served(chunks=gemini_stream(body)) if is_streamed else Served(body=body))
    first = ask(server.url, gemini, is_streamed=is_streamed)
    assert (first.finish_reason, first.text) == ("tool_calls", "Let me see.")
    assert first.tool_calls == (
        ToolCall(id="fc_1", name="weather", arguments={"city": "Paris"}),
        ToolCall(id="pipex_call_1", name="weather", arguments={"city": "Köln"}),
    )
    assert ask(server.url, answered(gemini, first)).text == "four"
    sent, again = (received.body for received in server.requests)
    declared = {
        "name": "weather",
        "description": "Weather of a city.",
        "parameters_json_schema": schema,  # as the SDK writes it; the service reads both spellings
    }
    assert sent["tools"] == again["tools"] == [{"functionDeclarations": [declared]}]
    _, turn, results = again["contents"]
    assert turn["role"] == "model"
    assert [part.get("functionCall") for part in turn["parts"] if "functionCall" in part] == [
        {"id": "fc_1", "name": "weather", "args": {"city": "Paris"}},
        {"name": "weather", "args": {"city": "Köln"}},
    ]
    signed = next(part for part in turn["parts"] if "thoughtSignature" in part)
    assert signed["thoughtSignature"] in {"c2ln/+8=", "c2ln_-8="}  # base64 of both alphabets
    assert results == {
        "role": "user",
        "parts": [
            {
                "functionResponse": {
                    "id": "fc_1",
                    "name": "weather",
                    "response": {"output": "21 C"},
                }
            },
            {"functionResponse": {"name": "weather", "response": {"error": "no such city"}}},
        ],
    }


@both
def test_a_turn_without_the_vendors_parts_is_written_anew(
    server: ProviderServer, request_: Request
) -> None:
    calls = (ToolCall(id="c1", name="weather", arguments={"city": "Rome"}),)
    for text in ("", "So:"):
        turn = Message(role="assistant", text=text, tool_calls=calls)
        result = Message(role="tool", text="30 C", tool_call_id="c1")
        ask(server.url, replace(request_, messages=[question, turn, result]))
    silent, spoken = (received.body for received in server.requests)
    if request_ is claude:
        use = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rome"}}
        assert silent["messages"][1]["content"] == [use]
        assert spoken["messages"][1]["content"] == [{"type": "text", "text": "So:"}, use]
    else:
        call = {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rome"}}}
        assert silent["contents"][1]["parts"] == [call]
        assert spoken["contents"][1]["parts"] == [{"text": "So:"}, call]


@both
def test_a_tool_without_parameters_is_declared_as_an_object(
    server: ProviderServer, request_: Request
) -> None:
    ask(server.url, replace(request_, tools=[replace(tool, parameters={})]))
    sent = server.requests[0].body["tools"][0]
    declared = sent if request_ is claude else sent["functionDeclarations"][0]
    assert {"type": "object"} in declared.values()


@both
def test_a_result_that_answers_no_call_is_refused_before_it_is_sent(
    server: ProviderServer, request_: Request
) -> None:
    with pytest.raises(InvalidRequest):
        ask(server.url, replace(request_, messages=[question, Message(role="tool", text="x")]))
    assert server.requests == []


def test_gemini_runs_no_function_itself_and_asks_once(server: ProviderServer) -> None:
    server.script(Served(body=gemini_calls(gemini_parts)))
    ask(server.url, gemini)
    assert len(server.requests) == 1


def test_claude_pauses_and_goes_on_with_its_own_turn(server: ProviderServer) -> None:
    paused = anthropic_message(stop_reason="pause_turn")
    server.script(Served(body=paused))
    first = ask(server.url, claude)
    assert (first.finish_reason, first.parts) == ("pause", paused["content"])
    turn = Message(role="assistant", text=first.text, parts=first.parts)
    ask(server.url, replace(claude, messages=[question, turn]))
    assert server.requests[1].body["messages"][1]["content"] == paused["content"]


def test_an_input_that_was_cut_is_not_taken_for_a_whole_one(server: ProviderServer) -> None:
    events = anthropic_stream(claude_calls)
    place = next(i for i, event in enumerate(events) if b"K\\u00f6ln" in event or b'ln\\"' in event)
    cut = [*events[:place], *events[place + 1 :]]
    server.script(Served(chunks=cut))
    with pytest.raises(ProviderError) as caught:
        ask(server.url, claude, is_streamed=True)
    assert (caught.value.code, caught.value.detail) == ("server_error", "malformed_reply")
    cut[-2] = anthropic_event(
        "message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 9}
    )
    server.script(Served(chunks=cut))
    response = ask(server.url, claude, is_streamed=True)
    assert response.finish_reason == "max_tokens"
    assert [dict(call.arguments) for call in response.tool_calls] == [{"city": "Paris"}, {}]


@pytest.mark.parametrize(
    "body",
    [
        anthropic_message(stop_reason="tool_use"),
        anthropic_message(
            stop_reason="tool_use",
            content=[{"type": "tool_use", "id": "t", "name": "weather", "input": "Rome"}],
        ),
        anthropic_message(
            stop_reason="tool_use", content=[{"type": "tool_use", "id": None, "name": "weather"}]
        ),
        gemini_calls([{"functionCall": {"args": {}}}]),
    ],
    ids=["no call", "input that is text", "no id", "no name"],
)
def test_a_call_that_is_not_whole_is_a_malformed_reply(
    server: ProviderServer, body: dict[str, Any]
) -> None:
    server.script(Served(body=body))
    with pytest.raises(ProviderError) as caught:
        ask(server.url, gemini if "candidates" in body else claude)
    assert caught.value.detail == "malformed_reply"


@pytest.mark.parametrize("wild", [{"properties": {"a": {"type": ["string", "null"]}}}, {"type": "object", "properties": {"a": True}}])  # fmt: skip
def test_a_schema_that_claude_cannot_enforce_is_left_out(
    server: ProviderServer, wild: dict[str, Any]
) -> None:
    ask(server.url, replace(claude, schema=wild))
    assert "output_config" not in server.requests[0].body
    ask(server.url, replace(gemini, schema=wild))
    assert server.requests[1].body["generationConfig"]["responseJsonSchema"] == wild


def test_answers_survive_the_journal_with_their_parts(server: ProviderServer) -> None:
    server.script(Served(body=gemini_calls(gemini_parts)))
    first = ask(server.url, gemini)
    kept = Response.from_json(json.loads(json.dumps(first.to_json())))
    assert kept == first
    assert answered(gemini, kept).body() == answered(gemini, first).body()
