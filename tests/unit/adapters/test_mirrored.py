"""One store over several: when a write counts, who is mended, and what a lost store changes."""

from collections.abc import Iterator

import pytest

from pipex_core.adapters.mirrored import MirroredBlobs, Outcome, Policy, Repair
from pipex_core.errors import StoreError
from tests.fakes.blobs import BreakableBlobs

Stores = list[BreakableBlobs]


class Lost(BreakableBlobs):
    """A store that answers nothing while it is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.is_lost = True

    def get(self, key: str) -> bytes:
        if self.is_lost:
            raise StoreError("nobody answers")
        return super().get(key)

    def exists(self, key: str) -> bool:
        if self.is_lost:
            raise StoreError("nobody answers")
        return super().exists(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        if self.is_lost:
            raise StoreError("nobody answers")
        return super().list(prefix)


@pytest.fixture
def stores() -> Stores:
    return [BreakableBlobs(), BreakableBlobs(), BreakableBlobs()]


@pytest.mark.parametrize(
    ("policy", "broken", "outcome"),
    [
        ("quorum", set(), "committed"),
        ("quorum", {0}, "degraded"),
        ("quorum", {0, 2}, "failed"),
        ("primary_only", set(), "committed"),
        ("primary_only", {1, 2}, "degraded"),
        ("primary_only", {0}, "failed"),
        ("primary_with_cache", {1}, "degraded"),
    ],
)
def test_a_write_counts_when_enough_stores_hold_it(
    stores: Stores, policy: Policy, broken: set[int], outcome: Outcome
) -> None:
    told: list[Outcome] = []
    for at in broken:
        stores[at].refuse = "storage_full"
    mirrored = MirroredBlobs(stores, policy=policy, told=lambda _key, found: told.append(found))
    if outcome == "failed":
        with pytest.raises(StoreError) as caught:
            mirrored.put("k", b"1")
        assert caught.value.code == "storage_full"
    else:
        mirrored.put("k", b"1")
    mirrored.close()
    assert told == [outcome]


def test_what_a_store_missed_is_brought_to_it_later(stores: Stores) -> None:
    mirrored = MirroredBlobs(stores)
    stores[1].refuse = "storage_full"
    mirrored.put("k", b"1")
    assert mirrored.repairs == [Repair(1, "k")]
    assert mirrored.repair() == 0
    stores[1].refuse = ""
    assert mirrored.repair() == 1
    assert mirrored.repairs == []
    assert stores[1].get("k") == b"1"
    mirrored.close()


def test_what_was_deleted_needs_no_repair(stores: Stores) -> None:
    mirrored = MirroredBlobs(stores)
    stores[1].refuse = "storage_full"
    mirrored.put("k", b"1")
    mirrored.delete("k")
    assert mirrored.repairs == []
    assert not mirrored.exists("k")
    mirrored.close()


def test_reading_mends_the_stores_before_the_one_that_has_it(stores: Stores) -> None:
    mirrored = MirroredBlobs(stores)
    stores[2].put("k", b"1")
    assert mirrored.get("k") == b"1"
    assert [store.exists("k") for store in stores] == [True, True, True]
    stores[0].delete("k")
    stores[0].refuse = "storage_full"
    assert mirrored.get("k") == b"1"
    assert mirrored.repairs == [Repair(0, "k")]
    mirrored.close()


def test_a_lost_store_hides_nothing_that_another_has(stores: Stores) -> None:
    lost = Lost()
    mirrored = MirroredBlobs([lost, *stores[:2]])
    mirrored.put("k", b"1")
    assert mirrored.get("k") == b"1"
    assert mirrored.exists("k")
    assert list(mirrored.list()) == ["k"]
    for use in (mirrored.get, mirrored.exists):
        # It may be the one that has it: that is no proof of absence.
        with pytest.raises(StoreError, match="nobody answers"):
            use("unknown")
    mirrored.close()


def test_a_listing_without_a_quorum_is_an_error() -> None:
    mirrored = MirroredBlobs([Lost(), Lost(), BreakableBlobs()])
    with pytest.raises(StoreError, match="nobody answers"):
        mirrored.list()
    mirrored.close()


def test_a_cache_is_read_before_the_primary(stores: Stores) -> None:
    mirrored = MirroredBlobs(stores[:2], policy="primary_with_cache")
    stores[0].put("k", b"primary")
    assert mirrored.get("k") == b"primary"
    assert stores[1].get("k") == b"primary"
    assert mirrored.url("k") == stores[0].url("k")
    mirrored.close()


def test_no_store_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        MirroredBlobs([])
