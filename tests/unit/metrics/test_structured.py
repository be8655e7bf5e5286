"""Answers that are meant to be JSON."""

import pytest

from pipex_core.metrics.contract import Scored
from pipex_core.metrics.structured import repaired
from tests.fakes.metrics import score, value


@pytest.mark.parametrize(
    "output",
    ["{}", " [1, 2]\n", "null", '"text"', "3.5", "```json\n{}\n```", "```\n[]\n```", "```{}```"],
)
def test_one_json_value_is_valid(output: str) -> None:
    assert score("json_valid", output) == Scored(value=1.0)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "{} {}",
        "Here: {}",
        "NaN",
        "[1,]",
        "{'a': 1}",
        '{"a": 1, "a": 2}',
        "```json\n{}\n```\n```json\n{}\n```",
        "```json\n{}\n```\nDone.",
        "[" * 65 + "]" * 65,
        "[" * 100_000,
    ],
)
def test_anything_else_is_not(output: str) -> None:
    assert value("json_valid", output) == 0.0


def test_the_details_say_what_is_wrong() -> None:
    assert score("json_valid", '{"a": 1, "a": 2}') == Scored(
        value=0.0, details={"error": "duplicate key 'a'"}
    )


def test_repair_changes_the_details_only() -> None:
    raw = {"type": "json_valid", "repair": True}
    mended, lost = score(raw, "Sure: {'a': 1}"), score(raw, "Sure: [1, 2,]")
    assert isinstance(mended, Scored)
    assert isinstance(lost, Scored)
    assert (mended.value, mended.details["repairable"]) == (0.0, False)
    assert (lost.value, lost.details["repairable"]) == (0.0, True)
    assert score(raw, "{}") == Scored(value=1.0)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ('Sure! {"a": 1} Anything else?', ({"a": 1},)),
        ('{"a": [1, 2,], }', ({"a": [1, 2]},)),
        ('{"a": None, "b": True, "c": "None, True,]"}', ({"a": None, "b": True, "c": "None, True,]"},)),
        ("```json\n[False,]\n```", ([False],)),
        ("the list [1, 2] of {things", ([1, 2],)),
        ("nothing here", None),
        ("{'single': 'quotes'}", None),
    ],
)  # fmt: skip
def test_what_can_be_mended(text: str, box: tuple[object] | None) -> None:
    assert repaired(text) == box
