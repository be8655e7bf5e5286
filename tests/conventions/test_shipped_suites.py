"""The suites that ship: generated ones equal what their script writes, quoted texts stand in the docs."""

import json
import subprocess
import sys
from pathlib import Path

from pipex_core.app.suites import load_suite
from pipex_core.evals.suitefile import dump_directory

root = Path(__file__).resolve().parents[2]


def test_generated_suites_are_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, "test_suites/generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_context_of_the_docs_suite_stands_in_its_page() -> None:
    lines = (root / "test_suites/docs_qa/cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    assert len(cases) > 50
    missing = [
        case["id"]
        for case in cases
        if case["context"] not in (root / case["metadata"]["page"]).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_shipped_suites_are_in_canonical_form() -> None:
    for folder in sorted(root.glob("test_suites/*/suite.yaml")):
        suite = load_suite(folder.parent)
        text = (folder.parent / "cases.jsonl").read_text(encoding="utf-8")
        assert dump_directory(suite)["cases.jsonl"] == text, folder.parent.name
