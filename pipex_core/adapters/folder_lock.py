"""Holds a folder so that one process at a time changes the files in it."""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipex_core.errors import RunLocked

poll_s = 0.02
lockless_errors = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def held(folder: str | os.PathLike[str], *, wait_s: float = 10.0) -> Iterator[None]:
    """Hold a folder that exists; nothing is written, and a process that dies lets go.

    A file system that knows no locks lets everybody in.

    Raises:
        RunLocked: Somebody else held it for longer than ``wait_s``.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(int(wait_s / poll_s)):
            if _taken(descriptor):
                break
            threading.Event().wait(poll_s)
        else:
            if not _taken(descriptor):
                raise RunLocked(f"another process is changing {folder}; try again")
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        if exc.errno not in lockless_errors:
            raise
    return True


def is_held(lock: Path) -> bool:
    """Whether a live process has a lock file; takes it from nobody."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
