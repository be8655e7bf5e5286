"""Whole runs: order, inputs, budgets, limits, children, stopping, and the result document."""

import asyncio
from typing import Any

import pytest

from pipex_core.engine.journal import open_journal
from pipex_core.engine.records import RunResult
from pipex_core.engine.runner import RunOptions, budget_of, run_plan
from pipex_core.errors import ConfigError, SpecError, StoreError
from pipex_core.llm.cost import Budget, Ledger
from tests.fakes.journals import BreakableJournals, NoFaults
from tests.fakes.world import World, problems_of


def run(text: str, world: World | None = None, **options: Any) -> dict[str, Any]:
    return (world or World({"responses": [{"echo": True}]})).run(text, **options).as_json()


def test_the_result_document_has_all_fields() -> None:
    text = """
workflow:
  name: w
  inputs: {who: {default: you}}
  variables: {n: 1}
  steps:
    - {name: a, type: claude, prompt: "hi {{who}}", output_to_file: z.txt}
    - {name: b, type: set_variable, variables: {n: "{{n + 1}}"}}
  outputs: {said: "a.text", n: "{{vars.n}}"}
"""
    document = run(text)
    assert {key: value for key, value in document.items() if key != "steps"} == {
        "schema": "pipex.run/1",
        "run_id": "run1",
        "workflow": "w",
        "status": "succeeded",
        "success": True,
        "started_at": "2026-11-23T12:00:00+00:00",
        "finished_at": "2026-11-23T12:00:00+00:00",
        "duration_ms": 0,
        "inputs": {"who": "you"},
        "order": ["a", "b"],
        "variables": {"n": 2},
        "outputs": {"said": "hi you", "n": 2},
        "files": ["z.txt"],
        "cost_usd": 0.0,
        "tokens": {"input": 2, "output": 2},
        "calls": 1,
        "error": None,
        "warnings": [],
    }


def test_inputs_that_do_not_fit_are_refused_before_anything_happens() -> None:
    world = World()
    text = "workflow: {name: w, inputs: {a: {type: integer}}, steps: [{name: s, type: echo}]}"
    for given, code in (({}, "missing_input"), ({"a": "x"}, "invalid_input")):
        with pytest.raises(SpecError) as refusal:
            world.run(text, given)
        assert problems_of(refusal.value) == [code]
    assert list(world.journals.runs()) == []


def test_an_input_replaces_the_initial_value_of_a_variable() -> None:
    text = """
workflow:
  name: w
  variables: {n: 1, m: 2}
  steps: [{name: a, type: echo, value: "{{vars.n}} {{vars.m}}"}]
"""
    result = World().run(text, {"n": 5})
    assert result.steps["a"].text == "5 2"


def test_names_of_the_run_are_those_of_its_start() -> None:
    value = "{{timestamp}} {{date}} {{run_id}} {{run.id}} {{workflow.name}} {{step.name}}"
    document = run(f"workflow: {{name: w, steps: [{{name: a, type: echo, value: '{value}'}}]}}")
    assert document["steps"]["a"]["text"] == "20261123T120000Z 2026-11-23 run1 run1 w a"


def test_an_output_without_a_value_fails_the_run() -> None:
    document = run("workflow: {name: w, steps: [{name: a, type: echo}], outputs: {x: a.y.z}}")
    assert document["status"] == "failed"
    assert document["error"]["code"] == "undefined_reference"
    assert "output 'x'" in document["error"]["message"]
    assert document["error"]["step"] is None


# -- order


dag = """
workflow:
  name: w
  execution: dag
  max_concurrency: {most}
  steps:
    - {{name: slow, type: claude, prompt: slow}}
    - {{name: quick, type: claude, prompt: quick}}
    - {{name: after, type: echo, value: "{{{{quick.text}}}}"}}
    - {{name: last, type: echo, value: "{{{{slow.text}}}} {{{{after.text}}}}"}}
"""
slow_mock = {
    "responses": [
        {"when": {"contains": "slow"}, "reply": "s", "latency_ms": 5000},
        {"when": {"contains": "quick"}, "reply": "q", "latency_ms": 10},
    ]
}


