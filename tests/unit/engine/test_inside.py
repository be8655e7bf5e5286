"""Steps of nested pipelines one by one leave the records of a run in one go, also when they fail."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.engine.inside import opened, paths_of, step_of
from pipex_core.engine.part import Before, Done, Ended, Finished, digest_of, end_run, run_part
from pipex_core.engine.records import RunResult, StepRecord
from pipex_core.errors import ConfigError, ExpressionError, StepError
from pipex_core.spec.model import StepShape
from pipex_core.spec.plan import Plan
from pipex_core.steps.contract import Outcome, StepContext
from tests.fakes.clock import start
from tests.fakes.world import World

child = """
workflow:
  name: child
  inputs: {topic: {type: string}}
  steps:
    - {name: draft, type: claude, prompt: "Draft {{ inputs.topic }}"}
    - {name: keep, type: set_variable, variables: {kept: "{{ steps.draft }}"}}
  outputs: {text: steps.draft.text}
"""
parent = """
workflow:
  name: parent
  steps:
    - {name: first, type: echo, value: cats}
    - {name: report, type: pipeline, pipeline_file: child.yaml, inputs: {topic: "{{ steps.first }}"}}
    - {name: last, type: echo, value: "{{ steps.report.text }}!"}
  outputs: {said: steps.last.text}
"""
slow = {"responses": [{"reply": "done", "latency_ms": 200_000}]}


def world_of(mock: Any = None, **more: Any) -> World:
    return World(mock or {"responses": [{"echo": True}]}, files={"child.yaml": child}, **more)


def one_by_one(world: World, plan: Plan) -> tuple[list[Finished], Done]:
    """Everything that finished until the end or a failure, and the last step."""
    finished: list[Finished] = []
    for path in paths_of(plan):
        done = part(world, plan, path, finished)
        finished = [one for one in finished if not one.path.startswith(f"{path}/")]
        finished.append(done.finished)
        if done.record.ends_run:
            break
    return finished, done


def part(
    world: World, plan: Plan, path: str, finished: Sequence[Finished] = (), **values: Any
) -> Done:
    return asyncio.run(
        run_part(plan, path, before(finished), services=world.services, values=values)
    )


def before(finished: Sequence[Finished]) -> Before:
    return Before(run_id="r1", started=start, inputs={}, finished=tuple(finished))


def shown(records: Sequence[StepRecord]) -> list[Mapping[str, Any]]:
    return [replace(record, duration_ms=0, causes=()).as_json() for record in records]


def same(text: str, mock: Any = None) -> tuple[RunResult, list[Finished], Done]:
    """The run in one go and step by step, their records compared."""
    whole = world_of(mock).run(text, {}, max_concurrency=1)
    world = world_of(mock)
    finished, done = one_by_one(world, world.plan(text))
    tops = [one.record for one in finished if "/" not in one.path]
    assert shown(tops) == shown(list(whole.steps.values()))
    return whole, finished, done


def test_steps_inside_leave_the_record_of_the_step_around_them() -> None:
    whole, finished, _ = same(parent)
    assert [one.path for one in finished] == ["first", "report", "last"]
    assert sum(one.used.calls for one in finished) == whole.calls == 1
    assert finished[1].used.steps == 3


def test_what_a_run_made_is_worked_out_from_its_steps() -> None:
    world = world_of()
    plan = world.plan(parent)
    finished, _ = one_by_one(world, plan)
    ended = end_run(plan, before(finished), services=world.services)
    whole = world_of().run(parent)
    assert ended == Ended(
        outputs=whole.outputs,
        variables=whole.variables,
        files=whole.files,
        used=sum((one.used for one in finished), type(ended.used)()),
    )
    with pytest.raises(ExpressionError, match="output 'said'"):
        end_run(plan, before(finished[:1]), services=world.services)


def test_a_failure_inside_is_that_of_the_step_around_it() -> None:
    mock = {"responses": [{"error": {"kind": "invalid_request", "message": "no"}}]}
    whole, finished, done = same(parent, mock)
    assert whole.error is not None
    assert done.record.name == "report"
    assert done.record.error is not None
    assert (done.record.error.code, done.record.error.message) == (
        whole.error.code,
        whole.error.message,
    )
    assert [one.path for one in finished] == ["first", "report"]


def test_an_input_that_has_no_value_fails_the_step_around() -> None:
    _, _, done = same(parent.replace("steps.first", "steps.first.nothing"))
    assert done.record.name == "report"
    assert done.record.error is not None
    assert done.record.error.code == "undefined_reference"


def test_the_time_of_a_nested_pipeline_is_that_of_all_its_steps() -> None:
    text = child.replace(
        "- {name: keep", "- {name: more, type: claude, prompt: x}\n    - {name: keep"
    )
    whole = World(slow, files={"child.yaml": text}).run(parent)
    world = World(slow, files={"child.yaml": text})
    finished, done = one_by_one(world, world.plan(parent))
    assert whole.error is not None
    assert whole.error.code == "timeout"
    assert done.record.error is not None
    assert done.record.error.code == "timeout"
    assert done.record.name == "report"
    assert [one.path for one in finished] == ["first", "report/draft", "report"]


class Nap:
    """Waits for 200 seconds of the clock, whatever deadline there is."""

    shape = StepShape(type="nap", summary="Wait.", fields={})

    async def run(self, ctx: StepContext) -> Outcome:
        await ctx.clock.sleep(200)
        return Outcome(data=1)


def test_a_step_that_waits_for_no_deadline_is_cut_off_all_the_same() -> None:
    text = child.replace(
        "- {name: keep", "- {name: a, type: nap}\n    - {name: b, type: nap}\n    - {name: keep"
    )
    worlds = [World(files={"child.yaml": text}, steps={"nap": Nap}) for _ in range(2)]
    whole = worlds[0].run(parent)
    finished, done = one_by_one(worlds[1], worlds[1].plan(parent))
    assert whole.error is not None
    assert whole.error.code == "timeout"
    assert done.record.error is not None
    assert done.record.error.code == "timeout"
    assert done.record.data == whole.steps["report"].data
    assert [one.path for one in finished] == ["first", "report/draft", "report/a", "report"]


def test_the_time_of_a_run_is_that_of_all_its_steps() -> None:
    text = """
