"""Choosing and marking cases: filters, samples, freeze and quarantine.

A sample depends on ids and a seed only, never on the order of a file, and samples of one seed are
nested: the first 50 cases are part of the first 100.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from pipex_core.errors import ConfigError, Problem
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.suiteshape import case_data, case_fields
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.reading import checked, read_expression
from pipex_core.expressions.values import to_text, truth
from pipex_core.jsonvalue import Json, equal
from pipex_core.registry import nearest

# What a field stands for that a file leaves out.
_defaults: Mapping[str, Json] = {
    "metadata": {},
    "tags": [],
    "version": 1,
    "weight": 1,
    "status": "active",
}
# What ``source.reference`` says of a reference that somebody has to look at before it may gate.
unverified_references = frozenset({"log", "synthetic"})
shown_fields = 8  # of the metadata, in a message
aliases = {"category": "metadata.category", "difficulty": "metadata.difficulty"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A sample of a suite.

    Attributes:
        warnings: ``sample_too_large`` when fewer cases exist than were asked for.
    """

    suite: Suite
    warnings: tuple[Problem, ...] = ()


def filter_cases(
    suite: Suite, fields: Mapping[str, Json] | None = None, *, where: str | None = None
) -> Suite:
    """The cases that match all fields and the expression.

    Args:
        suite: Any suite.
        fields: Field or path such as ``metadata.topic`` to a value, or to a list of which any may
            match; a list field matches when it shares an element.
        where: Expression over the fields of a case; ``category`` and ``difficulty`` are those of its
            metadata.

    Raises:
        ConfigError: ``unknown_field``, no case can have it.
        ExpressionError: ``where`` cannot be parsed.
    """
    tests = [_field_test(suite, name, wanted) for name, wanted in (fields or {}).items()]
    if where is not None:
        checked(where)
        _require_known_names(where)
        tests.append(lambda case: truth(evaluate(where, _scope(case))))
    kept = tuple(case for case in suite.cases if all(test(case) for test in tests))
    return replace(suite, cases=kept)


def sample(suite: Suite, n: int, *, seed: int = 0, stratify_by: str | None = None) -> Sampled:
    """``n`` cases, the first in the order of SHA-256(seed ‖ id).

    Args:
        suite: Any suite.
        n: Number of cases, at least 1.
        seed: Another seed gives another sample.
        stratify_by: Field or path; every value keeps its share, by largest remainders.

    Raises:
        ConfigError: ``unknown_field``, or ``out_of_range`` for n.
    """
    if n < 1:
        raise ConfigError(f"a sample has at least 1 case, got {n}", code="out_of_range")
    if n >= len(suite.cases):
        message = f"the suite has {len(suite.cases)} cases, all are taken instead of {n}"
        warning = Problem(
            code="sample_too_large", message=message, file=suite.location, severity="warning"
        )
        return Sampled(suite=suite, warnings=() if n == len(suite.cases) else (warning,))
    ordered = sorted(suite.cases, key=lambda case: _place(case, seed))
    if stratify_by is None:
        chosen = ordered[:n]
    else:
        strata = _strata(suite, ordered, stratify_by)
        shares = largest_remainders({name: len(cases) for name, cases in strata.items()}, n)
        chosen = [case for name, cases in strata.items() for case in cases[: shares[name]]]
    return Sampled(suite=replace(suite, cases=tuple(sorted(chosen, key=lambda case: case.id))))


def strata_of(suite: Suite, by: str) -> Mapping[str, Sequence[Case]]:
    """The cases of every value of a field or path, by the text of the value; empty for none.

    Raises:
        ConfigError: ``unknown_field``.
    """
    return _strata(suite, suite.cases, by)


def largest_remainders(sizes: Mapping[str, int], n: int) -> Mapping[str, int]:
    """``n`` seats in proportion to the sizes; equal remainders go to the name that sorts first.

    Args:
        sizes: Positive size by name.
        n: At most the sum of the sizes.
    """
    total = sum(sizes.values())
    quotas = {name: Fraction(size * n, total) for name, size in sizes.items()}
    seats = {name: int(quota) for name, quota in quotas.items()}
    left = n - sum(seats.values())
    for name in sorted(quotas, key=lambda name: (seats[name] - quotas[name], name))[:left]:
        seats[name] += 1
    return seats


def freeze(suite: Suite, ids: Iterable[str] | None = None, *, thaw: bool = False) -> Suite:
    """The suite with these cases (None: all) frozen, or active again; quarantined ones stay so.

    Raises:
        ConfigError: ``unknown_case``.
    """
    chosen = _known(suite, ids)
    status = "active" if thaw else "frozen"
    return _changed(suite, chosen, lambda case: _with_status(case, status))


