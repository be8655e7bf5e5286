"""Functions that workers of a pool are asked to call, well behaved and not."""

import os
import signal
from pathlib import Path
from typing import Any


def doubled(value: Any) -> Any:
    """Twice the value."""
    return value * 2


def stalled(_: Any) -> None:
    """Never comes back, and cannot be told to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
    while True:
        signal.pause()


def swollen(megabytes: int) -> int:
    """Takes memory and writes to it."""
    return len(b"x" * (megabytes << 20))


def killed(_: Any) -> None:
    """Dies as a crashed native library would."""
    os.kill(os.getpid(), signal.SIGSEGV)


def killed_once(marker: str) -> str:
    """Dies in the first call, answers in the second."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "answered"


def raised(message: str) -> None:
    """Fails."""
    raise LookupError(message)


def surroundings(_: Any) -> dict[str, Any]:
    """What the worker can see of its host."""
    return {
        "environment": [
            part.partition(b"=")[0].decode()
            for part in Path("/proc/self/environ").read_bytes().split(b"\0")
            if part
        ],
        "folder": [path.name for path in Path().iterdir()],
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "pid": os.getpid(),
        "niceness": os.nice(0),
    }


def not_json(_: Any) -> object:
    """Gives what no message can hold."""
    return object()
