"""Operations on plain data: filter, map, aggregate, join, group_by, sort, limit, select, unique, flatten.

Every operation takes a list and gives a new one; a single map is a list of one and is handed back as
a map. What an operation means does not depend on how many items there are, and nothing that was
handed in is changed.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

from pipex_core.errors import ExpressionError, PipexError, TransformError
from pipex_core.expressions.evaluate import Evaluation, Now
from pipex_core.expressions.meter import Meter
from pipex_core.expressions.numbers import as_number, mean, total, variance
from pipex_core.expressions.operations import normal, read_operations
from pipex_core.expressions.paths import get, put
from pipex_core.expressions.reading import checked
from pipex_core.expressions.scope import ItemNames, Names, Scope
from pipex_core.expressions.source import resolve
from pipex_core.expressions.values import to_text, too_complex, truth, undefined
from pipex_core.jsonvalue import Json, identity, type_name

Operation: TypeAlias = Mapping[str, Json]

_text_changes: Final[Mapping[str, Callable[[str], str]]] = {
    "uppercase": str.upper,
    "lowercase": str.lower,
    "trim": str.strip,
}


def transform(
    data: Json, operations: Json, scope: Scope | Names, *, now: Now | None = None
) -> Json:
    """What the operations make of a list, or of one map, one after another.

    A plain map as scope has roots of the language and local names, and ``now`` is its wall clock.

    Raises:
        TransformError: An operation is unknown or wrong, or the data is of a wrong type.
        ExpressionError: An expression of an operation is wrong or (``map``) has no value.
    """
    _require(operations)
    work = _Work(Scope.of(scope, now=now))
    value, single = data, False
    for place, written in enumerate(operations):
        operation = normal(written)
        single = single or isinstance(value, Mapping)
        try:
            value = _handlers[operation["operation"]](work, operation, _rows(value))
        except (ExpressionError, TransformError) as exc:
            raise _placed(exc, place, operation["operation"]) from exc
        except RecursionError as exc:
            deep = too_complex("the data nests too deeply")
            raise _placed(deep, place, operation["operation"]) from exc
        single = single and operation["operation"] not in _endings
    return _unwrapped(value) if single and isinstance(value, list) else value


class _Work:
    """What the operations of one transform share: the scope and one meter."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        meter = Meter()
        self._strict = Evaluation(scope, "strict", meter=meter)
        self._lenient = Evaluation(scope, "lenient", meter=meter)

    def value(self, expression: str, item: ItemNames) -> Json:
        return self._strict.over(item).value(checked(expression))

    def holds(self, condition: Json, item: ItemNames) -> bool:
        return truth(self._lenient.over(item).verdict(condition))


_expression_codes: Final = frozenset(
    {
        *("expression_syntax", "unknown_function", "bad_arguments", "bad_condition"),
        "expression_too_complex",
    }
)


def _require(operations: Json) -> None:
    for finding in read_operations(operations).findings:
        if finding.severity != "error":
            continue
        hint = f"; did you mean {finding.suggestion!r}?" if finding.suggestion else ""
        message = f"operations{finding.path}: {finding.message}{hint}"
        if finding.code in _expression_codes:
            raise ExpressionError(message, code=finding.code, position=finding.position)
        raise TransformError(message, code=finding.code)


def _placed(error: PipexError, place: int, name: str) -> PipexError:
    message = f"operations[{place}] ({name}): {error.message}"
    if isinstance(error, ExpressionError):
        return ExpressionError(message, code=error.code, position=error.position)
    return TransformError(message, code=error.code)


def _rows(value: Json) -> Sequence[Json]:
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, list | tuple):
        return value
    raise TransformError(f"an operation takes a list or a map, got {type_name(value)}")


def _unwrapped(rows: list[Json]) -> Json:
    """A list of one as its item, an empty one as null; a flattened map may have become more."""
    return rows if len(rows) > 1 else next(iter(rows), None)


# -- fields


def _found(item: Json, field: str | None) -> Json:
    """The field of the item, null where it is missing; the item itself without a field."""
    if field is None:
        return item
    found = get(item, field)
    return None if found is undefined else found


def _with(item: Json, field: str, value: Json) -> Json:
    if not isinstance(item, Mapping | list | tuple):
        raise TransformError(f"a field ({field!r}) is set in maps, got {type_name(item)}")
    try:
        return put(item, field, value)
    except ExpressionError as exc:
        raise TransformError(exc.message, code=exc.code) from exc


def _names(item: Json, operation: Operation) -> ItemNames:
    return ItemNames(item=item, value=_found(item, operation.get("field")))


# -- operations


