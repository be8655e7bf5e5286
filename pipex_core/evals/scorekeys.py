"""Which score belongs to a response: its key, what the response is compared with, and a stored score read back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipex_core.evals.items import case_fields
from pipex_core.evals.job import EvalJob
from pipex_core.evals.keys import score_key, score_parts
from pipex_core.evals.suite import Case
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, parse
from pipex_core.metrics.contract import MetricInput, Score, Scored, Unscored
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.judge_pairwise import Pairwise
from pipex_core.metrics.lookup import looked_up


def key_of_score(
    job: EvalJob, entry: Entry, case: Case, item: MetricInput, response_hash: str
) -> str:
    """The key of what an entry says of one response; equal keys, equal scores."""
    other = {} if item.other is None else {"other": item.other}
    parts = score_parts(
        metric=entry.type,
        fingerprint=entry.fingerprint,
        needs=entry.needs,
        response=response_hash,
        case=job.hashes[case.id],
        usage=item.usage,
        looked_up={
            **looked_up(entry.fields, item.case, whole=entry.info.reads_case),
            **other,
        },
    )
    return score_key(parts)


def with_other(job: EvalJob, entry: Entry, item: MetricInput, case: Case) -> MetricInput:
    """The item with the answer that it is compared with, for metrics that compare two."""
    if not isinstance(entry.metric, Pairwise):
        return item
    place = entry.metric.other
    if place is None:
        return replace(item, other=job.others.get(case.id))
    found = looked_up({"other": place}, item.case)
    return replace(item, other=to_text(found["other"]) if "other" in found else None)


def compared_with(job: EvalJob, entry: Entry, case: Case) -> dict[str, Json]:
    """The part of a score key that the other answer of a comparison is; empty for other metrics."""
    item = with_other(job, entry, MetricInput(case=case_fields(case)), case)
    return {} if item.other is None else {"other": item.other}


def compares_with_baseline(job: EvalJob) -> bool:
    """Does a metric of the job need the baseline's answers?"""
    metrics = [entry.metric for entry in job.judged]
    return any(isinstance(metric, Pairwise) and metric.other is None for metric in metrics)


def stored_score(rows: Sequence[Mapping[str, Json]]) -> Score:
    """The score that stored rows of one key hold: the metric's own first, then its submetrics."""
    head, *others = rows
    if head["status"] != "scored":
        return Unscored(code=head["code"], reason=head["reason"] or "")
    details = head["details"]
    return Scored(
        value=head["score"],
        label=head["label"],
        details={} if details is None else parse(details),
        submetrics={row["submetric"]: row["score"] for row in others},
    )
