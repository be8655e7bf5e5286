"""The budget of a day: shared by all processes, apart for rehearsals, and asked before every call."""

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pipex_core.errors import BudgetExceeded, ServerFailed
from pipex_core.llm.cost import Amount, Budget
from pipex_core.llm.daily import DayBudget, Standing
from tests.fakes.accounts import MemoryDayAccounts
from tests.fakes.calling import World, bound, cost, question, run
from tests.fakes.clock import ManualClock, settle
from tests.fakes.provider import answer

day = date(2026, 11, 23)


def world_with(accounts: MemoryDayAccounts, *lines: Any, cap: int, **how: Any) -> World:
    """A process of its own that shares the accounts."""
    world = World(*lines, **how)
    world.limit_day(DayBudget(accounts, cap_nanousd=cap, clock=world.clock))
    return world


def test_a_call_is_reserved_and_settled_in_the_account_of_its_day() -> None:
    accounts = MemoryDayAccounts()
    world = world_with(accounts, cap=bound.nanousd)
    run(world.call())
    assert accounts.standing(day, "live") == Standing(spent=cost.nanousd)


def test_the_next_process_finds_what_the_first_one_spent() -> None:
    accounts = MemoryDayAccounts()
    run(world_with(accounts, cap=bound.nanousd).call())
    later = world_with(accounts, cap=bound.nanousd)
    with pytest.raises(
        BudgetExceeded, match=r"spent 0.002 USD, reserved 0 USD on 2026-11-23"
    ) as caught:
        run(later.call())
    assert caught.value.detail == "day.max_cost_usd"
    assert later.provider.sent == []
    assert later.ledger.reserved == Amount()
    assert later.ledger.has_refused


def test_a_new_day_has_a_new_account() -> None:
    accounts = MemoryDayAccounts()
    world = world_with(accounts, cap=bound.nanousd)
    run(world.call())
    world.clock.tick(86_400)
    run(world.call())
    assert len(world.provider.sent) == 2


def test_a_failed_try_that_may_be_billed_counts_in_full_and_another_not_at_all() -> None:
    accounts = MemoryDayAccounts()
    lines = (ServerFailed("cut", maybe_billed=True), ServerFailed("boom"), answer())
    run(world_with(accounts, *lines, cap=10**10).call())
    assert accounts.standing(day, "live") == Standing(spent=bound.nanousd + cost.nanousd)


def test_a_rehearsal_meets_the_cap_without_using_up_the_real_one() -> None:
    accounts = MemoryDayAccounts()
    mock = world_with(accounts, cap=bound.nanousd, billable=False)
    run(mock.call())
    assert accounts.standing(day, "live") == Standing()
    assert accounts.standing(day, "rehearsal") == Standing(spent=cost.nanousd)
    with pytest.raises(BudgetExceeded):
        run(mock.call())


def test_a_call_that_costs_nothing_does_not_touch_the_account() -> None:
    accounts = MemoryDayAccounts()
    budget = DayBudget(accounts, cap_nanousd=0, clock=ManualClock())
    held = run(budget.reserve(0, billable=False))
    assert budget.has_room(0, billable=False)
    assert budget.settle(held, 0) == []
    assert accounts.moves == 0


def test_a_call_waits_for_running_calls_of_its_process_that_may_turn_out_cheaper() -> None:
    async def work() -> None:
        accounts = MemoryDayAccounts()
        budget = DayBudget(accounts, cap_nanousd=100, clock=ManualClock())
        first = await budget.reserve(80, billable=True)
        cancelled = asyncio.create_task(budget.reserve(30, billable=True))
        second = asyncio.create_task(budget.reserve(30, billable=True))
        await settle()
        assert not second.done()
        cancelled.cancel()
        await settle()
        budget.settle(first, 10)
        assert (await second).nanousd == 30

    run(work())


def test_shares_of_the_day_are_told_once_by_whichever_process_passes_them() -> None:
    accounts = MemoryDayAccounts()

    def told(spent: int) -> list[int | None]:
        budget = DayBudget(accounts, cap_nanousd=100, clock=ManualClock())
        held = run(budget.reserve(spent, billable=True))
        return [alert.share for alert in budget.settle(held, spent)]

    assert [told(spent) for spent in (49, 1, 10, 20, 20)] == [[], [50], [], [80], [100]]


def test_a_share_of_the_day_is_an_event_and_a_warning() -> None:
    world = world_with(MemoryDayAccounts(), cap=cost.nanousd * 2)
    # its bound is far below what the scripted answer says that it took
    reply = run(world.call(replace(question, max_tokens=1)))
    assert [w.code for w in reply.warnings] == ["reservation_exceeded", "budget_alert"]
    (event,) = [event for event in world.events if event.kind == "budget_alert"]
    assert event.data == {
        "code": "budget_alert",
        "level": "day",
        "cap": "max_cost_usd",
        "share": 50,
    }
    assert event.step == question.origin.path


def test_the_budget_of_the_run_is_asked_first() -> None:
    accounts = MemoryDayAccounts()
    world = world_with(accounts, cap=10**12, budget=Budget(max_cost_usd=Decimal("0.001")))
    with pytest.raises(BudgetExceeded, match="budget 'run'"):
        run(world.call())
    assert accounts.moves == 0
