"""Tasks: bounded, in order, each with its own options, record and file, and what their failures mean."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.spec.model import Effect
from pipex_core.steps.fanout import ClaudeBatch, ParallelClaude
from tests.fakes.steps import spec
from tests.fakes.world import World, problems_of

echoing = {"responses": [{"echo": True}]}


def workflow(steps: str, *, head: str = "") -> str:
    indented = "".join(f"    {line}\n" for line in steps.strip("\n").splitlines())
    return f"workflow:\n  name: w\n{head}  steps:\n{indented}"


def run(steps: str, *, head: str = "", mock: Any = echoing, **files: str) -> dict[str, Any]:
    world = World(mock, files={name.replace("_", "."): text for name, text in files.items()})
    return world.run(workflow(steps, head=head)).as_json()


def problems(steps: str) -> list[str]:
    with pytest.raises(SpecError) as wrong:
        World().plan(workflow(steps))
    return problems_of(wrong.value)


def record_of(shown: Mapping[str, Any]) -> Any:
    assert shown["error"] is None, shown["error"]
    return shown["steps"]["team"]


parallel = """
- name: team
  type: parallel_claude
  parallel_tasks:
    - {id: a, prompt: "say a"}
    - {prompt: "say b"}
    - {task_id: c, prompt: "no", condition: "false"}
"""


def test_values_are_read_by_id_and_text_holds_them_in_order() -> None:
    record = record_of(run(parallel))
    assert record["data"] == {"a": "say a", "task_1": "say b", "c": None}
    assert record["text"] == "## a\nsay a\n\n## task_1\nsay b\n\n## c\n"
    tasks = record["metadata"]["tasks"]
    assert list(tasks) == ["a", "task_1", "c"]
    assert (tasks["a"]["type"], tasks["a"]["status"], tasks["c"]["status"]) == (
        "parallel_claude",
        "succeeded",
        "skipped",
    )


def test_a_later_step_reads_a_task_by_its_id_and_by_its_record() -> None:
    steps = (
        parallel
        + """
- {name: use, type: echo, value: "{{team.a}} {{steps.team.metadata.tasks.task_1.result}}"}
"""
    )
    shown = run(
        steps, mock={"responses": [{"when": {"contains": "say b"}, "json": [1]}, {"echo": True}]}
    )
    assert shown["steps"]["use"]["text"] == "say a [1]"


def test_a_task_has_options_prompt_parts_file_and_schema_of_its_own() -> None:
    steps = """
- name: team
  type: parallel_claude
  claude_options: {model: haiku, temperature: 0.5, system_prompt: "be {{mood}}"}
  parallel_tasks:
    - {id: plain, prompt: [{type: static, content: "one {{mood}}"}, {type: file, path: notes.txt}]}
    - id: own
      prompt: two
      file: notes.txt
      claude_options: {model: opus}
      output_schema: {type: object, required: [n], properties: {n: {type: integer, minimum: 3}}}
"""
    world = World(None, files={"notes.txt": "NOTES"})
    shown = world.run(workflow(steps, head="  variables: {mood: kind}\n")).as_json()
    assert record_of(shown)["data"]["own"] == {"n": 3}
    one, two = world.provider.sent
    assert (one.prompt, one.model, one.system) == (
        "one kind\nNOTES",
        "claude-haiku-5-5",
        "be kind",
    )
    assert (two.prompt, two.model, two.options["temperature"]) == (
        "two\nNOTES",
        "claude-opus-5-5",
        0.5,
    )
    assert [request.origin.path for request in world.provider.sent] == ["team/plain", "team/own"]
    assert one.origin.step_type == "parallel_claude"


def test_never_more_tasks_than_allowed_are_in_flight() -> None:
    tasks = "".join(f'    - {{id: t{i}, prompt: "{i}"}}\n' for i in range(7))
    steps = f"""
- name: team
  type: parallel_claude
  max_parallel: 3
  parallel_tasks:
{tasks}"""
    world = World({"responses": [{"echo": True, "latency_ms": 1000}]})
    shown = world.run(workflow(steps)).as_json()
    assert list(record_of(shown)["data"]) == [f"t{i}" for i in range(7)]
    # 7 tasks of a second, three at a time
    assert record_of(shown)["duration_ms"] == 3000


def test_replies_in_turn_are_given_in_the_order_of_the_tasks() -> None:
    tasks = "".join(f'    - {{id: t{i}, prompt: "same"}}\n' for i in range(6))
    steps = f"""
