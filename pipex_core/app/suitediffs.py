"""Differences between suites on disk: counted by the metrics they use, applied to files, drawn as samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipex_core.app import wiring
from pipex_core.app.files import read_text, suite_place
from pipex_core.app.suitefiles import write_suite
from pipex_core.app.suites import load_suite
from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.evals import suitediff
from pipex_core.evals.consequences import MetricUse, Uses
from pipex_core.evals.curate import sample, strata_of
from pipex_core.evals.suite import Case, Suite, suite_digest
from pipex_core.evals.suitediff import SuiteDiff, diff_from_json
from pipex_core.evals.suitepatch import apply_diff
from pipex_core.evals.versions import check_frozen
from pipex_core.jsonvalue import Json, canonical, parse
from pipex_core.metrics.entries import Entry, resolve_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A suite that a diff was applied to.

    Attributes:
        files: Written; none when the diff changes nothing.
    """

    suite: Suite
    diff: SuiteDiff
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDiff:
    """A sample as a diff that leaves the other cases out.

    Attributes:
        ids: The chosen cases, sorted.
        groups: Chosen cases per value of the field that the sample is stratified by.
        size: Cases of the whole suite.
    """

    diff: SuiteDiff
    ids: tuple[str, ...]
    groups: Mapping[str, int]
    size: int
    warnings: Sequence[Problem]


def diff_suites(a: Suite | str | Path, b: Suite | str | Path) -> SuiteDiff:
    """What has to change for suite ``a`` to become ``b``, and what a run would compute again.

    Args:
        a: A suite, or the path of one; a version may stand behind ``@``, as in ``qa@2.1``.
        b: Likewise.

    Raises:
        SpecError: A suite cannot be read.
        ConfigError: ``unknown_suite`` or ``unknown_version``.
    """
    before, after = (one if isinstance(one, Suite) else load_suite(one) for one in (a, b))
    try:
        uses = (_uses(before), _uses(after))
    except (SpecError, ConfigError):
        # Suites whose metrics are unknown or not installed here can be compared too; the rows are then
        # an estimate.
        return suitediff.diff_suites(before, after)
    return suitediff.diff_suites(before, after, uses=uses)


def apply_diff_file(path: str | Path, to: str | Path | None = None) -> Applied:
    """Change the working file of a suite by a diff or a proposal that stands in a file.

    Args:
        path: Document of ``pipex suite diff``, or one that holds such a document under ``diff``.
        to: The suite; None for the suite of the project that the diff names. One that is not there is
            made when the diff begins it.

    Raises:
        ConfigError: ``not_a_diff``, ``diff_conflict``, ``unknown_suite``.
        SpecError: ``frozen_case``, or what the diff makes is no suite.
    """
    try:
        data = parse(read_text(path))
    except ValueError as exc:
        raise ConfigError(f"{path} is no suite diff: {exc}", code="not_a_diff") from exc
    inner = data.get("diff") if isinstance(data, Mapping) else None
    diff = diff_from_json(data if inner is None else inner)
    before, place = _before(to or diff.start.id, diff)
    after = apply_diff(before, diff)
    check_frozen(before, after)
    files = write_suite(after, place) if after != before else []
    return Applied(suite=after, diff=diff, files=tuple(files))


def _before(word: str | Path, diff: SuiteDiff) -> tuple[Suite, Path]:
    """The suite that a diff is for, and where it lies; one without cases when the diff begins it."""
    try:
        place = suite_place(word)
    except ConfigError:
        empty = Suite(id=diff.start.id, version=diff.start.version, cases=())
        if suite_digest(empty) != diff.start.suite_digest or not diff.added:
            raise
        is_id = str(word) == diff.start.id
        return empty, Path("test_suites") / word if is_id else Path(word)
    return load_suite(place), place


def sample_diff(
    path: str | Path, n: int, *, seed: int = 0, stratify_by: str | None = None
) -> SampleDiff:
    """A sample of a suite on disk, as a diff; see ``evals.curate.sample``."""
    suite = load_suite(path)
    drawn = sample(suite, n, seed=seed, stratify_by=stratify_by)
    groups = {} if stratify_by is None else strata_of(drawn.suite, stratify_by)
    return SampleDiff(
        diff=diff_suites(suite, drawn.suite),
        ids=tuple(case.id for case in drawn.suite.cases),
        groups={name: len(cases) for name, cases in groups.items()},
        size=len(suite.cases),
        warnings=drawn.warnings,
    )


def _uses(suite: Suite) -> Uses:
    """The metrics of every case as keys see them: those of the suite, and what cases add or replace."""
    first = _entries(suite.defaults.metrics)
    known: dict[str, Sequence[MetricUse]] = {}
    for case in suite.cases:
        text = _text(case)
        if text not in known:
            own = {entry.name: entry for entry in _entries(case.metrics or ())}
            both = [*(own.pop(entry.name, entry) for entry in first), *own.values()]
            known[text] = [MetricUse(fingerprint=e.fingerprint, needs=e.needs) for e in both]
    return lambda case: known[_text(case)]


def _text(case: Case) -> str:
    return "" if case.metrics is None else canonical(list(case.metrics))


def _entries(raw: Sequence[Json]) -> Sequence[Entry]:
    return resolve_entries(list(raw), wiring.metrics())
