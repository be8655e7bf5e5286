"""What the sensor and the schedule would start, asked directly; nothing runs by itself in a test."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from tests.dagster.conftest import Project, models, numbers


def look(project: Project, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    """One tick of the sensor on the models file."""
    found = project.definitions()
    context = dg.build_sensor_context(instance=project.instance, cursor=cursor, definitions=found)
    result = found.resolve_sensor_def("pipex_models_file")(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def requests(result: dg.SensorResult | dg.SkipReason) -> dict[str, str]:
    """Partition to run key."""
    assert isinstance(result, dg.SensorResult)
    return {str(r.partition_key): str(r.run_key) for r in result.run_requests or ()}


def test_every_target_gets_its_partition_and_one_run_per_suite(project: Project) -> None:
    result = look(project)
    assert isinstance(result, dg.SensorResult)
    (added,) = result.dynamic_partitions_requests or ()
    assert list(added.partition_keys) == ["good", "poor%2F2", "rules"]
    assert set(requests(result)) == {"good", "poor%2F2", "rules"}
    first = (result.run_requests or ())[0]
    assert first.job_name == "evaluate__sums"
    assert first.tags == {"pipex/provider": "mock", "pipex/suite": "sums", "pipex/target": "good"}


def test_a_file_that_did_not_change_is_passed_over(project: Project) -> None:
    result = look(project)
    assert isinstance(result, dg.SensorResult)
    assert isinstance(look(project, result.cursor), dg.SkipReason)


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
