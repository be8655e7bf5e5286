"""One client with everything around it, for tests of calls."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

from pipex_core.llm.client import CachePolicy, LlmClient, Reply
from pipex_core.llm.cost import Amount, Budget, Ledger
from pipex_core.llm.daily import DayBudget
from pipex_core.llm.guard import Limits
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Message, Origin, Request
from pipex_core.llm.router import Router
from pipex_core.telemetry import Event, RunEvents
from tests.fakes.clock import ManualClock
from tests.fakes.provider import MemoryCallCache, MemoryCallLog, ScriptedProvider

Value = TypeVar("Value")
prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: anthropic, match: [m], valid_from: 2026-11-23, input: "1", output: "5", cache_read: "0.1"}
"""
)
question = Request(
    provider="anthropic",
    model="m",
    messages=[Message(role="user", text="x" * 1000)],
    max_tokens=1000,
    origin=Origin(path="loop[0]/draft"),
)
# 1 000 bytes + 32 for the message at 1 USD and 1 000 tokens of output at 5 USD per million
bound = Amount(nanousd=1032 * 1000 + 1000 * 5000, tokens=2032, calls=1)
# 1 000 tokens in at 1 USD and 200 out at 5 USD per million
cost = Amount(nanousd=2_000_000, tokens=1200, calls=1)


class World:
    """One client with everything around it, and one way to call it."""

    def __init__(
        self,
        *lines: Any,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        budget: Budget | None = None,
        billable: bool = True,
        auto: bool = True,
    ) -> None:
        self.clock = ManualClock(auto=auto)
        self.provider = ScriptedProvider(lines, billable=billable)
        self.log = MemoryCallLog("loop[0]/draft")
        self.ledger = Ledger(budget)
        self.cache = MemoryCallCache()
        self.events: list[Event] = []
        self.retry = retry or RetryPolicy(jitter=False)
        self.sink = RunEvents(run_id="r1", clock=self.clock, listener=self.events.append)
        self.limits = limits
        self.client = self._client(limits)

    async def call(
        self,
        request: Request = question,
        *,
        deadline: float | None = None,
        cache: CachePolicy = "off",
    ) -> Reply:
        return await self.client.call(
            request,
            log=self.log,
            ledger=self.ledger,
            retry=self.retry,
            deadline=deadline,
            cache=cache,
        )

    def provide(self, provider: ScriptedProvider) -> None:
        """Have another provider answer."""
        self.provider = provider
        self.client = self._client(self.limits)

    def limit_day(self, day: DayBudget) -> None:
        """Have every call fit in the budget of a day too."""
        self.client = self._client(self.limits, day=day)

    def route(self, router: Router) -> None:
        """Have groups of models."""
        self.client = self._client(self.limits, router=router)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def _client(
        self,
        limits: Limits | None,
        *,
        day: DayBudget | None = None,
        router: Router | None = None,
    ) -> LlmClient:
        return LlmClient(
            providers={"anthropic": self.provider},
            clock=self.clock,
            rng=random.Random(1),
            prices=prices,
            limits=limits,
            cache=self.cache,
            sink=self.sink,
            day=day,
            router=router,
        )


def run(work: Coroutine[Any, Any, Value]) -> Value:
    return asyncio.run(work)
