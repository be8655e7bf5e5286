"""Checkpoints: saved means read back, the newest good one is found, old ones go."""

import hashlib
import json
from dataclasses import replace

import pytest

from pipex_core.engine.checkpoint import (
    Checkpoint,
    CheckpointRef,
    Checkpoints,
    RotationPolicy,
    expendable,
)
from pipex_core.engine.snapshot import Snapshot
from pipex_core.errors import StoreError
from tests.fakes.blobs import BreakableBlobs
from tests.fakes.journals import NoFaults

first = Checkpoint(
    run_id="r1",
    root_run_id="r1",
    workflow="w",
    seq=1,
    epoch=1,
    journal_n=4,
    plan_digest="p",
    inputs_digest="i",
    created_at="2026-11-23T12:00:00+00:00",
    step_digests={"a": "d"},
)
payload = b'{"records":{},"variables":{"x":1}}'
snapshot = Snapshot(payload=payload, digests=b'{"a":"d"}')


def store(*, saves: int = 0) -> tuple[BreakableBlobs, Checkpoints]:
    blobs = BreakableBlobs()
    checkpoints = Checkpoints(blobs, faults=NoFaults())
    for seq in range(1, saves + 1):
        checkpoints.save(replace(first, seq=seq), snapshot)
    return blobs, checkpoints


def code_of(failure: pytest.ExceptionInfo[StoreError]) -> str:
    return failure.value.code


def test_what_was_saved_is_loaded() -> None:
    _, checkpoints = store(saves=1)
    loaded = checkpoints.load(1)
    assert loaded.checkpoint == first
    assert loaded.payload == {"records": {}, "variables": {"x": 1}}
    assert loaded.damaged == ()


def test_the_file_is_canonical_json_named_by_its_number_and_hash() -> None:
    blobs, _ = store(saves=1)
    key = next(iter(blobs.list("checkpoints/")))
    data = blobs.get(key)
    assert key == f"checkpoints/00000001-{hashlib.sha256(data).hexdigest()[:16]}.json"
    document = json.loads(data)
    assert data.decode() == json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert document["schema"] == "2.0"
    assert document["payload_sha256"] == hashlib.sha256(payload).hexdigest()


@pytest.mark.parametrize("workflow", ["50 % done", "%(seq)d", 'naïve "one"\n'])
def test_any_name_of_a_workflow_comes_back_from_its_checkpoints(workflow: str) -> None:
    _, checkpoints = store()
    for seq in (1, 2):
        checkpoints.save(replace(first, seq=seq, workflow=workflow), snapshot)
        assert checkpoints.load(seq).checkpoint == replace(first, seq=seq, workflow=workflow)


def test_checkpoints_of_two_processes_each_say_their_epoch() -> None:
    _, checkpoints = store(saves=1)
    checkpoints.save(replace(first, seq=2, epoch=2), snapshot)
    assert [checkpoints.load(seq).checkpoint.epoch for seq in (1, 2)] == [1, 2]


def test_versions_are_listed_newest_first_and_at_the_end_only_the_last_five_stay() -> None:
    _, checkpoints = store(saves=7)
    assert [ref.seq for ref in checkpoints.rotate()] == [1, 2]
    assert [ref.seq for ref in checkpoints.versions()] == [7, 6, 5, 4, 3]
    assert checkpoints.rotate() == []


def test_old_ones_go_many_at_a_time() -> None:
    _, checkpoints = store(saves=5 + 32)
    assert len(checkpoints.versions()) == 37
    checkpoints.save(replace(first, seq=38), snapshot)
    assert [ref.seq for ref in checkpoints.versions()] == [38, 37, 36, 35, 34]


def test_another_process_goes_on_rotating() -> None:
    blobs, _ = store(saves=5)
    other = Checkpoints(blobs, faults=NoFaults())
    other.save(replace(first, seq=6), snapshot)
    other.rotate()
    assert [ref.seq for ref in Checkpoints(blobs, faults=NoFaults()).versions()] == [6, 5, 4, 3, 2]


def test_the_last_one_of_each_of_seven_days_stays_too() -> None:
    # Two a day from the 1st to the 10th: kept are the last five and the later one of the 4th to the 10th.
    days = {
        CheckpointRef(seq=2 * day + half, sha16=""): f"2026-11-{day:02}"
        for day in range(1, 11)
        for half in (0, 1)
    }
    gone = expendable(days, RotationPolicy())
    assert [ref.seq for ref in days if ref not in gone] == [9, 11, 13, 15, 17, 18, 19, 20, 21]
    without_days = expendable(days, RotationPolicy(last=2, days=0))
    assert [ref.seq for ref in days if ref not in without_days] == [20, 21]
    with pytest.raises(ValueError, match="always kept"):
        RotationPolicy(last=0)


