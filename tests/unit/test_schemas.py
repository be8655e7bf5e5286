"""What is wrong with a JSON Schema, place by place, and the keywords that are decided here."""

import pytest

from pipex_core.jsonvalue import Json, check_schema
from pipex_core.schemas import faults, pointer


@pytest.mark.parametrize(
    ("schema", "places"),
    [
        (5, [""]),
        ([], [""]),
        ({"type": "strng"}, ["/type"]),
        ({"type": ["string", "nul"]}, ["/type"]),
        ({"required": "a"}, ["/required"]),
        ({"required": ["a", "a"]}, ["/required"]),
        ({"required": ["a", 5]}, ["/required/1"]),
        ({"enum": "a"}, ["/enum"]),
        ({"multipleOf": 0}, ["/multipleOf"]),
        ({"minLength": -1}, ["/minLength"]),
        ({"pattern": "("}, ["/pattern"]),
        ({"patternProperties": {"(": {}}}, ["/patternProperties"]),
        ({"anyOf": []}, ["/anyOf"]),
        ({"items": [{"type": "string"}]}, ["/items"]),
        ({"properties": {"a/b": {"c~": 1, "type": 7}}}, ["/properties/a~1b/type"]),
        (
            {"required": "a", "properties": {"b": {"minimum": "1"}, "a": {"type": "strng"}}},
            ["/properties/a/type", "/properties/b/minimum", "/required"],
        ),
        ({"$ref": "#/$defs/none"}, ["/$ref"]),
        ({"allOf": [{}, {"$ref": "other.json"}]}, ["/allOf/1/$ref"]),
        ({"$defs": {"a": {"$dynamicRef": "#nowhere"}}}, ["/$defs/a/$dynamicRef"]),
        ({"properties": {"a": {"$ref": "#/x"}, "b": {"$ref": "#/y"}}},
         ["/properties/a/$ref", "/properties/b/$ref"]),
        ({"$defs": {"a": {"$anchor": "x"}}, "$ref": "#x"}, []),
        ({"$ref": "#/words/a", "words": {"a": {"$ref": "#"}}}, []),
        (True, []),
    ],
    ids=str,
)  # fmt: skip
def test_each_place_that_is_wrong_is_named(schema: Json, places: list[str]) -> None:
    assert [fault.pointer for fault in faults(schema)] == places


def test_a_type_that_is_none_is_told_the_types() -> None:
    (fault,) = faults({"type": "text"})
    assert fault.reason.startswith("'text' is no type; the types are null, boolean, object")


@pytest.mark.parametrize(
    ("value", "step", "divides"),
    [
        (19.99, 0.01, True),
        (0.3, 0.1, True),
        (0.35, 0.1, False),
        (4.5, 1.5, True),
        (7, 2.5, False),
        (10**30, 3, False),
        (10**30, 10, True),
        (1e308, 0.5, True),
        (1e-8, 1e-9, True),
        (10**4290, 1e-300, True),
        (True, 2, True),
        ("7", 2, True),
    ],
)
def test_a_multiple_is_one_in_decimals(value: Json, step: float, *, divides: bool) -> None:
    assert (check_schema(value, {"multipleOf": step}) == []) is divides


@pytest.mark.parametrize(
    ("value", "pattern", "matches"),
    [
        ("abcd", "b.d", True),
        ("abcd", "^b", False),
        (5, "^b", True),
        ("a{", "{$", True),
        ("a" * 40 + "!", "^(a|aa)+$", False),  # would take centuries
    ],
)
def test_a_pattern_is_searched_with_an_end(value: Json, pattern: str, *, matches: bool) -> None:
    assert (check_schema(value, {"pattern": pattern}) == []) is matches


def test_data_inside_a_schema_is_left_as_it_is() -> None:
    schema = {"const": {"properties": {"a": False}}}
    assert check_schema({"properties": {"a": False}}, schema) == []


def test_false_is_reported_where_it_forbids() -> None:
    schema = {
        "properties": {"a": False},
        "prefixItems": [False],
        "patternProperties": {"^b": False},
    }
    assert [place for place, _ in check_schema({"a": 1, "b": 2}, schema)] == ["/a", "/b"]
    assert [place for place, _ in check_schema([1], schema)] == ["/0"]


def test_a_pointer_escapes_its_two_signs() -> None:
    assert pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"
    assert pointer([]) == ""
