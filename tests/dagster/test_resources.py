"""Tables and records on disk: whole or absent, marked with their origin, and never a pickle."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from pipex_dagster.resources import ArrowTable, JsonRecord, ParquetTables

partitions = dg.StaticPartitionsDefinition(["a", "org%2Fmodel"])
one_row = pa.table({"case_id": ["c1"], "score": [0.5]})


@dg.asset(key=["s", "scores"], partitions_def=partitions, io_manager_key="tables")
def scores() -> pa.Table:
    return one_row


@dg.asset(
    key=["s", "count"],
    partitions_def=partitions,
    ins={"table": dg.AssetIn(key=["s", "scores"])},
    io_manager_key="records",
)
def count(table: pa.Table) -> dict[str, int]:
    return {"rows": table.num_rows}


def materialize(folder: Path, partition: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [scores, count],
        partition_key=partition,
        resources={
            "tables": ArrowTable(base_dir=str(folder)),
            "records": JsonRecord(base_dir=str(folder)),
        },
    )


def test_a_partition_is_one_file_under_the_key_of_its_asset(tmp_path: Path) -> None:
    assert materialize(tmp_path, "org%2Fmodel").success
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert found == ["s/count/org%2Fmodel.json", "s/scores/org%2Fmodel.parquet"]
    assert (tmp_path / found[0]).read_text() == '{"rows": 1}'


def test_a_table_names_the_run_the_asset_and_the_partition_that_made_it(tmp_path: Path) -> None:
    result = materialize(tmp_path, "a")
    metadata = pq.read_metadata(tmp_path / "s/scores/a.parquet").metadata
    assert metadata[b"pipex.dagster_run_id"] == result.run_id.encode()
    assert metadata[b"pipex.asset"] == b"s/scores"
    assert metadata[b"pipex.partition"] == b"a"


def test_another_partition_is_read_without_being_an_input(tmp_path: Path) -> None:
    materialize(tmp_path, "a")
    tables = ParquetTables(UPath(tmp_path))
    found = tables.stored(dg.AssetKey(["s", "scores"]), "a")
    assert found is not None
    assert found.to_pydict() == one_row.to_pydict()
    assert tables.stored(dg.AssetKey(["s", "scores"]), "b") is None


def test_a_value_that_json_cannot_hold_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    @dg.asset(io_manager_key="records")
    def ratio(context: dg.AssetExecutionContext) -> dict[str, float]:
        return {"x": float(context.run.tags["value"])}

    resources = {"records": JsonRecord(base_dir=str(tmp_path))}
    dg.materialize([ratio], resources=resources, tags={"value": "0.5"})
    failed = dg.materialize(
        [ratio], resources=resources, tags={"value": "nan"}, raise_on_error=False
    )
    assert not failed.success
    assert (tmp_path / "ratio.json").read_text() == '{"x": 0.5}'
    assert [p.name for p in tmp_path.iterdir()] == ["ratio.json"]


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_writer_left_is_swept_and_a_live_one_keeps_its_file(
    tmp_path: Path, dead_pid: int
) -> None:
    folder = tmp_path / "s" / "scores"
    folder.mkdir(parents=True)
    stale = folder / f"a.parquet.{dead_pid}.part"
    live = folder / f"a.parquet.{os.getppid()}.part"
    other = folder / f"b.parquet.{dead_pid}.part"
    for path in (stale, live, other):
        path.write_bytes(b"half a ta")
    materialize(tmp_path, "a")
    assert not stale.exists()
    assert live.exists()
    assert other.exists()


def test_a_store_without_folders_gets_one_put(tmp_path: Path) -> None:
    memory = UPath("memory://tables-of-a-test")
    result = dg.materialize(
        [scores],
        partition_key="a",
        resources={"tables": ArrowTable(base_dir=str(memory))},
    )
    assert result.success
    stored = ParquetTables(memory).stored(dg.AssetKey(["s", "scores"]), "a")
    assert stored is not None
    assert stored.num_rows == 1
    assert not list(tmp_path.iterdir())
