"""Each operation of section 10.1 on small tables; results by hand."""

import copy
from datetime import UTC, datetime

import pytest

from pipex_core.errors import ExpressionError, PipexError, TransformError
from pipex_core.expressions.transform import rank, transform
from pipex_core.jsonvalue import Json

rows: list[Json] = [
    {"id": 1, "k": "a", "n": 3, "u": {"x": "p"}, "v": [1, [2]]},
    {"id": 2, "k": None, "n": 1, "u": {"x": "q"}, "v": []},
    {"id": 3, "k": "b", "n": 2.0},
    {"id": 4, "k": "a", "n": None, "v": None},
]
scope: dict[str, Json] = {
    "steps": {"right": [{"id": 1, "r": "one"}, {"id": 1, "r": "again"}, "no map", {"r": 5}]},
    "inputs": {"least": 2},
    "vars": {"value": "far"},
}


def ids(result: Json) -> list[int]:
    return [row["id"] for row in result]


def one(operation: str, **fields: Json) -> list[Json]:
    return [{"operation": operation, **fields}]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"condition": "n >= inputs.least"}, [1, 3]),
        ({"condition": "value >= 2", "field": "n"}, [1, 3]),
        ({"condition": "value.id == 4"}, [4]),
        ({"condition": "@.id > 3 or item.id == 1"}, [1, 4]),
        ({"condition": {"not": "k exists"}}, [2]),
        ({"condition": ["k == 'a'", "n"]}, [1]),
        ({"condition": "missing"}, []),
        ({"condition": True}, [1, 2, 3, 4]),
    ],
    ids=str,
)
def test_filter_keeps_items_whose_condition_is_true(fields: Json, kept: list[int]) -> None:
    assert ids(transform(rows, one("filter", **fields), scope)) == kept


@pytest.mark.parametrize(
    ("fields", "data", "expected"),
    [
        ({"expression": "n * 2"}, [{"n": 3}], [6]),
        ({"expression": "n * 2", "field": "n"}, [{"n": 3}], [{"n": 6}]),
        ({"expression": "n * 2", "into": "m.k"}, [{"n": 3}], [{"n": 3, "m": {"k": 6}}]),
        ({"expression": "value + 1", "field": "n", "into": "m"}, [{"n": 3}], [{"n": 3, "m": 4}]),
        ({"expression": "item + 1"}, [1, 2], [2, 3]),
        (
            {"expression": "uppercase", "field": "s"},
            [{"s": "é"}, {"s": 5}, {}],
            [{"s": "É"}, {"s": 5}, {}],
        ),
        ({"expression": "trim"}, [" a ", 5], ["a", 5]),
        (
            {"expression": "lowercase", "field": "s", "into": "t"},
            [{"s": "A"}, {}],
            [{"s": "A", "t": "a"}, {"t": None}],
        ),
        (
            {"mapping": {"a": 1, "": 0, "2.0": "two"}, "field": "k"},
            [{"k": "a"}, {"k": "z"}, {}, {"k": 2.0}],
            [{"k": 1}, {"k": "z"}, {"k": 0}, {"k": "two"}],
        ),
        (
            {"mapping": {"a": 1}, "field": "k", "into": "m"},
            [{"k": "a"}, {"k": "z"}],
            [{"k": "a", "m": 1}, {"k": "z", "m": "z"}],
        ),
        ({"mapping": {"new": 1}}, [{"k": "a"}, {"new": 0}], [{"k": "a", "new": 1}, {"new": 1}]),
        (
            {"fields": {"a": "n", "b": "value", "c": 5}, "field": "k"},
            [{"n": 1, "k": 2}],
            [{"a": 1, "b": 2, "c": 5}],
        ),
    ],
    ids=str,
)
def test_map_makes_new_items(fields: Json, data: Json, expected: Json) -> None:
    assert transform(data, one("map", **fields), scope) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sum", 6.0),
        ("average", 2.0),
        ("avg", 2.0),
        ("count", 3),
        ("count_distinct", 3),
        ("min", 1),
        ("max", 3),
        ("first", 3),
        ("last", 2.0),
        ("unique", [3, 1, 2.0]),
        ("variance", 1.0),
        ("std_dev", 1.0),
    ],
)
def test_aggregate_is_over_values_that_are_not_null(function: str, expected: Json) -> None:
    assert transform(rows, one("aggregate", field="n", function=function), scope) == expected


