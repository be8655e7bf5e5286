"""The evaluations behind the steps: the one engine, with files found by the application."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipex_core.engine.services import Services
from pipex_core.errors import StoreError
from pipex_core.evals.answers import cleaned
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.curate import filter_cases, sample
from pipex_core.evals.findings import Findings, result_document, result_rows
from pipex_core.evals.finished import Finished, step_summary
from pipex_core.evals.gatefile import Gate
from pipex_core.evals.job import RunOptions, capped
from pipex_core.evals.judgefile import Bench
from pipex_core.evals.manifest import Environment, unknown_environment
from pipex_core.evals.outcome import missed_thresholds
from pipex_core.evals.preflight import Request, prepare
from pipex_core.evals.privacy import privacy_of
from pipex_core.evals.recorded import recorded_target
from pipex_core.evals.runner import EvalRun, evaluate, place_of_job
from pipex_core.evals.steps import BatchRequest, BatchResult, LoadedSuite, SuiteChoice
from pipex_core.evals.suite import Case, Suite, suite_digest
from pipex_core.evals.suiteshape import case_data
from pipex_core.evals.summary import metric_document
from pipex_core.evals.target import Target
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricType
from pipex_core.ports import BlobStore
from pipex_core.registry import Registry
from pipex_core.steps.contract import Paid, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvaluations:
    """Runs evaluations for steps, and looks at those that have run.

    Attributes:
        services: Of the process; the step's own run gets no part of them.
        finished: Finds what has run.
        open_store: A store rooted at a folder below the output directory.
        load_suite: The suite at a path, in a version.
        read_target: The target that a map or a file describes, for a suite.
        suite_gate: The gate that a suite brings, or None.
        carry: Rows of earlier runs of a suite.
        bench: Makes what judges are read with, around the workflow's default model.
        max_cost_usd: The operator's cap on the money of one evaluation, or None.
    """

    services: Services
    registry: Registry[MetricType]
    finished: Finished
    open_store: Callable[[str], BlobStore]
    load_suite: Callable[[str, str], Suite]
    read_target: Callable[[str | Mapping[str, Json], Suite], Target]
    suite_gate: Callable[[Suite], Gate | None] = lambda _: None
    carry: Callable[[str], CarryIndex] = lambda _suite: CarryIndex()
    environment: Environment = unknown_environment
    bench: Callable[[str | None], Bench] | None = None
    max_cost_usd: float | None = None

    async def load(self, choice: SuiteChoice) -> LoadedSuite:
        """The chosen cases of a suite."""
        suite = self.load_suite(choice.path, choice.version)
        cases, warnings = _chosen(suite, choice)
        redact = privacy_of(suite, self.services.redact).redact
        return LoadedSuite(
            id=suite.id,
            name=suite.name or suite.id,
            version=suite.version,
            digest=suite_digest(suite),
            cases=[cleaned(case_data(case), redact) for case in cases],
            warnings=warnings,
        )

    async def batch(self, request: BatchRequest) -> BatchResult:
        """The finished evaluation. Its rows carry over from and to every other door."""
        suite = self.load_suite(request.suite.path, request.suite.version)
        if request.suite.digest not in (None, suite_digest(suite)):
            message = f"the suite {suite.id} is not any more what was loaded before"
            raise StoreError(message, code="suite_tampered")
        cases, warnings = _chosen(suite, request.suite)
        if request.suite.digest is not None:
            warnings = ()  # said by the step that loaded the suite
        gate, make = self._gate(request, suite), self.bench
        name = gate.baseline if gate else None
        job = prepare(
            Request(
                run_id=request.run_id,
                suite=suite,
                target=self._target(request, suite),
                cases=cases,
                metrics=request.metrics,
                repeats=request.repeats,
                gate=gate,
                baseline=self.finished.baseline(suite.id, name) if name else None,
                seed=request.seed,
                options=RunOptions(
                    max_concurrency=request.max_concurrency,
                    timeout_s=suite.defaults.timeout_seconds,
                ),
            ),
            registry=self.registry,
            bench=None if make is None else lambda: make(request.model),
        )
        job = replace(job, warnings=[*job.warnings, *warnings])
        store = self.finished.results if request.store is None else self.open_store(request.store)
        run = await evaluate(
            replace(job, options=capped(job.options, self.max_cost_usd)),
            self.services,
            blobs=store,
            carry=self.carry(suite.id),
            environment=self.environment,
        )
        return await asyncio.to_thread(batch_result, run, store)

    async def aggregate(
        self, results: Json, *, baseline: Json = None, drop_percent: float = 5.0
    ) -> Mapping[str, Json]:
        """Numbers of a finished evaluation, and what fell against a baseline."""
        return await asyncio.to_thread(
            self.finished.aggregate, results, baseline=baseline, drop_percent=drop_percent
        )

    async def report(self, results: Json, formats: Sequence[str]) -> Mapping[str, str]:
        """File name to text of each report."""
        return await asyncio.to_thread(self.finished.report, results, formats)

    async def judge(
        self, results: Json, *, thresholds: Mapping[str, Json], gate: Json, baseline: Json
    ) -> Sequence[Mapping[str, Json]]:
        """Verdict objects of thresholds and gate, as far as there are any."""
        return await asyncio.to_thread(
            self.finished.judge, results, thresholds=thresholds, gate=gate, baseline=baseline
        )

    def _target(self, request: BatchRequest, suite: Suite) -> Target:
        if isinstance(request.predictions, list):
            return recorded_target(request.predictions)
        if request.predictions is not None:
            return self.read_target({"kind": "recorded", "path": request.predictions}, suite)
        target = {"kind": "prompt"} if request.target is None else request.target
        if isinstance(target, Mapping) and request.model is not None:
            is_prompt = target.get("kind", "prompt") == "prompt" and "path" not in target
            target = {"model": request.model, **target} if is_prompt else target
        return self.read_target(target, suite)

    def _gate(self, request: BatchRequest, suite: Suite) -> Gate | None:
        if request.gate is None:
            return self.suite_gate(suite)
        return self.finished.load_gate(request.gate)


def _chosen(suite: Suite, choice: SuiteChoice) -> tuple[Sequence[Case], Sequence[tuple[str, str]]]:
    """The cases that a step asks for, and what to say of the choice."""
    chosen = filter_cases(suite, choice.filters) if choice.filters else suite
    if choice.sample_size is None:
        return chosen.cases, ()
    drawn = sample(chosen, choice.sample_size, seed=choice.seed)
    return drawn.suite.cases, [(one.code, one.message) for one in drawn.warnings]


def batch_result(run: EvalRun, store: BlobStore) -> BatchResult:
    """What a step shows of a run."""
    summary = run.summary
    verdict = run.verdict
    return BatchResult(
        run_id=run.run_id,
        status=run.status,
        path=store.url(place_of_job(run.job).manifest),
        row_digest=run.row_digest,
        count=run.responses.num_rows,
        summary=step_summary(summary, run.run_id),
        metrics={name: metric_document(one) for name, one in summary.metrics.items()},
        verdict=verdict.as_json() if verdict else None,
        document=lambda: _document(run),
        score_rows=run.scores.to_pylist,
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


def _document(run: EvalRun) -> Mapping[str, Json]:
    found = Findings(
        manifest=run.manifest,
        judgement=run.judgement,
        responses=run.responses,
        scores=run.scores,
        files=[file["path"] for file in run.manifest["files"]],
    )
    return {**result_document(found), "results": result_rows(found)}
