"""Storage trouble is fail-stop: no call is sent that could not be journalled, and a resume goes on.

The disk fills up, breaks or ends at every single append; the journal is torn at any byte. The model counts
its calls by itself.
"""

import random
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipex_core.adapters.local import VirtualClock
from pipex_core.adapters.local_files import LocalJournals
from pipex_core.adapters.mock import MockProvider
from pipex_core.engine.records import RunResult
from pipex_core.errors import StoreError
from pipex_core.llm.mock_rules import rules_of
from pipex_core.ports import AppendLog, JournalStore
from tests.fakes.clock import start
from tests.fakes.journals import BreakableJournals, BreakableLog
from tests.fakes.world import World

pytestmark = pytest.mark.chaos

pipeline = """
workflow:
  name: w
  steps:
    - {name: a, type: claude, prompt: a}
    - name: each
      type: for_loop
      parallel: true
      data_source: [x, y]
      steps: [{name: say, type: claude, prompt: "{{item}} {{a}}"}]
    - {name: b, type: claude, prompt: "b {{a}}"}
  outputs: {said: b.text}
"""
calls = 4
at_once = 2


class BillingModel(MockProvider):
    """The mock as a service that bills, so that every call waits for its journal."""

    billable = True


def world_on(journals: JournalStore) -> World:
    rules = rules_of({"responses": [{"echo": True, "cost": 0.001}]})
    return World(journals=journals, provider=BillingModel(rules, clock=VirtualClock(start)))


def told(result: RunResult) -> dict[str, Any]:
    shown = result.as_json()
    return {name: shown[name] for name in ("status", "order", "outputs", "variables")}


undisturbed = told(world_on(BreakableJournals()).run(pipeline))


class FailingJournals(BreakableJournals):
    """Journals that break at an append.

    Attributes:
        begun: Calls whose begin was durable before the first refusal; None while there was none.
    """

    begun: int | None = None

    def __init__(self, *, good_appends: int, code: str, keeps_bytes: bool) -> None:
        super().__init__(good_appends=good_appends)
        self.code = code
        self.keeps_bytes = keeps_bytes

    def open_log(self, run_id: str, scope: str) -> AppendLog:
        log = super().open_log(run_id, scope)
        assert isinstance(log, BreakableLog)
        return _FailingLog(log, self)


class _FailingLog:
    def __init__(self, log: BreakableLog, journals: FailingJournals) -> None:
        self._log = log
        self._bytes = log._log
        self._journals = journals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, name: str, data: bytes) -> None:
        journals = self._journals
        if journals.begun is None and journals.appends < journals.good_appends:
            self._log.append(name, data)
            return
        if journals.begun is None:
            kept = b"".join(journals.segments_of("run1").values())
            journals.begun = kept.count(b'"t":"begin"')
            if journals.keeps_bytes:
                # The sync failed, but the bytes are there: nobody may have built on them.
                self._bytes.append(name, data)
        raise StoreError("the disk says no", code=journals.code)


@pytest.mark.parametrize(
    ("code", "keeps_bytes"),
    [("storage_full", False), ("storage_error", False), ("storage_error", True)],
    ids=["full", "input or output error", "failed sync"],
)
def test_no_call_is_sent_that_could_not_be_journalled(code: str, *, keeps_bytes: bool) -> None:
    refused = 0
    for good in range(1, 30):
        journals = FailingJournals(good_appends=good, code=code, keeps_bytes=keeps_bytes)
        world = world_on(journals)
        result = world.run(pipeline)
        if journals.begun is None:
            break
        refused += 1
        assert len(world.provider.sent) <= journals.begun
        kept = b"".join(journals.segments_of("run1").values())
        if result.success or b'"t":"close"' in kept:
            continue  # what could not be written was the seal of a run that has ended
        assert result.error is not None
        assert result.error.code == code
        again = world_on(_working(journals))
        assert told(again.run(pipeline, run_id="run1", resume=True)) == undisturbed
        assert len(world.provider.sent) + len(again.provider.sent) <= calls + at_once
    assert refused > calls