@pytest.mark.parametrize(
    ("function", "nothing", "single"),
    [
        ("sum", 0, 5),
        ("average", 0, 5.0),
        ("count", 0, 1),
        ("min", None, 5),
        ("first", None, 5),
        ("unique", [], [5]),
        ("std_dev", None, 0),
        ("variance", None, 0),
    ],
)
def test_aggregates_of_nothing_and_of_one(function: str, nothing: Json, single: Json) -> None:
    operations = one("aggregate", function=function)
    assert transform([], operations, scope) == nothing
    assert transform([None, 5], operations, scope) == single


def test_aggregate_by_group_keeps_the_order_of_the_groups() -> None:
    result = transform(rows, one("aggregate", field="n", group_by="k"), scope)
    assert result == {"a": 3, "": 1, "b": 2.0}
    assert list(result) == ["a", "", "b"]


def test_smallest_and_largest_use_the_order_of_sorting() -> None:
    mixed: Json = ["b", 2, "a", False, [1]]
    assert transform(mixed, one("aggregate", function="min"), scope) is False
    assert transform(mixed, one("aggregate", function="max"), scope) == [1]


def test_join_merges_the_first_partner_over_the_item() -> None:
    operations = one("join", right_source="steps.right", join_key="id")
    joined = transform(rows, operations, scope)
    assert [row.get("r") for row in joined] == ["one", None, None, None]
    kept = transform(rows, one("join", right_source="right", join_key="id", type="inner"), scope)
    assert ids(kept) == [1]


def test_null_keys_never_match_and_kinds_differ() -> None:
    operations = one(
        "join", right_source=[{"k": None, "r": 1}, {"k": "1", "r": 2}], join_key="k", left_field="l"
    )
    data: Json = [{"l": None}, {"l": 1}, {"l": "1"}, 5]
    assert transform(data, operations, {}) == [
        {"l": None},
        {"l": 1},
        {"l": "1", "k": "1", "r": 2},
        5,
    ]


def test_group_by_makes_a_map_in_order_of_appearance() -> None:
    grouped = transform(rows, one("group_by", field="k"), scope)
    assert {group: ids(items) for group, items in grouped.items()} == {
        "a": [1, 4],
        "": [2],
        "b": [3],
    }
    assert list(grouped) == ["a", "", "b"]


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ({"field": "n"}, [2, 3, 1, 4]),
        ({"by": "n", "order": "desc"}, [1, 3, 2, 4]),
        ({"field": "k"}, [1, 4, 3, 2]),
        ({"field": "k", "order": "desc"}, [3, 1, 4, 2]),
        ({"field": "u.x"}, [1, 2, 3, 4]),
    ],
    ids=str,
)
def test_sort_is_stable_with_null_last(fields: Json, order: list[int]) -> None:
    assert ids(transform(rows, one("sort", **fields), scope)) == order


def test_kinds_have_an_order() -> None:
    mixed: Json = [{"a": 1}, None, "b", [2, 1], 1.5, True, [2], "a", False, 1, {"a": 0}]
    expected = [False, True, 1, 1.5, "a", "b", [2], [2, 1], {"a": 0}, {"a": 1}, None]
    assert transform(mixed, one("sort"), {}) == expected
    assert transform(mixed, one("sort", order="desc"), {}) == [*expected[-2::-1], None]
    assert rank([None]) > rank([{}])


