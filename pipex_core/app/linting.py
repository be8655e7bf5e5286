"""Everything that is wrong or doubtful in a suite on disk, each finding at its place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipex_core.app import wiring
from pipex_core.app.authored import is_code
from pipex_core.app.files import located
from pipex_core.app.judges import worded_bench
from pipex_core.app.settings import read_settings
from pipex_core.app.suitefiles import check_attachments, read_suite
from pipex_core.app.suiteplaces import placed
from pipex_core.app.suites import folder_of, gate_of_suite, place_and_version
from pipex_core.app.suiteversions import load_saved
from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.evals.gatefile import Gate
from pipex_core.evals.judgefile import seat
from pipex_core.evals.lint import lint
from pipex_core.evals.suite import Suite
from pipex_core.jsonvalue import Json, canonical
from pipex_core.metrics.contract import MetricInfo
from pipex_core.metrics.entries import resolve_entries


def lint_suite(path: str | Path, version: str = "latest") -> Sequence[Problem]:
    """What is wrong or doubtful in a suite, by place; a file that cannot be read shows its errors only.

    Args:
        path: As for ``load_suite``.
        version: Likewise; of a saved version the findings have no lines.

    Raises:
        ConfigError: ``unknown_suite`` or ``unknown_version``.
    """
    place, wanted = place_and_version(path, version)
    if wanted != "latest":
        saved = load_saved(place, wanted)
        suite = replace(saved, location="")
        found = lint(suite, metrics=_metrics(suite, []), gate=_gate(saved, []))
        return [replace(problem, file=f"{place}@{wanted}") for problem in found]
    try:
        suite = read_suite(place)
    except SpecError as exc:
        return exc.problems
    problems: list[Problem] = []
    try:
        check_attachments(suite, folder_of(place))
    except SpecError as exc:
        problems += exc.problems
    gate = _gate(suite, problems)
    infos = _metrics(suite, problems)
    own = _metrics_of_cases(suite, problems)
    problems += placed(lint(suite, metrics=infos, case_metrics=own, gate=gate), suite.location)
    return sorted(problems, key=lambda one: (one.file, one.line, one.column))


def _gate(suite: Suite, problems: list[Problem]) -> Gate | None:
    try:
        return gate_of_suite(suite)
    except SpecError as exc:
        problems += exc.problems
        return None


def _metrics(suite: Suite, problems: list[Problem]) -> Mapping[str, MetricInfo]:
    try:
        return _resolved(suite.defaults.metrics, "metrics", suite)
    except SpecError as exc:
        problems += located(exc.problems, suite.location, within="defaults")
        return {}


def _metrics_of_cases(
    suite: Suite, problems: list[Problem]
) -> Mapping[str, Mapping[str, MetricInfo]]:
    """The metrics that single cases add, by case id; the wrong ones as problems at their case."""
    known: dict[str, Mapping[str, MetricInfo]] = {}
    found: dict[str, Mapping[str, MetricInfo]] = {}
    wrong: list[Problem] = []
    for case in suite.cases:
        if case.metrics is None:
            continue
        text = canonical(list(case.metrics))
        try:
            known.setdefault(text, {})
            if not known[text]:
                known[text] = _resolved(case.metrics, f"cases[{case.id}].metrics", suite)
        except SpecError as exc:
            wrong += exc.problems
        found[case.id] = known[text]
    problems += placed(wrong, suite.location)
    return found


def _resolved(entries: Sequence[Json], where: str, suite: Suite) -> Mapping[str, MetricInfo]:
    # Code is imported for a run that allows it, and never to look at a suite.
    own = [one for one in entries if not is_code(one)]
    try:
        found = resolve_entries(own, wiring.metrics(), where=where)
    except ConfigError as exc:
        # A library that is not installed here is a problem of the suite like others.
        raise SpecError([Problem(code=exc.code, message=exc.message, path=where)]) from exc
    seated = seat(found, worded_bench(read_settings()), judges=suite.extra.get("judges"))
    # Who judges may be left to the run; how a judge is written may not.
    wrong = [problem for problem in seated.problems if problem.code != "no_judge"]
    if wrong:
        raise SpecError(wrong)
    return {entry.name: entry.info for entry in found}
