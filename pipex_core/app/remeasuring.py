"""Answers of a stored evaluation as a target of their own: measured anew, never asked again."""

from collections.abc import Sequence
from dataclasses import replace

from pipex_core.app import wiring
from pipex_core.app.evaluations import Desk, reopened
from pipex_core.app.judges import judges_of
from pipex_core.app.requests import EvalRequest
from pipex_core.app.stored import find_run, open_archive
from pipex_core.jsonvalue import Json
from pipex_core.telemetry import Listener

kind = "answers_of"


def rescored(
    run_id: str,
    *,
    results: str | None = None,
    metrics: Sequence[Json] | None = None,
    judge: str | None = None,
    gate: str | None = None,
    listener: Listener = wiring.unheard,
) -> tuple[Desk, EvalRequest]:
    """The desk and the request that measure the answers of a run anew; a new run.

    Raises:
        ConfigError: ``unknown_run``, or the words of the run are not kept any more.
    """
    place = find_run(open_archive(results), run_id)
    desk, request = reopened(place.run_id, listener=listener)
    request = replace(
        request,
        run_id=None,
        target={"kind": kind, "run_id": place.run_id},
        metrics=request.metrics if metrics is None else metrics,
        gate=request.gate if gate is None else gate,
        judges=request.judges if judge is None else judges_of(judge),
        options=replace(request.options, again=None, reroll=False, reuse="always"),
    )
    return replace(desk, results=results or desk.results), request
