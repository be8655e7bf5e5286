"""A suite as assets: real runs in a temporary instance, on thirty sums and three targets."""

import json
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from pipex_core.app.evaluations import run_eval
from pipex_dagster.reexecution import reexecuted
from tests.dagster.conftest import (
    Project,
    cases,
    failure,
    materialized,
    models,
    numbers,
    poor,
    suite_head,
)
from tests.fakes.provider_server import Reply, anthropic_error, good_key, running

layers = ["suite", "responses", "scores", "comparison", "summary", "verdict", "leaderboard"]
key = {layer: dg.AssetKey(["sums", layer]) for layer in layers}


def test_one_run_makes_every_layer_of_a_target(project: Project) -> None:
    result = project.evaluate("good")
    assert result.success
    assert materialized(result) == [
        ("suite", None),
        ("responses", "good"),
        ("scores", "good"),
        ("comparison", "good"),
        ("summary", "good"),
        ("verdict", "good"),
        ("leaderboard", None),
    ]
    asked = numbers(result, "responses")
    assert (asked["calls"], asked["carried"], asked["answered_share"]) == (cases, 0, 1.0)
    assert asked["cost_usd"] == pytest.approx(cases * 0.001)
    assert numbers(result, "scores")["numeric_match_mean"] == 1.0
    assert numbers(result, "verdict")["verdict"] == "PASS"


def test_nothing_on_disk_is_a_pickle(project: Project) -> None:
    project.evaluate("good")
    made = [p for p in (project.root / "results").rglob("*") if p.is_file()]
    assert made
    assert {p.suffix for p in made} == {".parquet", ".json", ".md"}


def test_rows_are_those_of_the_python_call(project: Project) -> None:
    result = project.evaluate("poor/2")
    run_id = numbers(result, "verdict")["run"]
    (manifest,) = (project.root / "results/runs").rglob(f"run_id={run_id}/manifest.json")
    published = json.loads(manifest.read_text())
    run = run_eval(
        str(project.root / "test_suites/sums"),
        {"kind": "prompt", "model": "poor-2"},
        provider="mock",
        mock_responses=str(project.root / "mock.yaml"),
        results=str(project.root / "other_results"),
    )
    assert published["row_digest"] == run.row_digest


def test_a_second_run_asks_nothing_and_changes_nothing(project: Project) -> None:
    first = project.evaluate("good")
    second = project.evaluate("good")
    asked = numbers(second, "responses")
    assert (asked["calls"], asked["carried"], asked["cost_usd"]) == (0, cases, 0)
    assert numbers(second, "scores")["carried"] == cases
    assert versions(first) == versions(second)


def test_an_edited_case_is_the_only_one_that_is_asked(project: Project) -> None:
    project.evaluate("good")
    project.write_cases(input={"name": "c07", "question": "7 + 7 ?"}, expected_output="14")
    again = project.evaluate("good")
    asked = numbers(again, "responses")
    assert (asked["calls"], asked["carried"]) == (1, cases - 1)


def test_an_answer_to_another_question_is_not_judged(project: Project) -> None:
    project.evaluate("good")
    project.write_cases(input={"name": "c07", "question": "7 + 7 ?"}, expected_output="0")
    project.materialize("suite")
    project.materialize("scores", "summary", target="good")
    result = project.materialize("verdict", target="good")
    assert numbers(result, "verdict")["verdict"] == "INCOMPLETE"


def test_the_answers_of_another_target_get_no_verdict(project: Project) -> None:
    project.evaluate("good")
    entry = {**models["models"][0], "model": "good-9"}
    project.write("test_suites/models.yaml", {"models": [entry, *models["models"][1:]]})
    result = project.materialize("verdict", target="good")
    assert numbers(result, "verdict")["verdict"] == "INCOMPLETE"


def test_a_damaged_run_costs_its_answers_and_nothing_else(project: Project) -> None:
    project.evaluate("good")
    for path in (project.root / "results/responses").rglob("*.parquet"):
        path.write_bytes(b"PAR1 torn")
    result = project.evaluate("rules")
    assert result.success, failure(result)


def test_the_run_id_of_the_evaluation_names_the_dagster_run_and_the_partition(
    project: Project,
) -> None:
    result = project.evaluate("poor/2")
    (part,) = (project.root / "results/runs").rglob("part-00000.parquet")
    row = pq.read_table(part).to_pylist()[0]
    assert row["orchestrator_run_id"] == result.run_id
    assert row["partition_key"] == "poor%2F2"
    assert row["target_id"] == "poor/2"


def test_a_failed_rule_blocks_what_follows_and_the_verdict_is_there(project: Project) -> None:
    project.evaluate("good")
    result = project.evaluate("poor/2")
    assert not result.success
    assert [layer for layer, _ in materialized(result)] == layers[:-1]
    assert numbers(result, "verdict")["verdict"] == "FAIL"
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in checks.items()} == {
        "answered": True,
        "floor": False,
        "not_worse": False,
    }
    floor = checks["floor"]
    assert floor.severity == dg.AssetCheckSeverity.ERROR
    assert floor.blocking
    assert floor.partition == "poor%2F2"
    assert floor.description is not None
    assert "FAIL: numeric_match is 0.733" in floor.description
    assert floor.metadata["limit"].value == 0.8


