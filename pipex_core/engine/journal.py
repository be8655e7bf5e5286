"""The journal of one scope: records appended in groups, durable before anybody builds on them.

One thread writes. While it syncs one frame, the records of all waiting tasks gather for the next, so
many writers share one sync. A record that nobody waits for costs no sync of its own: it goes out with
the next one that is waited for, or when a frame is full. The first error of the store ends the
journal: later appends are refused, and with them every call that could not be journalled.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

from pipex_core.engine.encoding import Encoded, pairs_of
from pipex_core.engine.fold import RunState, fold, journal_schema
from pipex_core.engine.frames import Record, encode, frame, most_bytes, most_records, scan
from pipex_core.engine.segments import Torn, segment_name, verified
from pipex_core.engine.snapshot import blob_key, inline_bytes
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes, parse
from pipex_core.ports import AppendLog, BlobStore, Clock, Faults, JournalStore

seal_records = 256
seal_bytes = 8 * 1024 * 1024

Hold = Callable[[], AbstractContextManager[None]]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record on its way: its text before and behind the number that it gets when it is written."""

    before: bytes
    behind: bytes
    durable: "asyncio.Future[None] | None"


class _Segments:
    """What the writing thread knows: numbers, the segment that is open, its hash."""

    def __init__(
        self, log: AppendLog, *, first: int, header: Callable[[], Mapping[str, Json]]
    ) -> None:
        self.durable = first
        self._next = first
        self._log = log
        self._header = header
        self._number = 0
        self._name = ""
        self._records = 0
        self._size = 0
        self._hash = hashlib.sha256()

    def write(self, entries: Sequence[_Entry]) -> None:
        """Write entries, in as few frames as the limits allow; one sync each."""
        position = 0
        while position < len(entries):
            encoded = [] if self._name else [self._opened()]
            taken = position
            room = min(most_records, seal_records - 1 - self._records) - len(encoded)
            size = sum(map(len, encoded))
            while taken < len(entries) and taken - position < room:
                entry = entries[taken]
                size += len(entry.before) + len(entry.behind)
                if size > most_bytes and encoded:
                    break
                encoded.append(b"%b%d%b" % (entry.before, self._next, entry.behind))
                self._next += 1
                taken += 1
            self._append(encoded)
            position = taken
            if self._records >= seal_records - 1 or self._size >= seal_bytes:
                self.seal()

    def seal(self) -> None:
        """End the open segment, if there is one, with its count and hash."""
        if self._name:
            facts = {"t": "seal", "records": self._records + 1, "sha256": self._hash.hexdigest()}
            self._append([self._numbered({**self._header(), **facts})])
            self._name = ""

    def _opened(self) -> bytes:
        self._number += 1
        self._name = segment_name(self._log.epoch, self._number)
        self._records, self._size, self._hash = 0, 0, hashlib.sha256()
        return self._numbered(self._header())

    def _numbered(self, record: Mapping[str, Json]) -> bytes:
        encoded = encode({**record, "n": self._next})
        self._next += 1
        return encoded

    def _append(self, encoded: Sequence[bytes]) -> None:
        data = frame(encoded)
        self._log.append(self._name, data)
        self.durable = self._next
        self._hash.update(data)
        self._records += len(encoded)
        self._size += len(data)


class Journal:
    """An open journal; the only writer of its scope. Used from one event loop.

    Attributes:
        run_id: Run whose journal it is.
        scope: ``main``, or the name of the part of the run that this process does.
        state: What the journal said when it was opened; never updated.
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
        self._segments = _Segments(log, first=state.records, header=self._stamped_header)
        self._waiting: list[_Entry] = []
        self._writing: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
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

        def write_and_work() -> Made:
            self._segments.write(batch)
            written.append(True)
            return work()

        loop = asyncio.get_running_loop()
        with self._hold():
            working = loop.run_in_executor(self._thread, write_and_work)
            working.add_done_callback(partial(self._worked, batch, written))
            # When the waiting task is cancelled, what stands in the batch is written all the same.
            return await asyncio.shield(working)

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
            with self._hold():
                while self._failed is None and (self._waiting or self._writing):
                    self._flush()
                    await asyncio.wait(filter(None, [self._writing]))
                if self._failed is None:
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(self._thread, self._segments.seal)
        finally:
            self.release()

    def release(self) -> None:
        """Give up the right to write as things stand: for a run that is refused or cut off."""
        self._is_closed = True
        self._thread.shutdown(wait=True)
        self._log.close()

    def _add(self, record: Mapping[str, Json], durable: "asyncio.Future[None] | None") -> None:
        if self._failed is not None:
            raise _again(self._failed)
        if self._is_closed and record["t"] != "close":
            raise StoreError("the journal is closed")
        # Keys are sorted in a frame, so the number that comes later stands between two halves.
        stamped = {**record, **self._stamp()}
        before = pairs_of({key: value for key, value in stamped.items() if key < "n"})
        behind = pairs_of({key: value for key, value in stamped.items() if key > "n"})
        entry = _Entry(b"{" + before + b',"n":', b"," + behind + b"}", durable)
        self._waiting.append(entry)

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
        if self._writing is not None or not self._waiting:
            return
        batch, self._waiting = self._waiting[:most_records], self._waiting[most_records:]
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._thread, self._segments.write, batch)
        self._writing.add_done_callback(partial(self._written, batch))

    def _written(self, batch: Sequence[_Entry], writing: "asyncio.Future[None]") -> None:
        self._writing = None
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            self._fail(error, batch)
            return
        self._settle(batch)
        if len(self._waiting) >= most_records or any(entry.durable for entry in self._waiting):
            self._flush()

    def _worked(
        self, batch: Sequence[_Entry], written: Sequence[bool], working: "asyncio.Future[Made]"
    ) -> None:
        error = None if working.cancelled() else working.exception()
        if error is None or written:
            self._settle(batch)
        else:
            self._fail(error, batch)

    def _settle(self, batch: Sequence[_Entry]) -> None:
        for entry in batch:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_result(None)

    def _fail(self, error: BaseException, batch: Sequence[_Entry]) -> StoreError:
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
