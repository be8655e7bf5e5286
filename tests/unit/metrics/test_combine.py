"""Metrics in the expression language."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored, Unscored, Usage
from tests.fakes.metrics import code, entry_of, score, value

facts: Json = {
    "output_json": {"n": 3},
    "has_output_json": True,
    "input": {"limit": 4},
    "case": {"metadata": {"max": 5}, "tags": ["a"]},
    "usage": Usage(output_tokens=10),
}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("output == expected", 0.0),
        ("contains(output, 'x')", 1.0),
        ("output_json.n / input.limit", 0.75),
        ("output_json.n / case.metadata.max", 0.6),
        ("usage.output_tokens / 20", 0.5),
        ("contains(case.tags, 'a')", 1.0),
    ],
)
def test_an_expression_sees_answer_case_and_usage(expr: str, expected: float) -> None:
    assert value({"type": "expression", "expr": expr}, "x", "y", **facts) == expected


def test_alternative_and_structured_references_are_lists_and_values() -> None:
    raw: Json = {"type": "expression", "expr": "contains(expected, output)"}
    assert value(raw, "a", "a", "b") == 1.0
    structured = {"reference_json": {"a": 1}, "has_reference_json": True}
    assert value({**raw, "expr": "expected.a"}, "a", "{}", **structured) == 1.0


def test_what_is_read_is_needed() -> None:
    assert code({"type": "expression", "expr": "output == expected"}, "x") == "no_reference"
    assert code({"type": "expression", "expr": "length(input) > 1"}, "x") == "missing_input"
    assert value({"type": "expression", "expr": "1 > 0"}, "x") == 1.0


def test_a_share_has_the_usual_threshold_and_other_numbers_none() -> None:
    assert entry_of({"type": "expression", "expr": "1"}).threshold == 0.7
    wide: Json = {"type": "expression", "expr": "length(output)", "opts": {"high": 100}}
    assert entry_of(wide).threshold is None
    assert value(wide, "four") == 4.0
    lower = entry_of({"type": "expression", "expr": "1", "direction": "lower"})
    assert (lower.info.direction, lower.threshold) == ("lower", None)


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("output", "gave string"),
        ("null", "gave null"),
        ("2", "outside 0..1"),
        ("output_json.nothing.at_all", "undefined"),
    ],
)
def test_what_is_no_number_in_range_is_no_score(expr: str, reason: str) -> None:
    found = score({"type": "expression", "expr": expr}, "x", **facts)
    assert isinstance(found, Unscored), found
    assert found.code == "metric_error"
    assert reason in found.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "required"),
        ({"expr": "1 +"}, "expression"),
        ({"expr": "answer == 1"}, "means nothing here"),
        ({"expr": "1", "low": 1.0}, "not below"),
    ],
)
def test_a_wrong_expression_is_refused_before_anything_runs(
    options: dict[str, Json], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        entry_of({"type": "expression", **options})


def test_only_an_expression_that_reads_the_case_depends_on_all_of_it() -> None:
    assert entry_of({"type": "expression", "expr": "case.weight"}).info.reads_case
    assert not entry_of({"type": "expression", "expr": "output == ''"}).info.reads_case
    assert score({"type": "expression", "expr": "output == ''"}, "") == Scored(value=1.0)
