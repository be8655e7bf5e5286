"""Journals and checkpoints of every version ever written are still read, and mean what they meant."""

import hashlib
from pathlib import Path

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.engine.checkpoint import CheckpointRef, Checkpoints
from pipex_core.engine.fold import RunState, fold
from pipex_core.engine.records import StepRecord
from pipex_core.engine.segments import verified
from pipex_core.errors import ErrorRecord
from tests.fakes.journals import NoFaults

runs = Path(__file__).parent / "runs"


def state_of(version: str) -> RunState:
    """The state after a run that died behind its third answer."""
    files = sorted((runs / version).glob("*.seg"))
    found = verified([(file.name, file.read_bytes()) for file in files], run_id="run1")
    assert found.torn is None
    return fold(found.records)


def test_version_1_journals_are_still_read() -> None:
    state = state_of("v1")
    assert state.header["run_id"] == "run1"
    assert (state.header["host"], state.header["pid"]) == ("golden", 7)
    assert (state.calls, state.spent_nanousd) == (3, 750_000_000)
    assert (state.status, state.in_doubt) == (None, [])
    finished = [path for path in state.units if state.finished(path)]
    assert finished == ["a", "b", "c", "d"]
    open_unit = state.unit("f")
    assert (open_unit.attempt, open_unit.end) == (1, None)
    assert open_unit.answers[0].done["reply"]["text"] == "last [1,3]"


def test_version_1_records_are_still_read() -> None:
    ends = {path: unit.end for path, unit in state_of("v1").units.items() if unit.end}
    records = {path: StepRecord.from_stored(end["result"]) for path, end in ends.items()}
    assert records["a"].text == "hi you é"
    assert (records["a"].cost_nanousd, records["a"].tokens.output) == (250_000_000, 2)
    assert list(records["b"].variables.items()) == [("z", 1), ("n", 2.5)]
    assert records["d"].aliases == ("sorted",)
    assert records["e"].error == ErrorRecord(code="echo_failed", message="no", path="e")
    assert not records["e"].ends_run


def test_version_2_0_checkpoints_are_still_read() -> None:
    data = (runs / "v1" / "checkpoint.json").read_bytes()
    blobs = MemoryBlobs()
    blobs.put(CheckpointRef(seq=5, sha16=hashlib.sha256(data).hexdigest()[:16]).key, data)
    loaded = Checkpoints(blobs, faults=NoFaults()).latest()
    assert loaded is not None
    assert (loaded.checkpoint.workflow, loaded.checkpoint.seq) == ("golden", 5)
    assert loaded.payload["variables"] == {"n": 2.5, "z": 1}
    record = StepRecord.from_stored(loaded.payload["records"]["d"])
    assert record.data == [1, 3]


def test_a_stored_record_comes_back_as_it_was() -> None:
    for unit in state_of("v1").units.values():
        if unit.end is not None:
            record = StepRecord.from_stored(unit.end["result"])
            assert StepRecord.from_stored(record.stored()) == record