@pytest.mark.parametrize("most", [1, 2, 8])
def test_results_do_not_depend_on_how_many_steps_run_at_once(most: int) -> None:
    document = run(dag.format(most=most), World(slow_mock))
    assert list(document["steps"]) == ["slow", "quick", "after", "last"]
    assert document["steps"]["last"]["text"] == "s q"
    assert document["duration_ms"] == (5010 if most == 1 else 5000)


def test_ready_steps_start_in_file_order() -> None:
    document = run(dag.format(most=2), World(slow_mock))
    assert document["order"] == ["slow", "quick", "after", "last"]


def test_never_more_steps_than_allowed_are_in_flight() -> None:
    steps = "".join(f"\n    - {{name: s{i}, type: claude, prompt: slow}}" for i in range(6))
    text = f"workflow:\n  name: w\n  execution: dag\n  max_concurrency: 4\n  steps:{steps}\n"
    assert run(text, World(slow_mock))["duration_ms"] == 10_000
    assert run(text, World(slow_mock), max_concurrency=3)["duration_ms"] == 10_000
    assert run(text, World(slow_mock), max_concurrency=2)["duration_ms"] == 15_000


def test_on_failure_running_steps_are_cancelled_and_marked_as_such() -> None:
    text = """
workflow:
  name: w
  execution: dag
  steps:
    - {name: slow, type: claude, prompt: slow}
    - {name: bad, type: echo, fail: true}
    - {name: never, type: echo, value: "{{bad.text}}"}
"""
    document = run(text, World(slow_mock))
    assert document["error"]["step"] == "bad"
    assert document["steps"]["slow"]["error"]["code"] == "cancelled"
    assert list(document["steps"]) == ["slow", "bad"]


def test_two_steps_that_end_together_both_count() -> None:
    text = """
workflow:
  name: w
  execution: dag
  steps:
    - {name: a, type: echo, fail: true, error_message: first}
    - {name: b, type: echo, value: 1}
"""
    document = run(text)
    assert document["error"]["message"] == "first"
    assert document["steps"]["b"]["status"] in {"succeeded", "failed"}


def test_a_step_with_depends_on_leaves_the_line() -> None:
    text = """
workflow:
  name: w
  steps:
    - {name: a, type: claude, prompt: slow}
    - {name: b, type: claude, prompt: slow, depends_on: []}
    - {name: c, type: echo, value: 1}
"""
    document = run(text, World(slow_mock))
    assert document["duration_ms"] == 5000
    assert document["order"] == ["a", "b", "c"]


# -- money and limits


def test_a_budget_is_read_exactly() -> None:
    text = """
workflow:
  name: w
  budget: {max_cost_usd: 0.1, max_tokens: 7, max_calls: 3, on_exceed: warn}
  steps: [{name: a, type: echo}]
"""
    budget = budget_of(World().plan(text).spec)
    assert budget.max_nanousd == 100_000_000
    assert (budget.max_tokens, budget.max_calls, budget.on_exceed) == (7, 3, "warn")
    assert budget_of(World().plan("workflow: {name: w, steps: [{name: a, type: echo}]}").spec) == (
        Budget()
    )


def test_the_budget_around_a_run_counts_too() -> None:
    async def act() -> RunResult:
        world = World({"responses": [{"reply": "ok", "cost": 0.4}]})
        plan = world.plan("workflow: {name: w, steps: [{name: a, type: claude, prompt: x}]}")
        day = Ledger(Budget(name="day", max_calls=0))
        return await run_plan(plan, {}, services=world.services, ledger=day)

    result = asyncio.run(act())
    assert result.error is not None
    assert result.error.code == "budget_exceeded"


def test_a_limit_of_the_run_ends_it_even_where_steps_are_optional() -> None:
    text = """
workflow:
  name: w
  resource_limits: {max_total_steps: 1}
  defaults: {on_failure: continue}
  steps: [{name: a, type: echo, value: 1}, {name: b, type: echo, value: 2}]
"""
    document = run(text)
    assert document["error"]["code"] == "limit_exceeded"
    assert document["error"]["step"] == "b"


def test_a_run_that_takes_too_long_is_stopped_and_can_go_on() -> None:
    text = """
workflow:
  name: w
  resource_limits: {max_execution_time_s: 2}
  steps: [{name: a, type: echo, value: 1}, {name: b, type: claude, prompt: slow}]
"""
    world = World(slow_mock)
    document = run(text, world)
    assert document["status"] == "failed"
    assert document["error"]["code"] == "limit_exceeded"
    assert document["steps"]["a"]["status"] == "succeeded"
    assert document["steps"]["b"]["error"]["code"] == "cancelled"


