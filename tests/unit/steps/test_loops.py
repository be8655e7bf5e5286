"""Loops: what an iteration sees, what it leaves behind, what ends a loop, and what its data says."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from pipex_core.errors import SpecError
from pipex_core.spec.model import FieldShape, StepShape
from pipex_core.steps.blocks import in_order
from pipex_core.steps.contract import Outcome, StepContext
from tests.fakes.world import World, problems_of

echoing = {"responses": [{"echo": True}]}


def run(steps: str, *, head: str = "", mock: Any = echoing, **inputs: Any) -> dict[str, Any]:
    """The run of a workflow whose steps stand in ``steps``, as JSON."""
    return World(mock).run(workflow(steps, head=head), inputs).as_json()


def workflow(steps: str, *, head: str = "") -> str:
    indented = "".join(f"    {line}\n" for line in steps.strip("\n").splitlines())
    return f"workflow:\n  name: w\n{head}  steps:\n{indented}"


def data_of(shown: Mapping[str, Any], name: str = "each") -> Any:
    assert shown["error"] is None, shown["error"]
    return shown["steps"][name]["data"]


def problems(steps: str, *, head: str = "") -> list[str]:
    with pytest.raises(SpecError) as wrong:
        World().plan(workflow(steps, head=head))
    return problems_of(wrong.value)


# -- items


@pytest.mark.parametrize(
    ("source", "outputs"),
    [
        ("[1, 2]", [1, 2]),
        ("'[3, 4]'", [3, 4]),
        ("'{{ inputs.list }}'", ["x", "y"]),
        ("inputs.list", ["x", "y"]),
        ("['{{ inputs.list[0] }}', b]", ["x", "b"]),
        ("range(2)", [0, 1]),
        ("[]", []),
    ],
)
def test_items_are_a_list_an_expression_or_a_template(source: str, outputs: list[Any]) -> None:
    steps = f"""
- name: each
  type: for_loop
  data_source: {source}
  steps: [{{name: one, type: echo, value: "{{{{item}}}}"}}]
"""
    head = "  inputs: {list: {default: [x, y]}}\n"
    assert data_of(run(steps, head=head))["outputs"] == outputs


def test_an_inner_loop_goes_over_a_field_of_the_outer_item() -> None:
    steps = """
- name: each
  type: for_loop
  iterator: row
  items: [{cells: [1, 2]}, {cells: [3]}]
  steps:
    - name: cells
      type: for_loop
      iterator: cell
      data_source: "row:cells"
      steps: [{name: one, type: echo, value: "{{cell * 10}}"}]
"""
    iterations = data_of(run(steps))["iterations"]
    found = [one["results"]["cells"]["data"]["outputs"] for one in iterations]
    assert found == [[10, 20], [30]]


@pytest.mark.parametrize("source", ["7", "{{inputs.map}}", "inputs.none", "'text'"])
def test_items_that_are_no_list_are_a_type_error(source: str) -> None:
    steps = f"""
- name: each
  type: for_loop
  data_source: "{source}"
  steps: [{{name: a, type: echo}}]
"""
    shown = run(steps, head="  inputs: {none: {default: null}, map: {default: {a: 1}}}\n")
    assert shown["error"]["code"] == "type_error"
    assert "a list is needed" in shown["error"]["message"]


def test_more_items_than_allowed_are_refused_before_the_first_one() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: range(4)
  max_items: 3
  steps: [{name: one, type: claude, prompt: x}]
"""
    shown = run(steps)
    assert (shown["error"]["code"], shown["calls"]) == ("limit_exceeded", 0)


# -- names


