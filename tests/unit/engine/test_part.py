"""One step by itself leaves the record that it leaves in a whole run, and goes on where it stopped."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.adapters.mock import MockProvider
from pipex_core.app.answering import ScriptState
from pipex_core.engine.part import Before, Done, Finished, Used, run_part
from pipex_core.engine.records import StepRecord
from pipex_core.errors import ConfigError
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.spec.plan import Plan
from tests.fakes.clock import start
from tests.fakes.world import World

pipeline = """
workflow:
  name: p
  inputs: {topic: {type: string}}
  budget: {max_calls: 2}
  workspace_dir: /of/the/file
  steps:
    - {name: plan, type: claude, prompt: "Plan {{ inputs.topic }}"}
    - {name: keep, type: set_variable, variables: {plan: "{{ steps.plan }}"}}
    - {name: skip, type: echo, value: x, condition: "false"}
    - {name: last, type: claude, prompt: "Write {{ vars.plan }} in {{ run.date }}"}
"""
mock = {"responses": [{"replies": ["one", "two", "three"]}]}


def before(*finished: Finished, **changed: Any) -> Before:
    known = Before(run_id="r1", started=start, inputs={"topic": "cats"}, finished=finished)
    return replace(known, **changed)


def part(world: World, plan: Plan, name: str, given: Before, **values: Any) -> Done:
    return asyncio.run(run_part(plan, name, given, services=world.services, values=values))


def shown(records: Sequence[StepRecord]) -> list[dict[str, Any]]:
    return [record.as_json() for record in records]


def counting_world() -> World:
    """A world whose mock can be told how often its rules have answered."""
    world = World(mock)
    provider = world.provider._inner
    assert isinstance(provider, MockProvider)
    return world.with_services(provider_state=ScriptState([provider]))


def test_steps_in_worlds_of_their_own_leave_the_records_of_one_run() -> None:
    whole = World(mock).run(pipeline, {"topic": "cats"})
    finished: list[Finished] = []
    state = None
    for name in whole.steps:
        world = counting_world()
        done = part(world, world.plan(pipeline), name, before(*finished, provider_state=state))
        finished.append(done.finished)
        state = done.provider_state
    records = [one.record for one in finished]
    assert shown(records) == shown(list(whole.steps.values()))
    assert [record.text for record in records] == ["one", None, None, "two"]


def test_a_finished_step_is_taken_from_its_journal() -> None:
    world = World(mock)
    plan = world.plan(pipeline)
    first = part(world, plan, "plan", before())
    again = part(world, plan, "plan", before())
    assert again.record == first.record
    assert (first.resumed, again.resumed) == (False, True)
    assert len(world.provider.sent) == 1


def test_a_step_that_failed_is_tried_again_and_what_it_spent_counts() -> None:
    failing = {"responses": [{"error": {"kind": "invalid_request"}}]}
    world = World(failing)
    failed = part(world, world.plan(pipeline), "plan", before()).record
    assert failed.status == "failed"
    assert failed.ends_run
    repaired = World(mock, journals=world.journals)
    plan = repaired.plan(pipeline)
    assert part(repaired, plan, "plan", before()).record.text == "one"
    assert len(repaired.provider.sent) == 1
    exhausted = World(
        {"responses": [{"error": {"kind": "invalid_request"}}]}, journals=world.journals
    )
    other = before(run_id="r2")
    for _ in range(2):
        part(exhausted, plan, "plan", other)
    third = part(exhausted, plan, "plan", other).record
    assert third.error is not None
    assert third.error.code == "budget_exceeded"


def test_calls_of_the_steps_before_count_in_the_budget_of_the_run() -> None:
    world = World(mock)
    plan = world.plan(pipeline)
    made = part(world, plan, "plan", before()).finished
    busy = replace(made, used=Used(calls=2))
    kept = part(world, plan, "keep", before(busy)).finished
    last = part(world, plan, "last", before(busy, kept)).record
    assert last.error is not None
    assert last.error.code == "budget_exceeded"


def test_a_budget_around_the_pipeline_holds_for_a_step_by_itself() -> None:
    world = World(mock)
    plan = world.plan(pipeline)
    made = part(world, plan, "plan", before()).finished
    kept = part(world, plan, "keep", before(made)).finished
    given = before(made, kept)
    around = Ledger(Budget(max_calls=1))
    done = asyncio.run(run_part(plan, "last", given, services=world.services, ledger=around))
    assert done.record.error is not None
    assert done.record.error.code == "budget_exceeded"
    assert around.spent.calls == 1


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (pipeline.replace("Plan {{", "Sketch {{"), before()),
        (pipeline, before(inputs={"topic": "dogs"})),
    ],
)
def test_a_step_or_an_input_that_changed_is_not_gone_on_with(text: str, given: Before) -> None:
    world = World(mock)
    part(world, world.plan(pipeline), "plan", before())
    with pytest.raises(ConfigError) as refused:
        part(world, world.plan(text), "plan", given)
    assert refused.value.code == "workflow_changed"
    assert refused.value.next_step
    assert part(world, world.plan(pipeline), "plan", before()).resumed


def test_another_step_may_change_between_two_tries() -> None:
    world = World(mock)
    part(world, world.plan(pipeline), "plan", before())
    changed = world.plan(pipeline.replace("Write {{", "Print {{"))
    assert part(world, changed, "plan", before()).resumed


def test_folders_follow_the_precedence_of_options() -> None:
    world = World(mock)
    plan = world.plan(pipeline, file="pipelines/p.yaml")
    part(world, plan, "skip", before(), output_dir="/of/the/run")
    assert world.places is not None
    assert world.places.workspace == "/of/the/file"
    assert world.places.output == "/of/the/run"
    assert world.places.beside == "pipelines"


def test_a_pipeline_without_a_file_has_no_folder_beside_it() -> None:
    world = World(mock)
    part(world, world.plan(pipeline, file=""), "skip", before())
    assert world.places is not None
    assert world.places.beside is None


def test_warnings_of_the_step_are_handed_on() -> None:
    text = """
workflow:
  name: p
  steps:
    - {name: a, type: claude, prompt: x, on_failure: continue}
"""
    world = World({"responses": [{"error": {"kind": "invalid_request"}}]})
    done = part(world, world.plan(text), "a", before(inputs={}))
    assert done.record.status == "failed"
    assert not done.record.ends_run
    assert [(warning.code, warning.step) for warning in done.warnings] == [("invalid_request", "a")]


def test_a_transaction_of_steps_by_themselves_says_that_nothing_is_undone() -> None:
    world = World()
    text = "workflow: {name: w, transaction: true, steps: [{name: a, type: echo, value: 1}]}"
    for _ in range(2):
        done = part(world, world.plan(text), "a", before(inputs={}))
        assert [warning.code for warning in done.warnings] == ["irreversible_step"]
