"""Asks the target: cases in a bounded number at once, each answer durable before it counts.

Rows that an earlier run or an earlier try of this run has are not asked again. What is left goes through
one queue that as many workers drain as cases may be in flight, so that ten thousand cases are never ten
thousand tasks. A worker that has its answer hands it to the journal and takes the next case; the row
counts once the journal says that it is durable. After all rows ended, those that are still open for a
reason that may have passed are asked once more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

import pyarrow as pa

from pipex_core.engine.journal import Journal
from pipex_core.evals.answers import Answer, fatal_codes
from pipex_core.evals.packing import Packed, Rows
from pipex_core.evals.progress import Progress
from pipex_core.evals.results import ResponseClass, ResponseRow
from pipex_core.evals.suite import Case
from pipex_core.evals.turns import Lane
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Amount
from pipex_core.ports import Clock

rows_per_sync = 50
small_characters = 8_192  # in JSON at most six bytes each, well below what the journal keeps inline
first_calls = 5  # an unreachable host shows in the first calls; later it is an outage
tried_again = frozenset({"infra_error", "rate_limited", "timeout"})

nothing = Amount()

StopReason = Literal["fatal", "budget", "max_time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One row to be answered.

    Attributes:
        key: The response key.
    """

    case: Case
    repeat: int
    key: str

    @property
    def name(self) -> str:
        """Name in the journal."""
        return f"case:{self.case.id}#{self.repeat}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When to stop and what to try again.

    Attributes:
        at_once: Upper bound of cases in flight.
        second_pass: Whether open rows are asked once more at the end.
        max_attempts: Of one row over all passes and restarts.
        deadline: Monotonic time after which no new case starts, or None.
    """

    at_once: int = 20
    second_pass: bool = True
    max_attempts: int = 8
    deadline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """What asking gave.

    Attributes:
        table: A row for every unit, sorted.
        stopped: Why not every case was asked, or None.
        reason: The code that stopped it, for people.
        spent: By this run so far, tries that failed and those before a restart included.
    """

    table: pa.Table
    stopped: StopReason | None = None
    reason: str | None = None
    spent: Amount = nothing


@dataclass(frozen=True, slots=True)
class Ask:
    """A target that is asked: the row and its attempt, from 1."""

    call: Callable[[Unit, int], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A target whose answers are there already."""

    find: Callable[[Unit], Answer]


RowOf = Callable[[Unit, Answer], ResponseRow]


