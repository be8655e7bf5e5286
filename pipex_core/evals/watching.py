"""Who is told of a run while it goes on, and what is remembered of it that is no row."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipex_core.engine.services import Services
from pipex_core.evals.job import EvalJob
from pipex_core.evals.progress import Progress
from pipex_core.jsonvalue import Json
from pipex_core.telemetry import Event, RunEvents


@dataclass(slots=True, kw_only=True)
class Watch:
    """The events and counts of one run, shared by its phases.

    Attributes:
        limits: How many calls at once each service was found to bear, in order of the changes.
    """

    events: RunEvents
    progress: Progress
    limits: list[Mapping[str, Json]]


def watch(job: EvalJob, services: Services) -> Watch:
    """Somebody to tell: the listener of the services."""
    limits: list[Mapping[str, Json]] = []
    started_s = services.clock.monotonic()

    def heard(event: Event) -> None:
        changed = event.kind == "limiter_changed"
        if changed:
            after_ms = round((services.clock.monotonic() - started_s) * 1000)
            limits.append({"after_ms": after_ms, **event.data})
        services.listener(event)
        if changed:
            events.emit("limiter", data=event.data)

    events = RunEvents(run_id=job.run_id, clock=services.clock, listener=heard)
    total = len(job.cases) * job.repeats
    progress = Progress(total=total, events=events, clock=services.clock)
    return Watch(events=events, progress=progress, limits=limits)
