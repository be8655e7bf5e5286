"""Runs for people: the console block and the leaderboard."""

from pathlib import Path

import pytest

from pipex_core.app.evaluations import run_eval
from pipex_core.app.reports import leaderboard_grid, run_block
from pipex_core.app.stored import find_run, open_archive
from pipex_core.evals.rendering import text_table
from tests.fakes.project import write_lines, write_project


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_leaderboard_shows_the_best_first_and_marks_the_champion(project: Path) -> None:
    write_lines(project / "none.jsonl", [])
    runs = [run_eval("sums", f"{name}.jsonl") for name in ("poor", "none", "good")]
    archive = open_archive("results")
    stored = [archive.load(find_run(archive, run.run_id)) for run in runs]
    lines = text_table(leaderboard_grid(stored, metric="exact_match", champion="poor")).splitlines()
    assert lines[0].split() == [
        "target", "exact_match", "95", "%", "interval", "passed", "missing", "USD", "verdict",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:]] == ["good", "poor", "none"]
    assert lines[2].split()[:3] == ["poor", "*", "0.25"]
    assert lines[3].split()[1:] == ["-", "-", "-", "4", "0.0000", "-"]


def test_the_block_names_target_model_and_money(project: Path) -> None:
    (project / "rules.yaml").write_text('responses: [{reply: "2", cost: 0.5}]\n')
    found = run_eval(
        "sums", {"kind": "prompt", "model": "claude-haiku-5-5"}, mock_responses="rules.yaml"
    )
    assert run_block(found).splitlines()[0] == (
        "sums on prompt with claude-haiku-5-5: completed, 4 cases, 0 carried, 4 calls, 2.0000 USD"
    )


def test_one_case_is_one_case(project: Path) -> None:
    del project
    block = run_block(run_eval("sums", "good.jsonl", limit=1))
    assert block.startswith("sums on good: completed, 1 case, 0 carried, 0 calls")
