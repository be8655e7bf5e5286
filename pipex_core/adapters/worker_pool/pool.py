"""Calls of functions in processes that may hang, crash or swell without hurting anybody else.

Each worker is a fresh interpreter with a clean environment, an empty folder, and limits of memory,
processor time and open files; it speaks JSON over a socket, never pickle. A call that passes its deadline
or its memory takes its worker with it, and only that; the next call gets a new worker.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pipex_core.adapters.worker_pool.child import receive, resident_bytes, send
from pipex_core.errors import WorkerError
from pipex_core.jsonvalue import Json

child_program = "pipex_core.adapters.worker_pool.child"
megabyte = 1 << 20
watch_s = 1.0
queued_calls = 10
calls_per_worker = 1_000
growth_limit = 1.5
idle_s = 30.0
pong_s = 3.0
start_s = 30.0
most_restarts = 3
restart_window_s = 600.0
ping = "builtins:bool"


@dataclass(slots=True, kw_only=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: socket.socket
    calls: int = 0
    first_rss: int = 0
    last_rss: int = 0
    idle_since: float = 0.0

    def is_spent(self) -> bool:
        return self.calls >= calls_per_worker or self.last_rss > growth_limit * self.first_rss > 0

    def end(self) -> None:
        """Gone, with everything that it started, when this returns."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.connection.close()
        self.process.wait()


