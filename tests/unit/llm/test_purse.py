"""The free count of a prompt before a call is refused, and limits that a service states itself."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from pipex_core.errors import BudgetExceeded, ServerFailed
from pipex_core.llm.cost import Budget
from pipex_core.llm.guard import Limits
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import RateLimit, Request
from tests.fakes.calling import World, question, run
from tests.fakes.provider import ScriptedProvider, answer

# With the bound of 1 032 tokens in and 1 000 out the question may cost 0.006032 USD; with 10 + 32 tokens
# in it may cost 0.005042 USD.
between = Budget(max_cost_usd=Decimal("0.0055"))


class Counting(ScriptedProvider):
    """Says how many tokens a prompt has, fails to, or never answers.

    Attributes:
        counts: How often it was asked, and in which time.
    """

    says: int | Exception | None = 10
    never = False

    def __init__(self, *lines: object) -> None:
        super().__init__(lines)  # type: ignore[arg-type] # lines of a script, as World passes them
        self.counts: list[float] = []

    async def count_tokens(self, request: Request) -> int | None:
        self.counts.append(request.timeout_s)
        if self.never:
            await asyncio.Event().wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def world_that(
    says: int | Exception | None, budget: Budget, *lines: object
) -> tuple[World, Counting]:
    world = World(budget=budget, retry=RetryPolicy(jitter=False))
    provider = Counting(*lines)
    provider.says = says
    world.provide(provider)
    return world, provider


def test_a_prompt_that_fits_is_not_counted() -> None:
    world, provider = world_that(10, Budget(max_cost_usd=Decimal("0.0061")))
    run(world.call())
    assert provider.counts == []


def test_a_bound_that_does_not_fit_is_replaced_by_the_services_count() -> None:
    world, provider = world_that(10, between, answer(input_tokens=10))
    reply = run(world.call())
    assert provider.counts == [10.0]
    assert reply.warnings == ()
    # 10 tokens counted, 32 for the message, 1 000 of output
    assert world.log.records[0][1].reserved_tokens == 1042


def test_a_call_is_counted_once_for_all_its_tries() -> None:
    world, provider = world_that(10, between, ServerFailed("boom"), answer(input_tokens=10))
    assert run(world.call()).attempts == 2
    assert len(provider.counts) == 1


@pytest.mark.parametrize("says", [2000, None, ServerFailed("boom")])
def test_without_a_lower_count_the_bound_holds(says: int | Exception | None) -> None:
    world, provider = world_that(says, between)
    with pytest.raises(BudgetExceeded):
        run(world.call())
    assert len(provider.counts) == 1
    assert provider.sent == []


def test_a_count_that_does_not_come_is_given_up_in_time() -> None:
    world, provider = world_that(10, between)
    provider.never = True
    with pytest.raises(BudgetExceeded):
        run(world.call(replace(question, timeout_s=0.01)))
    assert provider.counts == [0.01]


def test_limits_that_a_service_states_hold_the_next_call_back() -> None:
    spent = RateLimit(kind="requests", limit=60, remaining=0)
    world = World(replace(answer(), rates=(spent,)), answer())
    for _ in range(2):
        run(world.call())
    assert world.clock.monotonic() == pytest.approx(1.0)


def test_what_was_configured_only_shrinks_by_what_a_service_states() -> None:
    more = RateLimit(kind="tokens", limit=10**6, remaining=10**6)
    less = RateLimit(kind="tokens", limit=10**6, remaining=0)
    generous = World(replace(answer(), rates=(more,)), answer(), limits=Limits(tpm=6000))
    strict = World(replace(answer(), rates=(less,)), answer(), limits=Limits(tpm=6000))
    for world in (generous, strict):
        for _ in range(2):
            run(world.call())
    # 100 tokens a second; a call is bound by 2 032, of which 4 800 are left after the first one
    assert generous.clock.monotonic() == 0.0
    assert strict.clock.monotonic() == pytest.approx(20.32)
