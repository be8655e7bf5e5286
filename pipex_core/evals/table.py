"""Result tables: Arrow schemas, rows to Parquet bytes and back, and the digest of what they say.

One table has one schema for every suite and metric. Within ``results/1`` columns are only added, and
nullable, so a reader fills what an older file lacks with nulls and widens what it stored narrower;
columns that it does not know are kept. Strings that repeat are dictionaries. Money is integer
nano-USD, JSON values are canonical text, and what was not measured is null, never NaN.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipex_core.errors import StoreError
from pipex_core.evals.columns import column_of, values_of
from pipex_core.evals.results import ResponseRow, ScoreRow
from pipex_core.jsonvalue import canonical, compact, digest

TableName = Literal["runs", "responses", "scores", "calls", "comparisons"]

schema_name = "results/1"
rows_per_group = 16_384
rows_per_part = 1_000_000
rows_per_digest = 2_048  # at once in memory; of no influence on the digest

# name:type, ``?`` nullable. D is a dictionary of strings, json canonical JSON text.
_tokens = (
    "input_tokens:i32? output_tokens:i32? cache_read_tokens:i32? cache_write_tokens:i32? "
    "reasoning_tokens:i32?"
)
_columns: Mapping[TableName, str] = {
    "runs": (
        "suite_version:s? suite_digest:s plan_digest:s target_digest:s target_id:s target_kind:s "
        "model_resolved:s? bindings:json pipeline_name:s? pipeline_digest:s? provider:s seed:i64 "
        "repeats:i16 status:s status_reason:s? started_at:ts finished_at:ts? duration_ms:i64 "
        "n_cases:i32 n_rows:i32 n_ok:i32 n_failed:i32 n_missing:i32 n_carried:i32 n_passed:i32 "
        "n_case_failed:i32 n_undetermined:i32 pass_rate:f64? calls:i64 input_tokens:i64 "
        "output_tokens:i64 cost_nanousd:i64 cost_usd:f64 judge_cost_nanousd:i64 saved_nanousd:i64 "
        "baseline_run_id:s? verdict:s? gate_digest:s? git_sha:s? git_dirty:bool? pipex_version:s "
        "packages:json price_table:s orchestrator_run_id:s? partition_key:s? labels:json"
    ),
    "responses": (
        "case_id:D repeat:i16 case_hash:s input_hash:s reference_hash:s cluster_id:D? weight:f64 "
        "tags:list split:D? slices:json quarantined:bool input:s expected:s? output:s? "
        "output_json:json? context_sha256:s? tool_calls:json? finish_reason:D? status:D class:D "
        "error_code:D? error:s? failed_step:s? attempts:i16 passed:bool? cache:D latency_ms:f64? "
        f"ttft_ms:f64? wait_ms:f64 {_tokens} calls:i32 cost_nanousd:i64 cost_usd:f64 provider:D "
        "model_resolved:D? response_key:s response_hash:s trace_id:s? started_at:ts? "
        "finished_at:ts? origin_run_id:D metadata:json"
    ),
    "scores": (
        "case_id:D? repeat:i16 metric:D submetric:D? level:D metric_type:D metric_version:i32 "
        "metric_fingerprint:D status:D code:D? reason:s? score:f64? label:D? passed:bool? "
        "threshold:f64? direction:D required:bool fallback_of:D? explanation:s? details:json? "
        "judge_id:D? judge_fingerprint:D? judge_certificate:D? judge_votes:json? "
        "judge_cost_nanousd:i64 duration_ms:f64 score_key:s carried:bool origin_run_id:D"
    ),
    "calls": (
        "call_id:s case_id:D repeat:i16 role:D step_path:D? metric:D? attempt:i16 request_key:s "
        "provider:D model:D model_served:D? http_status:i16? error_code:D? retry_after_ms:f64? "
        f"cache:D {_tokens} cost_nanousd:i64 maybe_billed:bool latency_ms:f64? started_at:ts "
        "trace_id:s? span_id:s?"
    ),
    "comparisons": (
        "baseline_run_id:D rule_id:D? metric:D stat:D slice_by:D? slice:D? kind:D? tier:D? "
        "n_pairs:i32 n_clusters:i32 n_wins:i32 n_ties:i32 n_losses:i32 n_missing_a:i32 "
        "n_missing_b:i32 n_excluded:i32 mean_a:f64? mean_b:f64? diff:f64? ci_low:f64? ci_high:f64? "
        "l1:f64? u1:f64? level:f64 alpha:f64 method:D p:f64? p_adj:f64? p_exact:f64? p_perm:f64? "
        "p_wilcoxon:f64? family:D? family_size:i32? effect:f64? effect_kind:D? mde:f64? margin:f64? "
        "value:f64? n_needed:i64? outcome:D v_minus:D? v_plus:D? fragile:bool reason:s? "
        "fingerprint:D"
    ),
}
_order: Mapping[TableName, tuple[str, ...]] = {
    "runs": (),
    "responses": ("case_id", "repeat"),
    "scores": ("case_id", "repeat", "metric", "submetric"),
    "calls": ("case_id", "repeat", "started_at", "call_id"),
    "comparisons": ("metric", "rule_id", "slice_by", "slice"),
}
# Ids, clock times and durations, and who made a row: two equal runs differ in these.
_not_in_digest = frozenset(
    {
        "started_at",
        "finished_at",
        "latency_ms",
        "ttft_ms",
        "wait_ms",
        "duration_ms",
        "cache",
        "carried",
        "origin_run_id",
        "trace_id",
    }
)
_last = "\U0010ffff"  # sorts after every id


@cache
def schema(name: TableName) -> pa.Schema:
    """Columns of a table in their order, with ``pipex.schema`` in the metadata."""
    types = {
        "s": pa.string(),
        "json": pa.string(),
        "D": pa.dictionary(pa.int32(), pa.string()),
        "i16": pa.int16(),
        "i32": pa.int32(),
        "i64": pa.int64(),
        "f64": pa.float64(),
        "bool": pa.bool_(),
        "ts": pa.timestamp("us", tz="UTC"),
        "list": pa.list_(pa.string()),
    }
    return pa.schema(
        [
            pa.field(column, types[kind], nullable=nullable)
            for column, kind, nullable in _parsed(name)
        ],
        metadata={"pipex.schema": schema_name},
    )


def empty(name: TableName) -> pa.Table:
    """The table without a row."""
    # ``Schema.empty_table`` imports pandas, as ``pa.array`` does.
    return pa.Table.from_batches([], schema(name))


def response_batch(rows: Sequence[ResponseRow]) -> pa.Table:
    """The rows as a table, in their order; the row objects can be dropped after it."""
    return _from_columns("responses", _getters("responses"), rows)


def score_batch(rows: Sequence[ScoreRow]) -> pa.Table:
    """The rows as a table, in their order."""
    return _from_columns("scores", _getters("scores"), rows)


def record_batch(name: TableName, records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records with the column names as keys as a table; a JSON column takes the value, not its text.

    Raises:
        StoreError: ``bad_row``, a column that is not nullable has no value.
    """
    getters = {column: _item(column, kind) for column, kind, _ in _parsed(name)}
    return _from_columns(name, getters, records)


