"""Everything that an evaluation leaves on disk, searched byte by byte for what must not be there."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.fakes.project import write_lines, write_project
from tests.fakes.shell import invoke

key, mail = "sk-ant-api03-plantedplanted", "planted@example.org"
given = {"mock.json", "cases.jsonl", "suite.yaml"}  # what somebody wrote, before any run


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    suite = tmp_path / "test_suites" / "sums"
    settings = (suite / "suite.yaml").read_text("utf-8")
    (suite / "suite.yaml").write_text(f"{settings}privacy: redact\n", "utf-8")
    said = f"yes {key} {mail}"
    cases = [
        {"id": f"q{i}", "input": f"{i}? {said}", "expected_output": said, "context": said,
         "metadata": {"k": said}} for i in range(3)
    ]  # fmt: skip
    write_lines(suite / "cases.jsonl", cases)
    (tmp_path / "mock.json").write_text(json.dumps({"responses": [{"reply": said}]}), "utf-8")
    return tmp_path


def leaks(root: Path) -> list[str]:
    """Files that hold a planted text, tables decoded."""
    found = []
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.name in given:
            continue
        texts = [path.read_bytes().decode("utf-8", "replace")]
        if path.suffix == ".parquet":
            texts.append(str(pq.ParquetFile(path).read(use_threads=False).to_pylist()))
        if any("plantedplanted" in text or mail in text for text in texts):
            found.append(str(path.relative_to(root)))
    return found


@pytest.mark.parametrize("target", ["pipelines/asker.yaml", "--model"])
def test_no_secret_and_no_address_is_left_in_any_file(project: Path, target: str) -> None:
    words = [target, "claude-haiku-5-5"] if target == "--model" else [target]
    reports = [
        word for form in ("html", "json", "markdown", "junit", "csv") for word in ("--report", form)
    ]
    done = invoke(
        *("eval", "run", "sums", *words, "--mock-responses", "mock.json", "-m", "exact_match"),
        *("-m", "rouge", "--events", "events.jsonl", *reports, "--json"),
    )
    assert done.code == 0, done.err
    # The originals were equal to their references, and that is what was measured.
    assert done.document["metrics"]["exact_match"]["mean"] == 1.0
    assert len(list(project.rglob("*.html"))) == 1
    assert leaks(project) == []
    again = invoke("eval", "resume", done.document["run_id"], "--json")
    assert again.document["row_digest"] == done.document["row_digest"]
    assert leaks(project) == []
