"""The table of replies: what is a verdict, what is clamped, and what has to be mended."""

from typing import Any

import pytest

from pipex_core.expressions.values import undefined
from pipex_core.jsonvalue import check_schema
from pipex_core.metrics.judge_reply import (
    Abstained,
    Misread,
    OneOf,
    OnScale,
    Said,
    Shape,
    TextList,
    WordPerItem,
    example_of,
    read,
    schema_of,
)

share = OnScale(low=0, high=1)
stars = OnScale()
label = OneOf(labels={"pass": "", "fail": ""})
claims = TextList(name="claims")
words = WordPerItem(count=2, words={"yes": "", "no": ""})


def said(**fields: Any) -> dict[str, Any]:
    return {"reasoning": "why", **fields}


@pytest.mark.parametrize(
    ("shape", "score", "value", "raw"),
    [
        (share, 0.25, 0.25, None),
        (share, 1, 1.0, None),
        (share, 1.005, 1.0, 1.005),
        (share, 1.01, 1.0, 1.01),
        (share, -0.01, 0.0, -0.01),
        (stars, 1, 0.0, None),
        (stars, 4, 0.75, None),
        (stars, 2.5, 0.375, None),
        (stars, 5.04, 1.0, 5.04),
        (OnScale(low=-2, high=2), 1, 0.75, None),
    ],
)
def test_a_score_maps_linearly_and_a_hair_outside_is_clamped(
    shape: OnScale, score: float, value: float, raw: float | None
) -> None:
    found = read(shape, said(score=score))
    assert found == Said(score=value, reasoning="why", raw=raw)


@pytest.mark.parametrize(
    ("shape", "reply", "problem"),
    [
        (share, undefined, "not one JSON object"),
        (share, [1], "is a list, not"),
        (share, {"score": 1}, "`reasoning` is missing"),
        (share, {"reasoning": 3, "score": 1}, "`reasoning` is missing"),
        (share, said(), "`score` is missing"),
        (share, said(score=1.7), "`score` is 1.7, outside 0 to 1"),
        (share, said(score=1.011), "outside 0 to 1"),
        (stars, said(score=0.95), "outside 1 to 5"),
        (stars, said(score="4"), "`score` is a string, not a number"),
        (stars, said(score=True), "`score` is a boolean, not a number"),
        (stars, said(score=None), "`score` is a null, not a number"),
        (label, said(), "`label` is missing"),
        (label, said(label="PASS"), "`label` is 'PASS', not one of"),
        (label, said(label=["pass"]), "not one of"),
        (claims, said(claims="one"), "`claims` is no list of texts"),
        (claims, said(claims=[1]), "`claims` is no list of texts"),
        (words, said(verdicts="yes"), "`verdicts` is a string, not a list"),
        (words, said(verdicts=["yes", "no"]), "needs an `item` from 1 to 2"),
        (words, said(verdicts=[{"item": 3, "verdict": "yes"}]), "needs an `item` from 1 to 2"),
        (words, said(verdicts=[{"item": True, "verdict": "yes"}]), "needs an `item` from 1 to 2"),
        (
            words,
            said(verdicts=[{"item": 1, "verdict": "maybe"}]),
            "verdict of item 1 is not one of",
        ),
        (words, said(verdicts=[{"item": 1, "verdict": ["no"]}]), "verdict of item 1 is not one of"),
        (words, said(verdicts=[{"item": 1, "verdict": "no"}] * 2), "item 1 has two verdicts"),
        (words, said(verdicts=[{"item": 1, "verdict": "no"}]), "no verdict for item 2"),
    ],
)
def test_what_was_not_asked_for_is_misread_and_says_why(
    shape: Shape, reply: Any, problem: str
) -> None:
    found = read(shape, reply)
    assert isinstance(found, Misread)
    assert problem in found.problem


def test_labels_lists_and_words_are_read() -> None:
    assert read(label, said(label="fail")) == Said(label="fail", reasoning="why")
    assert read(claims, said(claims=["a", "b"])) == Said(listed=("a", "b"), reasoning="why")
    in_any_order = [{"item": 2, "verdict": "no"}, {"item": 1, "verdict": "yes"}]
    assert read(words, said(verdicts=in_any_order)) == Said(listed=("yes", "no"), reasoning="why")


def test_a_judge_may_abstain_whatever_else_he_says() -> None:
    assert read(stars, said(abstain=True)) == Abstained("why")
    assert read(stars, said(abstain=True, score=9)) == Abstained("why")
    assert read(stars, said(abstain=False, score=5)) == Said(score=1.0, reasoning="why")


def test_further_fields_are_passed_over() -> None:
    assert read(label, said(label="pass", confidence=0.9)) == Said(label="pass", reasoning="why")


@pytest.mark.parametrize("shape", [share, stars, label, claims, words])
def test_the_schema_asks_for_the_reasoning_first(shape: Shape) -> None:
    schema = schema_of(shape)
    assert next(iter(schema["properties"])) == "reasoning"
    assert list(schema["properties"])[-1] == "abstain"
    assert "abstain" not in schema["required"]
    assert example_of(shape).startswith('{"reasoning": <text>, ')


@pytest.mark.parametrize(
    ("shape", "reply"),
    [
        (stars, said(score=3)),
        (label, said(label="pass")),
        (claims, said(claims=[])),
        (words, said(verdicts=[{"item": 1, "verdict": "yes"}, {"item": 2, "verdict": "no"}])),
    ],
)
def test_a_reply_that_fits_the_schema_is_understood(shape: Shape, reply: Any) -> None:
    assert check_schema(reply, schema_of(shape)) == []
    assert isinstance(read(shape, reply), Said)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (5, 1), (0, float("inf"))])
def test_a_scale_goes_upwards_and_ends(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="a scale goes upwards"):
        OnScale(low=low, high=high)
