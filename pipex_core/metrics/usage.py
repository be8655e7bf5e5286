"""What an answer took: time, money, tokens; and whether there was one at all."""

import math
from collections.abc import Mapping, Sequence

from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    why_no_answer,
)


class Latency:
    """Milliseconds from send to the end of the successful attempt, or to its first token (``ttft``).

    Waits and failed attempts are no part of it. The corpus value is the median; its submetrics are
    ``p50 p90 p95 p99``.
    """

    info = MetricInfo(
        name="latency",
        summary="milliseconds that the answer took",
        range=(0.0, math.inf),
        direction="lower",
        needs=frozenset({"usage"}),
        levels=("case", "corpus"),
        options={
            "part": OptionInfo(kind="str", default="total", choices=("total", "ttft")),
        },
        skewed=True,
    )

    def __init__(self, *, part: str = "total") -> None:
        self._part = part

    def score(self, item: MetricInput) -> Score:
        usage = item.usage
        taken = usage.latency_ms if self._part == "total" else usage.ttft_ms
        return _known(item, "latency", taken)

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        from pipex_core.stats.estimates import percentile  # loads numpy

        values = _values(items)
        if not values:
            return None
        shares = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
        parts = {name: percentile(values, share=share) for name, share in shares.items()}
        return Corpus(value=parts["p50"], submetrics=parts)


class Cost:
    """US dollars of the answer, from its tokens and the dated price table.

    What was spent on an answer that never came is in the totals of the run and no cost of an answer.
    The corpus value is the sum; its submetric ``mean`` is the cost of an answer.
    """

    info = MetricInfo(
        name="cost",
        summary="US dollars that the answer cost",
        range=(0.0, math.inf),
        direction="lower",
        needs=frozenset({"usage"}),
        levels=("case", "corpus"),
        skewed=True,
    )

    def score(self, item: MetricInput) -> Score:
        return _known(item, "cost", item.usage.cost_usd)

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        values = _values(items)
        if not values:
            return None
        total = math.fsum(values)
        return Corpus(value=total, submetrics={"mean": total / len(values)})


class Tokens:
    """Tokens that the answer took, as the provider counted them.

    ``total`` is input and output; providers count reasoning as output.
    """

    info = MetricInfo(
        name="tokens",
        summary="tokens that the answer took",
        range=(0.0, math.inf),
        direction="lower",
        needs=frozenset({"usage"}),
        options={
            "kind": OptionInfo(
                kind="str", default="total", choices=("input", "output", "total", "reasoning")
            ),
        },
        skewed=True,
    )

    def __init__(self, *, kind: str = "total") -> None:
        self._kind = kind

    def score(self, item: MetricInput) -> Score:
        usage = item.usage
        counts: Mapping[str, tuple[int | None, ...]] = {
            "input": (usage.input_tokens,),
            "output": (usage.output_tokens,),
            "total": (usage.input_tokens, usage.output_tokens),
            "reasoning": (usage.reasoning_tokens,),
        }
        known = [count for count in counts[self._kind] if count is not None]
        complete = len(known) == len(counts[self._kind])
        return _known(item, "tokens", float(sum(known)) if complete else None)


class FailureRate:
    """1 if the target failed for its own reasons, else 0; every response that was observed has it.

    Where the target was not reached there is nothing to observe and no number: an outage is no success.
    """

    info = MetricInfo(
        name="failure_rate",
        summary="1 if the target failed, else 0",
        direction="lower",
        levels=("case", "corpus"),
    )

    def score(self, item: MetricInput) -> Score:
        if item.response_class == "missing":
            return _known(item, "outcome", None)
        return Scored(value=float(item.response_class == "target_failure"))

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        values = _values(items)
        return Corpus(value=math.fsum(values) / len(values)) if values else None


def _values(items: Sequence[tuple[MetricInput, Scored]]) -> list[float]:
    return [score.value for _, score in items]


def _known(item: MetricInput, what: str, value: float | None) -> Score:
    """The value, unless it belongs to an attempt that gave no answer."""
    if value is not None and item.response_class != "missing":
        return Scored(value=value)
    reason = f"the {what} of this response is unknown"
    return why_no_answer(item) or Unscored(code="missing_input", reason=reason)
