"""The ledger: reservations, caps, levels, waiting."""

import asyncio
from decimal import Decimal

import pytest

from pipex_core.errors import BudgetExceeded
from pipex_core.llm.cost import Amount, Budget, Ledger, nanousd_of, usd_text
from tests.fakes.clock import settle


def cents(count: int) -> Amount:
    return Amount(nanousd=count * 10_000_000, tokens=100, calls=1)


def test_money_is_rounded_up_and_shown_exactly() -> None:
    assert nanousd_of("0.1") == 100_000_000
    assert nanousd_of(0.25) == 250_000_000
    assert nanousd_of(Decimal("0.0000000001")) == 1
    assert usd_text(250_000_000) == "0.25"
    assert usd_text(1) == "0.000000001"
    assert usd_text(3_000_000_000) == "3"
    assert usd_text(0) == "0"


def test_settling_replaces_the_reservation_by_the_cost() -> None:
    ledger = Ledger(Budget(max_cost_usd=Decimal("0.05")))
    reservation = ledger.reserve(cents(4))
    assert (ledger.reserved, ledger.spent) == (cents(4), Amount())
    assert reservation.settle(cents(1))
    assert (ledger.reserved, ledger.spent) == (Amount(), cents(1))


def test_releasing_gives_the_room_back() -> None:
    ledger = Ledger(Budget(max_calls=1))
    ledger.reserve(cents(1)).release()
    assert ledger.reserve(cents(1)).amount == cents(1)


def test_a_reservation_ends_once() -> None:
    reservation = Ledger().reserve(cents(1))
    reservation.release()
    with pytest.raises(RuntimeError):
        reservation.settle(cents(1))


def test_a_call_more_expensive_than_reserved_is_charged_in_full() -> None:
    ledger = Ledger(Budget(max_cost_usd=Decimal("0.05")))
    assert not ledger.reserve(cents(4)).settle(cents(9))
    assert ledger.spent == cents(9)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(Amount(calls=1))


@pytest.mark.parametrize(
    ("budget", "cap"),
    [
        (Budget(max_cost_usd=Decimal("0.0299")), "max_cost_usd"),
        (Budget(max_tokens=299), "max_tokens"),
        (Budget(max_calls=2), "max_calls"),
    ],
)
def test_each_cap_stops_the_call_that_would_pass_it(budget: Budget, cap: str) -> None:
    ledger = Ledger(budget)
    ledger.reserve(cents(1))
    ledger.reserve(cents(1)).settle(cents(1))
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(cents(1))
    assert caught.value.detail == f"run.{cap}"
    assert caught.value.message.startswith(f"budget 'run': {cap} would be passed; spent 0.01 USD")
    assert ledger.reserved == cents(1)


def test_a_cap_can_be_reached_exactly() -> None:
    ledger = Ledger(Budget(max_cost_usd=Decimal("0.03"), max_tokens=300, max_calls=3))
    for _ in range(3):
        ledger.reserve(cents(1))
    assert ledger.reserved == Amount(nanousd=30_000_000, tokens=300, calls=3)


def test_a_reservation_must_fit_in_every_level() -> None:
    run = Ledger(Budget(max_calls=2))
    first, second = run.child(Budget(name="case", max_calls=1)), run.child()
    first.reserve(cents(1)).settle(cents(1))
    with pytest.raises(BudgetExceeded) as caught:
        first.reserve(cents(1))
    assert caught.value.detail == "case.max_calls"
    second.reserve(cents(1))
    with pytest.raises(BudgetExceeded) as caught:
        second.reserve(cents(1))
    assert caught.value.detail == "run.max_calls"
    assert run.spent + run.reserved == cents(1) + cents(1)
    assert second.budget.max_calls is None


def test_a_budget_that_warns_lets_everything_through_and_says_so_once() -> None:
    ledger = Ledger(Budget(max_calls=1, on_exceed="warn"))
    assert ledger.reserve(cents(1)).warnings == ()
    assert len(ledger.reserve(cents(1)).warnings) == 1
    assert ledger.reserve(cents(1)).warnings == ()


def test_what_was_spent_before_a_restart_counts() -> None:
    run = Ledger(Budget(max_calls=1))
    run.child().charge(cents(1))
    with pytest.raises(BudgetExceeded):
        run.reserve(cents(1))


def test_unknown_prices_are_refused_when_any_level_says_so() -> None:
    run = Ledger(Budget(unknown_price="refuse"))
    assert run.child().refuses_unknown_prices
    assert not Ledger().refuses_unknown_prices


def test_a_negative_cap_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Budget(max_tokens=-1)


async def reserve_while_full(settled: Amount) -> Amount | str:
    ledger = Ledger(Budget(max_cost_usd=Decimal("0.05")))
    running = ledger.reserve(cents(4))
    waiting = asyncio.create_task(ledger.reserve_when_free(cents(3)))
    await settle()
    assert not waiting.done()
    running.settle(settled)
    try:
        return (await waiting).amount
    except BudgetExceeded as exc:
        return exc.code


def test_a_call_waits_for_running_calls_that_may_turn_out_cheaper() -> None:
    assert asyncio.run(reserve_while_full(cents(1))) == cents(3)


def test_a_call_stops_when_running_calls_leave_no_room() -> None:
    assert asyncio.run(reserve_while_full(cents(3))) == "budget_exceeded"


def test_a_call_that_can_never_fit_does_not_wait() -> None:
    async def reserve() -> None:
        ledger = Ledger(Budget(max_cost_usd=Decimal("0.05")))
        ledger.reserve(cents(4))
        await ledger.reserve_when_free(cents(6))

    with pytest.raises(BudgetExceeded):
        asyncio.run(reserve())


def test_a_cancelled_waiter_is_forgotten() -> None:
    async def cancel() -> Amount:
        ledger = Ledger(Budget(max_calls=1))
        running = ledger.reserve(cents(1))
        waiting = asyncio.create_task(ledger.reserve_when_free(cents(1)))
        await settle()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        running.release()
        return ledger.reserved

    assert asyncio.run(cancel()) == Amount()
