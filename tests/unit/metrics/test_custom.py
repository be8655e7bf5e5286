"""Functions as metrics: what they are given, what they may answer, what cannot serve."""

# ruff: noqa: ARG001, ARG005 - what a function takes is what is tested here, whether it uses it or not

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Score, Scored, Unscored, measured
from pipex_core.metrics.custom import Contract, FunctionType, score_of


def made(function: Callable[..., Any], **contract: Any) -> FunctionType:
    return FunctionType("custom:mine", function, Contract(**contract))


def said(
    function: Callable[..., Any],
    item: MetricInput,
    options: Mapping[str, Json] | None = None,
    **contract: Any,
) -> Score:
    return measured(made(function, **contract)(**(options or {})), item)


item = MetricInput(
    output="Paris",
    references=("paris",),
    input="Where?",
    query="Where?",
    context=("one", "two"),
    case={"metadata": {"topic": "geo"}, "id": "c1"},
)


@pytest.mark.parametrize(
    ("function", "needs"),
    [
        (lambda predicted, expected: predicted.lower() == expected, {"output", "reference"}),
        (lambda p, e: p.lower() == e, {"output", "reference"}),
        (lambda output, gold: output.lower() == gold, {"output", "reference"}),
        (lambda output, /, *, reference: output.lower() == reference, {"output", "reference"}),
        (lambda predicted: predicted == "Paris", {"output"}),
        (lambda predicted, context: context == ["one", "two"], {"output", "context"}),
        (lambda predicted, expected=None: expected == "paris", {"output"}),
        (lambda predicted, query, metadata: metadata["topic"] == "geo", {"output", "query"}),
        (lambda predicted, *rest, **more: not rest and not more, {"output"}),
    ],
)
def test_parameters_are_given_by_their_names(function: Callable[..., Any], needs: set[str]) -> None:
    assert made(function).info.needs == needs
    assert said(function, item) == Scored(value=1.0)


def test_a_default_value_serves_where_there_is_nothing_to_give() -> None:
    bare = MetricInput(output="x")
    assert said(lambda predicted, context=("none",): context == ("none",), bare).value == 1.0  # type: ignore[union-attr]
    assert said(lambda predicted, usage=None: usage is not None, bare).value == 1.0  # type: ignore[union-attr]


def test_other_parameters_are_options_of_the_metric() -> None:
    def near(predicted: str, expected: str, slack: float = 0.25, mode: str = "none") -> float:
        return slack if mode == "full" else 0.0

    kind = made(near)
    assert list(kind.info.options) == ["slack", "mode"]
    assert kind.info.options["slack"].default == 0.25
    assert said(near, item, {"slack": 0.5, "mode": "full"}) == Scored(value=0.5)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (0.5, Scored(value=0.5)),
        (1, Scored(value=1.0)),
        (True, Scored(value=1.0)),
        (np.float64(0.25), Scored(value=0.25)),
        ((0.5, {"why": "x"}), Scored(value=0.5, details={"why": "x"})),
        ({"score": 1, "why": "x"}, Scored(value=1.0, details={"why": "x"})),
        (
            {"score": 0.5, "label": "half", "details": {"a": 1}, "submetrics": {"p": 1}},
            Scored(value=0.5, label="half", details={"a": 1}, submetrics={"p": 1.0}),
        ),
        (Scored(value=0.5, label="x"), Scored(value=0.5, label="x")),
        (Unscored(code="budget", reason="x"), Unscored(code="budget", reason="x")),
        ((Unscored(code="budget", reason="x"), {}), Unscored(code="budget", reason="x")),
        (
            {"score": None, "reason": "no idea"},
            Unscored(code="not_applicable", reason="no idea"),
        ),
        ({"score": Unscored(code="budget", reason="x")}, Unscored(code="budget", reason="x")),
    ],
)
def test_a_function_may_answer_in_many_forms(answer: object, expected: Score) -> None:
    assert score_of(answer) == expected