def test_a_comparison_says_with_whom_over_how_many_pairs(project: Project) -> None:
    project.evaluate("good")
    result = project.evaluate("poor/2")
    check = next(c for c in result.get_asset_check_evaluations() if c.check_name == "not_worse")
    assert check.description is not None
    assert f"compared with good over {cases} pairs, difference -0.267" in check.description
    assert check.metadata["n"].value == cases
    assert check.metadata["mean"].value == pytest.approx(1 - poor / cases)


def test_an_open_question_is_a_warning_that_blocks_nothing(project: Project) -> None:
    result = project.evaluate("rules")
    assert result.success
    check = next(c for c in result.get_asset_check_evaluations() if c.check_name == "not_worse")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["outcome"].value == "INCONCLUSIVE"


def test_the_champion_is_compared_with_nobody(project: Project) -> None:
    result = project.evaluate("good")
    check = next(c for c in result.get_asset_check_evaluations() if c.check_name == "not_worse")
    assert check.passed
    assert check.metadata["outcome"].value == "NOT_COMPARED"


def test_the_leaderboard_shows_who_has_been_evaluated_so_far(project: Project) -> None:
    project.evaluate("good")
    project.instance.add_dynamic_partitions("pipex_targets", ["never"])
    project.evaluate("poor/2")
    result = project.materialize("leaderboard")
    table = pq.read_table(project.root / "results/dagster/assets/sums/leaderboard.parquet")
    found = [(row["target"], row["champion"], row["verdict"]) for row in table.to_pylist()]
    assert found == [("good", True, "PASS"), ("poor/2", False, "FAIL")]
    assert "**good** (champion)" in numbers(result, "leaderboard")["report"]


def test_every_target_is_a_partition_of_one_run(project: Project) -> None:
    for target in ("good", "poor/2", "rules"):
        project.evaluate(target)
    found = project.instance.get_materialized_partitions(key["verdict"])
    assert found == {"good", "poor%2F2", "rules"}
    rules = project.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key["responses"], asset_partitions=["rules"]), limit=5
    )
    assert len(rules.records) == 1


def test_a_repeated_run_pays_for_no_answer_twice(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {"name": "live", "provider": "live", "model": "claude-haiku-5-5", "suites": ["sums"]}
    project.write("test_suites/models.yaml", {"models": [target]})
    project.write_suite(gate=None)
    one_by_one = {"ops": {"sums__responses": {"config": {"max_concurrency": 1}}}}
    with running() as vendor:
        monkeypatch.setenv("ANTHROPIC_API_KEY", good_key)
        monkeypatch.setenv("PIPEX_ANTHROPIC_BASE_URL", vendor.url)
        vendor.script(*[Reply()] * 20, anthropic_error(401, "authentication_error"))
        first = project.evaluate("live", run_config=one_by_one)
        assert failure(first) == "auth: asking live stopped: auth"
        assert [layer for layer, _ in materialized(first)] == ["suite"]
        (project.root / ".pipex").rename(project.root / "not_the_call_cache")
        done = reexecuted(project.instance, first.run_id, project_dir=str(project.root))
        assert done.success, done.failures
        assert len(vendor.requests) == cases + 1
        assert sorted(vendor.bills.values()) == [1] * cases
    asked = latest(project, "responses")
    assert (asked["calls"], asked["resumed"], asked["carried"]) == (cases - 20, 20, 0)


def test_a_target_that_nobody_names_says_what_to_do(project: Project) -> None:
    result = project.evaluate("unknown")
    assert failure(result).startswith("unknown_target: the models file has no target 'unknown'")


def test_a_layer_whose_input_is_missing_says_what_to_materialize(project: Project) -> None:
    project.instance.add_dynamic_partitions("pipex_targets", ["good"])
    result = project.materialize("scores", target="good")
    assert failure(result) == "not_materialized: sums/suite is not materialized"


def test_the_materialized_questions_count_until_the_suite_is_materialized_again(
    project: Project,
) -> None:
    project.evaluate("good")
    project.write_cases(expected_output="999")
    stale = project.materialize("scores", target="good")
    assert numbers(stale, "scores")["numeric_match_mean"] == 1.0
    fresh = project.evaluate("good")
    assert numbers(fresh, "scores")["numeric_match_mean"] == pytest.approx(1 - 1 / cases)


def test_a_threshold_is_that_of_today(project: Project) -> None:
    project.evaluate("poor/2")
    looser = [{"type": "numeric_match", "threshold": 0.0}]
    project.write_suite(defaults={**suite_head["defaults"], "metrics": looser})
    result = project.materialize("summary", target="poor/2")
    assert numbers(result, "summary")["pass_rate"] == 1.0
    assert numbers(result, "summary")["numeric_match_mean"] == pytest.approx(1 - poor / cases)


def test_numbers_come_first_and_the_picture_last(project: Project) -> None:
    result = project.evaluate("poor/2")
    names = list(numbers(result, "summary"))
    assert names[:2] == ["pass_rate", "numeric_match_mean"]
    assert names.index("dagster/row_count") < names.index("report")
    scored = numbers(result, "scores")
    worst = scored["worst cases"].records[0].data
    assert worst["case"] == "c00"
    assert worst["numeric_match"] == "0"
    assert worst["output"] == "The answer is 1"


def versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Layer to data version."""
    return {
        event.asset_key.path[-1]: (event.step_materialization_data.materialization.tags or {})[
            "dagster/data_version"
        ]
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def latest(project: Project, layer: str) -> dict[str, Any]:
    """The metadata of the newest materialization of a layer."""
    event = project.instance.get_latest_materialization_event(key[layer])
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}
