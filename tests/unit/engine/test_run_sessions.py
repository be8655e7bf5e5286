"""Sessions of runs: what steps say to one another, what outlives a run, and what a crash leaves."""

import asyncio
from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.engine.journal import open_journal
from pipex_core.engine.records import RunResult, StepRecord
from pipex_core.engine.runner import run_plan
from pipex_core.engine.sessions import keep_sessions, session_of
from pipex_core.errors import SpecError, StoreError
from pipex_core.llm.session import Said, SessionStore, Turn
from tests.fakes.journals import BreakableJournals, NoFaults
from tests.fakes.world import World, problems_of

mock: Any = {"responses": [{"reply": "ok", "cost": 0.25}]}


def tutor(*names: str, more: str = "", session: str = "math") -> str:
    steps = "\n".join(
        f"    - {{name: {name}, type: claude_session, prompt: {name},"
        f" session_config: {{session_name: {session}{more}}}}}"
        for name in names
    )
    return f"workflow:\n  name: w\n  steps:\n{steps}\n"


def world(blobs: MemoryBlobs, journals: BreakableJournals | None = None, **services: Any) -> World:
    made = World(mock, journals=journals)
    return made.with_services(sessions=SessionStore(blobs), **services)


def asked(world: World) -> list[list[str]]:
    """Texts of all turns of each request."""
    return [[message.text for message in request.messages] for request in world.provider.sent]


def kept(blobs: MemoryBlobs, name: str = "math") -> list[str]:
    return [turn.text for turn in SessionStore(blobs).load(name).turns]


def run(blobs: MemoryBlobs, text: str, *, run_id: str, **options: Any) -> list[list[str]]:
    """What the run's calls said."""
    current = world(blobs)
    assert current.run(text, run_id=run_id, **options).success
    return asked(current)


def test_later_steps_and_later_runs_go_on_with_a_session() -> None:
    blobs = MemoryBlobs()
    assert run(blobs, tutor("a", "b"), run_id="r1") == [["a"], ["a", "ok", "b"]]
    assert kept(blobs) == ["a", "ok", "b", "ok"]
    assert run(blobs, tutor("c"), run_id="r2") == [["a", "ok", "b", "ok", "c"]]
    assert SessionStore(blobs).load("math").cost_nanousd == 750_000_000


def test_a_session_that_does_not_persist_ends_with_its_run() -> None:
    blobs = MemoryBlobs()
    text = tutor("a", "b", more=", persist: false")
    for run_id in ("r1", "r2"):
        assert run(blobs, text, run_id=run_id) == [["a"], ["a", "ok", "b"]]
    assert list(blobs.list()) == []


def test_a_session_that_starts_anew_replaces_what_was_kept() -> None:
    blobs = MemoryBlobs()
    text = tutor("a", "b", more=", continue_on_restart: false")
    for run_id in ("r1", "r2"):
        assert run(blobs, text, run_id=run_id) == [["a"], ["a", "ok", "b"]]
    assert kept(blobs) == ["a", "ok", "b", "ok"]


def test_without_a_store_a_session_lives_for_the_run() -> None:
    current = World(mock)
    assert current.run(tutor("a", "b")).success
    assert asked(current) == [["a"], ["a", "ok", "b"]]


def test_a_failed_step_adds_nothing() -> None:
    blobs = MemoryBlobs()
    text = tutor("a", "b").replace("{name: a,", "{name: a, optional: true, output_to_file: '../x',")
    assert run(blobs, text, run_id="r1") == [["a"], ["b"]]
    assert kept(blobs) == ["b", "ok"]


loop = """
workflow:
  name: w
  steps:
    - name: each
      type: for_loop
      data_source: [1, 2]
      steps:
        - name: say
          type: claude_session
          prompt: "n{{item}}"
          session_config: {session_name: math}
    - name: last
      type: pipeline
      pipeline:
        name: inner
        steps:
          - name: say
            type: claude_session
            prompt: end
            session_config: {session_name: math}
    - name: recap
      type: claude
      prompt: [{type: session_context, session_id: math, include_last_n: 2}]
"""


def test_loops_and_children_go_on_with_the_session_around_them() -> None:
    blobs = MemoryBlobs()
    assert run(blobs, loop, run_id="r1") == [
        ["n1"],
        ["n1", "ok", "n2"],
        ["n1", "ok", "n2", "ok", "end"],
        ["user: end\nassistant: ok"],
    ]
    assert kept(blobs) == ["n1", "ok", "n2", "ok", "end", "ok"]


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def resumed(point: str, visit: int, text: str) -> tuple[MemoryBlobs, RunResult, list[list[str]]]:
    """What a run left that was killed at a fault point and resumed."""
    blobs, journals = MemoryBlobs(), BreakableJournals()
    faults = ArmedFaults({point: Fault(action=die, visit=visit)})
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
        world(blobs, journals, faults=faults).run(text)
    journals._locks.clear()
    again = world(blobs, journals)
    return blobs, again.run(text, run_id="run1", resume=True), asked(again)


