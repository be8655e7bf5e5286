"""The program of a pool's worker: it calls functions by name and answers with JSON, one call at a time.

Arguments: descriptor of the socket to its owner, the owner's process id, bytes of address space, and
folders where modules are looked for. Frames are a length of four bytes, big-endian, and JSON. A call is ``{function, argument, timeout_s}``; its answer
``{value, rss_bytes}`` or ``{error, rss_bytes}``. The end of the socket is the end of the worker.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

length = struct.Struct(">I")
pr_set_pdeathsig = 1
cpu_per_wall = 4
niceness = 10
most_open_files = 64


def main(arguments: list[str]) -> None:
    """Serve calls until the owner is gone."""
    descriptor, owner, most_bytes = (int(word) for word in arguments[:3])
    sys.path += arguments[3:]
    _confine(owner, most_bytes)
    with socket.socket(fileno=descriptor) as connection:
        while (call := receive(connection)) is not None:
            send(connection, _answer(call))


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next frame's value; None at the end."""
    head = _exactly(connection, length.size)
    body = None if head is None else _exactly(connection, length.unpack(head)[0])
    frame: dict[str, Any] | None = None if body is None else json.loads(body)
    return frame


def send(connection: socket.socket, value: object) -> None:
    """Write one frame."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    connection.sendall(length.pack(len(body)) + body)


def resident_bytes(process: int | str) -> int:
    """Memory of a process that is in use; 0 when there is no such process."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _confine(owner: int, most_bytes: int) -> None:
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != owner:  # it died before the line above
        sys.exit(0)
    os.nice(niceness)
    for limit, most in (
        (resource.RLIMIT_AS, most_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, most_open_files),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the owner, who then ends its workers


def _answer(call: dict[str, Any]) -> dict[str, Any]:
    _bound_cpu(call["timeout_s"])
    try:
        answer = {"value": _function(call["function"])(call["argument"])}
        json.dumps(answer)
    except MemoryError:
        answer = {
            "error": {"code": "worker_memory", "message": "the memory of the worker is used up"}
        }
    except Exception as exc:  # noqa: BLE001 - what a function raises is its answer
        answer = {"error": {"code": "function_failed", "message": f"{type(exc).__name__}: {exc}"}}
    gc.collect(0)
    return {**answer, "rss_bytes": resident_bytes("self")}


def _bound_cpu(timeout_s: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + cpu_per_wall * timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _function(name: str) -> Callable[[Any], Any]:
    module, _, attribute = name.partition(":")
    found: Callable[[Any], Any] = getattr(importlib.import_module(module), attribute)
    return found


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    main(sys.argv[1:])
