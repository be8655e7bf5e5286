"""Result tables of every version ever written are still read, and say what they said."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest

from pipex_core.evals import table
from pipex_core.evals.arms import arm_of
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.manifest import metric_facts_from
from pipex_core.evals.summary import summary_of
from pipex_core.evals.table import TableName

v1 = Path(__file__).parent / "tables" / "v1"
stored: list[TableName] = ["runs", "responses", "scores", "comparisons"]


def read(name: TableName) -> pa.Table:
    return table.from_parquet(name, (v1 / f"{name}.parquet").read_bytes())


def shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def described(name: TableName) -> list[str]:
    return [
        f"{name}.{field.name}: {field.type}{'' if field.nullable else ' not null'}"
        for field in table.schema(name)
    ]


def test_columns_are_only_added_and_nullable() -> None:
    written = (v1 / "columns.txt").read_text().splitlines()
    now = [line for name in get_args(TableName) for line in described(name)]
    assert [line for line in now if line in written] == written
    assert not [line for line in now if line not in written and line.endswith("not null")]


@pytest.mark.parametrize("name", stored)
def test_version_1_rows_are_still_read(name: TableName) -> None:
    rows = json.loads((v1 / "rows.json").read_text())[name]
    found = [{key: shown(value) for key, value in row.items()} for row in read(name).to_pylist()]
    assert [{key: row[key] for key in rows[0]} for row in found] == rows if rows else found == []


def test_the_digest_of_version_1_rows_is_still_the_same() -> None:
    manifest = json.loads((v1 / "manifest.json").read_text())
    found = table.row_digest({name: read(name) for name in ("responses", "scores")})
    assert found == manifest["row_digest"]


def test_version_1_rows_still_add_up_to_their_summary() -> None:
    manifest = json.loads((v1 / "manifest.json").read_text())
    responses, scores = read("responses"), read("scores")
    facts = [metric_facts_from(one) for one in manifest["metrics"]]
    arm = arm_of(responses, scores, facts, run_id=manifest["run_id"])
    found = summary_of(arm, responses, scores)
    for name, document in manifest["summary"]["metrics"].items():
        metric = found.metrics[name]
        counts = (metric.n_planned, metric.n_scored, metric.n_failed, metric.n_missing, metric.n_na)
        assert counts == tuple(
            document[f"n_{word}"] for word in ("planned", "scored", "failed", "missing", "na")
        )
        assert metric.mean == document["mean"]


def test_version_1_rows_are_still_carried() -> None:
    responses = read("responses")
    index = CarryIndex(responses=[responses], scores=[read("scores")])
    found = {
        row["case_id"]: index.answer(row["response_key"])
        for row in responses.select(["case_id", "response_key"]).to_pylist()
    }
    assert found["pt"] is None
    assert {name: answer.text for name, answer in found.items() if answer is not None} == {
        "de": "Berlin",
        "es": None,
        "fr": "Paris",
        "it": "Rome",
    }
    assert index.damaged == []
