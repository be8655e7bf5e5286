"""What local files add to the contracts: modes, leftovers, locks between processes, full disks."""

import os
import resource
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.adapters.local_files import LocalBlobs, LocalJournals
from pipex_core.errors import RunLocked, StoreError

segment = "000001-000001.seg"


def code_of(failure: pytest.ExceptionInfo[StoreError]) -> str:
    return failure.value.code


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file may grow beyond 64 KiB: what a full disk looks like to a writer."""
    limit = 65_536
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_only_the_owner_may_look_inside(tmp_path: Path) -> None:
    LocalBlobs(tmp_path / "new").put("a/b", b"1")
    modes = [stat.S_IMODE((tmp_path / "new" / path).stat().st_mode) for path in (".", "a", "a/b")]
    assert modes == [0o700, 0o700, 0o600]


def test_an_unfinished_write_is_no_value(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    (tmp_path / ".put-left-over").write_bytes(b"half")
    assert list(blobs.list()) == []
    with pytest.raises(StoreError) as failure:
        blobs.get(".put-left-over")
    assert code_of(failure) == "path_denied"


def test_a_write_that_fails_leaves_the_old_value_and_nothing_else(tmp_path: Path) -> None:
    def fail() -> None:
        raise StoreError("armed")

    LocalBlobs(tmp_path).put("a", b"old")
    faults = ArmedFaults({"store.before_rename": Fault(action=fail)})
    with pytest.raises(StoreError, match="armed"):
        LocalBlobs(tmp_path, faults=faults).put("a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert LocalBlobs(tmp_path).get("a") == b"old"


def test_a_full_disk_is_its_own_error(tmp_path: Path, small_files: int) -> None:
    with pytest.raises(StoreError) as failure:
        LocalBlobs(tmp_path).put("a", b"x" * (small_files + 1))
    assert code_of(failure) == "storage_full"
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StoreError) as failure:
        LocalBlobs(tmp_path).put("a/b", b"1")
    assert code_of(failure) == "storage_error"
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError) as unreadable:
        LocalBlobs(tmp_path).get("folder")
    assert code_of(unreadable) == "storage_error"


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".hidden", "a\0"])
def test_an_id_that_could_leave_the_folder_is_denied(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(StoreError) as failure:
        LocalJournals(tmp_path).blobs(run_id)
    assert code_of(failure) == "path_denied"


def test_scopes_are_encoded_into_one_folder_each(tmp_path: Path) -> None:
    journals = LocalJournals(tmp_path)
    for scope in ("main", "..", "op/a b"):
        journals.open_log("r1", scope).close()
    names = sorted(path.name for path in (tmp_path / "r1" / "journal").iterdir())
    assert names == ["%2E%2E", "main", "op%2Fa%20b"]


def test_the_lock_names_its_holder_and_dies_with_its_process(tmp_path: Path) -> None:
    journals = LocalJournals(tmp_path, lock_wait_s=0.1)
    ready, held = os.pipe()
    child = os.fork()
    if child == 0:
        LocalJournals(tmp_path).open_log("r1", "main")
        os.write(held, b"x")
        signal.pause()
    os.read(ready, 1)
    try:
        with pytest.raises(RunLocked, match=f"process {child} on"):
            journals.open_log("r1", "main")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(held)
    log = journals.open_log("r1", "main")
    assert log.epoch == 2
    log.close()


@pytest.mark.parametrize("text", ["", "torn", "-3 x y"])
def test_the_epoch_grows_even_when_its_number_was_lost(tmp_path: Path, text: str) -> None:
    journals = LocalJournals(tmp_path)
    log = journals.open_log("r1", "main")
    log.append("000007-000001.seg", b"x")
    log.close()
    (tmp_path / "r1" / "journal" / "main" / "lock").write_text(text, encoding="utf-8")
    log = journals.open_log("r1", "main")
    assert log.epoch == 8
    log.close()


def test_an_append_that_fails_is_cut_off_and_nothing_follows(
    tmp_path: Path, small_files: int
) -> None:
    log = LocalJournals(tmp_path).open_log("r1", "main")
    log.append(segment, b"good\n")
    for _ in range(2):
        with pytest.raises(StoreError) as failure:
            log.append(segment, b"x" * small_files)
        assert code_of(failure) == "storage_full"
    with pytest.raises(StoreError):
        log.append(segment, b"small")
    assert log.read(segment) == b"good\n"
    log.close()


def test_a_name_that_is_no_segment_is_denied(tmp_path: Path) -> None:
    log = LocalJournals(tmp_path).open_log("r1", "main")
    with pytest.raises(StoreError) as failure:
        log.append("../lock", b"x")
    assert code_of(failure) == "path_denied"
    log.close()


def test_what_is_cut_off_is_kept_beside(tmp_path: Path) -> None:
    log = LocalJournals(tmp_path).open_log("r1", "main")
    log.append(segment, b"good|torn")
    log.cut(segment, 5)
    folder = tmp_path / "r1" / "journal" / "main"
    assert (folder / f"{segment}.torn").read_bytes() == b"torn"
    assert log.segments() == [segment]
    log.close()


def test_a_missing_segment_is_a_storage_error(tmp_path: Path) -> None:
    log = LocalJournals(tmp_path).open_log("r1", "main")
    for use in (lambda: log.read("000009-000001.seg"), lambda: log.cut("000009-000001.seg", 0)):
        with pytest.raises(StoreError) as failure:
            use()
        assert code_of(failure) == "storage_error"
    log.close()
