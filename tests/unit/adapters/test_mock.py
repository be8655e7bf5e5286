"""What the mock answers, counts and takes."""

import asyncio
from typing import Any

import pytest

from pipex_core.adapters.mock import MockProvider
from pipex_core.errors import ProviderError, ProviderTimeout, RateLimited
from pipex_core.llm.mock_rules import default_text, rules_of
from pipex_core.llm.provider import Message, Origin, Request, Response, ToolDefinition
from tests.fakes.clock import ManualClock

tool = ToolDefinition(name="Read", description="reads", parameters={})


def asked(prompt: str = "What is 2+2?", **changes: Any) -> Request:
    values = {"provider": "mock", "model": "m", "messages": [Message(role="user", text=prompt)]}
    return Request(**{**values, **changes})


def mock(*rules: Any, default: Any = None) -> MockProvider:
    data = {"responses": list(rules), **({"default": default} if default else {})}
    return MockProvider(rules_of(data), clock=ManualClock(auto=True))


def answer(provider: MockProvider, request: Request | None = None) -> Response:
    return asyncio.run(provider.complete(request or asked()))


def test_without_a_rule_the_beginning_of_the_prompt_comes_back() -> None:
    provider = MockProvider(clock=ManualClock())
    assert answer(provider, asked("Say\nhi\r\nnow")).text == "Mock response for: Say hi now"
    assert answer(provider, asked("x" * 50)).text == "Mock response for: " + "x" * 50
    assert answer(provider, asked("x" * 51)).text == "Mock response for: " + "x" * 50 + "..."


def test_without_a_rule_a_schema_gets_its_smallest_value() -> None:
    schema = {
        "properties": {"n": {"type": "integer"}, "s": {"type": "string"}},
        "required": ["n", "s"],
    }
    assert answer(mock(), asked(schema=schema)).text == '{"n":0,"s":"mock"}'
    assert answer(mock(default={"reply": "own"}), asked(schema=schema)).text == "own"


def test_the_first_matching_rule_answers() -> None:
    provider = mock(
        {"when": {"contains": "3"}, "reply": "three"},
        {"when": {"contains": "2"}, "reply": "two"},
        {"reply": "any"},
        default={"reply": "default"},
    )
    assert [answer(provider, asked(text)).text for text in ("2 3", "2", "1")] == [
        "three", "two", "any",
    ]  # fmt: skip
    assert answer(mock(default="default")).text == "default"


def test_replies_come_in_turn_and_the_last_one_stays() -> None:
    provider = mock({"when": {"step": "a"}, "replies": ["one", {"json": {"b": [1, 2]}}]})
    mine, other = asked(origin=Origin(path="a")), asked(origin=Origin(path="b"))
    texts = [answer(provider, request).text for request in (mine, other, mine, mine)]
    assert texts[0::2] == ["one", '{"b":[1,2]}']
    assert texts[3] == '{"b":[1,2]}'


def test_counts_go_on_after_a_checkpoint_of_the_same_file() -> None:
    first = mock({"replies": ["one", "two", "three"]})
    answer(first)
    second = mock({"replies": ["one", "two", "three"]})
    second.draws.restore(first.draws.counts())
    assert answer(second).text == "two"
    second.draws.restore([5, 5])
    assert answer(second).text == "three"


def test_echo_is_the_last_turn_of_the_user() -> None:
    turns = [Message(role="user", text="a"), Message(role="user", text="b")]
    assert answer(mock({"echo": True}), asked(messages=turns)).text == "b"


def test_tokens_are_a_quarter_of_the_characters_unless_given() -> None:
    usage = answer(mock({"reply": "four!"}), asked("123456789")).usage
    assert (usage.input, usage.output) == (3, 2)  # ceil(9 / 4), ceil(5 / 4)
    usage = answer(mock({"reply": "x", "tokens": {"input": 10}})).usage
    assert (usage.input, usage.output) == (10, 1)


def test_a_call_costs_nothing_unless_given() -> None:
    assert answer(mock()).cost_nanousd == 0
    assert answer(mock({"reply": "x", "cost": 0.25})).cost_nanousd == 250_000_000


def test_an_estimate_is_exactly_what_comes_and_counts_nothing() -> None:
    provider = mock({"replies": [{"reply": "a", "cost": 1}, {"error": {"kind": "auth"}}]})
    for _ in range(2):
        estimate = provider.estimate(asked("1234"))
        assert (estimate and (estimate.nanousd, estimate.tokens)) == (10**9, 2)
    answer(provider)
    estimate = provider.estimate(asked())
    assert (estimate and (estimate.nanousd, estimate.tokens)) == (0, 0)


