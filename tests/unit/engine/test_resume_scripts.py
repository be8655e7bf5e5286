"""A mock or replay run that is killed and resumed answers exactly as an undisturbed one."""

import json
from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault, VirtualClock
from pipex_core.adapters.replay import RecordingProvider, ReplayProvider
from pipex_core.engine.records import RunResult
from pipex_core.engine.services import NoProviderState
from pipex_core.llm.draws import DrawLists, Drawn, Draws
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Provider
from tests.fakes.clock import start
from tests.fakes.journals import BreakableJournals
from tests.fakes.provider import ScriptedProvider, answer
from tests.fakes.world import World, prices

two_at_once = """
workflow:
  name: w
  defaults: {claude_model: m}
  steps:
    - name: team
      type: parallel_claude
      parallel_tasks: [{id: a, prompt: same}, {id: b, prompt: same}]
    - {name: last, type: claude, prompt: same}
"""
# Task a asks first and waits longer: the answer of b is durable while a is still in flight.
in_turn = {
    "responses": [
        {"replies": [{"reply": "1st", "latency_ms": 90}, {"reply": "2nd", "latency_ms": 10}, "3rd"]}
    ]
}


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def cassette() -> list[str]:
    """Three answers to the same call, recorded in turn."""
    lines: list[str] = []
    recorder = RecordingProvider(
        ScriptedProvider([answer("1st"), answer("2nd"), answer("3rd")], name="anthropic"),
        append=lines.append,
        clock=VirtualClock(start),
    )
    assert World(provider=recorder).run(two_at_once).success
    return lines


def mocked(journals: BreakableJournals | None = None) -> World:
    return World(in_turn, journals=journals)


def replayed(journals: BreakableJournals | None = None) -> World:
    made: Provider = ReplayProvider(
        cassette(), prices=PriceTable.from_text(prices), name="anthropic"
    )
    return World(provider=made, journals=journals)


def texts_of(result: RunResult) -> list[Any]:
    tasks = result.steps["team"].data
    assert result.success, result.error
    return [tasks["a"], tasks["b"], result.steps["last"].text]


@pytest.mark.parametrize("visit", [1, 2, 3])
@pytest.mark.parametrize("point", ["journal.before_done", "journal.after_done"])
@pytest.mark.parametrize("world", [mocked, replayed])
def test_everybody_gets_the_answer_that_an_undisturbed_run_gives(
    world: Any, point: str, visit: int
) -> None:
    undisturbed = texts_of(world().run(two_at_once))
    dying = world().with_services(faults=ArmedFaults({point: Fault(action=die, visit=visit)}))
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
        dying.run(two_at_once)
    assert isinstance(dying.journals, BreakableJournals)
    dying.journals._locks.clear()
    resumed = world(dying.journals).run(two_at_once, run_id="run1", resume=True)
    assert texts_of(resumed) == undisturbed


def test_a_checkpoint_holds_how_much_of_the_script_was_given() -> None:
    for world in (mocked(), replayed()):
        world.run(two_at_once)
        blobs = world.journals.blobs("run1")
        files = [json.loads(blobs.get(key)) for key in blobs.list("checkpoints/")]
        assert [one["payload"]["provider"] for one in files] == [[2], [3]]


def test_a_journal_of_before_goes_on_with_its_counts() -> None:
    world = mocked()
    state = world.services.provider_state
    state.restore([2])
    state.take([Drawn("of another file", 0)])
    assert state.save() == [2]
    state.restore([1, 1])
    assert state.save() == [2]
    state.restore(None)
    assert state.save() == [2]


def test_the_lowest_number_that_is_left_comes_next() -> None:
    draws = Draws()
    draws.take(1)
    draws.take(1)
    assert (draws.next, draws.count) == (0, 1)
    assert [draws.draw(), draws.draw()] == [0, 2]
    draws.take(0)
    assert (draws.next, draws.count) == (3, 3)


def test_of_two_lists_with_one_name_the_first_is_known_by_it() -> None:
    lists = DrawLists(["x", "y", "x"])
    lists.take([Drawn("x", 0), Drawn("z", 4)])
    assert lists.counts() == [1, 0, 0]


def test_a_journal_with_scripted_answers_is_gone_on_with_by_a_service_that_has_no_script() -> None:
    dying = mocked().with_services(
        faults=ArmedFaults({"journal.after_done": Fault(action=die, visit=3)})
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
        dying.run(two_at_once)
    assert isinstance(dying.journals, BreakableJournals)
    dying.journals._locks.clear()
    world = mocked(dying.journals).with_services(provider_state=NoProviderState())
    assert texts_of(world.run(two_at_once, run_id="run1", resume=True))[2] == "3rd"
    assert world.provider.sent == []
