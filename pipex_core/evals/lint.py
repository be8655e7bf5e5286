"""What a suite could do better, found without running anything: findings, each at a case or a rule."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from pipex_core.errors import Problem
from pipex_core.evals.curate import unexplained, values_at
from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.nearduplicates import near_duplicates
from pipex_core.evals.scrub import Scrubber
from pipex_core.evals.suite import Case, CaseHashes, Suite, cluster_of, hashes_by_id, references
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, compact
from pipex_core.metrics.contract import MetricInfo
from pipex_core.stats.power import n_needed, sd_of_discordance

assumed_discordance: Final = (
    0.2  # share of cases on which two targets differ; typical of prompt edits
)
_leak_length: Final = 20
_balance: Final = 0.9
_fewest_for_balance: Final = 10
_reference_needs: Final = frozenset({"reference", "reference_json"})
_control: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def lint(
    suite: Suite,
    *,
    metrics: Mapping[str, MetricInfo] | None = None,
    case_metrics: Mapping[str, Mapping[str, MetricInfo]] | None = None,
    gate: Gate | None = None,
) -> list[Problem]:
    """Findings about the cases, and about how the gate fits their number.

    All are warnings but ``missing_reason``, a case in quarantine that does not say why.

    Args:
        suite: Any suite that loads.
        metrics: Column name to the metric of each entry that a run would use; empty when unknown.
        case_metrics: Case id to the metrics that the case adds.
        gate: The gate that a run would use.
    """
    infos, added = metrics or {}, case_metrics or {}
    hashed = hashes_by_id(suite)
    scrubber = Scrubber()
    found = [
        *_of_pairs_of_cases(suite, hashed),
        *_of_similar_cases(suite, hashed),
        *(
            problem
            for case in suite.cases
            for problem in _of_case(case, {**infos, **added.get(case.id, {})}, scrubber)
        ),
        *_of_quarantine(suite),
        *_of_balance(suite),
    ]
    if gate is not None:
        found += (problem for rule in gate.rules for problem in _of_rule(suite, gate, rule, infos))
    return [replace(problem, file=suite.location) for problem in found]


def _warn(code: str, message: str, path: str) -> Problem:
    return Problem(code=code, message=message, path=path, severity="warning")


def _path(case: Case) -> str:
    return f"cases[{case.id}]"


def _of_pairs_of_cases(suite: Suite, hashed: Mapping[str, CaseHashes]) -> Iterator[Problem]:
    first_same: dict[str, str] = {}
    first_input: dict[str, str] = {}
    for case in suite.cases:
        own = hashed[case.id]
        same = first_same.setdefault(own.case_hash, case.id)
        asked = first_input.setdefault(own.input_hash, case.id)
        if same != case.id:
            yield _warn(
                "duplicate_case", f"the same question and reference as {same!r}", _path(case)
            )
        elif asked != case.id:
            message = f"the same input as {asked!r} with another reference"
            yield _warn("conflicting_reference", message, _path(case))


def _of_similar_cases(suite: Suite, hashed: Mapping[str, CaseHashes]) -> Iterator[Problem]:
    """Cases that ask nearly the same as another; those that ask exactly the same have their own word."""
    for group in near_duplicates(suite.cases):
        for case_id, similarity in zip(group.others, group.similarity, strict=True):
            if hashed[case_id].input_hash != hashed[group.keep].input_hash:
                message = (
                    f"nearly the same input as {group.keep!r}: up to {similarity:.0%} of the word"
                    f" triples of these {len(group.others) + 1} cases are the same"
                )
                yield _warn("near_duplicate", message, f"cases[{case_id}].input")


def _of_quarantine(suite: Suite) -> Iterator[Problem]:
    for case in unexplained(suite):
        message = "a case in quarantine says why in metadata.quarantine"
        yield replace(_warn("missing_reason", message, _path(case)), severity="error")


def _of_case(case: Case, infos: Mapping[str, MetricInfo], scrubber: Scrubber) -> Iterator[Problem]:
    if case.input in ({}, []) or (isinstance(case.input, str) and not case.input.strip()):
        yield _warn("empty_input", "the input is empty", _path(case))
    texts = list(_texts([case.input, case.expected_output, case.context, case.choices]))
    if not all(unicodedata.is_normalized("NFC", text) for text in texts):
        message = "a text is not in Unicode form NFC: equal looking texts may differ"
        yield _warn("not_nfc", message, _path(case))
    if any(_control.search(text) for text in texts):
        yield _warn("control_characters", "a text holds control characters", _path(case))
    personal = scrubber.case(case).counts
    if personal:
        kinds = ", ".join(sorted(personal))
        yield _warn("pii", f"the case holds what looks like personal data: {kinds}", _path(case))
    known = references(case)
    wanting = [name for name, info in infos.items() if info.needs & _reference_needs]
    if wanting and not known.texts:
        message = f"no reference, which {', '.join(wanting)} needs"
        yield _warn("missing_reference", message, _path(case))
    asked = case.input if isinstance(case.input, str) else compact(case.input)
    if any(len(text) >= _leak_length and text in asked for text in known.texts):
        yield _warn("leak", "the input holds the reference", _path(case))
    grounded = [name for name, info in infos.items() if "context" in info.needs]
    if grounded and case.context is None:
        message = f"no context, which {', '.join(grounded)} needs"
        yield _warn("leak", message, _path(case))


def _texts(value: Json) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            stack.extend((*item.keys(), *item.values()))
        elif isinstance(item, list | tuple):
            stack.extend(item)


def _of_balance(suite: Suite) -> Iterator[Problem]:
    known = Counter(
        compact(case.expected_output) for case in suite.cases if case.expected_output is not None
    )
    total = known.total()
    if total < _fewest_for_balance:
        return
    value, count = known.most_common(1)[0]
    if count > _balance * total:
        message = f"{count} of {total} references are {value[:60]}"
        yield _warn("unbalanced", message, "cases")


def _of_rule(
    suite: Suite, gate: Gate, rule: Rule, infos: Mapping[str, MetricInfo]
) -> Iterator[Problem]:
    path = f"gate.rules[{rule.id}]"
    counted = [case for case in suite.cases if case.status != "quarantined"]
    for by in rule.slices:
        sizes = Counter(value for case in counted for value in _slices(suite, case, by))
        for value, size in sorted(sizes.items()):
            if size < gate.min_slice:
                message = f"{by}={value} has {size} cases, fewer than {gate.min_slice}: not gated"
                yield _warn("tiny_slice", message, path)
    info = infos.get(rule.metric)
    if rule.margin is None or info is None or info.range != (0.0, 1.0):
        return
    needed = n_needed(
        margin=rule.margin,
        sd=sd_of_discordance(assumed_discordance),
        alpha=gate.alpha,
        power=gate.power,
    )
    if len(counted) < needed:
        message = (
            f"{len(counted)} cases can hardly show a margin of {rule.margin:g}: about {needed:,}"
            f" are needed when two runs differ on {assumed_discordance:.0%} of the cases"
        )
        yield _warn("underpowered", message, path)


def _slices(suite: Suite, case: Case, by: str) -> Iterable[str]:
    if by == "cluster":
        cluster = cluster_of(case, cluster_by=suite.defaults.cluster_by)
        return () if cluster is None else (cluster,)
    return map(to_text, values_at(case, by))
