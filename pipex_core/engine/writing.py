"""The thread that writes a journal, and what it knows: numbers, the open segment, its hash."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Final, Generic, TypeVar

from pipex_core.engine.frames import encode, frame, most_bytes, most_records
from pipex_core.engine.segments import segment_name
from pipex_core.jsonvalue import Json
from pipex_core.ports import AppendLog

seal_records: Final = 256
seal_bytes: Final = 8 * 1024 * 1024

Made = TypeVar("Made")
Then = Callable[[Made | None, BaseException | None], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record on its way: its text before and behind the number that it gets when it is written."""

    before: bytes
    behind: bytes
    durable: "asyncio.Future[None] | None"


class Segments:
    """The segments of one process, written by one thread.

    Attributes:
        durable: Records that are durable; grows only.
    """

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

    def write(self, entries: Sequence[Entry]) -> None:
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
                encoded.append(b'%b"n":%d%b' % (entry.before, self._next, entry.behind))
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


class WritingThread:
    """Does one thing after another; what comes of it arrives in the event loop that asked.

    An executor would do the same for twice the time, and there is work for it after every step.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def do(self, work: Callable[[], Made], then: Then[Made]) -> None:
        """Have ``work`` done, then ``then`` called in the running loop with its result or its error."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        job = _Job(work, then, asyncio.get_running_loop())
        self._jobs.put(job.done)

    def stop(self) -> None:
        """Return when all that was asked for is done."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        for job in iter(self._jobs.get, None):
            job()


class _Job(Generic[Made]):
    """Work, and who waits for it; as a block it hands on the error that ends the block."""

    __slots__ = ("_loop", "_made", "_then", "_work")

    def __init__(
        self, work: Callable[[], Made], then: Then[Made], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._work = work
        self._then = then
        self._loop = loop
        self._made: Made | None = None

    def done(self) -> None:
        with self:
            self._made = self._work()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        del kind, trace
        self._loop.call_soon_threadsafe(self._then, self._made, error)
        return True
