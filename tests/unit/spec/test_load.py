"""Forms, aliases and tables of fields: the language's sections 2, 3, 4 and 28."""

from dataclasses import replace

import pytest

from pipex_core.errors import Problem, SpecError
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import FieldShape, PipelineSpec
from tests.fakes.step_shapes import step_shapes


def load(text: str, *, strict: bool = False) -> PipelineSpec:
    return load_pipeline(text, "f.yaml", step_shapes, strict=strict)


def problems(text: str, *, strict: bool = False) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load(text, strict=strict)
    return list(caught.value.problems)


def step_of(fields: str) -> PipelineSpec:
    return load(f"workflow: {{name: x, steps: [{{name: s, {fields}}}]}}")


def test_a_workflow_becomes_values() -> None:
    spec = load("""
workflow:
  name: qa
  version: "2"
  input: {topic: tea}
  functions: {f: {description: d, parameters: {}}}
  steps:
    - {name: a, type: test_echo, value: "{{ x }}"}
""")
    assert (spec.name, spec.path, spec.get("version")) == ("qa", "workflow", "2")
    assert spec.get("gemini_functions") == {"f": {"description": "d", "parameters": {}}}
    assert spec.get("execution") is None
    (step,) = spec.steps
    assert (step.name, step.type, step.path) == ("a", "echo", "workflow.steps[0]")
    assert step.fields == {"value": "{{ x }}"}
    assert spec.warnings == ()


def test_the_root_form_of_old_files_is_read_with_a_warning() -> None:
    spec = load("name: x\nsteps: [{name: a, type: echo}]\n")
    assert spec.path == ""
    assert spec.steps[0].path == "steps[0]"
    assert [one.code for one in spec.warnings] == ["unwrapped_root"]


def test_fields_beside_workflow_are_unknown() -> None:
    text = "workflow: {name: x, steps: [{name: a, type: echo}]}\nworkflw: 1\n"
    (warning,) = load(text).warnings
    assert (warning.code, warning.line, warning.suggestion) == ("unknown_field", 2, "workflow")
    assert [one.severity for one in problems(text, strict=True)] == ["error"]


def test_the_workflow_must_be_a_map() -> None:
    assert [one.code for one in problems("workflow: [1]")] == ["wrong_type"]


def test_refused_roots_stand_beside_a_workflow_too() -> None:
    text = "workflow: {name: x, steps: [{name: a, type: echo}]}\noutput: {}\n"
    assert [(one.code, one.path) for one in problems(text)] == [("unsupported_feature", "output")]


def test_the_message_about_another_file_lists_its_keys() -> None:
    (problem,) = problems("on: push\njobs: {}\n")
    assert problem.message.endswith("on, jobs")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("when: a > 1", {"condition": "a > 1"}),
        ("optional: true", {"on_failure": "continue"}),
        ("continue_on_error: true", {"on_failure": "continue"}),
        ("optional: false", {}),
        ("max_retries: 2", {"retry": {"max_retries": 2}}),
        ("retry_config: {backoff: linear}", {"retry": {"backoff_strategy": "linear"}}),
        ("max_retries: 2, retry: {jitter: false}", {"retry": {"jitter": False, "max_retries": 2}}),
        ("max_retries: 2, retry: {max_retries: 2}", {"retry": {"max_retries": 2}}),
        ("when: a, condition: a", {"condition": "a"}),
        ("mcp_servers: {a: 1}", {}),
    ],
)
def test_aliases_become_canonical_fields(written: str, canonical: object) -> None:
    assert step_of(f"type: echo, {written}").steps[0].fields == canonical


def test_a_wrong_value_of_an_alias_is_one_problem() -> None:
    text = "workflow: {name: x, steps: [{name: s, type: echo, optional: 3, max_retries: many}]}"
    assert [(one.code, one.path) for one in problems(text)] == [
        ("wrong_type", "workflow.steps[0].optional"),
        ("wrong_type", "workflow.steps[0].max_retries"),
    ]


def test_an_alias_beside_a_broken_map_is_left_alone() -> None:
    text = "workflow: {name: x, steps: [{name: s, type: echo, max_retries: 1, retry: often}]}"
    assert [one.path for one in problems(text)] == ["workflow.steps[0].retry"]


