"""Blobs in a table of SQLite or PostgreSQL: one row each, one transaction per change."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from pipex_core.errors import ConfigError, StoreError

drivers = {"postgresql": "postgresql+psycopg2", "postgres": "postgresql+psycopg2"}
no_parts = frozenset({"", ".", ".."})
busy_s = 10


def engine_of(url: str) -> Engine:
    """An engine for a database URL; a URL that leaves the driver open gets the one that is installed.

    Connections are looked at before they are used, so that a restart of the database is not noticed.

    Raises:
        ConfigError: ``invalid_option``, the URL cannot be read or its driver is not installed.
    """
    scheme, separator, rest = url.partition("://")
    named = f"{drivers.get(scheme, scheme)}{separator}{rest}"
    try:
        made = create_engine(named, pool_pre_ping=True, connect_args=_arguments(named))
    except (SQLAlchemyError, ImportError, ValueError) as exc:
        message = f"the database URL cannot be used: {exc}"
        raise ConfigError(message, next_step="write sqlite:///FILE or postgresql://...") from exc
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _durable_sqlite)
    return made


class SqlBlobs:
    """A ``BlobStore`` in the table ``pipex_blob``, which is made when it is not there.

    Args:
        engine: Of the database.
        prefix: Of all keys, so that several stores may share the table.
    """

    def __init__(self, engine: Engine, *, prefix: str = "") -> None:
        self._engine = engine
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        # Code points order the same everywhere only byte by byte.
        collation = {"postgresql": "C", "sqlite": "BINARY"}.get(engine.dialect.name)
        self._table = Table(
            "pipex_blob",
            MetaData(),
            Column("key", String(1024, collation=collation), primary_key=True),
            Column("body", LargeBinary, nullable=False),
            Column("stored_at", DateTime(timezone=True), nullable=False),
        )
        with _store_errors("cannot make the table", "pipex_blob"):
            self._table.create(engine, checkfirst=True)

    def put(self, key: str, data: bytes) -> None:
        name = self._name(key)
        row = {"body": bytes(data), "stored_at": func.now()}
        with _store_errors("cannot store", key):
            for _ in range(2):  # another writer may come between the two statements, once
                with self._engine.begin() as connection:
                    changed = connection.execute(
                        update(self._table).where(self._table.c.key == name).values(**row)
                    )
                    if changed.rowcount:
                        return
                try:
                    with self._engine.begin() as connection:
                        connection.execute(insert(self._table).values(key=name, **row))
                except IntegrityError:
                    continue
                return
        raise StoreError(f"cannot store {key}: another writer stores it all the time")

    def get(self, key: str) -> bytes:
        name = self._name(key)
        with _store_errors("cannot read", key), self._engine.connect() as connection:
            found = connection.execute(
                select(self._table.c.body).where(self._table.c.key == name)
            ).scalar_one_or_none()
        if found is None:
            raise StoreError(f"{key} is not stored", code="not_found")
        return bytes(found)

    def exists(self, key: str) -> bool:
        name = self._name(key)
        with _store_errors("cannot look for", key), self._engine.connect() as connection:
            found = connection.execute(
                select(self._table.c.key).where(self._table.c.key == name)
            ).first()
        return found is not None

    def list(self, prefix: str = "") -> Iterator[str]:
        wanted = self._prefix + prefix
        with _store_errors("cannot list", prefix), self._engine.connect() as connection:
            names = connection.execute(
                select(self._table.c.key).where(
                    self._table.c.key.startswith(wanted, autoescape=True)
                )
            ).scalars()
            found = [name.removeprefix(self._prefix) for name in names if name.startswith(wanted)]
        return iter(sorted(found))

    def delete(self, key: str) -> None:
        name = self._name(key)
        with _store_errors("cannot delete", key), self._engine.begin() as connection:
            connection.execute(delete(self._table).where(self._table.c.key == name))

    def url(self, key: str = "") -> str:
        return f"{self._engine.url.render_as_string(hide_password=True)}#{self._name(key) if key else self._prefix}"

    def _name(self, key: str) -> str:
        if not no_parts.isdisjoint(key.split("/")) or "\0" in key:
            raise StoreError(f"{key!r} is not a key", code="path_denied")
        return self._prefix + key


def _arguments(url: str) -> dict[str, object]:
    return {"timeout": busy_s} if url.startswith("sqlite") else {}


def _durable_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined] # of the DBAPI, which has no types
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


@contextmanager
def _store_errors(what: str, key: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        reason = str(getattr(exc, "orig", None) or exc).partition("\n")[0]
        raise StoreError(f"{what} {key}: {reason}") from exc
