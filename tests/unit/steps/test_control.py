"""Steps without a model, on the bench."""

import asyncio
from typing import Any

import pytest

from pipex_core.errors import ErrorRecord, ExpressionError, StepError
from pipex_core.expressions.scope import Scope
from pipex_core.spec.model import Effect, PipelineSpec, StepSpec
from pipex_core.steps.contract import ChildResult, Outcome, Step
from pipex_core.steps.control import (
    Checkpoint,
    DataTransform,
    Echo,
    NestedPipeline,
    SetVariable,
    Switch,
)
from tests.fakes.steps import Bench, spec
from tests.fakes.world import World


def run(step: type[Step], bench: Bench) -> Outcome:
    return asyncio.run(step().run(bench.context))


def echo(**fields: Any) -> Outcome:
    return run(Echo, Bench(spec("echo", **fields), scope={"inputs": {"n": 4}}))


def test_echo_gives_text_as_text_and_all_else_as_data() -> None:
    assert (echo(value="n is {{inputs.n}}").text, echo(value="n").data) == ("n is 4", None)
    assert echo(value="{{inputs.n}}") == Outcome(data=4)
    assert echo(value={"a": ["{{inputs.n}}"]}).data == {"a": [4]}
    assert echo() == Outcome()


def test_echo_fails_on_purpose() -> None:
    with pytest.raises(StepError, match="no 4") as failure:
        echo(value=1, fail=True, error_message="no {{inputs.n}}")
    assert failure.value.code == "echo_failed"
    with pytest.raises(StepError, match="on purpose"):
        echo(fail="{{inputs.n == 4}}")
    assert echo(value=1, fail=False).data == 1


def test_variables_are_set_in_order_each_seeing_the_ones_before() -> None:
    step = spec("set_variable", variables={"a": "{{vars.a + 1}}", "b": "{{a * 10}}", "c": [1]})
    outcome = run(SetVariable, Bench(step, scope={"vars": {"a": 1}}))
    assert outcome.written.variables == {"a": 2, "b": 20, "c": [1]}
    assert outcome.data == {"a": 2, "b": 20, "c": [1]}


def test_one_variable_may_be_set_without_a_map() -> None:
    outcome = run(SetVariable, Bench(spec("set_variable", variable="x", value=None)))
    assert outcome.written.variables == {"x": None}


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"variables": {"a": 1}}, []),
        ({"variable": "a", "value": 1}, []),
        ({"variables": {"a": 1}, "value": 1}, ["conflicting_fields"]),
        ({"variable": "a"}, ["missing_field"]),
        ({"value": 1}, ["missing_field"]),
        ({}, ["missing_field"]),
    ],
)
def test_a_set_variable_step_has_exactly_one_form(fields: Any, codes: list[str]) -> None:
    found = SetVariable.shape.check(spec("set_variable", **fields))
    assert [finding.code for finding in found] == codes


def test_writing_a_variable_is_an_effect() -> None:
    effects = SetVariable.shape.effects(spec("set_variable", variables={"a": 1}))
    assert list(effects) == [Effect(kind="variable", name="a", writes=True)]
    assert list(SetVariable.shape.effects(spec("set_variable", variables="wrong"))) == []


rows = [{"k": "a", "n": 1}, {"k": "b", "n": 2}]


def test_a_transform_gives_data_a_name_and_counts() -> None:
    operations = [{"operation": "filter", "condition": "n > 1"}]
    step = spec("data_transform", input_source="rows", operations=operations, output_field="big")
    outcome = run(DataTransform, Bench(step, scope={"rows": rows}))
    assert outcome.data == [{"k": "b", "n": 2}]
    assert outcome.aliases == ("big",)
    assert outcome.metadata == {
        "operation_count": 1,
        "input_type": "list",
        "output_type": "list",
    }
    assert list(DataTransform.shape.aliases(step)) == ["big"]
    assert list(DataTransform.shape.aliases(spec("data_transform"))) == []


@pytest.mark.parametrize(
    ("output_format", "text", "data"),
    [
        ("json", None, rows),
        ("string", '[{"k":"a","n":1},{"k":"b","n":2}]', None),
        ("count", None, 2),
    ],
)
def test_a_transform_has_three_formats(output_format: str, text: Any, data: Any) -> None:
    step = spec("data_transform", input_source=rows, operations=[], output_format=output_format)
    outcome = run(DataTransform, Bench(step))
    assert (outcome.text, outcome.data) == (text, data)


