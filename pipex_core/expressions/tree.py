"""The tree of an expression: a closed union of nodes, each with its place in the text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from pipex_core.expressions.values import Arithmetic, Order
from pipex_core.jsonvalue import Json

WordRelation = Literal["contains", "matches", "starts_with", "ends_with", "in"]
Relation = Literal["==", "!="] | Order | WordRelation


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A literal."""

    value: Json
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """``[a, b]``."""

    items: "tuple[Node, ...]"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A bare name; with a path behind it a root such as ``inputs`` means the root."""

    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """``@``: the item of a predicate or transform."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """``previous_response:step``; fields after it are a path."""

    step: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """``.name`` or ``.0``.

    Attributes:
        index: The number when the name is one, else None.
    """

    name: str
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """``[expression]``."""

    key: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One or more steps into a value."""

    base: "Node"
    keys: tuple[Dot | Index, ...]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``name(a, b)``, also written ``a | name(b)``."""

    name: str
    arguments: "tuple[Node, ...]"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Negate:
    """``-a``."""

    operand: "Node"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """``not a``."""

    operand: "Node"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """An operator and its right operand in a chain."""

    operator: Arithmetic
    operand: "Node"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Operators of one arithmetic level, from left to right."""

    first: "Node"
    terms: tuple[Term, ...]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """``a < b`` and the word relations; ``a not in b`` is a ``Not`` of one."""

    relation: Relation
    left: "Node"
    right: "Node"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """``a between low and high``."""

    operand: "Node"
    low: "Node"
    high: "Node"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """``a exists``, ``a not empty``."""

    word: Literal["exists", "empty"]
    negated: bool
    operand: "Node"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logic:
    """``a and b and c`` or ``a or b or c``."""

    word: Literal["and", "or"]
    operands: "tuple[Node, ...]"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """``condition ? then : otherwise``."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"
    position: int


Node: TypeAlias = (
    Constant
    | ListOf
    | Name
    | Item
    | Previous
    | Path
    | Call
    | Negate
    | Not
    | Chain
    | Compare
    | Between
    | Presence
    | Logic
    | Choice
)


def children(node: Node) -> "Iterator[Node]":
    """The nodes directly below ``node``, from left to right."""
    match node:
        case Constant() | Name() | Item() | Previous():
            return
        case ListOf(items=items) | Call(arguments=items) | Logic(operands=items):
            yield from items
        case Path(base=base, keys=keys):
            yield base
            yield from (key.key for key in keys if isinstance(key, Index))
        case Negate(operand=operand) | Not(operand=operand) | Presence(operand=operand):
            yield operand
        case Chain(first=first, terms=terms):
            yield first
            yield from (term.operand for term in terms)
        case Compare(left=left, right=right):
            yield from (left, right)
        case Between(operand=operand, low=low, high=high):
            yield from (operand, low, high)
        case Choice(condition=condition, then=then, otherwise=otherwise):
            yield from (condition, then, otherwise)
        case _:
            assert_never(node)


def written(node: Node) -> str:
    """A reference as its author wrote it, computed parts as ``...``; for messages."""
    match node:
        case Name(name=name):
            return name
        case Item():
            return "@"
        case Previous(step=step):
            return f"previous_response:{step}"
        case Path(base=base, keys=keys):
            return written(base) + "".join(map(_written_key, keys))
        case _:
            return "(...)"


def key_word(key: Dot | Index) -> str:
    """The word of one step of a path, ``...`` when it is computed."""
    match key:
        case Dot(name=name):
            return name
        case Index(key=Constant(value=value)):
            return str(value)
        case Index():
            return "..."
        case _:
            assert_never(key)


def _written_key(key: Dot | Index) -> str:
    match key:
        case Dot(name=name):
            return f".{name}"
        case Index(key=Constant(value=value)):
            return f"[{value!r}]"
        case Index():
            return "[...]"
        case _:
            assert_never(key)
