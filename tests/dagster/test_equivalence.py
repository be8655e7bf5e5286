"""Equal inputs give equal journals: every pipeline by the local runner and as a Dagster job."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pipex_core.app.pipelines import check_file, load_pipeline
from pipex_core.app.project import list_project
from pipex_core.errors import SpecError
from pipex_dagster.pipelines import Graphs
from tests.conformance import folder as material
from tests.dagster.equivalence import (
    Sample,
    differences,
    executed,
    folder_of,
    in_dagster,
    locally,
    run_id,
    timeless,
)

root = Path(__file__).resolve().parents[2]
fixtures = root / "pipelines" / "fixtures"
exit_invalid = 2


def examples() -> Iterator[Sample]:
    """The pipelines that ship, with their fixtures."""
    for path in list_project(root).pipelines:
        own = fixtures / path.stem
        rules = own / "mock.yaml"
        yield Sample(
            name=path.stem,
            pipeline=path,
            inputs=json.loads((own / "inputs.json").read_text(encoding="utf-8")),
            files=files_below(own / "workspace"),
            mock=rules.read_text(encoding="utf-8") if rules.is_file() else None,
        )


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def given(name: str, pipeline: Path, run: dict[str, Any]) -> Sample:
    """What a run of the conformance material is given, as its judge gives it."""
    inputs = dict(run.get("inputs") or {})
    words = list(run.get("args") or ())
    inputs |= dict(word.split("=", 1) for word in words if "=" in word)
    files = {
        path: (text if isinstance(text, str) else json.dumps(text)).encode()
        for path, text in (run.get("workspace") or {}).items()
    }
    rules = run.get("mock")
    mock = None if rules is None else yaml.safe_dump(rules, allow_unicode=True)
    return Sample(name=name, pipeline=pipeline, inputs=inputs, files=files, mock=mock)


def corpus() -> Iterator[Sample]:
    """Runs of files that other people wrote."""
    listing = material / "pipelines" / "expected.json"
    found = json.loads(listing.read_text(encoding="utf-8"))["files"] if listing.exists() else []
    for case in found:
        for number, run in enumerate(case.get("runs", ())):
            name = f"{Path(case['file']).with_suffix('')}_{number}".replace("/", "_")
            yield given(name, material / "pipelines" / case["file"], run)


writer = """
workflow:
  name: writer
  inputs: {topic: {type: string}}
  steps:
    - {name: draft, type: claude, prompt: "Draft {{ inputs.topic }}"}
    - {name: shout, type: echo, value: "{{ upper(steps.draft) }}", condition: "length(draft.text) > 99"}
    - {name: keep, type: set_variable, variables: {kept: "{{ steps.draft }}"}}
  outputs: {text: steps.draft.text, kept: vars.kept}
"""
nested = {
    "used_twice_and_first": """
workflow:
  name: twice
  budget: {max_calls: 5}
  steps:
    - {name: cats, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: cats}}
    - name: dogs
      type: pipeline
      pipeline_file: writer.yaml
      inputs: {topic: "dogs after {{ steps.cats.text }}"}
      outputs: [{path: draft.text, as: said}]
      output_to_file: dogs.json
    - {name: both, type: echo, value: "{{ steps.cats.kept }} {{ steps.dogs.said }}"}
  outputs: {both: steps.both.text}
""",
    "side_by_side": """
workflow:
  name: wide
  execution: dag
  steps:
    - {name: one, type: echo, value: 1}
    - {name: two, type: echo, value: 2}
    - {name: in-the.middle, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: "{{ steps.one }} {{ steps.two }}"}}
    - name: result
      type: pipeline
      pipeline:
        name: inline
        execution: dag
        steps:
          - {name: left, type: claude, prompt: left}
          - {name: result, type: claude, prompt: right}
    - {name: end, type: echo, value: 3, depends_on: [one]}
  outputs: {right: "steps.result.result", end: steps.end.data}
""",
    "three_deep": """
workflow:
  name: deep
  global_vars: {brand: Acme}
  steps:
    - name: a
      type: pipeline
      config: {inherit_context: true}
      pipeline:
        name: middle
        steps:
          - {name: b, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: "{{ global_vars.brand }}"}}
          - {name: c, type: echo, value: "{{ steps.b.text }}!", output_to_file: c.txt}
    - {name: d, type: echo, value: "{{ steps.a.c }}"}
""",
    "fails_inside": """
