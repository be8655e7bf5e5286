"""Operations of a data transform: which there are, what each needs, and how a list is checked."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from pipex_core.expressions.paths import entry
from pipex_core.expressions.reading import (
    Finding,
    Reading,
    read_condition,
    read_expression,
    together,
    wrong,
)
from pipex_core.expressions.source import read_source
from pipex_core.jsonvalue import Json, type_name
from pipex_core.registry import nearest

Kind: TypeAlias = Literal["text", "list", "map", "count", "condition", "expression", "source"]

text_changes: Final = ("uppercase", "lowercase", "trim")
_json_type: Final[Mapping[Kind, str]] = {
    "text": "string",
    "list": "list",
    "map": "map",
    "count": "integer",
    "expression": "string",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationShape:
    """What may stand in one operation.

    Attributes:
        fields: Field to what it holds.
        needs: Required fields.
        one_of: Fields of which exactly one must be given.
        choices: Field to its allowed words.
        aliases: Other name to the name of the field.
    """

    fields: Mapping[str, Kind]
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


aggregates: Final = (
    *("sum", "average", "avg", "count", "count_distinct", "min", "max"),
    *("first", "last", "unique", "std_dev", "variance"),
)

operation_shapes: Final[Mapping[str, OperationShape]] = {
    "filter": OperationShape(
        fields={"condition": "condition", "field": "text"}, needs=("condition",)
    ),
    "map": OperationShape(
        fields={
            "mapping": "map",
            "expression": "expression",
            "fields": "map",
            "field": "text",
            "into": "text",
        },
        one_of=("mapping", "expression", "fields"),
    ),
    "aggregate": OperationShape(
        fields={"field": "text", "function": "text", "group_by": "text"},
        choices={"function": aggregates},
    ),
    "join": OperationShape(
        fields={
            "right_source": "source",
            "join_key": "text",
            "left_field": "text",
            "type": "text",
        },
        needs=("right_source", "join_key"),
        choices={"type": ("left", "inner")},
        aliases={"join_type": "type"},
    ),
    "group_by": OperationShape(fields={"field": "text"}, needs=("field",)),
    "sort": OperationShape(
        fields={"field": "text", "order": "text"},
        choices={"order": ("asc", "desc")},
        aliases={"by": "field"},
    ),
    "limit": OperationShape(fields={"count": "count"}, needs=("count",)),
    "select": OperationShape(fields={"fields": "list"}, needs=("fields",)),
    "unique": OperationShape(fields={"field": "text"}),
    "flatten": OperationShape(fields={"field": "text"}),
}


def normal(operation: Mapping[str, Json]) -> dict[str, Json]:
    """The operation with its fields under their own names instead of aliases."""
    aliases = operation_shapes[operation["operation"]].aliases
    return {aliases.get(name, name): value for name, value in operation.items()}


def read_operations(operations: Json) -> Reading:
    """Findings and references of a list of operations; names inside may be fields of the items."""
    if not isinstance(operations, list | tuple):
        return wrong("wrong_type", f"operations are a list, got {type_name(operations)}")
    return together(
        _read_operation(operation).at(f"[{place}]") for place, operation in enumerate(operations)
    )


def _read_operation(operation: Json) -> Reading:
    if not isinstance(operation, Mapping):
        return wrong("wrong_type", f"an operation is a map, got {type_name(operation)}")
    name = operation.get("operation")
    if name is None:
        return _nameless(operation)
    shape = operation_shapes.get(name) if isinstance(name, str) else None
    if shape is None:
        near = nearest(str(name), operation_shapes)
        return wrong("unknown_operation", f"unknown operation {name!r}", ".operation", near)
    return together((*_read_names(operation, shape), *_read_fields(operation, shape)))


def _nameless(operation: Mapping[str, Json]) -> Reading:
    """An operation that does not say which; a field that nearly says so is pointed at."""
    missing = wrong("missing_field", "an operation needs the field 'operation'", ".operation")
    slips = [key for key in operation if key in _named_so or nearest(key, ["operation"])]
    return together((missing, *(_unknown("an operation", key, ["operation"]) for key in slips)))


_named_so: Final = ("op", "name", "type", "kind")


def _unknown(owner: str, key: str, known: Collection[str]) -> Reading:
    finding = Finding(
        code="unknown_field",
        message=f"{owner} has no field {key!r}",
        path=entry(key),
        severity="warning",
        suggestion=nearest(key, known) or (None if len(known) > 1 else next(iter(known))),
    )
    return Reading(findings=(finding,))


def _read_names(operation: Mapping[str, Json], shape: OperationShape) -> Iterator[Reading]:
    """Missing, conflicting and unknown fields."""
    name = operation["operation"]
    known = {*shape.fields, *shape.aliases, "operation"}
    given = {shape.aliases.get(key, key) for key in operation}
    for need in shape.needs:
        if need not in given:
            yield wrong("missing_field", f"{name} needs the field {need!r}", entry(need))
    chosen = [one for one in shape.one_of if one in given]
    if shape.one_of and len(chosen) != 1:
        code = "conflicting_fields" if chosen else "missing_field"
        yield wrong(code, f"{name} needs exactly one of {', '.join(shape.one_of)}")
    for key in operation:
        if key not in known:
            yield _unknown(name, key, known)


def _read_fields(operation: Mapping[str, Json], shape: OperationShape) -> Iterator[Reading]:
    for key, value in operation.items():
        name = shape.aliases.get(key, key)
        kind = shape.fields.get(name)
        if kind is None:
            continue
        expected = _json_type.get(kind)
        if expected is not None and type_name(value) != expected:
            message = f"{key!r} takes {expected}, got {type_name(value)}"
            yield wrong("wrong_type", message, entry(key))
            continue
        yield _read_field(name, kind, value, shape).at(entry(key), in_item=kind != "source")


def _read_field(  # noqa: PLR0911 - one line per kind of field
    name: str, kind: Kind, value: Json, shape: OperationShape
) -> Reading:
    choices = shape.choices.get(name, ())
    if choices and value not in choices:
        message = f"{name!r} is one of {', '.join(choices)}, got {value!r}"
        return wrong("unknown_value", message, suggestion=nearest(value, choices))
    match kind:
        case "condition":
            return read_condition(value)
        case "expression":
            return Reading() if value in text_changes else read_expression(value)
        case "source":
            return read_source(value)
        case "count" if value < 0:
            return wrong("out_of_range", f"{name!r} is at least 0, got {value}")
        case "map" if name == "fields":
            return together(
                read_expression(text).at(entry(key))
                for key, text in value.items()
                if isinstance(text, str)
            )
        case _:
            return Reading()
