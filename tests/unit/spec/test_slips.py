"""Slips of the pen in pipeline files: what is still checked behind one, and what is hinted at."""

import pytest

from pipex_core.app.wiring import shapes
from pipex_core.errors import SpecError
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.plan import load_plan
from pipex_core.spec.synonyms import field_synonyms, suggestion, type_synonyms, value_synonyms
from tests.fakes.step_shapes import step_shapes

Shown = tuple[str, str, str | None]


def found(text: str) -> list[Shown]:
    """Code, path and suggestion of each problem of a file; none when it loads without a word."""
    try:
        warnings = load_plan(text, "f.yaml", shapes()).warnings
    except SpecError as exc:
        warnings = tuple(exc.problems)
    return [(one.code, one.path.removeprefix("workflow."), one.suggestion) for one in warnings]


def step(fields: str) -> list[Shown]:
    shown = found(f"workflow: {{name: x, steps: [{{{fields}}}]}}")
    return [(code, path.removeprefix("steps[0]."), near) for code, path, near in shown]


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ("name: a, typ: echo", [("missing_field", "type", None), ("unknown_field", "typ", "type")]),
        ("name: a, uses: echo", [("missing_field", "type", None), ("unknown_field", "uses", "type")]),
        ("name: a, typ: ecko", [("missing_field", "type", None), ("unknown_field", "typ", "type")]),
        ("name: a, tpe: 5", [("missing_field", "type", None), ("unknown_field", "tpe", "type")]),
        ("name: a, value: 1", [("missing_field", "type", None)]),
        (
            "nam: a, type: bash, command: ls",
            [
                ("missing_field", "name", None),
                ("unknown_field", "nam", "name"),
                ("unknown_step_type", "type", "claude"),
            ],
        ),
        ("name: a, type: echo, options: {}", [("unknown_field", "options", "claude_options")]),
        ("name: a, type: echo, zzz: 1", [("unknown_field", "zzz", None)]),
        (
            "name: a, type: claude, prompt: hi, model: opus, temperature: 0",
            [
                ("unknown_field", "model", "claude_options.model"),
                ("unknown_field", "temperature", "claude_options.temperature"),
            ],
        ),
        (
            "name: a, type: for_loop, over: [1], do: []",
            [
                ("missing_field", "steps", None),
                ("missing_field", "data_source", None),
                ("unknown_field", "over", "data_source"),
                ("unknown_field", "do", "steps"),
            ],
        ),
        (
            "name: a, type: parallel_claude, tasks: [{prompt: hi}]",
            [
                ("missing_field", "parallel_tasks", None),
                ("unknown_field", "tasks", "parallel_tasks"),
            ],
        ),
        (
            "name: a, type: swich, expression: '1', cases: {b: [{name: c, type: ehco}]}",
            [
                ("unknown_step_type", "type", "switch"),
                ("unknown_step_type", "cases.b[0].type", "echo"),
            ],
        ),
        (
            "name: a, type: pipline, pipeline: {name: c, steps: [{name: c, type: ehco}]}",
            [
                ("unknown_step_type", "type", "pipeline"),
                ("unknown_step_type", "pipeline.steps[0].type", "echo"),
            ],
        ),
    ],
)  # fmt: skip
def test_a_slip_hides_nothing_and_is_hinted_at(fields: str, problems: list[Shown]) -> None:
    assert step(fields) == problems


def test_what_stands_beside_the_workflow_of_an_inline_pipeline_is_unknown() -> None:
    inner = "workflow: {name: c, steps: [{name: s, type: echo}]}, nmae: c, extends: d"
    assert step(f"name: a, type: pipeline, pipeline: {{{inner}}}") == [
        ("unknown_field", "pipeline.nmae", None),
        ("unsupported_feature", "pipeline.extends", None),
    ]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("{{ tpoic }}", "topic"),
        ("{{ inputs.tpoic }}", "topic"),
        ("{{ coutn }}", "count"),
        ("{{ inputs.coutn }}", None),
        ("{{ elsewhere }}", None),
    ],
)
def test_a_name_that_nobody_binds_may_be_a_misspelt_one(text: str, near: str | None) -> None:
    head = "name: x, inputs: {topic: tea}, variables: {count: 1}"
    problems = found(f'workflow: {{{head}, steps: [{{name: s, type: echo, value: "{text}"}}]}}')
    assert problems == [("implied_input", "steps[0].value", near)]


def test_a_schema_that_is_wrong_inside_a_list_is_shown_in_the_list() -> None:
    fields = "name: a, type: echo, output_schema: {allOf: [{}, {properties: {x y: {type: nub}}}]}"
    place = 'output_schema.allOf[1].properties["x y"].type'
    assert step(fields) == [("invalid_schema", place, None)]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("worklfow: {}", [("not_a_pipeline", "", "workflow")]),
        ("stages: {}", [("not_a_pipeline", "", None)]),
        (
            "extends: a\nworkflow: {name: x, steps: [{name: a, type: echo}]}",
            [("unsupported_feature", "extends", None)],
        ),
        (
            "output: a\nworkflow: {name: x, steps: [{name: a, type: ehco}]}",
            [
                ("unsupported_feature", "output", None),
                ("unknown_step_type", "steps[0].type", "echo"),
            ],
        ),
        (
            "workflow: {name: x, inputs: {a: {typ: string, defalt: 1}}, steps: [{name: a, type: echo}]}",
            [
                ("unknown_field", "inputs.a.typ", "type"),
                ("unknown_field", "inputs.a.defalt", "default"),
            ],
        ),
        (
            "workflow: {name: x, inputs: {a: {typ: string, size: 1}}, steps: [{name: s, type: echo}]}",
            [],
        ),
    ],
)
def test_slips_around_the_steps(text: str, problems: list[Shown]) -> None:
    assert [one for one in found(text) if one[0] != "shadowed_name"] == problems


def test_strict_takes_a_hint_at_an_input_for_an_error() -> None:
    text = "workflow: {name: x, inputs: {a: {typ: 1}}, steps: [{name: s, type: echo}]}"
    with pytest.raises(SpecError) as caught:
        load_pipeline(text, "f.yaml", step_shapes, strict=True)
    assert [one.severity for one in caught.value.problems] == ["error"]


def test_a_synonym_comes_before_a_near_spelling_and_only_where_it_is_known() -> None:
    assert suggestion("tasks", ["tags", "parallel_tasks"], field_synonyms) == "parallel_tasks"
    assert suggestion("tasks", ["tags"], field_synonyms) == "tags"
    assert suggestion("file", ["pipeline_file"], field_synonyms) == "pipeline_file"
    assert suggestion("Foreach", ["for_loop"], type_synonyms) == "for_loop"
    assert suggestion("foreach", ["echo"], type_synonyms) is None


def test_every_synonym_stands_for_words_that_exist() -> None:
    types = set(shapes())
    assert {word for words in type_synonyms.values() for word in words} <= types
    assert not types.intersection(type_synonyms)
    assert all(words for table in (field_synonyms, value_synonyms) for words in table.values())
