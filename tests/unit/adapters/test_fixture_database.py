"""Queries on a small database: read-only, in memory, with an end."""

import pytest

from pipex_core.adapters.fixture_database import rows_of

script = "create table t (a integer, b text); insert into t values (1, 'x'), (2, null);"


def test_a_query_finds_its_rows() -> None:
    assert rows_of(script, "select b, a from t order by a") == [("x", 1), (None, 2)]


def test_each_query_starts_from_the_script() -> None:
    assert rows_of(script, "select count(*) from t") == rows_of(script, "select count(*) from t")


@pytest.mark.parametrize(
    "query",
    [
        "delete from t",
        "create table u (a)",
        "attach database '/tmp/pipex_never.db' as other",
        "pragma journal_mode",
        "select load_extension('x')",
        "select * from nowhere",
        "select 1; select 2",
    ],
)
def test_everything_but_one_reading_query_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rows_of(script, query)


def test_a_query_without_an_end_is_ended() -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
    with pytest.raises(TimeoutError, match="2 s"):
        rows_of(script, endless)


def test_more_rows_than_anybody_reads_are_refused() -> None:
    many = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 100001) select x from n"
    with pytest.raises(ValueError, match="more than"):
        rows_of(script, many)


def test_a_script_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no SQLite script"):
        rows_of("create tabel t", "select 1")