- name: team
  type: parallel_claude
  max_parallel: 2
  parallel_tasks:
{tasks}"""
    mock = {"responses": [{"replies": [f"r{i}" for i in range(6)], "latency_ms": 100}]}
    data = record_of(run(steps, mock=mock))["data"]
    assert list(data.values()) == [f"r{i}" for i in range(6)]


batch = """
- name: team
  type: claude_batch
  retry: {max_retries: 0}
  FAIL
  tasks:
    - {task_id: good, prompt: good}
    - {task_id: bad, prompt: bad}
    - {task_id: late, prompt: late, timeout_seconds: 2}
    - {task_id: none, prompt: none, condition: "false"}
"""
mixed = {
    "responses": [
        {"when": {"contains": "bad"}, "error": {"kind": "auth", "message": "no key"}},
        {"when": {"contains": "late"}, "reply": "x", "latency_ms": 3000},
        {"echo": True, "cost": 0.25},
    ]
}


def test_a_batch_reports_on_each_task() -> None:
    record = record_of(run(batch.replace("FAIL", "fail_on: none"), mock=mixed))
    data = record["data"]
    assert [one["status"] for one in data["batch_results"]] == [
        "success",
        "error",
        "timeout",
        "skipped",
    ]
    assert data["batch_results"][0] == {
        "task_id": "good",
        "status": "success",
        "text": "good",
        "data": None,
        "error": None,
        "cost_usd": 0.25,
        "duration_ms": 0,
    }
    assert data["batch_results"][1]["error"]["message"] == "no key"
    assert data["batch_results"][2]["duration_ms"] == 2000
    counts = {name: data[name] for name in ("total_tasks", "successful_tasks", "failed_tasks")}
    assert counts == {"total_tasks": 4, "successful_tasks": 1, "failed_tasks": 2}
    assert record["text"].startswith("## good\ngood\n\n## bad\nerror: no key\n\n## late\nerror: ")
    assert record["cost_usd"] == 0.25


@pytest.mark.parametrize(
    ("rule", "code"), [("fail_on: any", "task_failed"), ("", "task_failed"), ("fail_on: all", None)]
)
def test_which_failed_tasks_fail_the_step_is_said_by_the_step(rule: str, code: str | None) -> None:
    shown = run(batch.replace("FAIL", rule), mock=mixed)
    assert (shown["error"] and shown["error"]["code"]) == code
    if code is not None:
        assert shown["error"]["message"] == "2 of 3 tasks failed; bad: no key"
        assert shown["error"]["path"] == "team/bad"
    assert shown["steps"]["team"]["data"]["successful_tasks"] == 1


def test_a_step_whose_tasks_all_failed_fails_under_all() -> None:
    steps = """
- name: team
  type: parallel_claude
  fail_on: all
  parallel_tasks: [{id: a, prompt: x}, {id: b, prompt: y, condition: "false"}]
"""
    mock = {"responses": [{"error": {"kind": "auth"}}]}
    assert run(steps, mock=mock)["error"]["code"] == "task_failed"
    # Nothing that ran failed.
    skipped = steps.replace("id: a, prompt: x", 'id: a, prompt: x, condition: "false"')
    assert run(skipped, mock=mock)["error"] is None


def test_a_batch_of_one_prompt_has_one_task_and_its_own_time_limit() -> None:
    steps = """
- name: team
  type: claude_batch
  prompt: "just {{1 + 1}}"
  batch_config: {timeout_per_task: 500, consolidate_results: false}
  fail_on: none
"""
    record = record_of(run(steps))
    assert record["text"] == ""
    assert record["data"]["batch_results"][0]["task_id"] == "task_0"
    assert record["data"]["batch_results"][0]["text"] == "just 2"
    late = record_of(run(steps, mock={"responses": [{"reply": "x", "latency_ms": 501}]}))
    assert late["data"]["batch_results"][0]["status"] == "timeout"


def test_the_prompt_of_the_step_stands_before_that_of_each_task() -> None:
    steps = """
- name: team
  type: claude_batch
  prompt: [{type: static, content: "Field:"}]
  tasks: [{id: a, prompt: math}, {id: b, prompt: [{type: static, content: law}]}]
"""
    results = record_of(run(steps))["data"]["batch_results"]
    assert [one["text"] for one in results] == ["Field:\nmath", "Field:\nlaw"]


def test_each_task_is_retried_by_the_rule_of_the_step_and_the_step_is_not() -> None:
    steps = """
- name: team
  type: parallel_claude
  retry: {max_retries: 2, jitter: false, retry_on: [overloaded]}
  parallel_tasks: [{id: a, prompt: a}, {id: b, prompt: b}]
"""
    mock = {
        "responses": [
            {"when": {"contains": "a"}, "replies": [{"error": {"kind": "overloaded"}}, "ok"]},
            {"error": {"kind": "overloaded", "message": "overloaded"}},
        ]
    }
    shown = run(steps, mock=mock)
    tasks = shown["steps"]["team"]["metadata"]["tasks"]
    assert (tasks["a"]["attempts"], tasks["b"]["attempts"]) == (2, 3)
    assert (shown["calls"], shown["steps"]["team"]["attempts"]) == (5, 1)


def test_what_the_step_gives_is_checked_by_its_own_schema() -> None:
    steps = """
