"""Asks the judges of a job about its responses: each question once, a bounded number at a time, durably.

A verdict that an earlier run or an earlier try of this run has is not asked for again, nor is one whose
answer and case are those of another row. Each verdict is journalled under ``judge:<case>#<repeat>/<metric>``
before it counts; its calls stand in the journal as those of targets do, with the role ``judge``.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from pipex_core.engine.calls import JournalCallLog
from pipex_core.engine.journal import Journal
from pipex_core.engine.services import Services
from pipex_core.evals.answers import cleaned
from pipex_core.evals.asking import Courtroom, ruling_of
from pipex_core.evals.callrows import NotedCalls, judge_prefix
from pipex_core.evals.items import item_of
from pipex_core.evals.job import EvalJob
from pipex_core.evals.progress import Progress
from pipex_core.evals.rulings import Ruling, Rulings, no_rulings
from pipex_core.evals.scorekeys import key_of_score, with_other
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Amount, Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import CallLog
from pipex_core.metrics.contract import MetricInput, Unscored
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.judge import Judge, JudgeMetric
from pipex_core.metrics.scoring import seen_by
from pipex_core.telemetry import EventSink, RunEvents

responses_per_read: Final = 500

Stored = Callable[[str], Sequence[Mapping[str, Json]] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """One verdict to be given.

    Attributes:
        key: Score key; equal keys have one verdict.
        unit: Name in the journal.
        name: Of the metric, as rules of the mock match it.
        item: What is judged, as the metric sees it.
    """

    key: str
    unit: str
    metric: JudgeMetric
    judge: Judge
    name: str
    item: MetricInput


@dataclass(slots=True, kw_only=True)
class Jury:
    """The judging of one run; an object serves once.

    Attributes:
        journal: Where verdicts and calls are kept; None keeps none.
        ledger: The run's budget, which targets have used already.
    """

    job: EvalJob
    services: Services
    ledger: Ledger
    sink: EventSink
    journal: Journal | None = None
    progress: Progress | None = None
    _found: dict[str, Ruling] = field(default_factory=dict)
    _fatal: str | None = None

    async def hear(
        self, responses: pa.Table, *, carried: Stored | None = None
    ) -> Mapping[str, Ruling]:
        """What the judges say, by score key.

        Args:
            responses: Rows of the job.
            carried: Stored rows by score key; what they hold is not asked for.

        Raises:
            StoreError: The journal failed; nothing more was asked.
        """
        queue = self._matters(responses, carried or _nothing)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.job.options.max_concurrency):
                    group.create_task(self._work(queue))
        except ExceptionGroup as exc:
            # One store failed for all of them; the first to learn it says so.
            raise exc.exceptions[0] from exc
        return self._found

    def _matters(self, responses: pa.Table, carried: Stored) -> Iterator[Matter]:
        """The verdicts that nobody knows, read a few rows at a time."""
        cases = {case.id: case for case in self.job.cases}
        asked: set[str] = set()
        for start in range(0, responses.num_rows, responses_per_read):
            for response in responses.slice(start, responses_per_read).to_pylist():
                case = cases[response["case_id"]]
                plain = item_of(case, response)
                for entry in self.job.entries(case.id):
                    if entry.judge is None:
                        continue
                    item = with_other(self.job, entry, plain, case)
                    key = key_of_score(self.job, entry, case, item, response["response_hash"])
                    if key in asked or carried(key) is not None:
                        continue
                    asked.add(key)
                    where = f"{case.id}#{response['repeat']}"
                    matter = matter_of(entry, item, key=key, where=where)
                    if matter is not None:
                        yield matter

    async def _work(self, queue: Iterator[Matter]) -> None:
        for matter in queue:
            ruling = self._known(matter)
            if ruling is None:
                ruling = await self._rule(matter)
            self._found[matter.key] = ruling
            if self.progress is not None:
                self.progress.judged(calls=ruling.calls, cost_nanousd=ruling.cost_nanousd)

    def _known(self, matter: Matter) -> Ruling | None:
        """The verdict that an earlier try of this run made durable, or None."""
        end = self.journal.state.finished(matter.unit) if self.journal is not None else None
        if self.journal is None or end is None or end.get("score_key") != matter.key:
            return None
        ruling = Ruling.from_stored(self.journal.value("result", end))
        if not self.journal.state.calls:
            # Else the journal has said already what the calls of earlier tries took.
            amount = Amount(nanousd=ruling.cost_nanousd, tokens=ruling.tokens, calls=ruling.calls)
            self.ledger.charge(amount)
        return ruling

    async def _rule(self, matter: Matter) -> Ruling:
        known = self.journal.state.unit(matter.unit) if self.journal is not None else None
        attempt = known.attempt + 1 if known is not None else 1
        is_billable = self._is_billable(matter.judge)
        log = self._log(matter, attempt, is_billable=is_billable)
        room = Courtroom(
            metric=matter.name,
            client=self.services.client,
            log=log,
            ledger=self.ledger,
            retry=RetryPolicy(max_retries=self.services.settings.get("max_retries", 3)),
            sink=self.sink,
            cache=self.job.options.cache if is_billable else "off",
            fatal=self._fatal,
        )
        ruling = await ruling_of(matter.metric, matter.judge, matter.item, room)
        self._fatal = self._fatal or room.fatal
        noted = log.calls if isinstance(log, NotedCalls) else ()
        await self._keep(matter, ruling, attempt, noted)
        return ruling

    def _log(self, matter: Matter, attempt: int, *, is_billable: bool) -> CallLog:
        if self.journal is None or not is_billable:
            return NotedCalls(matter.unit, self.services.clock)
        known = self.journal.state.units.get(matter.unit)
        before = known if known is not None and attempt == known.attempt + 1 else None
        redact = self.services.redact
        return JournalCallLog(
            self.journal, matter.unit, before=before, kept=lambda reply: cleaned(reply, redact)
        )

    async def _keep(
        self, matter: Matter, ruling: Ruling, attempt: int, noted: Sequence[Mapping[str, Json]]
    ) -> None:
        """Journal the verdict; one that is still open is asked for again by the next try."""
        was_refused = isinstance(ruling.score, Unscored) and ruling.score.code == "budget"
        if self.journal is None or was_refused:
            return  # A call that the budget refused is no try: a higher cap finds it as it was.
        result = cleaned(ruling.stored(), self.services.redact)
        await self.journal.append(
            {
                "t": "unit_end",
                "unit": matter.unit,
                "attempt": attempt,
                "status": "succeeded" if ruling.is_final else "failed",
                "score_key": matter.key,
                **({"calls": list(noted)} if noted else {}),
                **await self.journal.field("result", result),
            }
        )

    def _is_billable(self, judge: Judge) -> bool:
        providers = self.services.client.providers
        known = [providers.get(member.provider) for member in judge.members]
        return any(one is not None and one.billable for one in known)


async def hear(
    job: EvalJob,
    services: Services,
    responses: pa.Table,
    *,
    carried: Stored | None = None,
    journal: Journal | None = None,
) -> Rulings:
    """What the judges of a job say of its responses; asks nobody where none is needed.

    Args:
        job: Any job.
        services: Client, clock and settings.
        responses: Rows of the job.
        carried: Stored rows by score key; what they hold is not asked for.
        journal: Of the judging, started; verdicts that it holds are not asked for again. None keeps none.

    Raises:
        StoreError: The journal failed; nothing more was asked.
    """
    if not job.judged:
        return no_rulings
    ledger = Ledger(job.options.budget)
    known = None if journal is None else journal.state
    if known is not None and known.calls:
        tokens = known.input_tokens + known.output_tokens
        ledger.charge(Amount(nanousd=known.spent_nanousd, tokens=tokens, calls=known.calls))
    events = RunEvents(run_id=job.run_id, clock=services.clock, listener=services.listener)
    jury = Jury(job=job, services=services, ledger=ledger, sink=events, journal=journal)
    return (await jury.hear(responses, carried=carried)).get


def matter_of(entry: Entry, item: MetricInput, *, key: str, where: str) -> Matter | None:
    """The verdict that an entry needs of a judge, or None when it needs none."""
    if entry.judge is None or not isinstance(entry.metric, JudgeMetric):
        return None
    seen = seen_by(entry, item)
    if not isinstance(seen, MetricInput):
        return None
    return Matter(
        key=key,
        unit=f"{judge_prefix}{where}/{entry.name}",
        metric=entry.metric,
        judge=entry.judge,
        # A rule of the mock with the step ``criteria`` matches all of them, ``polite/criteria`` one.
        name=entry.type if entry.name == entry.type else f"{entry.name}/{entry.type}",
        item=seen,
    )


def _nothing(key: str) -> None:
    del key
