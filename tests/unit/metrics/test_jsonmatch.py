"""JSON against JSON, leaf by leaf."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json, compact
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, entry_of, score, value


def of_values(given: Json, wanted: Json, **options: Json) -> Scored:
    found = score(
        {"type": "json_match", **options},
        compact(given),
        compact(wanted),
        reference_json=wanted,
        has_reference_json=True,
    )
    assert isinstance(found, Scored), found
    return found


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ({}, {}, 1.0),
        ([], {}, 1.0),
        ({}, {"a": 1}, 0.0),
        ({"a": 1}, {}, 0.0),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, 1.0),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, 0.5),
        ({"a": 1}, {"a": 1, "b": 2}, 2 * 1 / 3),
        ({"a": 1, "x": 0, "y": 0}, {"a": 1}, 2 * 1 / 4),
        ({"a": [1, 2]}, {"a": [1, 3]}, 0.5),
        ({"a": []}, {"a": []}, 1.0),
        ({"a": {}}, {"a": []}, 0.0),
        (1, 1.0, 1.0),
        (True, 1, 0.0),
        ("1", 1, 0.0),
        (None, None, 1.0),
    ],
)
def test_the_value_is_f1_of_leaves(given: Json, wanted: Json, expected: float) -> None:
    assert of_values(given, wanted).value == pytest.approx(expected)


def test_what_is_wrong_and_what_is_too_much_is_named_by_pointer() -> None:
    found = of_values({"a/b": 1, "c": {"d": 2}, "e": 3}, {"a/b": 9, "c": {"d": 2}})
    assert found.details == {"wrong": ["/a~1b"], "extra": ["/e"]}
    assert found.submetrics == {"precision": pytest.approx(1 / 3), "recall": 0.5}


def test_numbers_may_differ_by_a_relative_tolerance() -> None:
    assert of_values({"a": 100.4}, {"a": 100}, rel_tol=0.01).value == 1.0
    assert of_values({"a": 102}, {"a": 100}, rel_tol=0.01).value == 0.0


def test_fuzzy_texts_are_worth_their_similarity() -> None:
    assert of_values({"a": "kitten"}, {"a": "sitting"}).value == 0.0
    # three edits in seven letters
    assert of_values({"a": "kitten"}, {"a": "sitting"}, fuzzy=True).value == pytest.approx(4 / 7)


def test_ignored_parts_count_on_neither_side() -> None:
    given: Json = {"id": 7, "items": [{"t": 1, "v": 1}, {"t": 2, "v": 2}]}
    wanted: Json = {"id": 8, "items": [{"t": 8, "v": 1}, {"t": 9, "v": 2}], "gone": 1}
    assert of_values(given, wanted, ignore=["/id", "/items/*/t", "/gone"]).value == 1.0


def test_an_unordered_list_is_matched_as_well_as_possible() -> None:
    given: Json = {"a": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]}
    wanted: Json = {"a": [{"n": "y", "v": 2}, {"n": "x", "v": 9}]}
    assert of_values(given, wanted).value == 0.0
    found = of_values(given, wanted, unordered=["/a"])
    assert found.value == pytest.approx(3 / 4)
    assert found.details == {"wrong": ["/a/1/v"]}


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ([1, 2, 3], [3], 2 * 1 / 4),
        ([3], [1, 2, 3], 2 * 1 / 4),
        ([], [1], 0.0),
        ([[2, 1], [4, 3]], [[3, 4], [1, 2]], 1.0),
    ],
)
def test_unordered_lists_of_different_lengths_and_inside_one_another(
    given: Json, wanted: Json, expected: float
) -> None:
    found = of_values(given, wanted, unordered=["", "/*"])
    assert found.value == pytest.approx(expected)


def test_a_text_reference_is_read_as_json() -> None:
    assert value("json_diff", '```json\n{"a": 1}\n```', '{"a": 1}') == 1.0
    assert value("json_match", '{"a": 2}', "no json", '{"a": 2}') == 1.0
    assert code("json_match", "{}", "no json") == "bad_reference"


def test_an_answer_that_is_no_json_is_wrong() -> None:
    assert score("json_match", "Sure! {}", "{}") == Scored(value=0.0, label="not_json")


def test_too_many_leaves_are_too_large() -> None:
    many = compact(list(range(20_001)))
    assert code("json_match", many, "[1]") == "too_large"


def test_a_pointer_starts_with_a_slash() -> None:
    with pytest.raises(SpecError, match="JSON pointer"):
        entry_of({"type": "json_match", "ignore": ["a"]})
