"""What names mean where: the language's sections 3, 4, 5.3, 6, 9, 11 and 17."""

from dataclasses import replace

import pytest

from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.spec.check import Checked, check_pipeline, child_path
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import Finding, PipelineSpec
from tests.fakes.step_shapes import step_shapes


def check(text: str, **files: str) -> Checked:
    def load_child(path: str) -> PipelineSpec:
        name = path.removesuffix(".yaml").replace("/", "_")
        if name not in files:
            raise ConfigError(f"there is no {path}", code="file_not_found")
        return load_pipeline(files[name], path, step_shapes)

    spec = load_pipeline(text, "main.yaml", step_shapes)
    return check_pipeline(spec, step_shapes, load_child=load_child)


def workflow(*steps: str, head: str = "") -> str:
    lines = "".join(f"    - {step}\n" for step in steps)
    return f"workflow:\n  name: x\n{head}  steps:\n{lines}"


def codes(checked: Checked) -> list[tuple[str, str]]:
    return [(one.code, one.path) for one in checked.problems]


def test_an_implied_input_is_required_and_announced() -> None:
    checked = check(
        workflow('{name: a, type: echo, value: "{{ file }} {{ file }} {{ inputs.x }}"}')
    )
    assert codes(checked) == [("implied_input", "workflow.steps[0].value")] * 2
    assert {name: (one.implied, one.required) for name, one in checked.spec.inputs.items()} == {
        "file": (True, True),
        "x": (True, True),
    }
    checked.require()


@pytest.mark.parametrize(
    "text",
    [
        "{{ x | default('a') }}",
        "{{ exists(x) }}",
        "{{ coalesce(x, inputs.y, 1) }}",
        "{{ x empty }}",
        "{{ any([1], 'x == @') }}",
        "{{ timestamp }} {{ date }} {{ run_id }} {{ execution_id }}",
        "{{ run.id }} {{ workflow.name }} {{ step.name }} {{ global_vars.g }} {{ vars.v }}",
        "{{ steps }} {{ inputs }} {{ loop }}",
        r"\{{ x }}",
    ],
)
def test_names_that_need_no_input(text: str) -> None:
    quoted = text.replace("'", "''")
    assert codes(check(workflow(f"{{name: a, type: echo, value: '{quoted}'}}"))) == []


def test_a_name_in_a_condition_or_an_expression_is_no_implied_input() -> None:
    step = "{name: a, type: switch, expression: x == 1, condition: y, cases: {}}"
    assert codes(check(workflow(step))) == []


def test_an_undeclared_input_in_a_condition_is_implied() -> None:
    checked = check(workflow("{name: a, type: echo, condition: inputs.go}"))
    assert codes(checked) == [("implied_input", "workflow.steps[0].condition")]


def test_a_field_may_hold_an_expression() -> None:
    step = "{name: a, type: echo, test: 'steps.gone.data + ghost'}"
    assert codes(check(workflow(step))) == [("unknown_step", "workflow.steps[0].test")]


def test_names_are_bound_by_inputs_variables_steps_results_and_constants() -> None:
    checked = check(
        workflow(
            "{name: first, type: set_variable, variable: later, value: 1}",
            "{name: table, type: data_transform, input_source: '[1]', operations: [], "
            "output_field: rows}",
            '{name: b, type: echo, value: "{{ i }} {{ v }} {{ later }} {{ first }} {{ rows }} {{ g }}"}',
            '{name: c, type: echo, value: "{{ previous_response:rows }}"}',
            head="  inputs: {i: 1}\n  variables: {v: 1}\n  global_vars: {g: 1}\n",
        )
    )
    assert codes(checked) == []


def test_outputs_see_every_step() -> None:
    good = check(workflow("{name: a, type: echo}", head="  outputs: {o: steps.a, p: '{{ a }}'}\n"))
    assert codes(good) == []
    bad = check(workflow("{name: a, type: echo}", head="  outputs: {o: steps.b}\n"))
    assert codes(bad) == [("unknown_step", "workflow.outputs.o")]


def test_body_steps_see_what_the_loop_sees_and_their_earlier_siblings() -> None:
    checked = check(
        workflow(
            "{name: before, type: echo}",
            '{name: each, type: for_loop, items: "{{ before }}", iterator: row, steps: ['
            '{name: one, type: echo, value: "{{ row }} {{ before }} {{ loop.index }}"}, '
            '{name: two, type: echo, value: "{{ one }} {{ steps.before.data }}"}]}',
        )
    )
    assert codes(checked) == []


