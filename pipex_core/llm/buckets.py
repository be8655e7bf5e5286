"""Requests and tokens per minute: what may be used now, and what was promised to others before."""

from pipex_core.ports import Clock

least_wait_s = 1e-6  # less is the dust of arithmetic


class TokenBucket:
    """Requests or tokens per minute. What was promised to earlier callers is debt of later ones."""

    look_again_s = 1.0  # earlier callers may have given something back meanwhile

    def __init__(self, clock: Clock, *, per_minute: float) -> None:
        self._clock = clock
        self._rate = per_minute / 60.0
        self._capacity = per_minute
        self._level = per_minute
        self._income = 0.0
        self._at = clock.monotonic()

    def take(self, amount: float) -> float:
        """Take ``amount`` and give the income at which it may be used."""
        self._accrue()
        self._level -= amount
        return self._income + max(0.0, -self._level)

    def wait_s(self, due: float) -> float:
        """Seconds until an income is reached, if nobody gives anything back; 0 when it is."""
        self._accrue()
        left = (due - self._income) / self._rate
        return left if left > least_wait_s else 0.0

    async def wait(self, due: float) -> None:
        """Return when an income that ``take`` gave is reached."""
        while (left := self.wait_s(due)) > 0:
            await self._clock.sleep(min(left, self.look_again_s))

    def correct(self, amount: float) -> None:
        """Give back ``amount`` that was taken and not used; negative when more was used."""
        self._level = min(self._capacity, self._level + amount)
        self._income += amount

    def lower(self, level: float) -> None:
        """Have no more than ``level`` left: somebody else counts too."""
        self._accrue()
        self._level = min(self._level, level)

    def _accrue(self) -> None:
        now = self._clock.monotonic()
        gained = (now - self._at) * self._rate
        self._at = now
        self._income += gained
        self._level = min(self._capacity, self._level + gained)
