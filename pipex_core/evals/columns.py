"""Python values as Arrow columns.

Built from buffers, because ``pa.array`` of a list imports pandas to find out whether the list is one of
its series: 35 MB and half a second for each process that only writes rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

most_text_bytes: Final = 2**31 - 1  # offsets of an Arrow string have 32 bits
_epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
_tick: Final = timedelta(microseconds=1)


def column_of(
    values: Sequence[Any], kind: pa.DataType, *, most_bytes: int = most_text_bytes
) -> pa.Array | pa.ChunkedArray:
    """The values in their order; None is a null.

    Args:
        values: Text, truth values, numbers, lists of text, or times with a zone.
        kind: String, dictionary of strings, list of strings, bool, a number, or microseconds in UTC.
        most_bytes: Of text in one chunk; a longer one stands alone.
    """
    if pa.types.is_dictionary(kind):
        places: dict[str, int] = {}
        codes = [
            None if value is None else places.setdefault(value, len(places)) for value in values
        ]
        words = column_of(list(places), kind.value_type)
        return pa.DictionaryArray.from_arrays(column_of(codes, kind.index_type), words)
    if pa.types.is_string(kind):
        return _texts(values, most_bytes)
    if pa.types.is_list(kind):
        known = [value or () for value in values]
        inner = column_of(list(chain.from_iterable(known)), kind.value_type)
        return pa.Array.from_buffers(
            kind, len(values), [_present(values), _offsets(known)], children=[inner]
        )
    return pa.Array.from_buffers(kind, len(values), [_present(values), _fixed(values, kind)])


@contextmanager
def lean_memory() -> Iterator[None]:
    """Arrow takes memory from the system's allocator inside the block.

    Arrow's own allocator keeps what it was given back: 35 MB more at the peak of a run of 10 000 cases.
    """
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """The Python values of a column; equal words of a dictionary are one object."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    found: list[Any] = []
    for chunk in column.chunks:
        words = [*chunk.dictionary.to_pylist(), None]
        found += [words[-1 if code is None else code] for code in chunk.indices.to_pylist()]
    return found


def redacted(column: pa.ChunkedArray, redact: Callable[[str], str]) -> pa.ChunkedArray:
    """A column of texts with each of them redacted; the column itself when that changes nothing."""
    texts = values_of(column)
    clean = {text: redact(text) for text in set(texts) if text is not None}
    if all(text == after for text, after in clean.items()):
        return column
    return pa.chunked_array([column_of([clean.get(text) for text in texts], column.type)])


def holds(column: pa.ChunkedArray, value: str | int) -> pa.ChunkedArray:
    """Where the column holds the value; words of a dictionary are compared as text."""
    # ``pa.scalar`` imports pandas too.
    plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    return pc.equal(plain, column_of([value], plain.type)[0])


def _texts(values: Sequence[str | None], most_bytes: int) -> pa.Array | pa.ChunkedArray:
    encoded = [b"" if value is None else value.encode() for value in values]
    if len(values) > 1 and sum(map(len, encoded)) > most_bytes:
        half = len(values) // 2
        parts = (_texts(part, most_bytes) for part in (values[:half], values[half:]))
        return pa.chunked_array([chunk for part in parts for chunk in _chunks(part)])
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(
        pa.string(), len(values), [_present(values), _offsets(encoded), data]
    )


def _chunks(part: pa.Array | pa.ChunkedArray) -> Sequence[pa.Array]:
    return part.chunks if isinstance(part, pa.ChunkedArray) else [part]


def _fixed(values: Sequence[Any], kind: pa.DataType) -> pa.Buffer:
    """Values of a fixed width; what is null holds zero."""
    if pa.types.is_boolean(kind):
        return _bits(np.fromiter((bool(value) for value in values), np.bool_, len(values)))
    if pa.types.is_timestamp(kind):
        ticks = (_microseconds(value) for value in values)
        return pa.py_buffer(np.fromiter(ticks, np.int64, len(values)))
    known = (0 if value is None else value for value in values)
    return pa.py_buffer(np.fromiter(known, kind.to_pandas_dtype(), len(values)))


def _microseconds(value: datetime | int | None) -> int:
    """Since 1970; a number is taken as such already."""
    return (value - _epoch) // _tick if isinstance(value, datetime) else value or 0


def _present(values: Sequence[Any]) -> pa.Buffer | None:
    """A bit for each value that is there; None when all are."""
    if None not in values:
        return None
    return _bits(np.fromiter((value is not None for value in values), np.bool_, len(values)))


def _bits(flags: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _offsets(values: Sequence[Any]) -> pa.Buffer:
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int32, len(values)), out=ends[1:])
    return pa.py_buffer(ends)
