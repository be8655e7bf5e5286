"""Is a metric what metrics promise to be? The rules R1 to R10, tried on texts that break promises."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Metric,
    MetricInput,
    MetricType,
    RepeatsMetric,
    Score,
    Scored,
    Unscored,
    best,
    measured,
)
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.scoring import most_characters, passed, score_item
from pipex_core.registry import Registry

texts: Final = (
    "",
    " \t\n",
    "The quick brown fox jumps over 13 lazy dogs.",
    "cafe\u0301 Z\u0351\u036b\u0343algo\u0302",
    "\u202b\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u202c",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "東京は今日も雨です。猫が好き",
    "a\x00b\x1b[0m\u2028c",
    '{"a": [1, 2.5, null], "b": "x"}',
    "1,234.5 -7% ½ 1e400 3/0 $9",
    "word " * 500,
)
threads: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule on one metric.

    Attributes:
        rule: ``R1`` to ``R10``.
        ok: None when the rule says nothing of this metric.
        message: What was found, in words.
    """

    rule: str
    ok: bool | None
    message: str


def check_metric(raw: Json, registry: Registry[MetricType]) -> list[Check]:
    """Every rule on a metric entry.

    Raises:
        SpecError: ``unknown_metric`` or ``bad_option``.
        ConfigError: ``dependency_missing`` or ``code_not_allowed``.
    """
    (entry,) = resolve_entries([raw], registry)
    return [check for rule in _rules for check in rule(entry)]


def _items() -> list[MetricInput]:
    return [
        MetricInput(
            output=output,
            references=(reference,),
            input="What does the fox do?",
            query="What does the fox do?",
            context=("The fox jumps over dogs.", reference),
            choices=("yes", "no"),
        )
        for output in texts
        for reference in (output, texts[2], "")
    ]


def _values(entry: Entry) -> Iterator[Check]:
    """R1: a number within the range, or a reason."""
    low, high = entry.info.range
    for item in _items():
        found = measured(entry.metric, item)
        if isinstance(found, Unscored) and found.code.startswith("metric_"):
            yield _bad("R1", f"{found.reason}, on {_shown(item)}")
            return
    yield _good("R1", f"{len(_items())} inputs gave numbers within {low:g}..{high:g}, or reasons")


def _both_empty(entry: Entry) -> Iterator[Check]:
    """R2 holds for similarities; a metric that is none may have its own mind."""
    if "reference" not in entry.info.needs or not all(map(math.isfinite, entry.info.range)):
        yield _no("R2", "it compares with no reference, or has no best value")
        return
    low, high = entry.info.range
    ends = (low, high) if entry.info.direction != "lower" else (high, low)
    both = _value(entry, MetricInput(output="", references=("",)))
    one = _value(entry, MetricInput(output="", references=(texts[2],)))
    if (one, both) == ends:
        yield _good("R2", "two empty texts are the best, one alone the worst")
    else:
        yield _no(
            "R2", f"two empty texts give {both}, one alone {one}: right if it is no similarity"
        )


def _alternatives(entry: Entry) -> Iterator[Check]:
    """R3: of several references the best counts."""
    if "reference" not in entry.info.needs:
        yield _no("R3", "it compares with no reference")
        return
    item = replace(_items()[6], references=(texts[2], texts[6]))
    alone = [score_item(entry, replace(item, references=(one,))) for one in item.references]
    scored = [one for one in alone if isinstance(one, Scored)]
    together = score_item(entry, item)
    if not scored or not isinstance(together, Scored):
        yield _no("R3", "the references that were tried gave no scores")
        return
    wanted = best(scored, lowest=entry.info.direction == "lower").value
    is_best = math.isclose(together.value, wanted, abs_tol=1e-9)
    said = f"two references give {together.value:g}, the better one {wanted:g}"
    yield _good("R3", said) if is_best else _bad("R3", said)


def _absent(entry: Entry) -> Iterator[Check]:
    """R4: without what it needs there is a reason and no number."""
    if "reference" in entry.info.needs:
        found = score_item(entry, MetricInput(output="x", context=("x",), query="x", input="x"))
        ok = isinstance(found, Unscored) and found.code == "no_reference"
        yield Check(rule="R4", ok=ok, message=f"without a reference: {_said(found)}")
    else:
        yield _no("R4", "it needs no reference")


def _negated(entry: Entry) -> Iterator[Check]:
    """R7: ``negate`` turns a share around."""
    if entry.info.range != (0.0, 1.0):
        yield _no("R7", "its range is not 0..1")
        return
    item = _items()[6]
    plain, turned = score_item(entry, item), score_item(replace(entry, negate=True), item)
    if not (isinstance(plain, Scored) and isinstance(turned, Scored)):
        yield _no("R7", "the text that was tried gave no score")
        return
    ok = math.isclose(plain.value + turned.value, 1.0, abs_tol=1e-9)
    yield Check(rule="R7", ok=ok, message=f"{plain.value:g} becomes {turned.value:g}")


def _at_threshold(entry: Entry) -> Iterator[Check]:
    """R8: a value that reaches the threshold exactly passes."""
    found = score_item(entry, _items()[6])
    if not isinstance(found, Scored) or entry.info.direction == "none":
        yield _no("R8", "there is no number, or no better and worse")
        return
    ok = passed(replace(entry, threshold=found.value), found) is True
    yield Check(rule="R8", ok=ok, message=f"{found.value:g} against a threshold of the same")


def _too_large(entry: Entry) -> Iterator[Check]:
    """R9: a text of over a million characters is a reason."""
    large = replace(_items()[6], output="x" * (most_characters + 1))
    found = score_item(entry, large)
    ok = isinstance(found, Unscored)
    yield Check(rule="R9", ok=ok, message=f"{most_characters + 1:,} characters: {_said(found)}")


def _pure(entry: Entry) -> Iterator[Check]:
    """R10: the same item gives the same number, in any order and on any thread."""
    items = _items()
    first = [score_item(entry, item) for item in items]
    again = [score_item(entry, item) for item in reversed(items)][::-1]
    with ThreadPoolExecutor(threads) as pool:
        beside = list(pool.map(lambda item: score_item(entry, item), items))
    for item, one, other, third in zip(items, first, again, beside, strict=True):
        if one != other or one != third:
            yield _bad("R10", f"{_said(one)}, then {_said(other)} on {_shown(item)}")
            return
    yield _good("R10", f"{len(items)} inputs, forwards, backwards and on {threads} threads")


_rules: Sequence[Callable[[Entry], Iterator[Check]]] = (
    *(_values, _both_empty, _alternatives, _absent, _negated, _at_threshold, _too_large, _pure),
)


def is_checkable(metric: Metric) -> bool:
    """Whether the rules can be tried: a metric of all repeats, or one that asks a judge, cannot."""
    return not isinstance(metric, RepeatsMetric) and metric.info.cost_class != "judge"


def _value(entry: Entry, item: MetricInput) -> float | None:
    found = score_item(entry, item)
    return found.value if isinstance(found, Scored) else None


def _said(found: Score) -> str:
    return f"{found.value:g}" if isinstance(found, Scored) else f"{found.code}"


def _shown(item: MetricInput) -> str:
    text = repr(item.output)
    return text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - what a line has room for


def _good(rule: str, message: str) -> Check:
    return Check(rule=rule, ok=True, message=message)


def _bad(rule: str, message: str) -> Check:
    return Check(rule=rule, ok=False, message=message)


def _no(rule: str, message: str) -> Check:
    return Check(rule=rule, ok=None, message=message)
