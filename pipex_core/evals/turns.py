"""Several targets on the same cases, asked in turn, so that what drifts meanwhile meets all of them alike.

Each run is a lane. No lane starts its next case while another that still has cases is behind it, and all
lanes together have as many cases in flight as one run may have.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Whose turn it is. One event loop."""

    def __init__(self, *, at_once: int) -> None:
        """``at_once`` is the number of cases in flight, of all lanes together."""
        self._at_once = at_once
        self._in_flight = 0
        self._started: list[int] = []
        self._open: set[int] = set()
        self._changed = asyncio.Condition()

    def lane(self) -> "Lane":
        """A further run; all are made before the first case."""
        self._started.append(0)
        number = len(self._started) - 1
        self._open.add(number)
        return Lane(self, number)

    def _is_turn(self, lane: int) -> bool:
        behind = min((self._started[one] for one in self._open), default=0)
        return self._in_flight < self._at_once and (
            lane not in self._open or self._started[lane] <= behind
        )

    @asynccontextmanager
    async def taken(self, lane: int) -> AsyncIterator[None]:
        """Wait for the turn of a lane, and hold its place while a case is in flight."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_turn(lane))
            self._started[lane] += 1
            self._in_flight += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            self._in_flight -= 1
            await self.tell()

    async def tell(self) -> None:
        """Let those look again who wait."""
        async with self._changed:
            self._changed.notify_all()

    def close(self, lane: int) -> None:
        """Wait for this lane no more."""
        self._open.discard(lane)


class Lane:
    """The place of one run among several."""

    def __init__(self, turns: Turns, number: int) -> None:
        self._turns = turns
        self._number = number

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Around one case."""
        async with self._turns.taken(self._number):
            yield

    async def leave(self) -> None:
        """Every case of this run has started; its second tries wait for nobody."""
        self._turns.close(self._number)
        await self._turns.tell()
