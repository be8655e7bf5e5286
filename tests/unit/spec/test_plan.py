"""What a step waits for: the language's section 17."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import PipelineSpec
from pipex_core.spec.plan import Plan, load_plan
from tests.fakes.step_shapes import step_shapes


def plan(text: str, **files: str) -> Plan:
    def load_child(path: str) -> PipelineSpec:
        return load_pipeline(files[path.removesuffix(".yaml")], path, step_shapes)

    return load_plan(text, "main.yaml", step_shapes, load_child=load_child)


def dag(*steps: str, head: str = "") -> Plan:
    lines = "".join(f"    - {step}\n" for step in steps)
    return plan(f"workflow:\n  name: x\n  execution: dag\n{head}  steps:\n{lines}")


def edges(found: Plan) -> dict[str, tuple[str, ...]]:
    return {step.name: step.depends_on for step in found.steps}


def last(*steps: str, head: str = "") -> tuple[str, ...]:
    return dag(*steps, head=head).steps[-1].depends_on


def test_a_sequence_waits_for_every_earlier_step() -> None:
    found = plan("""
workflow:
  name: x
  steps:
    - {name: a, type: echo}
    - {name: b, type: echo, depends_on: []}
    - {name: c, type: echo, value: "{{ a }}", depends_on: [b]}
    - {name: d, type: echo}
""")
    assert edges(found) == {"a": (), "b": (), "c": ("a", "b"), "d": ("a", "b", "c")}


def test_a_graph_waits_for_what_is_named() -> None:
    found = dag(
        "{name: a, type: echo}",
        "{name: b, type: echo}",
        '{name: c, type: echo, value: "{{ steps.a.n + steps.b.result }}"}',
        "{name: d, type: set_variable, variables: {x: 5}}",
        '{name: e, type: echo, value: "{{ vars.x }}"}',
        "{name: f, type: claude, prompt: [{type: previous_response, step: c}], output_to_file: same.txt}",
        "{name: g, type: echo, value: late, output_to_file: ./same.txt}",
        "{name: h, type: echo, depends_on: [b]}",
    )
    assert edges(found) == {
        "a": (),
        "b": (),
        "c": ("a", "b"),
        "d": (),
        "e": ("d",),
        "f": ("c",),
        "g": ("f",),
        "h": ("b",),
    }


def test_a_loop_waits_for_what_its_body_names() -> None:
    found = dag(
        "{name: a, type: echo}",
        "{name: b, type: echo}",
        "{name: c, type: for_loop, items: [1], break_condition: steps.in.data > item, "
        'steps: [{name: in, type: echo, value: "{{ b }} {{ item }}"}]}',
    )
    assert edges(found)["c"] == ("b",)


def test_an_alias_of_a_result_is_a_dependency() -> None:
    table = (
        "{name: t, type: data_transform, input_source: '[1]', operations: [], output_field: rows}"
    )
    assert last(table, '{name: b, type: echo, value: "{{ rows }}"}') == ("t",)
    assert last(table, '{name: b, type: echo, value: "{{ previous_response:rows }}"}') == ("t",)


def test_a_computed_step_name_waits_for_all() -> None:
    steps = ("{name: a, type: echo}", "{name: b, type: echo}")
    assert last(
        *steps, '{name: c, type: echo, value: "{{ steps[inputs.n] }}"}', head="  inputs: {n: a}\n"
    ) == ("a", "b")


def test_a_name_hidden_by_a_variable_is_no_dependency() -> None:
    steps = ("{name: a, type: echo}", '{name: b, type: echo, value: "{{ a }}"}')
    assert last(*steps, head="  variables: {a: 1}\n") == ()


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        ("type: set_variable, variables: {x: 1}", "type: set_variable, variables: {x: 2}", True),
        ("type: set_variable, variables: {x: 1}", "type: set_variable, variables: {y: 2}", False),
        ("type: echo, value: '{{ vars.x }}'", "type: set_variable, variables: {x: 2}", True),
        ("type: echo, value: '{{ x }}'", "type: echo, value: '{{ x }}'", False),
        ("type: set_variable, variables: {x: 1}", "type: echo, value: '{{ vars }}'", True),
        ("type: echo, output_to_file: a", "type: echo, output_to_file: b", False),
        ("type: echo, output_to_file: a", "type: echo, output_to_file: '{{ x }}'", True),
        (
            "type: claude, prompt: p, claude_options: {allowed_tools: [Write]}",
            "type: claude, prompt: [{type: file, path: a}]",
            True,
        ),
        (
            "type: claude, prompt: p, claude_options: {allowed_tools: [Read]}",
            "type: claude, prompt: [{type: file, path: a}]",
            False,
        ),
        (
            "type: claude, prompt: p, claude_options: {allowed_tools: [Bash], disallowed_tools: [Bash]}",
            "type: claude, prompt: [{type: file, path: a}]",
            False,
        ),
        (
            "type: claude, prompt: p, claude_options: {allowed_tools: '{{ vars.tools }}'}",
            "type: claude, prompt: [text, {type: file, path: a}]",
            True,
        ),
        (
            "type: claude, prompt: [{type: session_context, session_id: s}]",
            "type: claude, prompt: [{type: claude_continue, session_id: s}]",
            True,
        ),
        (
            "type: claude, prompt: [{type: session_context, session_id: s}]",
            "type: claude, prompt: [{type: session_context, session_id: t}]",
            False,
        ),
        (
            "type: claude, prompt: [{type: session_context, session_id: '{{ vars.x }}'}]",
            "type: claude, prompt: [{type: session_context, session_id: t}]",
            True,
        ),
        ("type: pipeline, pipeline_file: '{{ x }}'", "type: echo, output_to_file: a", True),
        ("type: pipeline, pipeline_file: '{{ x }}'", "type: echo, value: 1", False),
        (
            "type: pipeline, pipeline: {name: c, steps: [{name: i, type: echo, output_to_file: a}]}",
            "type: echo, output_to_file: a",
            True,
        ),
        (
            "type: pipeline, pipeline: {name: c, steps: [{name: i, type: set_variable, variable: x, value: 1}]}",
            "type: echo, value: '{{ vars.x }}'",
            False,
        ),
        (
            "type: for_loop, items: [1], steps: [{name: i, type: echo, output_to_file: a}]",
            "type: echo, output_to_file: a",
            True,
        ),
        ("type: checkpoint", "type: echo, value: 1", True),
    ],
)  # fmt: skip
def test_steps_whose_effects_conflict_keep_their_order(
    first: str,
    second: str,
    waits: bool,  # noqa: FBT001 - a column of the table
) -> None:
    found = last(f"{{name: a, {first}}}", f"{{name: b, {second}}}", head="  variables: {x: 1}\n")
    assert found == (("a",) if waits else ())


def test_only_the_nearest_boundary_is_waited_for() -> None:
    found = dag(
        "{name: a, type: echo}",
        "{name: one, type: checkpoint}",
        "{name: two, type: checkpoint}",
        "{name: b, type: echo}",
    )
    assert edges(found) == {"a": (), "one": (), "two": ("one",), "b": ("two",)}


def test_effects_of_a_nested_file_are_known() -> None:
    child = "workflow: {name: c, steps: [{name: i, type: echo, output_to_file: a}]}"
    text = """
