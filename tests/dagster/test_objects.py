"""Assets and records in a bucket: the same keys, tables and answers as in a folder."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from pipex_core.app.stored import open_archive
from pipex_core.app.wiring import results_store
from pipex_dagster.objects import ObjectTables
from pipex_dagster.resources import ArrowTable, JsonRecord, project_settings
from tests.dagster.conftest import Project

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


@dg.asset(
    key=["s", "all"],
    ins={"tables": dg.AssetIn(key=["s", "scores"])},
    io_manager_key="records",
)
def both(tables: dict[str, Any]) -> dict[str, int]:
    return {partition: table.num_rows for partition, table in tables.items()}


@dg.op(out=dg.Out(io_manager_key="records"))
def one() -> Mapping[str, Any]:
    return {"text": "ä"}


@dg.op(out=dg.Out(io_manager_key="records"))
def same(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value


@dg.job
def passing() -> None:
    same(one())


def in_bucket(bucket: str) -> dict[str, Any]:
    place = f"s3://{bucket}/objects"
    return {"tables": ArrowTable(base_dir=place), "records": JsonRecord(base_dir=place)}


def test_a_partition_is_one_object_and_all_partitions_are_a_map(bucket: str) -> None:
    resources = in_bucket(bucket)
    for partition in ("a", "org%2Fmodel"):
        assert dg.materialize([scores, count], partition_key=partition, resources=resources).success
    assert dg.materialize([both, scores], selection=[both], resources=resources).success
    store = results_store(f"s3://{bucket}/objects/s")
    assert list(store.list()) == [
        "all.json",
        "count/a.json",
        "count/org%2Fmodel.json",
        "scores/a.parquet",
        "scores/org%2Fmodel.parquet",
    ]
    assert store.get("all.json") == b'{"a": 1, "org%2Fmodel": 1}'


def test_a_table_is_found_without_being_an_input(bucket: str) -> None:
    dg.materialize([scores], partition_key="a", resources=in_bucket(bucket))
    tables = ObjectTables(results_store(f"s3://{bucket}/objects"))
    found = tables.stored(dg.AssetKey(["s", "scores"]), "a", columns=["score"])
    assert found is not None
    assert found.to_pydict() == {"score": [0.5]}
    assert tables.stored(dg.AssetKey(["s", "scores"]), "none") is None


def test_ops_hand_records_on_through_the_bucket(bucket: str) -> None:
    result = passing.execute_in_process(resources=in_bucket(bucket))
    assert result.output_for_node("same") == {"text": "ä"}


def test_a_results_url_is_no_path_below_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEX_RESULTS_DIR", "s3://bucket/results")
    assert project_settings("project").text("results_dir") == "s3://bucket/results"


def digests(results: str) -> list[str]:
    """The digest of the rows of each run."""
    archive = open_archive(results)
    return [archive.manifest(place)["row_digest"] for place in archive.places()]


def test_an_evaluation_in_a_bucket_is_that_of_a_folder(
    project: Project, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.evaluate("good").success
    url = f"s3://{bucket}/evaluated"
    monkeypatch.setenv("PIPEX_RESULTS_DIR", url)
    assert project.evaluate("good").success
    assert digests(url) == digests(str(project.root / "results")) != []
    keys = list(results_store(url).list("dagster/assets/"))
    assert "dagster/assets/sums/verdict/good.parquet" in keys
