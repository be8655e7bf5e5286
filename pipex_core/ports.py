"""What the core needs from outside, each need as a protocol with its promises.

Implementations live in ``adapters``; fakes with the same contract live in ``tests/fakes``.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self


class Clock(Protocol):
    """Time. Order, waits and deadlines use ``monotonic``; ``now`` is for display only."""

    def now(self) -> datetime:
        """The wall clock, UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock have passed; at once for zero or less."""
        ...


class IdSource(Protocol):
    """Names for new things."""

    def token(self, length: int) -> str:
        """Random text of ``length`` characters from ``0-9a-z``."""
        ...

    def hex(self, length: int) -> str:
        """Random text of ``length`` lower-case hexadecimal digits."""
        ...


class BlobStore(Protocol):
    """Whole values under slash-separated keys.

    A write is whole or absent, and durable when ``put`` returns. Keys are relative, without empty,
    ``.`` or ``..`` parts; another key is a ``StoreError`` with code ``path_denied``.
    """

    def put(self, key: str, data: bytes) -> None:
        """Store ``data``; replaces what was there."""
        ...

    def get(self, key: str) -> bytes:
        """The stored bytes. Raises ``StoreError`` with code ``not_found`` when there are none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether a value is stored under ``key``."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with ``prefix``, in code point order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the value; nothing happens when there is none."""
        ...

    def url(self, key: str = "") -> str:
        """Where a person or another program finds the value: a path or a URL."""
        ...


class AppendLog(Protocol):
    """Segments of one journal scope, opened by exactly one writer.

    Segment names sort in the order in which they were created. The writer calls from one thread.
    """

    @property
    def epoch(self) -> int:
        """Number of this opening; grows by one with every opening of the scope."""
        ...

    def segments(self) -> Sequence[str]:
        """Names of the segments that exist, in order."""
        ...

    def read(self, name: str) -> bytes:
        """All bytes of a segment."""
        ...

    def cut(self, name: str, length: int) -> None:
        """Cut a segment to ``length`` bytes, durably; what is cut off is kept beside it as ``.torn``."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Append to a segment, creating it when new; durable when it returns.

        Raises:
            StoreError: ``storage_full`` or ``storage_error``. The segment then ends where it ended
                before; a failed sync is never repeated, so the log takes no further appends.
        """
        ...

    def close(self) -> None:
        """Give up the right to write."""
        ...


class JournalStore(Protocol):
    """The journals, run documents and blobs of all runs under one root."""

    def open_log(self, run_id: str, scope: str) -> AppendLog:
        """Take the scope's lock and a new epoch.

        Raises:
            RunLocked: A live process holds it, also after a short wait.
        """
        ...

    def read_log(self, run_id: str, scope: str) -> Sequence[tuple[str, bytes]]:
        """Segments as (name, bytes), read without taking the lock; empty when there is none."""
        ...

    def runs(self) -> Sequence[str]:
        """Ids of the runs that have a document, sorted."""
        ...

    def blobs(self, run_id: str) -> BlobStore:
        """The run's own files: ``run.json``, ``checkpoints/``, ``blobs/``, ``crash/``."""
        ...


class Workspace(Protocol):
    """Files confined to roots: read in any root, written only below the writable ones.

    Every path is joined to its root, resolved through symlinks, and must stay inside; anything
    else is a ``StepError`` with code ``path_denied`` and nothing is touched.
    """

    def read_text(self, path: str, *, encoding: str = "utf-8", max_bytes: int | None = None) -> str:
        """Text of a file of the workspace, or else of a read-only root.

        Raises:
            StepError: ``file_not_found`` or ``path_denied``.
        """
        ...

    def write_output(self, path: str, text: str) -> str:
        """Write below the output directory, atomically; gives the path relative to it."""
        ...


class Faults(Protocol):
    """Named places where tests make things go wrong; free when off."""

    def hit(self, point: str) -> None:
        """Do what was armed for ``point``: nothing, raise, or end the process."""
        ...


class Lease(Protocol):
    """A right to write, held inside a ``with`` block."""

    @property
    def epoch(self) -> int:
        """Number of this grant; grows with every grant of the name."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Leases(Protocol):
    """Exclusive rights by name, between processes."""

    def acquire(self, name: str) -> Lease:
        """The right, or ``RunLocked`` when a live process holds it."""
        ...