def test_limit_select_unique_and_flatten() -> None:
    assert ids(transform(rows, one("limit", count=2), scope)) == [1, 2]
    assert transform(rows, one("limit", count=0), scope) == []
    assert transform(rows[:2], one("select", fields=["k", "zz"]), scope) == [
        {"k": "a"},
        {"k": None},
    ]
    assert ids(transform(rows, one("unique", field="k"), scope)) == [1, 2, 3]
    assert transform([1, 1.0, "1", None, None], one("unique"), scope) == [1, "1", None]
    assert transform([[1, [2]], 3, []], one("flatten"), scope) == [1, [2], 3]
    flat = transform(rows[:2], one("flatten", field="v"), scope)
    assert flat == [1, [2]]
    assert transform([{"v": None}], one("flatten", field="v"), scope) == [{"v": None}]


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (one("filter", condition="id == 1"), {"id": 1, "l": [1, 2]}),
        (one("filter", condition="id == 2"), None),
        (one("map", expression="id"), 1),
        (one("flatten", field="l"), [1, 2]),
        (one("aggregate", field="l", function="unique"), [[1, 2]]),
        (one("group_by", field="id"), {"1": [{"id": 1, "l": [1, 2]}]}),
        (one("filter", condition="id == 2") + one("sort"), None),
        (one("group_by", field="id") + one("limit", count=1), {"1": [{"id": 1, "l": [1, 2]}]}),
        ([], {"id": 1, "l": [1, 2]}),
    ],
    ids=str,
)
def test_a_map_is_a_list_of_one_and_handed_back_as_a_map(operations: Json, expected: Json) -> None:
    assert transform({"id": 1, "l": [1, 2]}, operations, {}) == expected


@pytest.mark.parametrize(
    ("data", "operations", "error", "code"),
    [
        (5, one("limit", count=1), TransformError, "type_error"),
        (rows, one("aggregate", field="n") + one("limit", count=1), TransformError, "type_error"),
        (rows, one("aggregate", field="k"), TransformError, "type_error"),
        (["a"], one("map", expression="1", into="x"), TransformError, "type_error"),
        ([{"a": 1}], one("map", expression="1", into="a.b"), TransformError, "type_error"),
        (["a"], one("map", mapping={"a": 1}), TransformError, "type_error"),
        (["a"], one("select", fields=["a"]), TransformError, "type_error"),
        (
            rows,
            one("join", right_source="inputs.least", join_key="k"),
            TransformError,
            "type_error",
        ),
        (
            rows,
            one("join", right_source="zz", join_key="k"),
            ExpressionError,
            "undefined_reference",
        ),
        (rows, one("map", expression="zz"), ExpressionError, "undefined_reference"),
        (rows, one("map", expression="k + 1"), ExpressionError, "type_error"),
        (rows, one("map", expression="a b"), ExpressionError, "expression_syntax"),
        ([], one("nope"), TransformError, "unknown_operation"),
        ([], one("aggregate", function="weird"), TransformError, "unknown_value"),
        (rows, one("filter", condition="k matches p"), ExpressionError, "expression_too_complex"),
        ([1e308, 1e308], one("aggregate"), TransformError, "type_error"),
    ],
)
def test_a_failure_says_which_operation(
    data: Json, operations: Json, error: type[PipexError], code: str
) -> None:
    with pytest.raises(error) as caught:
        transform(data, operations, {**scope, "p": "a" * 1001})
    assert caught.value.code == code
    assert caught.value.message.startswith("operations[")


def test_a_suggestion_is_part_of_the_message() -> None:
    with pytest.raises(TransformError, match="did you mean 'filter'"):
        transform([], one("filtr"), {})


def test_a_warning_stops_nothing() -> None:
    assert transform([1, 1], one("unique", feild="x"), {}) == [1]


def test_data_that_nests_beyond_the_stack_is_too_complex() -> None:
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ExpressionError) as caught:
        transform([deep], one("unique"), {})
    assert caught.value.code == "expression_too_complex"


def test_nothing_handed_in_is_changed() -> None:
    before = copy.deepcopy((rows, scope))
    transform(
        rows,
        [
            *one("map", expression="1", into="u.y"),
            *one("map", mapping={"q": []}),
            *one("join", right_source="right", join_key="id"),
            *one("sort", field="n", order="desc"),
            *one("unique"),
        ],
        scope,
    )
    assert (rows, scope) == before


def test_a_clock_reaches_the_expressions() -> None:
    def noon() -> datetime:
        return datetime(2025, 1, 31, 12, tzinfo=UTC)

    assert transform([1], one("map", expression="date()"), {}, now=noon) == ["2025-01-31"]


def test_every_item_has_fuel_of_its_own() -> None:
    operations = one("map", expression="length(range(1500000))")
    assert transform([1, 2], operations, {}) == [1_500_000] * 2
