"""Going on after a crash: what was done is not done again, and what does not fit is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.engine.records import RunResult
from pipex_core.errors import ConfigError, RunLocked, StoreError
from tests.fakes.journals import BreakableJournals
from tests.fakes.provider import ScriptedProvider
from tests.fakes.world import World

three = """
workflow:
  name: w
  inputs: {q: {default: q}}
  steps:
    - {name: a, type: claude, prompt: "a {{inputs.q}}"}
    - {name: b, type: claude, prompt: "b {{a.text}}"}
    - {name: c, type: echo, value: "{{b.text}}", fail: "{{inputs.fail}}"}
"""
echoing = {"responses": [{"echo": True}]}


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def killed_at(point: str, visit: int, *, text: str = three, mock: Any = echoing) -> World:
    """A world whose process died at a fault point of its first run."""
    world = World(mock)
    faults = ArmedFaults({point: Fault(action=die, visit=visit)})
    world.with_services(faults=faults)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
        world.run(text, {"fail": False})
    return world


def after(world: World, *, mock: Any = echoing) -> World:
    """The next process on the same files; locks of the dead one are gone."""
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    journals._locks.clear()
    return World(mock, journals=journals)


def failed(mock: Any = echoing) -> World:
    """A world whose run failed at step c."""
    world = World(mock)
    assert not world.run(three, {"fail": True}).success
    return after(world, mock=mock)


def resume(world: World, *, text: str = three, fail: bool = True, **options: Any) -> RunResult:
    return world.run(text, {"fail": fail}, run_id="run1", resume=True, **options)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((ConfigError, StoreError)) as refused:
        act()
    return refused.value.code


@pytest.mark.parametrize("visit", [1, 2])
@pytest.mark.parametrize(
    ("point", "answered"),
    [
        ("journal.before_begin", 0),
        ("journal.after_begin", 0),
        ("journal.before_done", 0),
        ("journal.after_done", 1),
        ("engine.before_unit_end", 1),
        ("engine.after_unit_end", 1),
        ("checkpoint.before_save", 1),
        ("checkpoint.after_save", 1),
    ],
)
def test_a_run_killed_anywhere_ends_as_if_it_had_not_been(
    point: str, answered: int, visit: int
) -> None:
    dead = killed_at(point, visit)
    world = after(dead)
    result = resume(world, fail=False)
    undisturbed = World(echoing).run(three, {"fail": False})
    assert result.success
    assert result.steps == undisturbed.steps
    assert result.outputs == undisturbed.outputs
    durable = answered + visit - 1
    assert len(world.provider.sent) == 2 - durable
    assert (result.started_at, result.run_id) == (undisturbed.started_at, "run1")


def test_a_resume_says_what_is_finished_and_what_was_spent() -> None:
    mock = {"responses": [{"echo": True, "cost": 0.25}]}
    world = after(killed_at("journal.after_done", 2, mock=mock), mock=mock)
    result = resume(world, fail=False)
    started = next(event for event in world.events if event.kind == "run_started")
    assert started.data == {
        "workflow": "w",
        "resumed": True,
        "finished": ["a"],
        "steps": 3,
        "in_doubt": 0,
        "spent_nanousd": 500_000_000,
    }
    assert result.as_json()["cost_usd"] == 0.5
    assert result.calls == 2
    assert [record.cost_nanousd for record in result.steps.values()] == [250_000_000] * 2 + [0]


def test_a_failed_step_starts_over_and_finished_ones_are_kept() -> None:
    world = failed()
    result = resume(world)
    assert not result.success
    assert world.provider.sent == []
    assert result.order == ["a", "b", "c"]


def test_a_failed_model_step_asks_again() -> None:
    mock = {"responses": [{"error": {"kind": "auth"}}]}
    world = World(mock)
    world.run(three, {"fail": False})
    again = after(world)
    assert resume(again, fail=False).success
    assert [request.prompt for request in again.provider.sent] == ["a q", "b a q"]


def test_a_run_that_succeeded_does_not_resume() -> None:
    world = World(echoing)
    world.run(three, {"fail": False})
    assert refusal(lambda: resume(after(world), fail=False)) == "run_finished"
    assert refusal(lambda: resume(after(world), fail=False, force=True)) == "run_finished"


@pytest.mark.parametrize("run_id", ["never", "../run1", ""])
def test_an_unknown_run_does_not_resume(run_id: str) -> None:
    world = failed()
    assert refusal(lambda: world.run(three, {"fail": True}, run_id=run_id, resume=True)) == (
        "unknown_run"
    )


def test_changed_inputs_are_refused_by_name_and_redo_everything_under_force() -> None:
    world = failed()
    with pytest.raises(ConfigError, match=r"inputs\.fail") as refused:
        resume(world, fail=False)
    assert refused.value.code == "checkpoint_mismatch"
    result = resume(world, fail=False, force=True)
    assert result.success
    assert len(world.provider.sent) == 2
    assert "finished steps that are done again: a, b" in [w.message for w in result.warnings]


def test_changed_steps_are_refused_by_name_and_redone_with_all_behind_them() -> None:
    changed = three.replace("b {{a.text}}", "b! {{a.text}}")
    world = failed()
    with pytest.raises(ConfigError, match=r"steps\.b, steps\.c|steps\.b changed") as refused:
        resume(world, text=changed)
    assert refused.value.code == "checkpoint_mismatch"
    resume(world, text=changed, force=True)
    assert [request.prompt for request in world.provider.sent] == ["b! a q"]


def test_a_changed_workflow_is_refused() -> None:
    changed = three.replace("  steps:", "  global_vars: {x: 1}\n  steps:")
    with pytest.raises(ConfigError, match="workflow changed"):
        resume(failed(), text=changed)


def test_words_for_people_may_change() -> None:
    changed = three.replace("  steps:", "  description: better\n  steps:")
    assert resume(failed(), text=changed).order == ["a", "b", "c"]


def test_a_run_that_is_being_written_does_not_resume() -> None:
    world = failed()
    held = world.journals.open_log("run1", "main")
    with pytest.raises(RunLocked):
        resume(world)
    held.close()
    resume(world)


def test_a_refused_resume_leaves_no_lock_behind() -> None:
    world = failed()
    for _ in range(2):
        assert refusal(lambda: resume(world, fail=False)) == "checkpoint_mismatch"


def test_a_lost_journal_is_damage_as_long_as_a_checkpoint_knows_of_it() -> None:
    world = failed()
    world.journals.segments_of("run1").clear()  # type: ignore[attr-defined]
    assert refusal(lambda: resume(world)) == "journal_damaged"
    for key in list(world.journals.blobs("run1").list("checkpoints/")):
        world.journals.blobs("run1").delete(key)
    assert refusal(lambda: resume(world)) == "state_lost"


def test_a_torn_journal_goes_on_with_a_warning() -> None:
    world = after(killed_at("checkpoint.before_save", 1))
    segments = world.journals.segments_of("run1")  # type: ignore[attr-defined]
    segments["000001-000001.seg"] += b"12:tor"
    result = resume(world, fail=False)
    assert [warning.code for warning in result.warnings] == ["journal_torn"]


def test_a_damaged_checkpoint_is_told_and_an_older_one_is_read() -> None:
    world = failed()
    blobs = world.journals.blobs("run1")
    newest = list(blobs.list("checkpoints/"))[-1]
    blobs.put(newest, b"{}")
    result = resume(world)
    assert "checkpoint_damaged" in [warning.code for warning in result.warnings]


def test_a_call_in_doubt_counts_as_spent_and_is_told() -> None:
    text = three.replace(
        "type: claude, prompt", "type: claude, claude_options: {model: priced}, prompt"
    )
    provider = ScriptedProvider(name="anthropic")
    world = World(provider=provider)
    world.with_services(faults=ArmedFaults({"journal.before_done": Fault(action=die)}))
    with pytest.raises(BaseException):  # noqa: B017, PT011 - as above
        world.run(text, {"fail": False})
    journals = world.journals
    assert isinstance(journals, BreakableJournals)
    journals._locks.clear()
    again = World(provider=ScriptedProvider(name="anthropic"), journals=journals)
    result = again.run(text, {"fail": False}, run_id="run1", resume=True)
    assert result.success
    assert [warning.code for warning in result.warnings] == ["in_doubt"]
    reserved = next(r["reserved_nanousd"] for r in journals.records_of("run1") if r["t"] == "begin")
    billed = sum(r["cost_nanousd"] for r in journals.records_of("run1") if r["t"] == "done")
    assert reserved > 0
    assert result.cost_nanousd == reserved + billed
    assert result.calls == 3


def test_another_prompt_than_before_the_crash_is_told_and_asked() -> None:
    clocked = three.replace("a {{inputs.q}}", "a {{now()}}")
    dead = killed_at("journal.after_done", 1, text=clocked)
    world = after(dead)
    world.clock._start = world.clock.now().replace(hour=15)
    result = resume(world, text=clocked, fail=False)
    assert result.success
    assert [(w.code, w.step) for w in result.warnings] == [("replay_divergence", "a")]
    assert len(world.provider.sent) == 2


def test_a_document_that_cannot_be_read_is_not_taken_for_a_missing_run() -> None:
    world = failed()

    class Offline:
        """Blobs that cannot be reached."""

        def get(self, key: str) -> bytes:
            raise StoreError(f"no way to {key}", code="storage_error")

    world.journals._blobs["run1"] = Offline()  # type: ignore[attr-defined]
    assert refusal(lambda: resume(world)) == "storage_error"


def test_tries_before_a_restart_count_towards_the_limit() -> None:
    text = """
