"""Tree and scope -> value: undefined by mode, predicates over items, structured conditions.

``lenient`` turns what is undefined or of a wrong type into null (conditions), ``strict`` into an
``ExpressionError`` (templates). Both spend fuel, so every evaluation ends.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypeAlias, assert_never

from pipex_core.errors import ExpressionError
from pipex_core.expressions import tree
from pipex_core.expressions.functions import (
    FUNCTIONS,
    contains,
    ends_with,
    matches,
    starts_with,
)
from pipex_core.expressions.meter import Meter
from pipex_core.expressions.paths import dotted, step
from pipex_core.expressions.patterns import search
from pipex_core.expressions.reading import checked, read_condition, require
from pipex_core.expressions.records import StepEntry, Steps, fields_of, kept_steps
from pipex_core.expressions.scope import ItemNames, Names, Scope
from pipex_core.expressions.values import (
    between,
    calculate,
    exists,
    in_order,
    is_empty,
    negate,
    to_text,
    too_complex,
    truth,
    type_error,
    undefined,
)
from pipex_core.jsonvalue import Json, equal
from pipex_core.registry import similar

__all__ = ["Evaluation", "Mode", "Scope", "evaluate"]

Mode: TypeAlias = Literal["strict", "lenient"]
Now: TypeAlias = Callable[[], datetime]
Seen: TypeAlias = Any  # a JSON value, undefined, or a StepEntry or Steps that a path may go on from

max_predicates = 16  # nested in one another; a predicate in a variable can name itself


def evaluate(
    expression: Json, scope: Scope | Names, *, mode: Mode = "lenient", now: Now | None = None
) -> Json:
    """Value of an expression or of a structured condition; null in gives true.

    A plain map as scope has roots of the language and local names, and ``now`` is its wall clock.

    Raises:
        ExpressionError: The text is wrong, takes too much work, or (strict) has no value.
    """
    return Evaluation(Scope.of(scope, now=now), mode).condition(expression)


class Evaluation:
    """One evaluation: a scope, a mode, and what it may still cost.

    Args:
        meter: Shared by the evaluations of one transform.
        warn: Told each undefined reference and wrong type that lenient mode turns into null.
    """

    def __init__(
        self,
        scope: Scope,
        mode: Mode,
        *,
        meter: Meter | None = None,
        warn: Callable[[ExpressionError], None] | None = None,
    ) -> None:
        self._scope = scope
        self._strict = mode == "strict"
        self._meter = meter or Meter()
        self._warn = warn
        self._items: list[ItemNames] = []
        self.spend = self._meter.spend
        self.read = self._meter.read
        self.touch = self._meter.touch

    def condition(self, condition: Json) -> Json:
        """Value of an expression or of a structured condition; null is true.

        Raises:
            ExpressionError: As ``evaluate``.
        """
        if isinstance(condition, str):
            return self.value(checked(condition))
        require(read_condition(condition))
        return self.verdict(condition)

    def value(self, node: tree.Node) -> Json:
        """Value of a tree, null or an error where it is undefined.

        Raises:
            ExpressionError: As ``evaluate``.
        """
        return _bounded(self._operand, node)

    def text(self, node: tree.Node) -> str:
        """What a tree becomes inside a text: a step its reply, all else the text of the value.

        Raises:
            ExpressionError: As ``evaluate``.
        """
        return str(_bounded(self._text, node))

    def over(self, item: ItemNames) -> "Evaluation":
        """This evaluation for the next item of an operation, with fuel for one more."""
        self._items = [item]
        self._meter.refill()
        return self

    def verdict(self, condition: Json) -> Json:  # noqa: PLR0911 - one line per form
        """``condition`` of a condition that was read and found right."""
        match condition:
            case None:
                return True
            case str():
                return self.value(checked(condition))
            case list() | tuple():
                return all(truth(self.verdict(inner)) for inner in condition)
            case {"and": inner}:
                return self.verdict(inner)
            case {"or": inner}:
                return any(truth(self.verdict(one)) for one in inner)
            case {"not": inner}:
                return not truth(self.verdict(inner))
            case _:
                return condition

    # -- nodes

    def _operand(self, node: tree.Node) -> Json:
        return self._plain(self._see(node), node)

    def _truth(self, node: tree.Node) -> bool:
        return truth(self._operand(node))

    def _plain(self, seen: Seen, node: tree.Node) -> Json:
        if seen is undefined:
            silent = not self._strict and self._warn is None
            return None if silent else self._absent(self._undefined(node))
        if isinstance(seen, StepEntry):
            return seen.value()
        return seen.entries if isinstance(seen, Steps) else seen

    def _see(self, node: tree.Node) -> Seen:  # noqa: C901, PLR0911, PLR0912 - one line per kind of node
        """What a node means, before it is an operand: maybe undefined, maybe a step."""
        self._meter.spend(1)
        match node:
            case tree.Constant(value=value):
                return value
            case tree.Name(name=name):
                return self._named(name)
            case tree.Path():
                return self._path(node)
            case tree.Compare():
                return self._compare(node)
            case tree.Logic(word="and", operands=operands):
                return all(map(self._truth, operands))
            case tree.Logic(operands=operands):
                return any(map(self._truth, operands))
            case tree.Not(operand=operand):
                return not self._truth(operand)
            case tree.Chain():
                return self._chain(node)
            case tree.Call():
                return self._call(node)
            case tree.Item():
                return self._items[-1].item if self._items else undefined
            case tree.Presence(word=word, negated=negated, operand=operand):
                seen = self._guarded(operand)
                return (exists(seen) if word == "exists" else is_empty(seen)) is not negated
            case tree.Choice(condition=condition, then=then, otherwise=otherwise):
                return self._see(then if self._truth(condition) else otherwise)
            case tree.Between(operand=operand, low=low, high=high):
                return between(self._operand(operand), self._operand(low), self._operand(high))
            case tree.Negate(operand=operand, position=position):
                return self._tried(position, negate, self._operand(operand))
            case tree.ListOf(items=items):
                return [self._operand(item) for item in items]
            case tree.Previous(step=name):
                return self._scope.previous(name)
            case _:
                assert_never(node)

    def _named(self, name: str) -> Seen:
        for item in reversed(self._items):
            found = item.find(name)
            if found is not undefined:
                return found
        return self._scope.find(name)

    def _path(self, path: tree.Path) -> Seen:
        base = path.base
        seen: Seen = undefined
        if isinstance(base, tree.Name):
            seen = self._scope.root(base.name)
        if seen is undefined:
            seen = self._see(base)
        for key in path.keys:
            if seen is undefined:
                return undefined
            seen = self._step(seen, key)
        return seen

    def _step(self, seen: Seen, key: tree.Dot | tree.Index) -> Seen:
        match key:
            case tree.Dot(name=name, index=index):
                is_entry = isinstance(seen, StepEntry | Steps)
                found = seen.dotted(name, index) if is_entry else dotted(seen, name, index)
                return kept_steps(name, found)
            case tree.Index(key=node):
                value = self._operand(node)
                is_entry = isinstance(seen, StepEntry | Steps)
                found = seen.index(value) if is_entry else step(seen, value)
                return kept_steps(value, found) if isinstance(value, str) else found
            case _:
                assert_never(key)

    def _compare(self, node: tree.Compare) -> bool:  # noqa: PLR0911 - one line per relation
        left, right = self._operand(node.left), self._operand(node.right)
        match node.relation:
            case "==":
                self._meter.touch(left)
                return equal(left, right)
            case "!=":
                self._meter.touch(left)
                return not equal(left, right)
            case "<" | "<=" | ">" | ">=" as relation:
                return in_order(relation, left, right)
            case "contains":
                return contains(self, left, right)
            case "in":
                return contains(self, right, left)
            case "matches":
                return matches(self, left, right)
            case "starts_with":
                return starts_with(self, left, right)
            case "ends_with":
                return ends_with(self, left, right)
            case _:
                assert_never(node.relation)

    def _chain(self, chain: tree.Chain) -> Json:
        result = self._operand(chain.first)
        for term in chain.terms:
            operand = self._operand(term.operand)
            if isinstance(operand, str) and isinstance(result, str):
                self._meter.read(result, operand)
            result = self._tried(term.position, calculate, term.operator, result, operand)
        return result

    def _call(self, call: tree.Call) -> Seen:
        function = FUNCTIONS[call.name]
        if function.accepts_undefined:
            arguments = [self._guarded(argument) for argument in call.arguments]
        elif function.takes_step:
            arguments = [self._text_or_value(argument) for argument in call.arguments]
        else:
            arguments = [self._operand(argument) for argument in call.arguments]
        try:
            return function.call(self, *arguments)
        except ExpressionError as exc:
            message = f"{call.name}: {exc.message}" if exc.code == "type_error" else exc.message
            return self._failed(ExpressionError(message, code=exc.code), call.position)

    def _guarded(self, node: tree.Node) -> Seen:
        seen = self._see(node)
        return undefined if seen is undefined else self._plain(seen, node)

    def _text_or_value(self, node: tree.Node) -> Json:
        seen = self._see(node)
        return seen.text() if isinstance(seen, StepEntry) else self._plain(seen, node)

    def _text(self, node: tree.Node) -> str:
        value = self._text_or_value(node)
        self._meter.touch(value)
        return to_text(value)

    # -- work of functions

    def now(self) -> datetime:
        """The wall clock.

        Raises:
            ExpressionError: ``type_error``, there is none in this scope.
        """
        if self._scope.now is None:
            raise type_error("there is no clock here")
        return self._scope.now()

    def test(self, predicate: str, item: Json) -> bool:
        """Whether the predicate is true of the item.

        Raises:
            ExpressionError: As ``evaluate``, or predicates nest too deeply.
        """
        if len(self._items) >= max_predicates:
            raise too_complex(f"predicates nest deeper than {max_predicates}")
        node = checked(predicate)
        self._items.append(ItemNames(item=item))
        try:
            return self._truth(node)
        finally:
            self._items.pop()

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern occurs in the text; false when the time does not suffice.

        Raises:
            ExpressionError: ``expression_too_complex``, the pattern exceeds the limits.
        """
        self._meter.read(text)
        found = search(pattern, text, limit_s=self._meter.search_limit_s)
        if found is None:
            self._meter.timed_out()
        return found is True

    # -- what has no value

    def _tried(self, position: int, call: Callable[..., Json], *arguments: Json) -> Json:
        try:
            return call(*arguments)
        except ExpressionError as exc:
            return self._failed(exc, position)

    def _failed(self, error: ExpressionError, position: int) -> None:
        error.position = position
        if error.code != "type_error":
            raise error
        self._absent(error)

    def _absent(self, error: ExpressionError) -> None:
        """Null in lenient mode, the error in strict mode."""
        if self._strict:
            raise error
        if self._warn is not None:
            self._warn(error)

    def _undefined(self, node: tree.Node) -> ExpressionError:
        """The error of a reference that leads nowhere, with the names that look like it."""
        match node:
            case tree.Choice(condition=condition, then=then, otherwise=otherwise):
                return self._undefined(then if self._truth(condition) else otherwise)
            case tree.Call(arguments=arguments):  # `default`, the only function that hands it on
                return self._undefined(arguments[-1])
            case _:
                pass
        names: Iterable[str] = self._names()
        word, place = tree.written(node), ""
        if isinstance(node, tree.Path):
            end = self._first_gap(node)
            reached = replace(node, keys=node.keys[:end]) if end else node.base
            seen = self._see(reached)
            if seen is not undefined:
                word, names = tree.key_word(node.keys[end]), fields_of(seen)
                place = f" in {tree.written(reached)}"
            else:
                word = tree.written(node.base)
        near = similar(word, names)
        hint = f"; near names: {', '.join(near)}" if near else ""
        message = f"{tree.written(node)} is undefined: there is no {word!r}{place}{hint}"
        return ExpressionError(message, code="undefined_reference", position=node.position)

    def _first_gap(self, path: tree.Path) -> int:
        """How many keys lead somewhere."""
        for count in range(1, len(path.keys)):
            if self._see(replace(path, keys=path.keys[:count])) is undefined:
                return count - 1
        return len(path.keys) - 1

    def _names(self) -> Iterator[str]:
        for item in self._items:
            yield from fields_of(item.item)
        yield from self._scope.names()


def _bounded(result: Callable[[tree.Node], Json], node: tree.Node) -> Json:
    try:
        return result(node)
    except RecursionError as exc:
        raise too_complex("a value or expression nests too deeply") from exc
