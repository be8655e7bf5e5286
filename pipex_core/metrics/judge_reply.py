"""What a judge may reply, and how a reply is read: a score, a label, or a verdict for each item of a list.

The schema asks for the reasoning first, so that the verdict follows from it. What does not fit is a
``Misread`` with words that a repair call can quote, never a number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, assert_never

from pipex_core.expressions.values import Undefined, undefined
from pipex_core.jsonvalue import Json, type_name

clamped_share: Final = 0.01  # of the width of a scale: a rounding of the judge, not another opinion


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A reply that was understood.

    Attributes:
        score: In 0..1, of replies on a scale.
        label: Of replies with a label.
        listed: Texts, or one word per item, of replies with a list.
        reasoning: Why, in the judge's words.
        raw: The number before it was clamped; None when it was not.
    """

    score: float | None = None
    label: str | None = None
    listed: Sequence[str] = ()
    reasoning: str = ""
    raw: float | None = None


@dataclass(frozen=True, slots=True)
class Abstained:
    """The judge says that it cannot tell."""

    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Misread:
    """The reply is none of those that were asked for.

    Attributes:
        problem: What is wrong, for the judge to mend.
    """

    problem: str


Read = Said | Abstained | Misread


@dataclass(frozen=True, slots=True, kw_only=True)
class OnScale:
    """A number on a scale that maps linearly to 0..1.

    Attributes:
        anchors: Level to what it means, from low to high.
    """

    low: float = 1.0
    high: float = 5.0
    anchors: Mapping[float, str] = field(default_factory=dict)
    kind: Literal["score"] = "score"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a scale goes upwards, got {self.low:g} to {self.high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """One of some labels.

    Attributes:
        labels: Label to what it means.
    """

    labels: Mapping[str, str]
    kind: Literal["label"] = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextList:
    """A list of texts, such as the claims of an answer."""

    name: str
    kind: Literal["texts"] = "texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPerItem:
    """One word for each of ``count`` numbered items.

    Attributes:
        words: Word to what it means.
    """

    count: int
    words: Mapping[str, str]
    kind: Literal["words"] = "words"


Shape = OnScale | OneOf | TextList | WordPerItem


def schema_of(shape: Shape) -> dict[str, Json]:
    """The JSON Schema of the reply: reasoning, then the verdict, and a way to abstain."""
    name, verdict = _verdict_schema(shape)
    return {
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            name: verdict,
            "abstain": {"type": "boolean"},
        },
        "required": ["reasoning", name],
        "additionalProperties": False,
    }


def example_of(shape: Shape) -> str:
    """The reply in words, for prompts to models without structured output."""
    match shape:
        case OnScale(low=low, high=high):
            verdict = f'"score": <number from {low:g} to {high:g}>'
        case OneOf(labels=labels):
            verdict = f'"label": <one of {_quoted(labels)}>'
        case TextList(name=name):
            verdict = f'"{name}": [<text>, ...]'
        case WordPerItem(count=count, words=words):
            verdict = (
                f'"verdicts": [{{"item": <number from 1 to {count}>, '
                f'"verdict": <one of {_quoted(words)}>}}, ...]'
            )
        case _:
            assert_never(shape)
    return f'{{"reasoning": <text>, {verdict}}}'


def read(shape: Shape, value: Json | Undefined) -> Read:
    """What a reply says, as far as it was asked for; fields beyond that are passed over."""
    if value is undefined:
        return Misread("the reply is not one JSON object")
    if not isinstance(value, Mapping):
        return Misread(f"the reply is a {type_name(value)}, not a JSON object")
    reasoning = value.get("reasoning")
    if not isinstance(reasoning, str):
        return Misread("`reasoning` is missing or no text")
    if value.get("abstain") is True:
        return Abstained(reasoning)
    name, _ = _verdict_schema(shape)
    if name not in value:
        return Misread(f"`{name}` is missing")
    return _read_verdict(shape, value[name], reasoning)


def _read_verdict(shape: Shape, value: Json, reasoning: str) -> Said | Misread:
    match shape:
        case OnScale():
            return _read_score(shape, value, reasoning)
        case OneOf(labels=labels):
            if isinstance(value, str) and value in labels:
                return Said(label=value, reasoning=reasoning)
            return Misread(f"`label` is {value!r}, not one of {_quoted(labels)}")
        case TextList(name=name):
            if isinstance(value, list) and all(isinstance(one, str) for one in value):
                return Said(listed=tuple(value), reasoning=reasoning)
            return Misread(f"`{name}` is no list of texts")
        case WordPerItem():
            return _read_words(shape, value, reasoning)
        case _:
            assert_never(shape)


def _read_score(shape: OnScale, value: Json, reasoning: str) -> Said | Misread:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Misread(f"`score` is a {type_name(value)}, not a number")
    slack = clamped_share * (shape.high - shape.low)
    # A sum of decimals is never exact: 1.01 on 0..1 is still within one hundredth.
    if not shape.low - slack - 1e-9 <= value <= shape.high + slack + 1e-9:
        return Misread(f"`score` is {value:g}, outside {shape.low:g} to {shape.high:g}")
    inside = min(max(float(value), shape.low), shape.high)
    return Said(
        score=(inside - shape.low) / (shape.high - shape.low),
        reasoning=reasoning,
        raw=None if inside == value else float(value),
    )


def _read_words(shape: WordPerItem, value: Json, reasoning: str) -> Said | Misread:
    if not isinstance(value, list):
        return Misread(f"`verdicts` is a {type_name(value)}, not a list")
    found: dict[int, str] = {}
    for one in value:
        item = one.get("item") if isinstance(one, Mapping) else None
        if not isinstance(item, int) or isinstance(item, bool) or not 1 <= item <= shape.count:
            return Misread(f"each verdict needs an `item` from 1 to {shape.count}")
        verdict = one.get("verdict")
        if not isinstance(verdict, str) or verdict not in shape.words:
            return Misread(f"the verdict of item {item} is not one of {_quoted(shape.words)}")
        if item in found:
            return Misread(f"item {item} has two verdicts")
        found[item] = verdict
    missing = [number for number in range(1, shape.count + 1) if number not in found]
    if missing:
        return Misread(f"there is no verdict for item {missing[0]}")
    return Said(listed=tuple(found[n] for n in range(1, shape.count + 1)), reasoning=reasoning)


def _verdict_schema(shape: Shape) -> tuple[str, dict[str, Json]]:
    match shape:
        case OnScale(low=low, high=high):
            return "score", {"type": "number", "minimum": low, "maximum": high}
        case OneOf(labels=labels):
            return "label", {"type": "string", "enum": list(labels)}
        case TextList(name=name):
            return name, {"type": "array", "items": {"type": "string"}}
        case WordPerItem(count=count, words=words):
            item = {
                "type": "object",
                "properties": {
                    "item": {"type": "integer", "minimum": 1, "maximum": count},
                    "verdict": {"type": "string", "enum": list(words)},
                },
                "required": ["item", "verdict"],
                "additionalProperties": False,
            }
            return "verdicts", {"type": "array", "items": item}
        case _:
            assert_never(shape)


def _quoted(words: Mapping[str, str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
