"""What every account of days promises: no cap is passed, whoever else writes, and nothing is said twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from pipex_core.adapters.day_accounts import SqliteDayAccounts
from pipex_core.errors import StoreError
from pipex_core.llm.daily import DayAccounts, Standing
from tests.fakes.accounts import MemoryDayAccounts

monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
Open = Callable[[], DayAccounts]


@pytest.fixture(params=["memory", "sqlite"])
def open_accounts(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "sqlite":
        return lambda: SqliteDayAccounts(tmp_path / "deep" / "accounts.sqlite3")
    accounts = MemoryDayAccounts()
    return lambda: accounts


def test_an_account_is_empty_at_first(open_accounts: Open) -> None:
    assert open_accounts().standing(monday, "live") == Standing()


def test_a_reservation_becomes_what_was_spent_and_is_seen_by_all(open_accounts: Open) -> None:
    assert open_accounts().reserve(monday, "live", 60, cap=100)
    assert open_accounts().standing(monday, "live") == Standing(reserved=60)
    after = open_accounts().settle(monday, "live", reserved=60, spent=25)
    assert after == open_accounts().standing(monday, "live") == Standing(spent=25)


def test_what_would_pass_the_cap_is_refused_and_changes_nothing(open_accounts: Open) -> None:
    accounts = open_accounts()
    assert accounts.reserve(monday, "live", 60, cap=100)
    assert not accounts.reserve(monday, "live", 41, cap=100)
    assert accounts.reserve(monday, "live", 40, cap=100)
    assert accounts.standing(monday, "live") == Standing(reserved=100)


def test_days_and_accounts_are_apart(open_accounts: Open) -> None:
    accounts = open_accounts()
    assert accounts.reserve(monday, "live", 100, cap=100)
    assert accounts.reserve(monday, "rehearsal", 100, cap=100)
    assert accounts.reserve(tuesday, "live", 100, cap=100)


def test_a_share_is_told_once_and_a_lower_one_not_after_it(open_accounts: Open) -> None:
    told = [open_accounts().tell(monday, "live", share) for share in (50, 50, 80, 50, 100)]
    assert told == [True, False, True, False, True]


def test_many_writers_at_once_never_pass_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite3"

    def reserve(_: int) -> bool:
        return SqliteDayAccounts(path).reserve(monday, "live", 10, cap=100)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(reserve, range(40)))
    assert sum(done) == 10
    assert SqliteDayAccounts(path).standing(monday, "live") == Standing(reserved=100)


def test_only_the_owner_reads_the_account(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite3"
    SqliteDayAccounts(path).standing(monday, "live")
    assert path.stat().st_mode & 0o077 == 0


def test_an_account_that_is_no_database_is_a_store_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite3"
    path.write_text("not a database, and long enough to be looked at " * 20)
    with pytest.raises(StoreError, match="account of the day"):
        SqliteDayAccounts(path).standing(monday, "live")