def test_loop_tells_the_place_and_the_enclosing_loop() -> None:
    steps = """
- name: each
  type: for_loop
  iterator: row
  data_source: [a, b]
  steps:
    - name: inner
      type: for_loop
      data_source: [x]
      steps:
        - name: see
          type: echo
          value: "{{loop}}"
"""
    last = data_of(run(steps))["iterations"][1]["results"]["inner"]["data"]["outputs"][0]
    outer = {
        "row": "b",
        "item": "b",
        "index": 1,
        "number": 2,
        "total": 2,
        "length": 2,
        "first": False,
        "is_first": False,
        "last": True,
        "is_last": True,
        "level": 1,
        "parent": None,
    }
    assert last == {
        "item": "x",
        "index": 0,
        "number": 1,
        "total": 1,
        "length": 1,
        "first": True,
        "is_first": True,
        "last": True,
        "is_last": True,
        "level": 2,
        "parent": outer,
    }


def test_a_body_sees_its_own_iteration_and_what_the_loop_sees_and_nothing_of_other_iterations() -> (
    None
):
    steps = """
- {name: before, type: echo, value: B}
- name: each
  type: for_loop
  data_source: [1, 2]
  steps:
    - {name: late, type: echo, condition: "item == 2", value: "{{steps.before.text}}"}
    - {name: show, type: echo, value: "{{late.text | default('none')}}{{exists(show)}}"}
"""
    # A step that names itself is refused when the file is loaded.
    assert problems(steps) == ["forward_reference"]
    steps = steps.replace("{{exists(show)}}", "")
    assert data_of(run(steps))["outputs"] == ["none", "B"]


def test_a_loop_inside_a_child_pipeline_is_the_outermost_one_there() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1]
  steps:
    - name: child
      type: pipeline
      pipeline:
        name: inner
        steps:
          - name: again
            type: for_loop
            data_source: [5]
            steps: [{name: see, type: echo, value: "{{loop.level}} {{loop.parent | default('alone')}}"}]
"""
    iterations = data_of(run(steps))["iterations"]
    child = iterations[0]["results"]["child"]["data"]
    assert child["again"]["outputs"] == ["1 alone"]


# -- variables


def test_global_variables_outlive_the_iteration_and_loop_variables_do_not() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2, 3]
  steps:
    - {name: total, type: set_variable, variables: {sum: "{{sum + item}}"}}
    - {name: own, type: set_variable, scope: loop, variables: {twice: "{{(twice | default(0)) + item}}"}}
    - {name: show, type: echo, value: "{{sum}}/{{twice}}"}
"""
    shown = run(steps, head="  variables: {sum: 0}\n")
    assert data_of(shown)["outputs"] == ["1/1", "3/2", "6/3"]
    assert shown["variables"] == {"sum": 6}


def test_a_loop_variable_is_nearer_than_a_global_one_and_inner_loops_see_it() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1]
  steps:
    - {name: near, type: set_variable, scope: loop, variables: {v: near}}
    - {name: far, type: set_variable, variables: {v: far}}
    - name: inner
      type: while_loop
      condition: "loop.number < 2"
      steps: [{name: see, type: echo, value: "{{v}}"}]
- {name: after, type: echo, value: "{{v}}"}
"""
    shown = run(steps, head="  variables: {v: start}\n")
    inner = data_of(shown)["iterations"][0]["results"]["inner"]
    assert inner["data"]["outputs"] == ["near"]
    assert shown["steps"]["after"]["text"] == "far"


def test_a_loop_variable_set_in_a_branch_belongs_to_the_iteration_around_it() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [a, b]
  steps:
    - name: pick
      type: switch
      expression: item
      cases: {a: [{name: set, type: set_variable, scope: loop, variables: {seen: "{{item}}"}}]}
    - {name: show, type: echo, value: "{{seen | default('none')}}"}
"""
    assert data_of(run(steps))["outputs"] == ["a", "none"]


def test_a_failed_loop_leaves_the_variables_that_it_wrote() -> None:
    steps = """
- name: each
  type: for_loop
  on_failure: continue
  data_source: [1, 2, 3]
  steps:
    - {name: set, type: set_variable, variables: {n: "{{item}}"}}
    - {name: stop, type: echo, fail: "{{item == 2}}"}
- {name: after, type: echo, value: "{{n}}"}
"""
    assert run(steps, head="  variables: {n: 0}\n")["steps"]["after"]["data"] == 2


