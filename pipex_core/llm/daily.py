"""The budget of a deployment for a day (UTC): one account that all its processes reserve in.

Money that only a mock or a cassette counts has an account of its own, so that a rehearsal meets the cap
and never uses up what real calls may cost.
"""

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

from pipex_core.errors import BudgetExceeded
from pipex_core.llm.alarm import Alert, shares
from pipex_core.llm.cost import usd_text
from pipex_core.ports import Clock

AccountName = Literal["live", "rehearsal"]
cap_name = "max_cost_usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an account holds, in nano-USD."""

    spent: int = 0
    reserved: int = 0


class DayAccounts(Protocol):
    """Accounts that processes share; every method is one transaction, seen by all at once.

    A reservation of a process that died stays reserved: the call may have been billed.
    """

    def reserve(self, day: date, account: AccountName, nanousd: int, *, cap: int) -> bool:
        """Reserve, unless spent and reserved would then be above ``cap``; whether it was done."""
        ...

    def settle(self, day: date, account: AccountName, *, reserved: int, spent: int) -> Standing:
        """Replace a reservation by what was spent; the standing after it."""
        ...

    def standing(self, day: date, account: AccountName) -> Standing:
        """What the account holds now."""
        ...

    def tell(self, day: date, account: AccountName, share: int) -> bool:
        """Note that a share of the cap was told of; False when it, or a higher one, was before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReservation:
    """Room that one call holds in the account of the day on which it began."""

    day: date
    account: AccountName
    nanousd: int


class DayBudget:
    """The cap of a day on the money of a deployment; used from one event loop per process.

    Args:
        cap_nanousd: Most that spent and reserved may add up to.
        clock: Says which day it is.
    """

    def __init__(self, accounts: DayAccounts, *, cap_nanousd: int, clock: Clock) -> None:
        self._accounts = accounts
        self._cap = cap_nanousd
        self._clock = clock
        self._running = 0
        self._waiting: list[asyncio.Future[None]] = []

    def has_room(self, nanousd: int, *, billable: bool) -> bool:
        """Whether so much would fit now; another process may take it in the meantime."""
        now = self._accounts.standing(self._clock.now().date(), _account(billable=billable))
        return nanousd == 0 or now.spent + now.reserved + nanousd <= self._cap

    async def reserve(self, nanousd: int, *, billable: bool) -> DayReservation:
        """Room for a call; waits for the running calls of this process where they may make some.

        Args:
            nanousd: Upper bound of the call's cost.
            billable: Whether the money is real.

        Raises:
            BudgetExceeded: It does not fit.
            StoreError: The account cannot be used.
        """
        account = _account(billable=billable)
        while True:
            wanted = DayReservation(day=self._clock.now().date(), account=account, nanousd=nanousd)
            # A call without cost is no move of the account.
            if nanousd == 0 or self._accounts.reserve(wanted.day, account, nanousd, cap=self._cap):
                self._running += nanousd > 0
                return wanted
            if self._running == 0:
                raise self._exceeded(wanted)
            await self._changed()

    def settle(self, held: DayReservation, nanousd: int) -> list[Alert]:
        """Count what a call took, in full; what is to be said of the account now.

        Raises:
            StoreError: The account cannot be used.
        """
        self._running -= held.nanousd > 0
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)
        if held.nanousd == 0 and nanousd == 0:
            return []
        now = self._accounts.settle(held.day, held.account, reserved=held.nanousd, spent=nanousd)
        reached = [share for share in shares if now.spent * 100 >= self._cap * share]
        if not reached or not self._accounts.tell(held.day, held.account, reached[-1]):
            return []
        return [Alert(code="budget_alert", budget="day", cap=cap_name, share=reached[-1])]

    async def _changed(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _exceeded(self, wanted: DayReservation) -> BudgetExceeded:
        now = self._accounts.standing(wanted.day, wanted.account)
        return BudgetExceeded(
            f"budget 'day': {cap_name} ({usd_text(self._cap)} USD) would be passed;"
            f" spent {usd_text(now.spent)} USD, reserved {usd_text(now.reserved)} USD on"
            f" {wanted.day} (UTC), this call up to {usd_text(wanted.nanousd)} USD;"
            " raise PIPEX_DAILY_COST_USD or go on tomorrow",
            detail=f"day.{cap_name}",
        )


def _account(*, billable: bool) -> AccountName:
    return "live" if billable else "rehearsal"
