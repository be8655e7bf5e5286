"""Suites and cases: versioned questions with optional references, identified by what they contain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipex_core.jsonvalue import Json

CaseStatus = Literal["active", "quarantined", "frozen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question.

    Attributes:
        input: Text, a map, or a list of ``{role, content}`` turns.
        expected_output: The reference; None means that there is none, ``""`` is a reference to an
            empty answer. A string is one reference, a list of strings are alternatives, anything
            else (also ``{"$value": X}``) is a structured reference.
        context: Source texts for grounded metrics; None when absent.
        metrics: Metric entries that add to or override the run's, for this case.
        weight: Positive weight in means and rates.
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
        version: Label for people; never used for identity.
        gate: Gate map, path of a gate file, or None.
        extra: Kept fields: ``schema metadata tags judges hash_metadata privacy budget ...`` and ``x-`` keys.
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
    location: str = ""