# -- ends


def test_break_ends_the_loop_also_from_inside_a_branch() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2, 3]
  steps:
    - {name: keep, type: echo, value: "{{item}}"}
    - name: pick
      type: switch
      expression: item
      cases: {2: [{name: stop, type: break}, {name: never, type: echo, value: x}]}
    - {name: tail, type: echo, value: "t{{item}}"}
"""
    data = data_of(run(steps))
    assert data["stopped"] == "break"
    assert [list(one["results"]) for one in data["iterations"]] == [
        ["keep", "pick", "tail"],
        ["keep", "pick"],
    ]
    assert list(data["iterations"][1]["results"]["pick"]["data"]["results"]) == ["stop"]
    assert data["completed_items"] == 2


def test_break_ends_the_innermost_loop_only() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2]
  steps:
    - name: inner
      type: for_loop
      data_source: [1, 2, 3]
      steps: [{name: stop, type: break, condition: "item == 2"}]
"""
    data = data_of(run(steps))
    assert (data["stopped"], data["completed_items"]) == (None, 2)
    assert data["iterations"][0]["results"]["inner"]["data"]["stopped"] == "break"


def test_continue_ends_the_iteration_and_the_break_condition_is_asked_after_it() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2, 3, 4]
  break_condition: "item == 3"
  steps:
    - {name: keep, type: echo, value: "{{item}}"}
    - {name: skip, type: continue, condition: "item > 1"}
    - {name: tail, type: echo, value: tail}
"""
    data = data_of(run(steps))
    assert data["outputs"] == ["tail", None, None]
    assert (data["stopped"], data["completed_items"]) == ("break", 3)


def test_a_skipped_item_is_absent_from_the_completed_ones() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2, 3]
  continue_condition: "loop.is_last or undefined_name"
  steps: [{name: keep, type: echo, value: "{{item}}"}]
"""
    data = data_of(run(steps))
    assert data["completed_items"] == 2
    assert data["iterations"][2] == {
        "index": 2,
        "item": 3,
        "success": True,
        "skipped": True,
        "results": {},
        "error": None,
    }


def test_the_break_condition_sees_records_results_and_variables_of_the_body() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2, 3, 4]
  break_condition: "double.result >= 4 and rows[0] == item and own == item and total == 3"
  steps:
    - {name: double, type: echo, value: "{{item * 2}}"}
    - {name: t, type: data_transform, input_source: ["{{item}}"], operations: [], output_field: rows}
    - {name: set, type: set_variable, variables: {total: "{{total + item}}"}}
    - {name: local, type: set_variable, scope: loop, variables: {own: "{{item}}"}}
"""
    assert len(data_of(run(steps, head="  variables: {total: 0}\n"))["iterations"]) == 2


def test_a_failing_iteration_is_told_with_its_place_and_keeps_what_was_gathered() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [a, b, c]
  steps: [{name: one, type: echo, value: "{{item}}", fail: "{{item == 'b'}}", error_message: no b}]
"""
    shown = run(steps)
    assert shown["error"] == {
        "code": "iteration_failed",
        "message": "iteration 1 failed: no b",
        "step": "each",
        "path": "each[1]/one",
        "retryable": False,
    }
    data = shown["steps"]["each"]["data"]
    assert data["outputs"] == ["a", None]
    assert data["iterations"][1]["error"] == {
        "code": "echo_failed",
        "message": "no b",
        "retryable": False,
        "path": "each[1]/one",
    }


