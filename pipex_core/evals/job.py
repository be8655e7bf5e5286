"""What an evaluation is going to do, decided before anything is called: cases, target, metrics, rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from pipex_core.evals.answers import Answer, cleaned, shared_columns
from pipex_core.evals.arms import MetricFacts
from pipex_core.evals.gatefile import Gate
from pipex_core.evals.judged import Baseline
from pipex_core.evals.keys import response_hash, response_key
from pipex_core.evals.respond import Unit
from pipex_core.evals.results import ResponseClass, ResponseRow, classes
from pipex_core.evals.suite import (
    Case,
    CaseHashes,
    Suite,
    cluster_of,
    references,
    scalars_by_path,
)
from pipex_core.evals.target import Target
from pipex_core.jsonvalue import Json, compact, digest_bytes
from pipex_core.llm.client import CachePolicy
from pipex_core.llm.cost import Budget
from pipex_core.metrics.entries import Entry
from pipex_core.stats.estimates import Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Settings of a run that are no part of any key.

    Attributes:
        max_concurrency: Cases in flight.
        timeout_s: Deadline of one attempt of one case; None takes the suite's.
        timeout_is: Whether a deadline is a hole in the data or a failure of the target.
        impute: Whether a target failure counts with the worst value or stands outside the mean.
        accept_degraded: Whether an answer of a fallback of the pipeline counts as an answer.
        max_attempts: Of one row over all passes and restarts.
        max_time_s: No new case starts later than this after the start, or None.
        reuse: ``always`` carries the answers of targets that are not hermetic too.
        max_missing: Share of missing rows of any metric up to which a run without gate is complete.
        cache: Use of the call cache.
        budget: Of the run; None takes the suite's, and no cap when it has none.
        again: Statuses of open rows that a resumed run asks; None asks all.
        reroll: Rows that earlier runs have are asked again on purpose.
        allow_paths: Further folders that pipelines under test may read.
    """

    max_concurrency: int = 20
    timeout_s: float | None = None
    timeout_is: Literal["missing", "failure"] = "missing"
    impute: Literal["worst", "exclude"] = "worst"
    accept_degraded: bool = False
    second_pass: bool = True
    max_attempts: int = 8
    max_time_s: float | None = None
    reuse: Literal["hermetic", "always"] = "hermetic"
    max_missing: float = 0.0
    cache: CachePolicy = "use"
    budget: Budget | None = None
    again: Sequence[str] | None = None
    reroll: bool = False
    allow_paths: Sequence[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise ValueError(f"max_concurrency must be at least 1, got {self.max_concurrency}")


def capped(options: RunOptions, cap_usd: float | None) -> RunOptions:
    """Options under the operator's cap on the money of one run; as they are without one."""
    if cap_usd is None:
        return options
    budget, cost = options.budget or Budget(), Decimal(str(cap_usd))
    if budget.max_cost_usd is not None:
        cost = min(cost, budget.max_cost_usd)
    return replace(options, budget=replace(budget, max_cost_usd=cost))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvalJob:
    """One evaluation: everything that its phases need and nothing that they find out.

    Attributes:
        cases: The selected cases, in the order in which they are asked.
        metrics: Of the run, in the order of the entries.
        case_metrics: Case id to the entries that apply to it, where they differ from the run's.
        gate: Rules for a verdict, or None.
        baseline: The run to compare with, or None.
        is_subset: Cases were left out by sampling or a limit.
        others: Case id to the baseline's answer, for metrics that compare two.
        warnings: Code and sentence of what the reader of the results should know.
        labels: Free words of whoever started the run.
        origin: Who started it: ``orchestrator_run_id``, ``partition_key``, ``git_sha`` and the like.
    """

    run_id: str
    suite: Suite
    cases: Sequence[Case]
    hashes: Mapping[str, CaseHashes]
    target: Target
    metrics: Sequence[Entry]
    case_metrics: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    repeats: int = 1
    reducer: str = "mean"
    gate: Gate | None = None
    baseline: Baseline | None = None
    seed: int = 0
    options: RunOptions = field(default_factory=RunOptions)
    suite_digest: str
    plan_digest: str
    is_subset: bool = False
    others: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[tuple[str, str]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, Json] = field(default_factory=dict)

    @property
    def may_carry(self) -> bool:
        """Whether answers of other runs serve for this one."""
        if self.options.reroll:
            return False
        return self.target.is_hermetic or self.options.reuse == "always"

    def units(self) -> list[Unit]:
        """All rows to be answered, in the order in which they are asked."""
        return [
            Unit(
                case=case,
                repeat=repeat,
                key=response_key(
                    target_digest=self.target.digest,
                    input_hash=self.hashes[case.id].input_hash,
                    repeat=repeat,
                ),
            )
            for case in self.cases
            for repeat in range(self.repeats)
        ]

    def entries(self, case_id: str) -> Sequence[Entry]:
        """The metrics that judge a case."""
        return self.case_metrics.get(case_id, self.metrics)

    @property
    def announcement(self) -> dict[str, Json]:
        """What the event says that begins the run."""
        return {
            "suite": self.suite.id,
            "target": self.target.target_id,
            "model": self.target.model_id,
            "rows": len(self.cases) * self.repeats,
            "metrics": [entry.name for entry in self.metrics],
        }

    @property
    def judged(self) -> Sequence[Entry]:
        """The entries that a judge gives the number of: those of the run, then those of single cases."""
        found = {entry.name: entry for entry in self.metrics}
        for entries in self.case_metrics.values():
            for entry in entries:
                found.setdefault(entry.name, entry)
        return [entry for entry in found.values() if entry.judge is not None]

    @property
    def uncertified(self) -> frozenset[str]:
        """Metrics whose judge has no valid certificate."""
        return frozenset(
            entry.name
            for entry in self.judged
            if entry.judge is not None and entry.judge.certificate is None
        )

    def facts(self) -> list[MetricFacts]:
        """What summaries know of each metric: those of the run, then those of single cases."""
        found = {entry.name: entry for entry in self.metrics}
        for entries in self.case_metrics.values():
            for entry in entries:
                found.setdefault(entry.name, entry)
        return [facts_of(entry) for entry in found.values()]

    def class_of(self, answer: Answer) -> ResponseClass:
        """How an answer counts in this run."""
        if answer.status == "timeout" and self.options.timeout_is == "failure":
            return "target_failure"
        return classes[answer.status]

    def row_of(
        self, unit: Unit, answer: Answer, *, redact: Callable[[str], str] = str
    ) -> ResponseRow:
        """The row of a case and its answer; annotations are those of the case today.

        Args:
            unit: The case and repeat.
            answer: As it was given; its texts go into the row as they are.
            redact: Takes secrets out of what the case says.
        """
        case, known = unit.case, self.hashes[unit.case.id]
        expected = expected_text(case)
        cluster = cluster_of(case, cluster_by=self.suite.defaults.cluster_by)
        return ResponseRow(
            case_id=case.id,
            repeat=unit.repeat,
            case_hash=known.case_hash,
            input_hash=known.input_hash,
            reference_hash=known.reference_hash,
            response_key=unit.key,
            response_hash=answer.original_hash
            or response_hash(
                status=answer.status,
                output=answer.text,
                output_json=answer.json,
                has_output_json=answer.has_json,
                tool_calls=answer.tool_calls,
            ),
            status=answer.status,
            response_class=self.class_of(answer),
            input=redact(case.input if isinstance(case.input, str) else compact(case.input)),
            expected=None if expected is None else redact(expected),
            output=answer.text,
            output_json=answer.json,
            has_output_json=answer.has_json,
            cluster_id=None if cluster is None else redact(cluster),
            weight=case.weight,
            tags=tuple(map(redact, case.tags)),
            split=None if case.split is None else redact(case.split),
            slices=cleaned(scalars_by_path(case.metadata), redact),
            quarantined=case.status == "quarantined",
            context_sha256=_context_digest(case),
            cache=answer.cache,
            **{name: getattr(answer, name) for name in shared_columns},
            origin_run_id=answer.origin_run_id or self.run_id,
            metadata=cleaned(case.metadata, redact),
        )


def facts_of(entry: Entry) -> MetricFacts:
    """What summaries know of a metric."""
    low, high = entry.info.range
    return MetricFacts(
        name=entry.name,
        type=entry.type,
        fingerprint=entry.fingerprint,
        scale=Scale(low=low, high=high, direction=entry.info.direction, skewed=entry.info.skewed),
        threshold=entry.threshold,
        required=entry.required,
    )


def in_issue_order(cases: Sequence[Case], *, seed: int, fair: bool) -> list[Case]:
    """The cases as they are asked: in file order, or (``fair``) in the order of a hash of their ids.

    A run that a budget or the time may stop is a fair sample of its suite only in the second order.
    """
    if not fair:
        return list(cases)
    return sorted(cases, key=lambda case: sha256(f"{seed}{case.id}".encode()).digest())


def expected_text(case: Case) -> str | None:
    """The reference for people: the text, or the JSON of alternatives and structured values."""
    if case.expected_output is None or isinstance(case.expected_output, str):
        return case.expected_output
    found = references(case)
    return found.texts[0] if found.is_structured else compact(list(found.texts))


def _context_digest(case: Case) -> str | None:
    if case.context is None:
        return None
    whole = case.context if isinstance(case.context, str) else "\n\n".join(case.context)
    return digest_bytes(whole.encode("utf-8", "surrogatepass"))
