"""How far a run is: counts, cost and the time that is left, told to whoever listens."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipex_core.evals.answers import Answer
from pipex_core.evals.results import ResponseClass
from pipex_core.jsonvalue import Json
from pipex_core.ports import Clock
from pipex_core.telemetry import EventSink

shortest_gap_s = 0.5  # between two ``progress`` events


@dataclass(slots=True, kw_only=True)
class Running:
    """Running mean of one metric, for the progress line; summaries are computed from the tables."""

    n: int = 0
    total: float = 0.0

    def as_json(self) -> dict[str, Json]:
        """``{n, mean}``; the mean of nothing is null."""
        return {"n": self.n, "mean": self.total / self.n if self.n else None}


@dataclass(slots=True, kw_only=True)
class Progress:
    """Counts of a run that is going on; one object belongs to one run and one event loop.

    ``scored`` and ``decided`` may be called by another thread than the rest: each count has one writer.

    Attributes:
        total: Planned rows: cases times repeats.
        done: Rows with an answer or a reason, carried ones included.
        carried: Rows taken over from earlier runs.
        verdicts: ``passed``, ``failed`` and ``undetermined`` rows, as far as they are scored.
        cost_nanousd: Of rows made by this run.
    """

    total: int
    events: EventSink
    clock: Clock
    done: int = 0
    carried: int = 0
    missing: int = 0
    calls: int = 0
    cost_nanousd: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    metrics: dict[str, Running] = field(default_factory=dict)
    _started_s: float = 0.0
    _at_start: int = 0
    _told_s: float = float("-inf")

    def start(self, *, done: int, carried: int) -> None:
        """The run begins with rows that cost no call any more."""
        self._started_s = self.clock.monotonic()
        self.done, self.carried, self._at_start = done, carried, done

    def answered(self, unit: str, answer: Answer, response_class: ResponseClass) -> None:
        """A row is durable."""
        self.done += 1
        self.missing += response_class == "missing"
        if answer.is_new:
            self.calls += answer.calls
            self.cost_nanousd += answer.cost_nanousd
        self.events.emit(
            "case_finished",
            step=unit,
            data={
                "status": answer.status,
                "code": answer.error_code,
                "cost_usd": answer.cost_nanousd / 1e9,
                "latency_ms": answer.latency_ms,
            },
        )
        self.tell()

    def judged(self, *, calls: int, cost_nanousd: int) -> None:
        """A judge has given a verdict; the row that it is about was counted before."""
        self.calls += calls
        self.cost_nanousd += cost_nanousd
        self.tell()

    def asked_again(self, rows: int) -> None:
        """Open rows get a second try: they are not done after all."""
        self.done -= rows
        self.missing -= rows

    def scored(self, metric: str, value: float) -> None:
        """A metric gave a number."""
        running = self.metrics.setdefault(metric, Running())
        running.n += 1
        running.total += value

    def decided(self, passed: bool | None) -> None:  # noqa: FBT001 - the one thing it is told
        """All metrics of a row are there."""
        self.verdicts["undetermined" if passed is None else "passed" if passed else "failed"] += 1

    def tell(self, *, now: bool = False) -> None:
        """Emit ``progress``, unless the last one was less than half a second ago."""
        at = self.clock.monotonic()
        if now or at - self._told_s >= shortest_gap_s:
            self._told_s = at
            self.events.emit("progress", data=self.snapshot())

    def snapshot(self) -> Mapping[str, Json]:
        """The fields of a ``progress`` event; ``eta_s`` is null before the first new answer."""
        new = self.done - self._at_start
        spent_s = self.clock.monotonic() - self._started_s
        return {
            "done": self.done,
            "total": self.total,
            "passed": self.verdicts["passed"],
            "failed": self.verdicts["failed"],
            "undetermined": self.verdicts["undetermined"],
            "missing": self.missing,
            "carried": self.carried,
            "cost_usd": self.cost_nanousd / 1e9,
            "calls": self.calls,
            "eta_s": (self.total - self.done) * spent_s / new if new > 0 else None,
            "per_metric": {name: one.as_json() for name, one in sorted(self.metrics.items())},
        }
