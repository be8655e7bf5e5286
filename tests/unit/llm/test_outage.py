"""Outages and noise of a service in virtual time: how much is sent, and how soon it goes on."""

import asyncio
import random
from dataclasses import dataclass
from itertools import pairwise

import pytest

from pipex_core.adapters.local import VirtualClock
from pipex_core.errors import (
    ConnectionFailed,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerFailed,
)
from pipex_core.llm.client import LlmClient, NullCallLog
from pipex_core.llm.cost import Ledger
from pipex_core.llm.guard import Limits
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Estimate, Message, Request, Response
from tests.fakes.clock import start
from tests.fakes.provider import answer

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: anthropic, match: [m], valid_from: 2026-11-23, input: "1", output: "5", cache_read: "0.1"}
"""
)
question = Request(
    provider="anthropic", model="m", messages=[Message(role="user", text="x" * 1000)]
)
seed = 20261123


class Service:
    """A vendor that takes half a second and fails as ``fault`` says.

    Attributes:
        sent: Time and outcome of every request, in seconds.
    """

    name = "anthropic"
    adapter_version = 1
    billable = True

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, str]] = []

    def fault(self) -> ProviderError | None:
        raise NotImplementedError

    def estimate(self, request: Request) -> Estimate | None:
        del request
        return None

    async def complete(self, request: Request) -> Response:
        at, error = self.clock.monotonic(), self.fault()
        self.sent.append((at, error.code if error else "ok"))
        if isinstance(error, ProviderTimeout):
            await self.clock.sleep(request.timeout_s)
        else:
            await self.clock.sleep(0.5)
        if error:
            raise error
        return answer()

    async def aclose(self) -> None:
        """Nothing is open."""


class DownForAMinute(Service):
    """529 for the first 60 seconds."""

    def fault(self) -> ProviderError | None:
        return Overloaded("busy") if self.clock.monotonic() < 60 else None


class Noisy(Service):
    """5 % 429, 2 % 5xx, 1 % hang, 0.5 % each garbage, reset and cut."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.rng = random.Random(seed)

    def fault(self) -> ProviderError | None:
        kinds = (
            (0.05, RateLimited("slow", retry_after_s=1.0)),
            (0.02, ServerFailed("boom")),
            (0.01, ProviderTimeout("hang", maybe_billed=True)),
            (0.005, ServerFailed("garbage", detail="malformed_reply", maybe_billed=True)),
            (0.005, ConnectionFailed("reset")),
            (0.005, ConnectionFailed("cut", maybe_billed=True)),
        )
        left = self.rng.random()
        for share, error in kinds:
            left -= share
            if left < 0:
                return error
        return None


def client_of(service: Service, clock: VirtualClock) -> LlmClient:
    return LlmClient(
        providers={"anthropic": service},
        clock=clock,
        rng=random.Random(seed),
        prices=prices,
        limits=Limits(hold_s=600.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of the steps of one pipeline.

    Attributes:
        took_s: Of each step that got an answer; waiting for a turn or a retry is no part of it.
    """

    answered: int
    took_s: list[float]


async def calls_in_turn(client: LlmClient, clock: VirtualClock, count: int) -> Ran:
    """``count`` steps one after the other, each of one call."""
    answered, took_s = 0, []
    for _ in range(count):
        started = clock.monotonic()
        try:
            reply = await client.call(
                question, log=NullCallLog(), ledger=Ledger(), retry=RetryPolicy()
            )
        except ProviderError:
            continue
        took_s.append(clock.monotonic() - started - reply.wait_ms / 1000)
        answered += 1
    return Ran(answered=answered, took_s=took_s)


@pytest.fixture(scope="module")
def outage() -> tuple[Service, int]:
    async def work() -> tuple[Service, int]:
        clock = VirtualClock(start)
        service = DownForAMinute(clock)
        client = client_of(service, clock)
        ran = await asyncio.gather(*(calls_in_turn(client, clock, 10) for _ in range(50)))
        return service, sum(one.answered for one in ran)

    return asyncio.run(work())


def test_the_breaker_opens_within_the_first_calls(outage: tuple[Service, int]) -> None:
    first_second = [at for at, _ in outage[0].sent if at < 1.0]
    assert 5 <= len(first_second) <= 20


def test_at_most_one_probe_is_sent_per_quarter_minute(outage: tuple[Service, int]) -> None:
    probes = [at for at, kind in outage[0].sent if kind != "ok" and at >= 1.0]
    assert len(probes) >= 2
    assert all(later - earlier >= 15.0 for earlier, later in pairwise(probes))


def test_calls_are_answered_soon_after_the_outage(outage: tuple[Service, int]) -> None:
    first = min(at for at, kind in outage[0].sent if kind == "ok")
    assert 60.0 <= first < 90.0


def test_few_requests_are_wasted_and_few_calls_lost(outage: tuple[Service, int]) -> None:
    service, answered = outage
    assert sum(kind != "ok" for _, kind in service.sent) <= 20
    assert answered >= 490


@pytest.fixture(scope="module")
def noise() -> tuple[Service, list[Ran]]:
    async def work() -> tuple[Service, list[Ran]]:
        clock = VirtualClock(start)
        service = Noisy(clock)
        client = client_of(service, clock)
        return service, await asyncio.gather(*(calls_in_turn(client, clock, 5) for _ in range(200)))

    return asyncio.run(work())


def test_under_noise_almost_every_pipeline_succeeds(noise: tuple[Service, list[Ran]]) -> None:
    assert sum(ran.answered == 5 for ran in noise[1]) >= 198


def test_noise_costs_few_attempts(noise: tuple[Service, list[Ran]]) -> None:
    assert len(noise[0].sent) / 1000 <= 1.15


def test_noise_makes_few_steps_slow(noise: tuple[Service, list[Ran]]) -> None:
    took_s = sorted(took for ran in noise[1] for took in ran.took_s)
    assert took_s[int(len(took_s) * 0.95)] < 30.0
