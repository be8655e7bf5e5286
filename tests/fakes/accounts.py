"""Accounts of days in memory."""

from collections import defaultdict
from datetime import date

from pipex_core.llm.daily import AccountName, Standing

Key = tuple[date, AccountName]


class MemoryDayAccounts:
    """Accounts of one process.

    Attributes:
        moves: How often an account was changed.
    """

    def __init__(self) -> None:
        self.moves = 0
        self._spent: defaultdict[Key, int] = defaultdict(int)
        self._reserved: defaultdict[Key, int] = defaultdict(int)
        self._told: defaultdict[Key, int] = defaultdict(int)

    def reserve(self, day: date, account: AccountName, nanousd: int, *, cap: int) -> bool:
        key = (day, account)
        if self._spent[key] + self._reserved[key] + nanousd > cap:
            return False
        self.moves += 1
        self._reserved[key] += nanousd
        return True

    def settle(self, day: date, account: AccountName, *, reserved: int, spent: int) -> Standing:
        self.moves += 1
        self._reserved[day, account] -= reserved
        self._spent[day, account] += spent
        return self.standing(day, account)

    def standing(self, day: date, account: AccountName) -> Standing:
        return Standing(spent=self._spent[day, account], reserved=self._reserved[day, account])

    def tell(self, day: date, account: AccountName, share: int) -> bool:
        if self._told[day, account] >= share:
            return False
        self._told[day, account] = share
        return True
