"""One metric of a suite over its runs, oldest first, with a mark where the ruler or the questions changed."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive
from pipex_core.evals.publication import Place
from pipex_core.evals.summary import metric_document
from pipex_core.jsonvalue import Json
from pipex_core.registry import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A metric in one run.

    Attributes:
        n: Cases behind the mean.
        ruler_changed: The metric measures differently than in the point before.
        suite_changed: The questions differ from those of the point before.
    """

    run_id: str
    started_at: str
    target_id: str
    model_id: str
    status: str
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    pass_rate: float | None
    n: int
    n_missing: int
    ruler_changed: bool
    suite_changed: bool


def history(
    archive: Archive,
    suite: str,
    *,
    metric: str | None = None,
    model: str | None = None,
    last: int | None = None,
) -> tuple[str, list[Point]]:
    """The metric and its points, oldest first.

    Args:
        archive: Holds the runs.
        suite: Id of the suite.
        metric: Column of a metric; the first one of the newest run when None.
        model: Only runs of this model.
        last: Only so many, the newest.

    Raises:
        ConfigError: ``unknown_run``, the suite has no run; ``unknown_metric``, no run has the metric.
    """
    places = archive.places(suite=suite, model=model)[:last]
    if not places:
        raise ConfigError(
            f"there is no run of {suite!r}{f' with {model}' if model else ''}",
            code="unknown_run",
            next_step="pipex eval list",
        )
    names = [one["name"] for place in places for one in archive.manifest(place)["metrics"]]
    chosen = metric or names[0]
    if chosen not in names:
        near = nearest(chosen, names)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"no run has the metric {chosen!r}{hint}", code="unknown_metric")
    return chosen, list(_points(archive, list(reversed(places)), chosen))


def as_document(suite: str, metric: str, points: list[Point]) -> dict[str, Json]:
    """``pipex.history/1``."""
    return {
        "schema": "pipex.history/1",
        "suite": suite,
        "metric": metric,
        "points": [asdict(point) for point in points],
    }


def _points(archive: Archive, places: Sequence[Place], metric: str) -> Iterator[Point]:
    before: tuple[str, str] | None = None
    for place in places:
        stored = archive.load(place)
        summary = stored.judgement.summary.metrics.get(metric)
        if summary is None:
            continue
        run = stored.manifest["run"]
        now = (summary.facts.fingerprint, run["suite_digest"])
        ruler, questions = (False, False) if before is None else (now[0] != before[0], now[1] != before[1])  # fmt: skip
        before = now
        document = metric_document(summary)
        ci = document["ci"] or {}
        yield Point(
            run_id=place.run_id,
            started_at=run["started_at"],
            target_id=run["target_id"],
            model_id=place.model_id,
            status=run["status"],
            mean=summary.mean,
            ci_low=ci.get("low"),
            ci_high=ci.get("high"),
            pass_rate=summary.pass_rate,
            n=document["n"],
            n_missing=summary.n_missing,
            ruler_changed=ruler,
            suite_changed=questions,
        )
