"""Limits of a service as calls meet them: keys, breaker, quota, slots, buckets."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import (
    AuthFailed,
    CircuitOpen,
    Overloaded,
    ProviderError,
    RateLimited,
    ServerFailed,
)
from pipex_core.llm.client import NullCallLog
from pipex_core.llm.guard import Limits
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import Origin, Request
from pipex_core.telemetry import Event, RunEvents
from tests.fakes.calling import World, question, run
from tests.fakes.clock import settle
from tests.fakes.provider import answer

outage = ServerFailed("boom")


def failure_of(world: World, request: Request = question, **how: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        run(world.call(request, **how))
    return caught.value


def test_a_rejected_key_stops_all_later_calls() -> None:
    world = World(AuthFailed("who are you?"))
    assert failure_of(world).code == "auth"
    later = failure_of(world, replace(question, model="other"))
    assert (type(later), later.detail) == (CircuitOpen, "auth")
    assert len(world.provider.sent) == 1


def test_an_outage_opens_the_breaker_for_everybody() -> None:
    world = World(Overloaded("busy"), retry=RetryPolicy(max_retries=0), limits=Limits(hold_s=5.0))
    for _ in range(5):
        failure_of(world)
    assert type(failure_of(world)) is CircuitOpen
    assert len(world.provider.sent) == 5
    assert [e.data["state"] for e in world.events if e.kind == "breaker_changed"] == ["open"]


def test_a_call_waits_for_the_breaker_and_is_its_probe() -> None:
    world = World(*[outage] * 5, answer("back"), retry=RetryPolicy(max_retries=0))
    for _ in range(5):
        failure_of(world)
    reply = run(world.call())
    assert (reply.response.text, reply.attempts, reply.wait_ms) == ("back", 1, 15000.0)


def test_the_deadline_ends_the_wait_for_the_breaker() -> None:
    world = World(outage, retry=RetryPolicy(max_retries=0))
    for _ in range(5):
        failure_of(world)
    assert type(failure_of(world, deadline=3.0)) is CircuitOpen
    assert world.clock.monotonic() == 3.0


def test_a_mock_has_no_breaker_and_no_quota() -> None:
    world = World(outage, billable=False, retry=RetryPolicy(max_retries=60, jitter=False))
    failure_of(world)
    assert len(world.provider.sent) == 61
    world.provider._lines = [AuthFailed("scripted")]
    assert failure_of(world).code == "auth"
    assert failure_of(world).code == "auth"


def test_an_outage_uses_up_the_retry_quota() -> None:
    # api_error is no outage for the breaker, so only the quota ends the retries
    error = ProviderError("conflict", code="api_error")
    world = World(error, retry=RetryPolicy(max_retries=100, jitter=False))
    assert failure_of(world).detail == "retry_quota"
    assert len(world.provider.sent) == 36


def test_a_throttle_lowers_the_limit_and_is_told() -> None:
    world = World(RateLimited("slow"), answer())
    run(world.call())
    changes = [e.data["limit"] for e in world.events if e.kind == "limiter_changed"]
    assert changes == [7]


def test_judges_and_targets_have_limits_of_their_own() -> None:
    world = World(Overloaded("busy"), retry=RetryPolicy(max_retries=0), limits=Limits(hold_s=0.0))
    for _ in range(6):
        failure_of(world)
    assert len(world.provider.sent) == 5
    failure_of(world, replace(question, origin=Origin(role="judge")))
    assert len(world.provider.sent) == 6


def test_no_more_calls_run_at_once_than_connections_are_allowed() -> None:
    async def work(world: World) -> int:
        calls = [
            world.client.call(question, log=NullCallLog(), ledger=world.ledger, retry=world.retry)
            for _ in range(20)
        ]
        await asyncio.gather(*calls)
        return world.provider.at_once

    assert run(work(World(limits=Limits(max_connections=3)))) == 3


def test_requests_and_tokens_per_minute_space_the_calls() -> None:
    by_requests = World(limits=Limits(rpm=2))
    by_tokens = World(answer(), limits=Limits(tpm=3000))
    starts: list[list[float]] = []
    for world in (by_requests, by_tokens):
        starts.append([])
        for _ in range(3):
            run(world.call())
            starts[-1].append(world.clock.monotonic())
    assert starts[0] == [0.0, 0.0, pytest.approx(30.0)]
    # 50 per second; 2 032 are taken and 832 given back: the second call lacks 232, the third 1 200
    assert starts[1] == [0.0, pytest.approx(4.64), pytest.approx(28.64)]


def test_a_cancelled_wait_for_tokens_frees_the_slot() -> None:
    async def work() -> None:
        world = World(limits=Limits(max_connections=1, rpm=1), auto=False)
        await world.call()
        stuck = asyncio.create_task(world.call())
        await settle()
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        last = asyncio.create_task(world.call())
        await world.clock.advance(120)
        await last

    run(work())


def test_a_cancelled_call_in_the_queue_leaves_nothing_behind() -> None:
    async def work() -> int:
        world = World(limits=Limits(max_connections=1), auto=False)
        world.provider.gate = asyncio.Event()
        first, second, third = (asyncio.create_task(world.call()) for _ in range(3))
        await settle()
        second.cancel()
        await settle()
        world.provider.gate.set()
        await asyncio.gather(first, third)
        return len(world.provider.sent)

    assert run(work()) == 2


def test_the_breaker_is_asked_again_after_the_queue() -> None:
    async def work() -> tuple[int, list[str]]:
        limits = Limits(max_connections=5, hold_s=0.0)
        world = World(outage, limits=limits, retry=RetryPolicy(max_retries=0), auto=False)
        world.provider.gate = asyncio.Event()

        async def one() -> str:
            try:
                await world.client.call(
                    question, log=NullCallLog(), ledger=world.ledger, retry=world.retry
                )
            except ProviderError as error:
                return error.code
            return "ok"

        tasks = [asyncio.create_task(one()) for _ in range(7)]
        await settle()
        world.provider.gate.set()
        return len(world.provider.sent), await asyncio.gather(*tasks)

    sent, codes = run(work())
    assert sent == 5
    assert codes == ["server_error"] * 5 + ["circuit_open"] * 2


def test_a_run_hears_of_what_its_own_calls_change() -> None:
    async def work() -> list[list[str]]:
        world = World(
            RateLimited("slow"), answer(), *[outage] * 5, retry=RetryPolicy(max_retries=1)
        )
        heard: list[list[Event]] = [[], []]
        for events in heard:
            sink = RunEvents(run_id="r", clock=world.clock, listener=events.append)
            for _ in range(3):
                with suppress(ProviderError):
                    await world.client.call(
                        question,
                        log=NullCallLog(),
                        ledger=world.ledger,
                        retry=world.retry,
                        sink=sink,
                    )
        return [
            [e.kind for e in events if e.kind in {"limiter_changed", "breaker_changed"}]
            for events in heard
        ]

    first, second = run(work())
    # the first run met a throttle and four failures, the second one the fifth
    assert first == ["limiter_changed"]
    assert second[0] == "breaker_changed"
