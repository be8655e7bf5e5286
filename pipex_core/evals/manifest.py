"""What is kept about a run beside its rows: the row of the table ``runs`` and the manifest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime

import pyarrow as pa

from pipex_core.evals.arms import MetricFacts
from pipex_core.evals.curate import unverified_ids
from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.job import EvalJob
from pipex_core.evals.outcome import Outcome
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.summary import Summary, metric_document, totals_document
from pipex_core.evals.target import Target
from pipex_core.evals.verdict import Verdict
from pipex_core.jsonvalue import Json
from pipex_core.metrics.entries import Entry
from pipex_core.stats.estimates import Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a run is made with; nothing here changes a row.

    Attributes:
        packages: Versions of the libraries that compute numbers.
        price_table: Date or digest of the prices.
    """

    pipex_version: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    price_table: str = ""


unknown_environment = Environment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """When a run was made, and with what.

    Attributes:
        limits: How many calls at once each service was found to bear, in order of the changes.
    """

    started_at: datetime
    finished_at: datetime
    duration_ms: int = 0
    environment: Environment = unknown_environment
    limits: Sequence[Mapping[str, Json]] = ()


def run_row(
    job: EvalJob,
    summary: Summary,
    outcome: Outcome,
    *,
    verdict: Verdict | None,
    around: Circumstances,
) -> dict[str, Json]:
    """The columns of the table ``runs``."""
    totals = summary.totals
    origin = job.origin
    plan = job.target if isinstance(job.target, PipelineTarget) else None
    return {
        "suite_version": job.suite.version,
        "suite_digest": job.suite_digest,
        "plan_digest": job.plan_digest,
        "target_digest": job.target.digest,
        "target_id": job.target.target_id,
        "target_kind": job.target.kind,
        "model_resolved": None,
        "bindings": dict(plan.bindings) if plan else {},
        "pipeline_name": plan.plan.name if plan else None,
        "pipeline_digest": plan.plan.digest if plan else None,
        "provider": job.target.provider,
        "seed": job.seed,
        "repeats": job.repeats,
        "status": outcome.status,
        "status_reason": outcome.reason,
        "started_at": around.started_at,
        "finished_at": around.finished_at,
        "duration_ms": around.duration_ms,
        "n_cases": totals.n_cases + totals.n_quarantined,
        "n_rows": totals.n_rows,
        "n_ok": totals.n_ok,
        "n_failed": totals.n_failed,
        "n_missing": totals.n_missing,
        "n_carried": totals.n_carried,
        "n_passed": totals.n_passed,
        "n_case_failed": totals.n_case_failed,
        "n_undetermined": totals.n_undetermined,
        "pass_rate": totals.pass_rate,
        "calls": totals.calls,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cost_nanousd": totals.cost_nanousd,
        "cost_usd": totals.cost_nanousd / 1e9,
        "judge_cost_nanousd": totals.judge_cost_nanousd,
        "saved_nanousd": totals.saved_nanousd,
        "baseline_run_id": verdict.baseline if verdict else None,
        "verdict": verdict.verdict if verdict else None,
        "gate_digest": verdict.gate_digest if verdict else None,
        "git_sha": origin.get("git_sha"),
        "git_dirty": origin.get("git_dirty"),
        "pipex_version": around.environment.pipex_version,
        "packages": dict(around.environment.packages),
        "price_table": around.environment.price_table,
        "orchestrator_run_id": origin.get("orchestrator_run_id"),
        "partition_key": origin.get("partition_key"),
        "labels": dict(job.labels),
    }


def manifest_of(
    job: EvalJob,
    row: Mapping[str, Json],
    summary: Summary,
    responses: pa.Table,
    verdict: Verdict | None,
    around: Circumstances,
) -> dict[str, Json]:
    """The manifest without ``files`` and ``row_digest``, which are known when the files are."""
    shown = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    unverified = unverified_ids(job.cases)
    return {
        "run": shown,
        "suite": {
            "id": job.suite.id,
            "name": job.suite.name,
            "version": job.suite.version,
            "digest": job.suite_digest,
            "location": job.suite.location,
            "is_subset": job.is_subset,
            **({"unverified": list(unverified)} if unverified else {}),
        },
        "target": target_document(job.target),
        "metrics": [metric_facts_document(facts) for facts in job.facts()],
        "entries": [dict(entry.document()) for entry in job.metrics],
        "judges": [judge_document(entry) for entry in job.judged],
        "warnings": [{"code": code, "message": message} for code, message in job.warnings],
        "reducer": job.reducer,
        "impute": job.options.impute,
        "seed": job.seed,
        "rerolled": job.options.reroll,
        "gate": None if job.gate is None else gate_document(job.gate),
        "verdict": None if verdict is None else verdict.as_json(),
        "summary": {
            **totals_document(summary),
            "metrics": {name: metric_document(one) for name, one in summary.metrics.items()},
        },
        "errors": dict(sorted(Counter(responses["error_code"].drop_null().to_pylist()).items())),
        "limiter": [dict(one) for one in around.limits],
        "retried": sum(attempts > 1 for attempts in responses["attempts"].to_pylist()),
    }


def judge_document(entry: Entry) -> dict[str, Json]:
    """Who judges for a metric."""
    judge = entry.judge
    if judge is None:
        return {"metric": entry.name}
    return {
        "metric": entry.name,
        **judge.document(),
        "certificate": judge.certificate,
        "certificate_file": judge.certificate_file,
    }


def target_document(target: Target) -> dict[str, Json]:
    """The target with its digest and what that is made of."""
    return {
        "kind": target.kind,
        "target_id": target.target_id,
        "model_id": target.model_id,
        "provider": target.provider,
        "digest": target.digest,
        "parts": dict(target.parts),
    }


def gate_document(gate: Gate) -> dict[str, Json]:
    """The gate with everything filled in."""
    found = asdict(gate)
    return {**found, "rules": [dict(rule) for rule in found["rules"]], "digest": gate.digest}


def gate_from(document: Mapping[str, Json]) -> Gate:
    """The gate that ``gate_document`` wrote; fields that it did not know have their defaults."""
    known = {one.name for one in fields(Gate)}
    kept = {name: value for name, value in document.items() if name in known}
    rules = [{**rule, "slices": tuple(rule["slices"])} for rule in document["rules"]]
    return Gate(**{**kept, "rules": tuple(Rule(**rule) for rule in rules)})


def metric_facts_document(facts: MetricFacts) -> dict[str, Json]:
    """What a later comparison must know of a metric; an open end of the range is null."""
    scale = facts.scale
    low, high = (
        None if end in (float("inf"), float("-inf")) else end for end in (scale.low, scale.high)
    )
    return {
        "name": facts.name,
        "type": facts.type,
        "fingerprint": facts.fingerprint,
        "range": [low, high],
        "direction": scale.direction,
        "skewed": scale.skewed,
        "threshold": facts.threshold,
        "required": facts.required,
    }


def metric_facts_from(document: Mapping[str, Json]) -> MetricFacts:
    """The facts that ``metric_facts_document`` wrote."""
    low, high = document["range"]
    return MetricFacts(
        name=document["name"],
        type=document["type"],
        fingerprint=document["fingerprint"],
        scale=Scale(
            low=float("-inf") if low is None else low,
            high=float("inf") if high is None else high,
            direction=document["direction"],
            skewed=document["skewed"],
        ),
        threshold=document["threshold"],
        required=document["required"],
    )
