"""The meaning of a pipeline whose shape is right: names, references, functions, schemas, nested files.

Every list of steps, however deep, is checked like a top-level one: a step may name what has finished
before it in its own list and in the enclosing ones, nothing later and nothing of another branch. An
inline pipeline and the file of a nested one are pipelines of their own, with their own names.
"""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.errors import PipexError, Problem, SpecError
from pipex_core.expressions.reading import Reference
from pipex_core.expressions.template import has_template
from pipex_core.jsonvalue import Json
from pipex_core.registry import nearest
from pipex_core.spec.fields import fields_of
from pipex_core.spec.model import (
    Finding,
    InputSpec,
    PipelineSpec,
    Shapes,
    StepShape,
    StepSpec,
)
from pipex_core.spec.names import Meaning, Names, names_of, written_variables
from pipex_core.spec.rules import own_findings, shadowed_names, workflow_findings
from pipex_core.spec.uses import Use, uses_of, workflow_uses

LoadChild = Callable[[str], PipelineSpec]

max_files: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A pipeline and what its meaning phase found.

    Attributes:
        spec: With implied inputs, in inline pipelines too.
        problems: Of both severities, those of the loading included; each file's sorted by place.
        children: Files of nested pipelines by path, checked as well.
    """

    spec: PipelineSpec
    problems: tuple[Problem, ...] = ()
    children: Mapping[str, PipelineSpec] = field(default_factory=dict)

    def require(self) -> None:
        """Return when the pipeline can run.

        Raises:
            SpecError: All problems, when one of them is an error.
        """
        if any(problem.severity == "error" for problem in self.problems):
            raise SpecError(self.problems)


def check_pipeline(
    spec: PipelineSpec,
    shapes: Shapes,
    *,
    load_child: LoadChild | None = None,
    strict: bool = False,
) -> Checked:
    """What a pipeline means, and everything that is wrong with that.

    Args:
        spec: Its shape checked.
        shapes: All step types that it uses.
        load_child: Reads the file of a nested pipeline, given its path joined to that of the file that
            names it; raises ``SpecError`` for what is wrong inside, another ``PipexError`` when there
            is no such file. None: nested files are checked when their step runs.
        strict: Unknown fields are errors instead of warnings.
    """
    files = _Files(load_child, shapes, strict=strict)
    checked = files.check(spec, (posixpath.normpath(spec.source.file),))
    return Checked(spec=checked, problems=tuple(files.problems), children=files.children)


def child_path(file: str, named: str) -> str:
    """The path of a pipeline file that the file ``file`` names."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), named))


