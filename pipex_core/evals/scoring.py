"""Judges answers: every metric of the run on every row, in the order of the table.

A score that an earlier run has under the same key is taken over; its threshold is today's. Whatever a
metric does, the row is there: with a number, or with the reason why there is none.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import itemgetter
from typing import assert_never

import pyarrow as pa

from pipex_core.evals.job import EvalJob
from pipex_core.evals.keys import corpus_key, score_key, score_parts
from pipex_core.evals.progress import Progress
from pipex_core.evals.results import ScoreRow, passes, verdict_of_response
from pipex_core.evals.suite import Case, references
from pipex_core.evals.table import joined, score_batch
from pipex_core.jsonvalue import Json, parse
from pipex_core.metrics.contract import (
    CorpusMetric,
    MetricInput,
    Score,
    Scored,
    Unscored,
    Usage,
)
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.scoring import corpus_value, passed, score_item

rows_per_batch = 4_000
responses_per_read = 1_000
query_fields = ("question", "query", "input")

Stored = Callable[[str], Sequence[Mapping[str, Json]] | None]

_columns = (
    *("case_id", "repeat", "status", "class", "output", "output_json", "response_hash"),
    *("latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens", "reasoning_tokens"),
    "provider",
)


@dataclass(slots=True)
class _Corpus:
    """What one metric needs for its value over the suite: (case and repeat, score key, item, score)."""

    entry: Entry
    parts: list[tuple[tuple[str, int], str, MetricInput, Score]] = field(default_factory=list)


def score(
    job: EvalJob,
    responses: pa.Table,
    *,
    carried: Stored | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Rows for every response, metric and submetric, and for values over the whole suite, sorted.

    Args:
        job: Any job.
        responses: Its rows.
        carried: Stored rows by score key.
        progress: Told each score and each decided row.
    """
    scoring = Scoring(job, carried=carried, progress=progress)
    for start in range(0, responses.num_rows, responses_per_read):
        scoring.add(responses.slice(start, responses_per_read))
        if progress is not None:
            progress.tell()
    return scoring.table()


class Scoring:
    """Scores responses as they come; the table at the end is the same for any order.

    One thread at a time. It counts into ``progress`` and emits nothing before the end, so that it may
    work behind the loop that asks.
    """

    def __init__(
        self, job: EvalJob, *, carried: Stored | None = None, progress: Progress | None = None
    ) -> None:
        self._job = job
        self._carried = carried or _nothing
        self._progress = progress
        self._cases = {case.id: case for case in job.cases}
        self._rows: list[ScoreRow] = []
        self._batches: list[pa.Table] = []
        self._corpora = {
            entry.name: _Corpus(entry)
            for entry in job.metrics
            if "corpus" in entry.info.levels and isinstance(entry.metric, CorpusMetric)
        }

    def add(self, responses: pa.Table) -> None:
        """Score some rows of the job that were not added before."""
        for response in responses.select(_columns).to_pylist():
            self._score_response(response)
            if len(self._rows) >= rows_per_batch:
                self._pack()

    def table(self) -> pa.Table:
        """All rows, sorted."""
        for corpus in self._corpora.values():
            self._rows += self._corpus_rows(corpus)
        self._pack()
        if self._progress is not None:
            self._progress.tell(now=True)
        return joined("scores", self._batches)

    def _pack(self) -> None:
        self._batches.append(score_batch(self._rows))
        self._rows = []

    def _score_response(self, response: Mapping[str, Json]) -> None:
        case = self._cases[response["case_id"]]
        item = item_of(case, response)
        heads = []
        for entry in self._job.entries(case.id):
            rows = self._rows_of(entry, case, item, response)
            heads.append(rows[0])
            self._rows += rows
        if self._progress is not None:
            _tell(self._progress, heads, response["class"])

    def _rows_of(
        self, entry: Entry, case: Case, item: MetricInput, response: Mapping[str, Json]
    ) -> list[ScoreRow]:
        parts = score_parts(
            metric=entry.type,
            fingerprint=entry.fingerprint,
            needs=entry.needs,
            response=response["response_hash"],
            case=self._job.hashes[case.id],
            usage=item.usage,
        )
        key = score_key(parts)
        where = (response["case_id"], response["repeat"])
        corpus = None if case.status == "quarantined" else self._corpora.get(entry.name)
        stored = self._carried(key)
        if stored is None or corpus is not None:
            found = score_item(entry, item)
        if corpus is not None:
            corpus.parts.append((where, key, item, found))
        if stored is not None:
            return [carried_row(entry, key, where, row) for row in stored]
        return list(score_rows(entry, key, where, found, run_id=self._job.run_id))

    def _corpus_rows(self, corpus: _Corpus) -> Iterator[ScoreRow]:
        entry = corpus.entry
        parts = sorted(corpus.parts, key=itemgetter(0))
        value = corpus_value(entry, [(item, score) for _, _, item, score in parts])
        if value is None:
            return
        found: Score
        if isinstance(value, Unscored):
            found = value
        else:
            found = Scored(value=value.value, details=value.details, submetrics=value.submetrics)
        key = corpus_key(entry.fingerprint, [key for _, key, _, _ in parts])
        yield from score_rows(entry, key, (None, -1), found, run_id=self._job.run_id)


