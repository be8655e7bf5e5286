"""States as checkpoints hold them: what comes out is what went in, however it was split up."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pipex_core.engine.checkpoint import Checkpoint, Checkpoints
from pipex_core.engine.encoding import encoded, object_of, pair
from pipex_core.engine.services import NoFaults
from pipex_core.engine.snapshot import (
    RunningState,
    blob_key,
    inline_bytes,
    part_bytes,
    whole,
)
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import canonical_bytes, digest
from tests.fakes.blobs import BreakableBlobs

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_the_short_way_of_encoding_is_canonical(value: Any) -> None:
    assert encoded(value) == canonical_bytes(value)


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_a_map_put_together_from_pairs_is_canonical(given_map: Mapping[str, int]) -> None:
    pairs = {name: pair(name, encoded(value)) for name, value in given_map.items()}
    assert object_of(pairs) == canonical_bytes(given_map)


def saved(sizes: list[int], *, every: int = 1) -> tuple[BreakableBlobs, Checkpoints, list[int]]:
    """Checkpoints after ``every`` records of these sizes, and the bytes that each of them put."""
    blobs, state, put = BreakableBlobs(), RunningState(), []
    checkpoints = Checkpoints(blobs, faults=NoFaults())
    for number, size in enumerate(sizes, 1):
        record = {"name": f"s{number}", "text": "x" * size}
        state.add(f"s{number}", canonical_bytes(record), f"d{number}")
        state.write({"last": number})
        if number % every:
            continue
        snapshot = state.snapshot({"ledger": {"calls": number}})
        before = len(blobs.puts)
        checkpoints.save(envelope(number), snapshot)
        state.saved(snapshot)
        put.append(sum(len(blobs.get(key)) for key in blobs.puts[before:]))
    return blobs, checkpoints, put


def envelope(seq: int) -> Checkpoint:
    return Checkpoint(
        run_id="r",
        root_run_id="r",
        workflow="w",
        seq=seq,
        epoch=1,
        journal_n=seq,
        plan_digest="p",
        inputs_digest="i",
        created_at="2026-11-23T12:00:00+00:00",
    )


@pytest.mark.parametrize("sizes", [[10] * 3, [900] * 40, [100_000, 5, 70_000], [20_000] * 9])
def test_a_checkpoint_gives_back_all_records_in_whatever_parts_they_were_saved(
    sizes: list[int],
) -> None:
    _, checkpoints, _ = saved(sizes)
    loaded = checkpoints.load(len(sizes))
    assert {name: record["text"] for name, record in loaded.payload["records"].items()} == {
        f"s{number}": "x" * size for number, size in enumerate(sizes, 1)
    }
    assert loaded.payload["variables"] == {"last": len(sizes)}
    assert loaded.payload["ledger"] == {"calls": len(sizes)}
    assert loaded.checkpoint.step_digests == {
        f"s{number}": f"d{number}" for number in range(1, len(sizes) + 1)
    }


def test_what_a_checkpoint_writes_does_not_grow_with_the_run() -> None:
    _, _, put = saved([500] * 400)
    most_at_once = 2 * part_bytes + 4096
    assert max(put) < most_at_once
    early, late = sum(put[40:80]), sum(put[360:400])
    assert late < early * 1.2
    # And small runs are one readable file.
    blobs, checkpoints, _ = saved([10] * 5)
    assert {key.partition("/")[0] for key in blobs.list()} == {"checkpoints"}
    document = json.loads(blobs.get(checkpoints.versions()[0].key))
    assert list(document["payload"]["records"]) == ["s1", "s2", "s3", "s4", "s5"]


def test_old_checkpoints_stay_whole_when_newer_ones_share_their_parts() -> None:
    _, checkpoints, _ = saved([3_000] * 20)
    for ref in checkpoints.versions():
        assert checkpoints.verify(ref) == "ok"
        assert len(checkpoints.load(ref.seq).payload["records"]) == ref.seq


def test_a_part_or_value_that_was_changed_or_lost_damages_the_checkpoints_that_name_it() -> None:
    for sizes in ([3_000] * 20, [10, inline_bytes + 1]):
        for spoil in (BreakableBlobs.change, BreakableBlobs.delete):
            blobs, checkpoints, _ = saved(sizes)
            spoil(blobs, next(key for key in blobs.list("blobs/")))
            newest = checkpoints.versions()[0]
            assert checkpoints.verify(newest) == "damaged"
            with pytest.raises(StoreError) as damaged:
                checkpoints.load(newest.seq)
            assert damaged.value.code == "checkpoint_damaged"


def test_a_large_value_is_stored_once_under_the_name_that_the_journal_uses() -> None:
    state = RunningState()
    value = "y" * (inline_bytes + 1)
    state.write({"big": value, "small": 1})
    first = state.snapshot({})
    assert list(first.blobs) == [blob_key(digest(value))]
    # Until somebody says that it is stored, it may have been lost with a failed save.
    assert state.snapshot({}).blobs == first.blobs
    state.saved(first)
    second = state.snapshot({})
    assert second.blobs == {}
    found = whole(json.loads(second.payload), {}, first.blobs.__getitem__)
    assert found.payload["variables"] == {"big": value, "small": 1}
    # A variable that becomes small again stands in the payload, and one that is written anew counts once.
    state.write({"big": 2})
    assert json.loads(state.snapshot({}).payload)["variables"] == {"big": 2, "small": 1}


def test_parts_are_kept_until_a_save_succeeds() -> None:
    blobs, state = BreakableBlobs(), RunningState()
    checkpoints = Checkpoints(blobs, faults=NoFaults())
    for number in range(30):
        state.add(f"s{number}", canonical_bytes({"text": "x" * 1000}), "d")
    blobs.refuse = "storage_full"
    with pytest.raises(StoreError):
        checkpoints.save(envelope(1), state.snapshot({}))
    blobs.refuse = ""
    state.add("last", b"{}", "d")
    snapshot = state.snapshot({})
    checkpoints.save(envelope(2), snapshot)
    assert len(checkpoints.load(2).payload["records"]) == 31
