"""A suite as a Parquet table: a column per case field, and back, batch by batch.

Texts are text columns; whole maps and lists are JSON text. A column that may hold both (``input``,
``expected_output``, ``context``) is plain text while all its values are; otherwise all of them are JSON
and the column says so in its metadata. The fields of the suite stand in the metadata of the table, so
that nothing is lost. In tables of other programs a text that is a whole JSON map or list is read as
that; columns of lists and structs are taken as they are.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.caselines import Text, max_case_bytes, max_cases
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.suiteshape import (
    case_data,
    case_fields,
    read_case,
    read_suite_fields,
    suite_data,
)
from pipex_core.jsonvalue import Json, compact, parse
from pipex_core.spec.model import Finding

suite_key: Final = b"pipex.suite"
_encoding_key: Final = b"pipex.encoding"
_rows: Final = 16  # 16 of the largest cases are 256 MB: what a hostile table may cost
_large_row_bytes: Final = 1_000_000
_long_text: Final = 1_000
_remembered: Final = 16
_surrogate: Final = re.compile("[\ud800-\udfff]")
_either: Final = frozenset({"input", "expected_output", "context"})
_numbers: Final = {"version": pa.int64(), "weight": pa.float64()}
_texts: Final = frozenset({"id", "name", "created_at", "cluster_id", "split", "status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReader:
    """A suite in a Parquet file: its fields now, its cases when they are asked for.

    Attributes:
        suite: Without its cases.
        table: The open ``pyarrow.parquet.ParquetFile``.
    """

    suite: Suite
    table: Any

    def cases(self) -> Iterator[Case]:
        """The cases in the order of the file, a few hundred rows in memory at a time.

        Raises:
            SpecError: The problems of the first row that has some.
        """
        for row, (case, wrong) in enumerate(_read(self.table, self.suite.location), 1):
            if case is None:
                raise SpecError(_located(wrong, self.suite.location, row))
            yield case


def open_table(file: str, data: "io.BufferedIOBase | bytes") -> TableReader:
    """A Parquet file as a suite.

    Args:
        file: Name for messages; its stem names a suite without id.
        data: The bytes, or an open file.

    Raises:
        SpecError: ``not_parquet``, ``missing_field`` without a column ``id``, or problems of the fields.
    """
    try:
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        schema = pq.read_schema(source)
        # Texts stay in their dictionary, so that one long text in many rows is in memory once.
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        table = pq.ParquetFile(source, read_dictionary=texts)
    except (pa.ArrowException, OSError) as exc:
        message = f"this is no Parquet file that can be read: {exc}"
        raise _refused(file, "not_parquet", message) from exc
    names = schema.names
    if "id" not in names:
        message = f"the column 'id' is missing; there are {', '.join(names) or 'none'}"
        raise _refused(file, "missing_field", message)
    if table.metadata.num_rows > max_cases:
        raise _refused(file, "too_large", f"more than {max_cases} cases")
    return TableReader(suite=_suite_of(schema, file), table=table)


def read_table(text: Text) -> Suite:
    """The suite of a Parquet file, sorted by id.

    Raises:
        SpecError: All problems; ``line`` is the row, counted from 1.
    """
    data = text.text.encode() if isinstance(text.text, str) else text.text
    reader = open_table(text.file, data)
    cases: list[Case] = []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for row, (case, wrong) in enumerate(_read(reader.table, text.file), 1):
        problems += _located(wrong, text.file, row)
        if case is None:
            continue
        cases.append(case)
        if first.setdefault(case.id, row) != row:
            message = f"the id {case.id!r} is already used in row {first[case.id]}"
            twice = Finding(code="duplicate_id", message=message, path="id")
            problems += _located([twice], text.file, row)
    if problems:
        raise SpecError(problems)
    ordered = tuple(sorted(cases, key=lambda case: case.id))
    fields = {name: getattr(reader.suite, name) for name in reader.suite.__slots__}
    return Suite(**{**fields, "cases": ordered})


def dump_table(suite: Suite) -> bytes:
    """The suite as Parquet, sorted by id; the same bytes for equal suites."""
    rows = [case_data(case) for case in sorted(suite.cases, key=lambda case: case.id)]
    found = dict.fromkeys(name for row in rows for name in row)
    extra = sorted(name for name in found if name not in case_fields)
    names = [name for name in case_fields if name in found or name in {"id", "input"}] + extra
    columns = [
        _column(name, [(row[name],) if name in row else () for row in rows]) for name in names
    ]
    schema = pa.schema([field for field, _ in columns]).with_metadata(
        {suite_key: compact(suite_data(suite))}
    )
    table = pa.table([values for _, values in columns], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _column(name: str, boxes: Sequence[tuple[Json, ...]]) -> tuple[pa.Field, pa.Array]:
    """A column of values, each in a box that is empty where a case does not have the field."""
    if name in _numbers:
        values = [box[0] if box else None for box in boxes]
        return pa.field(name, _numbers[name]), pa.array(values, _numbers[name])
    plain = name in (_texts | _either) and all(_is_plain(*box) for box in boxes)
    # Plain texts say so too: a text may look like JSON.
    metadata = {_encoding_key: b"text" if plain else b"json"}
    write: Callable[[Json], str] = str if plain else _json
    texts = [write(*box) if box else None for box in boxes]
    return pa.field(name, pa.string(), metadata=metadata), pa.array(texts, pa.string())


def _is_plain(value: Json = "") -> bool:
    """Is it a text that UTF-8 can hold?"""
    return isinstance(value, str) and (value.isascii() or not _surrogate.search(value))


def _json(value: Json) -> str:
    text = compact(value)
    return json.dumps(value, separators=(",", ":")) if _surrogate.search(text) else text


def _suite_of(schema: pa.Schema, file: str) -> Suite:
    raw = (schema.metadata or {}).get(suite_key)
    try:
        head = {} if raw is None else parse(raw.decode())
    except ValueError as exc:
        message = f"the suite fields in the metadata are no JSON: {exc}"
        raise _refused(file, "json_syntax", message) from exc
    fields, findings = read_suite_fields(head, default_id=PurePosixPath(file).stem)
    if findings:
        raise SpecError(_located(findings, file, 0))
    return Suite(**fields, cases=(), location=file)


def _read(table: Any, file: str) -> Iterator[tuple[Case | None, Sequence[Finding]]]:  # noqa: ANN401 - pyarrow has no types
    """Each row as a case, or what is wrong with it."""
    readers = {field.name: _shared(_cell_reader(field)) for field in table.schema_arrow}
    try:
        for batch in table.iter_batches(batch_size=_batch_rows(table), use_threads=False):
            if max(map(_longest, batch.columns), default=0) > max_case_bytes:
                raise _refused(file, "too_large", "a case is larger than 16 MB")
            for row in batch.to_pylist():
                yield _case(row, readers)
    except (pa.ArrowException, OSError) as exc:
        raise _refused(file, "not_parquet", f"the table is damaged: {exc}") from exc


def _shared(read: Callable[[Any], Json]) -> Callable[[Any], Json]:
    """A reader that gives equal long texts of neighbouring rows one value.

    A few bytes of dictionary would otherwise stand for gigabytes.
    """
    remembered = lru_cache(maxsize=_remembered)(read)
    return lambda value: (
        remembered(value) if isinstance(value, str) and len(value) > _long_text else read(value)
    )


def _batch_rows(table: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    """Rows in memory at a time: one where rows are large, as far as the footer tells."""
    groups = (table.metadata.row_group(i) for i in range(table.metadata.num_row_groups))
    large = any(group.total_byte_size > _large_row_bytes * group.num_rows for group in groups)
    return 1 if large else _rows


def _longest(column: pa.Array) -> int:
    """Bytes of the longest text of a column, looked up in its dictionary; 0 of other columns."""
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
        return 0
    return pc.max(pc.binary_length(values)).as_py() or 0


def _case(
    row: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Json]]
) -> tuple[Case | None, Sequence[Finding]]:
    data: dict[str, Json] = {}
    findings: list[Finding] = []
    for name, value in row.items():
        if value is None:
            continue
        try:
            data[name] = readers[name](value)
        except ValueError as exc:
            message = f"{name}: not JSON: {exc}"
            findings.append(Finding(code="json_syntax", message=message, path=name))
    if findings:
        return None, findings
    if sum(len(value) for value in row.values() if isinstance(value, str)) > max_case_bytes:
        return None, [Finding(code="too_large", message="the case is larger than 16 MB")]
    return read_case(data, path="")


def _cell_reader(field: pa.Field) -> Callable[[Any], Json]:
    encoding = (field.metadata or {}).get(_encoding_key)
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return _plain_value
    if encoding == b"json":
        return parse
    if encoding == b"text" or field.name in _texts:
        return str
    return _guessed if field.name in _either else parse


def _plain_value(value: Any) -> Json:  # noqa: ANN401 - whatever the column holds
    """Structs without the members that a row does not have; a time as RFC 3339, UTC where it says none."""
    if isinstance(value, Mapping):
        return {key: _plain_value(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain_value(inner) for inner in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value


def _guessed(value: str) -> Json:
    if value[:1] not in ("{", "["):
        return value
    try:
        return parse(value)
    except ValueError:
        return value


def _located(findings: Iterable[Finding], file: str, row: int) -> list[Problem]:
    make = partial(Problem, file=file, line=row, column=1 if row else 0)
    return [
        make(code=one.code, message=one.message, path=one.path, suggestion=one.suggestion)
        for one in findings
    ]


def _refused(file: str, code: str, message: str) -> SpecError:
    return SpecError([Problem(file=file, code=code, message=message)])
