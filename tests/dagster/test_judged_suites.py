"""Suites with judges as assets: the project's own provider is asked, once, and what it says may not gate alone."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from pipex_core.app.evaluations import run_eval
from pipex_dagster.reexecution import reexecuted
from tests.dagster.conftest import Project, cases, numbers, suite_head

gate = {"rules": [{"id": "to_the_point", "metric": "relevance", "kind": "threshold", "value": 0.5, "bound": "point"}]}  # fmt: skip


@pytest.fixture
def judged(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project with a judge who finds all but three answers relevant."""
    rules: dict[str, Any] = yaml.safe_load((project.root / "mock.yaml").read_text())
    poor = [f"What is {n} plus {n} ?" for n in range(3)]
    judging = [{"when": {"type": "judge", "contains": text}, "json": verdict(1)} for text in poor]
    judging.append({"when": {"type": "judge"}, "json": verdict(5), "cost": 0.002})  # type: ignore[dict-item]  # a rule has more than two kinds of fields
    project.write("mock.yaml", {"responses": [*judging, *rules["responses"]]})
    monkeypatch.setenv("PIPEX_MOCK_RESPONSES", str(project.root / "mock.yaml"))
    defaults = {**suite_head["defaults"], "metrics": ["numeric_match", "relevance"]}
    project.write_suite(defaults=defaults, judges={"main": {"model": "judge-1"}}, gate=gate)
    return project


def verdict(score: int) -> dict[str, Any]:
    return {"reasoning": "as the test says", "score": score}


def test_scores_ask_the_judge_of_the_project_and_the_verdict_asks_for_a_certificate(
    judged: Project,
) -> None:
    result = judged.evaluate("good")
    assert numbers(result, "scores")["relevance_mean"] == pytest.approx(1 - 3 / cases)
    assert numbers(result, "verdict")["verdict"] == "INCONCLUSIVE"
    assert "judge_uncertified" in numbers(result, "verdict")["why"]


def test_a_second_run_asks_no_judge(judged: Project) -> None:
    judged.evaluate("good")
    again = judged.evaluate("good")
    # One row per metric and case; a judge who was asked again would have made new ones.
    assert numbers(again, "scores")["carried"] == 2 * cases


def test_rows_are_those_of_the_python_call(judged: Project) -> None:
    run_id = numbers(judged.evaluate("good"), "verdict")["run"]
    (manifest,) = (judged.root / "results/runs").rglob(f"run_id={run_id}/manifest.json")
    run = run_eval(
        str(judged.root / "test_suites/sums"),
        {"kind": "prompt", "model": "good-1"},
        mock_responses=str(judged.root / "mock.yaml"),
        results=str(judged.root / "other_results"),
    )
    assert json.loads(manifest.read_text())["row_digest"] == run.row_digest
    assert Path(judged.root / "other_results").is_dir()


def calls_of(project: Project, run_id: str) -> list[dict[str, Any]]:
    (part,) = (project.root / "results/calls").rglob(f"run_id={run_id}/*.parquet")
    rows: list[dict[str, Any]] = pq.read_table(part).to_pylist()
    return rows


def test_the_calls_to_target_and_judge_are_published(judged: Project) -> None:
    run_id = numbers(judged.evaluate("good"), "verdict")["run"]
    rows = calls_of(judged, run_id)
    assert Counter(row["role"] for row in rows) == {"target": cases, "judge": cases}
    assert len({row["call_id"] for row in rows}) == 2 * cases
    assert {row["metric"] for row in rows if row["role"] == "judge"} == {"relevance"}
    paid = sum(row["cost_nanousd"] for row in rows if row["role"] == "judge")
    assert paid == pytest.approx((cases - 3) * 2_000_000)
    run_eval(
        str(judged.root / "test_suites/sums"),
        {"kind": "prompt", "model": "good-1"},
        mock_responses=str(judged.root / "mock.yaml"),
        results=str(judged.root / "other_results"),
    )
    (part,) = (judged.root / "other_results/calls").rglob("*.parquet")
    asked = ("case_id", "repeat", "role", "metric", "model", "request_key", "cost_nanousd")
    there = pq.read_table(part).select(asked).to_pylist()
    here = [{name: row[name] for name in asked} for row in rows]
    assert sorted(here, key=str) == sorted(there, key=str)


def test_a_repeated_run_pays_for_no_verdict_of_a_judge_twice(judged: Project) -> None:
    """The second try of the scores finds every verdict of the first, which nothing but the journal kept."""
    result = judged.evaluate("good")
    (judged.root / "results/dagster/assets/sums/scores/good.parquet").unlink()
    again = reexecuted(judged.instance, result.run_id, project_dir=str(judged.root), all_steps=True)
    assert again.success, again.failures
    rows = calls_of(judged, numbers(result, "verdict")["run"])
    assert Counter(row["role"] for row in rows) == {"target": cases, "judge": cases}
