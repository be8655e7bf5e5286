"""Rows of responses and scores as an evaluation makes them, before they become table columns.

A row never holds a number that was not measured: what has no score has a code. The rules that every
reader of rows shares stand here too: which class a status has, how a missing score counts, and when a
response passes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from pipex_core.jsonvalue import Json

ResponseStatus = Literal[
    "ok",
    "model_refusal",
    "truncated",
    "model_error",
    "target_error",
    "infra_error",
    "rate_limited",
    "timeout",
    "not_run_budget",
    "cancelled",
    "skipped",
]
ResponseClass = Literal["observed", "target_failure", "missing"]
RunStatus = Literal["planned", "running", "completed", "incomplete", "failed", "cancelled"]
CacheWord = Literal["miss", "hit", "carried"]
ScoreState = Literal["scored", "failed", "missing", "na"]

classes: Mapping[ResponseStatus, ResponseClass] = MappingProxyType(
    {
        "ok": "observed",
        "model_refusal": "observed",
        "truncated": "observed",
        "model_error": "target_failure",
        "target_error": "target_failure",
        "infra_error": "missing",
        "rate_limited": "missing",
        "timeout": "missing",
        "not_run_budget": "missing",
        "cancelled": "missing",
        "skipped": "missing",
    }
)

# A property of the case and not of the answer: outside every denominator.
not_applicable_codes = frozenset(
    {"no_reference", "not_applicable", "missing_input", "bad_reference", "too_large"}
)
# Final without a number: measuring again would say the same.
final_codes = not_applicable_codes | {"no_output", "judge_abstained"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRow:
    """What the target returned for one case and repeat.

    Attributes:
        response_class: Decides whether the row is scored, imputed or missing.
        expected: Reference as text for people; None when there is none.
        slices: Scalar values of the case's metadata by path, such as ``metadata.topic``.
        attempts: Tries of the case that came to an end, this one included.
        latency_ms: Of the successful attempts, waits excluded; virtual under mock.
        cache: ``miss`` called now, ``hit`` answered by the call cache, ``carried`` from an earlier run.
        origin_run_id: Run that made the answer.
        passed: Filled in after scoring.
    """

    case_id: str
    repeat: int
    case_hash: str
    input_hash: str
    reference_hash: str
    response_key: str
    response_hash: str
    status: ResponseStatus
    response_class: ResponseClass
    input: str
    expected: str | None = None
    output: str | None = None
    output_json: Json = None
    has_output_json: bool = False
    cluster_id: str | None = None
    weight: float = 1.0
    tags: tuple[str, ...] = ()
    split: str | None = None
    slices: Mapping[str, Json] = field(default_factory=dict)
    quarantined: bool = False
    context_sha256: str | None = None
    tool_calls: Json = None
    finish_reason: str | None = None
    error_code: str | None = None
    error: str | None = None
    failed_step: str | None = None
    attempts: int = 1
    passed: bool | None = None
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
    metadata: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """What one metric (or one of its submetrics) said of one response.

    Attributes:
        case_id: None for corpus rows.
        repeat: -1 for rows of level ``repeats`` and ``corpus``.
        submetric: None for the metric itself.
        code: Why there is no score; None when scored.
        score: Finite, or None.
    """

    case_id: str | None
    repeat: int
    metric: str
    metric_type: str
    metric_version: int
    metric_fingerprint: str
    score_key: str
    submetric: str | None = None
    level: Literal["case", "repeats", "corpus"] = "case"
    status: Literal["scored", "unscored"] = "scored"
    code: str | None = None
    reason: str | None = None
    score: float | None = None
    label: str | None = None
    passed: bool | None = None
    threshold: float | None = None
    direction: str = "higher"
    required: bool = True
    fallback_of: str | None = None
    explanation: str | None = None
    details: Json = None
    judge_id: str | None = None
    judge_fingerprint: str | None = None
    judge_certificate: str | None = None
    judge_votes: Json = None
    judge_cost_nanousd: int = 0
    duration_ms: float = 0.0
    carried: bool = False
    origin_run_id: str = ""


def state_of(*, status: str, code: str | None, response_class: str) -> ScoreState:
    """How one score row counts: measured, an observed failure of the target, open, or no question at all.

    Args:
        status: ``scored`` or ``unscored``.
        code: The unscored code, or None.
        response_class: Class of the response that was judged.
    """
    if status == "scored":
        return "scored"
    if code in not_applicable_codes:
        return "na"
    return "failed" if response_class == "target_failure" else "missing"


def is_open(*, status: str, code: str | None) -> bool:
    """Would measuring this score again make sense? Scores and final codes are kept as they are."""
    return status != "scored" and code not in final_codes


def passes(score: float | None, *, threshold: float | None, direction: str) -> bool | None:
    """Does the score reach the threshold, with a tolerance of 1e-12? None without one of the two."""
    if score is None or threshold is None or direction == "none":
        return None
    if direction == "lower":
        return score <= threshold + tolerance
    return score >= threshold - tolerance


tolerance = 1e-12  # of thresholds: below any meaning, above the rounding of a sum of thousands


def verdict_of_response(
    required: Iterable[tuple[bool | None, float | None]], *, response_class: str
) -> bool | None:
    """Did the response pass? None when it is undetermined.

    Args:
        required: ``(passed, threshold)`` of each required metric; those without threshold say nothing.
        response_class: A target failure is a failed case whatever was scored, and a response that is
            missing is undetermined.
    """
    if response_class == "missing":
        return None
    if response_class == "target_failure":
        return False
    flags = [passed for passed, threshold in required if threshold is not None]
    if False in flags:
        return False
    return True if flags and None not in flags else None
