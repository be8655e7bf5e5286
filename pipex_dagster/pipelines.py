"""Pipelines as jobs: one op per top-level step, edges as in the plan, records on the edges.

What travels between ops is an envelope: the records of all steps up to here and what the providers had
counted. A skipped step emits its record like any other and the language decides what follows, because an
optional output would skip everything downstream. A failed step whose run goes on does the same.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from pipex_core.app.pipelines import capped_ledger
from pipex_core.engine.part import Before, Done, run_part
from pipex_core.engine.records import StepRecord, error_json, usd
from pipex_core.engine.runner import effective_inputs
from pipex_core.errors import ErrorRecord, PipexError, StepError
from pipex_core.jsonvalue import Json, compact
from pipex_core.spec.model import InputSpec
from pipex_core.spec.plan import Plan, PlanStep
from pipex_core.telemetry import Event, Listener
from pipex_dagster.presentation import Metadata, cut, numbers
from pipex_dagster.resources import PipexResource, core_key, records_key, root_of
from pipex_dagster.translator import failure_of, is_worth_a_retry, job_name, op_name, slugs

Envelope = Mapping[str, Json]

envelope_schema = "pipex.envelope/1"


def _map(fields: Mapping[str, dg.Field] | None = None) -> dg.Permissive:
    return dg.Permissive(dict(fields or {}))  # type: ignore[no-untyped-call]  # untyped in Dagster


_types: Mapping[str | None, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "list": dg.Array(dg.Any),
    "map": _map(),
    None: dg.Any,
}
_run_fields: Mapping[str, dg.Field] = {
    "provider": dg.Field(
        dg.Enum(
            "PipexProvider", [dg.EnumValue(word) for word in ("mock", "live", "mixed", "replay")]
        ),
        is_required=False,
        description="Who answers model calls; without it the setting PIPEX_PROVIDER, else mock.",
    ),
    "mock_responses": dg.Field(
        str, is_required=False, description="File with rules of the mock, relative to the project."
    ),
    "cassette": dg.Field(
        str, is_required=False, description="File that replay reads, relative to the project."
    ),
    "overrides": dg.Field(
        _map(),
        default_value={},
        description="Options above those of the file, such as model or max_retries.",
    ),
}


def pipeline_job(plan: Plan, label: str) -> dg.JobDefinition:
    """The job of a pipeline.

    Args:
        plan: Of the pipeline file.
        label: Name of the pipeline in the names of the job and its ops; unique in the project.
    """
    aliases = slugs(step.name for step in plan.steps)
    needs = edges(plan)
    ops = {step.name: step_op(plan, step, needs[step.name], label=label) for step in plan.steps}

    def body() -> None:
        made: dict[str, Any] = {}
        for step in plan.steps:
            given = {_input_name(aliases, before): made[before] for before in needs[step.name]}
            made[step.name] = ops[step.name].alias(aliases[step.name])(**given)

    graph = dg.graph(
        name=job_name(label),
        description=plan.spec.get("description") or f"The pipeline {plan.name}.",
    )(body)
    return graph.to_job(
        config=dg.ConfigMapping(
            config_schema={"inputs": _input_fields(plan.inputs.values()), **_run_fields},
            config_fn=lambda given: {
                "ops": {alias: {"config": given} for alias in aliases.values()}
            },
        ),
        metadata={"pipeline": plan.name, "file": plan.spec.source.file},
    )


def edges(plan: Plan) -> Mapping[str, Sequence[str]]:
    """For each step those that it directly follows: its dependencies without those behind others."""
    behind: dict[str, frozenset[str]] = {}
    found: dict[str, Sequence[str]] = {}
    for step in plan.steps:
        further = frozenset[str]().union(*(behind[name] for name in step.depends_on))
        behind[step.name] = further | frozenset(step.depends_on)
        found[step.name] = [name for name in step.depends_on if name not in further]
    return found


def step_op(plan: Plan, step: PlanStep, follows: Sequence[str], *, label: str) -> dg.OpDefinition:
    """The op that executes a step.

    Args:
        plan: Of the whole pipeline.
        step: One of its top-level steps.
        follows: Steps whose envelopes it is given.
        label: Name of the pipeline in the name of the op.
    """
    aliases = slugs(one.name for one in plan.steps)

    def execute(
        context: dg.OpExecutionContext, inputs: Mapping[str, Envelope]
    ) -> Iterator[dg.Output[Envelope]]:
        given = merged(inputs.values(), order=[one.name for one in plan.steps])
        try:
            done = _executed(plan, step, context, given)
        except PipexError as error:
            if is_worth_a_retry(error):
                raise dg.RetryRequested(max_retries=1) from error
            raise failure_of(error) from error
        for warning in done.warnings:
            context.log.warning("%s: %s", warning.code, warning.message)
        record = done.record
        if record.ends_run and record.error is not None:
            raise failure_of(_raised(record.error), shown=record_metadata(done))
        value = envelope([*_records(given), record], provider_state=done.provider_state)
        yield dg.Output(value, metadata=record_metadata(done))

    return dg.OpDefinition(
        compute_fn=execute,
        name=op_name(label, step.name),
        description=step.spec.get("description") or f"Step {step.name!r} of type {step.type}.",
        ins={_input_name(aliases, before): dg.In() for before in follows},
        outs={"result": dg.Out(io_manager_key=records_key)},
        config_schema=_map(),
        required_resource_keys={core_key},
        tags={"pipex/step_type": step.type},
        code_version=step.digest,
    )


def _executed(plan: Plan, step: PlanStep, context: dg.OpExecutionContext, given: Envelope) -> Done:
    pipex: PipexResource = getattr(context.resources, core_key)
    config = context.op_config
    root_run_id, started = root_of(context)
    before = Before(
        run_id=root_run_id,
        started=started,
        inputs=effective_inputs(plan, config["inputs"]),
        records=_records(given),
        provider_state=given["provider_state"],
    )
    services = pipex.desk(
        kind=config.get("provider"),
        mock_responses=config.get("mock_responses"),
        cassette=config.get("cassette"),
        listener=_log_to(context),
    ).services

    async def work() -> Done:
        try:
            return await run_part(
                plan,
                step.name,
                before,
                services=services,
                values=config["overrides"],
                ledger=capped_ledger(pipex.settings),
            )
        finally:
            await services.client.aclose()

    return asyncio.run(work())


def _raised(error: ErrorRecord) -> StepError:
    raised = StepError(error.message, code=error.code)
    raised.retryable = error.retryable
    return raised


def envelope(records: Sequence[StepRecord], *, provider_state: Json) -> Envelope:
    """What an op hands to those that follow it."""
    return {
        "schema": envelope_schema,
        "records": [record.stored() for record in records],
        "provider_state": provider_state,
    }


def merged(envelopes: Iterable[Envelope], *, order: Sequence[str]) -> Envelope:
    """Several envelopes as one: each record once, in file order, and the highest counts."""
    records: dict[str, Json] = {}
    state: Json = None
    for one in envelopes:
        records |= {record["name"]: record for record in one["records"]}
        state = _higher(state, one["provider_state"])
    ordered = [records[name] for name in order if name in records]
    return {"schema": envelope_schema, "records": ordered, "provider_state": state}


def _higher(left: Json, right: Json) -> Json:
    """Counts of two branches: each rule has been used at least as often as either of them says."""
    if left is None or right is None:
        return left if right is None else right
    return [max(pair) for pair in zip(left, right, strict=True)]


def _records(given: Envelope) -> list[StepRecord]:
    return [StepRecord.from_stored(record) for record in given["records"]]


def _input_name(aliases: Mapping[str, str], step: str) -> str:
    return f"after_{aliases[step]}"


def _input_fields(inputs: Iterable[InputSpec]) -> dg.Field:
    fields = {one.name: _input_field(one) for one in inputs}
    if any(one.is_required for one in fields.values()):
        return dg.Field(_map(fields), description="Inputs of the pipeline.")
    return dg.Field(_map(fields), default_value={}, description="Inputs of the pipeline.")


def _input_field(one: InputSpec) -> dg.Field:
    words = f" One of {', '.join(map(str, one.enum))}." if one.enum else ""
    default = {"default_value": one.default} if one.has_default and one.default is not None else {}
    return dg.Field(
        _types[one.type],
        is_required=one.required and not default,
        description=f"{one.description}{words}".strip() or None,
        **default,
    )


def record_metadata(done: Done) -> Metadata:
    """What the run page shows of a step: numbers, then what went in and out, cut to what is readable."""
    record = done.record
    metadata = numbers(
        {
            "cost_usd": usd(record.cost_nanousd),
            "tokens_input": record.tokens.input,
            "tokens_output": record.tokens.output,
            "attempts": record.attempts,
            "duration_ms": record.duration_ms,
        }
    )
    metadata["status"] = dg.MetadataValue.text(record.status)
    if done.resumed:
        metadata["resumed"] = dg.MetadataValue.bool(True)
    if record.model is not None:
        metadata["model"] = dg.MetadataValue.text(record.model)
    for name, value in (("prompt", record.metadata.get("prompt")), ("text", record.text)):
        if isinstance(value, str):
            metadata[name] = dg.MetadataValue.text(cut(value))
    if record.data is not None:
        metadata["data"] = dg.MetadataValue.text(cut(compact(record.data)))
    if record.files:
        metadata["files"] = dg.MetadataValue.json(list(record.files))
    if record.error is not None:
        metadata["error"] = dg.MetadataValue.json(error_json(record.error) or {})
    return metadata


def _log_to(context: dg.OpExecutionContext) -> Listener:
    def listen(event: Event) -> None:
        if event.kind in ("attempt_failed", "call_retried"):
            facts = ", ".join(f"{key}={value}" for key, value in event.data.items())
            context.log.info("%s %s: %s", event.kind, event.step, facts)

    return listen