def test_a_run_that_is_stopped_is_cancelled_and_journalled() -> None:
    world = World(slow_mock)

    async def act() -> RunResult:
        stop = asyncio.Event()
        work = asyncio.ensure_future(world.arun(dag.format(most=2), stop=stop))
        await world.provider.first_call()
        stop.set()
        return await work

    result = asyncio.run(act())
    assert (result.status, result.error and result.error.code) == ("cancelled", "cancelled")
    assert world.journals.records_of("run1")[-2]["status"] == "cancelled"  # type: ignore[attr-defined]


def test_a_cancelled_task_leaves_a_journal_that_can_be_opened() -> None:
    world = World(slow_mock)

    async def act() -> None:
        work = asyncio.ensure_future(world.arun(dag.format(most=2)))
        await world.provider.first_call()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(act())
    open_journal(world.journals, "run1", clock=world.clock, faults=NoFaults()).release()


# -- folders


def test_folders_come_from_the_strongest_layer() -> None:
    text = "workflow: {name: w, output_dir: from_file, steps: [{name: a, type: echo}]}"
    world = World().with_services(settings={"workspace_dir": "ws", "output_dir": "out"})
    world.run(text, allow_paths=["/data"])
    assert world.places is not None
    assert (world.places.workspace, world.places.output) == ("ws", "from_file")
    assert (world.places.beside, world.places.allowed) == (".", ("/data",))
    world.run(text, values={"output_dir": "from_option"})
    assert world.places.output == "from_option"


# -- children


def test_a_child_of_a_templated_path_is_loaded_when_it_runs() -> None:
    files = {"sub/c.yaml": "workflow: {name: c, steps: [{name: s, type: echo, value: 7}]}"}
    text = """
workflow:
  name: w
  steps: [{name: p, type: pipeline, pipeline_file: "sub/{{inputs.f}}.yaml"}]
"""
    result = World(files=files).run(text, {"f": "c"})
    assert result.steps["p"].data == {"s": 7}
    missing = World(files=files).run(text, {"f": "d"})
    assert missing.error is not None
    assert missing.error.code == "file_not_found"


def test_a_child_of_a_literal_path_is_known_from_the_start() -> None:
    files = {"sub/c.yaml": "workflow: {name: c, steps: [{name: s, type: echo, value: 7}]}"}
    text = "workflow: {name: w, steps: [{name: p, type: pipeline, pipeline_file: sub/c.yaml}]}"
    world = World(files=files)
    plan = world.plan(text)
    world.files.clear()
    result = asyncio.run(run_plan(plan, {}, services=world.services))
    assert result.steps["p"].data == {"s": 7}


def test_a_child_that_contains_itself_is_found_also_at_run_time() -> None:
    text = """
workflow:
  name: w
  steps: [{name: p, type: pipeline, pipeline_file: "{{'pipeline'}}.yaml"}]
"""
    result = World(files={"pipeline.yaml": text}).run(text)
    assert result.error is not None
    assert result.error.code == "circular_pipeline"
    assert "pipeline.yaml -> pipeline.yaml" in result.error.message


def nested(depth: int, config: str = "") -> str:
    inner = "{name: leaf, type: echo, value: deep}"
    for level in range(depth):
        body = f"{{name: n{level}, steps: [{inner}]}}"
        inner = f"{{name: p{level}, type: pipeline, pipeline: {body}{config}}}"
    return f"workflow: {{name: w, steps: [{inner}]}}"


def test_children_nest_ten_deep_and_no_deeper() -> None:
    assert World().run(nested(10)).success
    too_deep = World().run(nested(11))
    assert too_deep.error is not None
    assert too_deep.error.code == "limit_exceeded"
    assert "p10/p9" in too_deep.error.message


def test_a_child_may_lower_the_depth_and_not_raise_it() -> None:
    lowered = World().run(nested(3, ", config: {max_depth: 1}"))
    assert lowered.error is not None
    assert lowered.error.code == "limit_exceeded"
    assert not World().run(nested(11, ", config: {max_depth: 50}")).success


