"""Calls as other programs log them: each shape gives the same question and the same answer."""

import json
from typing import Any

import pytest

from pipex_core.evals.logpresets import log_presets
from pipex_core.jsonvalue import Json

asked = {"role": "user", "content": "Capital of France?"}


def read(preset: str, record: Json) -> list[dict[str, Any]]:
    return [dict(one) for one in log_presets[preset](record)]


def the_call(preset: str, record: Json) -> tuple[Json, Json]:
    (one,) = read(preset, record)
    return one["input"], one["output"]


chats: list[tuple[str, Json]] = [
    (
        "openai",
        {
            "request": {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, asked]},
            "response": {"choices": [{"message": {"role": "assistant", "content": "Paris"}}]},
        },
    ),
    (
        "openai",
        {
            "custom_id": "r1",
            "body": {"model": "m", "messages": [asked]},
            "response": {"body": {"choices": [{"message": {"content": "Paris"}}]}},
        },
    ),
    ("openai", {"model": "m", "messages": [asked, {"role": "assistant", "content": "Paris"}]}),
    (
        "openai",
        {
            "request": {"model": "m", "input": "Capital of France?", "instructions": "Be brief."},
            "response": {
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "message", "content": [{"type": "output_text", "text": "Paris"}]},
                ]
            },
        },
    ),
    ("openai", {"prompt": "Capital of France?", "choices": [{"text": "Paris"}]}),
    (
        "anthropic",
        {
            "request": {
                "model": "m",
                "system": [{"type": "text", "text": "Be brief."}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Capital of France?"}]}
                ],
            },
            "response": {"content": [{"type": "text", "text": "Paris"}], "model": "m-1"},
        },
    ),
    (
        "anthropic",
        {
            "custom_id": "r1",
            "params": {"model": "m", "messages": [asked]},
            "result": {"type": "succeeded", "message": {"content": [{"type": "text", "text": "Paris"}]}},
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "record"), chats)
def test_the_shapes_of_one_chat_give_one_question(preset: str, record: Json) -> None:
    assert the_call(preset, record) == ("Capital of France?", "Paris")


def test_what_the_system_said_is_no_part_of_the_question() -> None:
    (found,) = read("openai", chats[0][1])
    assert (found["system"], found["model"], found["last"]) == ("Be brief.", "m", asked["content"])
    (found,) = read("anthropic", chats[5][1])
    assert (found["system"], found["model"]) == ("Be brief.", "m")


def test_several_turns_stay_turns_and_parts_that_are_no_text_stay_parts() -> None:
    turns = [asked, {"role": "assistant", "content": "Paris"}, {"role": "user", "content": "Sure?"}]
    found, answer = the_call("openai", {"messages": turns})
    assert (found, answer) == (turns, None)
    image = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "What?"}]
    found, _ = the_call("openai", {"messages": [{"role": "user", "content": image}]})
    assert found == [{"role": "user", "content": image}]


def test_records_that_are_no_calls_have_no_question() -> None:
    assert read("openai", {"event": "started"})[0]["input"] is None
    assert list(log_presets["openai"]("text")) == ["text"]
    assert list(log_presets["pipex"](3)) == [3]
    assert list(log_presets["otel"]([])) == [[]]


def otlp(**attributes: Json) -> Json:
    """A trace of two spans, one of which calls a model."""

    def value(one: Json) -> Json:
        if isinstance(one, list):
            return {"arrayValue": {"values": [value(inner) for inner in one]}}
        if isinstance(one, dict):
            return {"kvlistValue": {"values": pairs(one)}}
        return {"intValue": str(one)} if isinstance(one, int) else {"stringValue": one}

    def pairs(facts: dict[str, Json]) -> list[Json]:
        return [{"key": name, "value": value(one)} for name, one in facts.items()]

    call = {
        "spanId": "s1",
        "name": "chat m",
        "startTimeUnixNano": "1700000000000000000",
        "attributes": pairs({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3, **attributes}),
    }  # fmt: skip
    other = {"spanId": "s2", "name": "GET /", "attributes": pairs({"http.method": "GET"})}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [other, call]}]}]}


parts_in = [{"role": "user", "parts": [{"type": "text", "content": "Capital of France?"}]}]
parts_out = [
    {"role": "assistant", "parts": [{"type": "text", "content": "Paris"}], "finish_reason": "stop"}
]
spans: list[Json] = [
    otlp(**{"gen_ai.input.messages": parts_in, "gen_ai.output.messages": parts_out}),
    otlp(
        **{
            "gen_ai.input.messages": json.dumps(parts_in),
            "gen_ai.output.messages": json.dumps(parts_out),
        }
    ),
    otlp(**{"gen_ai.prompt": "Capital of France?", "gen_ai.completion": "Paris"}),
    otlp(
        **{
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Capital of France?",
            "gen_ai.completion.0.content": "Paris",
        }
    ),
    {
        "name": "chat m",
        "context": {"span_id": "s1"},
        "attributes": {"gen_ai.request.model": "m"},
        "start_time": "2023-11-14T22:13:20Z",
        "events": [
            {"name": "gen_ai.user.message", "attributes": {"content": "Capital of France?"}},
            {"name": "gen_ai.choice", "attributes": {"message": '{"content": "Paris"}'}},
            {"name": "exception", "attributes": {}},
        ],
    },
]


@pytest.mark.parametrize("record", spans)
def test_spans_of_each_convention_give_one_question(record: Json) -> None:
    (found,) = read("otel", record)
    assert (found["input"], found["output"]) == ("Capital of France?", "Paris")
    assert (found["model"], found["log_id"], found["name"]) == ("m", "s1", "chat m")
    assert found["at"] in ("1700000000000000000", "2023-11-14T22:13:20Z")


def test_typed_values_of_a_span_become_json() -> None:
    (found,) = read("otel", otlp(**{"gen_ai.prompt": "x", "n": [1, "a", {"b": 2}]}))
    assert found["attributes"]["n"] == [1, "a", {"b": 2}]
    loose = [{"key": "gen_ai.prompt", "value": "x"}]
    assert read("otel", {"attributes": loose})[0]["input"] == "x"
    broken = otlp(**{"gen_ai.input.messages": "[not json"})
    assert read("otel", broken)[0]["input"] == "[not json"


def test_what_pipex_wrote_itself_is_read() -> None:
    run = {"run_id": "r", "inputs": {"q": "x"}, "outputs": {"answer": "y"}, "started_at": "t"}
    (found,) = read("pipex", run)
    assert (found["input"], found["output"], found["log_id"]) == ({"q": "x"}, "y", "r")
    (found,) = read("pipex", {**run, "outputs": {"a": 1, "b": 2}})
    assert found["output"] == {"a": 1, "b": 2}
    row = {"case_id": "c", "origin_run_id": "ev", "input": '{"q":"x"}', "output": "y"}
    (found,) = read("pipex", {**row, "model_resolved": "m"})
    assert (found["input"], found["log_id"], found["model"]) == ({"q": "x"}, "ev/c", "m")
    (found,) = read("pipex", {"input": "plain"})
    assert (found["input"], found["log_id"]) == ("plain", None)