def test_an_iterator_is_bound_inside_its_loop_only() -> None:
    checked = check(
        workflow(
            "{name: each, type: for_loop, items: [1], iterator: row, steps: []}",
            '{name: after, type: echo, value: "{{ row }}"}',
        )
    )
    assert codes(checked) == [("implied_input", "workflow.steps[1].value")]


def test_an_iterator_hides_a_step_of_its_name() -> None:
    checked = check(
        workflow(
            "{name: each, type: for_loop, items: [1], iterator: late, steps: ["
            '{name: one, type: echo, value: "{{ late }}"}]}',
            "{name: late, type: echo}",
        )
    )
    assert codes(checked) == [("shadowed_name", "workflow.steps[1].name")]


def test_a_while_condition_sees_its_body() -> None:
    step = (
        "{name: w, type: while_loop, condition: steps.b.data < 3, steps: [{name: b, type: echo}]}"
    )
    assert codes(check(workflow(step))) == []


def test_a_rollback_sees_the_step_that_it_undoes_and_no_loop() -> None:
    checked = check(
        workflow(
            "{name: each, type: for_loop, items: [1], steps: [{name: a, type: echo, rollback: ["
            '{name: undo, type: echo, value: "{{ steps.a.data }}"}, {name: stop, type: break}]}]}',
        )
    )
    assert [code for code, _ in codes(checked)] == ["misplaced_step"]


def test_a_bare_name_in_an_operation_may_be_a_field_of_the_item() -> None:
    checked = check(
        workflow(
            "{name: a, type: data_transform, input_source: '[1]', operations: ["
            "{operation: filter, condition: later > 1}]}",
            "{name: later, type: echo}",
        )
    )
    assert codes(checked) == []


def test_an_own_check_of_a_shape_is_placed_in_its_step() -> None:
    def own(_: object) -> list[Finding]:
        return [Finding(code="a", message="m", path="value"), Finding(code="b", message="m")]

    shapes = {"echo": replace(step_shapes["echo"], check=own)}
    spec = load_pipeline(workflow("{name: a, type: echo, value: 1}"), "f", shapes)
    assert codes(check_pipeline(spec, shapes)) == [
        ("b", "workflow.steps[0]"),
        ("a", "workflow.steps[0].value"),
    ]


def test_unknown_tools_of_the_defaults_are_announced() -> None:
    checked = check(
        workflow(
            "{name: a, type: echo}",
            head="  defaults: {claude_options: {disallowed_tools: [Web]}}\n",
        )
    )
    assert codes(checked) == [
        ("unknown_tool", "workflow.defaults.claude_options.disallowed_tools[0]")
    ]


def test_an_input_that_starts_a_variable_hides_nothing() -> None:
    head = "  inputs: {n: 1}\n  variables: {n: 2}\n"
    assert codes(check(workflow("{name: a, type: echo}", head=head))) == []


def test_a_step_named_like_a_root_is_announced_once() -> None:
    checked = check(workflow("{name: run, type: echo}", "{name: run_id, type: echo}"))
    assert codes(checked) == [
        ("shadowed_name", "workflow.steps[0].name"),
        ("shadowed_name", "workflow.steps[1].name"),
    ]


def test_unknown_fields_of_operations_obey_strict() -> None:
    text = workflow(
        "{name: a, type: data_transform, input_source: '[1]', operations: ["
        "{operation: limit, count: 1, extra: 2}]}"
    )
    spec = load_pipeline(text, "f", step_shapes)
    assert [one.severity for one in check_pipeline(spec, step_shapes).problems] == ["warning"]
    checked = check_pipeline(spec, step_shapes, strict=True)
    with pytest.raises(SpecError) as caught:
        checked.require()
    assert caught.value.problems == checked.problems


def test_a_template_in_a_list_field_is_read_in_its_place() -> None:
    checked = check(
        workflow(
            '{name: a, type: claude_batch, tasks: [{id: "{{ a1 }}", prompt: "{{ p1 }}", '
            'claude_options: {system_prompt: "{{ s1 }}"}}, {prompt: [{type: file, path: "{{ f1 }}"}]}]}'
        )
    )
    assert [path for _, path in codes(checked)] == [
        "workflow.steps[0].tasks[0].id",
        "workflow.steps[0].tasks[0].prompt",
        "workflow.steps[0].tasks[0].claude_options.system_prompt",
        "workflow.steps[0].tasks[1].prompt[0].path",
    ]


def test_raw_parts_are_not_read() -> None:
    step = '{name: a, type: claude, prompt: [{type: static, content: "{{ x", raw: true}]}'
    assert codes(check(workflow(step))) == []


