"""A second try or pass inside one process reuses what the first one finished, as a resume would."""

import asyncio
from typing import Any

from pipex_core.engine.fold import RunState
from pipex_core.engine.journal import open_journal
from pipex_core.engine.records import RunResult
from pipex_core.engine.runner import run_plan
from tests.fakes.journals import BreakableJournals, NoFaults
from tests.fakes.world import World

loop = """
workflow:
  name: w
  steps:
    - name: each
      type: for_loop
      data_source: [a, b, c]
      retry: {max_retries: 1, retry_on: [busy]}
      steps:
        - {name: say, type: claude, prompt: "say {{item}}", retry: {max_retries: 0}}
        - {name: more, type: claude, prompt: "more {{say.text}}", retry: {max_retries: 0}}
"""
busy = {"error": {"kind": "overloaded", "message": "busy"}}
failing_once = {
    "responses": [
        {"when": {"step": "each[1]/more"}, "replies": [busy, "done"]},
        {"echo": True},
    ]
}


def prompts(world: World) -> list[str]:
    return [request.prompt for request in world.provider.sent]


def test_a_loop_that_is_tried_again_asks_only_what_had_no_answer() -> None:
    world = World(failing_once)
    result = world.run(loop)
    assert result.success, result.error
    assert prompts(world) == [
        *("say a", "more say a", "say b", "more say b"),  # the last one fails
        *("more say b", "say c", "more say c"),
    ]


chain = """
workflow:
  name: w
  steps:
    - {name: one, type: claude, prompt: one}
    - {name: two, type: claude, prompt: "two {{one.text}}", retry: {max_retries: 0}}
"""


def passes(world: World, text: str, *, prefix: str, count: int) -> list[RunResult]:
    """Results of executing a plan several times as the same part of one open journal."""

    async def work() -> list[RunResult]:
        services = world.services
        journal = open_journal(
            services.journals, "run1", clock=services.clock, faults=NoFaults(), hold=services.hold
        )
        found = [
            await run_plan(
                world.plan(text), {}, services=services, journal=journal, unit_prefix=prefix
            )
            for _ in range(count)
        ]
        await journal.close()
        return found

    return asyncio.run(work())


def test_a_second_pass_of_a_part_pays_only_for_what_the_first_one_left_open() -> None:
    rules: Any = {"responses": [{"when": {"step": "two"}, "replies": [busy, "2"]}, {"echo": True}]}
    world = World(rules)
    first, second = passes(world, chain, prefix="case:a/b#0/", count=2)
    assert (first.success, second.success) == (False, True)
    assert prompts(world) == ["one", "two one", "two one"]
    assert isinstance(world.journals, BreakableJournals)
    attempts = [
        (record["unit"], record["attempt"])
        for record in world.journals.records_of("run1")
        if record["t"] == "unit_begin"
    ]
    assert attempts == [("case:a/b#0/one", 1), ("case:a/b#0/two", 1), ("case:a/b#0/two", 2)]


def test_what_stands_inside_a_unit_that_ended_well_is_forgotten() -> None:
    state = RunState()

    def write(kind: str, unit: str, **more: Any) -> None:
        state.follow({"t": kind, "unit": unit, "attempt": 1, **more})

    for unit in ("p", "p/loop", "p/loop[0]/say"):
        write("unit_begin", unit)
    write("unit_end", "p/loop[0]/say", status="succeeded")
    # Top-level steps and cases are tried once in a process; only what is inside of them is followed.
    assert set(state.units) == {"p/loop", "p/loop[0]/say"}
    assert state.finished("p/loop[0]/say") is not None
    write("unit_end", "p/loop", status="succeeded")
    assert set(state.units) == {"p/loop"}
    write("unit_end", "p", status="failed")
    assert set(state.units) == {"p/loop"}
    write("unit_end", "p", status="succeeded")
    assert state.units == {}


def test_a_unit_whose_effects_were_undone_is_executed_again() -> None:
    state = RunState()
    state.follow({"t": "unit_end", "unit": "t/write", "attempt": 1, "status": "succeeded"})
    state.follow({"t": "txn_begin", "txn": "t", "unit": "t"})
    state.follow({"t": "undo_done", "txn": "t", "unit": "t/write", "index": 0})
    assert state.finished("t/write") is None
    assert state.transactions == {}
