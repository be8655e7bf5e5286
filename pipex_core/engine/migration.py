"""Runs that an older program left behind, as records of today.

Version 1.1 is what pipeline_ex wrote after every step: one file for a workflow, with the results by step
name, a log of the steps (the newest one first), and the variables. What it does not say stays unknown:
what the pipeline looked like, which inputs it had, what single calls cost. Loops start over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.engine.records import StepRecord
from pipex_core.errors import ErrorRecord, StoreError
from pipex_core.jsonvalue import Json

old_schema: Final = "1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Where a new run starts: what another one had finished.

    Attributes:
        records: Of the steps that were reached, in the order in which they ended.
        at: When that was, ISO 8601; empty when unknown.
        spent_nanousd: Money spent until then; calls and tokens likewise.
        provider: What scripted providers had given.
    """

    workflow: str
    records: Sequence[StepRecord]
    at: str = ""
    spent_nanousd: int = 0
    calls: int = 0
    tokens: int = 0
    provider: Json = None

    def is_whole(self, steps: Sequence[str]) -> bool:
        """Whether all of these steps ended well."""
        good = {record.name for record in self.records if record.success}
        return good.issuperset(steps)


def is_old(document: Json) -> bool:
    """Whether a JSON document is a checkpoint of pipeline_ex, of whatever version."""
    return isinstance(document, Mapping) and "workflow_name" in document and "results" in document


def from_old(document: Mapping[str, Json]) -> Carried:
    """What a checkpoint of version 1.1 holds.

    Raises:
        StoreError: ``schema_too_new``, another version; ``checkpoint_damaged``, a field is missing or
            is something else than it was.
    """
    version = document.get("version")
    if version != old_schema:
        message = f"the checkpoint has version {version!r}; known are {old_schema} and 2.0"
        raise StoreError(message, code="schema_too_new")
    log, results = document.get("execution_log"), document.get("results")
    if not isinstance(log, list) or not isinstance(results, Mapping):
        message = "the checkpoint lacks its execution_log or its results"
        raise StoreError(message, code="checkpoint_damaged")
    records = [_record(entry, results) for entry in _in_order(log)]
    last = {record.name: record for record in records}
    records = [last[name] for name in last]
    variables = _variables(document.get("variable_state"))
    if records and variables:
        records[-1] = replace(records[-1], variables=variables)
    return Carried(
        workflow=str(document["workflow_name"]),
        records=records,
        at=str(document.get("timestamp") or ""),
        spent_nanousd=sum(record.cost_nanousd for record in records),
    )


def _in_order(log: Sequence[Json]) -> Sequence[Mapping[str, Json]]:
    """The entries, the oldest first: the old program put each new one in front."""
    entries = [entry for entry in log if isinstance(entry, Mapping) and "step" in entry]
    if len(entries) != len(log):
        message = "an entry of the checkpoint's execution_log names no step"
        raise StoreError(message, code="checkpoint_damaged")
    times = [str(entry.get("timestamp") or "") for entry in entries]
    is_newest_first = len(times) > 1 and times[0] > times[-1]
    return entries[::-1] if is_newest_first else entries


def _record(entry: Mapping[str, Json], results: Mapping[str, Json]) -> StepRecord:
    name = str(entry["step"])
    known = StepRecord(
        name=name,
        type=str(entry.get("type") or ""),
        duration_ms=round(entry.get("duration_ms") or 0),
    )
    result = results.get(name)
    match entry.get("status"):
        case "skipped":
            reason = f"condition not met: {entry.get('condition') or ''}".rstrip(": ")
            return replace(known, status="skipped", attempts=0, metadata={"reason": reason})
        case "failed":
            return _failed(known, str(entry.get("error") or "the step failed"))
        case _:
            return _succeeded(known, result)


def _succeeded(known: StepRecord, result: Json) -> StepRecord:
    if isinstance(result, str):
        return replace(known, text=result)
    if not isinstance(result, Mapping):
        return replace(known, data=result)
    cost = result.get("cost")
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        known = replace(known, cost_nanousd=round(cost * 1_000_000_000))
    if result.get("success") is False:
        return _failed(known, str(result.get("error") or "the step failed"))
    if isinstance(result.get("text"), str):
        rest = {
            key: value for key, value in result.items() if key not in {"text", "success", "cost"}
        }
        return replace(known, text=result["text"], data=rest or None)
    return replace(known, data=dict(result))


def _failed(known: StepRecord, message: str) -> StepRecord:
    error = ErrorRecord(code="step_failed", message=message, retryable=False, path=known.name)
    return replace(known, status="failed", error=error, ends_run=True)


def _variables(state: Json) -> Mapping[str, Json]:
    """Global variables and those of the session over them; of loops nothing, because they start over."""
    found: dict[str, Json] = {}
    for scope in ("global", "session"):
        values = state.get(scope) if isinstance(state, Mapping) else None
        found |= values if isinstance(values, Mapping) else {}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a new run comes from.

    Attributes:
        facts: As its document shows them: ``file`` and ``sha256``, or ``run_id`` and ``seq``.
        document: Of the run that it goes on from; empty when there is none.
    """

    facts: Mapping[str, Json]
    document: Mapping[str, Json] = field(default_factory=dict)
