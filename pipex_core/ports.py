"""What the core needs from outside, each need as a protocol with its promises.

Implementations live in ``adapters``; fakes with the same contract live in ``tests/fakes``.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

_plain = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def key_part(text: str) -> str:
    """Any text as one part of a key or a URL: percent-encoded UTF-8 but for letters, digits and ``-_.~``."""
    data = text.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _plain else f"%{byte:02X}" for byte in data)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file or folder as a listing shows it.

    Attributes:
        path: Relative to the workspace with slashes; absolute when it lies in another root.
        size_bytes: 0 for a folder.
        modified_s: Unix time of the last change.
        is_executable: Whether its owner may run it.
    """

    path: str
    is_folder: bool = False
    size_bytes: int = 0
    modified_s: float = 0.0
    is_executable: bool = False


class Workspace(Protocol):
    """Files confined to roots: read in any root, written only below the writable ones.

    Every path is joined to its root, resolved through symlinks, and must stay inside; anything
    else is a ``StepError`` with code ``path_denied`` and nothing is touched. So is a file that is no
    regular one, and writing to one that has a second name. A workspace that would hold more than its
    quota is ``limit_exceeded``. Every write is whole or absent, and durable when it returns.
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

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Bytes of a file of the workspace or of a folder that was allowed, not beside the pipeline.

        Raises:
            StepError: ``file_not_found``, ``path_denied``, or ``limit_exceeded`` for a larger file.
        """
        ...

    def write(self, path: str, data: bytes, *, is_executable: bool | None = None) -> str:
        """Write a file of the workspace, making its folders; gives its relative path.

        A file that is replaced keeps its permissions, unless ``is_executable`` says what is to be.
        """
        ...

    def stat(self, path: str) -> FileEntry | None:
        """What ``path`` leads to, where ``read_bytes`` would look; None when there is nothing.

        The workspace itself is ``.``, a folder, also before its first file.
        """
        ...

    def list(self, path: str = ".", *, recursive: bool = False) -> Sequence[FileEntry]:
        """Files and folders inside a folder, by path in code point order; links out are left out.

        Raises:
            StepError: ``file_not_found``, there is no such folder; ``limit_exceeded``, too many entries.
        """
        ...

    def delete(self, path: str) -> Sequence[str]:
        """Remove a file, a link, or a folder with all that is in it; gives the files removed, sorted.

        Raises:
            StepError: ``file_not_found``.
        """
        ...

    def copy(self, source: str, destination: str) -> Sequence[str]:
        """Copy a file, or a folder with its files, inside the workspace; gives the new files, sorted.

        Raises:
            StepError: ``file_not_found``; ``path_denied`` when a folder is in the way.
        """
        ...

    def move(self, source: str, destination: str) -> Sequence[str]:
        """Move a file or a folder inside the workspace; gives its files at their new places, sorted.

        Raises:
            StepError: As ``copy``.
        """
        ...

    def narrowed(self, path: str) -> "Workspace":
        """The same with a folder of the workspace, made when missing, as the whole of it."""
        ...

    def folder(self) -> AbstractContextManager[int]:
        """Descriptor of the workspace's folder inside the block: where a command may start."""
        ...

    def recount(self) -> None:
        """Count again before the next write, because a command may have written."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What became of a command.

    Attributes:
        output: What it wrote to both of its outputs, in order; cut when it wrote too much.
        exit_code: None when it was stopped.
        timed_out: Whether it was stopped because its time was up.
    """

    output: str
    exit_code: int | None
    timed_out: bool = False


class Commands(Protocol):
    """Runs shell commands apart from us: clean environment, bounded time and resources, no network."""

    async def run(
        self, command: str, *, folder: int, timeout_s: float, max_chars: int
    ) -> CommandResult:
        """What became of ``command``, started in a folder given by its descriptor.

        The command and everything that it started are gone when this returns or is cancelled.

        Raises:
            StepError: ``tool_denied``, this machine cannot keep it apart as the settings require.
        """
        ...


class WorkerPool(Protocol):
    """Calls of functions in processes of their own, bounded in time and memory."""

    def submit(self, function: str, argument: object, *, timeout_s: float) -> Future[Any]:
        """A future of what ``module:function`` makes of a JSON value; waits while the queue is full.

        The future raises ``WorkerError``: ``worker_timeout``, ``worker_memory``, ``worker_died``,
        ``function_failed``, or ``pool_broken``. A call that has to be ended harms no other call.
        """
        ...


class AuditLog(Protocol):
    """Acts that somebody may have to answer for, in order; each is durable when ``append`` returns."""

    def append(
        self,
        action: str,
        *,
        resource: str,
        outcome: str = "done",
        reason: str = "",
        correlation_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one act.

        Raises:
            StoreError: It cannot be written.
        """
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


class Repository(Protocol):
    """The version control that a folder is under."""

    def read(self, revision: str, path: Path) -> bytes | None:
        """A file as it was at a revision; None when it was not there.

        Raises:
            ConfigError: ``unknown_version``, there is no such revision.
        """
        ...

    def staged(self) -> Sequence[Path]:
        """Files whose staged content is not that of the last commit, absolute."""
        ...

    def has_tag(self, name: str) -> bool:
        """Is there a tag of this name? Raises ``ConfigError`` ``bad_tag`` when none can have it."""
        ...

    def commit(self, paths: Sequence[Path], message: str) -> str:
        """Commit exactly these files as they are; the commit's name in 40 hexadecimal digits.

        Files that are committed already make no further commit; the last one is named.

        Raises:
            StoreError: ``git_failed``, with what the program said.
        """
        ...

    def tag(self, name: str, message: str) -> None:
        """Put an annotated tag on the last commit."""
        ...