def test_errors_are_collected_and_fail_the_step_in_the_end() -> None:
    steps = """
- name: each
  type: for_loop
  break_on_error: false
  data_source: [1, 2, 3]
  steps: [{name: one, type: echo, value: "{{item}}", fail: "{{item < 3}}"}]
"""
    shown = run(steps)
    assert shown["error"]["code"] == "iteration_failed"
    data = shown["steps"]["each"]["data"]
    assert (data["failed_items"], data["completed_items"], data["stopped"]) == (2, 1, None)


def test_collected_errors_of_an_optional_loop_are_told_once() -> None:
    steps = """
- name: each
  type: for_loop
  break_on_error: false
  on_failure: continue
  data_source: [1, 2, 3]
  steps: [{name: one, type: echo, value: "{{item}}", fail: "{{item < 3}}"}]
"""
    shown = run(steps)
    assert (shown["status"], shown["steps"]["each"]["degraded"]) == ("succeeded", True)
    assert [(one["code"], one["step"]) for one in shown["warnings"]] == [
        ("iteration_failed", "each")
    ]
    assert "2 of 3 iterations failed" in shown["warnings"][0]["message"]


def test_an_optional_body_step_fails_no_iteration() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [1, 2]
  steps:
    - {name: maybe, type: echo, fail: true, optional: true}
    - {name: value, type: echo, value: "{{maybe.error.code}}"}
"""
    data = data_of(run(steps))
    assert data["outputs"] == ["echo_failed", "echo_failed"]
    assert data["completed_items"] == 2


@pytest.mark.parametrize("parallel", ["false", "true"])
def test_a_budget_ends_the_run_whatever_the_loop_makes_of_failures(parallel: str) -> None:
    steps = f"""
- name: each
  type: for_loop
  break_on_error: false
  on_failure: continue
  parallel: {parallel}
  max_parallel: 1
  data_source: range(9)
  steps: [{{name: ask, type: claude, prompt: "q{{{{item}}}}"}}]
- {{name: after, type: echo, value: never}}
"""
    shown = run(steps, head="  budget: {max_calls: 2}\n")
    assert shown["error"]["code"] == "budget_exceeded"
    assert (shown["error"]["step"], shown["error"]["path"]) == ("each", "each[2]/ask")
    assert (shown["calls"], shown["order"]) == (2, ["each"])
    data = shown["steps"]["each"]["data"]
    assert data["outputs"] == ["q0", "q1", None]
    assert data["stopped"] == "error"


def test_steps_of_all_iterations_count_against_the_limit_of_the_run() -> None:
    steps = """
- name: each
  type: for_loop
  on_failure: continue
  data_source: range(100)
  steps: [{name: one, type: echo, value: x}]
"""
    shown = run(steps, head="  resource_limits: {max_total_steps: 10}\n")
    assert shown["error"]["code"] == "limit_exceeded"
    assert len(shown["steps"]["each"]["data"]["iterations"]) == 10


def test_a_deadline_keeps_the_iterations_that_were_done() -> None:
    steps = """
- name: each
  type: for_loop
  timeout_seconds: 2.5
  data_source: range(5)
  steps: [{name: ask, type: claude, prompt: "{{item}}"}]
"""
    for how in ("", "  parallel: true\n  max_parallel: 1\n"):
        text = steps.replace("  timeout", f"{how}  timeout")
        shown = run(text, mock={"responses": [{"echo": True, "latency_ms": 1000}]})
        assert shown["error"]["code"] == "timeout"
        assert shown["steps"]["each"]["data"]["outputs"] == ["0", "1"]


def test_costs_tokens_and_files_of_all_iterations_are_those_of_the_step() -> None:
    steps = """
- name: each
  type: for_loop
  data_source: [bb, a]
  steps: [{name: ask, type: claude, prompt: "{{item}}", output_to_file: "{{item}}.txt"}]
