"""What the names of a pipeline may mean, and what one reference means at its place (section 5.3)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.expressions.reading import Reference
from pipex_core.spec.model import PipelineSpec, Shapes, StepShape, StepSpec

variable_roots: Final = frozenset({"vars", "state", "variables"})
roots: Final = variable_roots | {
    "steps",
    "inputs",
    "global_vars",
    "loop",
    "workflow",
    "run",
    "step",
}
built_ins: Final = frozenset({"timestamp", "date", "run_id", "execution_id"})

MeaningKind = Literal["step", "any_step", "variable", "any_variable", "input", "unbound", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a reference refers to.

    Attributes:
        name: Of the step, variable, input or unbound name; empty for the rest.
    """

    kind: MeaningKind
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names that a pipeline binds anywhere.

    Attributes:
        steps: Nested ones included, without those of child pipelines.
        aliases: Further name of a result to the step that gives it.
    """

    steps: frozenset[str]
    variables: frozenset[str]
    inputs: frozenset[str]
    aliases: Mapping[str, str]
    global_vars: frozenset[str]

    def meaning(self, use: Reference, iterators: Collection[str] = ()) -> Meaning:
        """What a reference means where ``iterators`` are bound, nearest first."""
        followed = bool(use.keys) or use.computed
        if use.root == "@":
            return Meaning(kind="other")
        if use.root == "previous_response" and use.keys:
            return self._previous(str(use.keys[0]))
        if use.root in roots and (followed or not self._binds(use.root, iterators)):
            return self._root(use)
        return self._bare(use, iterators)

    def is_of_run(self, use: Reference) -> bool:
        """Whether a reference is to the run itself: its id, when it started, where it is."""
        if use.root == "run":
            return bool(use.keys) or use.computed or not self._binds("run", ())
        return use.root in built_ins and not self._binds(use.root, ())

    def _binds(self, name: str, iterators: Collection[str]) -> bool:
        nearer = (iterators, self.variables, self.inputs, self.steps, self.aliases)
        return any(name in names for names in (*nearer, self.global_vars))

    def _previous(self, name: str) -> Meaning:
        if name not in self.steps:
            name = self.aliases.get(name, name)
        return Meaning(kind="step", name=name)

    def _root(self, use: Reference) -> Meaning:
        first = str(use.keys[0]) if use.keys else ""
        match use.root:
            case "steps":
                return Meaning(kind="step" if first else "any_step", name=first)
            case "inputs":
                return Meaning(kind="input" if first else "other", name=first)
            case root if root in variable_roots:
                return Meaning(kind="variable" if first else "any_variable", name=first)
            case _:
                return Meaning(kind="other")

    def _bare(self, use: Reference, iterators: Collection[str]) -> Meaning:
        name = use.root
        if name in iterators:
            return Meaning(kind="other")
        if name in self.variables:
            return Meaning(kind="variable", name=name)
        if name in self.inputs:
            return Meaning(kind="input", name=name)
        if name in self.steps or name in self.aliases:
            return self._previous(name)
        if name in self.global_vars or name in built_ins:
            return Meaning(kind="other")
        return Meaning(kind="unbound", name=name)


def names_of(spec: PipelineSpec, shapes: Shapes, outer: Names | None = None) -> Names:
    """The names of a pipeline; ``outer`` are those of a parent that an inline child inherits from."""
    variables = set(spec.get("variables", {}))
    steps: set[str] = set()
    aliases: dict[str, str] = {}
    for step in steps_in(spec.steps):
        shape = shapes[step.type]
        steps.add(step.name)
        variables.update(written_variables(step, shape))
        aliases.update((alias, step.name) for alias in shape.aliases(step))
    inputs, global_vars = set(spec.inputs), set(spec.get("global_vars", {}))
    if outer is not None:
        inputs |= outer.inputs
        global_vars |= outer.global_vars
    return Names(
        steps=frozenset(steps),
        variables=frozenset(variables),
        inputs=frozenset(inputs),
        aliases={alias: step for alias, step in aliases.items() if alias not in steps},
        global_vars=frozenset(global_vars),
    )


def written_variables(step: StepSpec, shape: StepShape, *, lasting: bool = False) -> list[str]:
    """Names of the variables that a step sets: all, or those that outlive an iteration."""
    return [
        effect.name
        for effect in shape.effects(step)
        if effect.kind == "variable" and effect.writes and not (lasting and effect.scope == "loop")
    ]


def session_names(spec: PipelineSpec, shapes: Shapes) -> frozenset[str]:
    """Names of the sessions whose variables the steps of a pipeline set."""
    return frozenset(
        effect.session or spec.name
        for step in steps_in(spec.steps)
        for effect in shapes[step.type].effects(step)
        if effect.scope == "session"
    )


def steps_in(steps: tuple[StepSpec, ...]) -> Iterator[StepSpec]:
    """The steps and all nested ones, in file order, without those of child pipelines."""
    for step in steps:
        yield step
        for block in step.blocks.values():
            yield from steps_in(block)