# -- nested files


def child(*steps: str) -> str:
    return workflow(*steps)


def test_a_nested_file_is_checked_and_known() -> None:
    checked = check(
        workflow("{name: n, type: pipeline, pipeline_file: sub/child.yaml}"),
        sub_child=child('{name: a, type: echo, value: "{{ x }}"}'),
    )
    assert [(one.code, one.file) for one in checked.problems] == [
        ("implied_input", "sub/child.yaml")
    ]
    assert list(checked.children["sub/child.yaml"].inputs) == ["x"]


def test_paths_are_those_of_the_file_that_names_them() -> None:
    checked = check(
        workflow("{name: n, type: pipeline, pipeline_file: sub/a.yaml}"),
        sub_a=child("{name: n, type: pipeline, pipeline_file: ../b.yaml}"),
        b=child("{name: a, type: echo}"),
    )
    assert sorted(checked.children) == ["b.yaml", "sub/a.yaml"]
    assert checked.problems == ()


def test_a_file_used_twice_is_checked_once() -> None:
    checked = check(
        workflow(
            "{name: n, type: pipeline, pipeline_file: c.yaml}",
            "{name: m, type: pipeline, pipeline_file: ./c.yaml}",
        ),
        c=child('{name: a, type: echo, value: "{{ x }}"}'),
    )
    assert len(checked.problems) == 1


def test_files_that_contain_each_other_are_refused_with_the_chain() -> None:
    checked = check(
        workflow("{name: n, type: pipeline, pipeline_file: b.yaml}"),
        b=child("{name: n, type: pipeline, pipeline_file: c.yaml}"),
        c=child("{name: n, type: pipeline, pipeline_file: b.yaml}"),
    )
    (problem,) = checked.problems
    assert (problem.code, problem.file) == ("circular_pipeline", "c.yaml")
    assert problem.message.endswith("b.yaml -> c.yaml -> b.yaml")


def test_a_file_that_contains_itself_is_found_without_reading_files() -> None:
    text = workflow("{name: n, type: pipeline, pipeline_file: main.yaml}")
    spec = load_pipeline(text, "dir/main.yaml", step_shapes)
    checked = check_pipeline(spec, step_shapes)
    assert [one.code for one in checked.problems] == ["circular_pipeline"]


def test_without_a_reader_nested_files_are_left_to_the_run() -> None:
    spec = load_pipeline(
        workflow("{name: n, type: pipeline, pipeline_file: gone.yaml}"), "main.yaml", step_shapes
    )
    checked = check_pipeline(spec, step_shapes)
    assert (checked.problems, checked.children) == ((), {})


def test_problems_of_a_nested_file_keep_its_name() -> None:
    checked = check(
        workflow("{name: n, type: pipeline, pipeline_file: c.yaml}"),
        c="workflow: {name: c, steps: [{name: a, type: none}]}",
    )
    assert [(one.file, one.code) for one in checked.problems] == [("c.yaml", "unknown_step_type")]
    with pytest.raises(SpecError):
        checked.require()


def test_a_chain_of_65_files_is_too_long() -> None:
    files = {
        f"f{i}": child(f"{{name: n, type: pipeline, pipeline_file: f{i + 1}.yaml}}")
        for i in range(70)
    }
    checked = check(workflow("{name: n, type: pipeline, pipeline_file: f0.yaml}"), **files)
    assert [one.code for one in checked.problems] == ["too_large"]


@pytest.mark.parametrize(
    ("file", "named", "path"),
    [
        ("main.yaml", "a.yaml", "a.yaml"),
        ("dir/main.yaml", "./sub/a.yaml", "dir/sub/a.yaml"),
        ("dir/main.yaml", "../a.yaml", "a.yaml"),
        ("dir/main.yaml", "/abs/a.yaml", "/abs/a.yaml"),
    ],
)
def test_a_child_path_starts_at_the_file_that_names_it(file: str, named: str, path: str) -> None:
    assert child_path(file, named) == path


def test_problems_are_sorted_by_place() -> None:
    checked = check(
        workflow(
            '{name: a, type: echo, value: "{{ b }}", output_schema: {type: 3}}',
            "{name: a, type: echo, depends_on: [zz]}",
            "{name: b, type: echo}",
        )
    )
    places = [(one.line, one.column) for one in checked.problems]
    assert places == sorted(places)
    assert {one.code for one in checked.problems} == {
        "forward_reference",
        "invalid_schema",
        "duplicate_step",
        "unknown_step",
    }
    assert all(isinstance(one, Problem) for one in checked.problems)
