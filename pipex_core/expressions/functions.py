"""The functions of the language: one table for templates, conditions, transforms and gates.

An implementation gets its meter and plain values, null for what is undefined. An argument of a wrong
type is an ``ExpressionError`` with code ``type_error``; the evaluation turns it into null or a
failure, as its mode says. A ``list`` argument accepts null as the empty list.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Protocol

from pipex_core.expressions.numbers import (
    as_integer,
    as_number,
    mean,
    power,
    rounded,
    square_root,
    total,
)
from pipex_core.expressions.values import (
    between,
    calculate,
    check_growth,
    exists,
    holds,
    is_empty,
    representable,
    to_text,
    too_complex,
    type_error,
    undefined,
)
from pipex_core.jsonvalue import Json, compact, identity, parse, type_name

any_number: Final = 255  # of arguments

_epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
_decimal: Final = re.compile(r"[+-]?[0-9]{1,4000}(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?")


class Work(Protocol):
    """What a function may ask of the evaluation that calls it."""

    def spend(self, units: int) -> None:
        """Take fuel: 1 for each element touched."""
        ...

    def read(self, *texts: str) -> None:
        """Take fuel for reading or writing whole texts."""
        ...

    def touch(self, value: Json) -> None:
        """Take fuel for every element inside ``value``."""
        ...

    def now(self) -> datetime:
        """The wall clock. Raises ``ExpressionError`` where there is none."""
        ...

    def test(self, predicate: str, item: Json) -> bool:
        """Whether the predicate is true of the item."""
        ...

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern occurs in the text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the language.

    Attributes:
        call: Takes the ``Work`` and the arguments.
        least: Smallest number of arguments.
        most: Largest number of arguments; 255 when there is no limit.
        accepts_undefined: Gets ``undefined`` instead of null, in both modes.
        takes_step: Gets the text of a step where others get its value.
        predicate: Index of the argument that holds an expression over an item, or None.
        aliases: Other names.
    """

    call: Callable[..., Json]
    least: int
    most: int
    accepts_undefined: bool = False
    takes_step: bool = False
    predicate: int | None = None
    aliases: tuple[str, ...] = ()


# -- arguments


def _list(value: Json) -> Sequence[Json]:
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return value
    raise type_error(f"needs a list, got {type_name(value)}")


def _map(value: Json) -> Mapping[str, Json]:
    if isinstance(value, Mapping):
        return value
    raise type_error(f"needs a map, got {type_name(value)}")


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    raise type_error(f"needs a text, got {type_name(value)}")


# -- tests


def _default(_: Work, value: Json, otherwise: Json) -> Json:
    return value if exists(value) else otherwise


def _coalesce(_: Work, *values: Json) -> Json:
    return next(filter(exists, values), None)


# -- lists


def _length(_: Work, value: Json) -> int:
    if value is None:
        return 0
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise type_error(f"needs a text, list or map, got {type_name(value)}")


def _chosen(work: Work, items: Json, predicate: Json) -> Iterable[bool]:
    return (work.test(_text(predicate), item) for item in _list(items))


def _count(work: Work, items: Json, predicate: Json = undefined) -> int:
    if predicate is undefined:
        return len(_list(items))
    return sum(_chosen(work, items, predicate))


def _first(_: Work, items: Json) -> Json:
    return next(iter(_list(items)), None)


def _last(_: Work, items: Json) -> Json:
    found = _list(items)
    return found[-1] if found else None


def _unique(work: Work, items: Json) -> list[Json]:
    work.touch(items)
    kept: dict[object, Json] = {}
    for item in _list(items):
        kept.setdefault(identity(item), item)
    return list(kept.values())


