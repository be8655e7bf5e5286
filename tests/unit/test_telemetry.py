"""Events are numbered, listeners may fail, counts are bounded."""

from pipex_core.telemetry import Counters, Event, Fanout, NullSink, RunEvents, Series
from tests.fakes.clock import ManualClock, start


def finished(model: str = "m", *, outcome: str = "ok") -> Event:
    return Event(
        kind="call_finished",
        run_id="r",
        seq=1,
        at=start,
        data={
            "provider": "p",
            "model": model,
            "role": "target",
            "outcome": outcome,
            "cost_nanousd": 5,
            "tokens": {"input": 7, "output": 3},
        },
    )


def test_events_of_a_run_are_numbered_without_gaps_and_dated() -> None:
    seen: list[Event] = []
    clock = ManualClock()
    events = RunEvents(run_id="r", clock=clock, listener=seen.append)
    events.emit("run_started", data={"n": 1})
    clock.tick(60)
    events.emit("step_started", step="a", data={})
    assert [(event.seq, event.kind, event.run_id, event.step) for event in seen] == [
        (1, "run_started", "r", ""),
        (2, "step_started", "r", "a"),
    ]
    assert (seen[1].at - seen[0].at).total_seconds() == 60


def test_a_failing_listener_changes_nothing_for_the_run_or_the_others() -> None:
    def broken(_: Event) -> None:
        raise OSError("the socket is closed")

    seen: list[Event] = []
    fanout = Fanout([broken, seen.append])
    events = RunEvents(run_id="r", clock=ManualClock(), listener=fanout)
    events.emit("run_started", data={})
    events.emit("run_finished", data={})
    assert [event.kind for event in seen] == ["run_started", "run_finished"]
    assert fanout.failures == {0: 2}


def test_nobody_may_listen() -> None:
    sink = NullSink()
    sink.emit("run_started", data={})
    assert sink.run_id == ""


def test_calls_are_counted_by_their_labels() -> None:
    counters = Counters()
    counters(finished())
    counters(finished())
    counters(finished("n", outcome="timeout"))
    call = {"provider": "p", "model": "m"}
    assert counters.value("pipex_calls_total", call) == 2
    assert counters.value("pipex_calls_total", {}) == 3
    assert counters.value("pipex_calls_total", {"outcome": "timeout"}) == 1
    assert counters.value("pipex_tokens_total", {"class": "input"}) == 21
    assert counters.value("pipex_cost_nanousd_total", call) == 10
    assert counters.value("nothing", {}) == 0


def test_retries_are_counted_by_kind() -> None:
    counters = Counters()
    data = {"provider": "p", "model": "m", "kind": "timeout", "attempt": 1}
    counters(Event(kind="call_retried", run_id="r", seq=1, at=start, data=data))
    counters(Event(kind="run_started", run_id="r", seq=2, at=start))
    assert counters.value("pipex_call_retries_total", {"kind": "timeout"}) == 1


def test_a_label_with_too_many_values_does_not_fill_the_memory() -> None:
    counters = Counters(max_values=2)
    for n in range(5):
        counters.add("x_total", {"step": f"s{n}"})
    assert counters.snapshot() == {
        Series("x_total", (("step", "_other"),)): 3,
        Series("x_total", (("step", "s0"),)): 1,
        Series("x_total", (("step", "s1"),)): 1,
    }
