"""Pipelines as jobs: one op per top-level step, edges as in the plan, nested pipelines as nested graphs.

The graph of a nested pipeline is built once and aliased where it is used; its last op, ``result``, makes
the record of the step around it. A step that says more about the nested pipeline than what goes in
and out (a condition, a retry, a time limit, a rule for failures) stays one op.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dagster as dg

from pipex_core.engine.inside import opened
from pipex_core.jsonvalue import digest
from pipex_core.spec.model import InputSpec
from pipex_core.spec.plan import Plan, PlanStep
from pipex_dagster.envelopes import is_envelope
from pipex_dagster.resources import core_key, records_key
from pipex_dagster.stepcards import step_text
from pipex_dagster.stepping import Book, executed_step, run_outputs
from pipex_dagster.translator import job_name, op_name, slug, slugs

before_key = "before"
records_type = dg.DagsterType(
    type_check_fn=lambda _, value: is_envelope(value),
    name="PipexRecords",
    description="The records of the steps up to here, as JSON.",
)


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


@dataclass(frozen=True, slots=True)
class Graphs:
    """The graphs of the pipelines of one code location.

    Attributes:
        book: Where their ops find the plan of the job that they run in.
    """

    book: Book = field(default_factory=Book)
    _nested: dict[str, dg.GraphDefinition] = field(default_factory=dict)

    def job(self, plan: Plan, label: str) -> dg.JobDefinition:
        """The job of a pipeline.

        Args:
            plan: Of the pipeline file.
            label: Name of the pipeline in the names of the job and its ops; unique in the project.
        """
        name = job_name(label)
        self.book.plans[name] = plan
        last = _ends(plan)
        has_outputs = len(last) > 1 and plan.spec.get("outputs") is not None

        def body() -> None:
            made = self._wired(plan, label)
            if has_outputs:
                taken = slugs(step.name for step in plan.steps)
                ins = [f"after_{taken[step]}" for step in last]
                op = _op(
                    partial(run_outputs, self.book),
                    name=op_name(label, "outputs_of_run"),
                    ins=ins,
                    description="The outputs of the workflow, from the steps that end it.",
                )
                given = {_input_name(taken, step): made[step] for step in last}
                op.alias(free_alias("outputs", taken.values()))(**given)

        graph = dg.graph(name=name, description=_about(plan))(body)
        return graph.to_job(
            config=dg.ConfigMapping(
                config_schema={"inputs": _input_fields(plan.inputs.values()), **_run_fields},
                config_fn=lambda given: {"ops": _config_of(graph, given)},
            ),
            metadata={"pipeline": plan.name, "file": plan.spec.source.file},
        )

    def _graph(self, child: Plan, step: PlanStep, label: str) -> dg.GraphDefinition:
        """The graph of a nested pipeline: that of a file is built for its first use only."""
        is_inline = step.spec.child is not None
        key = f"{label}__{slug(step.name)}" if is_inline else child.spec.source.file
        if key not in self._nested:
            own = f"{key if is_inline else slug(child.name)}__nested"
            taken = {graph.name for graph in self._nested.values()}
            own = f"{own}_{digest(key)[:6]}" if job_name(own) in taken else own
            self._nested[key] = self._closed_graph(child, own)
        return self._nested[key]

    def _closed_graph(self, child: Plan, label: str) -> dg.GraphDefinition:
        def body(before: Any) -> Any:  # noqa: ANN401 - a value of Dagster's composition
            made = self._wired(child, label, before=before)
            taken = slugs(step.name for step in child.steps)
            last = _ends(child)
            op = _op(
                partial(executed_step, self.book, closes=True),
                name=op_name(label, "result_of_pipeline"),
                ins=[_input_name(taken, step) for step in last],
                description=f"What the step around {child.name} makes of it: its outputs and its record.",
            )
            given = {_input_name(taken, step): made[step] for step in last}
            return op.alias(free_alias("result", taken.values()))(**given)

        return dg.graph(
            name=job_name(label),
            description=_about(child),
            ins={before_key: dg.GraphIn()},
            out=dg.GraphOut(),
        )(body)

    def _wired(
        self,
        plan: Plan,
        label: str,
        *,
        before: Any = None,  # noqa: ANN401 - a value of Dagster's composition
    ) -> Mapping[str, Any]:
        """The steps of a plan as nodes with the edges between them; step to its node's output."""
        aliases = slugs(step.name for step in plan.steps)
        follows = edges(plan)
        made: dict[str, Any] = {}
        for place, step in enumerate(plan.steps):
            after = follows[step.name]
            child = opened(plan, step)
            node: Any
            if child is None:
                node = self._step_op(plan, step, after, label=label, is_nested=before is not None)
                given = {_input_name(aliases, name): made[name] for name in after}
                given |= {before_key: before} if before is not None and not after else {}
            else:
                node = self._graph(child, step, label)
                values = [made[name] for name in after]
                given = {before_key: values[0] if len(values) == 1 else values} if after else {}
                given |= {before_key: before} if before is not None and not after else {}
            # Steps that are ready at the same time start in file order, as they do without Dagster.
            invoked = node.alias(aliases[step.name]).tag({"dagster/priority": str(-place)})
            made[step.name] = invoked(**given)
        return made

    def _step_op(
        self, plan: Plan, step: PlanStep, after: Sequence[str], *, label: str, is_nested: bool
    ) -> dg.OpDefinition:
        aliases = slugs(one.name for one in plan.steps)
        first = [before_key] if is_nested and not after else []
        return _op(
            partial(executed_step, self.book, closes=False),
            name=op_name(label, step.name),
            ins=[*(_input_name(aliases, name) for name in after), *first],
            description=step_text(step),
            step=step,
        )


def _op(
    work: Callable[..., Any],
    *,
    name: str,
    ins: Sequence[str],
    description: str,
    step: PlanStep | None = None,
) -> dg.OpDefinition:
    return dg.OpDefinition(
        compute_fn=work,
        name=name,
        description=description,
        # What stands before a nested pipeline may be several ops, or none, which only any type allows.
        ins={
            key: dg.In(default_value=None) if key == before_key else dg.In(records_type)
            for key in ins
        },
        outs={"result": dg.Out(records_type, io_manager_key=records_key)},
        config_schema=_map(),
        required_resource_keys={core_key},
        tags=None if step is None else {"pipex/step_type": step.type},
        code_version=None if step is None else step.digest,
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


def _ends(plan: Plan) -> Sequence[str]:
    """The steps that no other one follows."""
    followed = {name for names in edges(plan).values() for name in names}
    return [step.name for step in plan.steps if step.name not in followed]


def free_alias(name: str, taken: Iterable[str]) -> str:
    """``name``, with as many underscores behind it as make it differ from those that are taken."""
    known = set(taken)
    while name in known:
        name += "_"
    return name


def _config_of(graph: dg.GraphDefinition, given: Any) -> Mapping[str, Any]:  # noqa: ANN401 - checked by Dagster
    """The same config for every op, those in nested graphs included."""
    found: dict[str, Any] = {}
    for alias, node in graph.node_dict.items():
        inner = node.definition
        if isinstance(inner, dg.GraphDefinition):
            found[alias] = {"ops": _config_of(inner, given)}
        else:
            found[alias] = {"config": given}
    return found


def _input_name(aliases: Mapping[str, str], step: str) -> str:
    return f"after_{aliases[step]}"


def _about(plan: Plan) -> str:
    return plan.spec.get("description") or f"The pipeline {plan.name}."


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
