"""Pipelines with ``transaction: true``: undone in exact reverse order when they fail, each action once.

A transaction is begun, continued after a crash, committed or undone around the steps of its pipeline. A
pipeline with a transaction inside of another one is a part of that: it is undone alone when it fails
alone, and with the other one later. After a crash what a half-finished step did is undone, because
that step starts over; an undo that was interrupted goes on where it stopped. An action that cannot be
carried out is recorded, the others still run, and the run says ``needs_operator``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.engine.execution import Execution, Ran
from pipex_core.engine.executor import execute_step
from pipex_core.engine.guarded import restore
from pipex_core.engine.records import StepRecord
from pipex_core.engine.timing import TookTooLong, within
from pipex_core.engine.transactions import TransactionState
from pipex_core.engine.undo import Transaction, rollback_of
from pipex_core.errors import ConfigError, PipexError, StepError
from pipex_core.jsonvalue import Json

undo_s: Final = 120.0
file_tries: Final = 3
first_wait_s: Final = 1.0
name_length: Final = 12

Work = Callable[[Execution], Awaitable[Ran]]


async def in_transaction(execution: Execution, prefix: str, work: Work) -> Ran:
    """What became of the steps of a pipeline; undone when it has transactions and they failed.

    Args:
        execution: Whose pipeline it is.
        prefix: Path in front of the names of its steps, such as ``nested/``.
        work: Executes the steps.

    Raises:
        ConfigError: ``needs_operator``, an earlier undo is not complete.
        StoreError: The files of the transaction cannot be used.
    """
    if not execution.plan.spec.get("transaction", False):
        return await work(execution)
    outer = execution.transaction
    transaction = await _begun(execution, prefix) if outer is None else outer
    undoing = _Undoing(transaction, execution, since=0 if outer is None else transaction.next)
    try:
        ran = await work(replace(execution, transaction=transaction))
    except (PipexError, asyncio.CancelledError):
        await undoing.run(is_whole=outer is None)
        raise
    if ran.failed is None and ran.stopped is None:
        if outer is None:
            await execution.journal.append({"t": "txn_commit", "txn": transaction.name})
            transaction.state.status = "committed"
            await asyncio.to_thread(transaction.forget)
        return ran
    is_parked = ran.failed is not None and ran.failed.retry_after_s is not None
    if is_parked or execution.journal.failed is not None:
        return ran  # it goes on later: what was done stays done until then
    await undoing.run(is_whole=outer is None)
    return undoing.told(ran, prefix)


async def _begun(execution: Execution, prefix: str) -> Transaction:
    """The transaction of a pipeline's steps: the one that a crash left open, or a new one."""
    unit = execution.unit_prefix + prefix
    for known in _left(execution, unit):
        if known.state.status == "open":
            await _Undoing(known, execution).half_finished()
            return known
        if any(known.actions()):
            await _Undoing(known, execution).run(is_whole=False)
        if known.state.failed and not execution.is_forced:
            raise _needs_operator(execution, known.state)
    name = execution.services.ids.token(name_length)
    blobs = execution.services.journals.blobs(execution.journal.run_id)
    await execution.journal.append({"t": "txn_begin", "txn": name, "unit": unit})
    return Transaction(name=name, state=TransactionState(unit=unit), blobs=blobs)


def _left(execution: Execution, unit: str) -> Iterator[Transaction]:
    """Transactions of these steps that an earlier process did not bring to their end."""
    blobs = execution.services.journals.blobs(execution.journal.run_id)
    for name, state in list(execution.journal.state.transactions.items()):
        if state.unit == unit and state.status != "committed":
            known = Transaction(name=name, state=state, blobs=blobs)
            known.next = sum(key.endswith(".json") for key in blobs.list(known.folder))
            yield known


def _needs_operator(execution: Execution, state: TransactionState) -> ConfigError:
    left = "; ".join(f"{index}: {state.failed[index]}" for index in sorted(state.failed))
    run_id = execution.run_id
    return ConfigError(
        f"run {run_id} was not undone completely: {left}",
        code="needs_operator",
        next_step=f"put right what is left, then `pipex resume {run_id} --force`",
    )


@dataclass(slots=True, kw_only=True)
class _Undone:
    """What undoing did: records of rollback steps by path of the step undone and their own name."""

    records: dict[str, dict[str, StepRecord]] = field(default_factory=dict)
    open: list[Json] = field(default_factory=list)
    count: int = 0