def test_defaults_know_old_words() -> None:
    spec = load("""
workflow:
  name: x
  defaults: {retry_on_error: false, continue_on_error: true, claude_output_format: stream-json}
  steps: [{name: a, type: echo}]
""")
    assert spec.get("defaults") == {
        "retry": {"max_retries": 0},
        "on_failure": "continue",
        "claude_output_format": "stream_json",
    }


def test_a_step_remembers_where_its_fields_were_written() -> None:
    step = step_of("type: echo, when: a, retry_config: {backoff: fixed}").steps[0]
    assert step.place("condition") == "workflow.steps[0].when"
    assert step.place("condition.and[0]") == "workflow.steps[0].when.and[0]"
    assert step.place("retry.backoff_strategy") == "workflow.steps[0].retry_config.backoff"
    assert step.place("retry.jitter") == "workflow.steps[0].retry_config.jitter"
    assert step.place("value") == "workflow.steps[0].value"
    assert step.place("") == "workflow.steps[0]"


def test_nested_steps_are_blocks_and_no_fields() -> None:
    spec = load("""
workflow:
  name: x
  steps:
    - name: choose
      type: switch
      expression: a
      cases:
        1: [{name: one, type: echo}]
        b c: {steps: [{name: two, type: echo}]}
      default: []
      rollback: [{name: undo, type: echo}]
""")
    (step,) = spec.steps
    assert step.fields == {"expression": "a"}
    assert {name: [s.path for s in block] for name, block in step.blocks.items()} == {
        "cases.1": ["workflow.steps[0].cases.1[0]"],
        "cases.b c": ['workflow.steps[0].cases["b c"].steps[0]'],
        "default": [],
        "rollback": ["workflow.steps[0].rollback[0]"],
    }


def test_nested_steps_must_be_lists() -> None:
    text = """
workflow:
  name: x
  steps:
    - {name: a, type: switch, expression: a, cases: [1], default: {b: 1}}
    - {name: b, type: switch, expression: a, cases: {c: 1}}
"""
    assert [(one.code, one.path) for one in problems(text)] == [
        ("wrong_type", "workflow.steps[0].cases"),
        ("wrong_type", "workflow.steps[0].default"),
        ("wrong_type", "workflow.steps[1].cases.c"),
    ]


def test_a_condition_of_its_own_leaves_the_skipping_to_when() -> None:
    spec = load("""
workflow:
  name: x
  steps:
    - {name: w, type: while_loop, condition: a < 3, when: b, steps: []}
    - {name: e, type: echo, when: c}
""")
    loop, echo = spec.steps
    assert loop.fields == {"condition": "a < 3", "when": "b"}
    assert step_shapes["while_loop"].skip_condition(loop) == "b"
    assert step_shapes["echo"].skip_condition(echo) == "c"


def test_options_of_an_evaluation_step_stand_in_three_places() -> None:
    step = step_of(
        "type: eval_batch, config: {test_suite: a, max_concurrent: 1}, "
        "eval_config: {test_suite: b}, max_concurrency: 3"
    ).steps[0]
    assert step.fields == {"test_suite": "b", "max_concurrency": 3}
    assert step.place("test_suite") == "workflow.steps[0].eval_config.test_suite"
    assert step.place("max_concurrency") == "workflow.steps[0].max_concurrency"


def test_options_of_an_evaluation_step_must_be_a_map() -> None:
    text = "workflow: {name: x, steps: [{name: s, type: eval_batch, config: 3, test_suite: a}]}"
    assert [one.path for one in problems(text)] == ["workflow.steps[0].config"]


def test_the_config_of_a_workflow_with_an_evaluation_gives_variables() -> None:
    spec = load("""
workflow:
  name: x
  config: {a: 1, b: 2}
  variables: {b: 3}
  steps: [{name: s, type: for_loop, items: [], steps: [
    {name: e, type: eval_batch, test_suite: t}]}]
""")
    assert spec.get("variables") == {"a": 1, "b": 3}
    assert spec.get("config") is None


def test_an_inline_pipeline_is_a_child_in_either_form() -> None:
    for pipeline in (
        "{name: c, steps: [{name: a, type: echo}]}",
        "{workflow: {name: c, steps: [{name: a, type: echo}]}}",
    ):
        spec = step_of(f"type: pipeline, pipeline: {pipeline}")
        child = spec.steps[0].child
        assert child is not None
        assert (child.name, [step.name for step in child.steps]) == ("c", ["a"])
        assert spec.warnings == ()


