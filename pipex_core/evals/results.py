"""Rows of responses and scores as an evaluation makes them, before they become table columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRow:
    """What the target returned for one case and repeat.

    Attributes:
        response_class: Decides whether the row is scored, imputed or missing.
        expected: Reference as text for people; None when there is none.
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
    cache: Literal["miss", "hit", "carried"] = "miss"
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
    started_at: str | None = None
    finished_at: str | None = None
    origin_run_id: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """What one metric (or one of its submetrics) said of one response.

    Attributes:
        case_id: None for corpus rows.
        repeat: -1 for rows of level ``repeats``.
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
    judge_cost_nanousd: int = 0
    duration_ms: float = 0.0
    carried: bool = False
    origin_run_id: str = ""
