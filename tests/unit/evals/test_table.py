"""The result tables: schemas as specified, bytes and back, old files, and a digest that sees only content."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest

from pipex_core.errors import StoreError
from pipex_core.evals import table
from pipex_core.evals.results import ResponseRow, ScoreRow


def response(case_id: str = "a", **changes: Any) -> ResponseRow:
    facts: dict[str, Any] = {
        "case_id": case_id,
        "repeat": 0,
        "case_hash": "c" * 64,
        "input_hash": "i" * 64,
        "reference_hash": "r" * 64,
        "response_key": "k" * 64,
        "response_hash": "h" * 64,
        "status": "ok",
        "response_class": "observed",
        "input": "2+2?",
        "output": "4",
        "provider": "mock",
        "origin_run_id": "ev_1",
    }
    return ResponseRow(**{**facts, **changes})


def score(case_id: str | None = "a", **changes: Any) -> ScoreRow:
    facts: dict[str, Any] = {
        "case_id": case_id,
        "repeat": 0,
        "metric": "exact_match",
        "metric_type": "exact_match",
        "metric_version": 1,
        "metric_fingerprint": "f" * 64,
        "score_key": "s" * 64,
        "score": 1.0,
        "origin_run_id": "ev_1",
    }
    return ScoreRow(**{**facts, **changes})


def responses(*rows: ResponseRow) -> pa.Table:
    return table.joined("responses", [table.response_batch(rows)])


def test_money_is_integer_and_the_usd_column_is_derived_from_it() -> None:
    made = responses(response(cost_nanousd=1_500_000))
    assert made["cost_nanousd"].to_pylist() == [1_500_000]
    assert made["cost_usd"].to_pylist() == [0.0015]


def test_a_null_answer_and_no_structured_answer_are_two_things() -> None:
    made = responses(response("a", output_json=None, has_output_json=True), response("b"))
    assert made["output_json"].to_pylist() == ["null", None]


def test_json_columns_hold_canonical_text() -> None:
    made = responses(response(metadata={"b": 1, "a": {"é": 2.0}}, slices={}))
    assert made["metadata"].to_pylist() == ['{"a":{"é":2},"b":1}']
    assert made["slices"].to_pylist() == ["{}"]


def test_an_empty_string_is_not_null() -> None:
    made = table.from_parquet("responses", table.to_parquet(responses(response(output=""))))
    assert made["output"].to_pylist() == [""]


def test_rows_are_sorted_by_code_points_whatever_order_they_came_in() -> None:
    batches = [table.response_batch([response(name)]) for name in ["b", "é", "B", "a-1", "a"]]
    assert table.joined("responses", batches)["case_id"].to_pylist() == ["B", "a", "a-1", "b", "é"]


def test_a_metric_precedes_its_parts_and_corpus_rows_come_last() -> None:
    rows = [
        score(None, repeat=-1, level="corpus"),
        score("z", submetric="recall"),
        score("z"),
        score("z", submetric="precision"),
    ]
    made = table.joined("scores", [table.score_batch(rows)])
    assert list(zip(made["case_id"].to_pylist(), made["submetric"].to_pylist(), strict=True)) == [
        ("z", None),
        ("z", "precision"),
        ("z", "recall"),
        (None, None),
    ]


def test_bytes_and_back_keep_every_value_and_type() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
    made = responses(
        response(tags=("x", "y"), started_at=at, input_tokens=7, tool_calls=[{"name": "t"}])
    )
    again = table.from_parquet("responses", table.to_parquet(made, metadata={"pipex.run": "r"}))
    assert again.to_pylist() == made.to_pylist()
    assert again.schema.types == table.schema("responses").types
    assert again.schema.metadata[b"pipex.schema"] == b"results/1"
    assert again.schema.metadata[b"pipex.run"] == b"r"
    assert again["started_at"].to_pylist() == [at]


def test_only_the_columns_asked_for_are_read() -> None:
    data = table.to_parquet(responses(response()))
    again = table.from_parquet("responses", data, columns=["status", "case_id"])
    assert again.to_pydict() == {"status": ["ok"], "case_id": ["a"]}


def test_an_old_file_with_fewer_and_narrower_columns_is_read_in_the_present_schema() -> None:
    old = pa.table(
        {
            "case_id": pa.array(["a"], pa.string()),
            "repeat": pa.array([0], pa.int8()),
            "calls": pa.array([3], pa.int16()),
            "input": pa.array(["q"], pa.dictionary(pa.int32(), pa.string())),
            "invented": pa.array([1]),
        }
    )
    now = table.from_parquet("responses", table.to_parquet(old))
    assert now.column_names == [*table.schema("responses").names, "invented"]
    assert now["case_id"].type == table.schema("responses").field("case_id").type
    assert now["calls"].type == pa.int32()
    assert (now["input"].to_pylist(), now["output"].to_pylist()) == (["q"], [None])
    assert now["invented"].to_pylist() == [1]


def test_a_file_of_another_major_version_is_refused() -> None:
    newer = responses(response()).replace_schema_metadata({"pipex.schema": "results/2"})
    with pytest.raises(StoreError, match="results/2") as refusal:
        table.from_parquet("responses", table.to_parquet(newer))
    assert refusal.value.code == "schema_too_new"


def test_damaged_bytes_are_said_to_be_damaged() -> None:
    with pytest.raises(StoreError) as refusal:
        table.from_parquet("responses", b"PAR1 but not really")
    assert refusal.value.code == "damaged_file"


def test_a_row_without_a_required_value_is_refused() -> None:
    with pytest.raises(StoreError, match="no suite_digest") as refusal:
        table.record_batch("runs", [{"suite_version": "1"}])
    assert refusal.value.code == "bad_row"


def test_records_are_rows_of_the_tables_that_have_no_row_class() -> None:
    facts = {
        "baseline_run_id": "ev_0", "metric": "m", "stat": "mean", "n_pairs": 1, "n_clusters": 1,
        "n_wins": 0, "n_ties": 1, "n_losses": 0, "n_missing_a": 0, "n_missing_b": 0,
        "n_excluded": 0, "level": 0.95, "alpha": 0.05, "method": "t", "outcome": "PASS",
        "fragile": False, "fingerprint": "f",
    }  # fmt: skip
    made = table.joined("comparisons", [table.record_batch("comparisons", [facts])])
    assert made.select(list(facts)).to_pylist() == [facts]


def test_a_json_column_of_a_record_takes_the_value() -> None:
    nothing = dict.fromkeys(table.schema("runs").names)
    full = {
        field.name: {"s": "x"} if field.name in {"bindings", "packages", "labels"} else 1
        for field in table.schema("runs")
        if not pa.types.is_string(field.type) or field.name in {"bindings", "packages", "labels"}
    }
    texts = {
        field.name: "x"
        for field in table.schema("runs")
        if pa.types.is_string(field.type) and field.name not in full
    }
    stamps = {"started_at": datetime(2026, 1, 1, tzinfo=UTC), "finished_at": None}
    record = {**nothing, **full, **texts, **stamps, "git_dirty": True}
    assert table.record_batch("runs", [record])["labels"].to_pylist() == ['{"s":"x"}']


def test_the_digest_sees_an_answer_and_not_a_time_or_an_origin() -> None:
    before = table.row_digest({"responses": responses(response())})
    same = response(
        latency_ms=3.0,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        cache="carried",
        origin_run_id="ev_2",
    )
    assert table.row_digest({"responses": responses(same)}) == before
    assert table.row_digest({"responses": responses(response(output="5"))}) != before


def test_the_digest_does_not_depend_on_batches() -> None:
    rows = [response(f"case-{i:03}", output=str(i)) for i in range(50)]
    one = table.joined("responses", [table.response_batch(rows)])
    many = table.joined(
        "responses", [table.response_batch(rows[i : i + 7]) for i in range(0, 50, 7)]
    )
    through_a_file = table.from_parquet("responses", table.to_parquet(many))
    assert len({table.row_digest({"responses": t}) for t in (one, many, through_a_file)}) == 1


def test_a_column_without_values_leaves_no_trace_in_the_digest() -> None:
    made = responses(response())
    longer = made.append_column("later", pa.nulls(1, pa.string()))
    assert table.row_digest({"responses": longer}) == table.row_digest({"responses": made})


def test_the_digest_is_the_hash_of_the_columns_as_json() -> None:
    made = table.joined("scores", [table.score_batch([score("a"), score("b", score=None)])])
    columns = {
        "case_id": sha256(b'"a","b",').hexdigest(),
        "score": sha256(b"1.0,null,").hexdigest(),
    }
    text = f'{{"scores":{{"case_id":"{columns["case_id"]}","score":"{columns["score"]}"}}}}'
    picked = made.select(["score", "case_id"])
    assert table.row_digest({"scores": picked}) == sha256(text.encode()).hexdigest()
