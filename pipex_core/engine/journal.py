"""The journal of one scope: records appended in groups, durable before anybody builds on them.

One thread writes. While it syncs one frame, the records of all waiting tasks gather for the next, so
many writers share one sync. A record that nobody waits for costs no sync of its own: it goes out with
the next one that is waited for, or when a frame is full. The first error of the store ends the
journal: later appends are refused, and with them every call that could not be journalled.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from typing import TypeVar

from pipex_core.engine.encoding import Encoded, halves_of
from pipex_core.engine.fold import RunState, fold, journal_schema
from pipex_core.engine.frames import Record, most_records, scan
from pipex_core.engine.segments import Torn, verified
from pipex_core.engine.snapshot import blob_key, inline_bytes
from pipex_core.engine.writing import Entry, Segments, WritingThread
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes, parse
from pipex_core.ports import AppendLog, BlobStore, Clock, Faults, JournalStore

Hold = Callable[[], AbstractContextManager[None]]
Made = TypeVar("Made")


class Journal:
    """An open journal; the only writer of its scope. Used from one event loop.

    Attributes:
        run_id: Run whose journal it is.
        scope: ``main``, or the name of the part of the run that this process does.
        state: What the journal said when it was opened, and of units inside of others what it says now.
        torn: The incomplete tail that was cut off at opening, or None.
    """

    def __init__(  # noqa: PLR0913 - made by open_journal only
        self,
        log: AppendLog,
        *,
        run_id: str,
        scope: str,
        blobs: BlobStore,
        clock: Clock,
        faults: Faults,
        state: RunState,
        torn: Torn | None = None,
        hold: Hold = nullcontext,
    ) -> None:
        self.run_id = run_id
        self.scope = scope
        self.state = state
        self.torn = torn
        self.faults = faults
        self._log = log
        self._blobs = blobs
        self._clock = clock
        self._hold = hold
        self._header: Mapping[str, Json] = {}
        self._segments = Segments(log, first=state.records, header=self._stamped_header)
        self._waiting: list[Entry] = []
        self._is_writing = False
        self._thread = WritingThread("journal")
        self._failed: StoreError | None = None
        self._is_closed = False

    @property
    def epoch(self) -> int:
        """Number of this opening."""
        return self._log.epoch

    @property
    def written(self) -> int:
        """Records that are durable; grows only."""
        return self._segments.durable

    @property
    def failed(self) -> StoreError | None:
        """The error that ended the journal, or None while it works."""
        return self._failed

    def start(self, header: Mapping[str, Json]) -> None:
        """Say what run this is: the fields of the ``open`` record of every segment."""
        self._header = {**header, "scope": self.scope}

    async def append(self, record: Mapping[str, Json]) -> None:
        """Append a record, durable when this returns.

        Raises:
            StoreError: The store failed, now or before; nothing may be built on the record.
        """
        # When the waiting task is cancelled, its record stays in the frame: others stand behind it.
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(record, durable)
        self._flush()
        with self._hold():
            await durable

    def append_soon(self, record: Mapping[str, Json]) -> None:
        """Append a record that is durable no later than the next one that somebody waits for.

        Raises:
            StoreError: The store failed before.
        """
        self._add(record, None)
        if len(self._waiting) >= most_records:
            self._flush()

    async def field(self, name: str, value: Json) -> dict[str, Json]:
        """A value as a field of a record: itself, or a reference to a durable blob when it is large."""
        return await self.encoded_field(name, Encoded(canonical_bytes(value)))

    async def encoded_field(self, name: str, data: Encoded) -> dict[str, Json]:
        """The same for a value that was encoded before."""
        if len(data) <= inline_bytes:
            return {name: data}
        sha256 = digest_bytes(data)
        with self._hold():
            await asyncio.to_thread(self._blobs.put, blob_key(sha256), data)
        return {f"{name}_ref": {"sha256": sha256, "bytes": len(data)}}

    def value(self, name: str, record: Mapping[str, Json]) -> Json:
        """The value that ``field`` made a field of; None when the record has no such field.

        Raises:
            StoreError: ``journal_damaged``, the blob is missing or is not what was stored.
        """
        return stored_value(self._blobs, name, record)

    async def after_writing(self, work: Callable[[], Made]) -> Made:
        """What ``work`` gives, done by the writing thread once all that was appended is durable.

        Raises:
            StoreError: The store failed, now or before, and nothing was done; or ``work`` raised it.
        """
        if self._failed is not None:
            raise _again(self._failed)
        batch, self._waiting = self._waiting, []
        written: list[bool] = []
        made: asyncio.Future[Made] = asyncio.get_running_loop().create_future()

        def write_and_work() -> Made:
            self._segments.write(batch)
            written.append(True)
            return work()

        # When the waiting task is cancelled, what stands in the batch is written all the same.
        self._thread.do(write_and_work, partial(self._worked, batch, written, made))
        with self._hold():
            return await made

    def records(self) -> Iterator[Record]:
        """All durable records in their order, one segment in memory at a time; not while others write."""
        for name in self._log.segments():
            yield from chain.from_iterable(scan(self._log.read(name)).frames)

    async def close(self, status: str | None = None) -> None:
        """Write what waits, the run's status if it ended, and the seal; give up the right to write.

        A failed journal is only released. A second call does nothing.

        Raises:
            StoreError: The last records could not be written.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if status is not None and self._failed is None:
                self._add({"t": "close", "status": status}, None)
            if self._failed is None:
                await self.after_writing(self._segments.seal)
        finally:
            self.release()

    def release(self) -> None:
        """Give up the right to write as things stand: for a run that is refused or cut off."""
        self._is_closed = True
        self._thread.stop()
        self._log.close()

    def _add(self, record: Mapping[str, Json], durable: "asyncio.Future[None] | None") -> None:
        if self._failed is not None:
            raise _again(self._failed)
        if self._is_closed and record["t"] != "close":
            raise StoreError("the journal is closed")
        # Keys are sorted in a frame, so the number that comes later stands between two halves.
        stamped = {**record, **self._stamp()}
        before, behind = halves_of(stamped, "n")
        self._waiting.append(Entry(before, behind, durable))
        self.state.follow(stamped)

    def _stamp(self) -> dict[str, Json]:
        return {
            "epoch": self._log.epoch,
            "at": self._clock.now().isoformat(timespec="milliseconds"),
            "mono_ms": round(self._clock.monotonic() * 1000),
        }

    def _stamped_header(self) -> Mapping[str, Json]:
        return {**self._header, "t": "open", "schema": journal_schema, **self._stamp()}

    def _flush(self) -> None:
        """Hand what waits to the thread, unless it is busy: then it comes back for it."""
        if self._is_writing or not self._waiting:
            return
        batch, self._waiting = self._waiting[:most_records], self._waiting[most_records:]
        self._is_writing = True
        self._thread.do(partial(self._segments.write, batch), partial(self._written, batch))

    def _written(self, batch: Sequence[Entry], made: None, error: BaseException | None) -> None:
        del made
        self._is_writing = False
        if error is not None:
            self._fail(error, batch)
            return
        self._settle(batch)
        if len(self._waiting) >= most_records or any(entry.durable for entry in self._waiting):
            self._flush()

    def _worked(
        self,
        batch: Sequence[Entry],
        written: Sequence[bool],
        waiting: "asyncio.Future[Made]",
        made: Made,
        error: BaseException | None,
    ) -> None:
        if error is None or written:
            self._settle(batch)
        else:
            error = self._fail(error, batch)
        if waiting.done():
            return
        if error is None:
            waiting.set_result(made)
        else:
            waiting.set_exception(error)

    def _settle(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_result(None)

    def _fail(self, error: BaseException, batch: Sequence[Entry]) -> StoreError:
        """Refuse everything from now on; those who wait learn it first."""
        self._failed = error if isinstance(error, StoreError) else StoreError(str(error))
        lost, self._waiting = [*batch, *self._waiting], []
        for entry in lost:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_exception(_again(self._failed))
        return self._failed


def open_journal(
    store: JournalStore,
    run_id: str,
    *,
    clock: Clock,
    faults: Faults,
    scope: str = "main",
    hold: Hold = nullcontext,
) -> Journal:
    """Take the right to write a scope, verify all of its segments and fold them.

    Nothing is written but the cut of a torn tail: the caller looks at ``state`` and calls ``start``
    before the first append.

    Raises:
        RunLocked: A live process writes the scope.
        StoreError: ``journal_damaged`` or ``schema_too_new``.
    """
    log = store.open_log(run_id, scope)
    try:
        found = verified([(name, log.read(name)) for name in log.segments()], run_id=run_id)
        if found.torn is not None:
            log.cut(found.torn.segment, found.torn.length)
        return Journal(
            log,
            run_id=run_id,
            scope=scope,
            blobs=store.blobs(run_id),
            clock=clock,
            faults=faults,
            state=fold(found.records),
            torn=found.torn,
            hold=hold,
        )
    except BaseException:
        log.close()
        raise


def stored_value(blobs: BlobStore, name: str, record: Mapping[str, Json]) -> Json:
    """The value of a field that may stand in a blob; None when the record has no such field.

    Raises:
        StoreError: ``journal_damaged``, the blob is missing or is not what was stored.
    """
    reference = record.get(f"{name}_ref")
    if reference is None:
        value = record.get(name)
        return (
            parse(value.decode("utf-8", "surrogatepass")) if isinstance(value, Encoded) else value
        )
    sha256 = reference["sha256"]
    try:
        data = blobs.get(blob_key(sha256))
    except StoreError as exc:
        message = f"the blob {sha256} that the journal names cannot be read: {exc.message}"
        raise StoreError(message, code="journal_damaged") from exc
    if digest_bytes(data) != sha256:
        raise StoreError(f"the blob {sha256} was changed", code="journal_damaged")
    return parse(data.decode("utf-8", "surrogatepass"))


def _again(error: StoreError) -> StoreError:
    """The same error for one more task, so that tracebacks do not grow into each other."""
    return StoreError(error.message, code=error.code, detail=error.detail)