def test_an_error_has_the_kind_and_the_facts_of_its_rule() -> None:
    error = {"kind": "rate_limit", "message": "slow down", "status": 429, "retry_after_s": 2}
    with pytest.raises(RateLimited) as caught:
        answer(mock({"error": error}))
    assert (caught.value.message, caught.value.status, caught.value.retry_after_s) == (
        "slow down",
        429,
        2.0,
    )
    assert (caught.value.provider, caught.value.model) == ("mock", "m")


@pytest.mark.parametrize(
    "kind",
    [
        "rate_limit",
        "overloaded",
        "server_error",
        "connection",
        "timeout",
        "api_error",
        "auth",
        "spend_limit",
        "invalid_request",
        "not_found",
        "content_filter",
        "empty_reply",
        "invalid_reply",
        "max_turns",
        "circuit_open",
    ],
)
def test_every_kind_can_be_scripted(kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        answer(mock({"error": {"kind": kind}}))
    assert (caught.value.code, caught.value.message) == (kind, kind)


def test_latency_is_spent_on_the_clock() -> None:
    clock = ManualClock(auto=True)
    rules = rules_of({"responses": [{"reply": "x", "latency_ms": 900}]})
    response = asyncio.run(MockProvider(rules, clock=clock).complete(asked()))
    assert (response.latency_ms, clock.sleeps) == (900.0, [0.9])


def test_a_latency_above_the_deadline_is_a_timeout() -> None:
    clock = ManualClock(auto=True)
    rules = rules_of({"responses": [{"reply": "x", "latency_ms": 5000}]})
    provider = MockProvider(rules, clock=clock)
    with pytest.raises(ProviderTimeout):
        asyncio.run(provider.complete(asked(timeout_s=1.0)))
    assert clock.sleeps == [1.0]
    assert answer(provider, asked(timeout_s=5.0)).text == "x"


def test_the_model_is_the_one_asked_for_else_mock() -> None:
    assert answer(mock()).model_served == "m"
    assert answer(mock(), asked(model="")).model_served == "mock"


def test_tools_are_asked_for_before_the_reply() -> None:
    calls = [{"name": "Read", "input": {"path": "a"}}]
    provider = mock({"tool_calls": calls, "reply": "done"})
    first = answer(provider, asked(tools=[tool]))
    assert (first.finish_reason, first.text) == ("tool_calls", "")
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("Read", {"path": "a"})]
    turns = [Message(role="user", text="go"), Message(role="tool", text="content")]
    assert answer(provider, asked(tools=[tool], messages=turns)).text == "done"
    assert answer(provider).text == "done"


def test_replies_that_only_ask_do_so_turn_after_turn() -> None:
    ask = {"tool_calls": [{"name": "Read", "input": {}}]}
    provider = mock({"replies": [ask, ask, "done"]})
    turns = [Message(role="user", text="go"), Message(role="tool", text="content")]
    request = asked(tools=[tool], messages=turns)
    finishes = [answer(provider, request).finish_reason for _ in range(3)]
    assert finishes == ["tool_calls", "tool_calls", "stop"]
    once = mock(ask)
    assert answer(once, asked(tools=[tool])).finish_reason == "tool_calls"
    assert answer(once, request).text.startswith("Mock response for: ")


def test_an_estimate_of_a_call_for_tools_is_what_it_takes() -> None:
    provider = mock({"tool_calls": [{"name": "Read"}], "reply": "a long reply that comes later"})
    request = asked("1234", tools=[tool])
    estimate = provider.estimate(request)
    usage = answer(provider, request).usage
    assert estimate is not None
    assert estimate.tokens == usage.input + usage.output == 1


@pytest.mark.parametrize("text", ["", "one", "one two", "  a\n\n b ", "größe\tüber alles\n"])
def test_a_stream_gives_the_reply_word_by_word(text: str) -> None:
    provider = mock({"reply": text, "latency_ms": 100})

    async def work() -> list[str]:
        return [item.text async for item in provider.stream(asked())]

    *pieces, whole = asyncio.run(work())
    assert whole == "".join(pieces) == text
    assert len(pieces) <= len(text.split()) + 1


def test_a_call_that_must_give_json_gets_the_smallest_json_without_a_rule() -> None:
    request = asked(origin=Origin(path="s", must_be_json=True))
    assert answer(MockProvider(clock=ManualClock()), request).text == "{}"
    assert answer(mock({"reply": "no"}), request).text == "no"


def test_the_default_text_is_public() -> None:
    assert default_text("") == "Mock response for: "