class CaseLog:
    """The rows of a run in its journal; without a journal nothing is known and nothing is kept."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal

    def answer(self, unit: Unit) -> Answer | None:
        """The final answer that an earlier try of this run made durable, or None."""
        if self._journal is None:
            return None
        end = self._journal.state.finished(unit.name)
        return None if end is None else Answer.from_stored(self._journal.value("result", end))

    def left_open(self, unit: Unit) -> Answer | None:
        """Why an earlier try of this run left the row open, or None when it was not asked."""
        end = self._journal.state.unit(unit.name).end if self._journal is not None else None
        if end is None or self._journal is None:
            return None
        return Answer.from_stored(self._journal.value("result", end))

    def attempts(self, unit: Unit) -> int:
        """Tries of the row that the journal knows, whatever became of them."""
        return self._journal.state.unit(unit.name).attempt if self._journal else 0

    async def end(
        self, unit: Unit, attempt: int, answer: Answer, *, final: bool, wait: bool = True
    ) -> None:
        """Journal the row; durable when it returns if ``wait``. A row that is not final is open."""
        if self._journal is None:
            return
        record: dict[str, Json] = {
            "t": "unit_end",
            "unit": unit.name,
            "attempt": attempt,
            "status": "succeeded" if final else "failed",
        }
        if answer.noted_calls:
            record["calls"] = answer.noted_calls
        if _is_small(answer):
            record["result"] = answer.stored()
        else:
            record |= await self._journal.field("result", answer.stored())
        if wait:
            await self._journal.append(record)
        else:
            self._journal.append_soon(record)


def _is_small(answer: Answer) -> bool:
    """Whether its record is surely short enough to stand in the journal, without writing it to see."""
    structured = answer.json is not None or answer.tool_calls is not None or answer.scores
    return not structured and len(answer.text or "") + len(answer.error or "") <= small_characters


@dataclass(slots=True, kw_only=True)
class Respond:
    """One respond phase; an object serves once.

    Attributes:
        row_of: The row of an answer.
        class_of: How an answer counts in this run.
        source: Sends the case to the target, or looks its answer up.
        carried: Answers of earlier runs.
        found: Told each answer that an earlier try of this run had made durable.
        kept: What the journal keeps of an answer.
        packed: Told batches of rows that will not change, until every row was in one.
        again: Statuses of open rows that are asked; the others stay as they are. None asks all.
        lane: Of several runs side by side, or None.
        budget_refuses: Whether the run's own budget has refused a call; that of a target stops no run.
    """

    row_of: RowOf
    class_of: Callable[[Answer], ResponseClass]
    source: Ask | Lookup
    carried: Callable[[Unit], Answer | None]
    log: CaseLog
    progress: Progress
    clock: Clock
    rules: Rules
    found: Callable[[Answer], None] = lambda _: None
    kept: Callable[[Unit, Answer], Answer] = lambda _, answer: answer
    budget_refuses: Callable[[], bool] = lambda: True
    packed: Packed = lambda _: None
    again: frozenset[str] | None = None
    lane: Lane | None = None
    _rows: Rows = field(init=False)
    _open: list[tuple[Unit, Answer]] = field(default_factory=list)
    _stopped: StopReason | None = None
    _reason: str | None = None
    _ended: int = 0
    _unreachable: int = 0

    def __post_init__(self) -> None:
        self._rows = Rows(packed=self.packed)

    async def run(self, units: Sequence[Unit]) -> Responses:
        """A row for every unit; ``units`` in the order in which they are to be asked."""
        todo = self._known(units)
        match self.source:
            case Lookup():
                await self._look_up(todo, self.source)
            case Ask():
                tries = [(unit, self.log.attempts(unit) + 1) for unit in todo]
                await self._ask_all(tries, self.source)
                if self.lane is not None:
                    await self.lane.leave()
                await self._second_pass(self.source)
            case _:
                assert_never(self.source)
        for unit, answer in self._open:
            self._rows.add(self.row_of(unit, answer))
        self.progress.tell(now=True)
        return Responses(table=self._rows.table(), stopped=self._stopped, reason=self._reason)

    def _known(self, units: Sequence[Unit]) -> list[Unit]:
        """Take over what needs no call; the rest is to be asked."""
        todo: list[Unit] = []
        carried = done = 0
        for unit in units:
            answer = self.log.answer(unit)
            if answer is not None:
                self.found(answer)
            # An answer that was final under other options of a run may be a hole under those of this one.
            if answer is not None and self._is_final(answer):
                done += 1
            else:
                answer = self.carried(unit)
                if answer is None or not self._is_final(answer):
                    if not self._stays_open(unit):
                        todo.append(unit)
                    continue
                carried += 1
            self._rows.add(self.row_of(unit, answer))
        self.progress.start(done=done + carried, carried=carried)
        counts = {"rows": len(units), "done": done, "carried": carried, "to_ask": len(todo)}
        self.progress.events.emit("plan", data=counts)
        return todo

    def _stays_open(self, unit: Unit) -> bool:
        """Leave a row as an earlier try of this run left it, when only others are wanted."""
        if self.again is None:
            return False
        left = self.log.left_open(unit) or _not_asked("unwanted", "only some rows are tried again")
        if left.status in self.again:
            return False
        self._open.append((unit, left))
        return True

    async def _look_up(self, todo: Sequence[Unit], source: Lookup) -> None:
        """No task, no queue: one sync for each fifty rows is all that is waited for."""
        for start in range(0, len(todo), rows_per_sync):
            group = [(unit, source.find(unit)) for unit in todo[start : start + rows_per_sync]]
            for unit, answer in group:
                last, final = unit is group[-1][0], self._is_final(answer)
                await self.log.end(unit, 1, self.kept(unit, answer), final=final, wait=last)
            for unit, answer in group:
                self._settle(unit, answer)

    async def _ask_all(self, tries: Sequence[tuple[Unit, int]], source: Ask) -> None:
        queue = iter(tries)
        workers = min(self.rules.at_once, len(tries))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(queue, source))
        except ExceptionGroup as exc:
            # One store failed for all of them; the first to learn it says so.
            raise exc.exceptions[0] from exc

    async def _work(self, queue: Iterator[tuple[Unit, int]], source: Ask) -> None:
        """Ask one case after the other; the answer before is made durable while the next is asked."""
        last: asyncio.Task[None] | None = None
        try:
            for unit, attempt in queue:
                unasked = self._unasked(attempt)
                if unasked is not None:
                    self._settle(unit, unasked)
                    continue
                self.progress.events.emit("case_started", step=unit.name, data={"attempt": attempt})
                async with nullcontext() if self.lane is None else self.lane.turn():
                    answer = await source.call(unit, attempt)
                if attempt != answer.attempts:
                    answer = replace(answer, attempts=attempt)
                self._watch(answer)
                if last is not None:
                    await last
                last = asyncio.create_task(self._end(unit, attempt, answer))
        finally:
            # Also when the run is cancelled: the answer is there and is kept.
            if last is not None:
                await asyncio.shield(last)

    def _unasked(self, attempt: int) -> Answer | None:
        """Why the next case is not asked, or None when it is."""
        late = self.rules.deadline is not None and self.clock.monotonic() >= self.rules.deadline
        if late and self._stopped is None:
            self._stopped = self._reason = "max_time"
        if self._stopped is not None:
            return _not_asked(self._stopped, self._reason)
        if attempt > self.rules.max_attempts:
            return Answer(
                status="infra_error",
                error_code="attempts_used_up",
                error=f"all {self.rules.max_attempts} attempts of this case are used up",
            )
        return None

    def _watch(self, answer: Answer) -> None:
        """Stop the run when going on would only burn through the suite."""
        self._ended += 1
        code = answer.error_code
        self._unreachable += code == "connection" and self._ended <= first_calls
        if answer.status == "not_run_budget" and self.budget_refuses():
            self._stopped = self._stopped or "budget"
            self._reason = self._reason or code
        elif code in fatal_codes or self._unreachable == first_calls:
            self._stopped = self._stopped or "fatal"
            self._reason = self._reason or code

    async def _end(self, unit: Unit, attempt: int, answer: Answer) -> None:
        if answer.status == "not_run_budget":
            # The budget refused it: that is no try, and a higher cap must not find one fewer left.
            answer = replace(answer, attempts=0)
        else:
            kept = self.kept(unit, answer)
            await self.log.end(unit, attempt, kept, final=self._is_final(answer))
        if not self._is_final(answer):
            facts = {"attempt": attempt, "status": answer.status, "code": answer.error_code}
            self.progress.events.emit("attempt_failed", step=unit.name, data=facts)
        self._settle(unit, answer)

    def _settle(self, unit: Unit, answer: Answer) -> None:
        """The row is durable."""
        if self._is_final(answer):
            self._rows.add(self.row_of(unit, answer))
        else:
            self._open.append((unit, answer))
        self.progress.answered(unit.name, answer, self.class_of(answer))
        if self.progress.done % rows_per_sync == 0:
            self.progress.events.emit("checkpoint_saved", data={"rows": self.progress.done})

    def _is_final(self, answer: Answer) -> bool:
        return self.class_of(answer) != "missing"

    async def _second_pass(self, source: Ask) -> None:
        if not self.rules.second_pass or self._stopped is not None:
            return
        wanted = tried_again if self.again is None else tried_again & self.again
        again = [pair for pair in self._open if pair[1].status in wanted]
        self._open = [pair for pair in self._open if pair[1].status not in wanted]
        self.progress.asked_again(len(again))
        await self._ask_all([(unit, self.log.attempts(unit) + 2) for unit, _ in again], source)


def _not_asked(stopped: StopReason | Literal["unwanted"], reason: str | None) -> Answer:
    return Answer(
        status="not_run_budget" if stopped == "budget" else "cancelled",
        error_code=f"stopped_{stopped}",
        error=f"the run had stopped before this case: {reason}",
        attempts=0,
    )
