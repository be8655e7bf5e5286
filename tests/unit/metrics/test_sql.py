"""SQL answers: the same query, or the same rows in a small database."""

from pathlib import Path

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from pipex_core.metrics.sql import SqlEquivalent
from tests.fakes.metrics import code, entry_of, score, value

script = """
create table pets (name text, kind text, age real);
insert into pets values ('Ann', 'cat', 3), ('Bob', 'dog', 5), ('Cid', 'cat', 5);
"""
raw: Json = {"type": "sql_equivalent", "fixture": script}


@pytest.mark.parametrize(
    ("output", "reference"),
    [
        ("select NAME from Pets", "SELECT name FROM pets"),
        ("select name from pets -- all", "select name\nfrom pets;"),
        (
            "```sql\nselect name from pets where age > 2 + 1\n```",
            "select name from pets where age > 3",
        ),
        ("select name from pets where (age > 3)", "select name from pets where age > 3"),
    ],
)
def test_queries_that_are_the_same_after_normalisation(output: str, reference: str) -> None:
    assert score("sql_equivalent", output, reference) == Scored(value=1.0, label="same_query")


def test_without_a_database_other_words_are_another_query() -> None:
    assert (
        value(
            "sql_equivalent",
            "select name from pets where age >= 4",
            "select name from pets where age > 3",
        )
        == 0.0
    )


@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [
        ("select name from pets where age >= 4", "select name from pets where age > 3", 1.0),
        ("select name from pets where kind = 'dog'", "select name from pets", 0.0),
        ("select name from pets order by name desc", "select name from pets order by name", 1.0),
        ("select avg(age) from pets", "select sum(age) / count(*) from pets", 1.0),
        ("select nothing from pets", "select name from pets", 0.0),
        ("drop table pets", "select name from pets", 0.0),
        ("select kind from pets", "select distinct kind from pets", 0.0),
    ],
)
def test_with_a_database_the_rows_decide(output: str, reference: str, expected: float) -> None:
    assert value(raw, output, reference) == expected


def test_the_order_of_rows_counts_when_asked() -> None:
    ordered: Json = {**raw, "ordered": True}
    assert (
        value(
            ordered, "select name from pets order by 1 desc", "select name from pets order by name"
        )
        == 0.0
    )


def test_another_dialect_is_run_too() -> None:
    other: Json = {**raw, "dialect": "mysql"}
    assert (
        value(
            other, "select `name` from pets where age > 3", "select name from pets where age >= 4"
        )
        == 1.0
    )


def test_an_answer_that_is_no_query_is_wrong_and_a_reference_that_is_none_is_bad() -> None:
    assert score(raw, "I do not know (", "select 1") == Scored(value=0.0, label="not_sql")
    assert score(raw, "select 1; select 2", "select 1") == Scored(value=0.0, label="not_sql")
    assert code(raw, "select 1", "((") == "bad_reference"
    assert code(raw, "select 2", "select nothing from nowhere") == "bad_reference"


def test_the_best_of_the_references_counts() -> None:
    assert value(raw, "select 1", "((", "select 2", "select 1") == 1.0


def test_a_fixture_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pets.sql"
    file.write_text(script, encoding="utf-8")
    entry = entry_of({"type": "sql_equivalent", "fixture": str(file)})
    assert entry.info.identity == entry_of(raw).info.identity
    file.write_text("create table pets (name text);", encoding="utf-8")
    assert (
        entry_of({"type": "sql_equivalent", "fixture": str(file)}).info.identity
        != entry.info.identity
    )


def test_dialects_are_those_of_the_library() -> None:
    with pytest.raises(SpecError, match="dialect"):
        entry_of({"type": "sql_equivalent", "dialect": "cobol"})


def test_a_fixture_needs_somebody_who_runs_it() -> None:
    with pytest.raises(ValueError, match="who runs"):
        SqlEquivalent(fixture=script)
