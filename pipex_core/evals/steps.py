"""Steps of pipelines that evaluate; here, so that arrows point down.

A step reads its options and says what it got. The evaluation itself is handed in under the name
``evaluate`` of the context's extensions, so that loading the shape of the step loads no tables.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from pipex_core.errors import ConfigError, ErrorRecord, StepError
from pipex_core.jsonvalue import Json, compact, digest
from pipex_core.spec.model import FieldShape, StepShape
from pipex_core.steps.contract import Outcome, Paid, StepContext, nothing_paid

extension = "evaluate"
default_concurrency = 5
_map_or_text = FieldShape(types=("str", "map"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """One evaluation as a step asks for it.

    Attributes:
        run_id: Equal for every try of the same step of the same run, so that a resumed pipeline
            resumes its evaluation.
        test_suite: Path of a suite.
        target: Map of a target; None asks for the default model with the suite's prompt.
        predictions: Recorded answers, in place of a target; a list of records or a path.
        metrics: Entries as written; None takes the suite's.
        store: Folder below the output directory that gets the tables, or None for the usual place.
    """

    run_id: str
    test_suite: str
    target: Mapping[str, Json] | None = None
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
        document: ``pipex.result/1`` with its ``results``; made only when asked for.
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
    document: Mapping[str, Json]
    missed: Sequence[str] = ()
    warnings: Sequence[tuple[str, str]] = ()
    paid: Paid = nothing_paid


class Evaluate(Protocol):
    """Runs an evaluation for a step."""

    async def __call__(self, request: BatchRequest) -> BatchResult:
        """The finished evaluation.

        Raises:
            PipexError: The suite, the target or a metric cannot be used; nothing was called.
        """
        ...


class EvalBatch:
    """Evaluate a target on a suite."""

    shape = StepShape(
        type="eval_batch",
        summary="Evaluate a target on a suite.",
        is_eval=True,
        fields={
            "test_suite": FieldShape(
                types=("str", "map"),
                required=True,
                description="Path of a suite, or `data` of a step that loaded one.",
            ),
            "pipeline": FieldShape(
                kind="template", types=("map",), description="Target: `path`, `output_step`."
            ),
            "target": _map_or_text,
            "predictions": FieldShape(
                types=("str", "list"), description="Recorded answers in place of a target."
            ),
            "metrics": FieldShape(kind="plain", types=("list",)),
            "repeats": FieldShape(types=("int",), low=1, high=100),
            "seed": FieldShape(types=("int",)),
            "max_concurrent": FieldShape(types=("int",), low=1, default=default_concurrency),
            "max_concurrency": FieldShape(alias_of="max_concurrent"),
            "parallel": FieldShape(kind="plain", types=("bool",), default=True),
            "batch_size": FieldShape(types=("int",), low=1, description="Accepted, no effect."),
            "checkpoint_interval": FieldShape(
                types=("int",), low=1, description="Accepted; every finished case is kept."
            ),
            "gate": FieldShape(kind="plain", types=("str", "map")),
            "save_results": FieldShape(
                types=("str",), description="`x.json`, `x.jsonl`, or a folder for the tables."
            ),
            "fail_on_threshold": FieldShape(kind="plain", types=("bool",), default=False),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        evaluate = cast("Evaluate | None", ctx.extensions.get(extension))
        if evaluate is None:
            raise ConfigError("evaluation steps need the evaluation engine, which is not here")
        saved = ctx.rendered("save_results")
        request = _request(ctx, saved)
        if request.target is None and request.predictions is None:
            message = "no target is named: the default model is asked with the suite's prompt"
            ctx.warn("implied_target", message)
        result = await evaluate(request)
        for code, message in result.warnings:
            ctx.warn(code, message)
        path = _saved(ctx, saved, result)
        failure = None
        if ctx.step.get("fail_on_threshold", False) and result.missed:
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
    suite = ctx.rendered("test_suite")
    parallel = ctx.step.get("parallel", True)
    is_folder = saved is not None and not saved.endswith((".json", ".jsonl"))
    return BatchRequest(
        run_id=run_id_of(ctx),
        test_suite=_path_of(suite),
        target=_target(ctx),
        predictions=ctx.rendered("predictions"),
        metrics=ctx.step.get("metrics"),
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


def _path_of(suite: Json) -> str:
    """The path in a suite's handle, or the path itself."""
    found = suite.get("suite", suite).get("path") if isinstance(suite, Mapping) else suite
    if not isinstance(found, str):
        raise StepError("test_suite is neither a path nor a loaded suite", code="type_error")
    return found


def _target(ctx: StepContext) -> Mapping[str, Json] | None:
    pipeline, target = ctx.rendered("pipeline"), ctx.rendered("target")
    if pipeline is not None:
        return {"kind": "pipeline", **pipeline}
    return {"path": target} if isinstance(target, str) else target


def _saved(ctx: StepContext, saved: str | None, result: BatchResult) -> str:
    """Where the results are; documents are written here, tables by the evaluation."""
    if saved is None:
        return result.path
    if saved.endswith(".json"):
        text = json.dumps(result.document, ensure_ascii=False, indent=2) + "\n"
    elif saved.endswith(".jsonl"):
        text = "".join(f"{compact(row)}\n" for row in result.document["results"])
    else:
        return result.path
    return ctx.workspace.write_output(saved, text)
