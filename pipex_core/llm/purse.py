"""The money of one call: its bound, its room in every budget, its price, and what is said of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipex_core.errors import BudgetExceeded, ConfigError, ProviderError
from pipex_core.llm.alarm import Alert
from pipex_core.llm.cost import Amount, Ledger, Reservation
from pipex_core.llm.daily import DayBudget, DayReservation
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import CountingProvider, Provider, Request, Response
from pipex_core.ports import Clock
from pipex_core.telemetry import EventSink

longest_count_s = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWarning:
    """Something the user should know about a call that succeeded."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a call holds of its budgets and of the day's while it runs."""

    reservation: Reservation
    day: DayReservation | None = None

    @property
    def amount(self) -> Amount:
        """What was reserved."""
        return self.reservation.amount


@dataclass(slots=True, kw_only=True)
class Purse:
    """Pays for the tries of one call.

    Attributes:
        ledger: Innermost budget that the call must fit in.
        day: The deployment's budget of the day, or None for none.
        sink: Hears of shares of budgets that are used.
        warnings: What the user should know, in order.
    """

    request: Request
    provider: Provider
    ledger: Ledger
    prices: PriceTable
    clock: Clock
    sink: EventSink
    day: DayBudget | None = None
    warnings: list[CallWarning] = field(default_factory=list)
    _counted: int | None = None

    def bound(self, request: Request) -> Amount:
        """What to reserve: exact where the provider knows, else the worst case.

        Raises:
            ConfigError: ``unknown_price``, a budget refuses models without a price.
        """
        known = self.provider.estimate(request)
        if known is not None:
            return Amount(nanousd=known.nanousd, tokens=known.tokens, calls=1)
        today = self.clock.now().date()
        if self.ledger.refuses_unknown_prices and not self.prices.find(
            self.request.model, on=today
        ):
            raise ConfigError(
                f"model {self.request.model!r} has no price, and the budget refuses such models",
                code="unknown_price",
                next_step="name a price file in PIPEX_PRICES or drop `unknown_price: refuse`",
            )
        return self.prices.bound(self.request, on=today)

    async def room(self, request: Request, bound: Amount) -> Room:
        """Room for a try in every budget.

        Where the bound does not fit, the service counts the prompt, once and without a bill, and the
        call waits until running ones settle.

        Raises:
            BudgetExceeded: It does not fit, however cheap the running calls turn out.
        """
        if not self._fits(bound):
            bound = await self._counted_bound(request, bound)
        try:
            reservation = await self.ledger.reserve_when_free(bound)
            day = await self._reserved_today(reservation)
        except BudgetExceeded:
            self._tell(self.ledger.alerts())
            raise
        for text in reservation.warnings:
            self.warn("budget_exceeded", text)
        return Room(reservation=reservation, day=day)

    def in_doubt(self, room: Room) -> Amount:
        """What a try without an answer counts as when it may have been billed."""
        return room.amount if self.provider.billable else Amount(calls=1)

    def priced(self, response: Response) -> Response:
        """The response with its cost; one without a known price has the highest and is warned of."""
        if response.cost_nanousd is not None:
            return response
        cost = self.prices.cost(response.usage, self.request.model, on=self.clock.now().date())
        if not cost.known:
            self.warn(
                "unknown_price",
                f"model {self.request.model!r} has no price; the highest known rates are counted",
            )
        return replace(response, cost_nanousd=cost.nanousd, price_id=cost.price_id)

    def settle(self, room: Room, taken: Amount) -> None:
        """Count what a try took, and say what is to be said of the budgets now."""
        if not room.reservation.settle(taken):
            self.warn("reservation_exceeded", "a call took more than was reserved for it")
        alerts = self.ledger.alerts()
        if room.day is not None and self.day is not None:
            alerts += self.day.settle(room.day, taken.nanousd)
        self._tell(alerts)

    def warn(self, code: str, message: str) -> None:
        """Add a warning."""
        self.warnings.append(CallWarning(code=code, message=message))

    def _fits(self, bound: Amount) -> bool:
        return self.ledger.has_room(bound) and (
            self.day is None or self.day.has_room(bound.nanousd, billable=self.provider.billable)
        )

    async def _reserved_today(self, reservation: Reservation) -> DayReservation | None:
        if self.day is None:
            return None
        try:
            return await self.day.reserve(
                reservation.amount.nanousd, billable=self.provider.billable
            )
        except BaseException as exc:
            reservation.release()
            if isinstance(exc, BudgetExceeded):
                self.ledger.refuse()
            raise

    async def _counted_bound(self, request: Request, bound: Amount) -> Amount:
        """The bound by the service's own count of the prompt, where that is lower."""
        if not isinstance(self.provider, CountingProvider):
            return bound
        if self._counted is None:
            self._counted = await self._count(request, self.provider)
        if self._counted is None:
            return bound
        today = self.clock.now().date()
        counted = self.prices.bound(request, on=today, counted=self._counted)
        return counted if counted.tokens < bound.tokens else bound

    async def _count(self, request: Request, provider: CountingProvider) -> int | None:
        brief = replace(request, timeout_s=min(request.timeout_s, longest_count_s))
        try:
            async with asyncio.timeout(brief.timeout_s):
                return await provider.count_tokens(brief)
        except (ProviderError, TimeoutError):
            # A count only spares a call its refusal; without one the safe bound holds.
            return None

    def _tell(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self.warn(alert.code, alert.message)
            self.sink.emit("budget_alert", step=self.request.origin.path, data=alert.facts)