def test_the_error_of_a_child_has_its_path_and_code() -> None:
    text = """
workflow:
  name: w
  steps:
    - name: p
      type: pipeline
      pipeline:
        name: c
        steps: [{name: ok, type: echo, value: 1}, {name: bad, type: echo, fail: true}]
"""
    document = run(text)
    assert document["error"]["code"] == "echo_failed"
    assert (document["error"]["step"], document["error"]["path"]) == ("p", "p/bad")
    assert document["error"]["message"].startswith("p/bad: ")
    assert document["steps"]["p"]["data"] == {"ok": 1, "bad": None}
    assert list(document["steps"]["p"]["metadata"]["steps"]) == ["ok", "bad"]


def test_a_child_has_step_and_time_limits_of_its_own() -> None:
    steps = "[{name: a, type: echo}, {name: b, type: claude, prompt: slow}]"
    child = f"pipeline: {{name: c, steps: {steps}}}"
    text = "workflow: {{name: w, steps: [{{name: p, type: pipeline, {child}, config: {config}}}]}}"
    few = run(text.format(child=child, config="{max_total_steps: 1}"), World(slow_mock))
    assert few["error"]["code"] == "limit_exceeded"
    short = run(text.format(child=child, config="{timeout_seconds: 1}"), World(slow_mock))
    assert short["error"]["code"] == "timeout"


def test_config_of_a_child_says_whether_its_failure_and_its_retries_count() -> None:
    child = "pipeline: {name: c, steps: [{name: a, type: claude, prompt: x}]}"
    config = "config: {continue_on_error: true, max_retries: 1}"
    text = f"workflow: {{name: w, steps: [{{name: p, type: pipeline, {child}, {config}}}]}}"
    world = World({"responses": [{"error": {"kind": "server_error"}}]})
    document = run(text, world)
    assert document["success"]
    assert document["steps"]["p"]["status"] == "failed"
    assert document["steps"]["p"]["attempts"] == 2
    assert document["calls"] == 8


def test_a_child_without_a_required_input_does_not_start() -> None:
    child = "pipeline: {name: c, inputs: {q: {type: string}}, steps: [{name: a, type: echo}]}"
    document = run(f"workflow: {{name: w, steps: [{{name: p, type: pipeline, {child}}}]}}")
    assert document["error"]["code"] == "missing_input"
    assert document["steps"]["p"]["metadata"] == {}


def test_an_inheriting_child_takes_only_inputs_that_it_declares() -> None:
    child = """
      pipeline:
        name: c
        inputs: {a: {type: integer}}
        global_vars: {g: own}
        steps: [{name: s, type: echo, value: "{{inputs.a}} {{global_vars.g}} {{global_vars.h}}"}]
"""
    text = f"""
workflow:
  name: w
  inputs: {{a: {{default: 1}}, b: {{default: 2}}}}
  global_vars: {{g: parent, h: parent}}
  steps:
    - name: p
      type: pipeline
      config: {{inherit_context: true}}{child}"""
    assert run(text)["steps"]["p"]["data"] == {"s": "1 own parent"}


def test_variables_of_a_child_stay_inside() -> None:
    child = "{name: c, steps: [{name: s, type: set_variable, variables: {v: 9}}]}"
    text = f"""
workflow:
  name: w
  variables: {{v: 1}}
  steps: [{{name: p, type: pipeline, pipeline: {child}}}]
"""
    assert run(text)["variables"] == {"v": 1}


# -- what is kept


def test_a_run_keeps_a_document_a_journal_and_checkpoints() -> None:
    world = World({"responses": [{"echo": True}]})
    world.run(
        "workflow: {name: w, steps: [{name: a, type: echo, value: 1}]}", document={"options": {}}
    )
    blobs = world.journals.blobs("run1")
    assert blobs.exists("run.json")
    assert b'"options":{}' in blobs.get("run.json")
    assert [key.partition("-")[0] for key in blobs.list("checkpoints/")] == ["checkpoints/00000001"]


def test_checkpoints_can_be_turned_off() -> None:
    world = World()
    world.run("workflow: {name: w, checkpoint_enabled: false, steps: [{name: a, type: echo}]}")
    assert list(world.journals.blobs("run1").list("checkpoints/")) == []