def joined(name: TableName, batches: Iterable[pa.Table]) -> pa.Table:
    """All batches as one table, sorted by the table's key, whatever order they came in."""
    whole = pa.concat_tables([empty(name), *batches])
    whole = whole.unify_dictionaries()
    keys = _order[name]
    if not keys or whole.num_rows <= 1:
        return whole.combine_chunks()
    order = pc.sort_indices(
        pa.table(
            {
                # Rows of the whole corpus follow those of the cases; the metric precedes its parts.
                key: _sortable(whole[key], absent=_last if key == "case_id" else "")
                for key in keys
            }
        ),
        sort_keys=[(key, "ascending") for key in keys],
    )
    places = np.frombuffer(order.buffers()[1], np.uint64, len(order))
    if not np.array_equal(places, np.arange(len(order))):
        whole = whole.take(order)
    return whole.combine_chunks()


def to_parquet(table: pa.Table, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """The table as a Parquet file: zstd, dictionary pages for dictionary columns, groups of 16 384 rows.

    Args:
        table: Sorted already.
        metadata: Added to the file's key-value metadata.
    """
    kept = table.schema.metadata or {}
    marked = table.replace_schema_metadata({**kept, **(metadata or {})})
    sink = io.BytesIO()
    pq.write_table(
        marked,
        sink,
        compression="zstd",
        use_dictionary=[f.name for f in table.schema if pa.types.is_dictionary(f.type)],
        row_group_size=rows_per_group,
    )
    return sink.getvalue()


def from_parquet(name: TableName, data: bytes, *, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a Parquet file of this or an earlier minor version, in the present schema.

    Args:
        name: Which table it is.
        data: The file.
        columns: Only these, in this order; None for all, unknown ones last.

    Raises:
        StoreError: ``damaged_file``, or ``schema_too_new`` for another major version.
    """
    try:
        # Neither a Python file object nor Arrow's threads: together they may abort the process at its
        # end (https://github.com/apache/arrow/issues/34314), and then its exit code is lost.
        file = pq.ParquetFile(pa.BufferReader(data))
        found = (file.schema_arrow.metadata or {}).get(b"pipex.schema", b"").decode()
        if found and found != schema_name:
            raise StoreError(
                f"the file holds {found}, this version reads {schema_name}", code="schema_too_new"
            )
        present = set(file.schema_arrow.names)
        read = None if columns is None else [one for one in columns if one in present]
        return upcast(name, file.read(columns=read, use_threads=False), columns=columns)
    except (pa.ArrowException, OSError) as exc:
        raise StoreError(f"not a readable Parquet file: {exc}", code="damaged_file") from exc


def upcast(name: TableName, table: pa.Table, *, columns: Sequence[str] | None = None) -> pa.Table:
    """A table of an earlier minor version, or of another writer, in the present schema.

    Absent columns become nulls, also where the present schema allows none: an old file says nothing
    about them. Narrow integers are widened, plain strings and dictionaries exchanged.
    """
    wanted = schema(name)
    names = list(columns) if columns is not None else wanted.names
    fields, arrays = [], []
    for column in names:
        known = wanted.field(column) if column in wanted.names else table.schema.field(column)
        if column in table.column_names:
            array = _cast(table[column], known.type)
        else:
            array = pa.chunked_array([pa.nulls(table.num_rows, known.type)], type=known.type)
        arrays.append(array)
        fields.append(known.with_nullable(known.nullable or array.null_count > 0))
    if columns is None:
        for extra in table.schema:
            if extra.name not in wanted.names:
                fields.append(extra)
                arrays.append(table[extra.name])
    metadata = {**(table.schema.metadata or {}), **(wanted.metadata or {})}
    return pa.table(arrays, schema=pa.schema(fields, metadata=metadata))


def row_digest(tables: Mapping[str, pa.Table]) -> str:
    """SHA-256 over all that the tables say, apart from ids, clock times, durations and provenance.

    Equal for equal rows whatever the run, the order of completion or the layout of the files. A column
    without any value counts as absent, so a column added later changes no old digest.

    Args:
        tables: Name to table, each sorted.
    """
    return digest(
        {
            name: {
                column: _column_digest(table[column])
                for column in table.column_names
                if column not in _not_in_digest and table[column].null_count < table.num_rows
            }
            for name, table in tables.items()
        }
    )


@cache
def _parsed(name: TableName) -> tuple[tuple[str, str, bool], ...]:
    found = []
    for word in _columns[name].split():
        column, _, kind = word.partition(":")
        found.append((column, kind.rstrip("?"), kind.endswith("?")))
    return tuple(found)


@cache
def _getters(name: TableName) -> Mapping[str, Callable[[Any], Any]]:
    special: dict[str, Callable[[Any], Any]] = {
        "class": attrgetter("response_class"),
        "cost_usd": lambda row: row.cost_nanousd / 1e9,
        "output_json": lambda row: canonical(row.output_json) if row.has_output_json else None,
    }
    return {
        column: special.get(column) or (_json_of(column) if kind == "json" else attrgetter(column))
        for column, kind, _ in _parsed(name)
    }


def _json_of(column: str) -> Callable[[Any], str | None]:
    get = attrgetter(column)

    def text(row: Any) -> str | None:  # noqa: ANN401 - a row of either kind
        value = get(row)
        return None if value is None else "{}" if value == {} else canonical(value)

    return text


def _item(column: str, kind: str) -> Callable[[Mapping[str, Any]], Any]:
    if kind != "json":
        return lambda record: record.get(column)
    return lambda record: None if record.get(column) is None else canonical(record[column])


def _from_columns(
    name: TableName, getters: Mapping[str, Callable[[Any], Any]], rows: Sequence[Any]
) -> pa.Table:
    wanted = schema(name)
    arrays = []
    for field in wanted:
        array = column_of(list(map(getters[field.name], rows)), field.type)
        if array.null_count and not field.nullable:
            raise StoreError(f"a row of {name} has no {field.name}", code="bad_row")
        arrays.append(array)
    return pa.table(arrays, schema=wanted)


def _sortable(column: pa.ChunkedArray, *, absent: str) -> pa.ChunkedArray:
    """Plain values: Arrow does not sort tables by dictionaries."""
    text = pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
    if not text:
        return column
    return pc.coalesce(column.cast(pa.string()), column_of([absent], pa.string())[0])


def _cast(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if column.type == target:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_dictionary(target):
        return column.cast(pa.string()).dictionary_encode().cast(target)
    return column.cast(target)


def _column_digest(column: pa.ChunkedArray) -> str:
    """Digest of the values as JSON, one after the other, so that chunks leave no trace."""
    running = hashlib.sha256()
    for start in range(0, len(column), rows_per_digest):
        values = values_of(column.slice(start, rows_per_digest))
        running.update(f"{compact(values)[1:-1]},".encode("utf-8", "surrogatepass"))
    return running.hexdigest()
