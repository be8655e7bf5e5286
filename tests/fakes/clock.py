"""A clock that moves when a test says so."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

start = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class ManualClock:
    """Time for tests.

    Sleepers wake in order of their time while ``advance`` moves the clock. With ``auto`` a sleep moves
    the clock itself and returns at once, which suits tests of one task.

    Attributes:
        sleeps: Every positive sleep asked for, in order, in seconds.
    """

    def __init__(self, *, auto: bool = False) -> None:
        self._auto = auto
        self._seconds = 0.0
        self._count = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        self.sleeps.append(seconds)
        if self._auto:
            self._seconds += seconds
            await asyncio.sleep(0)
            return
        self._count += 1
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._seconds + seconds, self._count, wake))
        await wake

    def tick(self, seconds: float) -> None:
        """Move without waking anybody: for code that does not sleep."""
        self._seconds += seconds

    async def advance(self, seconds: float) -> None:
        """Move and let everybody run who is due, in order of time."""
        end = self._seconds + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._seconds, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)
            await settle()
        self._seconds = end
        await settle()


async def settle() -> None:
    """Let all tasks run until they wait for something outside the loop's ready queue."""
    for _ in range(50):
        await asyncio.sleep(0)
