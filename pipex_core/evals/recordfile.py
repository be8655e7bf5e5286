"""The records of a file that somebody else wrote: JSON, JSON lines, CSV, TSV or Parquet, told by content."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipex_core.errors import ConfigError
from pipex_core.evals.lossreport import Loss
from pipex_core.jsonvalue import Json, canonical, parse

Records = Iterator[tuple[str, Json]]  # where it stands, such as ``line 3``
most_cell_characters = 16 << 20


def records_of(data: bytes, dropped: list[Loss]) -> Records:
    """The records of a file with their line, or their number where lines mean nothing.

    Args:
        data: The file.
        dropped: Told the lines that cannot be read.

    Raises:
        ConfigError: ``not_records``, the file is none of these formats.
    """
    if data.startswith(b"PAR1"):
        return _numbered(_of_parquet(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"the file is not UTF-8: {exc.reason}", code="not_records") from exc
    start = text.lstrip()[:1]
    if not start:
        return iter(())
    if start == "[":
        return _numbered(_of_list(text))
    if start == "{":
        return _of_objects(text, dropped)
    if "," not in text.partition("\n")[0] and "\t" not in text.partition("\n")[0]:
        raise ConfigError(
            "the file is neither JSON, JSON lines, CSV nor Parquet", code="not_records"
        )
    return _of_csv(text)


def _numbered(records: Iterable[Json]) -> Records:
    return ((f"record {number}", record) for number, record in enumerate(records, 1))


def _of_parquet(data: bytes) -> Iterator[Json]:
    try:
        rows = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).to_pylist()
    except pa.ArrowException as exc:
        raise ConfigError(f"not a readable Parquet file: {exc}", code="not_records") from exc
    for row in rows:
        # Times and decimals have no place in JSON; their text says the same.
        yield {name: value if _is_json(value) else str(value) for name, value in row.items()}


def _is_json(value: Json) -> bool:
    try:
        canonical(value)
    except (TypeError, ValueError):
        return False
    return True


def _of_list(text: str) -> Sequence[Json]:
    try:
        found = parse(text)
    except ValueError as exc:
        raise ConfigError(f"the file is not JSON: {exc}", code="not_records") from exc
    return list(found)


def _of_objects(text: str, dropped: list[Loss]) -> Records:
    """One object, or one per line; a broken line is noted and passed over."""
    try:
        yield "record 1", parse(text)
    except ValueError:
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            where = f"line {number}"
            try:
                record = parse(line)
            except ValueError as exc:
                dropped.append(Loss(where=where, effect=f"not JSON: {exc}", feature="unreadable"))
                continue
            yield where, record


def _of_csv(text: str) -> Records:
    """Rows of a CSV or TSV; an empty cell says nothing, so it is no text."""
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    csv.field_size_limit(most_cell_characters)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            yield (
                f"line {reader.line_num}",
                {name: cell or None for name, cell in row.items() if name is not None},
            )
    except csv.Error as exc:
        message = f"line {reader.line_num} of the table cannot be read: {exc}"
        raise ConfigError(message, code="not_records") from exc
