"""What every journal store promises: one writer, growing epochs, appends that stay."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipex_core.adapters.local_files import LocalJournals
from pipex_core.adapters.memory import MemoryJournals
from pipex_core.errors import RunLocked, StoreError
from pipex_core.ports import JournalStore
from tests.fakes.journals import BreakableJournals

makers: dict[str, Callable[[Path], JournalStore]] = {
    "local": lambda folder: LocalJournals(folder / "checkpoints", lock_wait_s=0),
    "memory": lambda _: MemoryJournals(),
    "breakable": lambda _: BreakableJournals(),
}


@pytest.fixture(params=sorted(makers))
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> JournalStore:
    return makers[request.param](tmp_path)


def test_appends_come_back_in_their_order(journals: JournalStore) -> None:
    log = journals.open_log("r1", "main")
    log.append("000001-000001.seg", b"one")
    log.append("000001-000001.seg", b"two")
    log.append("000001-000002.seg", b"three")
    assert log.segments() == ["000001-000001.seg", "000001-000002.seg"]
    assert log.read("000001-000001.seg") == b"onetwo"
    log.close()


def test_a_second_writer_is_refused_until_the_first_lets_go(journals: JournalStore) -> None:
    first = journals.open_log("r1", "main")
    with pytest.raises(RunLocked) as refusal:
        journals.open_log("r1", "main")
    assert refusal.value.code == "run_locked"
    first.close()
    journals.open_log("r1", "main").close()


def test_every_opening_has_the_next_epoch(journals: JournalStore) -> None:
    epochs = []
    for _ in range(3):
        log = journals.open_log("r1", "main")
        epochs.append(log.epoch)
        log.close()
    assert epochs == [1, 2, 3]


def test_scopes_and_runs_are_apart(journals: JournalStore) -> None:
    one = journals.open_log("r1", "main")
    other = journals.open_log("r1", "op/part=ü..")
    third = journals.open_log("r2", "main")
    other.append("000001-000001.seg", b"x")
    assert [list(log.segments()) for log in (one, other, third)] == [[], ["000001-000001.seg"], []]
    for log in (one, other, third):
        log.close()


def test_a_closed_log_takes_nothing_and_may_be_closed_again(journals: JournalStore) -> None:
    log = journals.open_log("r1", "main")
    log.close()
    log.close()
    with pytest.raises(StoreError):
        log.append("000001-000001.seg", b"late")


def test_a_cut_segment_goes_on_where_it_was_cut(journals: JournalStore) -> None:
    log = journals.open_log("r1", "main")
    log.append("000001-000001.seg", b"good|torn")
    log.cut("000001-000001.seg", 5)
    assert log.read("000001-000001.seg") == b"good|"
    assert log.segments() == ["000001-000001.seg"]
    log.close()


def test_a_log_is_read_while_somebody_writes_it(journals: JournalStore) -> None:
    log = journals.open_log("r1", "main")
    log.append("000001-000001.seg", b"one")
    assert list(journals.read_log("r1", "main")) == [("000001-000001.seg", b"one")]
    assert list(journals.read_log("r1", "other")) == []
    log.close()


def test_runs_are_those_with_a_document(journals: JournalStore) -> None:
    for run in ("r2", "r1", "r3"):
        journals.open_log(run, "main").close()
    journals.blobs("r2").put("run.json", b"{}")
    journals.blobs("r1").put("run.json", b"{}")
    assert list(journals.runs()) == ["r1", "r2"]
    assert journals.blobs("r1").get("run.json") == b"{}"