def quarantine(suite: Suite, ids: Iterable[str], *, reason: str) -> Suite:
    """The suite with these cases left out of summaries and gates, the reason in their metadata.

    Raises:
        ConfigError: ``unknown_case``, or ``missing_reason``.
    """
    if not reason.strip():
        raise ConfigError("a quarantine needs a reason", code="missing_reason")
    return _changed(
        suite,
        _known(suite, ids),
        lambda case: replace(
            case, status="quarantined", metadata={**case.metadata, "quarantine": reason}
        ),
    )


def unexplained(suite: Suite) -> list[Case]:
    """The cases in quarantine whose metadata gives no reason."""
    return [
        case
        for case in suite.cases
        if case.status == "quarantined" and not str(case.metadata.get("quarantine") or "").strip()
    ]


def is_unverified(case: Case) -> bool:
    """Did a log or a model write the reference, and has nobody accepted it yet?"""
    return (case.source or {}).get("reference") in unverified_references


def unverified_ids(cases: Iterable[Case]) -> tuple[str, ...]:
    """The cases whose references nobody accepted yet, sorted: they are left out of gates."""
    return tuple(sorted(case.id for case in cases if is_unverified(case)))


def accept(suite: Suite, ids: Iterable[str] | None = None) -> Suite:
    """The suite with the references of these cases (None: all) accepted; others are left as they are.

    Raises:
        ConfigError: ``unknown_case``.
    """
    return _changed(
        suite,
        _known(suite, ids),
        lambda case: (
            replace(case, source={**(case.source or {}), "reference": "accepted"})
            if is_unverified(case)
            else case
        ),
    )


def values_at(case: Case, path: str) -> tuple[Json, ...]:
    """The values of a field or path of a case, several for a list; none when it is absent or null."""
    value: Json = case_data(case).get(path.partition(".")[0])
    for key in path.split(".")[1:]:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def known_path(suite: Suite, name: str) -> str:
    """The path that a user's word means.

    Raises:
        ConfigError: ``unknown_field``, no case has it.
    """
    path = aliases.get(name, name)
    head, _, inside = path.partition(".")
    if head in case_fields and not inside:
        return path
    if head in case_fields and any(values_at(case, path) for case in suite.cases):
        return path
    keys = sorted({f"metadata.{key}" for case in suite.cases for key in case.metadata})
    near = nearest(name, [*case_fields, *keys])
    shown = ", ".join([*keys[:shown_fields], *(["..."] if len(keys) > shown_fields else [])])
    known = f"; the metadata has {shown}" if keys else "; the cases have no metadata"
    hint = f"; did you mean {near!r}?" if near else known
    raise ConfigError(f"no case has the field {name!r}{hint}", code="unknown_field")


def _field_test(suite: Suite, name: str, wanted: Json) -> Callable[[Case], bool]:
    path = known_path(suite, name)
    accepted = wanted if isinstance(wanted, list | tuple) else [wanted]
    left_out = (_defaults[path],) if path in _defaults else ()

    def test(case: Case) -> bool:
        found = values_at(case, path) or left_out
        return any(equal(value, one) for value in found for one in accepted)

    return test


def _require_known_names(where: str) -> None:
    """Refuse an expression with a name that no case has: it would match nothing, or everything."""
    names = ("case", *case_fields, *aliases)
    for use in read_expression(where).references:
        unknown = use.root not in names and use.root != "@" and not use.root.startswith("x-")
        if unknown and not use.in_item:
            near = nearest(use.root, names)
            hint = f"; did you mean {near!r}?" if near else f"; a case has {', '.join(case_fields)}"
            message = f"where: no case has the field {use.root!r}{hint}"
            raise ConfigError(message, code="unknown_field")


def _scope(case: Case) -> Mapping[str, Json]:
    fields = {**dict.fromkeys(case_fields), **_defaults, **case_data(case)}
    short = {name: case.metadata[name] for name in aliases if name in case.metadata}
    return {"case": fields, **short, **fields}


def _place(case: Case, seed: int) -> str:
    return hashlib.sha256(f"{seed}{case.id}".encode()).hexdigest()


def _strata(suite: Suite, ordered: Sequence[Case], by: str) -> Mapping[str, Sequence[Case]]:
    path = known_path(suite, by)
    strata: dict[str, list[Case]] = defaultdict(list)
    for case in ordered:
        strata[", ".join(map(to_text, values_at(case, path)))].append(case)
    return dict(sorted(strata.items()))


def _known(suite: Suite, ids: Iterable[str] | None) -> frozenset[str]:
    known = {case.id for case in suite.cases}
    chosen = frozenset(known if ids is None else ids)
    unknown = sorted(chosen - known)
    if unknown:
        near = nearest(unknown[0], known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"the suite has no case {unknown[0]!r}{hint}", code="unknown_case")
    return chosen


def _with_status(case: Case, status: str) -> Case:
    if case.status == "quarantined":
        return case
    return replace(case, status="frozen" if status == "frozen" else "active")


def _changed(suite: Suite, ids: frozenset[str], change: Callable[[Case], Case]) -> Suite:
    return replace(
        suite, cases=tuple(change(case) if case.id in ids else case for case in suite.cases)
    )
