"""All definitions of a project: their names for good, and what happens to files that cannot be used."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipex_core.errors import ConfigError
from pipex_dagster.building import build_definitions, refuse_pickles
from pipex_dagster.translator import PipexTranslator, SuiteAsset
from tests.dagster.conftest import Project, failure, models, numbers, quiet
from tests.dagster.snapshot import golden, snapshot

root = Path(__file__).resolve().parents[2]


def test_the_names_of_everything_are_those_of_yesterday(project: Project) -> None:
    """A difference that is meant is written down by ``python -m tests.dagster.snapshot``; read the diff."""
    assert snapshot(project.definitions()) == golden.read_text(encoding="utf-8")


def test_every_rule_of_the_gate_is_a_partitioned_check_and_critical_ones_block(
    project: Project,
) -> None:
    graph = project.definitions().resolve_asset_graph()
    specs = {key.name: graph.get_check_spec(key) for key in graph.asset_check_keys}
    assert {name: spec.blocking for name, spec in specs.items()} == {
        "answered": True,
        "floor": True,
        "not_worse": False,
    }
    assert all(spec.partitions_def is not None for spec in specs.values())
    assert specs["not_worse"].description == (
        "numeric_match is not worse than the champion's by 0.1 or more (supporting)."
    )
    assert specs["not_worse"].metadata["rule"] == "not-worse"


def test_no_op_and_no_asset_is_retried_by_dagster(project: Project) -> None:
    for job in project.definitions().resolve_all_job_defs():
        for node in job.all_node_defs:
            if isinstance(node, dg.OpDefinition):
                assert node.retry_policy is None


def test_paid_work_is_off_until_somebody_turns_it_on(project: Project) -> None:
    found = project.definitions()
    sensors = {one.name: one.default_status.value for one in found.sensors or ()}
    # Writing a report of a failed run costs nothing, and whoever needs one needs it afterwards.
    assert {name for name, status in sensors.items() if status == "RUNNING"} == {
        "pipex_failed_runs"
    }
    for schedule in found.schedules or ():
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_an_overridden_spec_renames_and_describes_all_assets(project: Project) -> None:
    class OfTheTeam(PipexTranslator):
        def get_asset_spec(self, asset: SuiteAsset) -> dg.AssetSpec:
            spec = super().get_asset_spec(asset)
            key = spec.key.with_prefix("ml")
            return spec.replace_attributes(key=key, owners=["team:ml"], group_name="ours")

    found = build_definitions(str(project.root), translator=OfTheTeam())
    specs = found.resolve_all_asset_specs()
    assert {tuple(spec.key.path[:2]) for spec in specs} == {("ml", "sums")}
    assert {tuple(spec.owners) for spec in specs} == {("team:ml",)}
    assert {spec.group_name for spec in specs} == {"ours"}
    project.instance.add_dynamic_partitions("pipex_targets", ["good"])
    result = found.resolve_job_def("evaluate__sums").execute_in_process(
        instance=project.instance, partition_key="good", run_config=quiet
    )
    assert numbers(result, "leaderboard")["targets"] == 1.0


def test_a_broken_pipeline_is_one_job_that_fails_with_its_problems(project: Project) -> None:
    project.write(
        "pipelines/bad.yaml", "workflow:\n  name: bad\n  steps:\n    - {name: a, typ: echo}\n"
    )
    found = project.definitions()
    job = found.resolve_job_def("plg__bad")
    assert job.description is not None
    assert "pipelines/bad.yaml:4" in job.description
    result = job.execute_in_process(raise_on_error=False, run_config=quiet)
    assert "pipelines/bad.yaml:4" in failure(result)
    assert found.resolve_job_def("plg__adder").name == "plg__adder"


def test_a_broken_suite_is_one_asset_that_fails_with_its_problems(project: Project) -> None:
    project.write("test_suites/odd/suite.yaml", "id: odd\ndefault: {}\n")
    project.write("test_suites/odd/cases.jsonl", '{"id": "a", "input": "x"}\n')
    found = project.definitions()
    keys = {key.to_user_string() for key in found.resolve_all_asset_keys()}
    assert "pipex_problems/odd" in keys
    assert "sums/verdict" in keys
    result = found.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(["pipex_problems", "odd"])],
        raise_on_error=False,
        run_config=quiet,
    )
    assert failure(result).startswith("unknown_field: ")
    assert "test_suites/odd/suite.yaml:2" in failure(result)


def test_a_metric_that_does_not_exist_breaks_its_suite_alone(project: Project) -> None:
    project.write_suite(defaults={"metrics": ["numeric_mach"]})
    found = project.definitions()
    (key,) = found.resolve_all_asset_keys()
    assert key.to_user_string() == "pipex_problems/sums"
    assert found.resolve_job_def("plg__adder").name == "plg__adder"


def test_a_suite_with_the_names_of_another_is_shown_as_broken(project: Project) -> None:
    for name, suite_id in (("a", "x-1"), ("b", "x.1")):
        metrics = {"metrics": ["exact_match"]}
        project.write(f"test_suites/{name}/suite.yaml", {"id": suite_id, "defaults": metrics})
        project.write(f"test_suites/{name}/cases.jsonl", '{"id": "1", "input": "x"}\n')
    specs = {s.key.to_user_string(): s for s in project.definitions().resolve_all_asset_specs()}
    assert "x_1/scores" in specs
    described = specs["pipex_problems/b"].description
    assert described is not None
    assert "suite 'x.1' would have the same assets as 'x-1' in a" in described


def test_a_broken_models_file_is_shown_and_the_suites_stay(project: Project) -> None:
    moving = {**models["models"][0], "model": "good-latest"}
    project.write("test_suites/models.yaml", {"models": [moving]})
    found = project.definitions()
    specs = {spec.key.to_user_string(): spec for spec in found.resolve_all_asset_specs()}
    described = specs["pipex_problems/models_file"].description
    assert described is not None
    assert "moving_alias" in described
    assert "sums/verdict" in specs


def test_pipelines_that_share_a_name_are_named_after_their_files(project: Project) -> None:
    text = (project.root / "pipelines/adder.yaml").read_text()
    project.write("pipelines/more/adder.yaml", text)
    names = {job.name for job in project.definitions().resolve_all_job_defs()}
    assert {"plg__adder", "plg__more_adder"} < names


def test_an_empty_folder_has_no_definitions_and_breaks_nothing(tmp_path: Path) -> None:
    found = build_definitions(str(tmp_path))
    assert list(found.resolve_all_asset_keys()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        build_definitions(str(tmp_path / "nowhere"))


def test_whatever_would_be_pickled_is_refused() -> None:
    @dg.asset
    def pickled() -> int:
        return 1

    @dg.op
    def also_pickled() -> int:
        return 1

    @dg.job
    def job() -> None:
        also_pickled()

    with pytest.raises(ConfigError, match="asset pickled would be pickled"):
        refuse_pickles(dg.Definitions(assets=[pickled]))
    with pytest.raises(ConfigError, match="op also_pickled would be pickled") as refused:
        refuse_pickles(dg.Definitions(jobs=[job]))
    assert refused.value.code == "pickle_io_manager"


def test_the_shipped_project_is_valid_for_dagster() -> None:
    dg.Definitions.validate_loadable(build_definitions(str(root)))


def test_dagster_validates_the_code_location(project: Project) -> None:
    done = subprocess.run(
        [f"{sys.prefix}/bin/dagster", "definitions", "validate", "-m", "pipex_dagster.definitions"],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Validation successful" in done.stdout
