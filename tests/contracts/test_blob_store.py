"""What every blob store promises: whole or absent, keys that stay inside, listings in order."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipex_core.adapters.local_files import LocalBlobs
from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.adapters.mirrored import MirroredBlobs
from pipex_core.adapters.s3 import S3Blobs
from pipex_core.adapters.sql import SqlBlobs, engine_of
from pipex_core.errors import StoreError
from pipex_core.ports import BlobStore
from tests.fakes.blobs import BreakableBlobs

Made = Iterator[BlobStore]
places = itertools.count()


def local(folder: Path, _: pytest.FixtureRequest) -> Made:
    yield LocalBlobs(folder / "blobs")


def not_durable(folder: Path, _: pytest.FixtureRequest) -> Made:
    yield LocalBlobs(folder / "blobs", durable=False)


def memory(_folder: Path, _: pytest.FixtureRequest) -> Made:
    yield MemoryBlobs()


def breakable(_folder: Path, _: pytest.FixtureRequest) -> Made:
    yield BreakableBlobs()


def sqlite(folder: Path, _: pytest.FixtureRequest) -> Made:
    engine = engine_of(f"sqlite:///{folder / 'blobs.db'}")
    yield SqlBlobs(engine)
    engine.dispose()


def postgres(_folder: Path, request: pytest.FixtureRequest) -> Made:
    engine = engine_of(request.getfixturevalue("postgres").url)
    yield SqlBlobs(engine, prefix=f"store{next(places)}")
    engine.dispose()


def s3(_folder: Path, request: pytest.FixtureRequest) -> Made:
    yield S3Blobs("pipex", prefix=f"store{next(places)}", **request.getfixturevalue("s3"))


def mirrored(folder: Path, _: pytest.FixtureRequest) -> Made:
    made = MirroredBlobs([MemoryBlobs(), LocalBlobs(folder / "blobs"), MemoryBlobs()])
    yield made
    made.close()


def cached(folder: Path, _: pytest.FixtureRequest) -> Made:
    made = MirroredBlobs([LocalBlobs(folder / "b"), MemoryBlobs()], policy="primary_with_cache")
    yield made
    made.close()


makers: list[Callable[[Path, pytest.FixtureRequest], Made]] = [
    *(local, not_durable, memory, breakable, sqlite, postgres, s3, mirrored, cached)
]


@pytest.fixture(params=makers, ids=[maker.__name__ for maker in makers])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    yield from request.param(tmp_path, request)


def test_what_was_put_is_what_is_got(store: BlobStore) -> None:
    store.put("a/b", b"\x00first")
    assert store.get("a/b") == b"\x00first"
    assert store.exists("a/b")


def test_a_second_put_replaces_the_first(store: BlobStore) -> None:
    store.put("a", b"a longer value")
    store.put("a", b"short")
    assert store.get("a") == b"short"


def test_an_empty_value_is_a_value(store: BlobStore) -> None:
    store.put("a", b"")
    assert store.get("a") == b""
    assert store.exists("a")


@pytest.mark.parametrize("key", ["a", "a/b/c"])
def test_what_is_not_there_is_not_found(store: BlobStore, key: str) -> None:
    with pytest.raises(StoreError) as failure:
        store.get(key)
    assert failure.value.code == "not_found"
    assert not store.exists(key)


def test_a_key_below_a_value_is_not_found(store: BlobStore) -> None:
    store.put("a", b"1")
    with pytest.raises(StoreError) as failure:
        store.get("a/b")
    assert failure.value.code == "not_found"


def test_keys_are_listed_in_order_of_code_points_and_by_prefix(store: BlobStore) -> None:
    for key in ("b/2", "b/10", "a", "b.x", "B", "ü/1"):
        store.put(key, b"1")
    assert list(store.list()) == ["B", "a", "b.x", "b/10", "b/2", "ü/1"]
    assert list(store.list("b/")) == ["b/10", "b/2"]
    assert list(store.list("b")) == ["b.x", "b/10", "b/2"]
    assert list(store.list("zzz")) == []


def test_an_empty_store_lists_nothing(store: BlobStore) -> None:
    assert list(store.list()) == []


def test_deleting_removes_and_deleting_again_does_nothing(store: BlobStore) -> None:
    store.put("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/there")
    assert list(store.list()) == []


@pytest.mark.parametrize(
    "key", ["", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b"]
)
def test_a_key_that_could_leave_the_store_is_denied(store: BlobStore, key: str) -> None:
    for use in (store.get, store.exists, store.delete, lambda k: store.put(k, b"1")):
        with pytest.raises(StoreError) as failure:
            use(key)
        assert failure.value.code == "path_denied"


def test_a_value_has_a_place_that_a_person_can_find(store: BlobStore) -> None:
    store.put("a/b", b"1")
    assert store.url("a/b").endswith("a/b")
    assert store.url()
