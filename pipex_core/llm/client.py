"""The one way to call a model, and the only owner of retries: journal, cache, attempts, waits.

What the journal knows is never sent again; then the call cache is asked; then the provider, as often as
the retry policy, the deadline and the quota of the service allow.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipex_core.errors import ConfigError, ConnectionFailed, ProviderError
from pipex_core.llm.attempt import Attempts, OnDelta, Services, show, usable
from pipex_core.llm.cost import Ledger
from pipex_core.llm.daily import DayBudget
from pipex_core.llm.guard import Guards, Limits
from pipex_core.llm.limits import RetryPolicy, account_kinds
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Begun, CallCache, CallLog, Provider, Request, Response
from pipex_core.llm.purse import CallWarning, Purse
from pipex_core.llm.router import Router
from pipex_core.ports import Clock
from pipex_core.telemetry import EventSink, NullSink

CachePolicy = Literal["off", "use", "refresh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """How one call reads and writes the call cache.

    Attributes:
        key: Under which the answer is kept; None for the key of the request.
        max_age_s: Older answers are not used, and replaced; None uses any.
    """

    key: str | None = None
    max_age_s: float | None = None


no_sink = NullSink()
normal_ends = frozenset({"stop", "tool_calls"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer and what it took.

    Attributes:
        attempts: Calls sent for it, those before a restart included; 0 for a cache hit.
        cost_nanousd: Of the answer itself; 0 for a cache hit.
        failed_nanousd: Of the attempts before it that may have been billed.
        wait_ms: Spent waiting for limits, room in the budget and retries; no part of the latency.
        ordinal: Number of the call in its unit, from 0.
    """

    response: Response
    attempts: int
    cost_nanousd: int
    failed_nanousd: int = 0
    cache: Literal["hit", "miss"] = "miss"
    wait_ms: float = 0.0
    warnings: Sequence[CallWarning] = ()
    ordinal: int = 0


class NullCallLog:
    """Journals nothing: for callers that journal a coarser unit than the call."""

    def __init__(self, unit: str = "") -> None:
        self.unit = unit
        self._next = -1

    def next_ordinal(self) -> int:
        """0, 1, 2, ..."""
        self._next += 1
        return self._next

    def answered(self, ordinal: int, request: str) -> Response | None:
        """Nothing is known."""
        del ordinal, request
        return None

    def attempts_so_far(self, ordinal: int, request: str) -> int:
        """None."""
        del ordinal, request
        return 0

    async def begin(self, call: Begun, *, wait: bool) -> None:
        """Nothing is kept."""

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        """Nothing is kept."""

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        """Nothing is kept."""


