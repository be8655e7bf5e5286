"""Events of a run: in order for each step, numbered without gaps, and never in the way of it."""

from pipex_core.telemetry import Event, Fanout
from tests.fakes.world import World

retried = {
    "responses": [
        {
            "when": {"step": "ask"},
            "replies": [{"error": {"kind": "overloaded", "message": "busy"}}, "hello there"],
        },
        {"echo": True},
    ]
}
text = """
workflow:
  name: w
  steps:
    - {name: ask, type: claude, prompt: p, streaming: true, retry: {max_retries: 2}}
    - {name: each, type: for_loop, data_source: [1], steps: [{name: x, type: echo, value: 1}]}
    - {name: bad, type: echo, fail: true, on_failure: continue}
    - {name: skip, type: echo, value: 1, when: "false"}
"""
of_runs = {
    *("run_started", "step_started", "attempt_started", "delta", "attempt_failed"),
    *("step_finished", "checkpoint_saved", "warning", "run_finished"),
}


def kinds(world: World, step: str) -> list[str]:
    return [e.kind for e in world.events if e.step == step and e.kind in of_runs]


def test_events_of_a_step_come_in_the_order_in_which_things_happen() -> None:
    world = World(retried)
    world.run(text)
    assert kinds(world, "") == ["run_started", "run_finished"]
    assert kinds(world, "ask") == [
        *("step_started", "attempt_started", "attempt_failed", "attempt_started"),
        *("delta", "step_finished", "checkpoint_saved"),
    ]
    assert kinds(world, "each[0]/x") == ["step_started", "attempt_started", "step_finished"]
    assert kinds(world, "bad") == [
        *("step_started", "attempt_started", "warning", "step_finished", "checkpoint_saved"),
    ]
    assert kinds(world, "skip") == ["step_started", "step_finished", "checkpoint_saved"]


def test_events_are_numbered_from_one_without_gaps_and_name_their_run() -> None:
    world = World(retried)
    world.run(text)
    assert [event.seq for event in world.events] == list(range(1, len(world.events) + 1))
    assert {event.run_id for event in world.events} == {"run1"}
    assert all(event.at.tzinfo is not None for event in world.events)
    attempts = [e.data["attempt"] for e in world.events if e.kind == "attempt_started"]
    assert attempts == [1, 2, 1, 1, 1]
    failed = next(e for e in world.events if e.kind == "attempt_failed")
    assert (failed.data["attempt"], failed.data["code"]) == (1, "overloaded")
    assert failed.data["wait_s"] > 0


def test_a_listener_that_fails_changes_nothing() -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError(event.kind)

    world = World(retried).with_services(listener=Fanout([broken, heard.append]))
    result = world.run(text)
    assert result.as_json()["steps"] == World(retried).run(text).as_json()["steps"]
    assert heard[-1].kind == "run_finished"
