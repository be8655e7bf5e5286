"""Nested pipelines as nested graphs: built once, aliased where they are used, and never pickled."""

import dagster as dg
import pytest

from pipex_core.app.pipelines import load_pipeline
from pipex_core.errors import ConfigError
from pipex_dagster.building import refuse_pickles
from pipex_dagster.stepping import path_of
from tests.dagster.conftest import Project

child = """
workflow:
  name: child
  description: Says something.
  inputs: {topic: {type: string, default: x}}
  steps: [{name: result, type: echo, value: "{{ inputs.topic }}"}]
"""
parent = """
workflow:
  name: %s
  steps:
    - {name: one.first, type: pipeline, pipeline_file: %s}
    - {name: second, type: pipeline, pipeline_file: %s}
"""


def graph_of(project: Project, job: str) -> dg.GraphDefinition:
    """The graph of a job."""
    return project.definitions().resolve_job_def(job).graph


def nested(found: dg.Definitions, job: str, node: str) -> dg.GraphDefinition:
    definition = found.resolve_job_def(job).graph.node_named(node).definition
    assert isinstance(definition, dg.GraphDefinition)
    return definition


def test_the_graph_of_a_file_is_one_definition_however_often_it_is_used(project: Project) -> None:
    project.write("pipelines/child.yaml", child)
    for name in ("a", "b"):
        project.write(f"pipelines/{name}.yaml", parent % (name, "child.yaml", "child.yaml"))
    found = project.definitions()
    uses = [nested(found, f"plg__{job}", node) for job in "ab" for node in ("one_first", "second")]
    assert all(use is uses[0] for use in uses)
    assert (uses[0].name, uses[0].description) == ("plg__child__nested", "Says something.")
    # The op that closes a graph has a name beside those of the steps, whatever they are called.
    assert sorted(node.name for node in uses[0].nodes) == ["result", "result_"]
    assert [node.name for node in graph_of(project, "plg__child").nodes] == ["result"]


def test_two_files_of_one_name_are_two_graphs(project: Project) -> None:
    project.write("pipelines/child.yaml", child)
    project.write(
        "pipelines/other/child.yaml", child.replace("value:", "error_message: no, value:")
    )
    project.write("pipelines/a.yaml", parent % ("a", "child.yaml", "other/child.yaml"))
    found = project.definitions()
    first, second = (nested(found, "plg__a", node) for node in ("one_first", "second"))
    assert first.name == "plg__child__nested"
    assert second.name.startswith("plg__child__nested_")
    dg.Definitions.validate_loadable(found)


def test_config_reaches_every_op_of_nested_graphs(project: Project) -> None:
    project.write("pipelines/child.yaml", child)
    project.write("pipelines/a.yaml", parent % ("a", "child.yaml", "child.yaml"))
    mapping = project.definitions().resolve_job_def("plg__a").config_mapping
    assert mapping is not None
    config = mapping.resolve_from_unvalidated_config({"provider": "mock"})
    inside = config["ops"]["one_first"]["ops"]
    assert sorted(inside) == ["result", "result_"]
    assert inside["result_"]["config"] == {"inputs": {}, "overrides": {}, "provider": "mock"}


def test_a_node_leads_to_the_path_of_its_step(project: Project) -> None:
    project.write("pipelines/child.yaml", child)
    project.write("pipelines/a.yaml", parent % ("a", "child.yaml", "child.yaml"))
    plan = load_pipeline(project.root / "pipelines/a.yaml")
    assert path_of(plan, ["one_first", "result"]) == "one.first/result"
    assert path_of(plan, ["one_first", "result_"], closes=True) == "one.first"
    assert path_of(plan, ["second", "result"]) == "second/result"


def test_an_op_that_would_be_pickled_is_refused(project: Project) -> None:
    del project

    @dg.op
    def careless() -> int:
        return 1

    @dg.graph
    def inner() -> None:
        careless()

    @dg.job
    def outer() -> None:
        inner()

    with pytest.raises(ConfigError, match="op careless would be pickled") as refused:
        refuse_pickles(dg.Definitions(jobs=[outer]))
    assert refused.value.code == "pickle_io_manager"
