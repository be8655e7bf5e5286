"""Steps into values, section 5.4."""

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.paths import Key, dotted, get, parse_path, put, step
from pipex_core.expressions.values import undefined
from pipex_core.jsonvalue import Json


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a", ("a",)),
        ("a.b.0", ("a", "b", "0")),
        ("a[0][-1]", ("a", 0, -1)),
        ("a[\"odd key\"]['x.y']", ("a", "odd key", "x.y")),
        ("first name", ("first name",)),
        ("mass [kg]", ("mass [kg]",)),
        ("a..b", ("a..b",)),
        ("", ("",)),
    ],
)
def test_a_path_is_read_from_its_text(text: str, keys: tuple[Key, ...]) -> None:
    assert parse_path(text) == keys


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ([5, 6], 0, 5),
        ([5, 6], -1, 6),
        ([5, 6], 2, undefined),
        ([5, 6], -3, undefined),
        ([5, 6], "0", undefined),
        ([5, 6], True, undefined),
        ([5, 6], 1.0, undefined),
        ({"0": "x"}, 0, "x"),
        ({"a": None}, "a", None),
        ({"1": "x"}, True, undefined),
        ({}, None, undefined),
        (None, "a", undefined),
        ("text", 0, undefined),
    ],
    ids=str,
)
def test_a_list_takes_integers_and_a_map_texts(value: Json, key: Json, expected: Json) -> None:
    assert step(value, key) == expected


def test_length_is_the_size_where_no_key_is() -> None:
    assert dotted("été", "length") == 3
    assert dotted([1], "length") == 1
    assert dotted({"a": 1}, "length") == 1
    assert dotted({"length": "long"}, "length") == "long"
    assert dotted(5, "length") is undefined


def test_digits_behind_a_dot_count_in_lists_and_name_in_maps() -> None:
    assert dotted([5, 6], "1", 1) == 6
    assert dotted({"1": "x"}, "1", 1) == "x"


def test_a_key_that_is_the_whole_path_comes_first() -> None:
    assert get({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert get({"a": {"b": [7, 8]}}, "a.b.1") == 8
    assert get({"a": {"b": [7, 8]}}, "a.b[-1]") == 8
    assert get({"a": 1}, "a.b") is undefined


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"a": 1}, "b", {"a": 1, "b": "new"}),
        ({"a": {"x": 1}}, "a.y", {"a": {"x": 1, "y": "new"}}),
        ({}, "a.b.c", {"a": {"b": {"c": "new"}}}),
        ({"a": None}, "a.b", {"a": {"b": "new"}}),
        ({"a": [1, 2]}, "a.1", {"a": [1, "new"]}),
        ({"a": [{"k": 1}]}, "a[-1].k", {"a": [{"k": "new"}]}),
        ({"a.b": 1}, "a.b", {"a.b": "new"}),
    ],
    ids=str,
)
def test_a_value_is_set_in_a_copy(value: Json, path: str, expected: Json) -> None:
    before = repr(value)
    assert put(value, path, "new") == expected
    assert repr(value) == before


@pytest.mark.parametrize(("value", "path"), [({"a": 1}, "a.b"), ({"a": [1]}, "a.x"), ([1], "5")])
def test_no_field_is_set_where_none_can_be(value: Json, path: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        put(value, path, "new")
    assert caught.value.code == "type_error"
