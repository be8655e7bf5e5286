"""Suites and cases: versioned questions with optional references, identified by what they contain.

An id is a name and a position means nothing; what a case *is* is decided by two hashes. ``input_hash``
covers what a target gets, ``reference_hash`` what an answer is judged by. Everything else about a case
(tags, weight, thresholds) is annotation: changing it makes no answer and no score invalid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, digest

CaseStatus = Literal["active", "quarantined", "frozen"]

case_statuses: tuple[str, ...] = get_args(CaseStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question.

    Attributes:
        input: Text, a map, or a list of ``{role, content}`` turns.
        expected_output: The reference; None means that there is none, ``""`` is a reference to an
            empty answer. A string is one reference, a list of strings are alternatives, anything
            else (also ``{"$value": X}``) is a structured reference.
        tags: Sorted, each once.
        created_at: RFC 3339; never invented.
        context: Source texts for grounded metrics; None when absent.
        metrics: Metric entries that add to or override the run's, for this case.
        weight: Positive weight in means and rates.
        extra: Fields whose names start with ``x-``: kept, and part of no hash.
    """

    id: str
    input: Json
    expected_output: Json = None
    name: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    created_at: str | None = None
    version: int = 1
    context: str | tuple[str, ...] | None = None
    choices: tuple[str, ...] | None = None
    expected_tools: tuple[Mapping[str, Json], ...] | None = None
    relevant_ids: tuple[str, ...] | None = None
    metrics: tuple[Json, ...] | None = None
    cluster_id: str | None = None
    weight: float = 1.0
    split: str | None = None
    attachments: tuple[Mapping[str, Json], ...] | None = None
    source: Mapping[str, Json] | None = None
    status: CaseStatus = "active"
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDefaults:
    """What a run of the suite uses when it names nothing else."""

    metrics: tuple[Json, ...] = ()
    repeats: int = 1
    reducer: str = "mean"
    cluster_by: str | None = None
    prompt: str = "{{ input }}"
    timeout_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """An identified list of cases, sorted by id.

    Attributes:
        name: For people; empty when the id serves.
        version: Label for people; never used for identity.
        gate: Gate map, path of a gate file, or None.
        extra: Kept fields: ``metadata tags judges hash_metadata privacy budget ...`` and ``x-`` keys.
        location: Where it was read from, for messages; empty for a suite made in memory.
    """

    id: str
    cases: Sequence[Case]
    name: str = ""
    description: str | None = None
    version: str = "1"
    defaults: SuiteDefaults = field(default_factory=SuiteDefaults)
    gate: Json = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    location: str = field(default="", compare=False)

    @property
    def hash_metadata(self) -> tuple[str, ...]:
        """Paths of metadata that belong to the input instead of the annotations."""
        return tuple(self.extra.get("hash_metadata") or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseHashes:
    """What a case contains, as SHA-256 in 64 hexadecimal digits each.

    Attributes:
        input_hash: What a target gets.
        reference_hash: What an answer is judged by.
        case_hash: Both of them: two cases with one case_hash are the same question.
        annotation_hash: What only grouping, weighing and thresholds use.
    """

    input_hash: str
    reference_hash: str
    case_hash: str
    annotation_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The reference of a case as metrics see it.

    Attributes:
        texts: Any of them may match; empty when there is no reference. Of a structured reference
            its text.
        structured: The structured reference, or None.
        is_structured: Tells a structured null from no structured reference.
    """

    texts: tuple[str, ...] = ()
    structured: Json = None
    is_structured: bool = False


def references(case: Case) -> References:
    """What the answer to ``case`` is compared with.

    One text, several alternative texts, or a structured value, which a text metric sees as its
    compact JSON text.
    """
    expected = case.expected_output
    match expected:
        case None:
            return References()
        case str():
            return References(texts=(expected,))
        case [*items] if all(isinstance(item, str) for item in items):
            return References(texts=tuple(items))
        case {"$value": value}:
            structured = value
        case _:
            structured = expected
    return References(texts=(to_text(structured),), structured=structured, is_structured=True)


def hashes(case: Case, *, hash_metadata: Iterable[str] = ()) -> CaseHashes:
    """The hashes of one case; text is hashed as given, without any normalisation.

    Args:
        case: Any case.
        hash_metadata: Paths such as ``metadata.locale`` that count as input of the case.
    """
    moved = {path: _at(case.metadata, path) for path in hash_metadata}
    context = list(case.context) if isinstance(case.context, tuple) else case.context
    input_hash = digest(
        _present(
            input=case.input,
            choices=case.choices,
            attachments=[one["sha256"] for one in case.attachments or ()] or None,
            context=context,
            metadata={path: found[0] for path, found in moved.items() if found} or None,
        )
    )
    reference_hash = digest(
        _present(
            expected_output=case.expected_output,
            expected_tools=case.expected_tools,
            relevant_ids=case.relevant_ids,
            context=context,
            choices=case.choices,
        )
    )
    metadata = _without(case.metadata, moved) if moved else case.metadata
    annotation_hash = digest(
        _present(
            name=case.name,
            tags=case.tags or None,
            metadata=metadata or None,
            weight=case.weight,
            cluster_id=case.cluster_id,
            split=case.split,
            status=case.status,
            metrics=case.metrics,
        )
    )
    return CaseHashes(
        input_hash=input_hash,
        reference_hash=reference_hash,
        case_hash=digest([input_hash, reference_hash]),
        annotation_hash=annotation_hash,
    )


def hashes_by_id(suite: Suite) -> Mapping[str, CaseHashes]:
    """The hashes of every case, in the order of the suite."""
    paths = suite.hash_metadata
    return {case.id: hashes(case, hash_metadata=paths) for case in suite.cases}


def suite_digest(suite: Suite, *, known: Mapping[str, CaseHashes] | None = None) -> str:
    """Identity of the questions: unchanged by order, names, tags, weights and thresholds.

    Quarantined cases are left out.

    Args:
        suite: Any suite.
        known: What ``hashes_by_id`` gave, when it was already computed.
    """
    by_id = hashes_by_id(suite) if known is None else known
    kept = sorted(case.id for case in suite.cases if case.status != "quarantined")
    return digest([[case_id, by_id[case_id].case_hash] for case_id in kept])


def plan_digest(
    suite: Suite,
    *,
    metrics: Sequence[Json],
    repeats: int,
    reducer: str,
    cluster_by: str | None,
    known: Mapping[str, CaseHashes] | None = None,
) -> str:
    """Identity of how the questions are judged: metrics, repeats, reducer, clusters, annotations.

    Args:
        suite: Any suite.
        metrics: Effective entries with all options and thresholds filled in, in the order of the run.
        repeats: Answers per case.
        reducer: How repeats become one value.
        cluster_by: Path whose values form clusters, or None.
        known: As in ``suite_digest``.
    """
    by_id = hashes_by_id(suite) if known is None else known
    return digest(
        {
            "metrics": list(metrics),
            "repeats": repeats,
            "reducer": reducer,
            "cluster_by": cluster_by,
            "cases": [[case_id, by_id[case_id].annotation_hash] for case_id in sorted(by_id)],
        }
    )


def cluster_of(case: Case, *, cluster_by: str | None) -> str | None:
    """The statistical cluster of a case: its own ``cluster_id``, else the value at ``cluster_by``."""
    if case.cluster_id is not None or cluster_by is None:
        return case.cluster_id
    if cluster_by == "split":
        return case.split
    found = _at(case.metadata, cluster_by)
    return to_text(found[0]) if found and found[0] is not None else None


def scalars_by_path(metadata: Mapping[str, Json]) -> Mapping[str, Json]:
    """Text, numbers and booleans of the metadata by path, such as ``metadata.source.page``, sorted."""
    found: dict[str, Json] = {}
    stack: list[tuple[str, Json]] = [("metadata", metadata)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend((f"{path}.{key}", inner) for key, inner in value.items())
        elif isinstance(value, str | int | float):
            found[path] = value
    return dict(sorted(found.items()))


def _present(**parts: Json) -> dict[str, Json]:
    """The parts that are there: a field added in a later version changes no hash of today."""
    return {name: value for name, value in parts.items() if value is not None}


def _keys(path: str) -> list[str]:
    return path.removeprefix("metadata.").split(".")


def _at(metadata: Mapping[str, Json], path: str) -> tuple[Json] | None:
    """The value at a path of the metadata, in a box that tells null from absent."""
    value: Json = metadata
    for key in _keys(path):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return (value,)


def _without(metadata: Mapping[str, Json], paths: Iterable[str]) -> Mapping[str, Json]:
    found: Json = metadata
    for path in paths:
        found = _cut(found, _keys(path))
    return dict(found)


def _cut(value: Json, keys: Sequence[str]) -> Json:
    if not isinstance(value, Mapping) or keys[0] not in value:
        return value
    if len(keys) == 1:
        return {key: inner for key, inner in value.items() if key != keys[0]}
    return {key: _cut(inner, keys[1:]) if key == keys[0] else inner for key, inner in value.items()}
