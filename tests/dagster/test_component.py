"""A pipex project inside of a Dagster project that was there before, by the component."""

import tomllib
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

import pipex_dagster
from pipex_core.app.project import Layout
from pipex_core.errors import ConfigError
from pipex_dagster import PipexComponent
from pipex_dagster.automation import wished
from pipex_dagster.building import build_definitions
from tests.dagster.conftest import Project

pytestmark = [
    # Dagster 1.13 reads YAML by a function that pydantic has renamed, and calls parts of itself beta.
    pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated"),
    pytest.mark.filterwarnings("ignore:.*is currently in beta"),
]

root = Path(__file__).resolve().parents[2]
sandbox_default = {
    "project_dir": ".",
    "pipelines_dir": "pipelines",
    "suites_dir": "test_suites",
    "models_file": "test_suites/models.yaml",
}


def names(found: dg.Definitions) -> dict[str, list[str]]:
    """What the definitions hold, by kind."""
    return {
        "assets": sorted(spec.key.to_user_string() for spec in found.resolve_all_asset_specs()),
        "jobs": sorted(job.name for job in found.resolve_all_job_defs()),
        "sensors": sorted(sensor.name for sensor in found.sensors or ()),
        "schedules": sorted(schedule.name for schedule in found.schedules or ()),
    }


def test_the_component_builds_what_the_project_builds(project: Project) -> None:
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(
            component_cls=PipexComponent,
            defs_yaml_contents={
                "type": "pipex_dagster.PipexComponent",
                "attributes": {"project_dir": str(project.root)},
            },
        )
        with sandbox.load_component_and_build_defs(place) as (component, found):
            assert isinstance(component, PipexComponent)
            assert names(found) == names(build_definitions(str(project.root)))
            assert "plg__adder" in names(found)["jobs"]
            dg.Definitions.validate_loadable(found)


def test_a_scaffolded_component_names_the_usual_folders() -> None:
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(component_cls=PipexComponent)
        written = (place / "defs.yaml").read_text()
        for name, value in sandbox_default.items():
            assert f"{name}: {value}" in written
        with sandbox.load_component_and_build_defs(place) as (component, found):
            assert isinstance(component, PipexComponent)
            assert names(found)["assets"] == []


def test_folders_may_have_other_names(project: Project) -> None:
    (project.root / "flows").mkdir()
    (project.root / "pipelines/adder.yaml").rename(project.root / "flows/sums.yaml")
    (project.root / "test_suites").rename(project.root / "suites")
    models = (project.root / "suites/models.yaml").read_text().replace("pipelines/", "flows/")
    project.write("targets.yaml", models.replace("adder.yaml", "sums.yaml"))
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(
            component_cls=PipexComponent,
            defs_yaml_contents={
                "type": "pipex_dagster.PipexComponent",
                "attributes": {
                    "project_dir": str(project.root),
                    "pipelines_dir": "flows",
                    "suites_dir": "suites",
                    "models_file": "targets.yaml",
                },
            },
        )
        with sandbox.load_component_and_build_defs(place) as (_, found):
            assert {"evaluate__sums", "plg__adder", "promote__sums"} <= set(names(found)["jobs"])
            assert "nightly__sums" in names(found)["schedules"]
            said = [str(sensor.description) for sensor in found.sensors or ()]
            assert any("New entries of targets.yaml become partitions" in word for word in said)
    layout = Layout(pipelines="flows", suites="suites", models="targets.yaml")
    wishes = wished(str(project.root), ["sums"], layout=layout)
    assert [wish.partition for wish in wishes] == ["good", "poor%2F2", "rules"]


def test_a_project_that_is_not_there_is_an_error_that_names_it() -> None:
    context = dg.ComponentTree.for_test().load_context
    with pytest.raises(ConfigError, match="nowhere is not a folder"):
        PipexComponent(project_dir="nowhere").build_defs(context)


def test_the_package_offers_the_component_to_dagster_and_nothing_else() -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    modules = declared["project"]["entry-points"]["dagster_dg_cli.registry_modules"]
    assert modules == {"pipex": "pipex_dagster"}
    assert "PipexComponent" in dir(pipex_dagster)
    with pytest.raises(AttributeError, match="has no attribute 'PipexComponents'"):
        pipex_dagster.PipexComponents  # noqa: B018 - asking for it is the test
