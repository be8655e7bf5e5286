"""Applies a diff to the suite that it was made from; any other suite is a conflict, never a mixture."""

from collections.abc import Iterable, Mapping, Sequence

from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.suite import Suite
from pipex_core.evals.suitediff import Change, SuiteDiff
from pipex_core.evals.suiteshape import case_data, read_case, read_suite_fields, suite_data
from pipex_core.jsonvalue import Json, canonical, equal
from pipex_core.spec.model import SourceMap


def apply_diff(suite: Suite, diff: SuiteDiff) -> Suite:
    """The suite that the diff leads to.

    Raises:
        ConfigError: ``diff_conflict``, the suite is not what the diff was made from.
        SpecError: What the diff puts into a case is no case.
    """
    cases: dict[str, Json] = {case.id: case_data(case) for case in suite.cases}
    for one in diff.removed:
        if not equal(cases.pop(one.id, None), one.changes[0].before[0]):
            raise _conflict(one.id)
    for one in diff.added:
        if one.id in cases:
            raise _conflict(one.id)
        cases[one.id] = one.changes[0].after[0]
    for case_id, changes in diff.edits.items():
        if case_id not in cases:
            raise _conflict(case_id)
        cases[case_id] = _applied(cases[case_id], changes, case_id)
    head = _applied(suite_data(suite), diff.suite_changed, suite.id)
    fields, findings = read_suite_fields(head, default_id=suite.id)
    made = []
    problems = list(findings)
    for case_id in sorted(cases):
        case, wrong = read_case(cases[case_id], path=f"cases[{case_id}]")
        problems += wrong
        made += [] if case is None else [case]
    if problems:
        raise SpecError(map(SourceMap(file=suite.location).problem, problems))
    return Suite(**fields, cases=tuple(made), location=suite.location)


def _applied(data: Json, changes: Iterable[Change], where: str) -> Json:
    for change in changes:
        data = _set(data, _keys(change.path), change, where)
    return data


def _keys(path: str) -> list[str]:
    """The keys of a path; an odd one stands alone, because nothing inside it is entered."""
    return [path[2:-2]] if path.startswith('["') else path.split(".")


def _set(data: Json, keys: Sequence[str], change: Change, where: str) -> Json:
    if not isinstance(data, Mapping):
        raise _conflict(where)
    key = keys[0]
    if len(keys) > 1:
        return {**data, key: _set(data.get(key), keys[1:], change, where)}
    present = (data[key],) if key in data else ()
    if canonical(present) != canonical(change.before):
        raise _conflict(where)
    rest = {name: value for name, value in data.items() if name != key}
    return {**rest, key: change.after[0]} if change.after else rest


def _conflict(where: str) -> ConfigError:
    message = f"{where!r} is not what the diff was made from"
    return ConfigError(message, code="diff_conflict", next_step="make the diff again")
