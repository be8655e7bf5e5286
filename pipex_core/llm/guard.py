"""All limits of one service as one door: breaker, limiter and token buckets on the way in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipex_core.errors import CircuitOpen, ProviderError
from pipex_core.jsonvalue import Json
from pipex_core.llm.buckets import TokenBucket
from pipex_core.llm.limits import (
    AdaptiveLimiter,
    BreakerState,
    CircuitBreaker,
    Entry,
    RetryQuota,
    Slot,
    throttle_kinds,
)
from pipex_core.llm.provider import Provider, RateLimit, Request
from pipex_core.ports import Clock
from pipex_core.telemetry import EventSink, NullSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Settings of all services.

    Attributes:
        max_connections: Most calls in flight per service.
        rpm: Requests per minute, or None.
        tpm: Tokens per minute, or None.
        max_retry_after_s: A service that asks for a longer wait parks the run.
        hold_s: How long a call waits for an open breaker.
    """

    max_connections: int = 64
    rpm: float | None = None
    tpm: float | None = None
    max_retry_after_s: float = 600.0
    hold_s: float = 60.0


class Ticket(Protocol):
    """One call's way through the door; told once how the call ended."""

    def answered(self, *, tokens: int, rates: Sequence[RateLimit] = ()) -> None:
        """The service answered, took this many tokens, and said this of its limits."""
        ...

    def failed(self, error: ProviderError) -> None:
        """The service did not answer, or refused."""
        ...

    def close(self) -> None:
        """Leave; without a report before it, the call says nothing about the service."""
        ...


class Guard(Protocol):
    """The door of one service."""

    async def enter(self, *, tokens: int, until: float, sink: EventSink) -> Ticket:
        """Wait for the right to send one call.

        Args:
            tokens: Upper bound of what the call takes.
            until: Monotonic time up to which an open breaker is waited for.
            sink: Of the run that the call belongs to: runs are served in turn, and hear of what
                their calls change.

        Raises:
            CircuitOpen: The breaker is still open at ``until``.
        """
        ...

    def may_retry(self, kind: str) -> bool:
        """Pay for one retry; False when the retry quota is used up."""
        ...

    def refund(self, kind: str | None) -> None:
        """A call succeeded: after a retry paid for this kind of failure, or at the first try."""
        ...


class OpenDoor:
    """The guard of a provider that cannot bill: nothing to protect, everything passes."""

    async def enter(self, *, tokens: int, until: float, sink: EventSink) -> Ticket:
        """A ticket at once."""
        del tokens, until, sink
        return _FreeTicket()

    def may_retry(self, kind: str) -> bool:
        """Always."""
        del kind
        return True

    def refund(self, kind: str | None) -> None:
        """Nothing was paid."""


class _FreeTicket:
    def answered(self, *, tokens: int, rates: Sequence[RateLimit] = ()) -> None: ...

    def failed(self, error: ProviderError) -> None: ...

    def close(self) -> None: ...