class _Undoing:
    """The undoing of a transaction, or of the part of it from the action ``since`` on."""

    def __init__(self, transaction: Transaction, execution: Execution, *, since: int = 0) -> None:
        self._transaction = transaction
        self._execution = execution
        self._journal = execution.journal
        self._since = since
        self._undone = _Undone()

    async def run(self, *, is_whole: bool) -> None:
        """Carry out what is left, the latest action first; ``is_whole`` begins the end of the transaction."""
        for record in self._transaction.said():
            self._journal.append_soon(record)
        if is_whole:
            # A further try of these steps in this process has a transaction of its own.
            self._transaction.state.status = "undoing"
            await self._journal.append({"t": "txn_abort", "txn": self._transaction.name})
        clock = self._execution.services.clock
        until = clock.monotonic() + undo_s
        for index, action in self._transaction.actions(since=self._since):
            left_s = until - clock.monotonic()
            try:
                await within(clock, max(left_s, 0.0), self._one(index, action), what="the undo")
            except PipexError as error:
                await self._failed(index, action, error)
            else:
                await self._done(index, action)
        self._say()
        if is_whole and not self._transaction.state.failed:
            await asyncio.to_thread(self._transaction.forget)

    async def half_finished(self) -> None:
        """Undo what steps did that had not ended when the process died; they start over."""
        units = self._journal.state.units
        for index, action in self._transaction.actions():
            known = units.get(action["unit"])
            if known is not None and known.end is not None:
                continue
            if action["kind"] == "files":
                await self._restored(action)
            await self._done(index, action)

    def told(self, ran: Ran, prefix: str) -> Ran:
        """The steps with what undid them."""
        records = dict(ran.records)
        for path, made in self._undone.records.items():
            inside = path.removeprefix(prefix)
            name = inside.partition("/")[0].partition("[")[0]
            if name in records:
                rest = inside.removeprefix(name)
                records[name] = _with_rollback(records[name], made, rest)
        return replace(ran, records=records, undo_open=tuple(self._undone.open))

    async def _one(self, index: int, action: Mapping[str, Json]) -> None:
        faults = self._execution.services.faults
        faults.hit("undo.before_action")
        if action["kind"] == "files":
            await self._restored(action)
        else:
            await self._rolled_back(index, action)
        faults.hit("undo.after_action")

    async def _restored(self, action: Mapping[str, Json]) -> None:
        services = self._execution.services
        work = self._execution.workspace, self._transaction.images, action
        for wait_s in [first_wait_s * 2**n for n in range(file_tries - 1)]:
            try:
                with services.hold():
                    return await asyncio.to_thread(restore, *work)
            except PipexError as error:
                if error.code in {"path_denied", "not_found"}:
                    raise
            await services.clock.sleep(wait_s)
        with services.hold():
            return await asyncio.to_thread(restore, *work)

    async def _rolled_back(self, index: int, action: Mapping[str, Json]) -> None:
        rollback = rollback_of(self._transaction, self._execution.plan, action)
        path, view = action["path"], rollback.view
        execution = replace(
            self._execution,
            plan=rollback.plan,
            transaction=None,
            unit_prefix=f"undo:{self._transaction.name}/{index}/",
            limits=(),
            deadline=None,
            stops=(),
            top=path.partition("/")[0].partition("[")[0],
            since=None,
            known_options={},
            answers={},
        )
        for step in rollback.steps:
            record = await execute_step(step, view, execution, prefix=f"{path}/rollback/")
            self._undone.records.setdefault(path, {})[step.name] = record
            if record.ends_run and record.error is not None:
                message = f"{path}/rollback/{step.name}: {record.error.message}"
                raise StepError(message, code=record.error.code)
            view = view.with_records([record])

    async def _done(self, index: int, action: Mapping[str, Json]) -> None:
        self._undone.count += 1
        self._transaction.state.done.add(index)
        self._journal.state.forget_end(action["unit"])
        await self._journal.append({"t": "undo_done", **self._identity(index, action)})

    async def _failed(self, index: int, action: Mapping[str, Json], error: PipexError) -> None:
        message = self._execution.services.redact(error.message)
        if isinstance(error, TookTooLong):
            message = f"not undone within {undo_s:g} s"
        self._transaction.state.failed[index] = message
        found = {"code": error.code, "message": message}
        self._undone.open.append(
            {"index": index, "unit": action["unit"], "kind": action["kind"], "error": found}
        )
        await self._journal.append(
            {"t": "undo_failed", **self._identity(index, action), "error": found}
        )

    def _identity(self, index: int, action: Mapping[str, Json]) -> dict[str, Json]:
        return {"txn": self._transaction.name, "index": index, "unit": action["unit"]}

    def _say(self) -> None:
        left = self._undone.open
        facts = {"txn": self._transaction.name, "undone": self._undone.count, "open": len(left)}
        self._execution.sink.emit("rollback", data=facts)
        if left:
            units = ", ".join(sorted({one["unit"] for one in left}))
            message = (
                f"not everything could be undone: {units}; the crash report lists what is left"
            )
            self._execution.warn("needs_operator", message, step=None)


def _with_rollback(record: StepRecord, made: Mapping[str, StepRecord], inside: str) -> StepRecord:
    """The record of an undone step with those of the steps that undid it, and what they took."""
    shown = dict(record.metadata.get("rollback", {}))
    for name, one in made.items():
        shown[f"{inside}/{name}".lstrip("/") if inside else name] = one.as_json()
    return replace(
        record,
        cost_nanousd=record.cost_nanousd + sum(one.cost_nanousd for one in made.values()),
        tokens=sum((one.tokens for one in made.values()), record.tokens),
        files=tuple(
            sorted({*record.files, *(file for one in made.values() for file in one.files)})
        ),
        metadata={**record.metadata, "rollback": shown},
    )
