"""What leases promise: one holder, growing epochs, and an end by the clock of the database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.sql import engine_of
from pipex_core.adapters.sql_leases import SqlLeases
from pipex_core.errors import RunLocked
from pipex_core.ports import Leases


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        return engine_of(f"sqlite:///{tmp_path / 'leases.sqlite'}")
    return engine_of(request.getfixturevalue("postgres").url)


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"run/{tmp_path.name}/ä"


def test_one_holds_a_name_and_the_others_learn_who(engine: Any, name: str) -> None:
    first: Leases = SqlLeases(engine, holder="process 1 on a")
    second: Leases = SqlLeases(engine, holder="process 2 on b")
    with first.acquire(name), pytest.raises(RunLocked, match="process 1 on a"):
        second.acquire(name)


def test_epochs_grow_with_every_grant_also_after_it_was_given_back(engine: Any, name: str) -> None:
    leases = SqlLeases(engine, holder="a")
    epochs = []
    for _ in range(3):
        with leases.acquire(name) as lease:
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]


def test_a_lease_that_was_not_renewed_goes_to_the_next_and_cannot_come_back(
    engine: Any, name: str
) -> None:
    stale = SqlLeases(engine, holder="a", lifetime_s=0).acquire(name)
    with SqlLeases(engine, holder="b").acquire(name) as fresh:
        assert fresh.epoch == stale.epoch + 1
        assert (stale.renew(), fresh.renew()) == (False, True)
        with stale:
            pass  # what it gives back is not its own any more
        assert fresh.renew()


def test_of_many_at_once_exactly_one_gets_it(engine: Any, name: str) -> None:
    leases = SqlLeases(engine, holder="a")

    def tried(_: int) -> bool:
        try:
            leases.acquire(name)
        except RunLocked:
            return False
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert sum(pool.map(tried, range(16))) == 1


def test_names_do_not_know_of_one_another(engine: Any, name: str) -> None:
    leases = SqlLeases(engine, holder="a")
    with leases.acquire(name) as one, leases.acquire(f"{name}/b") as other:
        assert (one.epoch, other.epoch) == (1, 1)
