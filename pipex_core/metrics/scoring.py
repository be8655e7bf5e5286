"""One entry on one response: extract, needs, the metric itself, negation; then passed or not.

Whatever happens becomes a score or a reason. What makes a number impossible is decided in this order:
there is no answer (``no_output``, ``not_run``, ``budget``), something that the metric needs is absent,
an input is too large, the metric itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipex_core.metrics.contract import (
    Corpus,
    CorpusMetric,
    MetricInfo,
    MetricInput,
    Need,
    RepeatsMetric,
    Sample,
    Score,
    Scored,
    Unscored,
    aggregated,
    measured,
    measured_repeats,
    why_no_answer,
)
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.extraction import extracted
from pipex_core.metrics.lookup import with_fields

most_characters: Final = 1_000_000
threshold_slack: Final = 1e-12  # below any meaning, above the rounding of a sum of thousands


@dataclass(frozen=True, slots=True)
class Given:
    """A metric whose answer somebody else has found out, such as a judge."""

    info: MetricInfo
    found: Score

    def score(self, item: MetricInput) -> Score:
        """What was found."""
        del item
        return self.found


def score_item(entry: Entry, item: MetricInput, *, given: Score | None = None) -> Score:
    """What the entry's metric says of ``item``; never raises for what an answer holds.

    ``given`` stands for what the metric would say, where somebody else found it out.
    """
    seen = seen_by(entry, item)
    if isinstance(seen, Unscored):
        return seen
    metric = entry.metric if given is None else Given(entry.info, given)
    score = _negated(entry, measured(metric, seen))
    if isinstance(score, Scored) and seen.unmatched:
        return replace(score, label="no_match")
    return score


def seen_by(entry: Entry, item: MetricInput) -> MetricInput | Unscored:
    """What the entry's metric is given of ``item``, or why it is given nothing."""
    item = with_fields(item, entry.fields)
    absent = _no_answer(entry, item) or _too_large(item)
    if absent is not None:
        return absent
    seen = _seen(entry, item)
    if isinstance(seen, Unscored):
        return seen
    return _lacking(entry, seen) or seen


def score_samples(entry: Entry, samples: Sequence[Sample]) -> Score:
    """What a metric over repeats says of all repeats of a case; in the order of the repeats."""
    if not isinstance(entry.metric, RepeatsMetric):
        raise TypeError(f"{entry.type} is no metric of repeats")
    seen = []
    for sample in samples:
        item = _seen(entry, with_fields(sample.item, entry.fields))
        if isinstance(item, Unscored):
            return item
        seen.append(replace(sample, item=item))
    return _negated(entry, measured_repeats(entry.metric, seen))


def passed(entry: Entry, score: Score) -> bool | None:
    """Does the score reach the entry's threshold? None without a score, a threshold or a direction."""
    if isinstance(score, Unscored) or entry.threshold is None:
        return None
    if entry.info.direction == "none":
        return None
    if entry.info.direction == "lower":
        return score.value <= entry.threshold + threshold_slack
    return score.value >= entry.threshold - threshold_slack


def fallback_for(entry: Entry, score: Score) -> Entry | None:
    """The entry whose score is added as an extra row because this one timed out or crashed."""
    crashed = isinstance(score, Unscored) and score.code in {"metric_timeout", "metric_crash"}
    return entry.fallback if crashed else None


def corpus_value(
    entry: Entry, items: Sequence[tuple[MetricInput, Score]]
) -> Corpus | Unscored | None:
    """The entry's value over the whole suite.

    Args:
        entry: Any entry.
        items: Inputs with the scores that ``score_item`` gave, sorted by case and repeat, so that
            sums do not depend on what finished first.

    Returns:
        None when the metric has no such value or nothing was scored.
    """
    if not isinstance(entry.metric, CorpusMetric):
        return None
    judged = [
        (_seen(entry, with_fields(item, entry.fields)), score)
        for item, score in items
        if isinstance(score, Scored)
    ]
    corpus = aggregated(
        entry.metric, [(item, score) for item, score in judged if isinstance(item, MetricInput)]
    )
    if isinstance(corpus, Corpus) and entry.negate:
        return replace(corpus, value=1.0 - corpus.value)
    return corpus


_answers: Final = frozenset({"output", "output_json", "tools", "retrieved_ids", "logprobs"})
_present: Final[Mapping[Need, Callable[[MetricInput], bool]]] = {
    "output": lambda item: item.output is not None,
    "output_json": lambda item: item.has_output_json,
    "reference": lambda item: bool(item.references),
    "reference_json": lambda item: item.has_reference_json,
    "input": lambda item: item.input is not None,
    "query": lambda item: item.query is not None,
    "context": lambda item: bool(item.context),
    "choices": lambda item: bool(item.choices),
    "expected_tools": lambda item: item.expected_tools is not None,
    "relevant_ids": lambda item: item.relevant_ids is not None,
    "logprobs": lambda item: item.logprobs is not None,
}


def _negated(entry: Entry, score: Score) -> Score:
    if entry.negate and isinstance(score, Scored):
        return replace(score, value=1.0 - score.value)
    return score


def _no_answer(entry: Entry, item: MetricInput) -> Unscored | None:
    return why_no_answer(item) if entry.info.needs & _answers else None


def _too_large(item: MetricInput) -> Unscored | None:
    for text in (item.output, *item.references, *item.context):
        if text is not None and len(text) > most_characters:
            reason = f"a text of {len(text)} characters; at most {most_characters}"
            return Unscored(code="too_large", reason=reason)
    return None


def _seen(entry: Entry, item: MetricInput) -> MetricInput | Unscored:
    """The item as the metric sees it: after ``extract``."""
    if entry.extract is None or item.output is None:
        return item
    value = (item.output_json,) if item.has_output_json else None
    try:
        found = extracted(entry.extract, item.output, choices=item.choices, value=value)
    except TimeoutError:
        return Unscored(code="metric_timeout", reason="the pattern of extract took over a second")
    if found is None:
        return replace(item, output="", output_json=None, has_output_json=False, unmatched=True)
    return replace(item, output=found.text, output_json=found.value, has_output_json=found.is_json)


def _lacking(entry: Entry, item: MetricInput) -> Unscored | None:
    """The first thing that the metric needs and ``item`` has not; sorted, so that it is always the same."""
    for need in sorted(entry.info.needs):
        if need not in _present or _present[need](item):
            continue
        if need in {"reference", "reference_json"}:
            reason = f"{entry.type} compares with a reference, and the case has none"
            return Unscored(code="no_reference", reason=reason)
        return Unscored(code="missing_input", reason=f"{entry.type} needs {need}, which is absent")
    return None