def test_a_good_one_stays_when_all_newer_ones_are_damaged() -> None:
    blobs, checkpoints = store(saves=7)
    for ref in checkpoints.versions()[:5]:
        blobs.change(ref.key)
    without_days = Checkpoints(blobs, faults=NoFaults(), policy=RotationPolicy(days=0))
    assert without_days.rotate() == ()
    # Nobody knows when a damaged one was saved, so the last of the day is the newest good one.
    assert [ref.seq for ref in Checkpoints(blobs, faults=NoFaults()).rotate()] == [1]
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.checkpoint.seq == 2


def test_saving_the_same_again_is_fine_and_another_state_is_a_conflict() -> None:
    _, checkpoints = store(saves=1)
    checkpoints.save(first, snapshot)
    with pytest.raises(StoreError) as failure:
        checkpoints.save(first, replace(snapshot, payload=b"{}"))
    assert code_of(failure) == "checkpoint_conflict"
    assert [ref.seq for ref in checkpoints.versions()] == [1]


def test_a_store_that_refuses_or_changes_bytes_has_saved_nothing() -> None:
    for harm, detail in (("refuse", "storage_full"), ("flip", "read_back")):
        blobs, checkpoints = store()
        setattr(blobs, harm, "storage_full" if harm == "refuse" else True)
        with pytest.raises(StoreError) as failure:
            checkpoints.save(first, snapshot)
        assert code_of(failure) == "checkpoint_not_saved"
        assert failure.value.detail == detail


def test_the_newest_good_one_is_found_and_damaged_ones_are_named() -> None:
    blobs, checkpoints = store(saves=3)
    for ref in checkpoints.versions()[:2]:
        blobs.change(ref.key)
    loaded = checkpoints.latest()
    assert loaded is not None
    assert loaded.checkpoint.seq == 1
    assert [ref.seq for ref in loaded.damaged] == [3, 2]


def test_without_a_good_one_there_is_none() -> None:
    blobs, checkpoints = store(saves=1)
    blobs.change(checkpoints.versions()[0].key)
    assert checkpoints.latest() is None
    assert store()[1].latest() is None


def test_every_checkpoint_has_a_verdict() -> None:
    blobs, checkpoints = store(saves=3)
    newest, middle, oldest = checkpoints.versions()
    blobs.change(newest.key)
    blobs.delete(oldest.key)
    verdicts = [checkpoints.verify(ref) for ref in (newest, middle, oldest)]
    assert verdicts == ["damaged", "ok", "missing"]


def test_a_newer_schema_is_refused_and_never_passed_over() -> None:
    blobs, checkpoints = store(saves=1)
    data = blobs.get(checkpoints.versions()[0].key).replace(b'"schema":"2.0"', b'"schema":"3.0"')
    ref = CheckpointRef(seq=2, sha16=hashlib.sha256(data).hexdigest()[:16])
    blobs.put(ref.key, data)
    assert checkpoints.verify(ref) == "too_new"
    for use in (checkpoints.latest, lambda: checkpoints.load(2)):
        with pytest.raises(StoreError) as failure:
            use()
        assert code_of(failure) == "schema_too_new"


def test_an_unknown_number_is_not_found_and_other_files_are_none_of_ours() -> None:
    blobs, checkpoints = store(saves=1)
    blobs.put("checkpoints/notes.txt", b"x")
    assert [ref.seq for ref in checkpoints.versions()] == [1]
    with pytest.raises(StoreError) as failure:
        checkpoints.load(9)
    assert code_of(failure) == "not_found"


def test_a_pinned_checkpoint_stays_however_many_follow_and_in_other_processes_too() -> None:
    blobs, checkpoints = store(saves=2)
    oldest = checkpoints.versions()[-1]
    checkpoints.pin(oldest, "before the change")
    other = Checkpoints(blobs, faults=NoFaults())
    for seq in range(3, 10):
        other.save(replace(first, seq=seq), snapshot)
    other.rotate()
    assert [ref.seq for ref in other.versions()] == [9, 8, 7, 6, 5, 1]
    assert other.labels() == {1: "before the change"}
    assert other.latest() is not None
