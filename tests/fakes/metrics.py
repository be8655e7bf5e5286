"""Entries and answers in one line, and metrics that misbehave in every way the contract names."""

from collections.abc import Callable, Sequence

from pipex_core.app.known_metrics import shipped_metrics
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
)
from pipex_core.metrics.entries import Entry, resolve_entries
from pipex_core.metrics.scoring import score_item


class Answering:
    """A metric that answers with what a function says."""

    info = MetricInfo(
        name="answering",
        summary="whatever the test says",
        options={"answer": OptionInfo(kind="str")},
    )

    def __init__(
        self,
        answer: Callable[[MetricInput], Score],
        *,
        info: MetricInfo | None = None,
        total: Callable[[Sequence[tuple[MetricInput, Scored]]], Corpus | None] | None = None,
    ) -> None:
        self.info = info or type(self).info
        self._answer = answer
        self._total = total

    def score(self, item: MetricInput) -> Score:
        return self._answer(item)

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        return self._total(items) if self._total else None


def raising(exc: Exception) -> Callable[[MetricInput], Score]:
    def answer(_item: MetricInput) -> Score:
        raise exc

    return answer


def entry_of(raw: Json) -> Entry:
    """The shipped metric that one raw entry names."""
    (entry,) = resolve_entries([raw], shipped_metrics())
    return entry


def entry_with(metric: Answering, **facts: Json) -> Entry:
    """An entry around a metric of the test's own."""
    return Entry(
        name="mine",
        type="mine",
        metric=metric,
        info=metric.info,
        options={},
        fingerprint="f" * 64,
        **facts,
    )


def answer(output: str | None, *references: str, **facts: Json) -> MetricInput:
    """A response of class observed, with its references."""
    return MetricInput(output=output, references=references, **facts)


def score(raw: Json, output: str | None, *references: str, **facts: Json) -> Score:
    """What the entry says of an answer."""
    return score_item(entry_of(raw), answer(output, *references, **facts))


def value(raw: Json, output: str | None, *references: str, **facts: Json) -> float:
    """The number that the entry gives; an answer without a number fails the test."""
    found = score(raw, output, *references, **facts)
    assert isinstance(found, Scored), found
    return found.value


def code(raw: Json, output: str | None, *references: str, **facts: Json) -> str:
    """Why the entry gives no number; a number fails the test."""
    found = score(raw, output, *references, **facts)
    assert isinstance(found, Unscored), found
    return found.code
