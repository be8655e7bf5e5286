"""A pipeline as a target: what a case binds, and which part of a run is the answer."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pipex_core.engine.journal import Journal
from pipex_core.engine.records import RunError, RunResult, StepRecord
from pipex_core.engine.runner import RunOptions, run_plan
from pipex_core.engine.services import Services
from pipex_core.engine.timing import within
from pipex_core.errors import PipexError, Problem
from pipex_core.evals.answers import Answer, failed, status_of
from pipex_core.evals.suite import Case
from pipex_core.expressions.template import has_template
from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json, compact, digest
from pipex_core.llm.cost import Ledger
from pipex_core.spec.inputs import bind_inputs
from pipex_core.spec.names import steps_in
from pipex_core.spec.plan import Plan
from pipex_core.telemetry import EventKind, EventSink

wrappers = frozenset({"iteration_failed", "task_failed"})
# The clock, tools that reach outside, and steps that remember earlier cases. Found by their words, so
# that a text which only mentions one is at worst answered anew; the names of the run are found as names.
_outside = re.compile(
    r"\b(?:now|date)\s*\("
    r"|\b(?:Bash|WebFetch|WebSearch)\b"
    r"|\"type\":\"claude_session\"|\bsession_id\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineTarget:
    """A run of a pipeline per case.

    Attributes:
        output_step: Step whose result is the answer; None for the workflow's output ``answer``, its
            only output, or its last step.
        input_name: Where a text input goes; None for the only required input, else ``input``.
        model: Replaces the model of every model step that is not pinned; None leaves them.
        inputs: Inputs that are the same for all cases.
        options: Further options of the run by name.
        files: Path to SHA-256 of each file that prompts name; None for one that cannot be read.
        accept_degraded: Whether an answer of a fallback counts as one.
        allow_fallback: Whether another model may stand in for one that was given up, and its answer counts.
        provider: Which providers answer: ``live``, ``mock``, ``replay``.
    """

    plan: Plan
    output_step: str | None = None
    input_name: str | None = None
    model: str | None = None
    inputs: Mapping[str, Json] = field(default_factory=dict)
    options: Mapping[str, Json] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)
    accept_degraded: bool = False
    allow_fallback: bool = False
    provider: str = "mock"
    name: str | None = None
    kind: Literal["pipeline"] = "pipeline"

    @property
    def target_id(self) -> str:
        """The name for people: the given one, else the pipeline's."""
        return self.name or self.plan.name

    @property
    def model_id(self) -> str:
        """The model binding; ``none`` when there is none."""
        return self.model or "none"

    @property
    def bindings(self) -> Mapping[str, Json]:
        """What is bound, for people."""
        bound = {
            "model": self.model,
            "inputs": dict(self.inputs),
            "options": dict(self.options),
        }
        return {name: value for name, value in bound.items() if value is not None and value != {}}

    @property
    def parts(self) -> Mapping[str, Json]:
        """What makes the target what it is: what the pipeline means, its bindings and who answers."""
        return {
            "kind": self.kind,
            "plan": self.plan.digest,
            "steps": {step.name: step.digest for step in self.plan.steps},
            "output_step": self.output_step,
            "input_name": self.input_name,
            "bindings": dict(self.bindings),
            "files": dict(self.files),
            "accept_degraded": self.accept_degraded,
            "provider": self.provider,
            **({"allow_fallback": True} if self.allow_fallback else {}),
        }

    @property
    def digest(self) -> str:
        """Identity of the target, from its parts."""
        return digest(self.parts)

    @property
    def is_hermetic(self) -> bool:
        """Whether equal inputs may be answered from an earlier run: no clock, no shell, no session."""
        if any(plan.reads_run for plan in _plans(self.plan)):
            return False
        if any(effect.kind == "all" for effect in self.plan.effects):
            return False  # a child pipeline whose file is only known at run time may be any file
        return not any(_outside.search(text) for text in _texts(self.plan))

    def inputs_of(self, case: Case) -> dict[str, Json]:
        """What a case gives to the run: a map by name, a text to one input.

        Context and choices go to inputs of these names, when the pipeline declares them.
        """
        declared = self.plan.inputs
        if isinstance(case.input, Mapping):
            given = dict(case.input)
        else:
            given = {self._text_input(): case.input}
        beside = {"context": case.context, "choices": case.choices}
        for name, value in beside.items():
            if value is not None and name in declared and name not in given:
                given[name] = list(value) if isinstance(value, tuple) else value
        return {**self.inputs, **given}

    def problems(self, cases: Iterable[Case]) -> list[Problem]:
        """What is wrong with the inputs of any case, each problem once, naming the first such case."""
        found: dict[tuple[str, str], Problem] = {}
        for case in cases:
            for one in bind_inputs(self.plan.spec, self.inputs_of(case)).problems:
                message = f"{one.message} (case {case.id})"
                found.setdefault((one.code, one.message), replace(one, message=message))
        known = {step.name for step in self.plan.steps}
        if self.output_step is not None and self.output_step not in known:
            message = (
                f"output_step: the pipeline {self.plan.name!r} has no step {self.output_step!r}"
            )
            found["unknown_step", message] = Problem(code="unknown_step", message=message)
        return list(found.values())

    def _text_input(self) -> str:
        if self.input_name is not None:
            return self.input_name
        required = [one.name for one in self.plan.inputs.values() if one.required]
        return required[0] if len(required) == 1 else "input"