- name: team
  type: parallel_claude
  output_schema: {type: object, required: [a, b]}
  parallel_tasks: [{id: a, prompt: x}]
"""
    shown = run(steps)
    assert shown["error"]["code"] == "output_schema_failed"
    assert shown["steps"]["team"]["data"] == {"a": "x"}


def test_a_budget_ends_the_run_whatever_the_step_makes_of_failed_tasks() -> None:
    steps = """
- name: team
  type: parallel_claude
  fail_on: none
  on_failure: continue
  max_parallel: 1
  parallel_tasks: [{id: a, prompt: a}, {id: b, prompt: b}, {id: c, prompt: c}]
"""
    shown = run(steps, head="  budget: {max_calls: 1}\n")
    assert (shown["error"]["code"], shown["error"]["path"]) == ("budget_exceeded", "team/b")
    assert list(shown["steps"]["team"]["data"]) == ["a", "b"]
    assert shown["calls"] == 1


def test_a_deadline_of_the_step_keeps_the_tasks_that_were_done() -> None:
    steps = """
- name: team
  type: parallel_claude
  timeout_seconds: 1.5
  max_parallel: 1
  parallel_tasks: [{id: a, prompt: a}, {id: b, prompt: b}]
"""
    shown = run(steps, mock={"responses": [{"echo": True, "latency_ms": 1000}]})
    assert shown["error"]["code"] == "timeout"
    assert shown["steps"]["team"]["data"] == {"a": "a"}


def test_the_files_of_tasks_are_files_of_the_run() -> None:
    steps = """
- name: team
  type: claude_batch
  tasks: [{id: b, prompt: x, output_to_file: "{{1 + 1}}.txt"}, {id: a, prompt: y, output_to_file: a.txt}]
"""
    assert run(steps)["files"] == ["2.txt", "a.txt"]


@pytest.mark.parametrize(
    ("steps", "codes"),
    [
        ("- {name: t, type: parallel_claude}", ["missing_field"]),
        ("- {name: t, type: parallel_claude, parallel_tasks: []}", ["out_of_range"]),
        ("- {name: t, type: claude_batch}", ["missing_field"]),
        ("- {name: t, type: claude_batch, tasks: [{id: a}]}", ["missing_field"]),
        (
            "- {name: t, type: claude_batch, tasks: [{id: a, prompt: x}, {task_id: a, prompt: y}]}",
            ["duplicate_step"],
        ),
        (
            (
                "- {name: t, type: parallel_claude, fail_on: some, max_parallel: 0,"
                " parallel_tasks: [{id: a, prompt: '{{ 1 + }}'}]}"
            ),
            ["out_of_range", "unknown_value"],
        ),
        (
            (
                "- {name: t, type: claude_batch, tasks: [{id: a, prompt: '{{steps.late.text}}'}]}\n"
                "- {name: late, type: echo}"
            ),
            ["forward_reference"],
        ),
        ("- {name: t, type: claude_batch, tasks: {a: 1}}", ["wrong_type"]),
    ],
)
def test_what_cannot_run_is_refused_when_it_is_loaded(steps: str, codes: list[str]) -> None:
    assert sorted(problems(steps)) == sorted(codes)


def test_an_unknown_tool_of_a_task_is_told_with_its_place() -> None:
    steps = """
- name: t
  type: claude_batch
  preset: chat
  tasks: [{id: a, prompt: x, claude_options: {allowed_tools: [Raed]}}]
"""
    found = World().plan(workflow(steps)).warnings
    path = "workflow.steps[0].tasks[0].claude_options.allowed_tools[0]"
    assert [(one.code, one.path, one.suggestion) for one in found] == [
        ("unknown_tool", path, "Read")
    ]


def test_what_tasks_touch_is_what_the_step_touches() -> None:
    tasks = [
        {"prompt": [{"type": "file", "path": "x"}], "output_to_file": "a.txt"},
        {"prompt": "p", "file": "y", "output_to_file": "{{n}}.txt"},
        {"prompt": "p", "claude_options": {"allowed_tools": ["Write"]}},
        {"prompt": "p", "claude_options": {"allowed_tools": "{{tools}}"}},
    ]
    found = list(ParallelClaude.shape.effects(spec("parallel_claude", parallel_tasks=tasks)))
    read, write = Effect(kind="workspace"), Effect(kind="workspace", writes=True)
    assert found == [
        Effect(kind="output", name="a.txt", writes=True),
        read,
        Effect(kind="output", name="*", writes=True),
        read,
        write,
        write,
    ]
    assert list(ClaudeBatch.shape.effects(spec("claude_batch", tasks="wrong"))) == []
