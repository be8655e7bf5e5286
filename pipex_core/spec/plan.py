"""A checked pipeline as a plan: what each step waits for, in an order that is always the same.

The digest stands for what the pipeline means. Comments, the order of keys, descriptions, retries,
time limits, concurrency and places of files are not in it: changing one of those makes no answer
invalid (evaluation.md 2.3).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from pipex_core.errors import Problem
from pipex_core.expressions.reading import Reference
from pipex_core.jsonvalue import Json
from pipex_core.spec.check import LoadChild, check_pipeline, child_path
from pipex_core.spec.effects import Needs, NeedsFinder, any_name, conflicts, has_child
from pipex_core.spec.fields import fields_of
from pipex_core.spec.identity import pipeline_digest, step_digest
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.model import Effect, InputSpec, PipelineSpec, Shapes, StepSpec
from pipex_core.spec.names import Names, names_of, steps_in
from pipex_core.spec.uses import uses_of, workflow_uses


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One top-level step of a plan.

    Attributes:
        depends_on: Names of the steps that it waits for directly, in file order.
        digest: What the step means, its nested steps and child pipelines included.
    """

    name: str
    type: str
    depends_on: tuple[str, ...]
    spec: StepSpec
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A pipeline that may run.

    Attributes:
        steps: In file order, which is also the order in which ready steps start.
        digest: What the pipeline means; 64 hexadecimal digits.
        children: Path of a step to the plan of the child pipeline that it runs: of inline pipelines
            and of files known when the plan was made.
        effects: What it touches outside itself, without its variables.
        reads_run: Whether a text of it, apart from its children, names the run: its id or its time.
    """

    name: str
    steps: tuple[PlanStep, ...]
    spec: PipelineSpec
    digest: str
    inputs: Mapping[str, InputSpec]
    execution: str
    max_concurrency: int
    warnings: tuple[Problem, ...] = ()
    children: "Mapping[str, Plan]" = field(default_factory=dict)
    effects: frozenset[Effect] = frozenset()
    reads_run: bool = False

    def child(self, step: StepSpec) -> "Plan":
        """The plan of the pipeline that a step runs.

        Raises:
            KeyError: The step runs none, or one from a file that was not known.
        """
        return self.children[step.path]

    def ready(self, *, finished: Collection[str], started: Collection[str]) -> Iterator[PlanStep]:
        """The steps that may start now, in file order.

        Args:
            finished: Names of steps that ended, also skipped and failed ones that the run goes on after.
            started: Names of steps that have started, finished ones included.
        """
        done = frozenset(finished)
        for step in self.steps:
            if step.name not in started and done.issuperset(step.depends_on):
                yield step


def load_plan(  # noqa: PLR0913 - text and table, and what four callers may add by name
    text: str | bytes,
    file: str,
    shapes: Shapes,
    *,
    load_child: LoadChild | None = None,
    strict: bool = False,
    run_options: Mapping[str, Json] | None = None,
    environment: Mapping[str, Json] | None = None,
) -> Plan:
    """The plan of a pipeline file; see ``load_pipeline``, ``check_pipeline`` and ``make_plan``.

    Raises:
        SpecError: All problems of the first phase that has an error, warnings included.
    """
    spec = load_pipeline(text, file, shapes, strict=strict)
    checked = check_pipeline(spec, shapes, load_child=load_child, strict=strict)
    checked.require()
    return make_plan(
        checked.spec,
        shapes,
        files=checked.children,
        warnings=checked.problems,
        run_options=run_options,
        environment=environment,
    )


def make_plan(
    spec: PipelineSpec,
    shapes: Shapes,
    *,
    files: Mapping[str, PipelineSpec] | None = None,
    warnings: tuple[Problem, ...] = (),
    run_options: Mapping[str, Json] | None = None,
    environment: Mapping[str, Json] | None = None,
) -> Plan:
    """The plan of a checked pipeline.

    Args:
        spec: As ``check_pipeline`` gives it.
        shapes: All step types that it uses.
        files: Pipelines of nested files by path, checked as well.
        warnings: Kept in the plan.
        run_options: Strongest layer of options (``spec.options``).
        environment: Layer of options below the workflow's defaults.
    """
    planner = _Planner(shapes, files or {}, run_options or {}, environment or {})
    return planner.plan(spec, None, warnings)


class _Planner:
    """Plans a pipeline and its children, each file once."""

    def __init__(
        self,
        shapes: Shapes,
        files: Mapping[str, PipelineSpec],
        run_options: Mapping[str, Json],
        environment: Mapping[str, Json],
    ) -> None:
        self._shapes = shapes
        self._files = files
        self._run_options = run_options
        self._environment = environment
        self._planned: dict[str, Plan] = {}

    def plan(
        self, spec: PipelineSpec, outer: Names | None, warnings: tuple[Problem, ...] = ()
    ) -> Plan:
        names = names_of(spec, self._shapes, outer)
        children = dict(self._children(spec, names))
        finder = NeedsFinder(
            spec,
            self._shapes,
            names,
            {path: child.effects for path, child in children.items()},
            run_options=self._run_options,
            environment=self._environment,
        )
        needs = [finder.of(step) for step in spec.steps]
        digests = [self._digest(step, spec, children) for step in spec.steps]
        steps = tuple(
            PlanStep(
                name=step.name,
                type=step.type,
                depends_on=depends_on,
                spec=step,
                digest=digest,
            )
            for step, depends_on, digest in zip(
                spec.steps, self._dependencies(spec, needs), digests, strict=True
            )
        )
        touched = frozenset(e for need in needs for e in need.effects if e.kind != "variable")
        about = any(need.about for need in (*needs, finder.of_workflow()))
        return Plan(
            name=spec.name,
            steps=steps,
            spec=spec,
            digest=pipeline_digest(spec, digests, about=about),
            inputs=spec.inputs,
            execution=spec.get("execution", "sequential"),
            max_concurrency=spec.get("max_concurrency", 4),
            warnings=warnings,
            children=children,
            effects=touched,
            reads_run=any(map(names.is_of_run, self._references(spec))),
        )

    def _references(self, spec: PipelineSpec) -> Iterator[Reference]:
        steps = (uses_of(step, self._shapes[step.type]) for step in steps_in(spec.steps))
        for uses in (*steps, workflow_uses(spec)):
            for use in uses:
                yield from use.reading.references

    def _children(self, spec: PipelineSpec, names: Names) -> Iterator[tuple[str, Plan]]:
        for step in steps_in(spec.steps):
            if step.child is not None:
                inherits = step.get("config", {}).get("inherit_context") is True
                yield step.path, self.plan(step.child, names if inherits else None)
            elif has_child(step, self._shapes[step.type]):
                plan = self._of_file(step, spec)
                if plan is not None:
                    yield step.path, plan

    def _of_file(self, step: StepSpec, spec: PipelineSpec) -> Plan | None:
        fields = fields_of(self._shapes[step.type])
        named = next(
            value for key, value in step.fields.items() if fields[key].kind == "pipeline_file"
        )
        path = child_path(spec.source.file, named)
        if path not in self._files:
            return None
        if path not in self._planned:
            self._planned[path] = self.plan(self._files[path], None)
        return self._planned[path]

    def _digest(self, step: StepSpec, spec: PipelineSpec, children: Mapping[str, Plan]) -> str:
        return step_digest(
            step,
            spec,
            self._shapes,
            children={path: child.digest for path, child in children.items()},
            run_options=self._run_options,
            environment=self._environment,
        )

    # -- order

    def _dependencies(self, spec: PipelineSpec, needs: list[Needs]) -> Iterator[tuple[str, ...]]:
        in_line = spec.get("execution", "sequential") == "sequential"
        boundary: int | None = None
        names = [step.name for step in spec.steps]
        for index, step in enumerate(spec.steps):
            if in_line and "depends_on" not in step.fields:
                yield tuple(names[:index])
            else:
                yield tuple(
                    earlier.name
                    for place, earlier in enumerate(spec.steps[:index])
                    if place == boundary
                    or earlier.name in step.get("depends_on", ())
                    or not needs[index].steps.isdisjoint((earlier.name, any_name))
                    or conflicts(needs[place].effects, needs[index].effects)
                )
            if self._shapes[step.type].boundary:
                boundary = index
