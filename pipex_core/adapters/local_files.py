"""Blobs and journals as local files: whole or absent, durable when a call returns, one writer per scope.

A blob is written to a temporary file, synced, renamed and its folder synced. A journal is a folder of
segments beside a lock file, whose ``flock`` makes the writer single and whose text is the epoch.
"""

import errno
import fcntl
import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, unquote

from pipex_core.errors import RunLocked, StoreError
from pipex_core.ports import AppendLog, BlobStore, Faults

unfinished = ".put-"
no_parts = frozenset({"", ".", ".."})  # of a key
segment_name = re.compile(r"\d{6,}-\d{6,}\.seg")
safe_id = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
full_errors = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
lockless_errors = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
poll_s = 0.05


class LocalBlobs:
    """A ``BlobStore`` in one folder, which is made when the first value is stored.

    Attributes:
        root: The folder. Everything below it belongs to the store.

    Args:
        durable: Whether a value outlives a power loss once it is stored. Without it a loss may leave a
            value empty or torn: for what carries its digest and can be made again.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        faults: Faults | None = None,
        durable: bool = True,
    ) -> None:
        self.root = Path(root)
        self._faults = faults
        self._durable = durable

    def put(self, key: str, data: bytes) -> None:
        target = self._name(key)
        with _store_errors("cannot store", key):
            folder = os.path.dirname(target)  # noqa: PTH120 - a checkpoint is written after every step
            temporary = _fresh_name(folder)
            try:
                _write_new(temporary, data, durable=self._durable)
                self._hit("store.before_rename")
                os.replace(temporary, target)  # noqa: PTH105 - likewise
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._hit("store.after_rename")
            if self._durable:
                _sync_folder(folder)

    def get(self, key: str) -> bytes:
        try:
            with _store_errors("cannot read", key), open(self._name(key), "rb", 0) as file:  # noqa: PTH123 - likewise
                return file.read()
        except StoreError as exc:
            if isinstance(exc.__cause__, FileNotFoundError | NotADirectoryError):
                raise StoreError(f"{key} is not stored", code="not_found") from exc
            raise

    def exists(self, key: str) -> bool:
        return os.path.isfile(self._name(key))  # noqa: PTH113 - likewise

    def list(self, prefix: str = "") -> Iterator[str]:
        # Only the folder that the prefix names is looked through: a run's journal may be large.
        inside = prefix.rpartition("/")[0]
        top = Path(self._name(inside)) if inside else self.root
        keys = [
            path.relative_to(self.root).as_posix()
            for path in top.rglob("*")
            if not path.name.startswith(unfinished) and path.is_file()
        ]
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        target = self._name(key)
        # Not synced: after a power loss the value may be there again, as if nobody had deleted it.
        with _store_errors("cannot delete", key), suppress(FileNotFoundError):
            os.unlink(target)  # noqa: PTH108 - likewise

    def url(self, key: str = "") -> str:
        return self._name(key) if key else str(self.root)

    def _name(self, key: str) -> str:
        """Path of a key's file, as text: paths as objects take longer than the file system."""
        parts = key.split("/")
        if not no_parts.isdisjoint(parts) or "\0" in key:
            raise StoreError(f"{key!r} is not a key", code="path_denied")
        if parts[-1].startswith(unfinished):
            raise StoreError(f"{key!r} is the name of an unfinished write", code="path_denied")
        return f"{self.root}/{key}"

    def _hit(self, point: str) -> None:
        if self._faults is not None:
            self._faults.hit(point)


