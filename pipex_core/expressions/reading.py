"""What a text of the language refers to and what is wrong with it, found without evaluating it.

The loader asks this of every expression, condition, template and operation of a pipeline; the
evaluation asks it once per text, so that an unknown function fails even in a branch not taken.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, assert_never

from pipex_core.errors import ExpressionError, Severity
from pipex_core.expressions.functions import FUNCTIONS, Function, any_number
from pipex_core.expressions.paths import Key
from pipex_core.expressions.patterns import complaint
from pipex_core.expressions.syntax import max_nesting, parse
from pipex_core.expressions.tree import (
    Call,
    Compare,
    Constant,
    Dot,
    Index,
    Item,
    Name,
    Node,
    Path,
    Presence,
    Previous,
    children,
)
from pipex_core.jsonvalue import Json, type_name
from pipex_core.registry import nearest

_guards: Final = frozenset({"exists", "isEmpty", "is_empty", "empty", "default", "coalesce"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with a text of the language.

    Attributes:
        path: Place inside the value that was read, such as ``.and[1]``; empty for the value itself.
        position: 0-based offset in the text at that place.
        suggestion: The nearest known word, or None.
    """

    code: str
    message: str
    path: str = ""
    severity: Severity = "error"
    suggestion: str | None = None
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name that a text uses.

    Attributes:
        root: The first name; ``previous_response`` for ``previous_response:step``, ``@`` for the item.
        keys: Constant steps that follow, up to the first computed one.
        computed: Whether a computed step follows the constant ones.
        guarded: It stands as an argument of ``exists``, ``empty``, ``default`` or ``coalesce``, where
            it may be undefined.
        in_item: It stands inside a predicate or an operation, where it may be a field of the item.
        path: Place inside the value that was read.
        position: 0-based offset in the text at that place.
    """

    root: str
    keys: tuple[Key, ...] = ()
    computed: bool = False
    guarded: bool = False
    in_item: bool = False
    path: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything found in a value, in the order of the text."""

    findings: tuple[Finding, ...] = ()
    references: tuple[Reference, ...] = ()

    def at(self, path: str, *, offset: int = 0, in_item: bool = False) -> "Reading":
        """The same, found at ``path`` and ``offset`` of an enclosing value."""
        return Reading(
            findings=tuple(
                replace(finding, path=path + finding.path, position=finding.position + offset)
                for finding in self.findings
            ),
            references=tuple(
                replace(
                    use,
                    path=path + use.path,
                    position=use.position + offset,
                    in_item=use.in_item or in_item,
                )
                for use in self.references
            ),
        )


def together(readings: Iterable[Reading]) -> Reading:
    """Several readings as one."""
    parts = list(readings)
    return Reading(
        findings=tuple(finding for part in parts for finding in part.findings),
        references=tuple(use for part in parts for use in part.references),
    )


def wrong(code: str, message: str, path: str = "", suggestion: str | None = None) -> Reading:
    """A reading that is one finding."""
    return Reading(
        findings=(Finding(code=code, message=message, path=path, suggestion=suggestion),)
    )


@lru_cache(maxsize=4096)
def read_expression(text: str) -> Reading:
    """Findings and references of an expression; a text that does not parse is one finding."""
    try:
        return _read(parse(text))
    except ExpressionError as exc:
        return Reading(
            findings=(Finding(code=exc.code, message=exc.message, position=exc.position),)
        )


@lru_cache(maxsize=4096)
def checked(text: str) -> Node:
    """The tree of an expression that may be evaluated.

    Raises:
        ExpressionError: The first error of ``read_expression``.
    """
    node = parse(text)
    require(read_expression(text))
    return node


def require(reading: Reading) -> None:
    """Return when nothing is wrong with what was read.

    Raises:
        ExpressionError: The first error.
    """
    for finding in reading.findings:
        if finding.severity == "error":
            hint = f"; did you mean {finding.suggestion!r}?" if finding.suggestion else ""
            raise ExpressionError(
                finding.message + hint, code=finding.code, position=finding.position
            )


def read_condition(  # noqa: PLR0911 - one line per form
    condition: Json, *, depth: int = 0
) -> Reading:
    """Findings and references of a condition in any of its forms (section 5.6)."""
    if isinstance(condition, str):
        return read_expression(condition)
    if condition is None or isinstance(condition, bool | int | float):
        return Reading()
    if depth > max_nesting:
        return wrong("expression_too_complex", f"a condition nests deeper than {max_nesting}")
    if isinstance(condition, list | tuple):
        return _read_all(condition, "", depth)
    if isinstance(condition, Mapping) and len(condition) == 1:
        ((word, inner),) = condition.items()
        if word in {"and", "or"} and isinstance(inner, list | tuple):
            return _read_all(inner, f".{word}", depth)
        if word == "not":
            return read_condition(inner, depth=depth + 1).at(".not")
    return wrong(
        "bad_condition",
        f"a condition is an expression, a list, or a map with one of and, or (lists) and not; "
        f"got {_shown(condition)}",
    )


