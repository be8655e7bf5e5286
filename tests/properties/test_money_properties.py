"""Fifty workers on one cent: no budget is ever passed, and every nano-dollar is in the journal."""

import asyncio
import random
from datetime import date
from decimal import Decimal

from hypothesis import given, settings, strategies as st

from pipex_core.adapters.local import VirtualClock
from pipex_core.errors import (
    BudgetExceeded,
    ConnectionFailed,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerFailed,
)
from pipex_core.llm.client import LlmClient, Reply
from pipex_core.llm.cost import Amount, Budget, Ledger
from pipex_core.llm.daily import DayBudget, Standing
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import Begun, Estimate, Request, Response
from tests.fakes.accounts import MemoryDayAccounts
from tests.fakes.calling import prices, question
from tests.fakes.clock import start
from tests.fakes.provider import MemoryCallLog, answer

cent = Decimal("0.01")
day, day_cap = date(2026, 11, 23), 9_000_000
failures = (
    lambda: Overloaded("busy"),
    lambda: RateLimited("slow", retry_after_s=2.0),
    lambda: ServerFailed("garbage", maybe_billed=True),
    lambda: ConnectionFailed("cut", maybe_billed=True),
    lambda: ProviderTimeout("late", maybe_billed=True),
)


class Moody:
    """Answers cheaply, dearly or not at all, as the seed says."""

    name = "anthropic"
    adapter_version = 1
    billable = True

    def __init__(self, seed: int, clock: VirtualClock) -> None:
        self._rng = random.Random(seed)
        self._clock = clock
        self.sent = 0

    def estimate(self, request: Request) -> Estimate | None:
        del request
        return None

    async def complete(self, request: Request) -> Response:
        del request
        self.sent += 1
        mood = self._rng.random()
        await self._clock.sleep(self._rng.uniform(0.1, 3.0))
        if mood < 0.2:
            error = self._rng.choice(failures)()
            raise error
        # its bound is 1 032 tokens in and 1 000 out
        return answer(
            input_tokens=self._rng.randint(0, 1000), output_tokens=self._rng.randint(0, 1000)
        )

    async def aclose(self) -> None:
        """Nothing is open."""


class WatchedLog(MemoryCallLog):
    """A call log that looks at every budget whenever something is written."""

    def __init__(self, unit: str, ledger: Ledger, accounts: MemoryDayAccounts) -> None:
        super().__init__(unit)
        self._ledger = ledger
        self._accounts = accounts

    async def begin(self, call: Begun, *, wait: bool) -> None:
        self._check()
        await super().begin(call, wait=wait)

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        self._check()
        await super().done(call, response, cost_nanousd=cost_nanousd)

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        self._check()
        await super().fail(call, error, cost_nanousd=cost_nanousd)

    def _check(self) -> None:
        for level in self._ledger.levels:
            assert level.budget.passed_by(level.spent + level.reserved) is None
        today = self._accounts.standing(day, "live")
        assert today.spent + today.reserved <= day_cap

    @property
    def cost_nanousd(self) -> int:
        return sum(cost for _, _, cost in self.records)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_fifty_workers_keep_to_every_cap_and_lose_no_money(seed: int) -> None:
    async def work() -> None:
        clock = VirtualClock(start)
        accounts = MemoryDayAccounts()
        provider = Moody(seed, clock)
        client = LlmClient(
            providers={"anthropic": provider},
            clock=clock,
            rng=random.Random(seed),
            prices=prices,
            day=DayBudget(accounts, cap_nanousd=day_cap, clock=clock),
        )
        run = Ledger(Budget(max_cost_usd=cent))
        steps = [run.child(Budget(name="step", max_calls=3)) for _ in range(50)]
        logs = [WatchedLog(f"step{i}", step, accounts) for i, step in enumerate(steps)]
        replies: list[Reply] = []

        async def step(ledger: Ledger, log: WatchedLog) -> None:
            for _ in range(2):
                try:
                    reply = await client.call(
                        question, log=log, ledger=ledger, retry=RetryPolicy(max_retries=2)
                    )
                except (BudgetExceeded, ProviderError):
                    continue
                replies.append(reply)

        await asyncio.gather(*map(step, steps, logs))
        journalled = sum(log.cost_nanousd for log in logs)
        assert run.spent.nanousd == journalled == sum(one.spent.nanousd for one in steps)
        assert accounts.standing(day, "live") == Standing(spent=journalled)
        assert run.reserved == Amount()
        assert run.spent.calls == provider.sent
        answered = sum(reply.cost_nanousd for reply in replies)
        failed = sum(c for log in logs for kind, _, c in log.records if kind.startswith("fail"))
        assert answered + failed == journalled
        assert journalled <= day_cap

    asyncio.run(work())
