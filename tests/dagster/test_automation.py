"""What the sensor and the schedule would start, asked directly; nothing runs by itself in a test."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from tests.dagster.conftest import Project, models, numbers


def look(project: Project, cursor: str | None = None) -> dg.SensorResult:
    """One tick of the sensor on the models file."""
    found = project.definitions()
    context = dg.build_sensor_context(instance=project.instance, cursor=cursor, definitions=found)
    result = found.resolve_sensor_def("pipex_models_file")(context)
    assert isinstance(result, dg.SensorResult)
    return result


def requests(result: dg.SensorResult) -> dict[str, str]:
    """Partition to run key."""
    return {str(r.partition_key): str(r.run_key) for r in result.run_requests or ()}


def test_every_target_gets_its_partition_and_one_run_per_suite(project: Project) -> None:
    result = look(project)
    (added,) = result.dynamic_partitions_requests or ()
    assert list(added.partition_keys) == ["good", "poor%2F2", "rules"]
    assert set(requests(result)) == {"good", "poor%2F2", "rules"}
    first = (result.run_requests or ())[0]
    assert first.job_name == "evaluate__sums"
    assert first.tags == {
        "pipex/provider": "mock",
        "pipex/suite": "sums",
        "pipex/target": "good",
        "pipex/estimate_usd": "0.0000",
        "pipex/estimate_basis": "free",
        "pipex/to_ask": "30",
    }


def test_a_file_that_did_not_change_is_passed_over(project: Project) -> None:
    result = look(project)
    again = look(project, result.cursor)
    assert not again.run_requests
    assert "as they were" in str(again.skip_reason)


def test_a_cursor_of_an_older_version_asks_for_everything_once_more(project: Project) -> None:
    assert set(requests(look(project, "3f1c99"))) == {"good", "poor%2F2", "rules"}


@pytest.fixture
def paid(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project with one model that costs money: at most 30 answers of 16 tokens."""
    live = {
        "name": "live",
        "provider": "live",
        "kind": "prompt",
        "model": "claude-haiku-4-5",
        "suites": ["sums"],
        "champion": True,
        "options": {"max_tokens": 16},
    }
    project.write("test_suites/models.yaml", {"models": [live]})
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key that no test uses")
    return project


def test_a_run_that_the_budget_of_the_day_has_room_for_is_requested_with_its_estimate(
    paid: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "1")
    (request,) = look(paid).run_requests or ()
    # 16 tokens for 5 USD per million out, and some 20 in for 1 USD, 30 times.
    assert 30 * 16 * 5e-6 < float(request.tags["pipex/estimate_usd"]) < 2 * 30 * 16 * 5e-6
    assert request.tags["pipex/estimate_basis"] == "bound"


def test_a_run_above_the_budget_of_the_day_is_refused_and_tried_again_when_there_is_more(
    paid: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "0.001")
    first = look(paid)
    assert not first.run_requests
    assert "live on sums: 30 answers for about 0.00" in str(first.skip_reason)
    assert "do not fit into the 0.0010 USD" in str(first.skip_reason)
    second = look(paid, first.cursor)
    assert "refused as before: live on sums" in str(second.skip_reason)
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "1")
    third = look(paid, second.cursor)
    assert set(requests(third)) == {"live"}
    assert "as they were" in str(look(paid, third.cursor).skip_reason)


def test_a_new_model_is_the_only_one_with_a_new_key(project: Project) -> None:
    before = requests(look(project))
    new = {**models["models"][1], "name": "newest", "model": "newest-3"}
    project.write("test_suites/models.yaml", {"models": [*models["models"], new]})
    after = requests(look(project))
    assert {name: key for name, key in after.items() if name in before} == before
    assert "newest" in after


def test_a_new_question_gives_every_target_a_new_key(project: Project) -> None:
    before = requests(look(project))
    project.write_cases(expected_output="1")
    after = requests(look(project))
    assert not set(before.values()) & set(after.values())


def test_a_changed_pipeline_gives_its_target_a_new_key(project: Project) -> None:
    before = requests(look(project))
    text = (project.root / "pipelines/adder.yaml").read_text()
    project.write("pipelines/adder.yaml", text.replace("+", "-"))
    after = requests(look(project))
    assert {name for name in before if before[name] != after[name]} == {"rules"}


def test_a_model_alias_that_moves_is_refused(project: Project) -> None:
    found = project.definitions()
    moving = {**models["models"][0], "model": "good-latest"}
    project.write("test_suites/models.yaml", {"models": [moving]})
    sensor = found.resolve_sensor_def("pipex_models_file")
    with pytest.raises(dg.Failure, match="moving_alias") as refused:
        sensor(dg.build_sensor_context(instance=project.instance, definitions=found))
    assert "may mean another model tomorrow" in (refused.value.description or "")


@pytest.fixture
def kept(project: Project) -> Iterator[Project]:
    """The project with an instance on disk: schedules take no other."""
    home = project.root / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield replace(project, instance=instance)


def test_the_champion_is_asked_anew_at_night(kept: Project) -> None:
    kept.evaluate("good")
    schedule = kept.definitions().resolve_schedule_def("nightly__sums")
    assert schedule.cron_schedule == "0 3 * * *"
    request = schedule(dg.build_schedule_context(instance=kept.instance))
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "good"
    result = kept.evaluate("good", run_config=dict(request.run_config))
    asked = numbers(result, "responses")
    assert (asked["calls"], asked["carried"]) == (30, 0)


def test_the_schedule_makes_the_partition_that_it_needs(kept: Project) -> None:
    schedule = kept.definitions().resolve_schedule_def("nightly__sums")
    schedule(dg.build_schedule_context(instance=kept.instance))
    assert kept.instance.has_dynamic_partition("pipex_targets", "good")


def test_the_nightly_run_is_refused_above_the_budget_of_the_day(
    paid: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "0.001")
    home = paid.root / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        schedule = paid.definitions().resolve_schedule_def("nightly__sums")
        skipped = schedule(dg.build_schedule_context(instance=instance))
    assert isinstance(skipped, dg.SkipReason)
    assert "do not fit into the 0.0010 USD" in str(skipped.skip_message)
