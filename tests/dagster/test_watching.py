"""Sensors that cost nothing: what changed is read anew, and a run that failed leaves a report and tells somebody."""

import json
from typing import Any

import dagster as dg
import pytest

from pipex_dagster.building import build_definitions
from tests.dagster.conftest import Project, failure, numbers, suite_head
from tests.dagster.test_champions import champion_key, promote


def look(project: Project, cursor: str | None = None) -> dg.SensorResult:
    """One tick of the sensor on suites and champions."""
    found = project.definitions()
    context = dg.build_sensor_context(instance=project.instance, cursor=cursor, definitions=found)
    result = found.resolve_sensor_def("pipex_suite_files")(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_new_version_of_a_suite_is_read_and_nothing_is_asked(project: Project) -> None:
    first = look(project)
    (request,) = first.run_requests or ()
    assert request.asset_selection == [dg.AssetKey(["sums", "suite"])]
    assert request.partition_key is None
    assert not look(project, first.cursor).run_requests
    project.write_cases(expected_output="1")
    (again,) = look(project, first.cursor).run_requests or ()
    assert again.run_key != request.run_key


def test_a_comment_in_a_suite_is_no_new_version(project: Project) -> None:
    cursor = look(project).cursor
    path = project.root / "test_suites/sums/suite.yaml"
    path.write_text(f"# A comment.\n{path.read_text()}")
    assert "as they were" in str(look(project, cursor).skip_reason)


def test_a_champion_that_the_command_line_moved_is_told_of(project: Project) -> None:
    cursor = look(project).cursor
    run_id = numbers(project.evaluate("good"), "verdict")["run"]
    promote(project, run="good")
    (event,) = look(project, cursor).asset_events
    assert isinstance(event, dg.AssetMaterialization)
    assert event.asset_key == champion_key
    assert event.metadata["run"].value == run_id


def failed_tick(project: Project, result: dg.ExecuteInProcessResult, **options: Any) -> None:
    """What the daemon does with a run that failed."""
    found = build_definitions(str(project.root), **options)
    event = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name="pipex_failed_runs",
        dagster_instance=project.instance,
        dagster_run=result.dagster_run,
        dagster_event=event,
    ).for_run_failure()
    found.resolve_sensor_def("pipex_failed_runs")(context)


def test_a_run_that_failed_leaves_a_report_and_tells_somebody(project: Project) -> None:
    told: list[Any] = []
    result = project.evaluate("unknown")
    failed_tick(project, result, alert=told.append)
    report = json.loads(
        (project.root / f"results/dagster/failures/{result.run_id}.json").read_text()
    )
    assert report["schema"] == "pipex.dagster_failure/1"
    assert (report["job"], report["partition"]) == ("evaluate__sums", "unknown")
    assert report["message"] == failure(result)
    assert report["steps"][0]["code"] == "unknown_target"
    assert report["steps"][0]["next"].startswith("name it in `test_suites/models.yaml`")
    assert report["next"] == f"pipex-dagster reexecute {result.run_id}"
    assert [one["run_id"] for one in told] == [result.run_id]


def test_a_report_holds_no_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "unknown-and-secret")
    result = project.evaluate("unknown-and-secret")
    failed_tick(project, result, alert=lambda _: None)
    (path,) = (project.root / "results/dagster/failures").iterdir()
    assert "unknown-and-secret" not in path.read_text()


def test_a_failed_run_is_told_of_in_the_log_where_nobody_else_is_named(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    result = project.evaluate("unknown")
    failed_tick(project, result)
    assert f"run {result.run_id} of evaluate__sums failed: unknown_target" in caplog.text


def asked_for(project: Project, cursor: Any = None) -> tuple[set[tuple[str, str | None]], Any]:
    """Layers and partitions that the condition sensor would make now, and its next cursor."""
    result = dg.evaluate_automation_conditions(
        defs=project.definitions(),
        instance=project.instance,
        asset_selection=dg.AssetSelection.groups("sums"),
        cursor=cursor,
    )
    wanted = [one for one in result.results if not one.true_subset.is_empty]
    found = {
        (one.key.path[-1], partition)
        for one in wanted
        for partition in (
            one.true_subset.expensively_compute_partition_keys()
            if one.true_subset.is_partitioned
            else [None]
        )
    }
    return found, result.cursor


def test_what_costs_nothing_follows_by_itself_and_paid_work_never_does(project: Project) -> None:
    project.evaluate("good")
    _, cursor = asked_for(project)
    project.write_cases(expected_output="1")
    project.materialize("suite")
    found, cursor = asked_for(project, cursor)
    assert found == {("scores", "good"), ("summary", "good"), ("comparison", "good")}
    project.materialize("scores", "summary", "comparison", target="good")
    found, _ = asked_for(project, cursor)
    assert found == {("leaderboard", None)}


def test_scores_of_judges_are_paid_work(project: Project) -> None:
    defaults = {**suite_head["defaults"], "metrics": ["relevance"]}
    project.write_suite(defaults=defaults, judges={"main": {"model": "judge-1"}}, gate=None)
    specs = {s.key.path[-1]: s for s in project.definitions().resolve_all_asset_specs()}
    conditions = {layer for layer, spec in specs.items() if spec.automation_condition is not None}
    assert conditions == {"summary", "comparison", "leaderboard"}