def _read_all(conditions: Sequence[Json], path: str, depth: int) -> Reading:
    return together(
        read_condition(inner, depth=depth + 1).at(f"{path}[{place}]")
        for place, inner in enumerate(conditions)
    )


def _shown(condition: Json) -> str:
    if isinstance(condition, Mapping):
        return f"a map with the keys {', '.join(map(str, condition)) or '(none)'}"
    return type_name(condition)


def _read(node: Node) -> Reading:
    """One pass over the tree; a call's arguments know whether they may be undefined."""
    findings: list[Finding] = []
    references: list[Reference] = []
    todo: list[tuple[Node, bool]] = [(node, False)]
    while todo:
        here, guarded = todo.pop()
        references.extend(_reference(here, guarded=guarded))
        for part in _parts(here):
            findings.extend(part.findings)
            references.extend(part.references)
        guards = (isinstance(here, Call) and here.name in _guards) or isinstance(here, Presence)
        todo.extend((inner, guards) for inner in reversed(list(_below(here))))
    return Reading(
        findings=tuple(sorted(findings, key=lambda finding: finding.position)),
        references=tuple(sorted(references, key=lambda use: use.position)),
    )


def _below(node: Node) -> Iterator[Node]:
    """The nodes below, without the root of a path, which is part of the path's own reference."""
    found = children(node)
    if isinstance(node, Path) and _is_root(node.base):
        next(found)
    return found


def _is_root(node: Node) -> bool:
    return isinstance(node, Name | Previous | Item)


def _reference(node: Node, *, guarded: bool) -> Iterator[Reference]:
    base = node.base if isinstance(node, Path) else node
    if not isinstance(base, Name | Previous | Item):
        return
    keys, computed = _constant_keys(node) if isinstance(node, Path) else ((), False)
    match base:
        case Name(name=name):
            root = name
        case Previous(step=step):
            root, keys = "previous_response", (step, *keys)
        case Item():
            root = "@"
        case _:
            assert_never(base)
    yield Reference(
        root=root, keys=keys, computed=computed, guarded=guarded, position=base.position
    )


def _constant_keys(path: Path) -> tuple[tuple[Key, ...], bool]:
    keys: list[Key] = []
    for key in path.keys:
        match key:
            case Dot(name=name):
                keys.append(name)
            case Index(key=Constant(value=str() | int() as value)):
                keys.append(value)
            case Index():
                return tuple(keys), True
            case _:
                assert_never(key)
    return tuple(keys), False


def _parts(node: Node) -> Iterator[Reading]:
    match node:
        case Call():
            yield from _read_call(node)
        case Compare(relation="matches", right=Constant(value=str() as pattern) as place):
            yield from _read_pattern(pattern, place.position)
        case _:
            return


def _read_call(call: Call) -> Iterator[Reading]:
    function = FUNCTIONS.get(call.name)
    if function is None:
        message = f"unknown function {call.name!r}"
        near = nearest(call.name, FUNCTIONS)
        yield wrong("unknown_function", message, suggestion=near).at("", offset=call.position)
        return
    given = len(call.arguments)
    if not function.least <= given <= function.most:
        message = f"{call.name} takes {_arity(function)}, got {given}"
        yield wrong("bad_arguments", message).at("", offset=call.position)
        return
    for place, argument in enumerate(call.arguments):
        if isinstance(argument, Constant) and isinstance(argument.value, str):
            if place == function.predicate:
                inside = read_expression(argument.value)
                yield inside.at("", offset=argument.position + 1, in_item=True)
            if call.name == "matches" and place == 1:
                yield from _read_pattern(argument.value, argument.position)


def _arity(function: Function) -> str:
    plural = "" if function.least == 1 else "s"
    if function.most == function.least:
        return f"{function.least} argument{plural}"
    if function.most == any_number:
        return f"at least {function.least} argument{plural}"
    return f"{function.least} to {function.most} arguments"


def _read_pattern(pattern: str, position: int) -> Iterator[Reading]:
    found = complaint(pattern)
    if found is None:
        return
    severity: Severity = "warning" if found.code == "bad_pattern" else "error"
    yield Reading(
        findings=(
            Finding(code=found.code, message=found.message, severity=severity, position=position),
        )
    )
