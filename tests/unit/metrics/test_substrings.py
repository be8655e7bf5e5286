"""What an answer contains, starts with or ends with."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, entry_of, score, value


@pytest.mark.parametrize(
    ("raw", "output", "reference", "found"),
    [
        ("contains", "it is red", "red", True),
        ("contains", "it is Red", "red", False),
        ("icontains", "it is Red", "rED", True),
        ("contains", "caf\u00e9", "cafe\u0301", True),
        ({"type": "contains", "normalize": "none"}, "caf\u00e9", "cafe\u0301", False),
        ({"type": "contains", "whole_word": True}, "infrared", "red", False),
        ({"type": "contains", "whole_word": True}, "is red.", "red", True),
        ({"type": "contains", "whole_word": True}, "c++ (c++)", "c++", True),
        ("contains", "", "red", False),
        ("starts_with", " Yes, of course", "Yes", True),
        ({"type": "starts_with", "strip": False}, " Yes", "Yes", False),
        ({"type": "starts_with", "ignore_case": True}, "YES", "yes", True),
        ("starts_with", "Of course yes", "yes", False),
        ("ends_with", "the answer is 4\n", "4", True),
        ({"type": "ends_with", "strip": False}, "4\n", "4", False),
        ("ends_with", "4 it is", "4", False),
    ],
)
def test_parts_of_an_answer(raw: Json, output: str, reference: str, *, found: bool) -> None:
    assert value(raw, output, reference) == float(found)


@pytest.mark.parametrize("kind", ["contains", "starts_with", "ends_with"])
def test_a_given_value_needs_no_reference(kind: str) -> None:
    raw = {"type": kind, "value": "yes"}
    assert value(raw, "yes") == 1.0
    assert value(raw, "no", "no") == 0.0
    assert entry_of(raw).info.needs == {"output"}
    assert entry_of(kind).info.needs == {"output", "reference"}


def test_an_empty_text_is_nothing_to_look_for() -> None:
    assert code("contains", "anything", "") == "bad_reference"
    assert code("contains", "anything", "", "") == "bad_reference"
    assert code("starts_with", "anything", "  ") == "bad_reference"
    assert score("contains", "red", "", "red") == Scored(value=1.0, details={"reference_index": 1})
    assert value("contains", "red", "", "blue") == 0.0
    with pytest.raises(SpecError, match="value must not be empty"):
        entry_of({"type": "contains", "value": ""})


def test_contains_all_is_a_share_and_names_what_is_missing() -> None:
    raw = {"type": "contains_all", "values": ["red", "Green", "blue", "grey"]}
    assert score(raw, "red, green and blue") == Scored(
        value=0.5, details={"missing": ["Green", "grey"]}
    )
    assert score({**raw, "ignore_case": True}, "RED green BLUE grey") == Scored(value=1.0)


def test_contains_any_is_all_or_nothing() -> None:
    raw = {"type": "contains_any", "values": ["red", "green"]}
    assert (value(raw, "green"), value(raw, "blue"), value(raw, "")) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("values", [[], ["red", ""]])
def test_values_must_be_something(values: list[str]) -> None:
    with pytest.raises(SpecError, match="values must hold at least one text"):
        entry_of({"type": "contains_any", "values": values})
