"""Going on inside of a step: iterations, tasks and child steps that are finished are not done again."""

from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.engine.checkpoint import Checkpoints
from pipex_core.engine.records import RunResult
from pipex_core.engine.services import NoFaults
from pipex_core.errors import StoreError
from tests.fakes.blobs import BreakableBlobs
from tests.fakes.journals import BreakableJournals
from tests.fakes.world import World

points = (
    *("journal.before_begin", "journal.after_begin", "journal.before_done", "journal.after_done"),
    *("engine.before_unit_end", "engine.after_unit_end", "checkpoint.after_save"),
)

loops = """
workflow:
  name: w
  variables: {score: 0, log: ""}
  steps:
    - name: each
      type: for_loop
      iterator: letter
      data_source: [a, b, c]
      steps:
        - {name: ask, type: claude, prompt: "{{letter}}{{log}}"}
        - {name: note, type: set_variable, variables: {log: "{{log}}{{ask.text}}."}}
        - name: pick
          type: switch
          expression: letter
          cases: {b: [{name: more, type: claude, prompt: "more {{log}}"}]}
    - name: refine
      type: while_loop
      condition: "score < 8"
      steps:
        - {name: draft, type: claude, prompt: "draft"}
        - {name: keep, type: set_variable, variables: {score: "{{steps.draft.score}}"}}
    - name: team
      type: claude_batch
      tasks: [{id: x, prompt: "x {{log}}"}, {id: y, prompt: "y"}]
  outputs: {log: log, score: score, team: "team.batch_results"}
"""
mock = {
    "responses": [
        {
            "when": {"step": "refine*"},
            "replies": [{"json": {"score": 3}}, {"json": {"score": 7}}, {"json": {"score": 9}}],
        },
        {"echo": True},
    ]
}
calls = 9  # three letters and one more, three drafts, two tasks


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def killed(text: str, point: str, visit: int, *, rules: Any = mock) -> World:
    """A world whose process died at a fault point of its first run."""
    world = World(rules)
    world.with_services(faults=ArmedFaults({point: Fault(action=die, visit=visit)}))
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
        world.run(text)
    return after(world, rules=rules)


def after(world: World, *, rules: Any = mock) -> World:
    """The next process on the same files; locks of the dead one are gone."""
    assert isinstance(world.journals, BreakableJournals)
    world.journals._locks.clear()
    return World(rules, journals=world.journals, kept=world.kept)


def resume(world: World, text: str) -> RunResult:
    return world.run(text, run_id="run1", resume=True)


def told(result: RunResult) -> dict[str, Any]:
    """What a run made, without what a kill may change: ids, times and repeated tries."""
    shown = result.as_json()
    return {name: shown[name] for name in ("status", "order", "outputs", "variables", "cost_usd")}


