"""What happens in a run, as typed events, and the listeners that count them.

Whoever does the work emits to an ``EventSink``; logs, counters, spans and the audit listen. A run has
one ``RunEvents``, which gives every event its number; a listener that fails is counted and passed over.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pipex_core.jsonvalue import Json
from pipex_core.ports import Clock

EventKind = Literal[
    "run_started",
    "step_started",
    "attempt_started",
    "delta",
    "attempt_failed",
    "step_finished",
    "checkpoint_saved",
    "warning",
    "run_finished",
    "eval_started",
    "plan",
    "case_started",
    "case_finished",
    "progress",
    "limiter",
    "eval_finished",
    "call_started",
    "call_finished",
    "call_retried",
    "breaker_changed",
    "limiter_changed",
    "budget_alert",
    "checkpoint_degraded",
    "lease_lost",
    "rollback",
    "worker_restarted",
    "crash_reported",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a run.

    Attributes:
        seq: Number within the run, from 1, without gaps.
        at: Wall clock, UTC; for display only.
        step: Step path, or an empty string for the run itself.
        data: Facts of this kind of event; never prompts, replies or secrets.
    """

    kind: EventKind
    run_id: str
    seq: int
    at: datetime
    step: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)


Listener = Callable[[Event], None]


class EventSink(Protocol):
    """Where events go; never raises and never waits.

    Attributes:
        run_id: The run whose events these are; empty outside a run.
    """

    @property
    def run_id(self) -> str: ...

    def emit(self, kind: EventKind, *, step: str = "", data: Mapping[str, Json]) -> None:
        """Tell the listeners that this happened now."""
        ...


class NullSink:
    """Nobody listens."""

    run_id = ""

    def emit(self, kind: EventKind, *, step: str = "", data: Mapping[str, Json]) -> None:
        """Nothing happens."""


class Fanout:
    """One listener that passes every event to several, in their order.

    Attributes:
        failures: Listener's position to the number of events it failed on.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)
        self.failures: Counter[int] = Counter()

    def __call__(self, event: Event) -> None:
        for position, listener in enumerate(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - an observer may break in any way and must not harm the run
                self.failures[position] += 1


class RunEvents:
    """The sink of one run: stamps events with number and time, and hands them to one listener."""

    def __init__(self, *, run_id: str, clock: Clock, listener: Listener) -> None:
        self.run_id = run_id
        self._clock = clock
        self._deliver = Fanout([listener])
        self._seq = 0

    def emit(self, kind: EventKind, *, step: str = "", data: Mapping[str, Json]) -> None:
        """Tell the listener that this happened now."""
        self._seq += 1
        self._deliver(
            Event(
                kind=kind,
                run_id=self.run_id,
                seq=self._seq,
                at=self._clock.now(),
                step=step,
                data=data,
            )
        )


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One counter with its labels, as ``(name, value)`` pairs in order of name."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


class Counters:
    """Counts in this process by metric name and labels.

    A label takes at most ``max_values`` different values per metric; further ones count as ``_other``,
    so that a wrong label cannot fill the memory.
    """

    def __init__(self, *, max_values: int = 200) -> None:
        self._max_values = max_values
        self._counts: Counter[Series] = Counter()
        self._values: dict[tuple[str, str], set[str]] = {}

    def add(self, name: str, labels: Mapping[str, str], *, amount: int = 1) -> None:
        """Count ``amount`` more under ``name`` and ``labels``."""
        self._counts[self._series(name, labels)] += amount

    def value(self, name: str, labels: Mapping[str, str]) -> int:
        """Sum over all series of ``name`` that have at least these labels; 0 when there is none."""
        wanted = set(labels.items())
        return sum(
            count
            for series, count in self._counts.items()
            if series.name == name and wanted <= set(series.labels)
        )

    def snapshot(self) -> Mapping[Series, int]:
        """All counts now, in order of name and labels."""
        return dict(sorted(self._counts.items()))

    def __call__(self, event: Event) -> None:
        """Count an event of a model call; other kinds are left alone."""
        data = event.data
        if event.kind == "call_finished":
            call = {key: str(data[key]) for key in ("provider", "model", "role")}
            self.add("pipex_calls_total", {**call, "outcome": str(data["outcome"])})
            self.add("pipex_cost_nanousd_total", call, amount=int(data["cost_nanousd"]))
            for kind, tokens in data["tokens"].items():
                self.add("pipex_tokens_total", {**call, "class": kind}, amount=int(tokens))
        elif event.kind == "call_retried":
            retry = {key: str(data[key]) for key in ("provider", "model", "kind")}
            self.add("pipex_call_retries_total", retry)

    def _series(self, name: str, labels: Mapping[str, str]) -> Series:
        return Series(
            name, tuple((label, self._kept(name, label, labels[label])) for label in sorted(labels))
        )

    def _kept(self, name: str, label: str, value: str) -> str:
        seen = self._values.setdefault((name, label), set())
        if value not in seen and len(seen) >= self._max_values:
            return "_other"
        seen.add(value)
        return value
