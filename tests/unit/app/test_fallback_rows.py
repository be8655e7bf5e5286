"""A fallback through a whole run: beside the metric that timed out, and in the way of no other."""

import json
from pathlib import Path

import pytest

from pipex_core import load_results, run_eval
from pipex_core.jsonvalue import Json

slow = "a" * 60 + "b"


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    suite = tmp_path / "s"
    suite.mkdir()
    (suite / "suite.yaml").write_text("id: s\n", encoding="utf-8")
    cases = [{"id": name, "input": "q", "expected_output": "a"} for name in ("one", "two")]
    answers = [{"case_id": "one", "output": slow}, {"case_id": "two", "output": "aa"}]
    for path, rows in ((suite / "cases.jsonl", cases), (tmp_path / "answers.jsonl", answers)):
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return "answers.jsonl"


def test_the_extra_row_is_kept_and_counts_nowhere(target: str) -> None:
    fallback: Json = {"type": "contains", "value": "a"}
    metrics: list[Json] = [
        {"type": "regex_match", "pattern": "(a|aa)+$", "fallback": fallback},
        {"type": "contains", "value": "z"},
    ]
    run = run_eval("s", target, metrics)
    rows = [row for row in run.scores.to_pylist() if row["fallback_of"] is not None]
    assert [(row["case_id"], row["metric"], row["score"]) for row in rows] == [
        ("one", "contains", 1.0)
    ]
    assert run.metrics["regex_match"].n_missing == 1
    assert run.metrics["regex_match"].mean == 1.0
    assert run.metrics["contains"].mean == 0.0
    table = load_results("results").wide(run.run_id).set_index("case_id")
    assert table.loc["one", "contains"] == 0.0
    assert table.loc["two", "contains"] == 0.0
    assert str(table.loc["one", "regex_match"]) in {"nan", "None", "<NA>"}
