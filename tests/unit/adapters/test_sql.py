"""Blobs in a table: many writers, a database that restarts, and URLs that people write."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pipex_core.adapters.sql import SqlBlobs, engine_of
from pipex_core.errors import ConfigError, StoreError
from tests.fakes.real_servers import Postgres


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = engine_of(f"sqlite:///{tmp_path / 'b.db'}")
    else:
        made = engine_of(request.getfixturevalue("postgres").url)
    yield made
    made.dispose()


def test_writers_of_one_key_at_once_leave_one_whole_value(engine: Engine) -> None:
    stores = [SqlBlobs(engine, prefix="race") for _ in range(4)]
    values = [bytes([number]) * 2_000 for number in range(4)]

    def write(number: int) -> None:
        for _ in range(5):
            stores[number].put("same", values[number])
            stores[number].put(f"own/{number}", values[number])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert stores[0].get("same") in values
    assert [stores[0].get(f"own/{number}") for number in range(4)] == values


def test_prefixes_keep_stores_apart_and_wildcards_are_plain_characters(engine: Engine) -> None:
    one, other = SqlBlobs(engine, prefix="one"), SqlBlobs(engine, prefix="other")
    for key in ("a_b", "axb", "a%b", "A_b"):
        one.put(key, b"1")
    assert list(one.list("a_")) == ["a_b"]
    assert list(one.list("a%")) == ["a%b"]
    assert list(other.list()) == []
    other.put("a_b", b"2")
    assert one.get("a_b") == b"1"


def test_a_database_that_crashed_and_came_back_is_used_again() -> None:
    server = Postgres()
    try:
        engine = engine_of(server.url)
        blobs = SqlBlobs(engine)
        blobs.put("before", b"1")
        server.stop(signal.SIGKILL)
        with pytest.raises(StoreError, match="cannot store during"):
            blobs.put("during", b"2")
        server.start()
        assert blobs.get("before") == b"1"
        blobs.put("after", b"3")
        assert list(blobs.list()) == ["after", "before"]
        engine.dispose()
    finally:
        server.close()


def test_a_url_without_a_driver_gets_the_installed_one_and_hides_its_password() -> None:
    engine = engine_of("postgresql://me:secret@db.example/pipex")
    assert engine.url.drivername == "postgresql+psycopg2"
    assert engine_of("postgres://me@db.example/pipex").url.drivername == "postgresql+psycopg2"


@pytest.mark.parametrize("url", ["nowhere", "oracle+nothing://x/y", "", "://"])
def test_a_url_that_cannot_be_used_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        engine_of(url)
    assert "sqlite:///" in caught.value.next_step


def test_the_place_of_a_value_shows_no_password(tmp_path: Path) -> None:
    blobs = SqlBlobs(engine_of(f"sqlite:///{tmp_path / 'b.db'}"), prefix="p")
    assert blobs.url("a/b") == f"sqlite:///{tmp_path / 'b.db'}#p/a/b"
