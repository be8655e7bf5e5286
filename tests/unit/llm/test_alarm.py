"""What is said of the use of a budget: each share of a cap once, and a threshold that stops nothing."""

from decimal import Decimal

import pytest

from pipex_core.errors import BudgetExceeded
from pipex_core.llm.cost import Amount, Budget, Ledger


def told(ledger: Ledger) -> list[tuple[str, str, str, int | None]]:
    return [(a.code, a.budget, a.cap, a.share) for a in ledger.alerts()]


def spend(
    ledger: Ledger, nanousd: int, *, calls: int = 1
) -> list[tuple[str, str, str, int | None]]:
    ledger.reserve(Amount(nanousd=nanousd, calls=calls)).settle(
        Amount(nanousd=nanousd, calls=calls)
    )
    return told(ledger)


def test_shares_of_a_cap_are_told_once_each() -> None:
    ledger = Ledger(Budget(max_cost_usd=Decimal("0.1")))  # 100 000 000 nano-USD
    assert spend(ledger, 49_999_999) == []
    assert spend(ledger, 1) == [("budget_alert", "run", "max_cost_usd", 50)]
    assert spend(ledger, 29_000_000) == []
    assert spend(ledger, 1_000_000) == [("budget_alert", "run", "max_cost_usd", 80)]
    assert spend(ledger, 20_000_000) == [("budget_alert", "run", "max_cost_usd", 100)]
    assert told(ledger) == []


def test_of_several_shares_that_are_passed_at_once_the_highest_is_told() -> None:
    ledger = Ledger(Budget(max_calls=10))
    assert spend(ledger, 0, calls=9) == [("budget_alert", "run", "max_calls", 80)]


def test_each_cap_and_each_level_has_shares_of_its_own() -> None:
    run = Ledger(Budget(max_cost_usd=Decimal(1)))
    case = run.child(Budget(name="case", max_tokens=100, max_calls=2))
    case.reserve(Amount(nanousd=500_000_000, tokens=50, calls=1)).settle(
        Amount(nanousd=500_000_000, tokens=50, calls=1)
    )
    assert told(case) == [
        ("budget_alert", "case", "max_tokens", 50),
        ("budget_alert", "case", "max_calls", 50),
        ("budget_alert", "run", "max_cost_usd", 50),
    ]


def test_a_refused_call_tells_that_the_budget_is_used_up() -> None:
    ledger = Ledger(Budget(max_calls=1))
    assert spend(ledger, 0) == [("budget_alert", "run", "max_calls", 100)]
    with pytest.raises(BudgetExceeded):
        ledger.reserve(Amount(calls=1))
    assert told(ledger) == []
    fresh = Ledger(Budget(max_cost_usd=Decimal("0.1")))
    with pytest.raises(BudgetExceeded):
        fresh.reserve(Amount(nanousd=100_000_001))
    assert told(fresh) == [("budget_alert", "run", "max_cost_usd", 100)]


def test_what_was_spent_before_a_restart_was_told_before_it() -> None:
    ledger = Ledger(Budget(max_cost_usd=Decimal("0.1"), cost_alert_usd=Decimal("0.05")))
    ledger.charge(Amount(nanousd=60_000_000))
    assert told(ledger) == []
    assert spend(ledger, 20_000_000) == [("budget_alert", "run", "max_cost_usd", 80)]


def test_a_cap_of_nothing_has_no_shares() -> None:
    assert spend(Ledger(Budget(max_cost_usd=Decimal(0))), 0) == []


def test_a_threshold_is_told_once_when_it_is_passed_and_stops_nothing() -> None:
    ledger = Ledger(Budget(cost_alert_usd=Decimal("0.05")))
    assert spend(ledger, 50_000_000) == []
    assert spend(ledger, 1) == [("cost_alert", "run", "0.05 USD", None)]
    assert spend(ledger, 10**12) == []


def test_alerts_say_what_is_meant() -> None:
    ledger = Ledger(Budget(max_calls=2, cost_alert_usd=Decimal("0.05")))
    ledger.reserve(Amount(nanousd=60_000_000, calls=1)).settle(Amount(nanousd=60_000_000, calls=1))
    assert [alert.message for alert in ledger.alerts()] == [
        "budget 'run': 50 % of max_calls is used",
        "budget 'run': more than 0.05 USD is spent",
    ]