class LlmClient:
    """Calls models through the registered providers; the only caller of providers.

    One client belongs to one process and one event loop. It holds what all calls share: limiter,
    breaker and quota of each service, the price table and the cache.
    """

    def __init__(  # noqa: PLR0913 - each is a service of its own
        self,
        *,
        providers: Mapping[str, Provider],
        clock: Clock,
        rng: random.Random,
        prices: PriceTable,
        limits: Limits | None = None,
        cache: CallCache | None = None,
        sink: EventSink = no_sink,
        day: DayBudget | None = None,
        router: Router | None = None,
    ) -> None:
        self.providers = providers
        self.prices = prices
        self.limits = limits or Limits()
        self._clock = clock
        self._rng = rng
        self._cache = cache
        self._sink = sink
        self._has_told_age = False
        self._router = router or Router({}, prices=prices)
        guards = Guards(clock=clock, limits=self.limits)
        self._services = Services(
            clock=clock, prices=prices, limits=self.limits, guards=guards, day=day
        )

    async def call(  # noqa: PLR0913 - the manners of one call, all named
        self,
        request: Request,
        *,
        log: CallLog,
        ledger: Ledger,
        retry: RetryPolicy,
        deadline: float | None = None,
        cache: CachePolicy | CacheUse = "off",
        sink: EventSink | None = None,
        on_delta: OnDelta | None = None,
    ) -> Reply:
        """The answer to ``request``: from the journal, from the cache, or from the provider.

        Args:
            request: What is sent, complete.
            retry: How often and for which failures to try again.
            log: Journal of the unit; a durable answer in it is returned and nothing is sent.
            ledger: Innermost budget that the call must fit in.
            deadline: Monotonic time after which no wait ends and no call runs.
            cache: ``use`` (or a ``CacheUse``) reads and writes the call cache, ``refresh`` only writes.
            sink: Events of the run; default: the client's own.
            on_delta: Is shown the answer while it is written, in order; must not raise. A delta with
                ``restart`` voids those before it. An answer that is known already comes in one piece.

        Raises:
            ProviderError: The last failure. ``detail`` is ``parked`` when the service asked for a
                longer wait than may be slept (``retry_after_s`` says how long), ``retry_quota`` when
                an outage used up the retries, ``attempts_used_up`` when a restart left none.
            BudgetExceeded: The call does not fit in a budget; nothing was sent.
            ConfigError: The provider is not configured, its model must have a price and has none, or the
                model is a group of models.
        """
        self._refuse_group(request)
        provider = self._provider(request.provider)
        key = self.key_of(request)
        ordinal = log.next_ordinal()
        known = self._known(request, key, ordinal, log, cache)
        if known is not None:
            show(known.response, on_delta)
            return known
        reply = await self._answer(
            Attempts(
                request=request,
                provider=provider,
                key=key,
                ordinal=ordinal,
                log=log,
                purse=self._purse(request, provider, ledger, sink or self._sink),
                deadline=deadline,
                sink=sink or self._sink,
                services=self._services,
                on_delta=on_delta,
            ),
            retry,
        )
        self._measure(request, reply.response)
        if self._cache and cache != "off" and reply.response.finish_reason in normal_ends:
            self._cache.put(_cache_key(cache, key), reply.response)
        return reply

    def _purse(
        self, request: Request, provider: Provider, ledger: Ledger, sink: EventSink
    ) -> Purse:
        return Purse(
            request=request,
            provider=provider,
            ledger=ledger,
            prices=self.prices,
            clock=self._clock,
            sink=sink,
            day=self._services.day,
        )

    def _refuse_group(self, request: Request) -> None:
        if self._router.is_group(request.model):
            raise ConfigError(
                f"{request.model!r} is a group of models; name one of them here",
                next_step="only steps of a pipeline may name a group",
            )

    def _provider(self, name: str) -> Provider:
        found = self.providers.get(name)
        if found is None:
            raise ConfigError(f"provider {name!r} is not configured", code="unknown_provider")
        return found

    def _known(
        self, request: Request, key: str, ordinal: int, log: CallLog, cache: CachePolicy | CacheUse
    ) -> Reply | None:
        """The reply from the journal or from the cache, or None when the call must be sent."""
        answered = log.answered(ordinal, key)
        if answered is not None:
            tries = log.attempts_so_far(ordinal, key)
            return _journalled(answered, request, tries=tries, ordinal=ordinal)
        if self._cache is None or cache in {"off", "refresh"}:
            return None
        age_s = cache.max_age_s if isinstance(cache, CacheUse) else None
        stored = self._cache.get(_cache_key(cache, key), max_age_s=age_s)
        if stored is None:
            return None
        return Reply(response=stored, attempts=0, cost_nanousd=0, cache="hit", ordinal=ordinal)

    def cached(self, request: Request, *, key: str | None = None) -> Response | None:
        """What the call cache has for a request, or None; nothing is sent or journalled.

        Raises:
            ConfigError: The provider is not configured.
        """
        return self._cache.get(key or self.key_of(request)) if self._cache else None

    def routed(self, request: Request) -> Sequence[Request]:
        """The request to each model of the group that it names, in order; itself when it names a model."""
        return self._router.routed(request)

    def key_of(self, request: Request) -> str:
        """The key of a request in journals and in the cache.

        Raises:
            ConfigError: The provider is not configured.
        """
        return request.key(adapter_version=self._provider(request.provider).adapter_version)

    def _measure(self, request: Request, response: Response) -> None:
        self._router.answered(request, latency_ms=response.latency_ms, output=response.usage.output)

    async def aclose(self) -> None:
        """Release the connections of all providers."""
        for provider in self.providers.values():
            await provider.aclose()

    async def _answer(self, call: Attempts, retry: RetryPolicy) -> Reply:
        """The reply after as many attempts as the policy allows, those before a restart included."""
        attempt = call.log.attempts_so_far(call.ordinal, call.key)
        if attempt >= retry.attempts:
            raise ConnectionFailed(
                f"all {attempt} attempts of this call were used before the restart",
                provider=call.request.provider,
                model=call.request.model,
                detail="attempts_used_up",
            )
        failed_with: str | None = None
        retry_wait_s = 0.0
        while True:
            attempt += 1
            try:
                response = await call.send(attempt)
            except ProviderError as error:
                wait_s = self._wait_s(error, attempt, call, retry)
                await self._clock.sleep(wait_s)
                retry_wait_s += wait_s
                failed_with = error.code
            else:
                call.guard().refund(failed_with)
                return Reply(
                    response=response,
                    attempts=attempt,
                    cost_nanousd=response.cost_nanousd or 0,
                    failed_nanousd=call.failed_nanousd,
                    wait_ms=(call.wait_s + retry_wait_s) * 1000,
                    warnings=(
                        *call.purse.warnings,
                        *_findings(response, call.request),
                        *self._age_of_prices(call.provider),
                    ),
                    ordinal=call.ordinal,
                )

    def _age_of_prices(self, provider: Provider) -> Sequence[CallWarning]:
        """A word about old prices, once, where they are money."""
        if self._has_told_age or not provider.billable:
            return ()
        self._has_told_age = True
        if not self.prices.is_stale(self._clock.now().date()):
            return ()
        message = f"the prices are of {self.prices.as_of}; name newer ones in PIPEX_PRICES"
        return (CallWarning(code="stale_prices", message=message),)

    def _wait_s(
        self, error: ProviderError, attempt: int, call: Attempts, retry: RetryPolicy
    ) -> float:
        """Seconds until the next attempt; raises ``error`` when there is to be none."""
        if error.code in account_kinds and call.provider.billable:
            self._services.guards.reject(call.request, error.code)
        if attempt >= retry.attempts or not retry.covers(error):
            raise error
        if (error.retry_after_s or 0.0) > self.limits.max_retry_after_s:
            error.detail = "parked"
            raise error
        wait_s = retry.wait_s(attempt - 1, self._rng, retry_after_s=error.retry_after_s)
        if call.deadline is not None and self._clock.monotonic() + wait_s >= call.deadline:
            raise error
        if not call.guard().may_retry(error.code):
            error.detail = "retry_quota"
            raise error
        data = {**call.facts(attempt), "kind": error.code, "wait_ms": round(wait_s * 1000)}
        call.sink.emit("call_retried", step=call.request.origin.path, data=data)
        return wait_s


def _cache_key(cache: CachePolicy | CacheUse, key: str) -> str:
    return (cache.key or key) if isinstance(cache, CacheUse) else key


def _journalled(response: Response, request: Request, *, tries: int, ordinal: int) -> Reply:
    """The reply of a call whose answer was durable before a restart."""
    return Reply(
        response=usable(response, request),
        attempts=max(tries, 1),
        cost_nanousd=response.cost_nanousd or 0,
        warnings=_findings(response, request),
        ordinal=ordinal,
    )


def _findings(response: Response, request: Request) -> list[CallWarning]:
    """What is odd about an answer that is kept."""
    found = []
    if response.finish_reason == "max_tokens":
        found.append(
            CallWarning(
                code="truncated", message=f"the reply was cut at {request.max_tokens} tokens"
            )
        )
    if response.model_served and not response.model_served.startswith(request.model):
        found.append(
            CallWarning(
                code="model_mismatch",
                message=f"{request.model!r} was asked for, {response.model_served!r} answered",
            )
        )
    return found