def _working(broken: FailingJournals) -> BreakableJournals:
    """The same files on a disk that works again."""
    journals = BreakableJournals()
    journals._segments, journals._blobs = broken._segments, broken._blobs
    journals._epochs = broken._epochs
    return journals


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond this inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [1200, 1800, 2600, 3400, 4200, 5000])
def test_a_run_that_reaches_the_limit_of_file_sizes_goes_on_without_it(
    size: int, tmp_path: Path
) -> None:
    world = world_on(LocalJournals(tmp_path))
    with files_up_to(size):
        result = world.run(pipeline)
    assert result.error is not None
    assert result.error.code in {"storage_full", "checkpoint_not_saved"}
    goes_on(world, tmp_path)


@pytest.mark.parametrize("size_kb", [20, 24])
def test_a_run_on_a_full_disk_goes_on_when_there_is_room_again(
    size_kb: int, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, size_kb):
        world = world_on(LocalJournals(disk))
        result = world.run(pipeline)
        assert result.error is not None
        assert result.error.code in {"storage_full", "checkpoint_not_saved"}
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        goes_on(world, disk)


def goes_on(world: World, folder: Path) -> None:
    """The run is resumed, ends as if nothing had happened, and pays at most for what was in flight."""
    again = world_on(LocalJournals(folder))
    assert told(again.run(pipeline, run_id="run1", resume=True)) == undisturbed
    assert len(world.provider.sent) + len(again.provider.sent) <= calls + at_once


@contextmanager
def small_disk(folder: Path, size_kb: int) -> Iterator[None]:
    """A disk of this size; the test is skipped where nobody may mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_journal_that_is_torn_anywhere_is_gone_on_with_or_refused() -> None:
    """What a power loss leaves of the last segment: its beginning, perhaps with zeros behind."""
    whole = world_on(BreakableJournals())
    whole.run(pipeline)
    assert isinstance(whole.journals, BreakableJournals)
    ((name, data),) = whole.journals.segments_of("run1").items()
    rng = random.Random(5)
    # Behind its last word there is nothing that could be gone on with.
    places = sorted(rng.sample(range(data.index(b'"t":"close"')), 60))
    for place in places:
        torn = world_on(BreakableJournals())
        assert isinstance(torn.journals, BreakableJournals)
        torn.journals._blobs = {"run1": _without_checkpoints(whole)}
        zeros = b"\0" * rng.choice([0, 0, 17])
        torn.journals._segments["run1", "main"] = {name: data[:place] + zeros}
        durable = _answered(torn.journals)
        if not durable and place < data.index(b"unit_begin"):
            continue  # not even the beginning of the run is there
        result = torn.run(pipeline, run_id="run1", resume=True)
        assert told(result) == undisturbed, place
        assert len(torn.provider.sent) == calls - len(durable), place
    assert places[0] < len(data) // 4 < places[-1]


def _answered(journals: BreakableJournals) -> set[str]:
    """Units whose answer is in a frame that is whole, found without the code under test."""
    found = set()
    for data in journals.segments_of("run1").values():
        for line in data.splitlines(keepends=True):
            length, _, rest = line.partition(b":")
            payload = rest.partition(b":")[2]
            if line.endswith(b"\n") and length.isdigit() and len(payload) == int(length) + 1:
                found.update(_units_of_answers(payload))
    return found


def _units_of_answers(payload: bytes) -> list[str]:
    import json

    return [record["unit"] for record in json.loads(payload) if record["t"] == "done"]


def _without_checkpoints(world: World) -> Any:
    """The files of the run as they were before its first checkpoint."""
    from pipex_core.adapters.memory import MemoryBlobs

    kept = MemoryBlobs()
    blobs = world.journals.blobs("run1")
    for key in blobs.list(""):
        if not key.startswith("checkpoints/"):
            kept.put(key, blobs.get(key))
    return kept