@pytest.mark.parametrize("answer", [None, "0.5", [0.5], {"value": 1}, (1, 2, 3), b"1"])
def test_what_is_no_score_is_an_error(answer: object) -> None:
    with pytest.raises(TypeError, match="no score"):
        score_of(answer)


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), np.float32("nan"), 1.5, -1])
def test_numbers_that_are_none_or_lie_outside_become_no_score(answer: float) -> None:
    found = said(lambda predicted: answer, item)
    assert isinstance(found, Unscored)
    assert found.code == "metric_error"


def test_an_exception_stays_with_the_case() -> None:
    found = said(lambda predicted: predicted.nothing, item)
    assert isinstance(found, Unscored)
    assert found.code == "metric_error"
    assert "AttributeError" in found.reason


def test_the_best_of_the_references_counts_by_the_direction() -> None:
    several = MetricInput(output="abc", references=("a", "abcde"))

    def distance(predicted: str, expected: str) -> float:
        return abs(len(predicted) - len(expected)) / 10

    assert said(distance, several) == Scored(value=0.2, details={"reference_index": 0})
    near = MetricInput(output="abc", references=("a", "abcd"))
    found = said(distance, near, direction="lower")
    assert found == Scored(value=0.1, details={"reference_index": 1})


def test_a_reference_that_cannot_be_judged_leaves_the_case_without_a_number() -> None:
    several = MetricInput(output="x", references=("a", "b"))

    def only_a(predicted: str, expected: str) -> Score:
        return Scored(value=1.0) if expected == "a" else Unscored(code="bad_reference", reason="b")

    assert said(only_a, several) == Unscored(code="bad_reference", reason="b")
    together = said(lambda predicted, references: len(references) == 2, several)
    assert together == Scored(value=1.0)


def test_a_structured_reference_is_given_as_a_value() -> None:
    structured = MetricInput(
        output="x", references=("{}",), reference_json={"a": 1}, has_reference_json=True
    )
    assert said(lambda p, e: e == {"a": 1}, structured) == Scored(value=1.0)


def test_the_contract_says_range_direction_and_threshold() -> None:
    assert made(lambda p: 1).info.default_threshold == 0.7
    wide = made(lambda p: 1, range=(0, 5)).info
    assert (wide.range, wide.default_threshold) == ((0.0, 5.0), None)
    assert made(lambda p: 1, direction="lower").info.default_threshold is None
    declared = made(lambda p: 1, range=(0, 5), default_threshold=3, needs=["context"]).info
    assert declared.default_threshold == 3
    assert "context" in declared.needs


def test_the_first_line_of_the_docstring_says_what_it_is() -> None:
    def tone(predicted: str) -> float:
        """Whether the tone is friendly.

        More words.
        """
        return float(bool(predicted))

    assert made(tone).info.summary == "Whether the tone is friendly"
    assert made(tone, summary="friendly").info.summary == "friendly"
    assert made(lambda p: 1).info.summary == "what custom:mine says"


a_thing = object()


async def later(predicted: str) -> float:
    return float(bool(predicted))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda predicted, expected, third: 1, "'third'"),
        (lambda predicted, *, other: 1, "'other'"),
        (lambda predicted, when=a_thing: 1, "default of 'when'"),
        (later, "async"),
        (min, "cannot be seen"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused(
    function: Callable[..., Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        made(function)


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        ({"range": (1, 0)}, "range"),
        ({"direction": "up"}, "direction"),
        ({"cost_class": "dear"}, "cost_class"),
        ({"needs": ["everything"]}, "'everything'"),
        ({"default_threshold": 2}, "outside"),
    ],
)
def test_a_contract_that_cannot_hold_is_refused(contract: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(lambda p: 1, **contract)


def test_a_partial_function_serves_too() -> None:
    def near(predicted: str, expected: str, *, slack: float = 0.0) -> float:
        return slack

    assert said(functools.partial(near, slack=0.5), item) == Scored(value=0.5)
