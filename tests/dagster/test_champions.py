"""Who is compared with whom, what the comparison shows, and the one job that makes somebody else the champion."""

import json
from typing import Any

import dagster as dg
import pytest

from pipex_dagster.building import build_definitions
from tests.dagster.conftest import (
    Project,
    cases,
    failure,
    materialized,
    numbers,
    poor,
    quiet,
    suite_head,
)

champion_key = dg.AssetKey(["sums", "champion"])


def promote(project: Project, **config: Any) -> dg.ExecuteInProcessResult:
    """One run of the promotion job."""
    job = project.definitions().resolve_job_def("promote__sums")
    return job.execute_in_process(
        instance=project.instance,
        run_config={**quiet, "ops": {"move": {"config": {"reason": "a test", **config}}}},
        raise_on_error=False,
    )


def audit_lines(project: Project) -> list[dict[str, Any]]:
    text = (project.root / "checkpoints/audit.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_target_is_compared_with_the_champion_case_by_case(project: Project) -> None:
    project.evaluate("good")
    found = numbers(project.evaluate("poor/2"), "comparison")
    assert found["numeric_match_difference"] == pytest.approx(-poor / cases)
    assert found["pairs"] == cases
    first = found["differences"].records[0].data
    assert (first["slice"], first["outcome"], first["pairs"]) == ("all", "worse", cases)
    changed = [record.data for record in found["changed cases"].records]
    assert [row["case"] for row in changed] == [f"c{n:02}" for n in range(poor)]
    assert {row["now"] for row in changed} == {"fails"}
    assert found["report"].startswith("Compared with good:\n\n- numeric_match: worse by 0.267 (95%")


def test_the_first_champion_is_compared_with_nobody(project: Project) -> None:
    found = numbers(project.evaluate("good"), "comparison")
    assert found["dagster/row_count"] == 0
    assert found["report"].startswith("There is nothing to compare with")


def test_a_run_that_passes_becomes_the_champion_and_both_logs_tell(project: Project) -> None:
    run_id = numbers(project.evaluate("good"), "verdict")["run"]
    result = promote(project, run="good", actor="mia", reason="the first one")
    assert result.success, failure(result)
    pointer = json.loads((project.root / "baselines/sums/champion.json").read_text())
    assert (pointer["run_id"], pointer["target_id"]) == (run_id, "good")
    event = project.instance.get_latest_materialization_event(champion_key)
    assert event is not None
    assert event.asset_materialization is not None
    shown = {name: one.value for name, one in event.asset_materialization.metadata.items()}
    assert (shown["run"], shown["target"], shown["promoted by"]) == (run_id, "good", "mia")
    (line,) = audit_lines(project)
    assert (line["actor"], line["action"], line["resource"]) == (
        "mia",
        "baseline.promote",
        "sums/champion",
    )


def test_a_run_that_fails_its_gate_moves_nothing(project: Project) -> None:
    project.evaluate("good")
    promote(project, run="good")
    project.evaluate("poor/2")
    result = promote(project, run="poor/2")
    assert failure(result).startswith("not_promoted: run ev_")
    pointer = json.loads((project.root / "baselines/sums/champion.json").read_text())
    assert pointer["target_id"] == "good"
    forced = promote(project, run="poor/2", force=True, reason="good is being retired")
    assert forced.success, failure(forced)
    assert [line["action"] for line in audit_lines(project)] == [
        "baseline.promote",
        "baseline.force",
    ]


def test_a_promotion_without_a_reason_is_refused(project: Project) -> None:
    project.evaluate("good")
    job = project.definitions().resolve_job_def("promote__sums")
    with pytest.raises(dg.DagsterInvalidConfigError, match="reason"):
        job.execute_in_process(run_config={"ops": {"move": {"config": {"run": "good"}}}})


def test_once_a_run_is_promoted_later_runs_of_the_champion_are_compared_with_it(
    project: Project,
) -> None:
    run_id = numbers(project.evaluate("good"), "verdict")["run"]
    promote(project, run="good")
    again = project.evaluate("good")
    checks = {check.check_name: check for check in again.get_asset_check_evaluations()}
    said = checks["not_worse"].description
    assert said is not None
    assert f"compared with good ({run_id}) over {cases} pairs, difference +0" in said


def test_a_metric_that_changed_since_the_promotion_is_measured_on_both(project: Project) -> None:
    project.evaluate("good")
    promote(project, run="good")
    strict = [{"type": "numeric_match", "threshold": 1.0, "which": "first"}]
    project.write_suite(defaults={**suite_head["defaults"], "metrics": strict})
    found = numbers(project.evaluate("poor/2"), "comparison")
    assert found["numeric_match_difference"] == pytest.approx(-poor / cases)


def test_a_champion_whose_run_is_gone_is_named(project: Project) -> None:
    project.evaluate("good")
    promote(project, run="good")
    for manifest in (project.root / "results/runs").rglob("manifest.json"):
        manifest.unlink()
    assert failure(project.evaluate("poor/2")).startswith("baseline_missing: the champion of sums")


def test_no_button_materializes_the_champion(project: Project) -> None:
    graph = project.definitions().resolve_asset_graph()
    assert not graph.get(champion_key).is_materializable
    assert ("champion", None) not in materialized(project.evaluate("good"))


def test_the_baselines_of_another_project_are_not_moved(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.evaluate("good")
    other = project.root / "other"
    other.mkdir()
    monkeypatch.setenv("PIPEX_PROJECT_DIR", str(other))
    job = build_definitions(str(project.root)).resolve_job_def("promote__sums")
    result = job.execute_in_process(
        instance=project.instance,
        run_config={**quiet, "ops": {"move": {"config": {"reason": "x", "run": "good"}}}},
        raise_on_error=False,
    )
    assert failure(result).startswith("other_project: the baselines of this process are those of")
