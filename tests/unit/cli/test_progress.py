"""Progress for people: one live line on a terminal, a plain line now and then in a log file."""

import io
from contextlib import redirect_stderr
from datetime import UTC, datetime
from typing import Any

import pytest

from pipex_core.cli.progress import ProgressLine, clear_line, progress_text
from pipex_core.telemetry import Event

counts: dict[str, Any] = {
    "done": 30, "total": 120, "carried": 0, "missing": 0, "calls": 30, "cost_usd": 0.0,
    "eta_s": None, "per_metric": {},
}  # fmt: skip


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def event(kind: Any, **data: Any) -> Event:
    return Event(kind=kind, run_id="r", seq=1, at=datetime(2026, 1, 1, tzinfo=UTC), data=data)


def heard(stream: io.StringIO, line: ProgressLine, *events: Event) -> str:
    with redirect_stderr(stream):
        for one in events:
            line(one)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, "30/120 (25%)  calls 30"),
        ({"done": 0, "total": 0}, "0/0  calls 30"),
        ({"carried": 4, "missing": 2}, "30/120 (25%)  carried 4  missing 2  calls 30"),
        ({"cost_usd": 0.12345}, "30/120 (25%)  calls 30  0.1235 USD"),
        ({"eta_s": 12.4}, "30/120 (25%)  calls 30  12 s left"),
        ({"eta_s": 72.0}, "30/120 (25%)  calls 30  1 min 12 s left"),
        ({"eta_s": 7320.0}, "30/120 (25%)  calls 30  2 h 2 min left"),
        ({"eta_s": 5.0, "done": 120}, "120/120 (100%)  calls 30"),
        (
            {"per_metric": {"a": {"mean": 0.51234}, "b": {"mean": None}, "c": {"mean": 1.0}}},
            "30/120 (25%)  calls 30  a 0.512",
        ),
    ],
)
def test_a_line_says_what_there_is_to_say(changed: dict[str, Any], text: str) -> None:
    assert progress_text({**counts, **changed}) == text


def test_a_terminal_has_one_line_that_is_cleared_at_the_end() -> None:
    line = ProgressLine(clock=Clock())
    said = heard(
        Terminal(),
        line,
        event("progress", **counts),
        event("progress", **counts),
        event("eval_finished"),
    )
    shown = f"{clear_line}30/120 (25%)  calls 30"
    assert said == shown + shown + clear_line


def test_a_log_file_gets_a_plain_line_every_ten_seconds() -> None:
    clock = Clock()
    line = ProgressLine(clock=clock)
    stream = io.StringIO()
    assert heard(stream, line, event("progress", **counts)) == ""
    clock.now += 10.0
    assert heard(stream, line, event("progress", **counts)) == "30/120 (25%)  calls 30\n"
    assert heard(stream, line, event("progress", **counts)) == "30/120 (25%)  calls 30\n"
    clock.now += 10.0
    last = event("progress", **{**counts, "done": 120})
    assert heard(stream, line, last) == "30/120 (25%)  calls 30\n"


def test_a_warning_is_shown_once_and_then_counted_also_when_quiet() -> None:
    line = ProgressLine(quiet=True, clock=Clock())
    warning = event("warning", code="unknown_price", message="model 'm' has no price")
    said = heard(
        Terminal(),
        line,
        event("progress", **counts),
        warning,
        warning,
        warning,
        event("warning", code="slow", message="waiting"),
        event("eval_finished"),
    )
    assert said.splitlines() == [
        "warning: model 'm' has no price [unknown_price]",
        "warning: waiting [slow]",
        "warning: 2 more like the one above [unknown_price]",
    ]


def test_a_warning_ends_the_live_line() -> None:
    line = ProgressLine(clock=Clock())
    said = heard(
        Terminal(), line, event("progress", **counts), event("warning", code="c", message="m")
    )
    assert said.endswith(f"{clear_line}warning: m [c]\n")


def test_other_events_say_nothing() -> None:
    assert heard(io.StringIO(), ProgressLine(), event("run_started")) == ""
