"""Blobs and journals that live as long as their process: for tests, trials and dry runs."""

import threading
from collections.abc import Iterator, Sequence

from pipex_core.errors import RunLocked, StoreError
from pipex_core.ports import AppendLog, BlobStore


class MemoryBlobs:
    """A ``BlobStore`` in a map; safe to use from several threads."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def put(self, key: str, data: bytes) -> None:
        self._values[_checked(key)] = bytes(data)

    def get(self, key: str) -> bytes:
        try:
            return self._values[_checked(key)]
        except KeyError:
            raise StoreError(f"{key} is not stored", code="not_found") from None

    def exists(self, key: str) -> bool:
        return _checked(key) in self._values

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(key for key in list(self._values) if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        self._values.pop(_checked(key), None)

    def url(self, key: str = "") -> str:
        return f"memory:{_checked(key) if key else ''}"


class MemoryLog:
    """An ``AppendLog`` over segments that outlive it in their ``MemoryJournals``."""

    def __init__(self, segments: dict[str, bytes], *, epoch: int, held: threading.Lock) -> None:
        self._segments = segments
        self._epoch = epoch
        self._held = held
        self._is_open = True

    @property
    def epoch(self) -> int:
        return self._epoch

    def segments(self) -> Sequence[str]:
        return sorted(name for name in self._segments if name.endswith(".seg"))

    def read(self, name: str) -> bytes:
        return self._segments[name]

    def cut(self, name: str, length: int) -> None:
        whole = self._segments[name]
        self._segments[name], self._segments[f"{name}.torn"] = whole[:length], whole[length:]

    def append(self, name: str, data: bytes) -> None:
        if not self._is_open:
            raise StoreError("the journal is closed")
        self._segments[name] = self._segments.get(name, b"") + data

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._held.release()


class MemoryJournals:
    """A ``JournalStore`` in maps."""

    def __init__(self) -> None:
        self._blobs: dict[str, MemoryBlobs] = {}
        self._segments: dict[tuple[str, str], dict[str, bytes]] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._epochs: dict[tuple[str, str], int] = {}

    def open_log(self, run_id: str, scope: str) -> AppendLog:
        place = (run_id, scope)
        held = self._locks.setdefault(place, threading.Lock())
        if not held.acquire(blocking=False):
            raise RunLocked(f"run {run_id} is being written in this process; wait for it")
        self._epochs[place] = self._epochs.get(place, 0) + 1
        segments = self._segments.setdefault(place, {})
        return MemoryLog(segments, epoch=self._epochs[place], held=held)

    def read_log(self, run_id: str, scope: str) -> Sequence[tuple[str, bytes]]:
        segments = self._segments.get((run_id, scope), {})
        return sorted((name, data) for name, data in segments.items() if name.endswith(".seg"))

    def runs(self) -> Sequence[str]:
        return sorted(run for run, blobs in self._blobs.items() if blobs.exists("run.json"))

    def blobs(self, run_id: str) -> BlobStore:
        return self._blobs.setdefault(run_id, MemoryBlobs())


def _checked(key: str) -> str:
    if any(part in {"", ".", ".."} or "\0" in part for part in key.split("/")):
        raise StoreError(f"{key!r} is not a key", code="path_denied")
    return key
