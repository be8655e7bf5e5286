"""Stored runs by the words people use for them: to be shown, compared, judged again, or taken as a baseline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipex_core.app import wiring
from pipex_core.app.judges import certificates
from pipex_core.app.pointers import pointed
from pipex_core.app.settings import read_settings
from pipex_core.app.stores import is_url
from pipex_core.app.suites import gate_of_suite, load_gate, load_suite
from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive, Stored
from pipex_core.evals.baselines import Pointer, champion
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate
from pipex_core.evals.judged import Baseline, Judged
from pipex_core.evals.publication import Place, place_of
from pipex_core.evals.verdict import Verdict

if TYPE_CHECKING:
    from pipex_core.evals.notebook import Results


Ruled = Callable[[Stored, Stored], tuple[Stored, Stored]]


def load_results(results: str = "results") -> "Results":
    """The runs of a results folder as pandas frames; nothing is read before it is asked for.

    Raises:
        ConfigError: ``no_results``, there is no such folder.
    """
    from pipex_core.evals.notebook import Results

    open_archive(results)
    return Results(wiring.results_store(results))


def open_archive(results: str | None = None) -> Archive:
    """The complete runs of a results folder, that of the settings when None.

    Raises:
        ConfigError: ``no_results``, there is no such folder.
    """
    folder = results or read_settings().text("results_dir")
    if not is_url(folder) and not Path(folder).is_dir():
        raise ConfigError(
            f"there is no results folder {folder}",
            code="no_results",
            next_step="make one with pipex eval run SUITE TARGET, or name one with --results DIR",
        )
    return Archive(wiring.results_store(folder))


def find_run(archive: Archive, word: str, *, suite: str | None = None) -> Place:
    """The run that a word means.

    That is an id, a unique prefix, ``latest``, ``latest:SUITE``, a baseline as ``NAME`` or
    ``NAME:SUITE``, the path of a stored run, or the newest of a target or model.

    Raises:
        ConfigError: ``unknown_run``; ``baseline_missing``, a baseline names a run that is not there.
    """
    named = None if word.partition(":")[0] == "latest" else pointed(word, suite)
    if named is not None:
        return _blessed(archive, *named)
    own = place_of(word) if "/" in word else None
    if own is not None and own in archive.places():
        return own
    for place in archive.places(suite=suite):
        if word not in ("latest", place.run_id):
            named_target = archive.manifest(place)["target"]["target_id"]
            if word in (named_target, place.model_id):
                return place
    try:
        return archive.find(word)
    except ConfigError as exc:
        raise ConfigError(exc.message, code=exc.code, next_step="pipex eval list") from exc


def load_pair(archive: Archive, before: str, after: str) -> tuple[Stored, Stored]:
    """Two runs by their words, the first read as the second is; a baseline is that of its suite.

    Raises:
        ConfigError: As ``find_run``.
    """
    b = archive.load(find_run(archive, after))
    suite = b.place.suite_id if pointed(before, b.place.suite_id) else None
    return archive.load(find_run(archive, before, suite=suite), reducer=b.manifest["reducer"]), b


def _blessed(archive: Archive, suite_id: str, found: Pointer) -> Place:
    """The place of the run that a baseline names."""
    for place in archive.places(suite=suite_id):
        if place.run_id == found.run_id:
            return place
    raise ConfigError(
        f"baseline {found.name} of {suite_id} names run {found.run_id}, which is not in the results",
        code="baseline_missing",
        next_step=f"pipex baseline set RUN --name {found.name} --reason TEXT, or bring the run back",
    )


def judge_stored(
    archive: Archive,
    stored: Stored,
    *,
    gate_file: str | None,
    baseline: str | None,
    allow_uncertified: bool = False,
    ruled: Ruled | None = None,
) -> Verdict:
    """The verdict of a gate on a stored run: of a file, or of the suite that the run was made on.

    ``allow_uncertified`` lets judges gate that have no valid certificate today. ``ruled`` brings the
    baseline and the run under one ruler before they are compared.

    Raises:
        ConfigError: ``no_gate``, neither names rules; or the gate does not fit the run.
        SpecError: The gate has problems.
    """
    gate = gate_for(stored, gate_file)
    if allow_uncertified:
        gate = replace(gate, require_certificate=False)
    named = baseline or gate.baseline
    found = None
    if named:
        found = stored_baseline(
            archive,
            stored.place.suite_id,
            named,
            but=stored.place,
            reducer=stored.manifest["reducer"],
        )
    if found is not None and ruled is not None:
        found, stored = ruled(found, stored)
    return judge(gate, as_challenger(stored), baseline=found.judged if found else None)


def gate_for(stored: Stored, gate_file: str | None) -> Gate:
    """The gate of a file, or that of the suite that the run was made on.

    Raises:
        ConfigError: ``no_gate``.
        SpecError: The gate has problems.
    """
    return load_gate(gate_file) if gate_file else _gate_of_run(stored)


def as_challenger(stored: Stored) -> Judged:
    """A stored run as a gate sees it today: whether its judges may gate is asked of their certificates."""
    known = certificates(read_settings())
    judges = stored.manifest.get("judges", ())
    uncertified = frozenset(one["metric"] for one in judges if not known.is_valid(one))
    return replace(stored.judged, uncertified=uncertified)


def baseline_of(
    archive: Archive,
    suite_id: str,
    name: str,
    *,
    but: Place | None = None,
    reducer: str | None = None,
) -> Baseline | None:
    """``stored_baseline`` as a gate sees it."""
    found = stored_baseline(archive, suite_id, name, but=but, reducer=reducer)
    return None if found is None else found.judged


def stored_baseline(
    archive: Archive,
    suite_id: str,
    name: str,
    *,
    but: Place | None = None,
    reducer: str | None = None,
) -> Stored | None:
    """The stored run under a name: a pointer, a target's newest run, a run id, or ``latest``.

    None when the champion is not named yet, or when the name means ``but`` itself. Repeats become
    one value by ``reducer``, that of the run which is compared.

    Raises:
        ConfigError: ``baseline_missing``, the name means nothing, or a run that is gone.
    """
    try:
        place = find_run(archive, name, suite=suite_id)
    except ConfigError as exc:
        if exc.code == "baseline_missing":
            raise
        if name == champion:
            return None
        raise ConfigError(
            f"the baseline {name!r} is no pointer, target or run: {exc.message}",
            code="baseline_missing",
            next_step="pipex eval list, or leave the baseline out",
        ) from exc
    return None if place == but else archive.load(place, reducer=reducer)


def _gate_of_run(stored: Stored) -> Gate:
    location = stored.manifest["suite"]["location"]
    gate = gate_of_suite(load_suite(location)) if location else None
    if gate is None:
        raise ConfigError(
            f"the suite of run {stored.place.run_id} has no gate",
            code="no_gate",
            next_step="name one with --gate FILE",
        )
    return gate
