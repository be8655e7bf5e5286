"""Truth, text, order and arithmetic of section 5.2 and the text rule of 6.3."""

import math

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.values import (
    Arithmetic,
    Order,
    between,
    calculate,
    check_growth,
    exists,
    holds,
    in_order,
    is_empty,
    negate,
    to_text,
    truth,
    undefined,
)
from pipex_core.jsonvalue import Json


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_null_false_and_what_is_empty_is_false(value: Json) -> None:
    assert truth(value) is False


@pytest.mark.parametrize("value", [0, 0.0, "0", "false", [None], {"a": None}, True], ids=repr)
def test_all_else_is_true_zero_too(value: Json) -> None:
    assert truth(value) is True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-12, "-12"),
        (2.0, "2.0"),
        (1e20, "1e+20"),
        ([1, "a", None, True, 1.0], '[1,"a",null,true,1.0]'),
        ({"z": "é", "a": {}}, '{"z":"é","a":{}}'),
    ],
)
def test_the_text_of_a_value(value: Json, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    "value", [object(), [object()], [math.nan], 10**5000], ids=["object", "inside", "nan", "long"]
)
def test_what_is_no_json_value_has_no_text(value: Json) -> None:
    with pytest.raises(ExpressionError) as caught:
        to_text(value)
    assert caught.value.code == "type_error"


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("<", 1, 2.5, True),
        ("<=", 2, 2.0, True),
        (">", "b", "a", True),
        (">=", "10", "9", False),
        ("<", "Z", "a", True),
        ("<", None, 1, False),
        ("<", True, 2, False),
        ("<", "1", 2, False),
        ("<=", [1], [1], False),
        ("<", math.nan, 1, False),
    ],
)
def test_order_holds_between_two_numbers_or_two_texts(
    operator: Order, left: Json, right: Json, expected: Json
) -> None:
    assert in_order(operator, left, right) is expected


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (1, "+", 2, 3),
        (1, "+", 2.5, 3.5),
        ("a", "+", "b", "ab"),
        (7, "-", 9, -2),
        (6, "*", 7, 42),
        (7, "/", 7, 1.0),
        (10, "/", 4, 2.5),
        (5, "/", 0, 0),
        (5, "%", 0, 0),
        (7, "%", 3, 1),
        (-7, "%", 3, -1),
        (7, "%", -3, 1),
        (-7.5, "%", 2, -1.5),
        (2**70, "*", 2**70, 2**140),
    ],
)
def test_arithmetic(left: Json, operator: Arithmetic, right: Json, expected: Json) -> None:
    result = calculate(operator, left, right)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [
        ("5", "+", 1),
        (True, "+", 1),
        (None, "*", 2),
        ([1], "+", [2]),
        ("a", "-", "b"),
        (1e308, "*", 10),
        (10**400, "/", 3),
        (10**400, "+", 0.5),
    ],
)
def test_other_operands_and_results_beyond_the_floats_are_type_errors(
    left: Json, operator: Arithmetic, right: Json
) -> None:
    with pytest.raises(ExpressionError) as caught:
        calculate(operator, left, right)
    assert caught.value.code == "type_error"


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [(10**4000, "*", 10**4000), (10**4300, "+", 1), ("x" * 6_000_000, "+", "x" * 6_000_000)],
    ids=["product", "sum", "text"],
)
def test_growth_is_refused_before_it_happens(left: Json, operator: Arithmetic, right: Json) -> None:
    with pytest.raises(ExpressionError) as caught:
        calculate(operator, left, right)
    assert caught.value.code == "expression_too_complex"


def test_ten_million_characters_are_the_limit_of_a_text() -> None:
    check_growth(10_000_000)
    with pytest.raises(ExpressionError):
        check_growth(10_000_001)


@pytest.mark.parametrize(
    ("container", "member", "expected"),
    [
        ("abc", "b", True),
        ("abc", 1, False),
        ([1, 2], 2.0, True),
        ([1], True, False),
        ([[1]], [1], True),
        ({"a": 1}, "a", True),
        ({"1": 1}, 1, False),
        (5, 5, False),
        (None, "a", False),
    ],
)
def test_containing(container: Json, member: Json, expected: Json) -> None:
    assert holds(container, member) is expected


def test_between_includes_both_ends() -> None:
    assert between(5, 5, 5)
    assert not between(5, 6, 10)
    assert not between("5", 1, 10)


def test_a_number_is_negated_and_nothing_else() -> None:
    assert negate(3) == -3
    with pytest.raises(ExpressionError):
        negate("3")


def test_undefined_neither_exists_nor_holds_anything() -> None:
    assert not exists(undefined)
    assert not exists(None)
    assert exists(0)
    nothing: list[Json] = [undefined, None, "", [], {}]
    assert [is_empty(value) for value in nothing] == [True] * 5
    assert [is_empty(value) for value in (0, False, " ", [None])] == [False] * 4