"""
    mock = {"responses": [{"reply": "x", "cost": 0.5, "tokens": {"input": 3, "output": 2}}]}
    shown = run(steps, mock=mock)
    record = shown["steps"]["each"]
    assert (record["cost_usd"], record["tokens"]) == (1.0, {"input": 6, "output": 4})
    assert shown["files"] == ["a.txt", "bb.txt"]


def test_a_loop_is_skipped_by_its_condition_and_retried_as_a_whole() -> None:
    steps = """
- {name: each, type: for_loop, condition: "false", data_source: [1], steps: [{name: a, type: echo}]}
- name: again
  type: for_loop
  retry: {max_retries: 1, retry_on: [iteration_failed], jitter: false}
  data_source: [1]
  steps: [{name: b, type: claude, prompt: x, retry: {max_retries: 0}}]
"""
    mock = {"responses": [{"replies": [{"error": {"kind": "auth"}}, "good"]}]}
    shown = run(steps, mock=mock)
    assert shown["steps"]["each"]["skipped"]
    assert shown["steps"]["again"]["attempts"] == 2
    assert data_of(shown, "again")["outputs"] == ["good"]


# -- at the same time


class Gauge:
    """Counts how many of it work at the same time."""

    now: ClassVar[Counter[str]] = Counter()
    shape = StepShape(type="gauge", summary="Work.", fields={"wait": FieldShape(types=("num",))})

    async def run(self, ctx: StepContext) -> Outcome:
        self.now["in work"] += 1
        self.now["most"] = max(self.now["most"], self.now["in work"])
        await ctx.clock.sleep(ctx.rendered("wait", 1))
        self.now["in work"] -= 1
        return Outcome(text=ctx.path)


@pytest.mark.parametrize(
    ("setting", "most"), [("", 5), ("max_parallel: 2,", 2), ("max_parallel: 64,", 20)]
)
def test_never_more_iterations_than_allowed_are_in_work(setting: str, most: int) -> None:
    Gauge.now.clear()
    steps = f"""
- {{name: each, type: for_loop, parallel: true, {setting} data_source: range(20),
   steps: [{{name: g, type: gauge, wait: "{{{{20 - item}}}}"}}]}}
"""
    shown = World(steps={"gauge": Gauge}).run(workflow(steps)).as_json()
    assert data_of(shown)["outputs"] == [f"each[{i}]/g" for i in range(20)]
    assert Gauge.now["most"] == most


def test_iterations_at_the_same_time_have_loop_variables_of_their_own() -> None:
    steps = """
- name: each
  type: for_loop
  parallel: true
  data_source: [1, 2, 3]
  steps:
    - {name: set, type: set_variable, scope: loop, variables: {v: "{{item * 10}}"}}
    - {name: wait, type: claude, prompt: "{{v}}"}
    - {name: show, type: echo, value: "{{v}}"}
"""
    assert data_of(run(steps))["outputs"] == [10, 20, 30]


def test_a_failure_starts_no_new_iteration_and_lets_the_others_finish() -> None:
    steps = """
- name: each
  type: for_loop
  parallel: true
  max_parallel: 2
  data_source: [slow, bad, never]
  steps: [{name: ask, type: claude, prompt: "{{item}}"}]
"""
    mock = {
        "responses": [
            {"when": {"contains": "bad"}, "error": {"kind": "auth", "message": "no"}},
            {"echo": True, "latency_ms": 500},
        ]
    }
    shown = run(steps, mock=mock)
    data = shown["steps"]["each"]["data"]
    assert data["outputs"] == ["slow", None]
    assert (data["stopped"], data["completed_items"], data["failed_items"]) == ("error", 1, 1)
    assert shown["calls"] == 2


def test_collected_errors_of_a_parallel_loop_are_those_of_a_serial_one() -> None:
    steps = """
- name: each
  type: for_loop
  parallel: PARALLEL
  break_on_error: false
  on_failure: continue
  data_source: [1, 2, 3, 4]
  steps: [{name: one, type: echo, value: "{{item}}", fail: "{{item % 2 == 0}}"}]