def _filter(work: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    condition = operation["condition"]
    return [item for item in rows if work.holds(condition, _names(item, operation))]


def _map(work: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    if "fields" in operation:
        return [_built(work, operation, item) for item in rows]
    if "expression" in operation:
        if operation["expression"] in _text_changes:
            return [_changed(operation, item) for item in rows]
        return [_computed(work, operation, item) for item in rows]
    if "field" in operation:
        return [_replaced(operation, item) for item in rows]
    return [_merged(operation["mapping"], item) for item in rows]


def _built(work: _Work, operation: Operation, item: Json) -> Json:
    names = _names(item, operation)
    return {
        field: work.value(rule, names) if isinstance(rule, str) else rule
        for field, rule in operation["fields"].items()
    }


def _computed(work: _Work, operation: Operation, item: Json) -> Json:
    value = work.value(operation["expression"], _names(item, operation))
    target = operation.get("into", operation.get("field"))
    return value if target is None else _with(item, target, value)


def _changed(operation: Operation, item: Json) -> Json:
    value = _found(item, operation.get("field"))
    if isinstance(value, str):
        value = _text_changes[operation["expression"]](value)
    elif "into" not in operation:
        return item
    target = operation.get("into", operation.get("field"))
    return value if target is None else _with(item, target, value)


def _replaced(operation: Operation, item: Json) -> Json:
    value = _found(item, operation["field"])
    word = to_text(value)
    if word in operation["mapping"]:
        value = operation["mapping"][word]
    elif "into" not in operation:
        return item
    return _with(item, operation.get("into", operation["field"]), value)


def _merged(mapping: Mapping[str, Json], item: Json) -> Json:
    if not isinstance(item, Mapping):
        raise TransformError(f"a mapping merges into maps, got {type_name(item)}")
    return {**item, **mapping}


def _aggregate(_: _Work, operation: Operation, rows: Sequence[Json]) -> Json:
    function = operation.get("function", "sum")
    if "group_by" not in operation:
        return _summary(function, operation, rows)
    groups = _grouped(operation["group_by"], rows)
    return {word: _summary(function, operation, items) for word, items in groups.items()}


def _summary(function: str, operation: Operation, rows: Sequence[Json]) -> Json:
    found = (_found(item, operation.get("field")) for item in rows)
    values = [value for value in found if value is not None]
    if not values:
        return _of_nothing.get(function)
    try:
        return _summaries[function](values)
    except ExpressionError as exc:
        raise TransformError(f"{function}: {exc.message}", code=exc.code) from exc


def _numbers(values: Sequence[Json]) -> list[float]:
    for value in values:
        as_number(value)
    return list(values)


def _distinct(values: Sequence[Json]) -> list[Json]:
    kept: dict[Hashable, Json] = {}
    for value in values:
        kept.setdefault(identity(value), value)
    return list(kept.values())


_of_nothing: Final[Mapping[str, Json]] = {
    "sum": 0,
    "average": 0,
    "avg": 0,
    "count": 0,
    "unique": [],
}
_summaries: Final[Mapping[str, Callable[[Sequence[Json]], Json]]] = {
    "sum": lambda values: total(_numbers(values)),
    "average": lambda values: mean(_numbers(values)),
    "avg": lambda values: mean(_numbers(values)),
    "count": len,
    "count_distinct": lambda values: len(_distinct(values)),
    "min": lambda values: min(values, key=rank),
    "max": lambda values: max(values, key=rank),
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "unique": _distinct,
    "std_dev": lambda values: math.sqrt(variance(_numbers(values))),
    "variance": lambda values: variance(_numbers(values)),
}


def _join(work: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    key = operation["join_key"]
    left_field = operation.get("left_field", key)
    partners: dict[Hashable, Mapping[str, Json]] = {}
    for item in _rows(resolve(operation["right_source"], work.scope)):
        if isinstance(item, Mapping) and (value := _found(item, key)) is not None:
            partners.setdefault(identity(value), item)
    inner = operation.get("type") == "inner"
    joined: list[Json] = []
    for item in rows:
        value = _found(item, left_field) if isinstance(item, Mapping) else None
        partner = None if value is None else partners.get(identity(value))
        if partner is not None:
            joined.append({**item, **partner})
        elif not inner:
            joined.append(item)
    return joined


def _grouped(field: str, rows: Sequence[Json]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for item in rows:
        groups.setdefault(to_text(_found(item, field)), []).append(item)
    return groups


def _group_by(_: _Work, operation: Operation, rows: Sequence[Json]) -> dict[str, list[Json]]:
    return _grouped(operation["field"], rows)


def rank(value: Json) -> tuple[int, Json]:
    """Sorting place of a value: booleans, numbers, strings, lists, maps, and null after all."""
    if value is None:
        return (5, 0)
    if isinstance(value, bool):
        return (0, value)
    if isinstance(value, int | float):
        return (1, value)
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, list | tuple):
        return (3, tuple(map(rank, value)))
    return (4, tuple((key, rank(value[key])) for key in sorted(value)))


def _sort(_: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    field = operation.get("field")
    placed = [(_found(item, field), item) for item in rows]
    ranked = [(rank(value), item) for value, item in placed if value is not None]
    # `reverse` keeps equal items in their order, so both directions are stable.
    ranked.sort(key=itemgetter(0), reverse=operation.get("order") == "desc")
    return [item for _, item in ranked] + [item for value, item in placed if value is None]


def _limit(_: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    return list(rows[: operation["count"]])


def _select(_: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    for item in rows:
        if not isinstance(item, Mapping):
            raise TransformError(f"keys are selected from maps, got {type_name(item)}")
    return [{key: item[key] for key in operation["fields"] if key in item} for item in rows]


def _unique(_: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    kept: dict[Hashable, Json] = {}
    for item in rows:
        kept.setdefault(identity(_found(item, operation.get("field"))), item)
    return list(kept.values())


def _flatten(_: _Work, operation: Operation, rows: Sequence[Json]) -> list[Json]:
    flat: list[Json] = []
    for item in rows:
        value = _found(item, operation.get("field"))
        flat.extend(value if isinstance(value, list | tuple) else [item])
    return flat


_handlers: Final[Mapping[str, Callable[[_Work, Operation, Sequence[Json]], Json]]] = {
    "filter": _filter,
    "map": _map,
    "aggregate": _aggregate,
    "join": _join,
    "group_by": _group_by,
    "sort": _sort,
    "limit": _limit,
    "select": _select,
    "unique": _unique,
    "flatten": _flatten,
}
_endings: Final = frozenset({"aggregate", "group_by"})  # their results are no rows