workflow:
  name: x
  execution: dag
  steps:
    - {name: n, type: pipeline, pipeline_file: c.yaml}
    - {name: m, type: pipeline, pipeline_file: c.yaml}
    - {name: b, type: echo, output_to_file: b}
"""
    found = plan(text, c=child)
    assert edges(found) == {"n": (), "m": ("n",), "b": ()}
    assert found.child(found.steps[0].spec).name == "c"


def test_ready_steps_come_in_file_order() -> None:
    found = dag(
        "{name: z, type: echo}",
        "{name: a, type: echo}",
        '{name: m, type: echo, value: "{{ z }}"}',
    )
    assert [s.name for s in found.ready(finished=(), started=())] == ["z", "a"]
    assert [s.name for s in found.ready(finished=(), started=("z",))] == ["a"]
    assert [s.name for s in found.ready(finished=("z",), started=("z", "a"))] == ["m"]


def test_a_plan_carries_what_a_run_needs() -> None:
    found = plan("""
workflow:
  name: x
  max_concurrency: 9
  steps:
    - {name: a, type: echo, value: "{{ topic }}"}
""")
    assert (found.name, found.execution, found.max_concurrency) == ("x", "sequential", 9)
    assert list(found.inputs) == ["topic"]
    assert [one.code for one in found.warnings] == ["implied_input"]
    assert found.steps[0].spec.get("value") == "{{ topic }}"
    assert len(found.digest) == len(found.steps[0].digest) == 64


def test_an_inline_child_knows_its_implied_inputs() -> None:
    found = dag(
        '{name: n, type: pipeline, pipeline: {name: c, steps: [{name: i, type: echo, value: "{{ t }}"}]}}'
    )
    child = found.child(found.steps[0].spec)
    assert [one.implied for one in child.inputs.values()] == [True]
    with pytest.raises(KeyError):
        child.child(child.steps[0].spec)


def test_an_heir_sees_the_inputs_of_its_parent() -> None:
    found = dag(
        "{name: n, type: pipeline, config: {inherit_context: true}, "
        'pipeline: {name: c, steps: [{name: i, type: echo, value: "{{ t }} {{ g }}"}]}}',
        head="  inputs: {t: 1}\n  global_vars: {g: 1}\n",
    )
    assert found.warnings == ()


def test_a_broken_pipeline_has_no_plan() -> None:
    with pytest.raises(SpecError):
        dag('{name: a, type: echo, value: "{{ steps.gone }}"}')


def test_fields_of_every_step_may_stand_before_the_file_of_a_nested_pipeline() -> None:
    text = """
workflow:
  name: x
  steps:
    - {name: a, type: pipeline, retry: {max_retries: 1}, pipeline_file: child.yaml}
"""
    child = "workflow: {name: c, steps: [{name: s, type: echo}]}"
    found = plan(text, child=child)
    assert found.child(found.steps[0].spec).name == "c"
