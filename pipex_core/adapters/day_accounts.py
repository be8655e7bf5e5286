"""What a deployment spends per day, in an SQLite file that all processes of a machine share."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

from pipex_core.errors import StoreError
from pipex_core.llm.daily import AccountName, Standing

busy_s = 10.0
schema = """
CREATE TABLE IF NOT EXISTS accounts (
    day TEXT NOT NULL, account TEXT NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, account)
) WITHOUT ROWID
"""


class SqliteDayAccounts:
    """One row per day and account, amounts in nano-USD.

    Args:
        path: Of the file; it and its folder are made when first needed, readable by the owner only.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def reserve(self, day: date, account: AccountName, nanousd: int, *, cap: int) -> bool:
        with self._transaction(day, account) as row:
            done = row.execute(
                "UPDATE accounts SET reserved = reserved + :x"
                " WHERE day = :day AND account = :account AND spent + reserved + :x <= :cap",
                {"x": nanousd, "day": str(day), "account": account, "cap": cap},
            )
            return done.rowcount == 1

    def settle(self, day: date, account: AccountName, *, reserved: int, spent: int) -> Standing:
        with self._transaction(day, account) as row:
            row.execute(
                "UPDATE accounts SET spent = spent + ?, reserved = reserved - ?"
                " WHERE day = ? AND account = ?",
                (spent, reserved, str(day), account),
            )
            return _standing(row, day, account)

    def standing(self, day: date, account: AccountName) -> Standing:
        with self._transaction(day, account) as row:
            return _standing(row, day, account)

    def tell(self, day: date, account: AccountName, share: int) -> bool:
        with self._transaction(day, account) as row:
            done = row.execute(
                "UPDATE accounts SET told = ? WHERE day = ? AND account = ? AND told < ?",
                (share, str(day), account, share),
            )
            return done.rowcount == 1

    @contextmanager
    def _transaction(self, day: date, account: AccountName) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes in, with the row of the account in place."""
        try:
            with closing(self._opened()) as connection, connection:
                # Taken at once: two that read first and write then would have to give way to one another.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(schema)
                connection.execute(
                    "INSERT OR IGNORE INTO accounts (day, account) VALUES (?, ?)",
                    (str(day), account),
                )
                yield connection
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"the account of the day in {self._path} failed: {exc}") from exc

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.touch(mode=0o600)
        return sqlite3.connect(self._path, timeout=busy_s, isolation_level=None)


def _standing(row: sqlite3.Connection, day: date, account: AccountName) -> Standing:
    found = row.execute(
        "SELECT spent, reserved FROM accounts WHERE day = ? AND account = ?", (str(day), account)
    ).fetchone()
    return Standing(spent=found[0], reserved=found[1])
