"""Answers that are shown while they come: in order, void after a retry, and the same in the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from pipex_core.errors import ConnectionFailed, InvalidReply, Overloaded, ProviderError
from pipex_core.llm.client import LlmClient, Reply
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import (
    Delta,
    Message,
    Provider,
    Request,
    Response,
    StreamingProvider,
    ToolCall,
)
from tests.fakes.clock import ManualClock
from tests.fakes.provider import MemoryCallCache, MemoryCallLog, ScriptedProvider, answer

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: anthropic, match: [m], valid_from: 2026-11-23, input: "1", output: "5", cache_read: "0.1"}
"""
)
question = Request(
    provider="anthropic", model="m", messages=[Message(role="user", text="x")], max_tokens=10
)
Script = Sequence[str | float | Response | ProviderError]


class Streams(ScriptedProvider):
    """Streams scripts, one per call: texts are shown, numbers are seconds that pass, errors end it."""

    def __init__(self, clock: ManualClock, *scripts: Script) -> None:
        super().__init__()
        self._clock = clock
        self._scripts = list(scripts)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        self.sent.append(request)
        for item in self._scripts.pop(0):
            match item:
                case str():
                    yield Delta(text=item)
                case Response():
                    yield item
                case ProviderError():
                    raise item
                case _:
                    await self._clock.sleep(item)


class World:
    """A client over one provider, and what somebody who looks on has seen."""

    def __init__(self, *scripts: Script, whole: Response | None = None) -> None:
        self.clock = ManualClock(auto=True)
        self.provider: Provider = (
            ScriptedProvider([whole]) if whole else Streams(self.clock, *scripts)
        )
        self.log, self.cache, self.ledger = MemoryCallLog(), MemoryCallCache(), Ledger(Budget())
        self.seen: list[tuple[str, bool]] = []
        self.client = LlmClient(
            providers={"anthropic": self.provider},
            clock=self.clock,
            rng=random.Random(1),
            prices=prices,
            cache=self.cache,
        )

    def call(self, request: Request = question, *, looks_on: bool = True) -> Reply:
        return asyncio.run(
            self.client.call(
                request,
                log=self.log,
                ledger=self.ledger,
                retry=RetryPolicy(jitter=False),
                cache="use",
                on_delta=self._see if looks_on else None,
            )
        )

    def _see(self, delta: Delta) -> None:
        self.seen.append((delta.text, delta.restart))


def test_pieces_are_shown_in_order_and_the_first_one_is_timed() -> None:
    world = World([0.4, "he", 0.6, "llo", answer("hello")])
    reply = world.call()
    assert world.seen == [("he", False), ("llo", False)]
    assert (reply.response.ttft_ms, reply.response.latency_ms) == (400.0, 1000.0)
    assert reply.response.text == "hello"


def test_a_retry_voids_what_was_shown() -> None:
    cut = ConnectionFailed("cut", maybe_billed=True)
    world = World(["he", cut], [Overloaded("busy")], ["hel", "lo", answer("hello")])
    reply = world.call()
    assert world.seen == [("he", False), ("", True), ("hel", False), ("lo", False)]
    assert reply.attempts == 3
    assert world.log.kinds() == [
        *("begin", "fail connection", "begin", "fail overloaded"),
        *("begin", "done"),
    ]
    # 1 byte and 32 of wrapping at 1 USD, 10 tokens out at 5 USD per million
    assert reply.failed_nanousd == 33 * 1000 + 10 * 5000


def test_a_retry_before_anything_was_shown_voids_nothing() -> None:
    world = World([Overloaded("busy")], ["hello", answer("hello")])
    world.call()
    assert world.seen == [("hello", False)]


def test_a_stream_without_an_answer_is_a_cut_that_may_be_billed() -> None:
    world = World(["he"], ["he"], ["he"], ["he"])
    with pytest.raises(ConnectionFailed) as caught:
        world.call()
    assert caught.value.maybe_billed


def test_nobody_looking_on_is_asked_for_no_stream() -> None:
    world = World(["hello", answer("hello")])
    assert world.call(looks_on=False).response.text == "ok"
    assert world.seen == []


def test_a_provider_without_streams_shows_its_answer_in_one_piece() -> None:
    world = World(whole=answer("hello"))
    assert not isinstance(world.provider, StreamingProvider)
    assert world.call().response.ttft_ms is None
    assert world.seen == [("hello", False)]


def test_an_answer_that_is_known_is_shown_in_one_piece() -> None:
    world = World(["he", "llo", answer("hello")])
    first = world.call()
    world.seen.clear()
    world.log.restart()
    journalled = world.call()
    cached = world.call()
    assert world.seen == [("hello", False), ("hello", False)]
    assert (first.ordinal, journalled.ordinal, cached.ordinal) == (0, 0, 1)
    assert (journalled.cache, cached.cache) == ("miss", "hit")


def test_the_wall_deadline_holds_for_a_stream_that_trickles() -> None:
    clock = ManualClock()

    class Trickle(ScriptedProvider):
        async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
            del request
            while True:
                yield Delta(text=".")
                await asyncio.sleep(0)

    client = LlmClient(
        providers={"anthropic": Trickle()}, clock=clock, rng=random.Random(1), prices=prices
    )
    seen: list[Delta] = []
    with pytest.raises(ProviderError) as caught:
        asyncio.run(
            client.call(
                replace(question, timeout_s=0.05),
                log=MemoryCallLog(),
                ledger=Ledger(Budget(max_cost_usd=Decimal(1))),
                retry=RetryPolicy(max_retries=0),
                on_delta=seen.append,
            )
        )
    assert (caught.value.code, caught.value.maybe_billed) == ("timeout", True)
    assert seen


def test_a_call_that_was_cut_is_an_invalid_reply_and_paid() -> None:
    calls = (ToolCall(id="t", name="Write", arguments={}),)
    world = World([replace(answer(""), finish_reason="max_tokens", tool_calls=calls)])
    with pytest.raises(InvalidReply, match="cut at 10 tokens"):
        world.call()
    assert world.log.kinds() == ["begin", "done"]


def test_a_pause_is_no_empty_answer() -> None:
    world = World([replace(answer(""), finish_reason="pause")])
    assert world.call().response.finish_reason == "pause"
    assert world.cache.entries == {}
