"""Calls recorded by one provider and served by another, offline."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.adapters.replay import RecordingProvider, ReplayProvider, cassette_key
from pipex_core.errors import ConfigError, InvalidRequest, ReplayMiss
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Estimate, Message, Origin, Request, Response
from pipex_core.secrets import Redactor, Secret
from tests.fakes.clock import ManualClock
from tests.fakes.provider import ScriptedProvider, answer

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: anthropic, match: [m], valid_from: 2026-11-23, input: "1", output: "5", cache_read: "0.1"}
"""
)
base = Request(provider="anthropic", model="m", messages=[Message(role="user", text="2+2?")])


def record(*lines: Any, requests: int = 1) -> list[str]:
    cassette: list[str] = []
    recorder = RecordingProvider(
        ScriptedProvider(lines), append=cassette.append, clock=ManualClock()
    )

    async def work() -> None:
        for _ in range(requests):
            await recorder.complete(base)
        await recorder.aclose()

    asyncio.run(work())
    return cassette


def served(provider: ReplayProvider, request: Request = base) -> Response:
    return asyncio.run(provider.complete(request))


def test_a_recorded_call_is_one_line_with_key_request_and_reply() -> None:
    (line,) = record(answer("four"))
    entry = json.loads(line)
    assert list(entry) == ["key", "reply", "request"]
    assert entry["key"] == cassette_key(base)
    assert entry["request"]["messages"][0]["text"] == "2+2?"
    assert entry["reply"]["text"] == "four"


def test_a_cassette_holds_no_secrets_and_still_answers_the_call_that_has_them() -> None:
    redact = Redactor(secrets=[Secret("key", "canary-value")]).value
    cassette: list[str] = []
    recorder = RecordingProvider(
        ScriptedProvider([answer("it is canary-value")]),
        append=cassette.append,
        clock=ManualClock(),
        redact=redact,
    )
    asked = replace(base, messages=[Message(role="user", text="Is it canary-value?")])
    assert asyncio.run(recorder.complete(asked)).text == "it is canary-value"
    assert "canary-value" not in cassette[0]
    assert served(ReplayProvider(cassette, prices=prices), asked).text == "it is [redacted:key]"


def test_equal_calls_are_served_in_the_order_in_which_they_were_recorded() -> None:
    provider = ReplayProvider(record(answer("one"), answer("two"), requests=2), prices=prices)
    assert [served(provider).text for _ in range(2)] == ["one", "two"]
    with pytest.raises(ReplayMiss) as caught:
        served(provider)
    assert (caught.value.code, caught.value.retryable) == ("replay_miss", False)


def test_another_question_is_a_miss() -> None:
    provider = ReplayProvider(record(answer()), prices=prices)
    with pytest.raises(ReplayMiss):
        served(provider, replace(base, messages=[Message(role="user", text="3+3?")]))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"provider": "gemini"}, False),
        ({"model": "n"}, False),
        ({"system": "be brief"}, False),
        ({"options": {"temperature": 0}}, False),
        ({"max_tokens": 1}, False),
        ({"schema": {}}, False),
        ({"base_url": "http://127.0.0.1:1"}, True),
        ({"origin": Origin(path="x", attempt=3)}, True),
        ({"repeat": 1}, True),
        ({"timeout_s": 1.0}, True),
    ],
)
def test_the_key_is_of_what_was_asked_not_of_where(change: dict[str, Any], *, same: bool) -> None:
    assert (cassette_key(replace(base, **change)) == cassette_key(base)) is same


def test_a_replayed_answer_takes_what_it_took_then() -> None:
    provider = ReplayProvider([*record(answer()), "\n"], prices=prices)
    # 1 000 tokens at 1 USD and 200 at 5 USD per million
    assert provider.estimate(base) == Estimate(nanousd=2_000_000, tokens=1200)
    assert served(provider).cost_nanousd == 2_000_000
    assert provider.estimate(base) == Estimate(nanousd=0, tokens=0)
    known = ReplayProvider(record(replace(answer(), cost_nanousd=5)), prices=prices)
    assert served(known).cost_nanousd == 5


def test_the_time_of_a_live_call_is_recorded() -> None:
    clock = ManualClock()
    cassette: list[str] = []

    def slow(_: Request) -> Response:
        clock.tick(0.5)
        return answer()

    inner = ScriptedProvider([slow])
    inner.known = Estimate(nanousd=1, tokens=1)
    recorder = RecordingProvider(inner, append=cassette.append, clock=clock)
    assert recorder.estimate(base) == inner.known
    assert asyncio.run(recorder.complete(base)).latency_ms == 500.0
    assert served(ReplayProvider(cassette, prices=prices)).latency_ms == 500.0
    assert (recorder.name, recorder.billable, recorder.adapter_version) == ("anthropic", True, 1)


def test_failures_are_not_recorded() -> None:
    cassette: list[str] = []
    inner = ScriptedProvider([InvalidRequest("no")])
    recorder = RecordingProvider(inner, append=cassette.append, clock=ManualClock())
    with pytest.raises(InvalidRequest):
        asyncio.run(recorder.complete(base))
    assert cassette == []


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "3", '{"key": "k"}', '{"key": "k", "reply": {"txet": "x"}}', '{"key": "k", "reply": 1}'],
)  # fmt: skip
def test_a_damaged_cassette_says_which_line(line: str) -> None:
    with pytest.raises(ConfigError, match="line 2 of the cassette") as caught:
        ReplayProvider([*record(answer()), line], prices=prices)
    assert caught.value.code == "invalid_cassette"
