"""The ledger: what was spent, what is reserved, and the caps on both.

Money is integer nano-USD. The bound of a call is reserved before it is sent and its true cost is
settled after it, so that ``spent + reserved <= cap`` holds at every instant and for any number of calls
at once, in this budget and in all that surround it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, Self

from pipex_core.errors import BudgetExceeded
from pipex_core.jsonvalue import Json
from pipex_core.llm.alarm import Alarm, Alert

budget_words = ("max_tokens", "max_calls", "on_exceed", "unknown_price")


def nanousd_of(usd: Decimal | float | str) -> int:
    """Nano-USD of an amount in USD, rounded up."""
    return int((Decimal(str(usd)) * 10**9).to_integral_value(ROUND_CEILING))


def usd_text(nanousd: int) -> str:
    """Amount in USD as plain decimal text without trailing zeros, exact."""
    text = f"{Decimal(nanousd).scaleb(-9):.9f}"
    return text.rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Money, tokens and calls, of one call or of many."""

    nanousd: int = 0
    tokens: int = 0
    calls: int = 0

    @property
    def by_cap(self) -> dict[str, int]:
        """What counts against each cap of a budget."""
        return {"max_cost_usd": self.nanousd, "max_tokens": self.tokens, "max_calls": self.calls}

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            nanousd=self.nanousd + other.nanousd,
            tokens=self.tokens + other.tokens,
            calls=self.calls + other.calls,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            nanousd=self.nanousd - other.nanousd,
            tokens=self.tokens - other.tokens,
            calls=self.calls - other.calls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Caps of one level; None means no cap.

    Attributes:
        name: For messages: ``run``, ``suite``, ``case``.
        on_exceed: ``stop`` refuses the call; ``warn`` warns once and lets everything through.
        unknown_price: ``refuse`` makes a model without a price an error before its first call.
        cost_alert_usd: Spending more than this is said once and stops nothing; None for no such word.
    """

    name: str = "run"
    max_cost_usd: Decimal | None = None
    max_tokens: int | None = None
    max_calls: int | None = None
    on_exceed: Literal["stop", "warn"] = "stop"
    unknown_price: Literal["highest", "refuse"] = "highest"
    cost_alert_usd: Decimal | None = None

    def __post_init__(self) -> None:
        for limit in (self.max_cost_usd, self.max_tokens, self.max_calls, self.cost_alert_usd):
            if limit is not None and limit < 0:
                raise ValueError(f"a cap of budget {self.name!r} must not be negative, got {limit}")

    @classmethod
    def of(cls, given: Mapping[str, Json], *, name: str = "run") -> Self:
        """The budget that a map of a file declares; without caps when it declares none."""
        cost = given.get("max_cost_usd")
        known = {key: given[key] for key in budget_words if key in given}
        return cls(name=name, max_cost_usd=None if cost is None else Decimal(str(cost)), **known)

    @property
    def max_nanousd(self) -> int | None:
        """The cap on money, rounded down."""
        if self.max_cost_usd is None:
            return None
        return int((self.max_cost_usd * 10**9).to_integral_value(ROUND_FLOOR))

    @property
    def caps(self) -> dict[str, int]:
        """The caps that there are: field name to value, money in nano-USD rounded down."""
        found = {
            "max_cost_usd": self.max_nanousd,
            "max_tokens": self.max_tokens,
            "max_calls": self.max_calls,
        }
        return {name: cap for name, cap in found.items() if cap is not None}

    def passed_by(self, total: Amount) -> str | None:
        """Name of the first cap that ``total`` is above, or None."""
        used = total.by_cap
        return next((name for name, cap in self.caps.items() if used[name] > cap), None)

    def alarm(self) -> Alarm:
        """Who says how much of this budget is used."""
        usd = self.cost_alert_usd
        return Alarm(
            self.name,
            self.caps,
            threshold=None if usd is None else nanousd_of(usd),
            threshold_text=f"{usd} USD",
        )


class Level:
    """The account of one budget.

    Attributes:
        spent: Settled amounts.
        reserved: Bounds of the calls that run now.
        has_refused: Whether a call found no room here.
    """

    def __init__(self, budget: Budget) -> None:
        self.has_refused = False
        self._refused_cap: str | None = None
        self.budget = budget
        self.spent = Amount()
        self.reserved = Amount()
        self._warned = False
        self._alarm = budget.alarm()
        self._waiting: list[asyncio.Future[None]] = []

    def alerts(self) -> list[Alert]:
        """What is to be said of the use of this budget and was not said yet."""
        found = self._alarm.due(self.spent.by_cap, nanousd=self.spent.nanousd)
        if self._refused_cap is not None:
            found += self._alarm.refused(self._refused_cap)
        return found

    def refuse(self, amount: Amount) -> BudgetExceeded:
        """Note that ``amount`` finds no room here, and give the error for it."""
        self.has_refused = True
        self._refused_cap = self.cap_passed(amount)
        return self.exceeded(amount)

    def cap_passed(self, amount: Amount) -> str | None:
        """The cap that ``amount`` would pass now, or None."""
        return self.budget.passed_by(self.spent + self.reserved + amount)

    def refuses(self, amount: Amount) -> bool:
        """Whether there is no room for ``amount`` now."""
        return self.budget.on_exceed == "stop" and self.cap_passed(amount) is not None

    def is_full_for_good(self, amount: Amount) -> bool:
        """Whether there would be no room even if all running calls turned out to be free."""
        return self.budget.passed_by(self.spent + amount) is not None

    def warning(self, amount: Amount) -> str | None:
        """What to say, the first time a cap that only warns is passed."""
        if self._warned or self.cap_passed(amount) is None:
            return None
        self._warned = True
        return self.exceeded(amount).message

    def exceeded(self, amount: Amount) -> BudgetExceeded:
        """The error for ``amount``, which passes a cap."""
        cap = self.cap_passed(amount)
        return BudgetExceeded(
            f"budget {self.budget.name!r}: {cap} would be passed; spent {_shown(self.spent)},"
            f" reserved {_shown(self.reserved)}, this call up to {_shown(amount)}; raise {cap}",
            detail=f"{self.budget.name}.{cap}",
        )

    def move(self, *, reserved: Amount, spent: Amount) -> None:
        """Add to both accounts and let those who wait look again."""
        self.reserved += reserved
        self.spent += spent
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    async def changed(self) -> None:
        """Return after the next change."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn


