"""One process at a time changes a folder."""

import errno
import threading
from pathlib import Path

import pytest

from pipex_core.adapters.folder_lock import held
from pipex_core.errors import RunLocked


def test_a_second_holder_is_told_to_come_back_and_the_first_leaves_no_trace(tmp_path: Path) -> None:
    second = held(tmp_path, wait_s=0.0)
    with held(tmp_path), pytest.raises(RunLocked, match="another process is changing"):
        second.__enter__()
    with held(tmp_path, wait_s=0.0):
        assert list(tmp_path.iterdir()) == []


def test_whoever_waits_gets_it_when_the_first_lets_go(tmp_path: Path) -> None:
    got: list[str] = []

    def wait() -> None:
        with held(tmp_path, wait_s=20.0):
            got.append("it")

    waiting = threading.Thread(target=wait)
    with held(tmp_path):
        waiting.start()
    waiting.join(timeout=20.0)
    assert got == ["it"]


def test_an_error_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        raise ZeroDivisionError
    with held(tmp_path, wait_s=0.0):
        pass


def test_a_folder_that_is_not_there_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught, held(tmp_path / "absent"):
        pass
    assert caught.value.errno == errno.ENOENT
