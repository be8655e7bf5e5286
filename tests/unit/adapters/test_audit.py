"""The audit file: chained, private, shared by processes, and not to be changed unseen."""

import hashlib
import json
import multiprocessing
from pathlib import Path

import pytest

from pipex_core.adapters.audit import FileAudit, first_bad_line
from pipex_core.errors import StoreError
from tests.fakes.clock import ManualClock


def filled(path: Path, count: int = 3) -> list[str]:
    audit = FileAudit(path, clock=ManualClock(), actor="me")
    for number in range(count):
        audit.append("force", resource=f"run:{number}", details={"n": number})
    return path.read_text(encoding="utf-8").splitlines()


def test_acts_are_numbered_and_each_hash_covers_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "made" / "audit.jsonl"
    lines = [json.loads(line) for line in filled(path)]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert [line["prev_hash"] for line in lines] == ["0" * 64, lines[0]["hash"], lines[1]["hash"]]
    last = {k: v for k, v in lines[2].items() if k not in {"hash", "prev_hash"}}
    canonical = json.dumps(last, sort_keys=True, separators=(",", ":")).encode()
    expected = hashlib.sha256(bytes.fromhex(lines[1]["hash"]) + canonical).hexdigest()
    assert lines[2]["hash"] == expected
    assert path.stat().st_mode & 0o777 == 0o600
    assert first_bad_line(path) is None


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        (lambda lines: [lines[0].replace("run:0", "run:9"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [*lines, "{}"], 4),
        (lambda lines: [*lines, "no json"], 4),
        (lambda lines: lines[:2], None),
    ],
    ids=["edited", "removed", "reordered", "empty", "no-json", "cut-tail"],
)
def test_a_change_is_found_at_its_line(change: object, bad: int | None, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = change(filled(path))  # type: ignore[operator]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert first_bad_line(path) == bad


def test_long_acts_are_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = FileAudit(path, clock=ManualClock())
    for size in (10, 9_000, 50_000, 3):
        audit.append("x", resource="r", details={"text": "é" * size})
    assert first_bad_line(path) is None


def write_many(path: Path) -> None:
    filled(path, 20)


def test_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(path.read_text(encoding="utf-8").splitlines()) == 60
    assert first_bad_line(path) is None


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    audit = FileAudit(tmp_path / "file" / "audit.jsonl", clock=ManualClock())
    with pytest.raises(StoreError, match="cannot be written"):
        audit.append("x", resource="r")


def test_a_reason_may_hold_what_other_texts_break_lines_at(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = FileAudit(path, clock=ManualClock(), actor="ann")
    for reason in ("a\u2028b", "c\x1cd\x85e"):
        log.append("force", resource="r", reason=reason)
    assert first_bad_line(path) is None
