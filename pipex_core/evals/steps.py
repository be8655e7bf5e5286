"""Steps of pipelines that evaluate; here, so that arrows point down.

A step reads its options and says what it got. The evaluations themselves are handed in under the name
``evaluate`` of the context's extensions, so that loading the shape of a step loads no tables.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

from pipex_core.errors import ConfigError, ErrorRecord, StepError
from pipex_core.jsonvalue import Json, compact, digest
from pipex_core.spec.model import Effect, FieldShape, StepShape
from pipex_core.steps.contract import Outcome, Paid, StepContext, nothing_paid

extension = "evaluate"
default_concurrency = 5
# Evaluations of a run, for steps that judge the nearest one before them without naming it.
reads_evaluations: Final = Effect(kind="output", name="<evaluations>")
_map_or_text = FieldShape(types=("str", "map"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteChoice:
    """A suite and which of its cases.

    Attributes:
        version: ``latest``, a label, a digest or a revision.
        filters: Field to value, or list of values.
        sample_size: Of a seeded sample; None takes all.
        digest: Of the whole suite, when a step has loaded it before; None for any.
    """

    path: str
    version: str = "latest"
    filters: Mapping[str, Json] = field(default_factory=dict)
    sample_size: int | None = None
    seed: int = 0
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSuite:
    """A suite as a step shows it.

    Attributes:
        digest: Of the whole suite.
        cases: The chosen ones, as they stand in a file.
    """

    id: str
    name: str
    version: str
    digest: str
    cases: Sequence[Mapping[str, Json]]
    warnings: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """One evaluation as a step asks for it.

    Attributes:
        run_id: Equal for every try of the same step of the same run, so that a resumed pipeline
            resumes its evaluation.
        suite: Which cases.
        target: Map or file of a target; None asks the default model with the suite's prompt.
        model: The workflow's default model: of targets and judges that name none.
        predictions: Recorded answers, in place of a target; a list of records or a path.
        metrics: Entries as written; None takes the suite's.
        store: Folder below the output directory that gets the tables, or None for the usual place.
    """

    run_id: str
    suite: SuiteChoice
    target: str | Mapping[str, Json] | None = None
    model: str | None = None
    predictions: Json = None
    metrics: Sequence[Json] | None = None
    repeats: int | None = None
    seed: int = 0
    max_concurrency: int = default_concurrency
    gate: Json = None
    store: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What an evaluation gave, as the step shows it.

    Attributes:
        path: Where the tables are.
        document: ``pipex.result/1`` with its ``results``.
        score_rows: Rows of the table of scores.
        missed: Required metrics whose mean misses its threshold or could not be computed.
        warnings: (code, message) pairs.
        paid: By this run, tries that failed included.
    """

    run_id: str
    status: str
    path: str
    row_digest: str
    count: int
    summary: Mapping[str, Json]
    metrics: Mapping[str, Json]
    verdict: Mapping[str, Json] | None
    document: Callable[[], Mapping[str, Json]]
    score_rows: Callable[[], Sequence[Mapping[str, Json]]]
    missed: Sequence[str] = ()
    warnings: Sequence[tuple[str, str]] = ()
    paid: Paid = nothing_paid


class Evaluations(Protocol):
    """Does the work of evaluation steps. ``results`` is what a step gave, a run id, or a path."""

    async def load(self, choice: SuiteChoice) -> LoadedSuite:
        """The chosen cases of a suite.

        Raises:
            PipexError: The suite cannot be read, or a filter names a field that no case has.
        """
        ...

    async def batch(self, request: BatchRequest) -> BatchResult:
        """The finished evaluation.

        Raises:
            PipexError: The suite, the target or a metric cannot be used; nothing was called.
        """
        ...

    async def aggregate(
        self, results: Json, *, baseline: Json = None, drop_percent: float = 5.0
    ) -> Mapping[str, Json]:
        """Numbers of a finished evaluation, and what fell against a baseline.

        Args:
            results: Of a finished evaluation.
            baseline: A run, a champion, a result file, or a summary of means; None compares with nothing.
            drop_percent: Of the baseline's mean, beyond which a fall is a regression.

        Raises:
            PipexError: The evaluation or the baseline is not there.
        """
        ...

    async def report(self, results: Json, formats: Sequence[str]) -> Mapping[str, str]:
        """File name to text of each report.

        Raises:
            PipexError: The evaluation is not there.
        """
        ...

    async def judge(
        self, results: Json, *, thresholds: Mapping[str, Json], gate: Json, baseline: Json
    ) -> Sequence[Mapping[str, Json]]:
        """Verdict objects: of the thresholds, if there are any, and of the gate, if there is one.

        Raises:
            PipexError: The evaluation is not there, or a rule does not fit it.
        """
        ...


