"""Smallest values, expected by hand and checked by the JSON Schema library."""

from typing import Any

import jsonschema
import pytest

from pipex_core.llm.instance import smallest

cases: list[tuple[dict[str, Any], Any]] = [
    ({"type": "string"}, "mock"),
    ({"type": "string", "minLength": 6}, "mockxx"),
    ({"type": "string", "maxLength": 2}, "mo"),
    ({"type": "number", "minimum": 0.5}, 0.5),
    ({"type": "number"}, 0),
    ({"type": "number", "exclusiveMinimum": 0}, 0.5),
    ({"type": "integer", "exclusiveMinimum": 3}, 4),
    ({"type": "integer", "minimum": 1.2}, 2),
    ({"type": "integer", "maximum": -2}, -2),
    ({"type": "boolean"}, False),
    ({"type": "null"}, None),
    ({"type": ["null", "string"]}, None),
    ({"type": []}, "mock"),
    ({"enum": ["b", "a"]}, "b"),
    ({"const": 7, "type": "integer"}, 7),
    ({"type": "array", "items": {"type": "integer"}}, []),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
    ({"prefixItems": [{"const": 1}], "items": {"type": "null"}, "minItems": 2}, [1, None]),
    (
        {
            "type": "object",
            "properties": {
                "z": {"type": "string"},
                "skipped": {"type": "string"},
                "a": {"type": "array", "minItems": 1, "items": {"enum": [3, 4]}},
            },
            "required": ["a", "z", "free"],
        },
        {"z": "mock", "a": [3], "free": "mock"},
    ),
    (
        {
            "$defs": {"a/b": {"type": "integer", "minimum": 2}},
            "properties": {"n": {"$ref": "#/$defs/a~1b"}},
            "required": ["n"],
        },
        {"n": 2},
    ),
    ({"anyOf": [{"type": "boolean"}, {"type": "string"}]}, False),
    ({"oneOf": [{"const": "x"}, {"type": "integer"}]}, "x"),
    (
        {
            "allOf": [
                {"properties": {"a": {"const": 1}}, "required": ["a"]},
                {"properties": {"b": {"const": 2}}, "required": ["b"]},
            ]
        },
        {"a": 1, "b": 2},
    ),
    ({"allOf": [True], "type": "null"}, None),
    ({}, "mock"),
]


@pytest.mark.parametrize(("schema", "value"), cases)
def test_the_smallest_value_is_the_expected_one_and_valid(
    schema: dict[str, Any], value: Any
) -> None:
    assert smallest(schema) == value
    if schema != {"type": []}:
        assert jsonschema.Draft202012Validator(schema).is_valid(value)


def test_names_of_an_object_come_in_the_order_of_the_schema() -> None:
    assert list(smallest(cases[18][0])) == ["z", "a", "free"]


def test_a_schema_that_contains_itself_ends() -> None:
    schema = {"properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert "mock" in str(smallest(schema))


def test_a_reference_to_nothing_allows_anything() -> None:
    assert smallest({"$ref": "#/$defs/none/deeper"}) == "mock"
