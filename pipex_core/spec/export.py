"""The tables of fields as one JSON Schema (draft 2020-12), so that an editor completes and checks a file.

It is a help while typing. What a file means is decided by the loader and the check, which also know
references, functions and aliases that exclude each other.
"""

from collections.abc import Mapping
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.spec.fields import Table, fields_of, input_fields, part_fields, workflow_fields
from pipex_core.spec.model import FieldShape, Shapes, TypeWord

_types: Final[Mapping[TypeWord, str]] = {
    "str": "string",
    "int": "integer",
    "num": "number",
    "bool": "boolean",
    "list": "array",
    "map": "object",
}
_steps: Final = {"type": "array", "items": {"$ref": "#/$defs/step"}}
_by_kind: Final[Mapping[str, Json]] = {
    "steps": _steps,
    "cases": {
        "type": "object",
        "additionalProperties": {
            "anyOf": [_steps, {"type": "object", "properties": {"steps": _steps}}]
        },
    },
    "prompt": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/part"}}]},
    "pipeline": {"$ref": "#/$defs/workflow"},
    "pipeline_file": {"type": "string"},
    "expression": {"type": "string"},
    "schema": {"type": ["object", "boolean"]},
    "operations": {"type": "array", "items": {"type": "object"}},
    "function_names": {"type": "array", "items": {"type": "string"}},
}
_template: Final = {"type": "string", "pattern": r"^\{\{.*\}\}$"}


def json_schema(shapes: Shapes) -> dict[str, Json]:
    """The schema of a pipeline file that uses the given step types."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipex pipeline",
        "type": "object",
        "required": ["workflow"],
        "properties": {"workflow": {"$ref": "#/$defs/workflow"}},
        "$defs": {
            "workflow": _object(
                {
                    **workflow_fields,
                    "inputs": FieldShape(
                        kind="plain",
                        types=("map",),
                        values=FieldShape(kind="plain", fields=input_fields),
                    ),
                }
            ),
            "step": _one_of_kinds(
                {name: fields_of(shape) for name, shape in shapes.items()},
                {name: shape.summary for name, shape in shapes.items()},
            ),
            "part": {
                "anyOf": [{"type": "string"}, _one_of_kinds(part_fields, {})],
            },
        },
    }


def _one_of_kinds(tables: Mapping[str, Table], summaries: Mapping[str, str]) -> dict[str, Json]:
    """A map whose ``type`` says which table its other fields follow."""
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": sorted(tables)}},
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {**_object(table), **_described(summaries.get(name, ""))},
            }
            for name, table in sorted(tables.items())
        ],
    }


def _object(table: Table) -> dict[str, Json]:
    # A required field may be given by an alias, so only those without one are asked for.
    aliased = {shape.alias_of for shape in table.values()}
    required = [name for name, shape in table.items() if shape.required and name not in aliased]
    return {
        "type": "object",
        "required": required,
        "properties": {name: _field(shape, table) for name, shape in table.items()},
    }


def _field(shape: FieldShape, table: Table) -> Json:
    if shape.unsupported:
        return False
    if shape.ignored:
        return {"deprecated": True}
    if shape.alias_of and not shape.alias_values:
        outer, _, inner = shape.alias_of.partition(".")
        target = (table[outer].fields or {})[inner] if inner else table[outer]
        return {"allOf": [_value(target)], "deprecated": True}
    return _value(shape)


def _value(shape: FieldShape) -> dict[str, Json]:
    described = _described(shape.description)
    if shape.kind in _by_kind:
        return {**_by_kind[shape.kind], **described}
    kinds = [_typed(shape, word) for word in shape.types if word != "any"]
    if not kinds:
        return described
    if shape.kind in {"template", "source"} and "str" not in shape.types:
        kinds.append(_template)
    return {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}), **described}


def _typed(shape: FieldShape, word: TypeWord) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": _types[word]}
    if shape.choices:
        schema["enum"] = [*shape.choices, *shape.choices_of]
    if word == "map" and shape.fields is not None:
        schema = _object(shape.fields)
    elif word == "map" and shape.values is not None:
        schema["additionalProperties"] = _value(shape.values)
    elif word == "list" and shape.item is not None:
        schema["items"] = _value(shape.item)
    bounds = {"minimum": shape.low, "maximum": shape.high, "exclusiveMinimum": shape.above}
    if word in {"int", "num"}:
        schema |= {name: bound for name, bound in bounds.items() if bound is not None}
    return schema


def _described(text: str) -> dict[str, Json]:
    return {"description": text} if text else {}
