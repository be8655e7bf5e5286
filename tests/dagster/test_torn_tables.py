"""A writer that is killed in the middle of a table: the old one or the new one is there, never a torn file."""

import os
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from pipex_core.evals.table import to_parquet
from pipex_dagster.resources import ParquetTables, part_suffix

rows = 50_000


def table_of(value: int) -> pa.Table:
    return pa.table(
        {"value": pa.array([value] * rows), "text": [f"{value}:{n}" for n in range(rows)]}
    )


def write_for_ever(tables: ParquetTables, path: UPath, data: list[bytes]) -> None:
    while True:
        for one in data:
            tables._write(path, one)


@pytest.fixture(scope="module")
def versions() -> list[bytes]:
    """Two tables as bytes."""
    return [to_parquet(table_of(1)), to_parquet(table_of(2))]


@pytest.mark.parametrize("kill", range(6))
def test_a_killed_writer_leaves_a_whole_table(
    tmp_path: Path, kill: int, versions: list[bytes]
) -> None:
    path = UPath(tmp_path / "scores.parquet")
    tables = ParquetTables(UPath(tmp_path))
    tables._write(path, versions[0])
    child = os.fork()
    if child == 0:
        write_for_ever(tables, path, versions)
    seen = 0
    while seen <= kill:  # so that it is killed while an unfinished file is there
        seen += any(tmp_path.glob(f"*{part_suffix}"))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = pq.read_table(path.path)
    assert found.num_rows == rows
    assert set(found["value"].to_pylist()) in ({1}, {2})
    tables._write(path, versions[1])
    assert [p.name for p in tmp_path.iterdir()] == ["scores.parquet"]
