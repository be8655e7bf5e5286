"""Answers that are lists: items, order, repetitions."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from pipex_core.metrics.scoring import score_item
from tests.fakes.metrics import answer, code, entry_of, score, value


@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [
        ("a\nb\nc", "a\nb\nc", 1.0),
        ("  a \n\n b", "b\na", 1.0),
        ("a\nb", "a\nb\nc\nd", 2 * 2 / 6),
        ("a\na\na", "a", 2 * 1 / 4),
        ('["a", "b"]', "a\nb", 1.0),
        ("```json\n[1, 2]\n```", "[2, 1]", 1.0),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a", "", 0.0),
        ("A", "a", 0.0),
    ],
)
def test_f1_counts_items_with_their_repetitions(
    output: str, reference: str, expected: float
) -> None:
    assert value("list_match", output, reference) == pytest.approx(expected)


def test_a_list_of_texts_is_the_list_and_no_choice_of_references() -> None:
    found = score("list_match", "x\ny", "x", "y", "z")
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(2 * 2 / 5)
    assert found.submetrics["precision"] == 1.0
    assert found.submetrics["recall"] == pytest.approx(2 / 3)


def test_a_structured_answer_is_compared_with_a_structured_reference() -> None:
    item = answer(
        "[1, 2]",
        "[2,3]",
        output_json=[1, 2],
        has_output_json=True,
        reference_json=[2, 3],
        has_reference_json=True,
    )
    found = score_item(entry_of("list_match"), item)
    assert isinstance(found, Scored)
    assert found.value == 0.5


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ("a\nb\nc", 1.0),
        ("c\nb\na", 0.0),
        ("b\na\nc", 2 / 3),  # two of three pairs in order: tau = 1/3
        ("a\nx\nc", 1.0),
        ("x", 1.0),
    ],
)
def test_order_is_kendalls_tau_moved_into_0_to_1(given: str, order: float) -> None:
    found = score("list_match", given, "a\nb\nc")
    assert isinstance(found, Scored)
    assert found.submetrics["order"] == pytest.approx(order)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 1.0), ({"ordered": True}, 2 / 3), ({"ordered": True, "ignore_case": True}, 2 / 3)],
)
def test_ordered_counts_the_longest_common_subsequence(
    options: dict[str, Json], expected: float
) -> None:
    assert value({"type": "list_match", **options}, "b\na\nc", "a\nb\nc") == pytest.approx(expected)


def test_case_is_ignored_when_asked() -> None:
    assert value({"type": "set_f1", "ignore_case": True}, "ÄPFEL", "äpfel") == 1.0


def test_lists_too_long_to_compare_are_too_large() -> None:
    assert code("list_match", "x\n" * 20_001, "x") == "too_large"