class LocalJournals:
    """A ``JournalStore`` below one folder: ``<run_id>/run.json``, ``<run_id>/journal/<scope>/``, ...

    Args:
        lock_wait_s: How long a second opener of a scope waits for the first one to let go.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        lock_wait_s: float = 3.0,
        faults: Faults | None = None,
    ) -> None:
        self.root = Path(root)
        self._lock_wait_s = lock_wait_s
        self._faults = faults

    def open_log(self, run_id: str, scope: str) -> AppendLog:
        folder = self._scope(run_id, scope)
        with _store_errors(f"cannot open the journal of run {run_id}"):
            _make_folders(folder)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                self._lock(lock, run_id)
                epoch = _next_epoch(lock, _segments(folder))
                _sync_folder(folder)
            except BaseException:
                os.close(lock)
                raise
        return LocalLog(folder, lock=lock, epoch=epoch, faults=self._faults)

    def read_log(self, run_id: str, scope: str) -> Sequence[tuple[str, bytes]]:
        folder = self._scope(run_id, scope)
        with _store_errors(f"cannot read the journal of run {run_id}"):
            return [(name, (folder / name).read_bytes()) for name in _segments(folder)]

    def scopes(self, run_id: str) -> Sequence[str]:
        """Scopes of a run that have a journal, sorted."""
        folder = self._run(run_id) / "journal"
        names = (path.parent.name for path in folder.glob("*/lock"))
        # A dot is written %2E in the folder of a scope; with one it is what a repair put aside.
        return sorted(unquote(name) for name in names if "." not in name)

    def rewrite(self, run_id: str, scope: str, segments: Sequence[tuple[str, bytes]]) -> str:
        """Put other segments in the place of a journal; gives the folder that the old ones are kept in.

        Raises:
            RunLocked: A live process writes the scope.
            StoreError: The store failed; the journal is as it was, or is the new one.
        """
        folder = self._scope(run_id, scope)
        log = self.open_log(run_id, scope)
        try:
            with _store_errors(f"cannot rewrite the journal of run {run_id}"):
                aside = Path(f"{folder}.damaged-{log.epoch}")
                made = Path(f"{folder}.repaired-{log.epoch}")
                _make_folders(made)
                kept_lock = (folder / "lock").read_bytes()
                for name, data in (*segments, ("lock", kept_lock)):
                    _write_new(made / name, data)
                _sync_folder(made)
                folder.rename(aside)
                made.rename(folder)
                _sync_folder(folder.parent)
        finally:
            log.close()
        return str(aside)

    def runs(self) -> Sequence[str]:
        return sorted(path.parent.name for path in self.root.glob("*/run.json"))

    def blobs(self, run_id: str) -> BlobStore:
        return LocalBlobs(self._run(run_id), faults=self._faults)

    def _run(self, run_id: str) -> Path:
        if not safe_id.fullmatch(run_id):
            raise StoreError(f"{run_id!r} is not a run id", code="path_denied")
        return self.root / run_id

    def _scope(self, run_id: str, scope: str) -> Path:
        encoded = quote(scope, safe="")
        # quote leaves dots alone, and a scope must not be able to name a parent folder.
        return self._run(run_id) / "journal" / encoded.replace(".", "%2E")

    def _lock(self, lock: int, run_id: str) -> None:
        tries = max(int(self._lock_wait_s / poll_s), 0) + 1
        for remaining in reversed(range(tries)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if remaining:
                    threading.Event().wait(poll_s)
                continue
            except OSError as exc:
                if exc.errno in lockless_errors:
                    message = f"the file system of {self.root} has no locks; use a local one"
                    raise StoreError(message, code="unsupported_filesystem") from exc
                raise
            return
        holder = os.pread(lock, 400, 0).decode("utf-8", "replace").split()[1:]
        who = f"process {holder[0]} on {holder[1]}" if len(holder) > 1 else "another process"
        raise RunLocked(f"run {run_id} is being written by {who}; wait for it or stop it")


class LocalLog:
    """An ``AppendLog`` in one folder; holds the lock until it is closed or its process ends."""

    def __init__(self, folder: Path, *, lock: int, epoch: int, faults: Faults | None) -> None:
        self._folder = folder
        self._lock: int | None = lock
        self._epoch = epoch
        self._faults = faults
        self._name = ""
        self._segment: int | None = None
        self._durable = 0
        self._failed: StoreError | None = None

    @property
    def epoch(self) -> int:
        return self._epoch

    def segments(self) -> Sequence[str]:
        return _segments(self._folder)

    def read(self, name: str) -> bytes:
        with _store_errors(f"cannot read segment {name}"):
            return (self._folder / name).read_bytes()

    def cut(self, name: str, length: int) -> None:
        path = self._folder / name
        with _store_errors(f"cannot cut segment {name}"):
            torn = os.open(f"{path}.torn", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _write_all(torn, path.read_bytes()[length:])
                os.fsync(torn)
            finally:
                os.close(torn)
            os.truncate(path, length)
            with path.open("rb") as segment:
                os.fsync(segment.fileno())
            _sync_folder(self._folder)

    def append(self, name: str, data: bytes) -> None:
        if self._failed is not None or self._lock is None:
            raise self._failed or StoreError("the journal is closed")
        try:
            with _store_errors(f"cannot append to segment {name}"):
                segment, is_new = self._open(name)
                if self._faults is not None:
                    self._faults.hit("journal.write")
                _write_all(segment, data)
                os.fdatasync(segment)
                if is_new:
                    _sync_folder(self._folder)
        except StoreError as exc:
            self._failed = exc
            self._undo(exc)
            raise
        self._durable += len(data)

    def close(self) -> None:
        if self._segment is not None:
            os.close(self._segment)
            self._segment = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open(self, name: str) -> tuple[int, bool]:
        if self._segment is not None and name == self._name:
            return self._segment, False
        if self._segment is not None:
            os.close(self._segment)
            self._segment = None
        if not segment_name.fullmatch(name):
            raise StoreError(f"{name!r} is not the name of a segment", code="path_denied")
        path = self._folder / name
        is_new = not path.exists()
        self._segment = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._name = name
        self._durable = os.fstat(self._segment).st_size
        return self._segment, is_new

    def _undo(self, failure: StoreError) -> None:
        """Cut what a failed append left; when even that fails, opening finds it as a torn tail."""
        if self._segment is None:
            return
        try:
            os.ftruncate(self._segment, self._durable)
            os.fsync(self._segment)
        except OSError as exc:
            failure.add_note(f"and the incomplete record could not be cut off: {exc}")


def _next_epoch(lock: int, segments: Sequence[str]) -> int:
    """One more than every epoch so far, written down under the lock."""
    words = os.pread(lock, 400, 0).decode("utf-8", "replace").split()
    kept = int(words[0]) if words and words[0].isdigit() else 0
    # A power loss may have torn the number; the names of the segments know it too.
    epoch = max([kept, *(int(name.partition("-")[0]) for name in segments)]) + 1
    text = f"{epoch} {os.getpid()} {socket.gethostname()}\n".encode()
    os.pwrite(lock, text, 0)
    os.ftruncate(lock, len(text))
    os.fsync(lock)
    return epoch


def _segments(folder: Path) -> list[str]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if segment_name.fullmatch(name))


def _fresh_name(folder: str) -> str:
    """Path of a file that nobody else writes; one left by a killed process has another name."""
    return f"{folder}/{unfinished}{secrets.token_hex(8)}"


def _created(path: str | Path) -> int:
    """A new file to be written; its folder is made when it is missing."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError:
        _make_folders(Path(path).parent)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _write_new(path: str | Path, data: bytes, *, durable: bool = True) -> None:
    descriptor = _created(path)
    try:
        _write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents, each durably; only the owner may look inside."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(new.parent)


def _sync_folder(folder: str | Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class _store_errors:  # noqa: N801 - reads as a function; one as a generator costs more than the call
    """Errors of the operating system as ours."""

    __slots__ = ("_doing", "_what")

    def __init__(self, doing: str, what: str = "") -> None:
        self._doing = doing
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, trace
        if isinstance(error, OSError):
            code = "storage_full" if error.errno in full_errors else "storage_error"
            said = f"{self._doing} {self._what}".rstrip()
            raise StoreError(f"{said}: {error.strerror or error}", code=code) from error