workflow:
  name: failing
  steps:
    - name: outer
      type: pipeline
      pipeline:
        name: inner
        steps:
          - {name: good, type: claude, prompt: x}
          - {name: bad, type: echo, value: 1, output_schema: {minimum: 2}}
          - {name: never, type: claude, prompt: y}
    - {name: after, type: claude, prompt: z}
""",
    "fails_on_the_way_in": """
workflow:
  name: refused
  steps:
    - {name: first, type: echo, value: {a: 1}}
    - {name: outer, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: "{{ steps.first.b }}"}}
""",
    "fails_on_the_way_out": """
workflow:
  name: without
  steps:
    - {name: outer, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: x}, outputs: [draft.nothing]}
""",
    "runs_out_of_steps": """
workflow:
  name: limited
  resource_limits: {max_total_steps: 3}
  steps:
    - {name: outer, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: x}}
    - {name: after, type: echo, value: 1}
""",
    "in_one_piece": """
workflow:
  name: whole
  steps:
    - {name: a, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: x}, condition: "1 > 2"}
    - {name: b, type: pipeline, pipeline_file: writer.yaml, inputs: {}, on_failure: continue}
    - {name: c, type: pipeline, pipeline_file: writer.yaml, inputs: {topic: y}, timeout_seconds: 5}
""",
    "an_output_has_no_value": """
workflow:
  name: hollow
  steps:
    - {name: a, type: echo, value: {b: 1}}
  outputs: {c: steps.a.c}
""",
}


@pytest.mark.parametrize("name", nested)
def test_nested_pipelines_leave_the_same_by_both_doors(
    name: str, tmp_path: Path, graphs: Graphs, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "writer.yaml").write_text(writer, encoding="utf-8")
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(nested[name], encoding="utf-8")
    compare(Sample(name=name, pipeline=pipeline), tmp_path, graphs, instance)


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return Graphs()


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


# Ops that are ready together start in file order, but those of a nested graph are shared between all its
# uses and know their order among themselves only.
unordered = {"side_by_side"}


def assert_refused(
    sample: Sample, place: Path, local: SpecError, graphs: Graphs, instance: dg.DagsterInstance
) -> None:
    """The launchpad refuses what the command line refuses, or the first step does, in the same words."""
    try:
        with folder_of(sample, place):
            result = executed(sample, place, graphs, instance)
    except dg.DagsterInvalidConfigError:
        assert instance.get_run_by_id(run_id) is None
        return
    (failure,) = result.get_step_failure_events()
    assert str(local) in str(failure.event_specific_data)
    assert [event.event_type_value for event in result.all_events].count("STEP_START") == 1


def compare(sample: Sample, place: Path, graphs: Graphs, instance: dg.DagsterInstance) -> None:
    try:
        expected = locally(sample, place / "local")
    except SpecError as exc:
        assert_refused(sample, place / "dagster", exc, graphs, instance)
        return
    left, _ = in_dagster(sample, place / "dagster", graphs, instance)
    names = [
        name for name in type(left).__slots__ if name != "order" or sample.name not in unordered
    ]
    for name in names:
        made, wanted = (timeless(getattr(one, name)) for one in (left, expected))
        assert [*differences(made, wanted, name)] == []


@pytest.mark.parametrize("sample", [*examples()], ids=lambda sample: sample.name)
def test_an_example_leaves_the_same_by_both_doors(
    sample: Sample, tmp_path: Path, graphs: Graphs, instance: dg.DagsterInstance
) -> None:
    compare(sample, tmp_path, graphs, instance)


@pytest.mark.parametrize(
    "file", sorted((material / "behaviour").glob("*.yaml")), ids=lambda f: f.stem
)
def test_a_conformance_pipeline_leaves_the_same_by_both_doors(
    file: Path, tmp_path: Path, graphs: Graphs, instance: dg.DagsterInstance
) -> None:
    case = yaml.safe_load(file.read_text(encoding="utf-8"))
    source = case.get("source") or json.dumps(case["pipeline"])
    for name, text in {**(case.get("files") or {}), "pipeline.yaml": source}.items():
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pipeline = tmp_path / "p" / "pipeline.yaml"
    if check_file(pipeline) and case["expect"].get("exit_code") == exit_invalid:
        with pytest.raises(SpecError):
            load_pipeline(pipeline)
        return
    compare(given(file.stem, pipeline, case), tmp_path, graphs, instance)


@pytest.mark.parametrize("sample", [*corpus()], ids=lambda sample: sample.name)
def test_a_file_of_other_people_leaves_the_same_by_both_doors(
    sample: Sample, tmp_path: Path, graphs: Graphs, instance: dg.DagsterInstance
) -> None:
    compare(sample, tmp_path, graphs, instance)
