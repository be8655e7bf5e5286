"""One try of a call: limits, budget, journal, sending, settling, in the one order that loses no money.

Reserve the bound, journal ``begin`` (durable where the provider can bill), send under a wall deadline,
journal ``done`` or ``fail`` (durable), settle the ledger, free the slot.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipex_core.errors import (
    ConnectionFailed,
    EmptyReply,
    InvalidReply,
    ProviderError,
    ProviderTimeout,
    Refused,
)
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Amount
from pipex_core.llm.daily import DayBudget
from pipex_core.llm.guard import Guard, Guards, Limits, Ticket
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import (
    Begun,
    CallLog,
    Delta,
    Provider,
    Request,
    Response,
    StreamingProvider,
    Usage,
)
from pipex_core.llm.purse import Purse, Room
from pipex_core.ports import Clock
from pipex_core.telemetry import EventSink

OnDelta = Callable[[Delta], None]
token_classes = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all calls of a process share.

    Attributes:
        day: The deployment's budget of the day, or None for none.
    """

    clock: Clock
    prices: PriceTable
    limits: Limits
    guards: Guards
    day: DayBudget | None = None


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The tries of one call, all with the same key and ordinal.

    Attributes:
        key: Request key of the call.
        purse: Pays for them; holds what the user should know.
        deadline: Monotonic time after which nothing of the call runs, or None.
        on_delta: Is shown the answer piece by piece; None to ask for it whole.
        wait_s: Waited so far for limits and for room in the budget.
        failed_nanousd: Counted so far for tries without an answer.
    """

    request: Request
    provider: Provider
    key: str
    ordinal: int
    log: CallLog
    purse: Purse
    deadline: float | None
    sink: EventSink
    services: Services
    on_delta: OnDelta | None = None
    wait_s: float = 0.0
    failed_nanousd: int = 0
    _has_shown: bool = False

    async def send(self, attempt: int) -> Response:
        """The answer of the ``attempt``-th try (from 1).

        Raises:
            ProviderError: It failed, was refused, is empty, or could not be sent.
            BudgetExceeded: It does not fit in a budget; nothing was sent.
            ConfigError: The budget refuses models without a price.
        """
        self._check_deadline()
        self.services.guards.check_credential(self.request)
        request = self._numbered(attempt)
        bound = self.purse.bound(request)
        arrived = self.services.clock.monotonic()
        ticket = await self.guard().enter(
            tokens=bound.tokens, until=self._hold_until(), sink=self.sink
        )
        try:
            room = await self.purse.room(request, bound)
            self.wait_s += self.services.clock.monotonic() - arrived
            begun = self._begun(attempt, room.amount)
            response = await self._journalled(request, begun, room, ticket)
        finally:
            ticket.close()
        return usable(response, request)

    async def _journalled(
        self, request: Request, begun: Begun, room: Room, ticket: Ticket
    ) -> Response:
        """The answer, journalled and settled before anybody sees it."""
        taken = Amount()
        try:
            await self.log.begin(begun, wait=self.provider.billable)
            # Until there is an end, the call may have been billed: also when it is cancelled.
            taken = self.purse.in_doubt(room)
            response = self.purse.priced(await self._sent(request, begun))
            taken = _amount_of(response)
            await self.log.done(begun, response, cost_nanousd=taken.nanousd)
        except ProviderError as error:
            taken = self.purse.in_doubt(room) if error.maybe_billed else Amount(calls=1)
            self.failed_nanousd += taken.nanousd
            await self.log.fail(begun, error, cost_nanousd=taken.nanousd)
            ticket.failed(error)
            self._ended(begun, outcome=error.code, cost_nanousd=taken.nanousd)
            raise
        finally:
            self.purse.settle(room, taken)
        ticket.answered(tokens=taken.tokens, rates=response.rates)
        found = defect(response, request)
        outcome = found.code if found else "ok"
        self._ended(begun, outcome=outcome, cost_nanousd=taken.nanousd, response=response)
        return response

    async def _sent(self, request: Request, begun: Begun) -> Response:
        """The provider's answer before the wall deadline, with its latency."""
        wall_s = self._wall_s()
        request = replace(request, timeout_s=wall_s)
        self.sink.emit("call_started", step=request.origin.path, data=self.facts(begun.attempt))
        sent = self.services.clock.monotonic()
        try:
            async with asyncio.timeout(wall_s) as scope:
                response = await self._received(request)
        except TimeoutError as exc:
            if not scope.expired():
                raise
            raise ProviderTimeout(
                f"no complete answer within {wall_s:g} s",
                provider=request.provider,
                model=request.model,
                maybe_billed=True,
            ) from exc
        measured = (self.services.clock.monotonic() - sent) * 1000
        return replace(response, latency_ms=response.latency_ms or measured)

    async def _received(self, request: Request) -> Response:
        """The provider's answer, shown while it comes where somebody looks on."""
        if self.on_delta is None:
            return await self.provider.complete(request)
        if not isinstance(self.provider, StreamingProvider):
            response = await self.provider.complete(request)
            show(response, self.on_delta)
            return response
        return await self._streamed(request, self.provider, self.on_delta)

    async def _streamed(
        self, request: Request, provider: StreamingProvider, on_delta: OnDelta
    ) -> Response:
        """The last item of a stream; those before it are only shown."""
        if self._has_shown:
            on_delta(Delta(text="", restart=True))
            self._has_shown = False
        response, ttft_ms = None, None
        sent = self.services.clock.monotonic()
        async for item in provider.stream(request):
            if isinstance(item, Response):
                response = item
                continue
            if ttft_ms is None:
                ttft_ms = (self.services.clock.monotonic() - sent) * 1000
            self._has_shown = True
            on_delta(item)
        if response is None:
            raise ConnectionFailed(
                "the stream ended without an answer",
                provider=request.provider,
                model=request.model,
                maybe_billed=provider.billable,
            )
        return replace(response, ttft_ms=response.ttft_ms if ttft_ms is None else ttft_ms)

    def _numbered(self, attempt: int) -> Request:
        """The request with the number of this try: one after those of the step before it."""
        origin = self.request.origin
        return replace(self.request, origin=replace(origin, attempt=origin.attempt + attempt - 1))

    def _begun(self, attempt: int, bound: Amount) -> Begun:
        return Begun(
            unit=self.log.unit,
            ordinal=self.ordinal,
            request=self.key,
            attempt=attempt,
            provider=self.request.provider,
            model=self.request.model,
            reserved_nanousd=bound.nanousd,
            reserved_tokens=bound.tokens,
        )

    def _check_deadline(self) -> None:
        if self.deadline is not None and self.services.clock.monotonic() >= self.deadline:
            raise ProviderTimeout(
                "the deadline passed before the call could be sent",
                provider=self.request.provider,
                model=self.request.model,
                detail="deadline",
            )

    def _hold_until(self) -> float:
        until = self.services.clock.monotonic() + self.services.limits.hold_s
        return until if self.deadline is None else min(until, self.deadline)

    def _wall_s(self) -> float:
        if self.deadline is None:
            return self.request.timeout_s
        return max(
            0.0, min(self.request.timeout_s, self.deadline - self.services.clock.monotonic())
        )

    def guard(self) -> Guard:
        """The limits of the service that the call goes to."""
        return self.services.guards.of(self.request, self.provider)

    def facts(self, attempt: int) -> dict[str, Json]:
        """What every event about a try of this call says."""
        return {
            "provider": self.request.provider,
            "model": self.request.model,
            "role": self.request.origin.role,
            "attempt": attempt,
        }

    def _ended(
        self, begun: Begun, *, outcome: str, cost_nanousd: int, response: Response | None = None
    ) -> None:
        usage = response.usage if response else Usage()
        self.sink.emit(
            "call_finished",
            step=self.request.origin.path,
            data={
                **self.facts(begun.attempt),
                "outcome": outcome,
                "cost_nanousd": cost_nanousd,
                "latency_ms": response.latency_ms if response else None,
                "tokens": {name: getattr(usage, name) for name in token_classes},
            },
        )