def _join(work: Work, items: Json, separator: Json = ",") -> str:
    work.touch(items)
    texts = [to_text(item) for item in _list(items)]
    between_them = _text(separator)
    grown = sum(map(len, texts)) + len(between_them) * max(len(texts) - 1, 0)
    check_growth(grown)
    work.spend(grown // 64)
    return between_them.join(texts)


def _range(work: Work, *bounds: Json) -> list[int]:
    numbers = range(*map(_bounded, bounds)) if _steps(bounds) else None
    if numbers is None:
        raise type_error("a step of 0 leads nowhere")
    work.spend(len(numbers))
    return list(numbers)


def _steps(bounds: tuple[Json, ...]) -> bool:
    return len(bounds) < 3 or bounds[2] != 0  # noqa: PLR2004 - the third one is the step


def _bounded(bound: Json) -> int:
    if abs(as_integer(bound)) > 2**53:
        raise too_complex("a range reaches beyond 2**53")
    return as_integer(bound)


# -- numbers


def _numbers(work: Work, arguments: tuple[Json, ...]) -> list[float]:
    """The numbers of one list or of several arguments, nulls skipped."""
    first = arguments[0]
    one_list = len(arguments) == 1 and (first is None or isinstance(first, list | tuple))
    items = _list(first) if one_list else arguments
    work.spend(len(items))
    return [as_number(item) for item in items if item is not None]


def _sum(work: Work, *arguments: Json) -> float:
    return total(_numbers(work, arguments))


# -- text


def _split(work: Work, text: Json, separator: Json = ",") -> list[str]:
    whole, mark = _text(text), _text(separator)
    work.spend(len(whole) if not mark else whole.count(mark) + 1)
    return whole.split(mark) if mark else list(whole)


def _replace(work: Work, text: Json, old: Json, new: Json) -> str:
    whole, before, after = _text(text), _text(old), _text(new)
    grown = len(whole) + whole.count(before) * (len(after) - len(before))
    check_growth(grown)
    work.spend(grown // 64)
    return whole.replace(before, after)


def _concat(work: Work, *values: Json) -> str:
    for value in values:
        work.touch(value)
    texts = [to_text(value) for value in values]
    check_growth(sum(map(len, texts)))
    return "".join(texts)


# -- conversion


def _to_text(work: Work, value: Json) -> str:
    work.touch(value)
    return to_text(value)


def _to_number(_: Work, value: Json) -> float:
    if not isinstance(value, str):
        return as_number(value)
    text = value.strip()
    found = _decimal.fullmatch(text)
    if found is None:
        raise type_error(f"{text[:40]!r} is no number")
    return representable(float(text)) if found[1] or found[2] else int(text)


def _to_json(work: Work, value: Json) -> str:
    work.touch(value)
    try:
        return compact(value)
    except (TypeError, ValueError) as exc:
        raise type_error(f"no JSON value: {exc}") from exc


def _from_json(work: Work, text: Json) -> Json:
    work.spend(len(_text(text)) // 4)  # an element takes a few characters
    try:
        return parse(_text(text))
    except (ValueError, json.JSONDecodeError) as exc:
        raise type_error(f"no JSON text: {exc}") from exc


# -- time


def _date(work: Work, text: Json = undefined) -> Json:
    if text is undefined:
        return work.now().astimezone(UTC).date().isoformat()
    try:
        moment = datetime.fromisoformat(_text(text).strip())
    except ValueError:
        return None
    passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _epoch
    seconds = passed / timedelta(seconds=1)
    return int(seconds) if seconds.is_integer() else seconds


def _seconds(unit: int) -> Callable[[Work, Json], Json]:
    return lambda _, count: calculate("*", count, unit)


def _on_text(change: Callable[[str], str]) -> Callable[[Work, Json], str]:
    def changed(work: Work, value: Json) -> str:
        work.read(_text(value))
        return change(_text(value))

    return changed


def contains(work: Work, container: Json, member: Json) -> bool:
    """Whether a text, list or map holds a text, an equal member or a key; otherwise false."""
    work.touch(container)
    return holds(container, member)


def matches(work: Work, text: Json, pattern: Json) -> bool:
    """Whether a regular expression occurs in a text; false for anything else."""
    return isinstance(text, str) and isinstance(pattern, str) and work.search(pattern, text)


def starts_with(_: Work, text: Json, start: Json) -> bool:
    """Whether a text starts with another; false for anything else."""
    return isinstance(text, str) and isinstance(start, str) and text.startswith(start)


def ends_with(_: Work, text: Json, end: Json) -> bool:
    """Whether a text ends with another; false for anything else."""
    return isinstance(text, str) and isinstance(end, str) and text.endswith(end)


def _named(*functions: tuple[str, Function]) -> Mapping[str, Function]:
    table: dict[str, Function] = {}
    for name, function in functions:
        for word in (name, *function.aliases):
            table[word] = function
    return MappingProxyType(table)


def _of(call: Callable[..., Json], least: int, most: int | None = None, *aliases: str) -> Function:
    return Function(call=call, least=least, most=least if most is None else most, aliases=aliases)


FUNCTIONS: Final[Mapping[str, Function]] = _named(
    ("exists", Function(call=lambda _, x: exists(x), least=1, most=1, accepts_undefined=True)),
    (
        "isEmpty",
        Function(
            call=lambda _, x: is_empty(x),
            least=1,
            most=1,
            accepts_undefined=True,
            aliases=("is_empty", "empty"),
        ),
    ),
    ("default", Function(call=_default, least=2, most=2, accepts_undefined=True)),
    ("coalesce", Function(call=_coalesce, least=1, most=any_number, accepts_undefined=True)),
    ("type", _of(lambda _, x: type_name(x), 1)),
    ("length", _of(_length, 1)),
    ("count", Function(call=_count, least=1, most=2, predicate=1)),
    ("any", Function(call=lambda *a: any(_chosen(*a)), least=2, most=2, predicate=1)),
    ("all", Function(call=lambda *a: all(_chosen(*a)), least=2, most=2, predicate=1)),
    ("first", _of(_first, 1)),
    ("last", _of(_last, 1)),
    ("unique", _of(_unique, 1)),
    ("join", _of(_join, 1, 2)),
    ("range", _of(_range, 1, 3)),
    ("keys", _of(lambda _, m: list(_map(m)), 1)),
    ("values", _of(lambda _, m: list(_map(m).values()), 1)),
    ("sum", _of(_sum, 1, any_number)),
    ("average", _of(lambda work, *a: mean(_numbers(work, a)), 1, any_number, "avg")),
    ("min", _of(lambda work, *a: min(_numbers(work, a), default=None), 1, any_number)),
    ("max", _of(lambda work, *a: max(_numbers(work, a), default=None), 1, any_number)),
    ("abs", _of(lambda _, x: abs(as_number(x)), 1)),
    ("round", _of(lambda _, *a: rounded(*a), 1, 2)),
    ("floor", _of(lambda _, x: math.floor(as_number(x)), 1)),
    ("ceil", _of(lambda _, x: math.ceil(as_number(x)), 1)),
    ("sqrt", _of(lambda _, x: square_root(x), 1)),
    ("pow", _of(lambda _, a, b: power(a, b), 2, None, "power")),
    ("add", _of(lambda _, a, b: calculate("+", a, b), 2)),
    ("subtract", _of(lambda _, a, b: calculate("-", a, b), 2)),
    ("multiply", _of(lambda _, a, b: calculate("*", a, b), 2)),
    ("divide", _of(lambda _, a, b: calculate("/", a, b), 2)),
    ("modulo", _of(lambda _, a, b: calculate("%", a, b), 2)),
    ("between", _of(lambda _, x, low, high: between(x, low, high), 3)),
    ("contains", _of(contains, 2)),
    ("matches", _of(matches, 2)),
    ("startsWith", _of(starts_with, 2, None, "starts_with")),
    ("endsWith", _of(ends_with, 2, None, "ends_with")),
    ("toLowerCase", _of(_on_text(str.lower), 1, None, "lower")),
    ("toUpperCase", _of(_on_text(str.upper), 1, None, "upper")),
    ("trim", _of(_on_text(str.strip), 1)),
    ("split", _of(_split, 1, 2)),
    ("replace", _of(_replace, 3)),
    ("concat", _of(_concat, 1, any_number)),
    ("string", Function(call=_to_text, least=1, most=1, takes_step=True)),
    ("number", _of(_to_number, 1)),
    ("to_json", _of(_to_json, 1)),
    ("from_json", _of(_from_json, 1)),
    ("now", _of(lambda work: int(work.now().timestamp()), 0)),
    ("date", _of(_date, 0, 1)),
    ("days", _of(_seconds(86_400), 1)),
    ("hours", _of(_seconds(3_600), 1)),
    ("minutes", _of(_seconds(60), 1)),
    ("seconds", _of(_seconds(1), 1)),
)