class _Files:
    """The files of a pipeline, each checked once."""

    def __init__(self, load_child: LoadChild | None, shapes: Shapes, *, strict: bool) -> None:
        self._load = load_child
        self._shapes = shapes
        self._strict = strict
        self.problems: list[Problem] = []
        self.children: dict[str, PipelineSpec] = {}

    def check(self, spec: PipelineSpec, chain: tuple[str, ...]) -> PipelineSpec:
        """The checked pipeline of one file; its problems go before those of the files it names."""
        start = len(self.problems)
        check = _Check(spec, self._shapes, self, chain)
        checked = check.pipeline()
        own = [*spec.warnings, *spec.source.problems(check.findings, strict=self._strict)]
        self.problems[start:start] = sorted(own, key=lambda p: (p.line, p.column))
        return checked

    def follow(self, named: str, base: str, chain: tuple[str, ...]) -> tuple[str, str] | None:
        """Code and message of what is wrong with a file that a step names, or None."""
        path = child_path(base, named)
        if path in chain:
            circle = " -> ".join((*chain[chain.index(path) :], path))
            return "circular_pipeline", f"the file contains itself: {circle}"
        if self._load is None or path in self.children:
            return None
        if len(chain) >= max_files:
            return "too_large", f"more than {max_files} pipelines inside one another"
        try:
            child = self._load(path)
        except SpecError as exc:
            self.problems.extend(exc.problems)
            return None
        except PipexError as exc:
            return exc.code, exc.message
        self.children[path] = child
        self.children[path] = self.check(child, (*chain, path))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a step may name where it stands.

    Attributes:
        finished: Steps that have finished before it.
        enclosing: Names of the lists around its own.
        parallel: Name of the enclosing step whose blocks run at the same time, or an empty string.
        at_once: The same of the innermost loop alone.
    """

    finished: frozenset[str] = frozenset()
    enclosing: frozenset[str] = frozenset()
    iterators: tuple[str, ...] = ()
    in_loop: bool = False
    parallel: str = ""
    at_once: str = ""


class _Check:
    """One pipeline; findings carry document paths."""

    def __init__(
        self,
        spec: PipelineSpec,
        shapes: Shapes,
        files: _Files,
        chain: tuple[str, ...],
        outer: Names | None = None,
        functions: Mapping[str, Json] | None = None,
    ) -> None:
        self._spec = spec
        self._functions = {**(functions or {}), **spec.get("gemini_functions", {})}
        self._shapes = shapes
        self._files = files
        self._chain = chain
        self._names = names_of(spec, shapes, outer)
        self._implied: dict[str, Finding] = {}
        self.findings: list[Finding] = []

    def pipeline(self) -> PipelineSpec:
        """The pipeline with its implied inputs; what is wrong is in ``findings``."""
        spec = self._spec
        steps = self._list(spec.steps, _Place())
        every = _Place(finished=frozenset(step.name for step in spec.steps))
        for use in workflow_uses(spec):
            self._use(use, every, "", spec.place)
        self.findings += workflow_findings(spec)
        self.findings += shadowed_names(spec, self._shapes)
        self.findings += self._implied.values()
        implied = {name: InputSpec(name=name, implied=True) for name in self._implied}
        fields = dict(spec.fields)
        if self._functions:
            fields["gemini_functions"] = self._functions
        return replace(spec, steps=steps, fields=fields, inputs={**spec.inputs, **implied})

    # -- steps

    def _list(self, steps: tuple[StepSpec, ...], place: _Place) -> tuple[StepSpec, ...]:
        own: dict[str, None] = {}
        everyone = frozenset(step.name for step in steps)
        made = []
        for step in steps:
            if step.name in own or step.name in place.enclosing:
                where = "this list" if step.name in own else "an enclosing list"
                message = f"there is a step {step.name!r} in {where} already"
                self._add("duplicate_step", message, step.place("name"))
            here = replace(place, finished=place.finished.union(own))
            self._depends_on(step, own, everyone)
            made.append(self._step(step, here, everyone))
            own[step.name] = None
        return tuple(made)

    def _step(self, step: StepSpec, place: _Place, siblings: frozenset[str]) -> StepSpec:
        shape = self._shapes[step.type]
        opened = (*shape.opens(step), *place.iterators)
        body = {inner.name for block in step.blocks.values() for inner in block}
        seen = {
            "outside": place,
            "iteration": replace(place, iterators=opened),
            "body": replace(place, iterators=opened, finished=place.finished | body),
        }
        for use in uses_of(step, shape):
            self._use(use, seen[use.sees], step.name, step.place)
        self.findings += own_findings(step, shape, self._functions)
        self._placement(step, shape, place)
        blocks = {
            name: self._list(block, self._inside(step, shape, place, siblings, name))
            for name, block in step.blocks.items()
        }
        self._file(step, shape)
        child = None if step.child is None else self._inline(step, step.child)
        return replace(step, blocks=blocks, child=child)

    def _inside(  # the place of the steps of one block
        self,
        step: StepSpec,
        shape: StepShape,
        place: _Place,
        siblings: frozenset[str],
        block: str,
    ) -> _Place:
        enclosing = place.enclosing | siblings
        if block == "rollback":
            # It runs on undo, after the step: a loop around it is over, its names are kept.
            return _Place(
                finished=place.finished | {step.name},
                enclosing=enclosing,
                iterators=place.iterators,
            )
        return _Place(
            finished=place.finished,
            enclosing=enclosing,
            iterators=(*shape.opens(step), *place.iterators),
            in_loop=place.in_loop or shape.is_loop,
            parallel=step.name if shape.parallel(step) else place.parallel,
            at_once=(step.name if shape.parallel(step) else "") if shape.is_loop else place.at_once,
        )

    def _placement(self, step: StepSpec, shape: StepShape, place: _Place) -> None:
        if (shape.needs_loop or shape.in_loop_only(step)) and not place.in_loop:
            message = f"this step of type {step.type!r} stands inside a loop only"
            self._add("misplaced_step", message, step.place("type"))
        if shape.needs_loop and place.at_once:
            message = f"{step.type!r} has no meaning in {place.at_once!r}, which runs in parallel"
            self._add("conflicting_fields", message, step.place("type"))
        if place.parallel:
            for variable in written_variables(step, shape, lasting=True):
                message = (
                    f"{place.parallel!r} runs its steps at the same time, so {step.name!r} "
                    f"may not write the variable {variable!r}"
                )
                self._add("parallel_write", message, step.path)
            for effect in shape.effects(step):
                if effect.kind == "session" and effect.name != "*":
                    message = (
                        f"{place.parallel!r} runs its steps at the same time, and those of the session "
                        f"{effect.name!r} follow one another; give each item a session of its own"
                    )
                    self._add("parallel_write", message, step.path)

    def _depends_on(
        self, step: StepSpec, earlier: Mapping[str, None], everyone: frozenset[str]
    ) -> None:
        for index, name in enumerate(step.get("depends_on", ())):
            path = step.place(f"depends_on[{index}]")
            if name in earlier:
                continue
            if name in everyone:
                message = f"step {step.name!r} depends on {name!r}, which comes later"
                self._add("forward_reference", message, path)
            else:
                message = f"step {step.name!r} depends on {name!r}, which is no step of this list"
                self._add("unknown_step", message, path, near=nearest(name, earlier))

    # -- nested pipelines

    def _inline(self, step: StepSpec, child: PipelineSpec) -> PipelineSpec:
        config = step.get("config", {})
        outer = self._names if config.get("inherit_context") is True else None
        # Functions are always shared with the child (section 28).
        check = _Check(
            child, self._shapes, self._files, self._chain, outer, functions=self._functions
        )
        checked = check.pipeline()
        self.findings += check.findings
        return checked

    def _file(self, step: StepSpec, shape: StepShape) -> None:
        for name, field_shape in fields_of(shape).items():
            file = step.get(name) if field_shape.kind == "pipeline_file" else None
            if not isinstance(file, str) or has_template(file):
                continue
            wrong = self._files.follow(file, self._spec.source.file, self._chain)
            if wrong is not None:
                self._add(wrong[0], wrong[1], step.place(name))

    # -- references

    def _use(self, use: Use, place: _Place, step: str, placed: Callable[[str], str]) -> None:
        for remark in use.reading.findings:
            self.findings.append(
                Finding(
                    code=remark.code,
                    message=remark.message,
                    path=placed(use.place + remark.path),
                    severity=remark.severity,
                    suggestion=remark.suggestion,
                    position=remark.position,
                    in_text=True,
                )
            )
        for reference in use.reading.references:
            meaning = self._names.meaning(reference, place.iterators)
            path, position = placed(use.place + reference.path), reference.position
            if meaning.kind == "step":
                bare = reference.root not in {"steps", "previous_response"}
                if not (bare and reference.in_item):
                    self._step_named(meaning.name, reference, place, step, (path, position))
            elif not reference.guarded and self._is_implied(meaning, use, reference):
                self._imply(meaning, path, position, place.iterators)

    def _is_implied(self, meaning: Meaning, use: Use, reference: Reference) -> bool:
        if meaning.kind == "input":
            return meaning.name not in self._names.inputs
        return meaning.kind == "unbound" and use.is_template and not reference.in_item

    def _step_named(
        self, name: str, reference: Reference, place: _Place, step: str, where: tuple[str, int]
    ) -> None:
        if name in place.finished:
            return
        path, position = where
        if name == step:
            code, near = "forward_reference", None
            message = f"step {name!r} names itself"
        elif name in self._names.steps:
            code, near = "forward_reference", None
            message = f"step {name!r} comes later or in another block, so it has no result here"
        else:
            code, message = "unknown_step", f"there is no step {name!r}"
            # `previous_response` also reaches results by their own names.
            results = self._names.aliases if reference.root == "previous_response" else ()
            near = nearest(name, (*place.finished, *results))
        self.findings.append(
            Finding(
                code=code,
                message=message,
                path=path,
                suggestion=near,
                position=position,
                in_text=True,
            )
        )

    def _imply(
        self, meaning: Meaning, path: str, position: int, iterators: tuple[str, ...]
    ) -> None:
        name, names = meaning.name, self._names
        if name in self._implied:
            return
        known = {*names.inputs}
        if meaning.kind == "unbound":
            known |= {
                *names.variables,
                *names.steps,
                *names.aliases,
                *names.global_vars,
                *iterators,
            }
        self._implied[name] = Finding(
            code="implied_input",
            message=f"{name!r} is bound by nothing here, so a run must give it as an input",
            path=path,
            severity="warning",
            suggestion=nearest(name, known),
            position=position,
            in_text=True,
        )

    def _add(self, code: str, message: str, path: str, *, near: str | None = None) -> None:
        self.findings.append(Finding(code=code, message=message, path=path, suggestion=near))


__all__ = ["Checked", "LoadChild", "check_pipeline", "child_path"]
