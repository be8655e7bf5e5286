"""Files are as they were after a failed transaction, also when its undo is killed again and again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

script = Path(__file__).parent / "killed_undo.py"
start = {"a.txt": "a", "b.txt": "b", "d/in/c.txt": "c"}

pytestmark = pytest.mark.chaos


def ended(folder: Path, how: str, *death: str) -> int:
    command = [sys.executable, str(script), str(folder), how, *death]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert done.returncode <= 0, done.stderr.decode()
    return done.returncode


@pytest.mark.parametrize("point", ["undo.before_action", "undo.after_action"])
def test_an_undo_killed_at_every_action_leaves_the_workspace_as_it_was(
    point: str, tmp_path: Path
) -> None:
    for path, text in start.items():
        (tmp_path / "w" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "w" / path).write_text(text)
    assert ended(tmp_path, "new", point, "1") == -signal.SIGKILL
    assert ended(tmp_path, "resume", point, "2") == -signal.SIGKILL
    assert ended(tmp_path, "resume", point, "2") == -signal.SIGKILL
    assert ended(tmp_path, "resume") == 0
    root = tmp_path / "w"
    files = {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}
    # The letter was recalled once more by each undo; that is what its rollback list leaves behind.
    assert files == {**start, "b.txt": "recalled"}
    assert not (root / "new").exists()
    assert not (root / "e").exists()
