"""Linting a suite on disk: every finding at its place, the file's errors and the metrics' among them."""

from pathlib import Path

import pytest

from pipex_core.app.linting import lint_suite
from pipex_core.app.suitefiles import write_suite
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from tests.fakes.project import write_lines, write_project

folder = Path("test_suites/sums")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(word: str = "sums") -> list[tuple[str, int, int, str]]:
    return [(Path(p.file).name, p.line, p.column, p.code) for p in lint_suite(word)]


def test_findings_of_cases_stand_at_their_line_and_column() -> None:
    long_text = "please tell me how many apples are left when she has given away all of them"
    write_lines(
        folder / "cases.jsonl",
        [
            {"id": "a", "input": long_text, "expected_output": "0"},
            {"id": "b", "input": f"{long_text} today", "expected_output": "0"},
            {"id": "c", "input": "write to ada@example.org", "expected_output": "1"},
            {"id": "d", "input": "q", "expected_output": "2", "metrics": ["exact_macth", "bleu"]},
            {"id": "e", "input": "r", "status": "quarantined", "expected_output": "2"},
            {"id": "f", "input": "s"},
        ],
    )
    assert found() == [
        ("cases.jsonl", 2, 22, "near_duplicate"),
        ("cases.jsonl", 3, 1, "pii"),
        ("cases.jsonl", 4, 63, "unknown_metric"),
        ("cases.jsonl", 5, 1, "missing_reason"),
        ("cases.jsonl", 6, 1, "missing_reference"),
    ]


def test_a_wrong_metric_hides_nothing_else() -> None:
    (folder / "suite.yaml").write_text(
        "id: sums\ndefaults:\n  metrics:\n    - exact_macth\n    - {type: rouge, rouge_type: r9}\n"
        "gate:\n  rules: [{metric: x, kind: thresold}]\n"
    )
    write_lines(folder / "cases.jsonl", [{"id": "a", "input": ""}])
    assert found() == [
        ("cases.jsonl", 1, 1, "empty_input"),
        ("suite.yaml", 4, 7, "unknown_metric"),
        ("suite.yaml", 5, 33, "bad_option"),
        ("suite.yaml", 7, 29, "unknown_value"),
    ]


def test_metrics_of_a_case_say_what_it_lacks() -> None:
    (folder / "suite.yaml").write_text("id: sums\n")
    write_lines(
        folder / "cases.jsonl",
        [
            {"id": "a", "input": "x", "metrics": ["bleu"]},
            {"id": "b", "input": "y", "metrics": ["bleu"]},
            {"id": "c", "input": "z"},
        ],
    )
    assert found() == [
        ("cases.jsonl", 1, 1, "missing_reference"),
        ("cases.jsonl", 2, 1, "missing_reference"),
    ]


def test_attachments_are_looked_at() -> None:
    one = {"path": "gone.txt", "sha256": "0" * 64, "mime": "text/plain"}
    write_lines(
        folder / "cases.jsonl",
        [{"id": "a", "input": "x", "expected_output": "1", "attachments": [one]}],
    )
    assert found() == [("cases.jsonl", 1, 67, "attachment_mismatch")]


@pytest.mark.parametrize(
    ("name", "start"), [("one.json", "    {"), ("one.yaml", "  id: b"), ("one.jsonl", "{")]
)
def test_findings_have_their_place_in_every_form(name: str, start: str) -> None:
    cases = (Case(id="a", input="x"), Case(id="b", input=" "))
    write_suite(Suite(id="one", cases=cases), Path(name))
    ((_, line, column, code),) = found(name)
    text = Path(name).read_text().splitlines()
    assert (code, column) == ("empty_input", len(start) - len(start.lstrip()) + 1)
    shown = text[line - 1] + (text[line] if name == "one.json" else "")
    assert start in text[line - 1].replace("- id", "  id")
    assert '"b"' in shown or "id: b" in shown


def test_findings_in_a_table_have_no_line() -> None:
    cases = (Case(id="a", input="x"), Case(id="b", input=" "))
    write_suite(Suite(id="one", cases=cases), Path("one.parquet"))
    assert found("one.parquet") == [("one.parquet", 0, 0, "empty_input")]


def test_a_gate_that_is_too_fine_is_shown_at_its_rules() -> None:
    cases = (Case(id="a", input="x", expected_output="1"),)
    metrics = SuiteDefaults(metrics=("exact_match",))
    gate = {"rules": [{"metric": "exact_match", "kind": "noninferiority", "margin": 0.05}]}
    write_suite(Suite(id="sums", cases=cases, defaults=metrics, gate=gate), folder)
    ((name, line, _, code),) = found()
    assert (name, code) == ("suite.yaml", "underpowered")
    assert "- metric: exact_match" in (folder / "suite.yaml").read_text().splitlines()[line - 1]


def test_a_file_that_cannot_be_read_shows_its_errors_only() -> None:
    write_lines(folder / "cases.jsonl", [{"id": "a"}, {"id": "a b", "input": "x"}])
    assert found() == [
        ("cases.jsonl", 1, 1, "missing_field"),
        ("cases.jsonl", 2, 8, "bad_id"),
    ]


def test_metrics_that_a_judge_gives_can_be_linted_without_one() -> None:
    (folder / "suite.yaml").write_text("id: sums\ndefaults:\n  metrics: [faithfulness]\n")
    write_lines(folder / "cases.jsonl", [{"id": "a", "input": "x", "context": "y"}])
    assert found() == []
    write_lines(folder / "cases.jsonl", [{"id": "a", "input": "x"}])
    assert found() == [("cases.jsonl", 1, 1, "leak")]
