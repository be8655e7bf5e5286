"""What a step needs from the steps before it: results that it names, and things that both touch.

Two steps whose effects conflict never overlap and keep the order of the file (section 17). Effects are
found from fields, prompt parts, tools and names; a composite step has those of all that it holds.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipex_core.expressions.template import has_template
from pipex_core.jsonvalue import Json
from pipex_core.spec.fields import fields_of
from pipex_core.spec.model import Effect, PipelineSpec, Shapes, StepShape, StepSpec
from pipex_core.spec.names import Names
from pipex_core.spec.options import effective
from pipex_core.spec.uses import Use, uses_of, workflow_uses

any_name: Final = "*"

_writing_tools: Final = frozenset({"Write", "Edit", "MultiEdit", "Bash"})
_about: Final = frozenset({"description", "author", "tags", "metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one top-level step, with all that it holds, names and touches.

    Attributes:
        steps: Names of steps whose results it reads; ``*`` when which ones shows at run time only.
        about: Whether it reads the description, author, tags or metadata of the workflow.
    """

    steps: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    about: bool = False


@dataclass(slots=True)
class _Found:
    steps: set[str] = field(default_factory=set)
    effects: set[Effect] = field(default_factory=set)
    about: bool = False


class NeedsFinder:
    """Finds the needs of the steps of one pipeline.

    Attributes:
        child_effects: Path of a step to the effects of the child pipeline that it runs; a step with a
            child that is not listed has all effects.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        shapes: Shapes,
        names: Names,
        child_effects: Mapping[str, frozenset[Effect]],
        *,
        run_options: Mapping[str, Json],
        environment: Mapping[str, Json],
    ) -> None:
        self._spec = spec
        self._shapes = shapes
        self._names = names
        self._children = child_effects
        self._run_options = run_options
        self._environment = environment

    def of(self, step: StepSpec) -> Needs:
        """The needs of a top-level step."""
        found = _Found()
        self._collect(step, (), found)
        return Needs(
            steps=frozenset(found.steps), effects=frozenset(found.effects), about=found.about
        )

    def of_workflow(self) -> Needs:
        """What the workflow's own fields name: its outputs."""
        found = _Found()
        for use in workflow_uses(self._spec):
            self._read(use, (), found)
        return Needs(steps=frozenset(found.steps), about=found.about)

    def _collect(self, step: StepSpec, iterators: tuple[str, ...], found: _Found) -> None:
        shape = self._shapes[step.type]
        opened = (*shape.opens(step), *iterators)
        found.effects.update(shape.effects(step))
        found.effects.update(self._shown(step, shape))
        for use in uses_of(step, shape):
            self._read(use, iterators if use.sees == "outside" else opened, found)
        for block in step.blocks.values():
            for inner in block:
                self._collect(inner, opened, found)
        if has_child(step, shape):
            found.effects.update(self._children.get(step.path, [Effect(kind="all", writes=True)]))

    def _read(self, use: Use, iterators: tuple[str, ...], found: _Found) -> None:
        for reference in use.reading.references:
            meaning = self._names.meaning(reference, iterators)
            match meaning.kind:
                case "step":
                    found.steps.add(meaning.name)
                case "any_step":
                    found.steps.add(any_name)
                case "variable":
                    found.effects.add(Effect(kind="variable", name=meaning.name))
                case "any_variable":
                    found.effects.add(Effect(kind="variable", name=any_name))
                case _ if reference.root == "workflow":
                    found.about |= not reference.keys or str(reference.keys[0]) in _about
                case _:
                    pass

    def _shown(self, step: StepSpec, shape: StepShape) -> Iterator[Effect]:
        """Effects that fields of every step and prompt parts show."""
        file = step.get("output_to_file")
        if isinstance(file, str):
            name = any_name if has_template(file) else posixpath.normpath(file)
            yield Effect(kind="output", name=name, writes=True)
        for name, field_shape in fields_of(shape).items():
            prompt = step.get(name) if field_shape.kind == "prompt" else None
            if isinstance(prompt, list):
                yield from part_effects(prompt)
        if shape.family == "claude":
            yield from self._of_options(step, shape)

    def _of_options(self, step: StepSpec, shape: StepShape) -> Iterator[Effect]:
        """Effects of tools and of a session, wherever the options come from."""
        options = effective(
            step,
            self._spec,
            shape,
            run_options=self._run_options,
            environment=self._environment,
        ).values
        session = options.get("session_id")
        if isinstance(session, str):
            name = any_name if has_template(session) else session
            yield Effect(kind="session", name=name, writes=True)
        allowed = options.get("allowed_tools")
        if isinstance(allowed, str):  # a template: which tools shows at run time only
            yield Effect(kind="workspace", writes=True)
        elif allowed:
            refused = options.get("disallowed_tools")
            yield from tool_effects(
                set(allowed) - set(refused if isinstance(refused, list) else ())
            )


def has_child(step: StepSpec, shape: StepShape) -> bool:
    """Whether the step runs a pipeline of its own, inline or from a file."""
    fields = fields_of(shape)
    return step.child is not None or any(fields[n].kind == "pipeline_file" for n in step.fields)


def conflict(one: Effect, other: Effect) -> bool:
    """Whether two steps with these effects may not overlap."""
    if "all" in {one.kind, other.kind}:
        return True
    if one.kind != other.kind or not (one.writes or other.writes):
        return False
    return one.name == other.name or any_name in {one.name, other.name}


def conflicts(some: Iterable[Effect], others: Iterable[Effect]) -> bool:
    """Whether any two of them conflict."""
    listed = list(others)
    return any(conflict(one, other) for one in some for other in listed)


def tool_effects(tools: Iterable[str]) -> Iterator[Effect]:
    """What a model step touches that is offered these tools."""
    offered = set(tools)
    if offered:
        yield Effect(kind="workspace", writes=bool(offered & _writing_tools))


def part_effects(prompt: Iterable[Json]) -> Iterator[Effect]:
    """What the parts of a prompt read."""
    for part in prompt:
        if not isinstance(part, Mapping):
            continue
        if part["type"] == "file":
            yield Effect(kind="workspace")
        elif part["type"] in {"session_context", "claude_continue"}:
            name = part.get("session_id")
            known = isinstance(name, str) and not has_template(name)
            yield Effect(kind="session", name=str(name) if known else any_name, writes=True)