workflow:
  name: w
  steps: [{name: a, type: echo, fail: true, retry: {max_retries: 2, retry_on: [echo_failed]}}]
"""
    world = World()
    world.clock.sleep = die_in_sleep  # type: ignore[method-assign]
    with pytest.raises(Killed):
        world.run(text)
    again = after(world)
    result = again.run(text, run_id="run1", resume=True)
    assert result.steps["a"].attempts == 3
    begun = [event for event in again.events if event.kind == "attempt_started"]
    assert [event.data["attempt"] for event in begun] == [2, 3]


async def die_in_sleep(seconds: float) -> None:
    raise Killed(seconds)


def test_a_newer_document_is_refused() -> None:
    world = failed()
    blobs = world.journals.blobs("run1")
    blobs.put("run.json", blobs.get("run.json").replace(b"pipex.document/1", b"pipex.document/2"))
    assert refusal(lambda: resume(world)) == "schema_too_new"


def test_children_that_finished_are_not_run_again() -> None:
    text = """
workflow:
  name: w
  inputs: {fail: {default: false}}
  steps:
    - name: p
      type: pipeline
      inputs: {fail: "{{inputs.fail}}"}
      pipeline:
        name: c
        inputs: {fail: {type: boolean}}
        steps:
          - {name: x, type: claude, prompt: x}
          - {name: y, type: claude, prompt: y}
"""
    dead = killed_at("journal.before_done", 2, text=text)
    world = after(dead)
    result = resume(world, text=text, fail=False)
    assert result.steps["p"].data == {"x": "x", "y": "y"}
    assert [request.prompt for request in world.provider.sent] == ["y"]


def test_warnings_of_steps_that_had_ended_are_those_of_a_run_in_one_go() -> None:
    inner = "{name: soft, type: echo, value: '{{ item.nope }}', templates: lenient}"
    text = f"""
workflow:
  name: w
  steps:
    - {{name: each, type: for_loop, data_source: [{{}}, {{}}], steps: [{inner}]}}
    - {{name: bad, type: echo, fail: true, on_failure: continue}}
    - {{name: last, type: echo, value: x}}
"""
    whole = World().run(text).warnings
    assert [one.code for one in whole] == ["undefined_reference"] * 2 + ["echo_failed"]
    for visit in range(1, 6):
        world = killed_at("engine.before_unit_end", visit, text=text)
        assert resume(after(world), text=text, fail=False).warnings == whole, visit
