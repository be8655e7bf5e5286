"""What is wrong with a list of operations, found at load."""

import pytest

from pipex_core.expressions.operations import normal, operation_shapes, read_operations
from pipex_core.expressions.reading import Reference
from pipex_core.jsonvalue import Json


@pytest.mark.parametrize(
    ("operations", "code", "path"),
    [
        ("filter", "wrong_type", ""),
        (["filter"], "wrong_type", "[0]"),
        ([{}], "missing_field", "[0].operation"),
        ([{"operation": "filtr"}], "unknown_operation", "[0].operation"),
        ([{"operation": 5}], "unknown_operation", "[0].operation"),
        ([{"operation": "filter"}], "missing_field", "[0].condition"),
        ([{"operation": "filter", "condition": "a <"}], "expression_syntax", "[0].condition"),
        ([{"operation": "filter", "condition": {}}], "bad_condition", "[0].condition"),
        ([{"operation": "filter", "condition": "a", "field": 5}], "wrong_type", "[0].field"),
        ([{"operation": "filter", "condition": "a", "feild": "b"}], "unknown_field", "[0].feild"),
        ([{"operation": "map"}], "missing_field", "[0]"),
        ([{"operation": "map", "mapping": {}, "fields": {}}], "conflicting_fields", "[0]"),
        ([{"operation": "map", "expression": 5}], "wrong_type", "[0].expression"),
        ([{"operation": "map", "expression": "lenth(a)"}], "unknown_function", "[0].expression"),
        ([{"operation": "map", "fields": {"k": "a +"}}], "expression_syntax", "[0].fields.k"),
        ([{"operation": "aggregate", "function": "weird"}], "unknown_value", "[0].function"),
        ([{"operation": "join", "right_source": "r"}], "missing_field", "[0].join_key"),
        (
            [{"operation": "join", "right_source": "r", "join_key": "k", "join_type": "outer"}],
            "unknown_value",
            "[0].join_type",
        ),
        ([{"operation": "sort", "by": "a", "order": "down"}], "unknown_value", "[0].order"),
        ([{"operation": "limit", "count": -1}], "out_of_range", "[0].count"),
        ([{"operation": "limit", "count": True}], "wrong_type", "[0].count"),
        ([{"operation": "select", "fields": "a"}], "wrong_type", "[0].fields"),
        ([{"operation": "unique"}, {"operation": "group_by"}], "missing_field", "[1].field"),
    ],
    ids=str,
)
def test_each_slip_is_one_finding(operations: Json, code: str, path: str) -> None:
    (finding,) = read_operations(operations).findings
    assert (finding.code, finding.path) == (code, path)


def test_near_words_are_suggested() -> None:
    suggestions = [
        read_operations([operation]).findings[0].suggestion
        for operation in (
            {"operation": "filtr"},
            {"operation": "aggregate", "function": "cuont"},
            {"operation": "unique", "feild": "a"},
        )
    ]
    assert suggestions == ["filter", "count", "field"]


@pytest.mark.parametrize("slip", ["operaton", "op", "type"])
def test_an_operation_without_its_name_points_at_what_nearly_says_it(slip: str) -> None:
    missing, hint = read_operations([{slip: "filter", "condition": "true"}]).findings
    assert (missing.code, missing.path) == ("missing_field", "[0].operation")
    assert (hint.code, hint.path) == ("unknown_field", f"[0].{slip}")
    assert hint.suggestion == "operation"


def test_the_path_of_an_odd_key_is_the_one_that_the_file_has_for_it() -> None:
    (finding,) = read_operations([{"operation": "map", "fields": {"odd key": "a +"}}]).findings
    assert finding.path == '[0].fields["odd key"]'


def test_an_unknown_field_is_a_warning() -> None:
    (finding,) = read_operations([{"operation": "unique", "feild": "a"}]).findings
    assert finding.severity == "warning"


def test_names_inside_may_be_fields_of_the_items_but_not_in_a_source() -> None:
    reading = read_operations(
        [
            {"operation": "filter", "condition": ["a", "b.c"]},
            {"operation": "map", "fields": {"k": "d", "l": 5}},
            {"operation": "map", "expression": "uppercase"},
            {"operation": "join", "right_source": "previous_response:e", "join_key": "k"},
        ]
    )
    assert reading.findings == ()
    assert reading.references == (
        Reference(root="a", in_item=True, path="[0].condition[0]"),
        Reference(root="b", keys=("c",), in_item=True, path="[0].condition[1]"),
        Reference(root="d", in_item=True, path="[1].fields.k"),
        Reference(root="previous_response", keys=("e",), path="[3].right_source"),
    )


def test_aliases_become_the_names_of_the_fields() -> None:
    assert normal({"operation": "sort", "by": "a"}) == {"operation": "sort", "field": "a"}


def test_the_operations_are_those_of_the_language() -> None:
    # The table of section 10.1.
    words = "filter map aggregate join group_by sort limit select unique flatten"
    assert set(operation_shapes) == set(words.split())