@pytest.mark.parametrize("visit", [1, 2])
@pytest.mark.parametrize("point", ["journal.after_done", "engine.after_unit_end"])
def test_a_run_killed_between_answer_and_session_ends_as_if_it_had_not_been(
    point: str, visit: int
) -> None:
    blobs, result, _ = resumed(point, visit, tutor("a", "b"))
    assert kept(blobs) == ["a", "ok", "b", "ok"]
    assert result.steps["b"].metadata["turn_count"] == 4


def test_turns_of_a_step_that_did_not_finish_are_dropped() -> None:
    store = SessionStore(MemoryBlobs())
    session = store.load("math").with_exchange(
        asked="half", answered="done", step="b", run_id="run1", cost_nanousd=0
    )
    store.save(session)
    said = (exchange("math", "a", run_id="run1"),)
    assert [t.text for t in session_of(store, "run1", said, "math").turns] == ["a", "re a"]


def exchange(session: str, text: str, *, run_id: str, **more: Any) -> Said:
    turns = (
        Turn(role="user", text=text, step="s", run_id=run_id),
        Turn(role="assistant", text=f"re {text}", step="s", run_id=run_id, cost_nanousd=3),
    )
    return Said(session=session, turns=turns, **more)


def test_only_what_persists_is_kept() -> None:
    blobs = MemoryBlobs()
    said = (
        exchange("x", "1", run_id="r"),
        exchange("x", "2", run_id="r", persists=False),
        exchange("y", "3", run_id="r", persists=False),
    )
    keep_sessions(SessionStore(blobs), "r", said, ["x", "y", "x"])
    assert kept(blobs, "x") == ["1", "re 1"]
    assert len(list(blobs.list())) == 1


def test_what_was_said_survives_in_the_record() -> None:
    said = (exchange("x", "1", run_id="r", is_fresh=True, persists=False),)
    record = StepRecord(name="s", type="claude_session", said=said)
    assert StepRecord.from_stored(record.stored()) == record


class FullBlobs(MemoryBlobs):
    """A store without room."""

    def put(self, key: str, data: bytes) -> None:
        raise StoreError(f"no space for {key} ({len(data)} bytes)", code="storage_full")


def test_a_session_that_cannot_be_kept_is_a_warning() -> None:
    result = world(FullBlobs()).run(tutor("a"))
    assert result.success
    assert [(warning.code, warning.step) for warning in result.warnings] == [("storage_full", "a")]


parallel = """
workflow:
  name: w
  steps:
    - name: each
      type: for_loop
      parallel: true
      data_source: [1, 2]
      steps:
        - {name: say, type: claude_session, prompt: x, session_config: {session_name: NAME}}
"""


def test_steps_that_run_at_the_same_time_share_no_session() -> None:
    with pytest.raises(SpecError) as refused:
        World(mock).plan(parallel.replace("NAME", "math"))
    assert problems_of(refused.value) == ["parallel_write"]
    current = World(mock)
    assert current.run(parallel.replace("NAME", "'s {{item}}'")).success
    assert asked(current) == [["x"], ["x"]]


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [("a", "a", True), ("a", "b", False), ("a", "'{{inputs.x}}'", True)],
)
def test_steps_whose_options_name_one_session_follow_one_another(
    first: str, second: str, *, waits: bool
) -> None:
    text = f"""
workflow:
  name: w
  execution: dag
  inputs: {{x: a}}
  steps:
    - {{name: one, type: claude, prompt: x, claude_options: {{session_id: {first}}}}}
    - {{name: two, type: claude, prompt: x, claude_options: {{session_id: {second}}}}}
"""
    plan = World(mock).plan(text)
    assert ("one" in plan.steps[1].depends_on) is waits


def test_a_case_of_an_evaluation_starts_without_sessions_and_leaves_none() -> None:
    blobs = MemoryBlobs()
    run(blobs, tutor("a"), run_id="r1")
    current = world(blobs)
    journal = open_journal(
        current.journals, "eval", clock=current.clock, faults=NoFaults(), hold=current.clock.hold
    )

    async def case() -> RunResult:
        journal.start({})
        result = await run_plan(
            current.plan(tutor("b")),
            {},
            services=current.services,
            journal=journal,
            unit_prefix="case:q1#0/",
        )
        await journal.close()
        return result

    assert asyncio.run(case()).success
    assert asked(current) == [["b"]]
    assert kept(blobs) == ["a", "ok"]