class ProcessPool:
    """``WorkerPool`` over child processes; a context manager that leaves no process behind.

    Args:
        size: Workers at most; they start when they are needed.
        memory_mb: Address space and resident memory of one worker.
        environment: All that a worker sees of it, beside the flags that keep model libraries offline.
        import_paths: Folders where workers look for modules, after the installed ones.
        clock: Seconds of a monotonic clock, for idle times and for the window in which restarts count.
    """

    def __init__(
        self,
        *,
        size: int = 5,
        memory_mb: int = 512,
        environment: Mapping[str, str] | None = None,
        import_paths: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory_bytes = memory_mb * megabyte
        self._environment = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        self._import_paths = import_paths
        self._clock = clock
        self._room = threading.BoundedSemaphore(size + queued_calls)
        self._callers = ThreadPoolExecutor(max_workers=size, thread_name_prefix="worker-pool")
        # The kernel ends a child with the *thread* that started it: this one lives as long as the pool.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker-start")
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: dict[int, _Worker] = {}
        self._is_closed = False
        self._deaths: deque[float] = deque()
        self._folder = tempfile.TemporaryDirectory(prefix="pipex-pool-")

    def submit(self, function: str, argument: Json, *, timeout_s: float) -> Future[Json]:
        """Call ``module:function`` with ``argument`` in a worker; waits while the queue is full.

        Args:
            function: Importable by a fresh interpreter; takes one JSON value and gives one.
            argument: JSON.
            timeout_s: From the start of the call to its answer.

        Returns:
            A future of the value. It raises ``WorkerError``: ``worker_timeout``, ``worker_memory``,
            ``worker_died`` (twice in a row), ``function_failed``, or ``pool_broken`` after more than
            three replaced workers in ten minutes.
        """
        self._room.acquire()
        try:
            future = self._callers.submit(self._called, function, argument, timeout_s)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def close(self) -> None:
        """End all workers and their calls; calls that have not begun are cancelled."""
        self._callers.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._is_closed = True
            workers = list(self._all.values())
        for worker in workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
        self._callers.shutdown(wait=True)
        for worker in workers:
            self._end(worker)
        self._starter.shutdown(wait=True)
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _called(self, function: str, argument: Json, timeout_s: float) -> Json:
        try:
            return self._once(function, argument, timeout_s)
        except WorkerError as exc:
            if exc.code != "worker_died":
                raise
        return self._once(function, argument, timeout_s)

    def _once(self, function: str, argument: Json, timeout_s: float) -> Json:
        worker = self._taken()
        try:
            answer = _asked(worker, function, argument, timeout_s, self._memory_bytes)
        except BaseException:
            self._end(worker, is_death=True)
            raise
        worker.calls += 1
        worker.last_rss = answer["rss_bytes"]
        worker.first_rss = worker.first_rss or worker.last_rss
        worker.idle_since = self._clock()
        error = answer.get("error")
        # After a MemoryError nobody knows what else the worker could not keep.
        is_out_of_memory = error is not None and error["code"] == "worker_memory"
        if worker.is_spent() or is_out_of_memory:
            self._end(worker, is_death=is_out_of_memory)
        else:
            with self._lock:
                self._idle.append(worker)
        if error is None:
            return answer["value"]
        raise WorkerError(error["message"], code=error["code"])

    def _taken(self) -> _Worker:
        """An idle worker that answers, or a new one."""
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle and not self._is_closed else None
            if worker is None:
                self._refuse_when_broken()
                return self._starter.submit(self._started).result()  # raises when it is shut down
            if self._clock() - worker.idle_since < idle_s:
                return worker
            try:
                _asked(worker, ping, None, pong_s, self._memory_bytes)
            except WorkerError:
                self._end(worker, is_death=True)
                continue
            return worker

    def _started(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            words = [str(theirs.fileno()), str(os.getpid()), str(self._memory_bytes)]
            words += self._import_paths
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-m", child_program, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                cwd=self._folder.name,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        worker = _Worker(process=process, connection=ours, idle_since=self._clock())
        with self._lock:
            self._all[process.pid] = worker
        try:
            _asked(worker, ping, None, start_s, self._memory_bytes)
        except BaseException:
            self._end(worker, is_death=True)
            raise
        return worker

    def _end(self, worker: _Worker, *, is_death: bool = False) -> None:
        worker.end()
        with self._lock:
            self._all.pop(worker.process.pid, None)
            if is_death:
                self._deaths.append(self._clock())

    def _refuse_when_broken(self) -> None:
        with self._lock:
            if self._is_closed:
                raise WorkerError("the pool is closed", code="pool_broken")
            while self._deaths and self._clock() - self._deaths[0] > restart_window_s:
                self._deaths.popleft()
            deaths = len(self._deaths)
        if deaths > most_restarts:
            raise WorkerError(
                f"{deaths} workers ended within ten minutes; the pool takes no more calls",
                code="pool_broken",
            )


def _asked(
    worker: _Worker, function: str, argument: Json, timeout_s: float, most_bytes: int
) -> dict[str, Json]:
    """The worker's answer; an error means that the worker is of no more use."""
    deadline = time.monotonic() + timeout_s
    call = {"function": function, "argument": argument, "timeout_s": timeout_s}
    try:
        worker.connection.settimeout(timeout_s)
        send(worker.connection, call)
        _wait(worker, deadline, timeout_s, most_bytes)
        worker.connection.settimeout(max(0.001, deadline - time.monotonic()))
        answer: dict[str, Json] | None = receive(worker.connection)
    except TimeoutError:
        raise WorkerError(f"no answer within {timeout_s:g} s", code="worker_timeout") from None
    except OSError as exc:
        raise WorkerError(f"the worker's connection broke: {exc}", code="worker_died") from exc
    if answer is None:
        raise WorkerError(_end_of(worker.process), code="worker_died")
    return answer


def _wait(worker: _Worker, deadline: float, timeout_s: float, most_bytes: int) -> None:
    """Return when there is something to read; watch the memory meanwhile."""
    news = select.poll()
    news.register(worker.connection, select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise WorkerError(f"no answer within {timeout_s:g} s", code="worker_timeout")
        if news.poll(1000 * min(left, watch_s)):
            return
        if resident_bytes(worker.process.pid) > most_bytes:
            message = f"the worker uses more than {most_bytes // megabyte} MB"
            raise WorkerError(message, code="worker_memory")


def _end_of(process: subprocess.Popen[bytes]) -> str:
    with suppress(subprocess.TimeoutExpired):
        code = process.wait(timeout=pong_s)
        if code < 0:
            return f"the worker was ended by {signal.Signals(-code).name}"
        return f"the worker ended with code {code}"
    return "the worker closed its connection"