def test_a_failed_run_leaves_a_crash_report_with_the_command_to_go_on() -> None:
    world = World()
    world.run("workflow: {name: w, steps: [{name: a, type: echo, fail: true}]}")
    report = world.journals.blobs("run1").get("crash/1.json")
    for word in (b'"pipex resume run1"', b'"echo_failed"', b'"strategy":"fail_pipeline"'):
        assert word in report


def test_a_taken_run_id_is_refused() -> None:
    world = World()
    text = "workflow: {name: w, steps: [{name: a, type: echo}]}"
    world.run(text, run_id="mine")
    with pytest.raises(ConfigError) as refusal:
        world.run(text, run_id="mine")
    assert refusal.value.code == "run_exists"


two_calls = """
workflow:
  name: w
  steps: [{name: a, type: claude, prompt: x}, {name: b, type: claude, prompt: y}]
"""


def test_when_the_disk_is_full_no_further_call_is_sent() -> None:
    for good in range(12):
        world = World(journals=BreakableJournals(good_appends=good))
        if good == 0:
            with pytest.raises(StoreError) as refusal:
                world.run(two_calls)
            assert refusal.value.code == "storage_full"
            assert world.provider.sent == []
            continue
        result = world.run(two_calls)
        answered = [r for r in world.journals.records_of("run1") if r["t"] == "done"]  # type: ignore[attr-defined]
        assert len(world.provider.sent) <= len(answered) + 1
        if result.error is not None:
            assert result.error.code == "storage_full"
            assert result.status == "failed"


def test_a_checkpoint_that_cannot_be_saved_ends_the_run_after_a_while() -> None:
    world = World()
    blobs = world.journals.blobs("run1")

    class Refusing:
        """Takes everything but checkpoints."""

        def __getattr__(self, name: str) -> Any:
            return getattr(blobs, name)

        def put(self, key: str, data: bytes) -> None:
            if key.startswith("checkpoints/"):
                raise StoreError("offline", code="storage_error")
            blobs.put(key, data)

    world.journals._blobs["run1"] = Refusing()  # type: ignore[attr-defined]
    result = world.run("workflow: {name: w, steps: [{name: a, type: echo}]}")
    assert result.error is not None
    assert (result.error.code, result.duration_ms) == ("checkpoint_not_saved", 15_000)


def test_a_crash_report_that_cannot_be_written_is_a_warning() -> None:
    world = World()
    blobs = world.journals.blobs("run1")

    class Refusing:
        """Takes everything but crash reports."""

        def __getattr__(self, name: str) -> Any:
            return getattr(blobs, name)

        def put(self, key: str, data: bytes) -> None:
            if key.startswith("crash/"):
                raise StoreError("offline", code="storage_error")
            blobs.put(key, data)

    world.journals._blobs["run1"] = Refusing()  # type: ignore[attr-defined]
    result = world.run("workflow: {name: w, steps: [{name: a, type: echo, fail: true}]}")
    assert [warning.code for warning in result.warnings] == ["crash_report_not_written"]
    assert result.error is not None
    assert result.error.code == "echo_failed"


# -- runs inside other journals


def test_a_part_writes_under_its_prefix_and_leaves_the_rest_alone() -> None:
    world = World({"responses": [{"echo": True}]})

    async def act() -> list[RunResult]:
        journal = open_journal(world.journals, "ev", clock=world.clock, faults=NoFaults())
        journal.start({"run_id": "ev"})
        plan = world.plan(
            "workflow: {name: t, steps: [{name: a, type: claude, prompt: '{{inputs.q}}'}]}"
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    run_plan(
                        plan,
                        {"q": f"q{i}"},
                        services=world.services,
                        journal=journal,
                        unit_prefix=f"case:{i}#0/",
                        options=RunOptions(run_id="ev"),
                    )
                )
                for i in range(64)
            ]
        await journal.close()
        return [task.result() for task in tasks]

    results = asyncio.run(act())
    assert [result.steps["a"].text for result in results] == [f"q{i}" for i in range(64)]
    records = world.journals.records_of("ev")  # type: ignore[attr-defined]
    ended = [r["unit"] for r in records if r["t"] == "unit_end"]
    assert sorted(ended) == sorted(f"case:{i}#0/a" for i in range(64))
    assert world.provider.sent[0].origin.path == "a"
    assert not world.journals.blobs("ev").exists("run.json")
    assert world.events == []