class ServiceGuard:
    """The guard of one (provider, base URL, model, role), shared by all who call it."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits,
        *,
        quota: RetryQuota,
        named: Mapping[str, Json],
    ) -> None:
        self._clock = clock
        self._quota = quota
        self._named = named
        self._heard_by: EventSink = NullSink()
        self.breaker = CircuitBreaker(clock, changed=self._breaker_changed)
        self.limiter = AdaptiveLimiter(
            clock, cap=limits.max_connections, changed=self._limiter_changed
        )
        self._configured = {
            kind: TokenBucket(clock, per_minute=rate)
            for kind, rate in (("requests", limits.rpm), ("tokens", limits.tpm))
            if rate
        }
        self._learned: dict[str, TokenBucket] = {}

    async def enter(self, *, tokens: int, until: float, sink: EventSink) -> Ticket:
        """Past the breaker, then a slot, then the buckets."""
        while True:
            entry = await self._pass_breaker(until, sink)
            slot = await self._slot(entry, sink.run_id)
            ticket = _ServiceTicket(self, entry, slot, sink)
            # The breaker may have opened while this call stood in the queue.
            if entry.is_probe or self.breaker.state == "closed":
                break
            ticket.close()
        try:
            await self._pass_buckets(ticket, tokens)
        except BaseException:
            ticket.close()
            raise
        return ticket

    def may_retry(self, kind: str) -> bool:
        """Whether the quota of this service covers one more retry, which is then paid."""
        return self._quota.take(kind)

    def refund(self, kind: str | None) -> None:
        """Give the quota back what a success is worth."""
        self._quota.succeeded(paid=self._quota.price(kind) if kind else 0)

    def tell(self, sink: EventSink) -> None:
        """Have the run that acts now hear of what it changes."""
        self._heard_by = sink

    def _breaker_changed(self, state: BreakerState) -> None:
        self._heard_by.emit("breaker_changed", data={**self._named, "state": state})

    def _limiter_changed(self, limit: int) -> None:
        self._heard_by.emit("limiter_changed", data={**self._named, "limit": limit})

    def _entered(self, sink: EventSink) -> Entry | None:
        self.tell(sink)
        return self.breaker.enter()

    async def _pass_breaker(self, until: float, sink: EventSink) -> Entry:
        while (entry := self._entered(sink)) is None:
            if self._clock.monotonic() >= until:
                raise CircuitOpen("the service failed too often lately; nothing was sent")
            await self.breaker.wait(until=until)
        return entry

    async def _slot(self, entry: Entry, group: str) -> Slot:
        try:
            return await self.limiter.acquire(group)
        except BaseException:
            self.breaker.leave(entry)
            raise

    async def _pass_buckets(self, ticket: "_ServiceTicket", tokens: int) -> None:
        amounts = {"requests": 1, "tokens": tokens}
        dues = [(b, b.take(amounts[kind])) for kind, b in self._configured.items()]
        ticket.took(self._configured.get("tokens"), tokens)
        # Where only the service knows the limit, it is the one that counts: a call waits when nothing
        # was left, and its bound, which is far above what most calls take, holds nobody up.
        dues += [(b, b.take(1)) for b in self._learned.values()]
        for bucket, due in dues:
            await bucket.wait(due)

    def learn(self, rates: Sequence[RateLimit]) -> None:
        """Take over what the service said of its limits; nothing that was configured grows by it."""
        for rate in rates:
            bucket = self._configured.get(rate.kind) or self._learned.get(rate.kind)
            if bucket is None:
                bucket = TokenBucket(self._clock, per_minute=rate.limit)
                self._learned[rate.kind] = bucket
            bucket.lower(rate.remaining)


class _ServiceTicket:
    def __init__(self, guard: ServiceGuard, entry: Entry, slot: Slot, sink: EventSink) -> None:
        self._guard = guard
        self._sink = sink
        self._entry = entry
        self._slot = slot
        self._bucket: TokenBucket | None = None
        self._tokens = 0
        self._is_closed = False

    def took(self, bucket: TokenBucket | None, tokens: int) -> None:
        """Tokens were taken from a bucket and are to be corrected by what the call used."""
        self._bucket, self._tokens = bucket, tokens

    def answered(self, *, tokens: int, rates: Sequence[RateLimit] = ()) -> None:
        self._is_closed = True
        self._guard.tell(self._sink)
        self._guard.breaker.report(self._entry, None)
        self._used(tokens)
        self._guard.learn(rates)
        self._guard.limiter.succeeded(self._slot)

    def failed(self, error: ProviderError) -> None:
        self._is_closed = True
        self._guard.tell(self._sink)
        self._guard.breaker.report(self._entry, error.code)
        if not error.maybe_billed:
            self._used(0)
        if error.code in throttle_kinds:
            self._guard.limiter.throttled(self._slot, retry_after_s=error.retry_after_s)
        else:
            self._guard.limiter.released(self._slot)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._guard.breaker.leave(self._entry)
            self._guard.limiter.released(self._slot)

    def _used(self, tokens: int) -> None:
        if self._bucket is not None:
            self._bucket.correct(self._tokens - tokens)


class Guards:
    """The guards of all services that a process calls, and the credentials that were rejected."""

    def __init__(self, *, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._guards: dict[tuple[str, str, str, bool], Guard] = {}
        self._quotas: dict[tuple[str, str], RetryQuota] = {}
        self._rejected: dict[tuple[str, str], str] = {}

    def of(self, request: Request, provider: Provider) -> Guard:
        """The guard of the service that ``request`` goes to; judges have their own."""
        if not provider.billable:
            return OpenDoor()
        key = (request.provider, request.base_url, request.model, request.origin.role == "judge")
        if key not in self._guards:
            self._guards[key] = self._made(request)
        return self._guards[key]

    def reject(self, request: Request, kind: str) -> None:
        """Let nothing more be sent with this credential: the operator must act first."""
        self._rejected[request.provider, request.base_url] = kind

    def check_credential(self, request: Request) -> None:
        """Pass, unless the credential was rejected before.

        Raises:
            CircuitOpen: It was; ``detail`` is the kind of that error.
        """
        kind = self._rejected.get((request.provider, request.base_url))
        if kind:
            raise CircuitOpen(
                f"nothing more is sent to {request.provider} after its error {kind!r}",
                provider=request.provider,
                model=request.model,
                detail=kind,
            )

    def _made(self, request: Request) -> ServiceGuard:
        return ServiceGuard(
            self._clock,
            self._limits,
            quota=self._quotas.setdefault((request.provider, request.model), RetryQuota()),
            named={"provider": request.provider, "model": request.model},
        )
