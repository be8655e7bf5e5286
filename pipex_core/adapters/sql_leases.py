"""Exclusive rights by name in a table of SQLite or PostgreSQL, by the clock of the database alone.

A holder renews its lease; one that does not loses it, and the next holder gets a larger epoch. Rows stay
when a lease is given back, so epochs never start over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, text
from sqlalchemy.exc import SQLAlchemyError

from pipex_core.errors import RunLocked, StoreError

lifetime_s: Final = 30.0
now_s: Final = {
    "postgresql": "extract(epoch from clock_timestamp())",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}


class SqlLeases:
    """A ``Leases`` in the table ``pipex_lease``, which is made when it is not there.

    Args:
        engine: Of the database.
        holder: Who this is, for the message to others.
        lifetime_s: After so many seconds without renewal a lease is free.
    """

    def __init__(self, engine: Engine, *, holder: str, lifetime_s: float = lifetime_s) -> None:
        self._engine = engine
        self._holder = holder
        self._lifetime_s = lifetime_s
        self._now = now_s[engine.dialect.name]
        table = Table(
            "pipex_lease",
            MetaData(),
            Column("scope", String(1024), primary_key=True),
            Column("epoch", Integer, nullable=False),
            Column("holder", String(400), nullable=False),
            Column("expires_at", Float(53), nullable=False),
        )
        with _store_errors("pipex_lease"):
            table.create(engine, checkfirst=True)

    def acquire(self, name: str) -> "SqlLease":
        statement = text(
            "INSERT INTO pipex_lease (scope, epoch, holder, expires_at)"  # noqa: S608 - of two constants
            f" VALUES (:scope, 1, :holder, {self._now} + :lifetime)"
            " ON CONFLICT (scope) DO UPDATE SET epoch = pipex_lease.epoch + 1,"
            " holder = excluded.holder, expires_at = excluded.expires_at"
            f" WHERE pipex_lease.expires_at <= {self._now} RETURNING epoch"
        )
        given = {"scope": name, "holder": self._holder, "lifetime": self._lifetime_s}
        with _store_errors(name), self._engine.begin() as connection:
            epoch = connection.execute(statement, given).scalar_one_or_none()
        if epoch is None:
            raise RunLocked(f"{name} is held by {self._holder_of(name)}; wait for it or stop it")
        return SqlLease(self, name, epoch=int(epoch))

    def prolong(self, name: str, *, epoch: int, by_s: float | None = None) -> bool:
        """Let a lease last for its lifetime from now, or for ``by_s``; False when it is lost.

        Raises:
            StoreError: The database did not answer.
        """
        statement = text(
            f"UPDATE pipex_lease SET expires_at = {self._now} + :lifetime"  # noqa: S608 - likewise
            f" WHERE scope = :scope AND epoch = :epoch AND expires_at > {self._now}"
        )
        lifetime = self._lifetime_s if by_s is None else by_s
        given = {"scope": name, "epoch": epoch, "lifetime": lifetime}
        with _store_errors(name), self._engine.begin() as connection:
            return bool(connection.execute(statement, given).rowcount)

    def _holder_of(self, name: str) -> str:
        statement = text("SELECT holder FROM pipex_lease WHERE scope = :scope")
        with _store_errors(name), self._engine.connect() as connection:
            return str(connection.execute(statement, {"scope": name}).scalar_one())


class SqlLease:
    """A ``Lease`` that lasts as long as it is renewed; it is given back at the end of the block."""

    def __init__(self, leases: SqlLeases, name: str, *, epoch: int) -> None:
        self._leases = leases
        self._name = name
        self._epoch = epoch

    @property
    def epoch(self) -> int:
        return self._epoch

    def renew(self) -> bool:
        """Let it last for its lifetime from now; False when it is lost, and nothing may be written any more.

        Raises:
            StoreError: The database did not answer.
        """
        return self._leases.prolong(self._name, epoch=self._epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace
        self._leases.prolong(self._name, epoch=self._epoch, by_s=0.0)


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        reason = str(getattr(exc, "orig", None) or exc).partition("\n")[0]
        raise StoreError(f"the lease {name} cannot be looked at: {reason}") from exc
