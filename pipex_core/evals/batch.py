"""The evaluation behind the step ``eval_batch``: the one engine, with files found by the application."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pipex_core.engine.services import Services
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.findings import Findings, result_document, result_rows
from pipex_core.evals.gatefile import Gate, gate_of
from pipex_core.evals.job import RunOptions, capped
from pipex_core.evals.judged import Baseline
from pipex_core.evals.judgefile import Bench
from pipex_core.evals.manifest import Environment, unknown_environment
from pipex_core.evals.outcome import missed_thresholds
from pipex_core.evals.preflight import Request, prepare
from pipex_core.evals.recorded import recorded_target
from pipex_core.evals.runner import EvalRun, evaluate, place_of_job
from pipex_core.evals.steps import BatchRequest, BatchResult
from pipex_core.evals.suite import Suite
from pipex_core.evals.summary import metric_document, totals_document
from pipex_core.evals.target import Target
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricType
from pipex_core.ports import BlobStore
from pipex_core.registry import Registry
from pipex_core.steps.contract import Paid, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEvaluation:
    """Runs evaluations for steps.

    Attributes:
        services: Of the process; the step's own run gets no part of them.
        results: The results folder.
        open_store: A store rooted at a folder below the output directory.
        load_suite: The suite at a path.
        read_target: The target that a map describes, for a suite.
        baseline: What a gate names as its baseline, for a suite; None when there is none.
        carry: Rows of earlier runs of a suite.
        bench: Makes what judges are read with.
        max_cost_usd: The operator's cap on the money of one evaluation, or None.
    """

    services: Services
    registry: Registry[MetricType]
    results: BlobStore
    open_store: Callable[[str], BlobStore]
    load_suite: Callable[[str], Suite]
    read_target: Callable[[Json, Suite], Target]
    baseline: Callable[[str, str], Baseline | None] = lambda _suite, _name: None
    carry: Callable[[str], CarryIndex] = lambda _suite: CarryIndex()
    environment: Environment = unknown_environment
    bench: Callable[[], Bench] | None = None
    max_cost_usd: float | None = None

    async def __call__(self, request: BatchRequest) -> BatchResult:
        """The finished evaluation. Its rows carry over from and to every other door."""
        suite = self.load_suite(request.test_suite)
        gate = self._gate(request, suite)
        job = prepare(
            Request(
                run_id=request.run_id,
                suite=suite,
                target=self._target(request, suite),
                metrics=request.metrics,
                repeats=request.repeats,
                gate=gate,
                baseline=self.baseline(suite.id, gate.baseline) if gate and gate.baseline else None,
                seed=request.seed,
                options=RunOptions(
                    max_concurrency=request.max_concurrency,
                    timeout_s=suite.defaults.timeout_seconds,
                ),
            ),
            registry=self.registry,
            bench=self.bench,
        )
        store = self.results if request.store is None else self.open_store(request.store)
        run = await evaluate(
            replace(job, options=capped(job.options, self.max_cost_usd)),
            self.services,
            blobs=store,
            carry=self.carry(suite.id),
            environment=self.environment,
        )
        return await asyncio.to_thread(batch_result, run, store)

    def _target(self, request: BatchRequest, suite: Suite) -> Target:
        if isinstance(request.predictions, list):
            return recorded_target(request.predictions)
        if request.predictions is not None:
            return self.read_target({"kind": "recorded", "path": request.predictions}, suite)
        return self.read_target(request.target or {"kind": "prompt"}, suite)

    def _gate(self, request: BatchRequest, suite: Suite) -> Gate | None:
        found = suite.gate if request.gate is None else request.gate
        return gate_of(found) if isinstance(found, Mapping) else None


def batch_result(run: EvalRun, store: BlobStore) -> BatchResult:
    """What a step shows of a run."""
    summary = run.summary
    found = Findings(
        manifest=run.manifest,
        judgement=run.judgement,
        responses=run.responses,
        scores=run.scores,
        files=[file["path"] for file in run.manifest["files"]],
    )
    verdict = run.verdict
    return BatchResult(
        run_id=run.run_id,
        status=run.status,
        path=store.url(place_of_job(run.job).manifest),
        row_digest=run.row_digest,
        count=run.responses.num_rows,
        summary=totals_document(summary),
        metrics={name: metric_document(one) for name, one in summary.metrics.items()},
        verdict=verdict.as_json() if verdict else None,
        document={**result_document(found), "results": result_rows(found)},
        missed=missed_thresholds(summary),
        warnings=run.job.warnings,
        paid=Paid(
            nanousd=run.spent.nanousd,
            tokens=Tokens(
                input=summary.totals.input_tokens or 0, output=summary.totals.output_tokens or 0
            ),
            calls=run.spent.calls,
        ),
    )