@pytest.mark.parametrize(
    ("declared", "kind", "default", "required"),
    [
        ("{type: string}", "string", None, True),
        ("{type: integer, default: 3}", "integer", 3, False),
        ("{type: integer, default: 3, required: true}", "integer", 3, True),
        ("{required: false}", None, None, False),
        ("tea", "string", "tea", False),
        ("7", "integer", 7, False),
        ("1.5", "number", 1.5, False),
        ("true", "boolean", True, False),
        ("[1]", "list", [1], False),
        ("{deep: 1}", "map", {"deep": 1}, False),
        ("{}", None, None, True),
        ("", None, None, True),
    ],
)
def test_an_input_is_a_declaration_or_a_default(
    declared: str,
    kind: str | None,
    default: object,
    required: bool,  # noqa: FBT001 - a column of the table
) -> None:
    text = f"workflow:\n  name: x\n  inputs:\n    i: {declared}\n  steps: [{{name: a, type: echo}}]"
    found = load(text).inputs["i"]
    assert (found.type, found.default, found.required) == (kind, default, required)
    assert found.has_default is (default is not None)


def test_an_integer_default_suits_a_number() -> None:
    text = "workflow: {name: x, inputs: {i: {type: number, default: 3}}, steps: [{name: a, type: echo}]}"
    assert load(text).inputs["i"].default == 3


def test_more_than_a_thousand_steps_are_too_many() -> None:
    steps = "".join(f"    - {{name: s{i}, type: echo}}\n" for i in range(1000))
    head = "workflow:\n  name: x\n  steps:\n"
    assert len(load(head + steps).steps) == 1000
    (problem,) = problems(head + steps + "    - {name: last, type: echo}\n")
    assert (problem.code, problem.line) == ("too_large", 1004)


def test_a_template_may_stand_for_a_value_of_any_type() -> None:
    step = step_of('type: claude, prompt: hi, timeout_seconds: "{{ inputs.t }}"').steps[0]
    assert step.get("timeout_seconds") == "{{ inputs.t }}"


def test_a_choice_may_be_a_template_where_templates_are_read() -> None:
    shape = step_shapes["echo"]
    fields = {**shape.fields, "format": FieldShape(types=("str",), choices=("json",))}
    shapes = {"echo": replace(shape, fields=fields)}
    text = "workflow: {name: x, steps: [{name: s, type: echo, format: 'a{{ b }}'}]}"
    assert load_pipeline(text, "", shapes).steps[0].get("format") == "a{{ b }}"


def test_parts_of_a_prompt_are_kept_as_written() -> None:
    step = step_of("type: claude, prompt: [plain, {type: static, content: c, raw: true}]").steps[0]
    assert step.get("prompt") == ["plain", {"type": "static", "content": "c", "raw": True}]


def test_a_part_of_a_prompt_is_text_or_a_map_with_a_known_type() -> None:
    text = "workflow: {name: x, steps: [{name: s, type: claude, prompt: [3, {type: [a]}]}]}"
    assert [(one.code, one.path) for one in problems(text)] == [
        ("wrong_type", "workflow.steps[0].prompt[0]"),
        ("unknown_value", "workflow.steps[0].prompt[1].type"),
    ]


def test_old_fields_of_parts_are_ignored_with_a_warning() -> None:
    spec = load("""
workflow:
  name: x
  steps:
    - {name: a, type: echo}
    - name: s
      type: claude
      prompt: [{type: previous_response, step: a, extract_with: content_extractor}]
""")
    assert [(one.code, one.path) for one in spec.warnings] == [
        ("ignored_field", "workflow.steps[1].prompt[0].extract_with")
    ]


def test_an_option_that_is_really_another_field_is_suggested() -> None:
    spec = step_of("type: claude, prompt: hi, options: {}")
    assert [(one.code, one.suggestion) for one in spec.warnings] == [
        ("unknown_field", "claude_options")
    ]


def test_strict_makes_errors_of_unknown_fields_only() -> None:
    text = "name: x\nsteps: [{name: a, type: echo, valeu: 1}]\n"
    assert [(one.code, one.severity) for one in problems(text, strict=True)] == [
        ("unwrapped_root", "warning"),
        ("unknown_field", "error"),
    ]


def test_a_name_of_201_characters_is_too_long() -> None:
    text = "workflow: {{name: {}, steps: [{{name: a, type: echo}}]}}"
    assert load(text.format("x" * 200)).name == "x" * 200
    assert [one.code for one in problems(text.format("x" * 201))] == ["out_of_range"]
