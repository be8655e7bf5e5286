"""The clock, the ids and the armed faults of this machine, and a clock that jumps instead of waiting."""

import asyncio
import heapq
import os
import resource
import secrets
import signal
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

id_letters = string.digits + string.ascii_lowercase
quiet_turns = 2
idle_turns = 200


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that jumps to the next deadline as soon as nobody has anything else to do.

    A wait is counted and not slept: once the event loop has nothing left to run, time moves to the
    earliest deadline. Used from one event loop, with providers that have no service behind them (mock,
    replay). ``now`` goes on with real time and adds the waits; ``monotonic`` knows the waits only, so
    durations are the same in every run.

    Args:
        start: What ``now`` says first; it then moves by waits only. The machine's time when None.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._waiters: list[tuple[float, int, asyncio.Future[None]]] = []
        self._events = 0
        self._holders = 0
        self._released: asyncio.Future[None] | None = None
        self._driver: asyncio.Task[None] | None = None

    def now(self) -> datetime:
        return (self._start or datetime.now(UTC)) + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._events += 1
        # The number keeps waiters with equal deadlines in the order in which they came.
        heapq.heappush(self._waiters, (self._elapsed_s + seconds, self._events, waiter))
        if self._driver is None or self._driver.done():
            self._driver = loop.create_task(self._drive())
        await waiter

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep time from jumping while the block waits for something real, such as a disk."""
        self._holders += 1
        self._events += 1
        try:
            yield
        finally:
            self._holders -= 1
            if self._holders == 0 and self._released is not None and not self._released.done():
                self._released.set_result(None)

    async def _drive(self) -> None:
        while self._waiters:
            await self._idle()
            while self._waiters and self._waiters[0][2].done():
                heapq.heappop(self._waiters)
            if self._waiters:
                self._elapsed_s, _, waiter = heapq.heappop(self._waiters)
                waiter.set_result(None)

    async def _idle(self) -> None:
        """Return when all tasks wait, and nobody for anything real."""
        loop = asyncio.get_running_loop()
        # Counting turns would not do: the end of a deeply nested task takes any number of them to
        # arrive. No public name tells whether the loop has callbacks left; a loop that does not keep
        # them here is watched for a number of turns instead.
        ready = getattr(loop, "_ready", None)
        seen, turns = self._events, 0
        while turns < (quiet_turns if ready is not None else idle_turns):
            if self._holders:
                self._released = loop.create_future()
                await self._released
            await asyncio.sleep(0)
            turns = turns + 1 if self._events == seen and not ready else 0
            seen = self._events


def resident_mb() -> float:
    """What this process holds in memory, in MiB; where the system does not say, the most it ever held."""
    try:
        with open("/proc/self/statm", "rb", 0) as file:  # noqa: PTH123 - looked at before every step
            pages = int(file.read().split()[1])
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


class RandomIds:
    """Ids from the operating system's randomness."""

    def token(self, length: int) -> str:
        return "".join(secrets.choice(id_letters) for _ in range(length))

    def hex(self, length: int) -> str:
        return secrets.token_hex((length + 1) // 2)[:length]


def end_process() -> None:
    """End this process as ``kill -9`` would: no handler, no clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong at a fault point.

    Attributes:
        visit: Which visit of the point sets it off, from 1; earlier and later ones pass.
        action: Raises or ends the process.
    """

    action: Callable[[], None] = end_process
    visit: int = 1


class ArmedFaults:
    """Fault points of a test: each armed one goes off once.

    Attributes:
        visits: How often each point was passed, armed or not.
    """

    def __init__(self, armed: Mapping[str, Fault]) -> None:
        self._armed = dict(armed)
        self.visits: Counter[str] = Counter()

    def hit(self, point: str) -> None:
        self.visits[point] += 1
        fault = self._armed.get(point)
        if fault is not None and self.visits[point] == fault.visit:
            fault.action()