def usable(response: Response, request: Request) -> Response:
    """The response, when the model answered something.

    Raises:
        Refused: It ended with a content filter; the call is paid all the same.
        InvalidReply: It was cut inside a tool call.
        EmptyReply: It has neither text nor tool calls.
    """
    found = defect(response, request)
    if found is not None:
        raise found
    return response


def defect(response: Response, request: Request) -> ProviderError | None:
    """Why a paid answer is none, or None."""
    kind: type[ProviderError]
    if response.finish_reason == "content_filter":
        kind, message = Refused, "the model refused to answer"
    elif response.finish_reason == "max_tokens" and response.tool_calls:
        kind, message = InvalidReply, f"a tool call was cut at {request.max_tokens} tokens"
    elif response.finish_reason == "pause":
        return None
    elif not response.text.strip() and not response.tool_calls:
        kind, message = EmptyReply, "the model answered with nothing"
    else:
        return None
    return kind(
        message,
        provider=request.provider,
        model=request.model,
        request_id=response.request_id,
    )


def show(response: Response, on_delta: OnDelta | None) -> None:
    """Show a whole answer as one piece to somebody who looks on."""
    if on_delta is not None and response.text:
        on_delta(Delta(text=response.text))


def _amount_of(response: Response) -> Amount:
    usage = response.usage
    return Amount(
        nanousd=response.cost_nanousd or 0, tokens=usage.total_input + usage.output, calls=1
    )
