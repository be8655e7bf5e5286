"""Steps on finished evaluations: sum up, report, and hold them to a gate."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from pipex_core.errors import ErrorRecord, StepError
from pipex_core.evals.steps import evaluations_of, reads_evaluations
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.values import truth
from pipex_core.jsonvalue import Json, compact
from pipex_core.spec.model import Effect, FieldShape, Finding, StepShape, StepSpec
from pipex_core.steps.contract import Outcome, StepContext

report_formats: Final = ("json", "html", "markdown", "junit", "github", "csv")
default_drop_percent: Final = 5.0
# Worst first: a gate of several parts is as good as its worst.
verdicts: Final = ("FAIL", "INCOMPLETE", "INCONCLUSIVE", "PASS")
_results: Final = FieldShape(
    types=("map", "str"),
    description="`results` or `data` of an evaluation step, a run id, or the path of a result.",
)


class EvalAggregate:
    """Sum up an evaluation and compare it with a baseline."""

    shape = StepShape(
        type="eval_aggregate",
        summary="Sum up an evaluation and compare it with a baseline.",
        is_eval=True,
        effects=lambda _: (reads_evaluations,),
        fields={
            "results": replace(_results, required=True),
            "baseline": FieldShape(
                types=("str", "map"),
                description="A run id, a champion's name, a result file, or a summary of means.",
            ),
            "regression_threshold": FieldShape(
                types=("num",),
                low=0,
                default=default_drop_percent,
                description="Percent of the baseline's mean, beyond which a fall is a regression.",
            ),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        data = await evaluations_of(ctx).aggregate(
            ctx.rendered("results"),
            baseline=ctx.rendered("baseline"),
            drop_percent=ctx.rendered("regression_threshold", default_drop_percent),
        )
        return Outcome(data=dict(data))


class EvalReport:
    """Write reports of an evaluation."""

    shape = StepShape(
        type="eval_report",
        summary="Write reports of an evaluation.",
        is_eval=True,
        fields={
            "results": replace(_results, required=True),
            "formats": FieldShape(
                types=("list",),
                default=["json"],
                item=FieldShape(types=("str",), choices=report_formats),
                description="The files that are written.",
            ),
            "output_dir": FieldShape(
                types=("str",), description="Folder below the output directory."
            ),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        formats = ctx.rendered("formats", ["json"])
        folder = ctx.rendered("output_dir", "")
        made = await evaluations_of(ctx).report(ctx.rendered("results"), formats)
        files = [
            ctx.workspace.write_output(f"{folder}/{name}" if folder else name, text)
            for name, text in made.items()
        ]
        return Outcome(data={"files": files})


def _check_gate(step: StepSpec) -> Iterable[Finding]:
    if not {"condition", "thresholds", "gate"} & step.fields.keys():
        message = "a gate needs a `condition`, `thresholds` or a `gate`"
        yield Finding(code="missing_field", message=message, path="condition")


def _gate_effects(step: StepSpec) -> Iterable[Effect]:
    """A gate that names no results waits for every evaluation before it."""
    if "results" not in step.fields:
        yield replace(reads_evaluations, writes=True)


class EvalGate:
    """Stop the run when an evaluation is not good enough."""

    shape = StepShape(
        type="eval_gate",
        summary="Stop the run when an evaluation is not good enough.",
        is_eval=True,
        boundary=True,
        check=_check_gate,
        effects=_gate_effects,
        fields={
            "condition": FieldShape(kind="condition", description="What must hold."),
            "thresholds": FieldShape(
                types=("map",),
                description="`pass_rate` in percent, `<metric>_mean`, `<metric>_p95`, `no_regression`.",
            ),
            "gate": FieldShape(types=("str", "map"), description="A gate or the path of its file."),
            "results": replace(
                _results, description=f"{_results.description}  [default: the last]"
            ),
            "baseline": FieldShape(types=("str", "map"), description="In place of the gate's."),
            "allow": FieldShape(
                types=("list",),
                item=FieldShape(types=("str",), choices=("inconclusive", "incomplete")),
                description="Verdicts other than PASS that do not fail the step.",
            ),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        parts = [*_condition(ctx), *await _judged(ctx)]
        verdict = min((part["verdict"] for part in parts), key=verdicts.index)
        allowed = {str(word).upper() for word in ctx.rendered("allow", ())}
        passed = verdict == "PASS" or verdict in allowed
        rules = [rule for part in parts for rule in part["rules"]]
        reasons = {reason for part in parts for reason in part["reasons"]}
        failures = [rule for rule in rules if rule["id"] in reasons and rule["outcome"] != "PASS"]
        failure = None
        if not passed:
            named = ", ".join(dict.fromkeys(str(rule["id"]) for rule in failures)) or "open rows"
            failure = ErrorRecord(code="gate_failed", message=f"the gate says {verdict}: {named}")
        if failure is not None and ctx.step.get("on_failure") == "warn":
            ctx.warn(failure.code, failure.message)
            failure = None
        data = {"passed": passed, "verdict": verdict, "failures": failures, "rules": rules}
        return Outcome(data=data, failure=failure)


def _condition(ctx: StepContext) -> Iterator[Mapping[str, Json]]:
    condition = ctx.step.get("condition")
    if condition is not None:
        holds = truth(evaluate(condition, ctx.scope))
        text = condition if isinstance(condition, str) else compact(condition)
        yield _part("condition", "PASS" if holds else "FAIL", reason=None if holds else text)


async def _judged(ctx: StepContext) -> list[Mapping[str, Json]]:
    """What thresholds and gate say of the results."""
    thresholds = dict(ctx.rendered("thresholds", {}))
    regressing = thresholds.pop("no_regression", None)
    gate, baseline = ctx.rendered("gate"), ctx.rendered("baseline")
    if not thresholds and gate is None and not regressing:
        return []
    results = ctx.rendered("results") or _nearest(ctx)
    evaluations = evaluations_of(ctx)
    parts: list[Mapping[str, Json]] = []
    if thresholds or gate is not None:
        parts += await evaluations.judge(
            results, thresholds=thresholds, gate=gate, baseline=baseline
        )
    if regressing:
        if baseline is not None:
            results = await evaluations.aggregate(results, baseline=baseline)
        parts.append(_no_regression(results))
    return parts


def _no_regression(results: Json) -> Mapping[str, Json]:
    """Whether a summed-up evaluation fell against its baseline."""
    compared = isinstance(results, Mapping) and results.get("baseline") is not None
    if not compared:
        return _part("no_regression", "INCOMPLETE", reason="no_baseline")
    fallen = [one["metric"] for one in results["regressions"] if one["verdict"] == "FAIL"]
    if fallen:
        return _part("no_regression", "FAIL", reason=", ".join(fallen))
    return _part("no_regression", "PASS")


def _part(name: str, outcome: str, *, reason: str | None = None) -> Mapping[str, Json]:
    rule = {"id": name, "outcome": outcome, "reason": reason}
    return {"verdict": outcome, "reasons": [name], "rules": [rule]}


def _nearest(ctx: StepContext) -> Json:
    """What the last evaluation before this step gave.

    Raises:
        StepError: ``undefined_reference``, there is none.
    """
    found = [
        record["data"]
        for record in (ctx.scope.steps or {}).values()
        if record.get("type") in ("eval_batch", "eval_aggregate") and record.get("data")
    ]
    if not found:
        message = "no evaluation comes before this gate; name its `results`"
        raise StepError(message, code="undefined_reference")
    return found[-1]