def evaluations_of(ctx: StepContext) -> Evaluations:
    """Who does the work.

    Raises:
        ConfigError: Nobody: the services were made without.
    """
    make = cast("Callable[[], Evaluations] | None", ctx.extensions.get(extension))
    if make is None:
        raise ConfigError("evaluation steps need the evaluation engine, which is not here")
    return make()


class EvalLoadSuite:
    """Load a suite and choose cases of it."""

    shape = StepShape(
        type="eval_load_suite",
        summary="Load a suite and choose cases of it.",
        is_eval=True,
        fields={
            "suite_path": FieldShape(
                types=("str",), required=True, description="Folder, file or id of a suite."
            ),
            "version": FieldShape(
                types=("str", "int", "num"), description="A saved version.  [default: latest]"
            ),
            "filters": FieldShape(types=("map",), description="Field to value or list of values."),
            "sample_size": FieldShape(types=("int",), low=1, description="Of a seeded sample."),
            "seed": FieldShape(types=("int",), default=0, description="Of the sample."),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        choice = SuiteChoice(
            path=ctx.rendered("suite_path"),
            version=str(ctx.rendered("version", "latest")),
            filters=ctx.rendered("filters", {}),
            sample_size=ctx.rendered("sample_size"),
            seed=ctx.rendered("seed", 0),
        )
        found = await evaluations_of(ctx).load(choice)
        for code, message in found.warnings:
            ctx.warn(code, message)
        handle = {
            "name": found.name,
            "id": found.id,
            "version": found.version,
            "digest": found.digest,
            "path": choice.path,
            "filters": dict(choice.filters),
            "sample_size": choice.sample_size,
            "seed": choice.seed,
            **({} if choice.version == "latest" else {"saved": choice.version}),
        }
        cases = [dict(case) for case in found.cases]
        return Outcome(data={"suite": handle, "cases": cases, "count": len(cases)})


class EvalBatch:
    """Evaluate a target on a suite."""

    shape = StepShape(
        type="eval_batch",
        summary="Evaluate a target on a suite.",
        is_eval=True,
        effects=lambda _: (reads_evaluations,),
        fields={
            "test_suite": FieldShape(
                types=("str", "map"),
                required=True,
                description="Path of a suite, or `data` of a step that loaded one.",
            ),
            "pipeline": FieldShape(
                kind="template", types=("map",), description="Target: `path`, `output_step`."
            ),
            "target": FieldShape(
                types=("str", "map"), description="A target, or the path of its file."
            ),
            "predictions": FieldShape(
                types=("str", "list"), description="Recorded answers in place of a target."
            ),
            "metrics": FieldShape(
                types=("list",),
                description="Names, or maps of `type`, `threshold` and `opts`; else the suite's.",
            ),
            "repeats": FieldShape(types=("int",), low=1, high=100, description="Answers per case."),
            "seed": FieldShape(
                types=("int",), description="Handed to the model where it takes one."
            ),
            "max_concurrent": FieldShape(
                types=("int",), low=1, default=default_concurrency, description="Cases in flight."
            ),
            "max_concurrency": FieldShape(alias_of="max_concurrent"),
            "parallel": FieldShape(
                types=("bool",), default=True, description="False: one case after another."
            ),
            "batch_size": FieldShape(types=("int",), low=1, description="Accepted, no effect."),
            "checkpoint_interval": FieldShape(
                types=("int",), low=1, description="Accepted; every finished case is kept."
            ),
            "gate": FieldShape(
                kind="plain", types=("str", "map"), description="A gate, or the path of its file."
            ),
            "save_results": FieldShape(
                types=("str",),
                description="`x.json`, `x.jsonl` (score rows), or a folder for the tables.",
            ),
            "fail_on_threshold": FieldShape(
                types=("bool",),
                default=False,
                description="A missed threshold fails the step: `gate_failed`.",
            ),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        evaluations = evaluations_of(ctx)
        saved = ctx.rendered("save_results")
        request = _request(ctx, saved)
        if request.target is None and request.predictions is None:
            message = "no target is named: the default model is asked with the suite's prompt"
            ctx.warn("implied_target", message)
        result = await evaluations.batch(request)
        for code, message in result.warnings:
            ctx.warn(code, message)
        path = _saved(ctx, saved, result)
        failure = None
        if ctx.rendered("fail_on_threshold", default=False) and result.missed:
            names = ", ".join(result.missed)
            message = f"the mean misses its threshold or is not known: {names}"
            failure = ErrorRecord(code="gate_failed", message=message)
        return Outcome(
            data={
                "results": {
                    "path": path,
                    "run_id": result.run_id,
                    "count": result.count,
                    "status": result.status,
                },
                "summary": dict(result.summary),
                "metrics": dict(result.metrics),
                "verdict": None if result.verdict is None else dict(result.verdict),
            },
            metadata={"run_id": result.run_id, "row_digest": result.row_digest},
            failure=failure,
            paid=result.paid,
        )


def _request(ctx: StepContext, saved: str | None) -> BatchRequest:
    parallel = ctx.rendered("parallel", default=True)
    is_folder = saved is not None and not saved.endswith((".json", ".jsonl"))
    return BatchRequest(
        run_id=run_id_of(ctx),
        suite=_choice_of(ctx.rendered("test_suite")),
        target=_target(ctx),
        model=ctx.options.get("model"),
        predictions=ctx.rendered("predictions"),
        metrics=ctx.rendered("metrics"),
        repeats=ctx.rendered("repeats"),
        seed=ctx.rendered("seed", 0),
        max_concurrency=ctx.rendered("max_concurrent", default_concurrency) if parallel else 1,
        gate=ctx.step.get("gate"),
        store=saved if is_folder else None,
    )


def run_id_of(ctx: StepContext) -> str:
    """The run id of this step's evaluation: the time of the pipeline's run and a hash of the place."""
    run = ctx.scope.run or {}
    at = str(run.get("timestamp", "00000000T000000")).removesuffix("Z")
    return f"ev_{at}_{digest([run.get('id'), ctx.path])[:8]}"


def _choice_of(suite: Json) -> SuiteChoice:
    """What a suite's handle chooses, or the whole suite of a path."""
    handle = suite.get("suite", suite) if isinstance(suite, Mapping) else {"path": suite}
    path = handle.get("path") if isinstance(handle, Mapping) else handle
    if not isinstance(path, str):
        raise StepError("test_suite is neither a path nor a loaded suite", code="type_error")
    if not isinstance(handle, Mapping):
        return SuiteChoice(path=path)
    return SuiteChoice(
        path=path,
        version=handle.get("saved", "latest"),
        filters=handle.get("filters") or {},
        sample_size=handle.get("sample_size"),
        seed=handle.get("seed") or 0,
        digest=handle.get("digest"),
    )


def _target(ctx: StepContext) -> str | Mapping[str, Json] | None:
    pipeline = ctx.rendered("pipeline")
    if pipeline is not None:
        return {"kind": "pipeline", **pipeline}
    target: str | Mapping[str, Json] | None = ctx.rendered("target")
    return target


def _saved(ctx: StepContext, saved: str | None, result: BatchResult) -> str:
    """Where the results are; documents are written here, tables by the evaluation."""
    if saved is None:
        return result.path
    if saved.endswith(".json"):
        text = json.dumps(result.document(), ensure_ascii=False, indent=2) + "\n"
    elif saved.endswith(".jsonl"):
        text = "".join(f"{compact(row)}\n" for row in result.score_rows())
    else:
        return result.path
    return ctx.workspace.write_output(saved, text)
