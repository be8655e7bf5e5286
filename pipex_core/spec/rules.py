"""Rules about one step or one workflow that are no matter of references."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.registry import nearest
from pipex_core.spec.fields import fields_of
from pipex_core.spec.model import Finding, PipelineSpec, Shapes, StepShape, StepSpec
from pipex_core.spec.names import built_ins, roots, steps_in, written_variables

tools: Final = ("Read", "Write", "Edit", "MultiEdit", "Glob", "Grep", "LS", "Search", "Bash")


def own_findings(
    step: StepSpec, shape: StepShape, functions: Mapping[str, Json]
) -> Iterator[Finding]:
    """What the step's own values say, with document paths; ``functions`` are those that it may name."""
    for finding in shape.check(step):
        path = step.place(finding.path) if finding.path else step.path
        yield replace(finding, path=path)
    options = step.get("claude_options")
    if isinstance(options, Mapping):
        for finding in unknown_tools(options):
            yield replace(finding, path=step.place(f"claude_options{finding.path}"))
        if "retry_config" in options and "retry" in step.fields:
            yield Finding(
                code="ignored_field",
                message="the step has 'retry', which is the one layer that retries",
                path=step.place("claude_options.retry_config"),
                severity="warning",
            )
    for name, field in fields_of(shape).items():
        if field.kind == "function_names":
            yield from _unknown_functions(step, name, functions)


def workflow_findings(spec: PipelineSpec) -> Iterator[Finding]:
    """What the values of the workflow's own fields say, with document paths."""
    options = spec.get("defaults", {}).get("claude_options")
    if isinstance(options, Mapping):
        for finding in unknown_tools(options):
            yield replace(finding, path=spec.place("defaults") + f".claude_options{finding.path}")


def unknown_tools(options: Mapping[str, Json]) -> Iterator[Finding]:
    """A warning for each tool that does not exist, with paths relative to the options."""
    for field in ("allowed_tools", "disallowed_tools"):
        names = options.get(field)
        if not isinstance(names, list):
            continue
        for index, name in enumerate(names):
            if name not in tools:
                yield Finding(
                    code="unknown_tool",
                    message=f"there is no tool {name!r}; it is not offered",
                    path=f".{field}[{index}]",
                    severity="warning",
                    suggestion=nearest(name, tools),
                )


def _unknown_functions(
    step: StepSpec, field: str, functions: Mapping[str, Json]
) -> Iterator[Finding]:
    for index, name in enumerate(step.get(field, ())):
        if name not in functions:
            yield Finding(
                code="unknown_gemini_function",
                message=f"{name!r} is not among the workflow's gemini_functions",
                path=step.place(f"{field}[{index}]"),
                suggestion=nearest(name, functions),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """A name and where it is bound; a lower rank is nearer and wins."""

    name: str
    rank: int
    what: str
    path: str


def shadowed_names(spec: PipelineSpec, shapes: Shapes) -> Iterator[Finding]:
    """A warning for each name that is meant in two places, at the one that loses.

    A variable and an input of one name are no conflict: the input is the variable's initial value.
    """
    winners: dict[str, _Bound] = {}
    told: set[str] = set()
    for bound in sorted(_bound_names(spec, shapes), key=lambda one: one.rank):
        winner = winners.setdefault(bound.name, bound)
        pair = {winner.what, bound.what}
        if len(pair) == 1 or pair == {"variable", "input"} or bound.name in told:
            continue
        told.add(bound.name)
        yield Finding(
            code="shadowed_name",
            message=(
                f"{bound.name!r} names {_article(winner.what)} and {_article(bound.what)}; "
                f"alone it means the {winner.what}"
            ),
            path=bound.path or winner.path,
            severity="warning",
        )


def _bound_names(spec: PipelineSpec, shapes: Shapes) -> Iterator[_Bound]:
    for step in steps_in(spec.steps):
        shape = shapes[step.type]
        yield from _all(shape.opens(step), 0, "iterator", step.path)
        yield from _all(written_variables(step, shape), 1, "variable", step.path)
        yield _Bound(name=step.name, rank=3, what="step", path=step.place("name"))
        yield from _all(shape.aliases(step), 4, "result", step.path)
    for field, rank, what in (
        ("variables", 1, "variable"),
        ("global_vars", 5, "constant"),
    ):
        for name in spec.get(field, {}):
            yield _Bound(name=name, rank=rank, what=what, path=f"{spec.place(field)}.{name}")
    for name in spec.inputs:
        yield _Bound(name=name, rank=2, what="input", path=f"{spec.place('inputs')}.{name}")
    yield from _all(built_ins, 6, "built-in", "")
    yield from _all(roots, 7, "root", "")


def _all(names: Iterable[str], rank: int, what: str, path: str) -> Iterator[_Bound]:
    return (_Bound(name=name, rank=rank, what=what, path=path) for name in names)


def _article(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