def test_a_single_value_counts_as_none() -> None:
    operations = [{"operation": "aggregate", "function": "sum", "field": "n"}]
    step = spec("data_transform", input_source=rows, operations=operations, output_format="count")
    assert run(DataTransform, Bench(step)).data == 0


def test_a_source_without_a_value_names_step_and_field() -> None:
    step = spec("data_transform", input_source="nobody", operations=[])
    with pytest.raises(ExpressionError, match="step 's', field 'input_source'"):
        run(DataTransform, Bench(step))


# -- branches and checkpoints


def test_a_value_without_a_case_runs_nothing() -> None:
    step = StepSpec(
        name="s",
        type="switch",
        path="workflow.steps[0]",
        fields={"expression": "inputs.n"},
        blocks={"cases.5": ()},
    )
    outcome = run(Switch, Bench(step, scope={"inputs": {"n": 4}}))
    assert outcome == Outcome(data={"case": None, "results": {}, "output": None})


def branching(fields: str) -> dict[str, Any]:
    text = f"""
workflow:
  name: w
  steps:
    - {{name: kind, type: echo, value: {{a: 1}}}}
    - name: pick
      type: switch
      {fields}
    - {{name: after, type: echo, value: "{{{{vars.v | default('unset')}}}}"}}
"""
    return World().run(text).as_json()


def test_the_text_of_any_value_picks_a_case_and_its_variables_stay() -> None:
    shown = branching(
        """expression: "{{kind}}"
      cases:
        '{"a":1}':
          steps: [{name: set, type: set_variable, variables: {v: 7}}, {name: see, type: echo, value: "{{v}}"}]"""
    )
    assert shown["steps"]["pick"]["data"]["output"] == 7
    assert shown["steps"]["after"]["data"] == 7
    assert shown["steps"]["pick"]["data"]["results"]["set"]["data"] == {"v": 7}


def test_a_failing_branch_fails_the_switch_with_its_own_error_and_keeps_its_records() -> None:
    shown = branching(
        """expression: "'x'"
      cases: {y: [{name: never, type: echo}]}
      default: [{name: fine, type: echo, value: 1}, {name: bad, type: echo, fail: true, error_message: no}]"""
    )
    assert shown["error"] == {
        "code": "echo_failed",
        "message": "no",
        "step": "pick",
        "path": "pick/bad",
        "retryable": False,
    }
    data = shown["steps"]["pick"]["data"]
    assert (data["case"], list(data["results"])) == ("default", ["fine", "bad"])


def test_an_undefined_value_fails_a_switch() -> None:
    shown = branching('expression: "kind.b"\n      cases: {y: [{name: never, type: echo}]}')
    assert shown["error"]["code"] == "undefined_reference"


def test_records_kept_by_other_steps_are_seen_as_steps() -> None:
    text = """
workflow:
  name: w
  steps:
    - name: pick
      type: switch
      expression: "'x'"
      cases: {x: [{name: inner, type: echo, value: {text: claimed, n: [5]}}]}
    - {name: plain, type: echo, value: {results: {a: {text: mine}}}}
  outputs:
    field: "pick.results.inner.n[0]"
    record_first: "pick.results.inner.text"
    whole: "{{pick.results.inner}}"
    indexed: "pick['results']['inner'].success"
    map: "type(pick.results)"
    untouched: "plain.results.a.text"
"""
    assert World().run(text).outputs == {
        "field": 5,
        "record_first": None,
        "whole": {"text": "claimed", "n": [5]},
        "indexed": True,
        "map": "map",
        "untouched": "mine",
    }


def test_a_prompt_part_reads_the_records_of_a_loop() -> None:
    text = """
workflow:
  name: w
  steps:
    - name: each
      type: for_loop
      data_source: [1, 2]
      steps: [{name: one, type: echo, value: {n: "{{item}}"}}]
    - name: ask
      type: claude
      prompt:
        - {type: previous_response, step: each, extract: "iterations[1].results.one.n"}
        - {type: previous_response, step: each, extract: "iterations[0].results.one.success"}
"""
    world = World({"responses": [{"echo": True}]})
    assert world.run(text).steps["ask"].text == "2\ntrue"


def test_a_checkpoint_step_asks_for_one_under_its_label() -> None:
    bench = Bench(spec("checkpoint", label="n is {{inputs.n}}"), scope={"inputs": {"n": 4}})
    assert run(Checkpoint, bench) == Outcome(metadata={"label": "n is 4"})
    assert bench.labels == ["n is 4"]
    bench = Bench(spec("checkpoint"))
    assert run(Checkpoint, bench) == Outcome()
    assert bench.labels == [None]
    assert Checkpoint.shape.boundary


