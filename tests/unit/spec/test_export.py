"""The schema for editors agrees with the loader on files that are right and on plain slips."""

from pathlib import Path

import pytest

from pipex_core.app.wiring import shapes
from pipex_core.jsonvalue import Json, check_schema
from pipex_core.spec.export import json_schema
from pipex_core.spec.yaml_text import read_yaml
from tests.fakes.step_shapes import step_shapes

schema = json_schema(step_shapes)
pipelines = Path(__file__).resolve().parents[3] / "pipelines"


def pointers(text: str, schema: Json = schema) -> list[str]:
    return [pointer for pointer, _ in check_schema(read_yaml(text).value, schema)]


def step(fields: str) -> str:
    return f"workflow: {{name: x, steps: [{{name: s, {fields}}}]}}"


def test_the_shipped_pipelines_satisfy_it() -> None:
    files = sorted(pipelines.glob("*.yaml"))
    built_in = json_schema(shapes())
    found = {file.name: pointers(file.read_text(encoding="utf-8"), built_in) for file in files}
    assert files
    assert found == {file.name: [] for file in files}


@pytest.mark.parametrize(
    "fields",
    [
        "type: echo, value: 1, when: a, max_retries: 2, optional: true",
        'type: claude, prompt: hi, timeout_seconds: "{{ t }}"',
        "type: claude, prompt: [text, {type: file, path: a}], unheard_of: 1",
        "type: for_loop, items: [1], steps: [{name: i, type: break}]",
        "type: switch, expression: a, cases: {b: [], c: {steps: []}}",
        "type: pipeline, pipeline: {name: c, steps: [{name: i, type: echo}]}",
        "type: echo, cache: {ttl_seconds: 3}, streaming: true",
        "type: claude, prompt: hi, claude_options: {output_format: stream-json}",
    ],
)
def test_right_steps_satisfy_it(fields: str) -> None:
    assert pointers(step(fields)) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ("type: ecko", "/workflow/steps/0/type"),
        ("type: claude", "/workflow/steps/0"),
        ("type: echo, repair: 6", "/workflow/steps/0/repair"),
        ("type: echo, timeout_seconds: 0", "/workflow/steps/0/timeout_seconds"),
        ("type: echo, max_retries: many", "/workflow/steps/0/max_retries"),
        ("type: echo, on_failure: ignore", "/workflow/steps/0/on_failure"),
        ("type: echo, extends: base", "/workflow/steps/0/extends"),
        ("type: echo, depends_on: [1]", "/workflow/steps/0/depends_on/0"),
        (
            "type: for_loop, items: [1], steps: [{name: i, type: ecko}]",
            "/workflow/steps/0/steps/0/type",
        ),
    ],
)
def test_slips_are_seen_where_they_stand(fields: str, pointer: str) -> None:
    assert pointer in pointers(step(fields))


def test_types_of_declared_inputs_are_known() -> None:
    text = "workflow: {{name: x, inputs: {{a: {}}}, steps: [{{name: s, type: echo}}]}}"
    assert pointers(text.format("{type: string}")) == []
    assert pointers(text.format("plain")) == []


def test_fields_are_described() -> None:
    fields = schema["$defs"]["workflow"]["properties"]
    assert fields["budget"]["description"] == "Limits of what a run may spend."
