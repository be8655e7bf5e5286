"""Two stored runs under one ruler: where a metric has changed, stored answers are scored again today.

Two runs can be compared only when one ruler measured both. Where a metric has changed since a run was
made, its stored responses become a new run: no target is called, the answers are carried with the run
that they came from as their origin, the scores are today's, and no old row is changed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipex_core.app import wiring
from pipex_core.app.evaluations import Desk, open_desk
from pipex_core.app.pipelines import waited
from pipex_core.app.stored import Ruled
from pipex_core.app.suites import folder_of, load_suite
from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.answers import Answer
from pipex_core.evals.archive import Archive, Stored
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.job import EvalJob, RunOptions, capped
from pipex_core.evals.judged import Judged
from pipex_core.evals.preflight import Request, prepare
from pipex_core.evals.publication import Place
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.runner import evaluate, place_of_job
from pipex_core.evals.suite import Suite, hashes_by_id
from pipex_core.jsonvalue import Json

label = "rescored"  # of a run: the id of the run whose answers it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs that are to be compared, under one ruler as far as that can be.

    Attributes:
        notes: What was done, and what could not be done, in words.
    """

    a: Stored
    b: Stored
    notes: Sequence[str] = ()


def ruler(results: str | None, *, judges: bool = False, tell: Callable[[str], None]) -> Ruled:
    """``under_one_ruler`` for those who do not wait for coroutines; ``tell`` hears what that took."""

    def ruled(a: Stored, b: Stored) -> tuple[Stored, Stored]:
        pair = waited(under_one_ruler(open_desk(results=results), a, b, judges=judges))
        for line in pair.notes:
            tell(line)
        return pair.a, pair.b

    return ruled


async def under_one_ruler(desk: Desk, a: Stored, b: Stored, *, judges: bool = False) -> Pair:
    """Both runs under today's metrics where their own differ.

    Args:
        desk: Of this process.
        a: The baseline.
        b: The challenger, whose entries are the ones in question.
        judges: Ask judges again too; they cost money. Without it their metrics stay as they are.
    """
    changed = _changed(a, b)
    if not changed:
        return Pair(a=a, b=b)
    asked = frozenset() if judges else frozenset(one["metric"] for one in b.manifest["judges"])
    if changed <= asked:
        return Pair(a=a, b=b, notes=["judges changed: score both runs again with --rescore"])
    entries = [_raw(one) for one in b.manifest["entries"] if one["name"] not in asked]
    notes: list[str] = []
    try:
        a, b = [await _today(desk, one, entries, notes) for one in (a, b)]
    except (SpecError, ConfigError) as error:
        return Pair(a=a, b=b, notes=[f"the runs cannot be scored again: {error.message}"])
    return Pair(a=a, b=b, notes=notes)


async def baseline_today(desk: Desk, job: EvalJob, *, tell: Callable[[str], None]) -> EvalJob:
    """The job with its baseline under the metrics of the job, where they differ and no judge is needed.

    ``tell`` hears what that took, or why it cannot be done; such metrics are then not compared.
    """
    run = job.baseline
    if not isinstance(run, Judged):
        return job
    judged = {entry.name for entry in job.judged}
    now = {facts.name: facts.fingerprint for facts in job.facts() if facts.name not in judged}
    metrics = run.arm.metrics
    if all(metrics[name].facts.fingerprint == now[name] for name in metrics.keys() & now.keys()):
        return job
    stored = desk.archive.load(desk.archive.find(run.run_id), reducer=job.reducer)
    entries = [_raw(entry.document()) for entry in job.metrics if entry.name not in judged]
    notes: list[str] = []
    try:
        stored = await _today(desk, stored, entries, notes)
    except (SpecError, ConfigError) as error:
        notes.append(f"the baseline cannot be scored again: {error.message}")
    for line in notes:
        tell(line)
    return replace(job, baseline=stored.judged)


async def _today(desk: Desk, stored: Stored, entries: Sequence[Json], notes: list[str]) -> Stored:
    """The run under today's entries: itself when nothing changed, else a new run."""
    job = rescored_job(desk, stored, metrics=entries)
    now = {facts.name: facts.fingerprint for facts in job.facts()}
    before = _fingerprints(stored)
    if all(before.get(name) == fingerprint for name, fingerprint in now.items()):
        return stored
    place = _made_before(desk.archive, stored, now)
    if place is None:
        place = place_of_job(job)
        await _score(desk, stored, job)
        notes.append(f"the answers of {stored.place.run_id} were scored again as {job.run_id}")
    return _with_others(desk.archive.load(place, reducer=stored.manifest["reducer"]), stored)