# -- nested pipelines


def child_record(**fields: Any) -> dict[str, Any]:
    whole = {"name": "x", "type": "echo", "status": "succeeded", "success": True}
    return {**whole, "text": None, "data": None, **fields}


records = {
    "calc": child_record(data={"items": [1, 5], "k": "v"}),
    "say": child_record(text="hi"),
    "a-b": child_record(data=9),
}


def child(**fields: Any) -> ChildResult:
    given = {"steps": records, "scope": Scope.of({"steps": records}), "outputs": None}
    return ChildResult(**{**given, **fields})


def nested(result: ChildResult, **fields: Any) -> Bench:
    return Bench(spec("pipeline", **fields), child=result, scope={"inputs": {"n": 2, "f": "c"}})


def test_a_child_gets_its_inputs_with_their_types_and_its_limits() -> None:
    bench = nested(
        child(),
        pipeline_file="{{inputs.f}}.yaml",
        inputs={"m": "{{inputs.n}}"},
        config={
            "inherit_context": True,
            "max_depth": 3,
            "max_total_steps": 7,
            "timeout_seconds": 9,
        },
    )
    run(NestedPipeline, bench)
    wanted = bench.children[0]
    assert (wanted.file, wanted.inputs, wanted.inherit) == ("c.yaml", {"m": 2}, True)
    assert (wanted.max_depth, wanted.max_total_steps, wanted.timeout_s) == (3, 7, 9)


def test_an_inline_child_has_300_seconds_and_inherits_nothing() -> None:
    bench = nested(child())
    run(NestedPipeline, bench)
    wanted = bench.children[0]
    assert (wanted.file, wanted.inputs, wanted.inherit, wanted.timeout_s) == (None, {}, False, 300)


def test_without_outputs_the_data_are_the_values_of_the_childs_steps() -> None:
    outcome = run(NestedPipeline, nested(child()))
    assert outcome.data == {"calc": {"items": [1, 5], "k": "v"}, "say": "hi", "a-b": 9}
    assert outcome.metadata == {"steps": records}


def test_the_childs_own_outputs_come_before_its_values_and_after_those_asked_for() -> None:
    declared = child(outputs={"o": 1})
    assert run(NestedPipeline, nested(declared)).data == {"o": 1}
    assert run(NestedPipeline, nested(declared, outputs=["say"])).data == {"say": "hi"}


def test_outputs_are_steps_paths_and_aliases_in_a_list_or_a_map() -> None:
    listed = ["say", "a-b", {"path": "calc.items[1]", "as": "last"}, {"path": "calc.k"}]
    assert run(NestedPipeline, nested(child(), outputs=listed)).data == {
        "say": "hi",
        "a-b": 9,
        "last": 5,
        "k": "v",
    }
    mapped = {"first": "calc.items[0]"}
    assert run(NestedPipeline, nested(child(), outputs=mapped)).data == {"first": 1}


def test_an_output_that_is_not_there_names_step_and_path() -> None:
    with pytest.raises(ExpressionError, match=r"step 's', field 'outputs': calc\.none") as failure:
        run(NestedPipeline, nested(child(), outputs=["calc.none"]))
    assert failure.value.code == "undefined_reference"


def test_a_failed_child_fails_the_step_and_keeps_what_it_gathered() -> None:
    error = ErrorRecord(code="echo_failed", message="s/x: no", path="s/x")
    outcome = run(NestedPipeline, nested(child(error=error)))
    assert outcome.failure == error
    assert outcome.data == {"calc": {"items": [1, 5], "k": "v"}, "say": "hi", "a-b": 9}


inline = PipelineSpec(name="inner", steps=(), fields={})


@pytest.mark.parametrize(
    ("fields", "inside", "codes"),
    [
        ({"pipeline_file": "a.yaml"}, None, []),
        ({}, inline, []),
        ({"pipeline_file": "a.yaml"}, inline, ["conflicting_fields"]),
        ({}, None, ["missing_field"]),
    ],
)
def test_a_pipeline_step_names_exactly_one_child(
    fields: Any, inside: PipelineSpec | None, codes: list[str]
) -> None:
    step = StepSpec(name="s", type="pipeline", path="p", fields=fields, child=inside)
    assert [finding.code for finding in NestedPipeline.shape.check(step)] == codes
