"""What a target gave for one case: an answer with its status, never an exception.

The status follows from the typed code of what failed and from nothing else: text is not searched. A
failure of the target is an observation; a failure of the infrastructure is a hole that a later run
fills.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from types import MappingProxyType

from pipex_core.engine.recovery import ErrorClass, class_of
from pipex_core.errors import PipexError
from pipex_core.evals.results import CacheWord, ResponseStatus
from pipex_core.jsonvalue import Json

_by_class: Mapping[ErrorClass, ResponseStatus] = MappingProxyType(
    {
        "author": "target_error",
        "request": "target_error",
        "model": "model_error",
        "throttle": "rate_limited",
        "transient": "infra_error",
        "ambiguous": "timeout",
        "account": "infra_error",
        "breaker": "infra_error",
        "limits": "target_error",
        "storage": "infra_error",
        "state": "infra_error",
        "ownership": "infra_error",
        "worker": "infra_error",
        "confinement": "target_error",
        "access": "infra_error",
    }
)
_by_code: Mapping[str, ResponseStatus] = MappingProxyType(
    {
        "content_filter": "model_refusal",
        "budget_exceeded": "not_run_budget",
        "deadline": "timeout",
        "cancelled": "cancelled",
        # The service or the cassette does not have what the operator named; the target did nothing.
        "not_found": "infra_error",
        "replay_miss": "infra_error",
        "unknown_provider": "infra_error",
        "unknown_price": "infra_error",
        "dependency_missing": "infra_error",
        "internal_error": "infra_error",
    }
)
# The operator must act before any case can succeed.
fatal_codes = frozenset({"auth", "spend_limit", "not_found", "unknown_provider", "unknown_price"})


# Fields that an answer and its row in the table have under one name.
shared_columns = (
    *("tool_calls", "finish_reason", "error_code", "error", "failed_step", "attempts"),
    *("latency_ms", "ttft_ms", "wait_ms", "input_tokens", "output_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "reasoning_tokens", "calls", "cost_nanousd", "provider"),
    *("model_resolved", "trace_id", "started_at", "finished_at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, or why there is none.

    Attributes:
        has_json: Tells a structured null from no structured answer.
        error_code: Typed code of what failed; None for observed answers.
        failed_step: Step path, of pipeline targets.
        attempts: Tries of the row that came to an end, this one included; 0 when it was not asked.
        latency_ms: Of the successful attempts, without waits.
        calls: Model calls behind the answer, failed ones included.
        cost_nanousd: Of the answer; failed tries before it are in the ledger and in no row.
        started_at: Wall clock, for display.
        origin_run_id: Run that made it, when it is carried; empty for this run.
        original_hash: Of what was said, where the texts here are what may be kept of it; else None.
        scores: Rows of scores of the original, beside what a journal keeps of it.
        noted_calls: Calls that cost nothing and are journalled beside the answer; see ``callrows``.
    """

    status: ResponseStatus
    text: str | None = None
    json: Json = None
    has_json: bool = False
    tool_calls: Json = None
    finish_reason: str | None = None
    error_code: str | None = None
    error: str | None = None
    failed_step: str | None = None
    attempts: int = 1
    cache: CacheWord = "miss"
    latency_ms: float | None = None
    ttft_ms: float | None = None
    wait_ms: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    calls: int = 0
    cost_nanousd: int = 0
    provider: str = ""
    model_resolved: str | None = None
    trace_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    origin_run_id: str = ""
    original_hash: str | None = None
    scores: Sequence[Mapping[str, Json]] = ()
    noted_calls: Sequence[Mapping[str, Json]] = ()

    def stored(self) -> dict[str, Json]:
        """JSON for the journal; what holds its default is left out."""
        return {name: _plain(value) for name, value in self._changed()}

    @property
    def is_new(self) -> bool:
        """Whether this run paid for it: neither carried nor from the call cache."""
        return self.cache == "miss"

    @classmethod
    def from_stored(cls, stored: Mapping[str, Json]) -> "Answer":
        """The answer that ``stored`` came from."""
        times = {
            name: datetime.fromisoformat(stored[name])
            for name in ("started_at", "finished_at")
            if name in stored
        }
        return cls(**{**stored, **times})

    def _changed(self) -> Iterator[tuple[str, Json]]:
        for name, default in _defaults:
            value = getattr(self, name)
            if value is not default and value != default:
                yield name, value


_defaults = tuple(
    (field.name, field.default) for field in fields(Answer) if field.name != "noted_calls"
)


def _plain(value: Json) -> Json:
    return value.isoformat() if isinstance(value, datetime) else value


def status_of(code: str) -> ResponseStatus:
    """How a case ends that failed with this code; a code that nobody knows is the target's own."""
    if code in _by_code:
        return _by_code[code]
    return _by_class.get(class_of(code), "target_error")


def failed(error: PipexError, **known: Json) -> Answer:
    """The answer of a case that failed with ``error``."""
    return Answer(status=status_of(error.code), error_code=error.code, error=error.message, **known)


def without_secrets(answer: Answer, redact: Callable[[str], str]) -> Answer:
    """The answer as it may be kept: journals, tables and scores see no other."""
    if redact is str:
        return answer
    known = {
        "text": answer.text,
        "json": answer.json,
        "tool_calls": answer.tool_calls,
        "error": answer.error,
    }
    clean = {name: cleaned(value, redact) for name, value in known.items()}
    return answer if clean == known else replace(answer, **clean)


def cleaned(value: Json, redact: Callable[[str], str]) -> Json:
    """A JSON value with all its texts redacted, keys too."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(key): cleaned(inner, redact) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner, redact) for inner in value]
    return value
