"""Columns built from buffers are those that ``pa.array`` builds."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipex_core.evals.columns import column_of, holds, lean_memory, values_of

text = st.text(st.characters(codec="utf-8"), max_size=5)
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
kinds: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), text),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["a", "b", "", "ä"])),
    (pa.list_(pa.string()), st.lists(text, max_size=3)),
    (pa.bool_(), st.booleans()),
    (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.timestamp("us", tz="UTC"), times),
]


@pytest.mark.parametrize(("kind", "one"), kinds, ids=lambda value: str(value)[:20])
@settings(deadline=None)  # the first reference array imports pandas
@given(data=st.data())
def test_a_column_is_the_array_of_its_values(
    kind: pa.DataType, one: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.none() | one, max_size=20))
    found = column_of(values, kind)
    found.validate(full=True)
    assert found.equals(pa.array(values, kind))
    assert found.to_pylist() == values
    assert values_of(pa.chunked_array([found, found])) == values * 2


def test_text_beyond_the_reach_of_its_offsets_is_cut_into_chunks() -> None:
    values = ["four", None, "five", "six", "x" * 9]
    found = column_of(values, pa.string(), most_bytes=8)
    assert [chunk.to_pylist() for chunk in found.chunks] == [
        ["four", None],
        ["five"],
        ["six"],
        values[4:],
    ]


def test_values_are_found_in_text_and_in_dictionaries() -> None:
    words = pa.chunked_array([pa.array(["a", None, "b", "a"]).dictionary_encode()])
    assert holds(words, "a").to_pylist() == [True, None, False, True]
    assert holds(pa.chunked_array([pa.array([0, 1], pa.int16())]), 0).to_pylist() == [True, False]


def test_memory_is_taken_from_the_system_inside_the_block_only() -> None:
    before = pa.default_memory_pool().backend_name
    with lean_memory():
        assert pa.default_memory_pool().backend_name == "system"
    assert pa.default_memory_pool().backend_name == before
