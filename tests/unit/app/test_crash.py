"""The report of a crash: frames and versions, and nothing that could be a secret."""

import json

from pipex_core.app.crash import write_crash_report


def crash(message: str) -> None:
    raise RuntimeError(message)


def test_a_report_holds_frames_and_versions_but_no_key() -> None:
    try:
        crash("the key sk-ant-api03-" + "x" * 40 + " leaked")
    except RuntimeError as exc:
        path = write_crash_report(exc)
    try:
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_mode & 0o077 == 0
    finally:
        path.unlink()
    report = json.loads(text)
    assert report["schema"] == "pipex.crash/1"
    assert report["error"]["type"] == "RuntimeError"
    assert "leaked" in report["error"]["message"]
    assert "xxxx" not in text
    assert report["frames"][-1].endswith(" crash")
    assert set(report["versions"]) == {"pipex", "python"}