class Listening:
    """Passes events on and adds up how long the model took.

    Attributes:
        latency_ms: Sum over the calls that were answered; None when there was none.
    """

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self.latency_ms: float | None = None

    @property
    def run_id(self) -> str:
        return self._sink.run_id

    def emit(self, kind: EventKind, *, step: str = "", data: Mapping[str, Json]) -> None:
        """Count the end of a call; tell everybody."""
        if kind == "call_finished" and data["outcome"] == "ok":
            self.latency_ms = (self.latency_ms or 0.0) + data["latency_ms"]
        self._sink.emit(kind, step=step, data=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the runs of all cases share.

    Attributes:
        journal: Of the evaluation; None makes each case a run of its own.
        timeout_s: Wall deadline of the run of one case.
        allow_paths: Further folders that may be read.
    """

    services: Services
    ledger: Ledger
    sink: EventSink
    journal: Journal | None = None
    timeout_s: float | None = None
    allow_paths: Sequence[str] = ()


async def ask_pipeline(
    target: PipelineTarget, case: Case, unit: str, around: Surroundings
) -> Answer:
    """The answer of one run of the pipeline; everything but a cancellation becomes an answer.

    Args:
        target: What is run.
        case: What it is run on.
        unit: Name of the row in the journal; steps stand below it.
        around: What the runs of all cases share.
    """
    services, ledger = around.services, around.ledger
    listening = Listening(around.sink)
    options = dict(target.options)
    if target.model is not None:
        options["model"] = target.model
    own = ledger.child()
    started_s = services.clock.monotonic()
    run = run_plan(
        target.plan,
        target.inputs_of(case),
        services=services,
        options=RunOptions(
            values=options,
            may_fall_back=target.allow_fallback,
            allow_paths=around.allow_paths,
        ),
        ledger=own,
        journal=around.journal,
        unit_prefix=f"{unit}/",
        sink=listening,
    )
    try:
        result = await within(services.clock, around.timeout_s, run, what=f"the case {case.id}")
    except PipexError as error:
        spent = own.spent
        return failed(
            error, provider=target.provider, calls=spent.calls, cost_nanousd=spent.nanousd
        )
    answer = answer_of_run(target, result)
    took_ms = (services.clock.monotonic() - started_s) * 1000
    return replace(
        answer, latency_ms=took_ms if listening.latency_ms is None else listening.latency_ms
    )


def answer_of_run(target: PipelineTarget, result: RunResult) -> Answer:
    """The answer that a run holds, or the status that its failure means."""
    last = _last_model(result)
    took: dict[str, Json] = {
        "calls": result.calls,
        "cost_nanousd": result.cost_nanousd,
        "input_tokens": result.tokens.input,
        "output_tokens": result.tokens.output,
        "provider": target.provider,
        "model_resolved": last,
    }
    if result.error is not None:
        return _failed(result, result.error, took)
    degraded = next((n for n, one in result.steps.items() if _is_substitute(target, one)), None)
    if degraded is not None:
        message = f"step {degraded!r} gave the answer of its fallback"
        return Answer(
            status="target_error",
            error_code="degraded",
            error=message,
            failed_step=degraded,
            **took,
        )
    text, value = output_of(target, result)
    if text is None:
        message = "the pipeline ended without an answer"
        return Answer(status="target_error", error_code="no_answer", error=message, **took)
    answer = Answer(status="ok", text=text, json=value, has_json=value is not None, **took)
    if _is_cut(target, result):
        return replace(answer, status="truncated", finish_reason="max_tokens")
    return answer


def _failed(result: RunResult, error: RunError, took: Mapping[str, Json]) -> Answer:
    code = first_code(result) or error.code
    answer = Answer(
        status=status_of(code),
        error_code=code,
        error=error.message,
        failed_step=error.path or error.step,
        **took,
    )
    if answer.status != "model_refusal":
        return answer
    # A refusal is observed: it is judged by what it says, which may be nothing.
    record = result.steps.get(error.step or "")
    text = (record.text if record else None) or ""
    return replace(answer, text=text, finish_reason="content_filter")


def _is_substitute(target: PipelineTarget, record: StepRecord) -> bool:
    """Whether what a step gave is no answer of what is evaluated, and nobody asked for such ones."""
    if not record.degraded or target.accept_degraded:
        return False
    return not (target.allow_fallback and "fallback_from" in record.metadata)


def _is_cut(target: PipelineTarget, result: RunResult) -> bool:
    """Was the reply behind the answer cut at the output limit?

    It is that of the step that gives the answer, or else of the last model step before it.
    """
    names = list(result.steps)
    if target.output_step is not None:
        names = names[: names.index(target.output_step) + 1]
    asked = [name for name in names if result.steps[name].model]
    behind = {*names[-1:], *asked[-1:]}
    ends = [
        result.steps[name].metadata.get("finish_reason") for name in behind if name in result.steps
    ]
    warned = any(one.code == "truncated" and one.step in behind for one in result.warnings)
    return warned or "max_tokens" in ends


def output_of(target: PipelineTarget, result: RunResult) -> tuple[str | None, Json]:
    """Text and JSON value of the answer; both None when the run has none."""
    if target.output_step is not None:
        return _parts(result.steps.get(target.output_step))
    outputs = result.outputs
    if "answer" in outputs or len(outputs) == 1:
        value = outputs["answer"] if "answer" in outputs else next(iter(outputs.values()))
        if value is None:
            return None, None
        return to_text(value), None if isinstance(value, str) else value
    return _parts(next(reversed([*result.steps.values()]), None))


def first_code(result: RunResult) -> str | None:
    """Code that the run failed with; of a loop or a task that of the first failed record inside.

    A step that failed and was tolerated says nothing about the end of the run.
    """
    if result.error is None:
        return None
    code, record = result.error.code, result.steps.get(result.error.step or "")
    if code not in wrappers or record is None:
        return code
    inside = _codes([record.data, dict(record.metadata)])
    return next((inner for inner in inside if inner not in wrappers), code)


def _codes(value: Json) -> Iterator[str]:
    """Codes of the failed records inside a value, outermost first."""
    if isinstance(value, Mapping):
        error = value.get("error")
        if isinstance(error, Mapping) and isinstance(error.get("code"), str):
            yield error["code"]
        for inner in value.values():
            yield from _codes(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _codes(inner)


def _texts(plan: Plan) -> Iterator[str]:
    """Everything that is read in a plan and its children: steps, outputs and variables, as JSON."""
    for one in _plans(plan):
        yield compact({name: one.spec.get(name) for name in ("outputs", "variables")})
        for step in steps_in(one.spec.steps):
            yield compact({"type": step.type, **step.fields})


def _plans(plan: Plan) -> Iterator[Plan]:
    """A plan and its children, theirs included."""
    yield plan
    for child in plan.children.values():
        yield from _plans(child)


def literal_files(plan: Plan) -> list[str]:
    """Paths of the files that prompts name as they stand, those of child pipelines too; sorted."""
    steps = [step.fields for one in _plans(plan) for step in steps_in(one.spec.steps)]
    return sorted(set(_literal_files(steps)))


def _literal_files(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        path = value.get("path")
        if value.get("type") == "file" and isinstance(path, str) and not has_template(path):
            yield path
        for inner in value.values():
            yield from _literal_files(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _literal_files(inner)


def _parts(record: StepRecord | None) -> tuple[str | None, Json]:
    if record is None or record.status != "succeeded":
        return None, None
    if record.text is None and record.data is None:
        return None, None
    return (to_text(record.data) if record.text is None else record.text), record.data


def _last_model(result: RunResult) -> str | None:
    models = [record.model for record in result.steps.values() if record.model]
    return models[-1] if models else None