def rescored_job(desk: Desk, stored: Stored, *, metrics: Sequence[Json]) -> EvalJob:
    """The job that scores the answers of a run again; nothing has been scored yet.

    Cases that the suite does not have any more, or that ask something else now, are left out.

    Args:
        desk: Of this process.
        stored: A run.
        metrics: Entries as one would write them.

    Raises:
        SpecError: The suite or the metrics have problems.
        ConfigError: ``nothing_to_score``, no case of the run is in the suite today.
    """
    head, run = stored.manifest, stored.manifest["run"]
    suite = load_suite(head["suite"]["location"])
    known = _answered(suite, stored.responses)
    if not known:
        raise ConfigError(
            f"no case of run {stored.place.run_id} is in the suite {suite.id} today",
            code="nothing_to_score",
        )
    wanted = Request(
        run_id=desk.new_run_id(),
        suite=suite,
        target=_kept_target(head["target"], stored.responses),
        cases=[case for case in suite.cases if case.id in known],
        metrics=metrics,
        repeats=run["repeats"],
        reducer=head["reducer"],
        seed=head["seed"],
        options=RunOptions(impute=head["impute"]),
        is_subset=head["suite"]["is_subset"],
        labels={**run["labels"], label: stored.place.run_id},
    )
    registry = wiring.metrics(folder_of(Path(suite.location)))
    job = prepare(wanted, registry=registry, bench=lambda: desk.bench({}))
    return replace(job, options=capped(job.options, desk.settings.max_cost_usd))


async def _score(desk: Desk, stored: Stored, job: EvalJob) -> None:
    """Publish the new run; scores that are known under today's metrics are carried too."""
    left_out: list[str] = []
    known = desk.archive.readable("scores", suite=stored.place.suite_id, left_out=left_out)
    await evaluate(
        job,
        desk.services,
        blobs=desk.blobs,
        carry=CarryIndex(responses=[stored.responses], scores=known, left_out=left_out),
        environment=desk.environment,
    )


def _made_before(archive: Archive, stored: Stored, now: Mapping[str, str]) -> Place | None:
    """The run in which these answers were scored under these metrics already."""
    for place in archive.places(suite=stored.place.suite_id, model=stored.place.model_id):
        head = archive.manifest(place)
        known = {one["name"]: one["fingerprint"] for one in head["metrics"]}
        if head["run"]["labels"].get(label) == stored.place.run_id and known == now:
            return place
    return None


def _with_others(made: Stored, stored: Stored) -> Stored:
    """The new run with the metrics that were not scored again, where it has the same cases."""
    new, old = made.judgement.arm, stored.judgement.arm
    if [case.id for case in new.cases] != [case.id for case in old.cases]:
        return made
    arm = replace(new, metrics={**old.metrics, **new.metrics})
    return replace(made, judgement=replace(made.judgement, arm=arm))


def _changed(a: Stored, b: Stored) -> frozenset[str]:
    """Metrics of both runs that were measured in different ways."""
    before, now = _fingerprints(a), _fingerprints(b)
    return frozenset(name for name in before.keys() & now.keys() if before[name] != now[name])


def _fingerprints(stored: Stored) -> Mapping[str, str]:
    return {name: arm.facts.fingerprint for name, arm in stored.judgement.arm.metrics.items()}


def _raw(entry: Mapping[str, Json]) -> dict[str, Json]:
    """An entry of a manifest as one would write it."""
    kept = {name: value for name, value in entry.items() if value is not None}
    if "fallback" in kept:
        kept["fallback"] = _raw(kept["fallback"])
    return kept


def _answered(suite: Suite, responses: pa.Table) -> frozenset[str]:
    """Ids of the cases of the suite that a run has asked as they are today."""
    known = hashes_by_id(suite)
    return frozenset(
        row["case_id"]
        for row in responses.select(("case_id", "input_hash")).to_pylist()
        if row["case_id"] in known and known[row["case_id"]].input_hash == row["input_hash"]
    )


def _kept_target(target: Mapping[str, Json], responses: pa.Table) -> RecordedTarget:
    """The target of a run as its stored answers, under its own digest, so that they are found again.

    Rows without an answer stay without one, for the reason that they had.
    """
    names = ("case_id", "repeat", "class", "status", "error_code", "error", "failed_step")
    rows: list[dict[str, Any]] = responses.select(names).to_pylist()
    missing = {
        (row["case_id"], row["repeat"]): Answer(
            status=row["status"],
            error_code=row["error_code"],
            error=row["error"],
            failed_step=row["failed_step"],
        )
        for row in rows
        if row["class"] == "missing"
    }
    return RecordedTarget(
        answers=missing,
        digest=target["digest"],
        target_id=target["target_id"],
        model_id=target["model_id"],
        provider=target["provider"],
    )
