"""Steps that name a group of models: one stands in for another, and a resumed step keeps its choice."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.llm.client import LlmClient
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.router import Router, Strategy, groups_of
from tests.fakes.journals import BreakableJournals
from tests.fakes.provider import ScriptedProvider, answer
from tests.fakes.world import World

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: anthropic, match: [one, two, three], valid_from: 2026-11-23,
     input: "1", output: "5", cache_read: "0.1"}
"""
)
ask = "{name: a, type: claude, prompt: x, claude_options: {model: any}, retry: {max_retries: 0}}"


def workflow(*steps: str) -> str:
    lines = "\n".join(f"    - {step}" for step in steps)
    return f"workflow:\n  name: w\n  steps:\n{lines}\n"


def world_with(
    mock: Any,
    *,
    strategy: Strategy = "in_order",
    journals: BreakableJournals | None = None,
    how: Mapping[str, Any] | None = None,
    **services: Any,
) -> World:
    world = World(mock, journals=journals, **(how or {}))
    document = {"groups": {"any": {"strategy": strategy, "models": ["one", "two", "three"]}}}
    vendors = world.services.vendors
    client = LlmClient(
        providers={world.provider.name: world.provider},
        clock=world.clock,
        rng=random.Random(7),
        prices=prices,
        router=Router(groups_of(document, prices), prices=prices, serves=vendors),
    )
    return world.with_services(client=client, **services)


def fails(model: str, kind: str) -> dict[str, Any]:
    return {"when": {"model": model}, "error": {"kind": kind}}


def asked(world: World) -> list[str]:
    return [request.model for request in world.provider.sent]


def test_the_next_model_of_a_group_stands_in_and_the_record_says_so() -> None:
    world = world_with({"responses": [fails("one", "timeout"), {"reply": "hi"}]})
    record = world.run(workflow(ask)).steps["a"]
    assert asked(world) == ["one", "two"]
    assert (record.text, record.model, record.degraded) == ("hi", "two", True)
    assert record.metadata == {"fallback_from": "one", "model_served": "two"}
    assert record.attempts == 2


def test_each_model_that_was_given_up_is_told_of_and_counts_as_attempts() -> None:
    mock = {"responses": [fails("one", "timeout"), fails("two", "not_found"), {"reply": "hi"}]}
    world = world_with(mock)
    result = world.run(workflow(ask))
    assert asked(world) == ["one", "two", "three"]
    assert [request.origin.attempt for request in world.provider.sent] == [1, 2, 3]
    assert result.steps["a"].metadata["fallback_from"] == "one"
    assert [warning.message for warning in result.warnings] == [
        "one failed (timeout); two was asked instead",
        "two failed (not_found); three was asked instead",
    ]


def test_the_last_failure_of_a_group_is_the_steps_failure() -> None:
    mock = {"responses": [fails("three", "connection"), {"error": {"kind": "overloaded"}}]}
    result = world_with(mock).run(workflow(ask))
    assert result.error is not None
    assert (result.error.code, result.calls) == ("connection", 3)


def test_a_finding_of_a_model_is_no_reason_to_ask_another() -> None:
    world = world_with({"responses": [fails("one", "content_filter")]})
    assert not world.run(workflow(ask)).success
    assert asked(world) == ["one"]


def test_a_fallback_model_comes_after_the_group_and_for_fewer_failures() -> None:
    options = "claude_options: {model: any, fallback_model: last}, retry: {max_retries: 0}"
    step = f"{{name: a, type: claude, prompt: x, {options}}}"
    busy = world_with(
        {"responses": [{"when": {"model": "last"}, "reply": "hi"}, fails_all("overloaded")]}
    )
    assert busy.run(workflow(step)).steps["a"].model == "last"
    slow = world_with(
        {"responses": [{"when": {"model": "last"}, "reply": "hi"}, fails_all("timeout")]}
    )
    assert not slow.run(workflow(step)).success
    assert asked(slow) == ["one", "two", "three"]


def fails_all(kind: str) -> dict[str, Any]:
    return {"error": {"kind": kind}}


def test_where_nothing_may_stand_in_only_the_chosen_model_is_asked() -> None:
    world = world_with({"responses": [fails("one", "overloaded")]})
    assert not world.run(workflow(ask), may_fall_back=False).success
    assert asked(world) == ["one"]


def test_a_conversation_stays_with_the_model_that_was_chosen() -> None:
    step = (
        "{name: a, type: claude, prompt: x, repair: 1, output_schema: {type: object},"
        " claude_options: {model: any}}"
    )
    world = world_with(
        {"responses": [{"replies": ["no json", {"json": {}}]}]}, strategy="round_robin"
    )
    assert world.run(workflow(step)).success
    assert asked(world) == ["one", "one"]


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def killed(text: str, *, strategy: Strategy, mock: Any = None, **how: Any) -> BreakableJournals:
    """The journals of a process that died right after it had begun its second call."""
    faults = ArmedFaults({"journal.after_begin": Fault(action=die, visit=2)})
    journals = BreakableJournals()
    world = world_with(mock, strategy=strategy, journals=journals, how=how, faults=faults)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
        world.run(text)
    journals._locks.clear()
    return journals


def test_a_resumed_step_begins_with_the_model_that_it_began_with() -> None:
    retried = ask.replace("max_retries: 0", "max_retries: 1")
    second = retried.replace("name: a", "name: b").replace("prompt: x", 'prompt: "{{a.text}}"')
    text = workflow(retried, second)
    billing = ScriptedProvider([answer("hi")], name="mock")
    journals = killed(text, strategy="round_robin", provider=billing)
    world = world_with(None, strategy="round_robin", journals=journals, how={"provider": billing})
    result = world.run(text, run_id="run1", resume=True)
    assert result.success
    assert asked(world) == ["two"]
    assert [warning.code for warning in result.warnings] == ["in_doubt"]


def test_a_step_that_was_killed_with_its_second_model_does_not_ask_the_first_again() -> None:
    mock = {"responses": [fails("one", "overloaded"), {"reply": "hi"}]}
    journals = killed(workflow(ask), strategy="in_order", mock=mock)
    world = world_with(mock, journals=journals)
    record = world.run(workflow(ask), run_id="run1", resume=True).steps["a"]
    assert asked(world) == ["two"]
    assert (record.model, record.metadata["fallback_from"]) == ("two", "one")
