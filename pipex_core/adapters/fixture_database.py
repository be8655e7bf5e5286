"""Queries on a small SQLite database that a script makes: in memory, read-only, with an end."""

import sqlite3
import threading
from contextlib import closing
from functools import lru_cache

from pipex_core.jsonvalue import Json

query_limit_s = 2.0
most_rows = 100_000
steps_between_looks = 10_000
_reading = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)


def rows_of(script: str, query: str) -> list[tuple[Json, ...]]:
    """The rows that a query finds in the database that the script makes.

    The query may only read: attaching files, pragmas and changes are refused.

    Raises:
        ValueError: The query is wrong, is refused, or finds more than 100 000 rows.
        TimeoutError: It takes longer than two seconds.
    """
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(_made(script))
        database.set_authorizer(_only_reading)
        late = threading.Event()
        timer = threading.Timer(query_limit_s, late.set)
        timer.daemon = True
        timer.start()
        database.set_progress_handler(late.is_set, steps_between_looks)
        try:
            rows = database.execute(query).fetchmany(most_rows + 1)
        except sqlite3.OperationalError as exc:
            if late.is_set():
                raise TimeoutError(f"the query took over {query_limit_s:g} s") from exc
            raise ValueError(str(exc)) from exc
        except (sqlite3.Error, sqlite3.Warning) as exc:
            raise ValueError(str(exc)) from exc
        finally:
            timer.cancel()
    if len(rows) > most_rows:
        raise ValueError(f"the query finds more than {most_rows} rows")
    return rows


@lru_cache(maxsize=16)
def _made(script: str) -> bytes:
    """The database of a script, as bytes.

    Raises:
        ValueError: The script is wrong.
    """
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.executescript(script)
        except (sqlite3.Error, sqlite3.Warning) as exc:
            raise ValueError(f"the fixture is no SQLite script: {exc}") from exc
        return database.serialize()


def _only_reading(
    action: int, first: str | None, second: str | None, base: str | None, source: str | None
) -> int:
    del first, second, base, source
    return sqlite3.SQLITE_OK if action in _reading else sqlite3.SQLITE_DENY