@pytest.mark.parametrize("visit", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("point", points)
def test_a_run_killed_inside_a_step_ends_as_if_it_had_not_been(point: str, visit: int) -> None:
    undisturbed = World(mock).run(loops)
    if point == "checkpoint.after_save" and visit > 3:
        return
    world = killed(loops, point, visit)
    result = resume(world, loops)
    assert told(result) == told(undisturbed)
    answered = visit if point == "journal.after_done" else visit - 1
    if point.startswith("journal"):
        # A durable answer is never asked for again.
        assert len(world.provider.sent) == calls - answered


def test_finished_iterations_are_not_executed_again() -> None:
    world = killed(loops, "journal.after_done", 4)
    resume(world, loops)
    started = [event.step for event in world.events if event.kind == "step_started"]
    assert started[:4] == ["each", "each[2]/ask", "each[2]/note", "each[2]/pick"]


def collecting(on_failure: str) -> str:
    return f"""
workflow:
  name: w
  steps:
    - name: each
      type: for_loop
      break_on_error: false
      on_failure: {on_failure}
      data_source: [good, bad, fine, last]
      steps: [{{name: ask, type: claude, prompt: "{{{{item}}}}"}}]
"""


flaky = {
    "responses": [
        {"when": {"contains": "bad"}, "replies": [{"error": {"kind": "auth"}}, "mended"]},
        {"echo": True},
    ]
}


def test_a_collected_failure_of_an_interrupted_loop_stays_collected() -> None:
    text = collecting("continue")
    world = killed(text, "journal.before_done", 3, rules=flaky)
    result = resume(world, text)
    assert [request.prompt for request in world.provider.sent] == ["last"]
    assert result.steps["each"].data["outputs"] == ["good", None, "fine", "last"]


def test_a_loop_that_failed_tries_its_failed_iterations_again_and_keeps_the_others() -> None:
    text = collecting("fail")
    world = World(flaky)
    assert not world.run(text).success
    world = after(world, rules=flaky)
    result = resume(world, text)
    assert [request.prompt for request in world.provider.sent] == ["bad"]
    assert result.steps["each"].data["outputs"] == ["good", "mended", "fine", "last"]
    # Killed while it tries again: what failed in the try before is still to be tried.
    again = World(flaky)
    assert not again.run(text).success
    again = after(again, rules=flaky)
    again.with_services(faults=ArmedFaults({"journal.before_begin": Fault(action=die)}))
    with pytest.raises(BaseException):  # noqa: B017, PT011 - likewise
        resume(again, text)
    again = after(again, rules=flaky)
    assert resume(again, text).steps["each"].data["outputs"] == ["good", "mended", "fine", "last"]


def test_a_failure_that_the_run_went_on_after_is_not_tried_again() -> None:
    text = """
workflow:
  name: w
  steps:
    - {name: extra, type: claude, prompt: bad, optional: true}
    - {name: use, type: claude, prompt: "got {{extra.text}}"}
    - {name: last, type: claude, prompt: last}
"""
    world = killed(text, "journal.before_done", 2, rules=flaky)
    result = resume(world, text)
    assert [request.prompt for request in world.provider.sent] == ["last"]
    assert result.steps["extra"].status == "failed"


def test_steps_of_all_processes_count_against_the_limit_of_the_run() -> None:
    text = """
workflow:
  name: w
  resource_limits: {max_total_steps: 6}
  steps:
    - name: each
      type: for_loop
      data_source: range(5)
      steps: [{name: ask, type: claude, prompt: "{{item}}"}]
    - {name: one, type: echo}
"""
    world = killed(text, "journal.after_done", 4, rules=None)
    assert resume(world, text).as_json()["error"]["code"] == "limit_exceeded"


# -- checkpoint steps


def checkpoints(world: World) -> Checkpoints:
    return Checkpoints(world.journals.blobs("run1"), faults=NoFaults())


def test_a_checkpoint_step_saves_at_once_and_its_label_keeps_it() -> None:
    text = """
workflow:
  name: w
  steps:
    - {name: a, type: echo, value: 1}
    - {name: save, type: checkpoint, label: "after {{a.result}}"}
    - name: each
      type: for_loop
      data_source: range(9)
      steps:
        - {name: set, type: set_variable, variables: {n: "{{item}}"}}
        - {name: again, type: checkpoint}
"""
    world = World()
    result = world.run(text)
    assert result.success
    assert result.steps["save"].metadata == {"label": "after 1"}
    saved = [event for event in world.events if event.kind == "checkpoint_saved"]
    # One for each top-level step, and one for each time that a step asked.
    assert len(saved) == 3 + 1 + 9
    found = checkpoints(world)
    assert found.labels() == {2: "after 1"}
    assert found.load(2).payload["records"].keys() == {"a"}
    assert [ref.seq for ref in found.versions()] == [13, 12, 11, 10, 9, 2]
    assert found.load(12).payload["loops"] == {"each": 8}
    assert found.load(13).payload["variables"] == {"n": 8}


def test_checkpoint_steps_save_also_where_nothing_else_does() -> None:
    text = """
workflow:
  name: w
  checkpoint_enabled: false
  steps: [{name: a, type: echo}, {name: save, type: checkpoint}, {name: b, type: echo}]
"""
    world = World()
    assert world.run(text).success
    assert [ref.seq for ref in checkpoints(world).versions()] == [1]


def test_a_checkpoint_that_cannot_be_saved_fails_the_step_that_asked() -> None:
    text = """
workflow:
  name: w
  checkpoint_enabled: false
  steps: [{name: save, type: checkpoint}, {name: b, type: echo}]
"""
    world = World()
    blobs = BreakableBlobs()
    assert isinstance(world.journals, BreakableJournals)
    world.journals._blobs["run1"] = blobs
    blobs.refuse, blobs.refuse_below = "storage_full", "checkpoints/"
    shown = world.run(text).as_json()
    assert shown["error"]["code"] == "checkpoint_not_saved"


# -- variables of sessions

counting = """
workflow:
  name: counting
  steps:
    - {name: add, type: set_variable, scope: session, variables: {n: "{{(n | default(0)) + 1}}"}}
    - {name: was, type: set_variable, scope: session, variables: {last: "{{last | default(0)}}"}}
    - name: child
      type: pipeline
      pipeline:
        name: inner
        steps:
          - {name: see, type: set_variable, scope: session, variables: {m: "{{n | default('none')}}"}}
          - name: shared
            type: set_variable
            scope: session
            session_name: counting
            variables: {last: "{{(last | default(0)) + 10}}"}
    - {name: show, type: echo, value: "{{n}} {{last}} {{m | default('unseen')}}"}
"""


def test_variables_of_a_session_are_found_by_later_runs_and_nobody_else() -> None:
    world = World()
    first, second = world.run(counting), world.run(counting)
    assert [one.steps["show"].text for one in (first, second)] == ["1 10 unseen", "2 20 unseen"]
    assert second.steps["child"].metadata["steps"]["see"]["data"] == {"m": 2}
    # They are no global variables.
    assert second.variables == {}
    other = world.run(counting.replace("name: counting", "name: other", 1))
    assert other.steps["add"].data == {"n": 1}


def test_a_run_that_goes_on_counts_once() -> None:
    text = """
workflow:
  name: counting
  steps:
    - {name: add, type: set_variable, scope: session, variables: {n: "{{(n | default(0)) + 1}}"}}
    - {name: ask, type: claude, prompt: "{{n}}"}
    - {name: more, type: set_variable, scope: session, variables: {n: "{{n + 1}}"}}
"""
    world = killed(text, "journal.before_done", 1, rules=None)
    assert resume(world, text).steps["more"].data == {"n": 2}
    assert world.run(text, run_id="run2").steps["more"].data == {"n": 4}


def test_a_store_of_variables_that_fails_is_a_warning_and_a_damaged_one_an_error() -> None:
    world = World()
    world.kept.refuse = "storage_full"
    result = world.run(counting)
    assert result.success
    assert {warning.code for warning in result.warnings} == {"storage_full"}
    world.kept.refuse = ""
    world.run(counting)
    for number, damaged in enumerate((b"[]", b"{")):
        for key in list(world.kept.list("session_variables/")):
            world.kept.put(key, damaged)
        with pytest.raises(StoreError, match="damaged"):
            world.run(counting, run_id=f"damaged{number}")