class Ledger:
    """A budget inside the budgets around it; used from one event loop only.

    What was spent before a restart enters through ``charge``.
    """

    def __init__(self, budget: Budget | None = None, *, parent: "Ledger | None" = None) -> None:
        self._own = Level(budget or Budget())
        self._levels: tuple[Level, ...] = (self._own, *(parent.levels if parent else ()))

    @property
    def levels(self) -> Sequence[Level]:
        """The accounts that a call must fit in, the innermost first."""
        return self._levels

    @property
    def budget(self) -> Budget:
        """The caps of this level."""
        return self._own.budget

    @property
    def spent(self) -> Amount:
        """Settled amounts of this level, those of its children included."""
        return self._own.spent

    @property
    def reserved(self) -> Amount:
        """Bounds of the calls that run now at this level and below it."""
        return self._own.reserved

    @property
    def has_refused(self) -> bool:
        """Whether this level, not one inside or around it, has refused a call."""
        return self._own.has_refused

    @property
    def refuses_unknown_prices(self) -> bool:
        """Whether a budget of this or a higher level refuses models without a price."""
        return any(level.budget.unknown_price == "refuse" for level in self._levels)

    def child(self, budget: Budget | None = None) -> "Ledger":
        """A level inside this one; without a budget it only counts."""
        return Ledger(budget, parent=self)

    def charge(self, amount: Amount) -> None:
        """Count ``amount`` as spent here and above, whatever the caps say; it was told of when it was."""
        for level in self._levels:
            level.move(reserved=Amount(), spent=amount)
            level.alerts()

    def alerts(self) -> list[Alert]:
        """What is to be said of this and the surrounding budgets and was not said yet."""
        return [alert for level in self._levels for alert in level.alerts()]

    def has_room(self, amount: Amount) -> bool:
        """Whether ``amount`` fits now at every level."""
        return not any(level.refuses(amount) for level in self._levels)

    def refuse(self) -> None:
        """Note at the outermost level that a budget beyond this process refused a call."""
        self._levels[-1].has_refused = True

    def reserve(self, amount: Amount) -> "Reservation":
        """Room for ``amount`` at every level.

        Raises:
            BudgetExceeded: It does not fit now; nothing was reserved.
        """
        for level in self._levels:
            if level.refuses(amount):
                raise level.refuse(amount)
        warnings = tuple(w for level in self._levels if (w := level.warning(amount)))
        for level in self._levels:
            level.move(reserved=amount, spent=Amount())
        return Reservation(levels=self._levels, amount=amount, warnings=warnings)

    async def reserve_when_free(self, amount: Amount) -> "Reservation":
        """As ``reserve``, but waits for running calls to settle where that may make room.

        Raises:
            BudgetExceeded: It will not fit, however cheap the running calls turn out.
        """
        while True:
            full = [level for level in self._levels if level.refuses(amount)]
            if not full or any(level.is_full_for_good(amount) for level in full):
                return self.reserve(amount)
            await full[0].changed()


class Reservation:
    """Room that one call holds until it is settled or released, once.

    Attributes:
        amount: What was reserved.
        warnings: What to say about caps that only warn and that this reservation passed first.
    """

    def __init__(
        self, *, levels: Sequence[Level], amount: Amount, warnings: Sequence[str] = ()
    ) -> None:
        self.amount = amount
        self.warnings = warnings
        self._levels = levels
        self._open = True

    def settle(self, actual: Amount) -> bool:
        """Count what the call took, in full; False when that is more than was reserved."""
        self._close(actual)
        return actual.nanousd <= self.amount.nanousd and actual.tokens <= self.amount.tokens

    def release(self) -> None:
        """Give the room back: nothing was sent."""
        self._close(Amount())

    def _close(self, actual: Amount) -> None:
        if not self._open:
            raise RuntimeError("a reservation is settled or released once")
        self._open = False
        for level in self._levels:
            level.move(reserved=Amount() - self.amount, spent=actual)


def _shown(amount: Amount) -> str:
    calls = "1 call" if amount.calls == 1 else f"{amount.calls} calls"
    return f"{usd_text(amount.nanousd)} USD, {amount.tokens} tokens, {calls}"