class ScoringBehind:
    """Scores rows in a thread of its own while the next are asked.

    Scoring is computation: it must not keep the loop from its calls and its journal.
    """

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")
        self._adding: list[Future[None]] = []

    def add(self, responses: pa.Table) -> None:
        """Score these rows after those before them."""
        self._adding.append(self._thread.submit(self._scoring.add, responses))

    async def table(self) -> pa.Table:
        """The scores of all rows."""
        for one in self._adding:
            await asyncio.wrap_future(one)
        return await asyncio.wrap_future(self._thread.submit(self._scoring.table))

    def close(self) -> None:
        """Score nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _tell(progress: Progress, heads: Sequence[ScoreRow], response_class: str) -> None:
    for head in heads:
        if head.score is not None:
            progress.scored(head.metric, head.score)
    required = [(head.passed, head.threshold) for head in heads if head.required]
    progress.decided(verdict_of_response(required, response_class=response_class))


def item_of(case: Case, response: Mapping[str, Json]) -> MetricInput:
    """The response and its case as a metric sees them."""
    known = references(case)
    context = case.context
    structured = response["output_json"]
    return MetricInput(
        output=response["output"],
        output_json=None if structured is None else parse(structured),
        has_output_json=structured is not None,
        references=known.texts,
        reference_json=known.structured,
        has_reference_json=known.is_structured,
        input=case.input,
        query=query_of(case),
        context=() if context is None else (context,) if isinstance(context, str) else context,
        choices=case.choices or (),
        usage=Usage(
            latency_ms=response["latency_ms"],
            ttft_ms=response["ttft_ms"],
            cost_usd=_known_cost(response),
            input_tokens=response["input_tokens"],
            output_tokens=response["output_tokens"],
            reasoning_tokens=response["reasoning_tokens"],
        ),
        response_class=response["class"],
        status=response["status"],
    )


def _known_cost(response: Mapping[str, Json]) -> float | None:
    # The column has no null: a record that says nothing of its cost cannot be told from a free one.
    unsaid = response["provider"] == "recorded" and not response["cost_usd"]
    return None if unsaid else response["cost_usd"]


def query_of(case: Case) -> str | None:
    """The question: a text input itself, else the field ``question``, ``query`` or ``input`` of a map."""
    if isinstance(case.input, str):
        return case.input
    if isinstance(case.input, Mapping):
        found = (case.input.get(name) for name in query_fields)
        return next((value for value in found if isinstance(value, str)), None)
    return None


def score_rows(
    entry: Entry,
    key: str,
    where: tuple[str | None, int],
    found: Score,
    *,
    run_id: str,
) -> Iterator[ScoreRow]:
    """The row of the metric, then one for each submetric; ``where`` is (case, repeat)."""
    yield _row(
        entry,
        key,
        where,
        origin_run_id=run_id,
        passed=passed(entry, found),
        threshold=entry.threshold,
        **_content(found),
    )
    if isinstance(found, Scored):
        for name, value in found.submetrics.items():
            yield _row(entry, key, where, submetric=name, score=value, origin_run_id=run_id)


def carried_row(
    entry: Entry, key: str, where: tuple[str | None, int], stored: Mapping[str, Json]
) -> ScoreRow:
    """A stored score of the same key in today's column, with today's threshold."""
    is_head = stored["submetric"] is None
    threshold = entry.threshold if is_head else None
    content = {name: value for name, value in stored.items() if name != "score_key"}
    as_values = {name: _parsed(stored[name]) for name in ("details", "judge_votes")}
    return _row(
        entry,
        key,
        where,
        carried=True,
        threshold=threshold,
        passed=passes(stored["score"], threshold=threshold, direction=entry.info.direction),
        **{**content, **as_values},
    )


def _content(found: Score) -> dict[str, Json]:
    match found:
        case Scored():
            return {
                "score": found.value,
                "label": found.label,
                "details": dict(found.details) or None,
            }
        case Unscored():
            return {"status": "unscored", "code": found.code, "reason": found.reason}
        case _:
            assert_never(found)


def _row(entry: Entry, key: str, where: tuple[str | None, int], **content: Json) -> ScoreRow:
    return ScoreRow(
        case_id=where[0],
        repeat=where[1],
        level="corpus" if where[0] is None else "case",
        metric=entry.name,
        metric_type=entry.type,
        metric_version=entry.info.version,
        metric_fingerprint=entry.fingerprint,
        direction=entry.info.direction,
        required=entry.required,
        score_key=key,
        **content,
    )


def _parsed(text: str | None) -> Json:
    return None if text is None else parse(text)


def _nothing(key: str) -> None:
    del key