"""
    one, other = (run(steps.replace("PARALLEL", how)) for how in ("true", "false"))
    assert one["steps"]["each"]["data"] == other["steps"]["each"]["data"]


def test_work_in_order_gives_results_in_order_and_lets_errors_through() -> None:
    async def work(number: int, item: int) -> int:
        await asyncio.sleep(0)
        if item == 3:
            raise ValueError("three")
        return number * item

    assert asyncio.run(in_order([5, 6, 7], work, at_once=2)) == [0, 6, 14]
    assert asyncio.run(in_order([], work, at_once=2)) == []
    with pytest.raises(ValueError, match="three"):
        asyncio.run(in_order([1, 2, 3, 4, 5, 6], work, at_once=2))


# -- while


def test_a_condition_that_never_holds_runs_nothing() -> None:
    steps = "- {name: each, type: while_loop, condition: 'no_such_name', steps: [{name: a, type: echo}]}"
    data = data_of(run(steps))
    assert data == {
        "iterations": [],
        "outputs": [],
        "stopped": None,
        "iteration_count": 0,
        "condition_met": True,
        "max_iterations_reached": False,
    }


def test_both_conditions_see_the_records_of_the_latest_iteration() -> None:
    steps = """
- name: each
  type: while_loop
  condition: "not exists(steps.n) or n.result < 3"
  steps: [{name: n, type: echo, value: "{{loop.count}}"}]
- name: other
  type: while_loop
  condition: "true"
  break_condition: "m.result == 2"
  steps: [{name: m, type: echo, value: "{{loop.iteration}}"}]
"""
    shown = run(steps)
    assert data_of(shown)["outputs"] == [1, 2, 3]
    other = data_of(shown, "other")
    assert (other["outputs"], other["stopped"]) == ([1, 2], "break")
    assert not other["condition_met"]


def test_loop_variables_of_one_round_are_gone_when_the_condition_is_asked_again() -> None:
    steps = """
- name: each
  type: while_loop
  condition: "not exists(v)"
  max_iterations: 3
  steps: [{name: set, type: set_variable, scope: loop, variables: {v: 1}}]
"""
    shown = run(steps)
    assert data_of(shown)["max_iterations_reached"]
    assert [one["code"] for one in shown["warnings"]] == ["limit_exceeded"]


def test_a_condition_that_turns_false_just_in_time_is_met() -> None:
    steps = """
- name: each
  type: while_loop
  condition: "loop.index < 2"
  max_iterations: 2
  on_max_iterations: fail
  steps: [{name: a, type: echo, value: x}]
"""
    data = data_of(run(steps))
    assert (data["condition_met"], data["max_iterations_reached"]) == (True, False)


def test_too_many_rounds_fail_with_what_they_made_where_that_is_wanted() -> None:
    steps = """
- name: each
  type: while_loop
  condition: "true"
  max_iterations: 2
  on_max_iterations: fail
  steps: [{name: a, type: echo, value: "{{loop.index}}"}]
"""
    shown = run(steps)
    assert (shown["error"]["code"], shown["error"]["path"]) == ("limit_exceeded", "each")
    assert shown["steps"]["each"]["data"]["outputs"] == [0, 1]


def test_a_failing_round_and_a_break_step_end_a_while_loop() -> None:
    steps = """
- name: each
  type: while_loop
  condition: "true"
  steps: [{name: a, type: KIND, condition: "loop.number == 2", fail: true}]
"""
    failed = run(steps.replace("KIND", "echo"))
    assert failed["error"]["code"] == "iteration_failed"
    assert failed["steps"]["each"]["data"]["stopped"] == "error"
    broken = data_of(run(steps.replace("KIND", "break").replace(", fail: true", "")))
    assert (broken["stopped"], broken["iteration_count"]) == ("break", 2)


def test_when_skips_a_while_loop() -> None:
    steps = """
