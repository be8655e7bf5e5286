"""Judges answers: every metric of the run on every row, in the order of the table.

A score that an earlier run has under the same key is taken over; its threshold is today's. Whatever a
metric does, the row is there: with a number, or with the reason why there is none.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Literal, assert_never

import pyarrow as pa

from pipex_core.evals.items import item_of
from pipex_core.evals.job import EvalJob
from pipex_core.evals.keys import corpus_key, repeats_key
from pipex_core.evals.progress import Progress
from pipex_core.evals.results import ScoreRow, passes, verdict_of_response
from pipex_core.evals.rulings import Rulings, no_rulings
from pipex_core.evals.scorekeys import key_of_score, stored_score, with_other
from pipex_core.evals.suite import Case
from pipex_core.evals.table import joined, score_batch
from pipex_core.jsonvalue import Json, parse
from pipex_core.metrics.contract import (
    CorpusMetric,
    MetricInput,
    PreparingMetric,
    RepeatsMetric,
    Sample,
    Score,
    Scored,
    Unscored,
    prepared,
)
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.scoring import (
    corpus_value,
    fallback_for,
    passed,
    score_item,
    score_samples,
    seen_by,
)

rows_per_batch = 4_000
responses_per_read = 1_000

Stored = Callable[[str], Sequence[Mapping[str, Json]] | None]

_columns = (
    *("case_id", "repeat", "status", "class", "output", "output_json", "response_hash"),
    *("latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens", "reasoning_tokens"),
    *("provider", "tool_calls"),
)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One repeat of a case with the rows of its metrics, for the metrics of all repeats."""

    item: MetricInput
    response_hash: str
    heads: Sequence[ScoreRow]

    def passed(self, of: str | None) -> bool | None:
        """Whether the repeat passed one metric, or (None) all that are required of it."""
        asked = [
            head for head in self.heads if (head.required if of is None else head.metric == of)
        ]
        return verdict_of_response(
            [(head.passed, head.threshold) for head in asked],
            response_class=self.item.response_class,
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
    rulings: Rulings = no_rulings,
) -> pa.Table:
    """Rows for every response, metric and submetric, and for values over the whole suite, sorted.

    Args:
        job: Any job.
        responses: Its rows.
        carried: Stored rows by score key.
        progress: Told each score and each decided row.
        rulings: What judges said, by score key; a judged metric without one is ``judge_error``.
    """
    scoring = Scoring(job, carried=carried, progress=progress, rulings=rulings)
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
        self,
        job: EvalJob,
        *,
        carried: Stored | None = None,
        progress: Progress | None = None,
        rulings: Rulings = no_rulings,
    ) -> None:
        self._job = job
        self._rulings = rulings
        self._carried = carried or _nothing
        self._progress = progress
        self._cases = {case.id: case for case in job.cases}
        self._rows: list[ScoreRow] = []
        self._batches: list[pa.Table] = []
        self._repeats: dict[str, dict[int, _Judged]] = {}
        self._corpora = {
            entry.name: _Corpus(entry)
            for entry in job.metrics
            if "corpus" in entry.info.levels and isinstance(entry.metric, CorpusMetric)
        }

    def add(self, responses: pa.Table) -> None:
        """Score some rows of the job that were not added before."""
        rows = responses.select(_columns).to_pylist()
        self._prepare(rows)
        for response in rows:
            self._score_response(response)
            if len(self._rows) >= rows_per_batch:
                self._pack()

    def table(self) -> pa.Table:
        """All rows, sorted."""
        for case_id in sorted(self._repeats):
            self._rows += self._rows_of_repeats(case_id)
        for corpus in self._corpora.values():
            self._rows += self._corpus_rows(corpus)
        self._pack()
        if self._progress is not None:
            self._progress.tell(now=True)
        return joined("scores", self._batches)

    def _prepare(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Show the metrics that are cheaper for many items all that come next."""
        for entry in self._job.metrics:
            if isinstance(entry.metric, PreparingMetric):
                items = [item_of(self._cases[row["case_id"]], row) for row in rows]
                seen = [seen_by(entry, item) for item in items]
                prepared(entry.metric, [one for one in seen if isinstance(one, MetricInput)])

    def _pack(self) -> None:
        self._batches.append(score_batch(self._rows))
        self._rows = []

    def _score_response(self, response: Mapping[str, Json]) -> None:
        case = self._cases[response["case_id"]]
        item = item_of(case, response)
        heads = []
        entries = self._job.entries(case.id)
        for entry in entries:
            # Asked once per row; looking at the protocol takes as long as a light metric.
            if "repeats" not in entry.info.levels:
                rows = self._rows_of(entry, case, item, response)
                heads.append(rows[0])
                self._rows += rows
        if self._progress is not None:
            _tell(self._progress, heads, response["class"])
        if len(heads) < len(entries):
            waiting = self._repeats.setdefault(case.id, {})
            waiting[response["repeat"]] = _Judged(item, response["response_hash"], heads)
            if len(waiting) == self._job.repeats:
                self._rows += self._rows_of_repeats(case.id)
                del self._repeats[case.id]

    def _rows_of(
        self, entry: Entry, case: Case, item: MetricInput, response: Mapping[str, Json]
    ) -> list[ScoreRow]:
        item = with_other(self._job, entry, item, case)
        key = key_of_score(self._job, entry, case, item, response["response_hash"])
        where = (response["case_id"], response["repeat"])
        corpus = None if case.status == "quarantined" else self._corpora.get(entry.name)
        stored = self._carried(key)
        ruling = None
        if entry.judge is not None and stored is not None:
            found = stored_score(stored)
        elif entry.judge is not None:
            ruling = self._rulings(key)
            found = score_item(entry, item, given=ruling.score if ruling else None)
        elif stored is None or corpus is not None:
            found = score_item(entry, item)
        if corpus is not None:
            corpus.parts.append((where, key, item, found))
        if stored is not None:
            return [carried_row(entry, key, where, row) for row in stored]
        rows = list(score_rows(entry, key, where, found, run_id=self._job.run_id))
        if ruling is not None:
            rows[0] = replace(rows[0], **ruling.columns())
        instead = fallback_for(entry, found)
        if instead is not None:
            # Beside the row without a number, never in its place: the two are other measures.
            found = score_item(instead, item)
            own = key_of_score(self._job, instead, case, item, response["response_hash"])
            extra = next(score_rows(instead, own, where, found, run_id=self._job.run_id))
            rows.append(replace(extra, fallback_of=entry.name, required=False))
        return rows

    def _rows_of_repeats(self, case_id: str) -> Iterator[ScoreRow]:
        """Rows of the metrics that see all repeats of a case."""
        judged = [one for _, one in sorted(self._repeats[case_id].items())]
        for entry in self._job.entries(case_id):
            if not isinstance(entry.metric, RepeatsMetric):
                continue
            of = entry.metric.of
            samples = [Sample(item=one.item, passed=one.passed(of)) for one in judged]
            told = [
                (one.response_hash, sample.passed)
                for one, sample in zip(judged, samples, strict=True)
            ]
            key = repeats_key(entry.fingerprint, told)
            stored = self._carried(key)
            where = (case_id, -1)
            if stored is None:
                found = score_samples(entry, samples)
                yield from score_rows(entry, key, where, found, run_id=self._job.run_id)
            else:
                yield from (carried_row(entry, key, where, row) for row in stored)

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
    # Who judges, and whether he may gate, is said as it is today.
    today = ("score_key", "judge_id", "judge_fingerprint", "judge_certificate")
    content = {name: value for name, value in stored.items() if name not in today}
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
    judge = entry.judge
    return ScoreRow(
        case_id=where[0],
        repeat=where[1],
        level=_level(where),
        metric=entry.name,
        metric_type=entry.type,
        metric_version=entry.info.version,
        metric_fingerprint=entry.fingerprint,
        direction=entry.info.direction,
        required=entry.required,
        score_key=key,
        judge_id=judge.id if judge else None,
        judge_fingerprint=judge.fingerprint if judge else None,
        judge_certificate=judge.certificate if judge else None,
        **content,
    )


def _level(where: tuple[str | None, int]) -> Literal["case", "repeats", "corpus"]:
    if where[0] is None:
        return "corpus"
    return "repeats" if where[1] < 0 else "case"


def _parsed(text: str | None) -> Json:
    return None if text is None else parse(text)


def _nothing(key: str) -> None:
    del key