workflow:
  name: long
  resource_limits: {max_execution_time_s: 500}
  steps:
    - {name: a, type: nap}
    - {name: b, type: nap}
    - {name: c, type: nap}
"""
    worlds = [World(steps={"nap": Nap}) for _ in range(2)]
    whole = worlds[0].run(text)
    assert whole.error is not None
    plan = worlds[1].plan(text)
    a = part(worlds[1], plan, "a").finished
    b = part(worlds[1], plan, "b", [a]).finished
    with pytest.raises(StepError) as caught:
        part(worlds[1], plan, "c", [a, b])
    assert (caught.value.code, caught.value.message) == (whole.error.code, whole.error.message)


def test_a_failure_two_pipelines_down_comes_up_through_both() -> None:
    deep = """
workflow:
  name: deep
  steps:
    - name: outer
      type: pipeline
      pipeline:
        name: middle
        steps:
          - {name: report, type: pipeline, pipeline_file: child.yaml, inputs: {topic: x}}
          - {name: after, type: echo, value: 1}
"""
    same(deep)
    _, finished, _ = same(deep, {"responses": [{"error": {"kind": "invalid_request"}}]})
    assert [one.path for one in finished] == ["outer"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{topic:", "{topic: x}, condition: 'true', metadata: {a:"),
        ("{topic:", "{topic: x}, retry: {max_retries: 1}, metadata: {a:"),
        ("{topic:", "{topic: x}, timeout_seconds: 5, metadata: {a:"),
        ("{topic:", "{topic: x}, on_failure: continue, metadata: {a:"),
        ("{topic:", "{topic: x}, config: {max_total_steps: 9}, metadata: {a:"),
        ("  steps:", "  defaults: {timeout_seconds: 5}\n  steps:"),
        ("child.yaml", "'{{ steps.first }}.yaml'"),
    ],
)
def test_a_step_that_says_how_its_pipeline_runs_stays_in_one_piece(old: str, new: str) -> None:
    plan = world_of().plan(parent.replace(old, new))
    assert opened(plan, plan.steps[1]) is None
    assert paths_of(plan) == ["first", "report", "last"]


def test_paths_lead_to_steps_and_to_nothing_else() -> None:
    plan = world_of().plan(parent)
    assert paths_of(plan) == ["first", "report/draft", "report/keep", "report", "last"]
    inner, step = step_of(plan, "report/draft")
    assert (inner.name, step.name) == ("child", "draft")
    for path in ("nothing", "first/draft", "report/nothing"):
        with pytest.raises(KeyError):
            step_of(plan, path)
        assert digest_of(plan, path) == ""


def test_a_finished_step_that_was_edited_is_not_built_on() -> None:
    world = world_of()
    first = part(world, world.plan(parent), "first").finished
    changed = world.plan(parent.replace("value: cats", "value: dogs"))
    with pytest.raises(ConfigError, match="step 'first' changed") as refused:
        part(world, changed, "report/draft", [first])
    assert refused.value.code == "workflow_changed"
    assert world.provider.sent == []


def test_an_option_that_would_change_an_opened_step_is_refused() -> None:
    world = world_of()
    plan = world.plan(parent)
    with pytest.raises(ConfigError, match="on_failure, retry cannot be set") as refused:
        part(world, plan, "report/draft", retry={"max_retries": 1}, on_failure="continue")
    assert refused.value.code == "invalid_option"


def test_the_budget_counts_what_steps_beside_this_one_took() -> None:
    wide = """
workflow:
  name: wide
  execution: dag
  budget: {max_calls: 2}
  steps:
    - {name: a, type: claude, prompt: a}
    - {name: report, type: pipeline, pipeline_file: child.yaml, inputs: {topic: x}}
    - {name: b, type: claude, prompt: b}
"""
    world = world_of()
    plan = world.plan(wide)
    part(world, plan, "a")
    part(world, plan, "report/draft")
    last = part(world, plan, "b").record
    assert last.error is not None
    assert last.error.code == "budget_exceeded"
    assert len(world.provider.sent) == 2


def test_prompts_are_shown_to_who_wants_to_see_them() -> None:
    world = world_of()
    asked: list[tuple[str, str]] = []
    world = world.with_services(asked=lambda path, prompt: asked.append((path, prompt)))
    part(world, world.plan(parent), "first")
    world.run(parent)
    assert asked == [("report/draft", "Draft cats")]