- {name: each, type: while_loop, when: "false", condition: "true", steps: [{name: a, type: echo}]}
"""
    shown = run(steps)
    assert shown["steps"]["each"]["skipped"]


def test_a_deadline_of_a_while_loop_keeps_its_rounds_and_claims_nothing() -> None:
    steps = """
- name: each
  type: while_loop
  condition: "true"
  timeout_seconds: 1.5
  steps: [{name: ask, type: claude, prompt: x}]
"""
    shown = run(steps, mock={"responses": [{"echo": True, "latency_ms": 1000}]})
    data = shown["steps"]["each"]["data"]
    assert shown["error"]["code"] == "timeout"
    assert (data["outputs"], data["condition_met"], data["max_iterations_reached"]) == (
        ["x"],
        False,
        False,
    )


# -- when a file is loaded


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ("- {name: b, type: break}", ["misplaced_step"]),
        ("- {name: c, type: continue}", ["misplaced_step"]),
        ("- {name: s, type: set_variable, scope: loop, variables: {a: 1}}", ["misplaced_step"]),
        (
            (
                "- {name: l, type: for_loop, parallel: true, data_source: [1], break_condition: 'true',"
                " continue_condition: 'true', steps: [{name: a, type: echo}]}"
            ),
            ["conflicting_fields", "conflicting_fields"],
        ),
        (
            (
                "- {name: l, type: for_loop, parallel: true, data_source: [1],"
                " steps: [{name: a, type: break}]}"
            ),
            ["conflicting_fields"],
        ),
        (
            (
                "- {name: l, type: for_loop, parallel: true, data_source: [1],"
                " steps: [{name: a, type: set_variable, variables: {x: 1}},"
                " {name: b, type: set_variable, scope: session, variables: {y: 1}},"
                " {name: c, type: set_variable, scope: loop, variables: {z: 1}}]}"
            ),
            ["parallel_write", "parallel_write"],
        ),
        ("- {name: l, type: for_loop, data_source: [1]}", ["missing_field"]),
        ("- {name: l, type: for_loop, steps: [{name: a, type: echo}]}", ["missing_field"]),
        (
            (
                "- {name: l, type: for_loop, data_source: [1], max_parallel: 65, max_items: 100001,"
                " steps: [{name: a, type: echo}]}"
            ),
            ["out_of_range", "out_of_range"],
        ),
        (
            (
                "- {name: l, type: while_loop, condition: 'true', max_iterations: 1001,"
                " on_max_iterations: stop, steps: [{name: a, type: echo}]}"
            ),
            ["out_of_range", "unknown_value"],
        ),
        (
            "- {name: l, type: for_loop, data_source: [1], steps: [{name: l, type: echo}]}",
            ["duplicate_step"],
        ),
        (
            (
                "- {name: l, type: for_loop, data_source: [1], steps: [{name: a, type: echo}]}\n"
                "- {name: m, type: echo, value: '{{steps.a.text}}'}"
            ),
            ["forward_reference"],
        ),
    ],
)
def test_what_cannot_run_is_refused_when_it_is_loaded(steps: str, codes: list[str]) -> None:
    assert problems(steps) == codes


def test_a_serial_loop_inside_a_parallel_one_may_be_broken() -> None:
    steps = """
- name: each
  type: for_loop
  parallel: true
  data_source: [1, 2]
  steps:
    - name: inner
      type: for_loop
      data_source: [1, 2]
      steps: [{name: stop, type: break}]
"""
    iterations = data_of(run(steps))["iterations"]
    assert [one["results"]["inner"]["data"]["stopped"] for one in iterations] == ["break", "break"]


def test_a_field_of_old_files_is_said_to_change_nothing() -> None:
    steps = "- {name: l, type: for_loop, data_source: [1], batch_size: 9, steps: [{name: a, type: echo}]}"
    plan = World().plan(workflow(steps))
    assert [problem.code for problem in plan.warnings] == ["ignored_field"]
