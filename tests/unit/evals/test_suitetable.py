"""Suites as Parquet: everything comes back, tables of other programs are understood, bad ones refused."""

import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.caselines import Text, max_case_bytes
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from pipex_core.evals.suitetable import dump_table, open_table, read_table


def parquet(columns: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, **options), sink)
    return sink.getvalue()


def read(columns: Any, **options: Any) -> tuple[Case, ...]:
    return tuple(read_table(Text(file="x.parquet", text=parquet(columns, **options))).cases)


def problems(data: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(SpecError) as caught:
        read_table(Text(file="x.parquet", text=data))
    assert {problem.file for problem in caught.value.problems} == {"x.parquet"}
    return [(p.line, p.code, p.message) for p in caught.value.problems]


def test_texts_that_look_like_json_stay_texts() -> None:
    suite = Suite(
        id="s",
        name="Named",
        version="3",
        defaults=SuiteDefaults(metrics=("exact_match",), repeats=2),
        gate={"rules": []},
        extra={"x-owner": "me"},
        cases=(
            Case(id="a", input='{"a": 1}', expected_output="[1]", context="[]"),
            Case(id="b", input="lone \udc80", name="\ud800", expected_output=None),
        ),
    )
    found = read_table(Text(file="other.parquet", text=dump_table(suite)))
    assert found == suite
    assert found.location == "other.parquet"


def test_columns_are_named_as_the_fields_and_hold_text_or_json() -> None:
    suite = Suite(
        id="s",
        cases=(
            Case(id="b", input={"q": "x"}, expected_output=42, weight=2.5, metadata={"k": [1]}),
            Case(id="a", input="text", version=2, extra={"x-note": 1}),
        ),
    )
    table = pq.read_table(io.BytesIO(dump_table(suite)))
    assert table.to_pydict() == {
        "id": ["a", "b"],
        "input": ['"text"', '{"q":"x"}'],
        "expected_output": [None, "42"],
        "metadata": [None, '{"k":[1]}'],
        "version": [2, None],
        "weight": [None, 2.5],
        "x-note": ["1", None],
    }


def test_a_table_of_another_program_is_understood() -> None:
    moment = datetime(2025, 1, 31, 12, tzinfo=UTC)
    found = read(
        {
            "id": ["b", "a"],
            "input": ["plain", '{"question": "Why?"}'],
            "expected_output": ["{not json", '["one", "two"]'],
            "context": [["one", "two"], None],
            "tags": [["t"], []],
            "metadata": ['{"topic": "x"}', None],
            "source": [{"line": 1, "file": None}, {"line": 2, "file": "f"}],
            "created_at": [moment, None],
            "weight": [2, 1],
        }
    )
    assert found == (
        Case(
            id="a", input={"question": "Why?"}, expected_output=["one", "two"],
            source={"line": 2, "file": "f"},
        ),
        Case(
            id="b", input="plain", expected_output="{not json", context=("one", "two"), tags=("t",),
            metadata={"topic": "x"}, source={"line": 1}, weight=2.0,
            created_at="2025-01-31T12:00:00+00:00",
        ),
    )  # fmt: skip


def test_a_time_without_zone_is_utc() -> None:
    (case,) = read({"id": ["a"], "input": ["x"], "created_at": [datetime(2025, 1, 31)]})  # noqa: DTZ001 - the point
    assert case.created_at == "2025-01-31T00:00:00+00:00"


def test_all_problems_are_shown_with_their_rows() -> None:
    data = parquet(
        {
            "id": ["a", "a", "bad id", "d"],
            "input": ["1", "2", "3", None],
            "metadata": ["{}", "{}", None, "{oops"],
            "weigth": [None, 1, None, None],
        }
    )
    found = problems(data)
    assert [(line, code) for line, code, _ in found] == [
        (2, "unknown_field"),
        (3, "bad_id"),
        (4, "json_syntax"),
    ]
    twice = parquet({"id": ["a", "a"], "input": ["1", "2"]})
    assert problems(twice) == [(2, "duplicate_id", "the id 'a' is already used in row 1")]


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"PAR1 and nothing", "not_parquet", "no Parquet file"),
        (parquet({"input": ["x"]}), "missing_field", "'id' is missing; there are input"),
        (
            parquet({"id": ["a"]}, metadata={b"pipex.suite": b"{"}),
            "json_syntax",
            "in the metadata are no JSON",
        ),
        (
            parquet({"id": ["a"]}, metadata={b"pipex.suite": b'{"verson": "1"}'}),
            "unknown_field",
            "unknown field 'verson'",
        ),
    ],
)
def test_a_file_that_is_no_suite_is_refused(data: bytes, code: str, message: str) -> None:
    (found,) = problems(data)
    assert (found[1], message in found[2]) == (code, True)


def test_too_many_rows_are_refused_by_the_footer() -> None:
    data = parquet({"id": pa.nulls(1_000_001, pa.string())})
    assert problems(data) == [(0, "too_large", "more than 1000000 cases")]


def test_a_damaged_page_is_a_damaged_table() -> None:
    data = bytearray(dump_table(Suite(id="s", cases=(Case(id="a", input="x" * 500),))))
    data[4:200] = b"\xff" * 196
    (found,) = problems(bytes(data))
    assert found[1] == "not_parquet"


def test_cases_come_one_by_one_until_the_first_problem() -> None:
    data = parquet({"id": [f"c{i}" for i in range(40)] + ["bad id"], "input": ["x"] * 41})
    reader = open_table("x.parquet", io.BytesIO(data))
    assert (reader.suite.id, reader.suite.cases) == ("x", ())
    cases = reader.cases()
    assert [next(cases).id for _ in range(40)] == [f"c{i}" for i in range(40)]
    with pytest.raises(SpecError, match=r"x.parquet:41:1: error: id: 'bad id'"):
        next(cases)


def test_a_long_text_in_many_rows_is_in_memory_once() -> None:
    text = "x" * 100_000
    data = parquet(
        {
            "id": [f"c{i}" for i in range(40)],
            "input": pa.array([text] * 40).dictionary_encode(),
            "metadata": ['{"long": "' + text + '"}'] * 40,
        }
    )
    cases = read_table(Text(file="x.parquet", text=data)).cases
    assert len({id(case.input) for case in cases}) <= 3  # one per batch
    assert len({id(case.metadata) for case in cases}) <= 3
    assert {case.input for case in cases} == {text}


def test_a_dictionary_bomb_is_refused_by_its_longest_text() -> None:
    bomb = pa.DictionaryArray.from_arrays([0] * 1000, ["x" * (max_case_bytes + 1)])
    data = parquet({"id": [f"c{i}" for i in range(1000)], "input": bomb})
    assert len(data) < 1_000_000
    assert problems(data) == [(0, "too_large", "a case is larger than 16 MB")]


def test_columns_of_categories_are_texts() -> None:
    names = pa.array(["a", "b"]).dictionary_encode()
    kinds = pa.array([3, 3]).dictionary_encode()
    found = read({"id": names, "input": names, "split": names, "version": kinds})
    assert [(case.id, case.input, case.split, case.version) for case in found] == [
        ("a", "a", "a", 3), ("b", "b", "b", 3),
    ]  # fmt: skip


def test_a_case_is_as_large_as_all_its_texts_together() -> None:
    half = "x" * (max_case_bytes // 2 + 1)
    data = parquet({"id": ["a"], "input": [half], "context": [half]})
    assert problems(data) == [(1, "too_large", "the case is larger than 16 MB")]
