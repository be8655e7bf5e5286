"""The audit log as a file: one JSON line for each act, chained by hashes, durable before the act goes on.

A changed, removed or reordered line breaks the chain at its place. A cut tail does not show in the file
itself: whoever keeps the last hash elsewhere finds it.
"""

import fcntl
import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json, canonical_bytes
from pipex_core.ports import Clock

no_hash = "0" * 64


class FileAudit:
    """An ``AuditLog`` in a file that only its owner can read; processes take turns.

    Args:
        path: Made with its folder when the first act is written.
        actor: Who acts, as every line says; the user of this process when None.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Clock, actor: str | None = None
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._actor = getpass.getuser() if actor is None else actor

    def append(
        self,
        action: str,
        *,
        resource: str,
        outcome: str = "done",
        reason: str = "",
        correlation_id: str = "",
        details: Mapping[str, Json] | None = None,
    ) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            with _locked(os.open(self._path, flags, 0o600)) as file:
                last = _last(file)
                entry: dict[str, Json] = {
                    "seq": last["seq"] + 1,
                    "at": self._clock.now().isoformat(timespec="milliseconds"),
                    "actor": self._actor,
                    "source": "pipex",
                    "action": action,
                    "resource": resource,
                    "outcome": outcome,
                    "reason": reason,
                    "correlation_id": correlation_id,
                    "details": dict(details or {}),
                    "prev_hash": last["hash"],
                }
                entry["hash"] = hash_of(entry)
                os.write(file, canonical_bytes(entry) + b"\n")
                os.fsync(file)
        except OSError as exc:
            raise StoreError(f"the audit log cannot be written: {exc.strerror}") from exc


def hash_of(entry: Mapping[str, Json]) -> str:
    """SHA-256 of the hash before and of the entry without its own, as the chain wants it."""
    before = bytes.fromhex(entry["prev_hash"])
    rest = {key: value for key, value in entry.items() if key not in {"hash", "prev_hash"}}
    return hashlib.sha256(before + canonical_bytes(rest)).hexdigest()


def first_bad_line(path: str | os.PathLike[str]) -> int | None:
    """Number of the first line, from 1, that does not follow from those before it; None when all do."""
    before = no_hash
    # A reason may hold what other texts break lines at.
    text = Path(path).read_text(encoding="utf-8")
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            is_next = entry["seq"] == number and entry["prev_hash"] == before
            before = entry["hash"]
            if not is_next or hash_of(entry) != before:
                return number
        except (ValueError, KeyError, TypeError):
            return number
    return None


@contextmanager
def _locked(descriptor: int) -> Iterator[int]:
    """The file with everybody else kept away from it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _last(descriptor: int) -> dict[str, Json]:
    """The last entry; a number and a hash to begin with when there is none."""
    end = os.fstat(descriptor).st_size
    size = 4096
    while end:
        tail = os.pread(descriptor, min(size, end), max(0, end - size))
        lines = tail.rstrip(b"\n").split(b"\n")
        if len(lines) > 1 or size >= end:
            entry: dict[str, Json] = json.loads(lines[-1])
            return entry
        size *= 8
    return {"seq": 0, "hash": no_hash}
