"""Judgements of answers that are SQL: the same query, or at least the same rows."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipex_core.jsonvalue import Json, digest
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    best,
)
from pipex_core.metrics.extraction import code_blocks

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

Rows = Sequence[Sequence[Json]]
RowsOf = Callable[[str, str], Rows]


class SqlEquivalent:
    """1 if two queries are the same after normalisation, or find the same rows in a small database.

    Normalised are case of names, blanks, comments, brackets and constants that can be worked out. With
    ``fixture``, an SQLite script or the path of one, queries that differ are both run on the database that
    it makes, and their rows are compared as multisets; with ``ordered`` in their order too. An answer
    that cannot be parsed or run is worth 0.

    Args:
        rows_of: Script and query to the rows that it finds; raises ``ValueError`` for a wrong query.
    """

    info = MetricInfo(
        name="sql_equivalent",
        summary="1 if two SQL queries mean the same, else 0",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        cost_class="pool",
        options={
            "dialect": OptionInfo(kind="str", default="sqlite", description="of both queries"),
            "fixture": OptionInfo(kind="str", description="SQLite script, or the path of one"),
            "ordered": OptionInfo(kind="bool", default=False, description="compare the order too"),
        },
        libraries=("sqlglot",),
        extra="sql",
    )

    def __init__(
        self,
        *,
        dialect: str = "sqlite",
        fixture: str | None = None,
        ordered: bool = False,
        rows_of: RowsOf | None = None,
    ) -> None:
        from sqlglot.dialects.dialect import Dialects

        known = sorted(one.value for one in Dialects if one.value)
        if dialect not in known:
            raise ValueError(f"dialect is one of {', '.join(known)}, got {dialect!r}")
        if fixture is not None and rows_of is None:
            raise ValueError("a fixture needs somebody who runs queries")
        self._dialect = dialect
        self._fixture = fixture
        self._ordered = ordered
        self._rows_of = rows_of
        if fixture is not None:
            self.info = replace(type(self).info, identity={"fixture": digest(fixture)})

    def score(self, item: MetricInput) -> Score:
        wanted = [(text, self._parsed(text)) for text in item.references]
        if not any(tree for _, tree in wanted):
            return Unscored(code="bad_reference", reason="the reference is no SQL query")
        given = self._parsed(item.output or "")
        if given is None:
            return Scored(value=0.0, label="not_sql")
        found = [self._one(given, tree) for _, tree in wanted if tree is not None]
        scored = [one for one in found if isinstance(one, Scored)]
        return best(scored) if scored else found[0]

    def _one(self, given: "Expr", wanted: "Expr") -> Score:
        if _normal(given, self._dialect) == _normal(wanted, self._dialect):
            return Scored(value=1.0, label="same_query")
        if self._fixture is None or self._rows_of is None:
            return Scored(value=0.0)
        try:
            expected = self._rows_of(self._fixture, wanted.sql(dialect="sqlite"))
        except (ValueError, TimeoutError) as exc:
            return Unscored(code="bad_reference", reason=f"the reference cannot be run: {exc}")
        try:
            rows = self._rows_of(self._fixture, given.sql(dialect="sqlite"))
        except (ValueError, TimeoutError) as exc:
            return Scored(value=0.0, details={"error": str(exc)})
        same = _same_rows(rows, expected, ordered=self._ordered)
        return Scored(value=float(same), label="same_rows" if same else None)

    def _parsed(self, text: str) -> "Expr | None":
        import sqlglot
        from sqlglot.errors import SqlglotError

        blocks = code_blocks(text)
        try:
            trees = sqlglot.parse(blocks[-1][1] if blocks else text, read=self._dialect)
        except (SqlglotError, RecursionError):
            return None
        statements = [tree for tree in trees if tree is not None]
        return statements[0] if len(statements) == 1 else None


def _normal(tree: "Expr", dialect: str) -> str:
    """The text of a query in its normal form."""
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
    from sqlglot.optimizer.simplify import simplify

    plain = normalize_identifiers(tree.copy(), dialect=dialect)
    return str(simplify(plain, dialect=dialect).sql(dialect=dialect, comments=False))


def _same_rows(left: Rows, right: Rows, *, ordered: bool) -> bool:
    one, other = [[tuple(map(_cell, row)) for row in rows] for rows in (left, right)]
    return one == other if ordered else Counter(one) == Counter(other)


def _cell(value: Json) -> Json:
    # Sums of the same numbers in another order differ in the last digits.
    return float(f"{value:.12g}") if isinstance(value, float) else value
