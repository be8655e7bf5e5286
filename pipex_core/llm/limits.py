"""When a call may start and when a failed one may be tried again; all on an injected clock.

Retry waits, the retry quota, the circuit breaker and the adaptive limiter. They belong to
one service as it is reached (provider, base URL, model, role) and are shared by all who call it.
"""

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipex_core.errors import ProviderError
from pipex_core.ports import Clock

Backoff = Literal["exponential", "linear", "fixed"]
BreakerState = Literal["closed", "half", "open"]

retryable_kinds = frozenset(
    {"rate_limit", "overloaded", "server_error", "connection", "timeout", "api_error"}
)
http_kinds = frozenset({"rate_limit", "overloaded", "server_error", "api_error"})
account_kinds = frozenset({"auth", "spend_limit"})
throttle_kinds = frozenset({"rate_limit", "overloaded"})
outage_kinds = frozenset({"server_error", "overloaded", "connection", "timeout"})
known_kinds = (
    retryable_kinds
    | account_kinds
    | {"invalid_request", "not_found", "content_filter", "empty_reply", "invalid_reply"}
    | {"max_turns", "circuit_open", "replay_miss"}
)
never_retried = account_kinds | {"replay_miss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which failures are tried again, how often, and after which wait.

    Attributes:
        max_retries: Tries after the first one.
        max_delay_s: Upper bound of a wait, unless the service asks for a longer one.
        jitter: Whether waits are multiplied by a factor in [0.5, 1].
        retry_on: Kinds of errors; ``api_error`` stands for every retryable HTTP kind, and a word that
            is no kind is looked for in the message. None means the retryable kinds.
    """

    max_retries: int = 3
    backoff: Backoff = "exponential"
    base_delay_s: float = 1.0
    max_delay_s: float = 30.0
    jitter: bool = True
    retry_on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ValueError(f"max_retries must not be negative, got {self.max_retries}")
        if self.base_delay_s < 0 or self.max_delay_s < 0:
            raise ValueError("delays must not be negative")

    @property
    def attempts(self) -> int:
        """Calls in all, the first one included."""
        return self.max_retries + 1

    def covers(self, error: ProviderError) -> bool:
        """Whether this failure may be tried again; account errors and cassette misses never are."""
        if error.code in never_retried:
            return False
        if self.retry_on is None:
            return error.code in retryable_kinds
        return any(_names(word.lower(), error) for word in self.retry_on)

    def wait_s(
        self, retry: int, rng: random.Random, *, retry_after_s: float | None = None
    ) -> float:
        """Seconds before the ``retry``-th retry (from 0); never below ``retry_after_s``."""
        factors = {"exponential": 2.0 ** min(retry, 1000), "linear": retry + 1.0, "fixed": 1.0}
        wait = min(self.base_delay_s * factors[self.backoff], self.max_delay_s)
        if self.jitter:
            wait *= rng.uniform(0.5, 1.0)
        return max(wait, retry_after_s or 0.0)


class RetryQuota:
    """Bounds retries during an outage: credit that retries take and successes give back.

    With 500 of credit and 14 for a retry, at most 35 extra requests are sent beyond those that
    successes paid for.
    """

    def __init__(self, capacity: int = 500) -> None:
        self._capacity = capacity
        self.credit = capacity

    @staticmethod
    def price(kind: str) -> int:
        """Credit that a retry after this kind of failure takes."""
        return 5 if kind == "rate_limit" else 14

    def take(self, kind: str) -> bool:
        """Pay for a retry; False when the credit does not reach, and nothing is taken."""
        if self.credit < self.price(kind):
            return False
        self.credit -= self.price(kind)
        return True

    def succeeded(self, *, paid: int = 0) -> None:
        """Give back what the retry that succeeded had paid, or 1 for a first try that succeeded."""
        self.credit = min(self._capacity, self.credit + (paid or 1))


@dataclass(frozen=True, slots=True)
class Entry:
    """The right to send one call past the breaker."""

    is_probe: bool


class CircuitBreaker:
    """Stops calls to a service that is down, and finds out when it is back.

    Opens when at least 5 of the last 20 calls within 60 s failed and they are at least half; stays open
    for 15 s, then lets one probe at a time through and closes after 2 of them were answered. The first
    probe that fails opens it for 15 s again and each further one for twice as long, up to 120 s: doubling
    at once would find the end of an outage of a minute only 45 s after it.
    """

    window_calls = 20
    window_s = 60.0
    failures_to_open = 5
    first_open_s = 15.0
    longest_open_s = 120.0
    answers_to_close = 2

    def __init__(
        self, clock: Clock, *, changed: Callable[[BreakerState], None] | None = None
    ) -> None:
        self._clock = clock
        self._changed = changed or (lambda _: None)
        self._recent: deque[tuple[float, bool]] = deque(maxlen=self.window_calls)
        self._open_until = 0.0
        self._open_s = self.first_open_s
        self._has_failed_probe = False
        self._answers = 0
        self._is_probing = False
        self._state: BreakerState = "closed"
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def state(self) -> BreakerState:
        """``closed``, ``open``, or ``half`` when only probes are sent."""
        if self._state == "open" and self._clock.monotonic() >= self._open_until:
            return "half"
        return self._state

    def enter(self) -> Entry | None:
        """The right to send the next call, as a probe when half open; None when it must wait."""
        state = self.state
        if state == "closed":
            return Entry(is_probe=False)
        if state == "open" or self._is_probing:
            return None
        self._is_probing = True
        self._become("half")
        return Entry(is_probe=True)

    async def wait(self, *, until: float) -> None:
        """Return when ``enter`` may succeed, or at the monotonic time ``until`` while still open."""
        if self.state == "open":
            await self._clock.sleep(min(self._open_until, until) - self._clock.monotonic())
        elif self._is_probing:
            # Not raced with the clock: a probe has a wall deadline of its own, so there is always news.
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def report(self, entry: Entry, kind: str | None) -> None:
        """Count the end of a call: None for an answer, else the kind of failure."""
        failed = kind in outage_kinds
        if entry.is_probe:
            self._end_probe(failed=failed)
        elif self._state == "closed":
            self._count(failed=failed)

    def leave(self, entry: Entry) -> None:
        """End a call that gave no evidence: it was cancelled or not sent."""
        if entry.is_probe:
            self._is_probing = False
            self._wake()

    def _end_probe(self, *, failed: bool) -> None:
        self._is_probing = False
        if failed:
            if self._has_failed_probe:
                self._open_s = min(self._open_s * 2, self.longest_open_s)
            self._has_failed_probe = True
            self._open()
            return
        self._answers += 1
        if self._answers < self.answers_to_close:
            self._wake()
            return
        self._open_s = self.first_open_s
        self._has_failed_probe = False
        self._recent.clear()
        self._become("closed")

    def _count(self, *, failed: bool) -> None:
        now = self._clock.monotonic()
        self._recent.append((now, failed))
        recent = [was_failure for at, was_failure in self._recent if now - at <= self.window_s]
        failures = sum(recent)
        if failures >= self.failures_to_open and failures * 2 >= len(recent):
            self._open()

    def _open(self) -> None:
        self._answers = 0
        self._open_until = self._clock.monotonic() + self._open_s
        self._become("open")

    def _become(self, state: BreakerState) -> None:
        if state != self._state:
            self._state = state
            self._changed(state)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to have one call in flight; ``cut`` is how often the limit had been lowered before."""

    cut: int


class AdaptiveLimiter:
    """How many calls may be in flight, learned from throttling.

    Starts at ``min(10, cap)``; doubles per full window of successes until the first throttle, then
    grows by one per window; a throttle takes it to 0.7, at most once per round trip, never below 1.
    Those who wait are served round robin by group (run), first in first out inside a group.
    """

    def __init__(
        self, clock: Clock, *, cap: int = 64, changed: Callable[[int], None] | None = None
    ) -> None:
        if cap < 1:
            raise ValueError(f"cap must be at least 1, got {cap}")
        self._clock = clock
        self._cap = cap
        self._changed = changed or (lambda _: None)
        self.limit = min(10, cap)
        self.in_flight = 0
        self._cuts = 0
        self._successes = 0
        self._paused_until = 0.0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Callers in the queue."""
        return sum(len(queue) for queue in self._queues.values())

    async def acquire(self, group: str = "") -> Slot:
        """A slot, when one is free and no pause asked for by the service is left."""
        if self.in_flight >= self.limit or self._queues:
            await self._in_turn(group)
        else:
            self.in_flight += 1
        try:
            while (left := self._paused_until - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
        except BaseException:
            self._leave()
            raise
        return Slot(self._cuts)

    def succeeded(self, slot: Slot) -> None:
        """Free the slot after an answer, and grow after a full window of answers."""
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self._set(self.limit + 1 if slot.cut or self._cuts else self.limit * 2)
        self._leave()

    def throttled(self, slot: Slot, *, retry_after_s: float | None = None) -> None:
        """Free the slot after a throttle, lower the limit, and pause everybody as asked."""
        if retry_after_s:
            self.pause(retry_after_s)
        if slot.cut == self._cuts:
            self._cuts += 1
            self._successes = 0
            self._set(int(self.limit * 0.7))
        self._leave()

    def released(self, slot: Slot) -> None:
        """Free the slot after a call that says nothing about the load."""
        del slot
        self._leave()

    def pause(self, seconds: float) -> None:
        """Let no call start for ``seconds`` from now."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def _set(self, limit: int) -> None:
        within = max(1, min(limit, self._cap))
        if within != self.limit:
            self.limit = within
            self._changed(within)

    async def _in_turn(self, group: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(group, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self.in_flight < self.limit and (turn := self._next_turn()) is not None:
            self.in_flight += 1
            turn.set_result(None)

    def _next_turn(self) -> "asyncio.Future[None] | None":
        while self._queues:
            group, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[group] = queue
            if not turn.done():
                return turn
        return None


def _names(word: str, error: ProviderError) -> bool:
    if word == "api_error":
        return error.code in http_kinds
    if word in known_kinds:
        return error.code == word
    return word in error.message.lower()
