"""Records in, cases out, and everything that was lost on the way."""

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.caselines import Text
from pipex_core.evals.foreign import Imported
from pipex_core.evals.interchange import export_suite, import_records
from pipex_core.evals.suite import Case, Suite, SuiteDefaults, hashes
from pipex_core.evals.suitefile import read_file

rows: list[dict[str, Any]] = [
    {"id": "q1", "q": "Why?", "a": "Because", "topic": "x"},
    {"id": "q2", "q": "How?", "a": "So", "topic": "y"},
]
mapping = {"input": "q", "expected_output": "a", "metadata.topic": "topic"}


def parquet(records: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), sink)
    return sink.getvalue()


def bring(data: bytes | str, **options: Any) -> Imported:
    found = data.encode() if isinstance(data, str) else data
    return import_records(found, file="f", suite="s", **options)


def plain(found: Imported) -> list[Case]:
    return [replace(case, source=None) for case in found.suite.cases]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(rows),
        "".join(f"{json.dumps(row)}\n" for row in rows),
        "\ufeffid,q,a,topic\nq1,Why?,Because,x\nq2,How?,So,y\n",
        "id\tq\ta\ttopic\nq1\tWhy?\tBecause\tx\nq2\tHow?\tSo\ty\n",
        parquet(rows),
    ],
    ids=["json", "jsonl", "csv", "tsv", "parquet"],
)
def test_every_form_of_records_gives_the_same_cases(data: bytes | str) -> None:
    found = bring(data, mapping=mapping)
    assert plain(found) == [
        Case(id="q1", input="Why?", expected_output="Because", metadata={"topic": "x"}),
        Case(id="q2", input="How?", expected_output="So", metadata={"topic": "y"}),
    ]
    assert found.report.as_json() == {
        "format": "records",
        "n_in": 2,
        "n_out": 2,
        "dropped": [],
        "unsupported": [],
        "renamed_ids": [],
        "lossy_fields": [],
    }
    assert found.report.is_strict


def test_where_a_case_came_from_is_kept() -> None:
    text = "\n".join(["", *(json.dumps(row) for row in rows)])
    found = bring(text, mapping=mapping).suite.cases[1].source
    assert found is not None
    assert (found["format"], found["file"], found["line"]) == ("records", "f", 3)
    assert len(found["sha256"]) == 64


def test_without_a_mapping_case_fields_are_taken_and_the_rest_is_listed() -> None:
    data = json.dumps(
        {"id": "a", "input": "q", "expected_output": "r", "model": "m", "tags": ["t"]}
    )
    found = bring(data)
    assert plain(found) == [Case(id="a", input="q", expected_output="r", tags=("t",))]
    assert found.report.lossy_fields == ("model",)


def test_fields_that_no_expression_reads_are_listed() -> None:
    found = bring(json.dumps(rows), mapping={"input": "q", "expected_output": "upper(a)"})
    assert [case.expected_output for case in found.suite.cases] == ["BECAUSE", "SO"]
    assert found.report.lossy_fields == ("topic",)
    whole = bring(json.dumps(rows), mapping={"input": "record"})
    assert whole.report.lossy_fields == ()


def test_bad_records_are_dropped_with_their_line_and_the_reason() -> None:
    text = '{"q": "ok"}\n{"q": 3}\nnot json\n[1]\n\n{"q": "two"}\n'
    found = bring(text, mapping={"input": "q"})
    report = found.report
    assert (report.n_in, report.n_out, report.is_strict) == (5, 2, False)
    assert [(one.where, one.effect.split(":")[0]) for one in report.dropped] == [
        ("line 2", "input"),
        ("line 3", "not JSON"),
        ("line 4", "the record is no map"),
    ]
    assert report.as_text().splitlines()[:2] == [
        "records: 2 cases from 5 records",
        "  dropped line 2: input: text, a map or a list of turns is needed, not an integer",
    ]


def test_an_expression_that_fails_drops_its_record() -> None:
    found = bring('[{"p": "any(l, p)", "l": [1]}]', mapping={"input": "any(l, p)"})
    assert found.suite.cases == ()
    assert [one.where for one in found.report.dropped] == ["record 1"]


def test_ids_are_kept_when_they_can_serve_and_made_from_content_else() -> None:
    records = [
        {"id": "good", "q": "1"},
        {"id": 7, "q": "2"},
        {"id": "has space", "q": "3"},
        {"id": "good", "q": "4"},
        {"q": "5"},
        {"q": "5"},
        {"q": "5"},
        {"id": True, "q": "6"},
    ]
    found = bring(json.dumps(records), mapping={"input": "q"}, id_prefix="p")
    made = {q: f"p_{hashes(Case(id='x', input=q)).input_hash[:12]}" for q in "3456"}
    by_input: dict[str, list[str]] = {}
    for case in found.suite.cases:
        by_input.setdefault(case.input, []).append(case.id)
    assert by_input == {
        "1": ["good"],
        "2": ["7"],
        "3": [made["3"]],
        "4": [made["4"]],
        "5": [made["5"], f"{made['5']}-2", f"{made['5']}-3"],
        "6": [made["6"]],
    }
    assert found.report.renamed_ids == (
        ("has space", made["3"]),
        ("good", made["4"]),
        ("True", made["6"]),
    )
    assert f"id 'has space' became '{made['3']}'" in found.report.as_text()


def test_a_path_that_leads_nowhere_leaves_no_metadata() -> None:
    found = bring('[{"q": "x"}]', mapping={"input": "q", "metadata.topic": "topic"})
    assert [case.metadata for case in found.suite.cases] == [{}]


def test_importing_twice_gives_the_same_suite() -> None:
    assert bring(json.dumps(rows), mapping=mapping) == bring(json.dumps(rows), mapping=mapping)


def test_empty_cells_of_a_csv_say_nothing_and_surplus_cells_are_left_out() -> None:
    found = bring(
        "id,q,a\nx,Why?,\ny,How?,So,more\n", mapping={"input": "q", "expected_output": "a"}
    )
    assert [case.expected_output for case in found.suite.cases] == [None, "So"]


def test_values_of_parquet_that_json_lacks_become_text() -> None:
    data = parquet([{"q": "Why?", "day": date(2025, 1, 31), "n": 1.5}])
    (case,) = bring(
        data, mapping={"input": "q", "metadata.day": "day", "metadata.n": "n"}
    ).suite.cases
    assert case.metadata == {"day": "2025-01-31", "n": 1.5}


def test_a_limit_counts_cases() -> None:
    text = '{"q": 1}\n{"q": "a"}\n{"q": "b"}\n{"q": "c"}\n'
    found = bring(text, mapping={"input": "q"}, limit=2)
    assert sorted(case.input for case in found.suite.cases) == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        (b"\xff\xfe", {}, "not_records"),
        (b"PAR1 and then nothing", {}, "not_records"),
        (b"just a text", {}, "not_records"),
        (b"[1,", {}, "not_records"),
        (b"[]", {"preset": "gsm9k"}, "unknown_preset"),
        (b"[]", {"mapping": {"inputs": "q"}}, "unknown_field"),
        (b"[]", {"mapping": {"tags.x": "q"}}, "unknown_field"),
    ],
)
def test_a_file_or_an_option_that_cannot_be_used_is_an_error(
    data: bytes, options: Any, code: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        bring(data, **options)
    assert caught.value.code == code


def test_a_mapping_is_checked_before_anything_is_read() -> None:
    with pytest.raises(ExpressionError):
        bring(b"[]", mapping={"input": "q +"})


def test_a_suite_needs_an_id_that_can_serve() -> None:
    with pytest.raises(ConfigError) as caught:
        import_records(b"[]", file="f", suite="no id")
    assert caught.value.code == "bad_id"


def test_gsm8k_takes_the_number_behind_the_hashes() -> None:
    record = {"question": "How many?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}
    (case,) = bring(json.dumps([record]), preset="gsm8k").suite.cases
    assert (case.input, case.expected_output) == ("How many?", "4")
    assert case.metadata["solution"] == record["answer"]


def test_a_mapping_overrides_a_preset_field_by_field() -> None:
    record = {"question": "How many?", "answer": "#### 4"}
    (case,) = bring(
        json.dumps([record]), preset="gsm8k", mapping={"tags": "split('math')"}
    ).suite.cases
    assert (case.expected_output, case.tags) == ("4", ("math",))


squad = {
    "version": "v2.0",
    "data": [
        {
            "title": "Rivers",
            "paragraphs": [
                {
                    "context": "The Rhine flows north.",
                    "qas": [
                        {"id": "1", "question": "Where?", "answers": [{"text": "north"}, {"text": "north"}]},
                        {"id": "2", "question": "What?", "answers": [{"text": "Rhine"}, {"text": "The Rhine"}]},
                        {"id": "3", "question": "When?", "answers": [], "is_impossible": True},
                    ],
                },
                "not a paragraph",
            ],
        }
    ],
}  # fmt: skip


def test_squad_is_unfolded_into_its_questions() -> None:
    cases = bring(json.dumps(squad), preset="squad").suite.cases
    assert [case.expected_output for case in cases] == ["north", ["Rhine", "The Rhine"], ""]
    assert cases[0].input == {"question": "Where?"}
    assert (cases[0].context, cases[0].metadata) == ("The Rhine flows north.", {"title": "Rivers"})


def test_squad_also_comes_as_flat_rows() -> None:
    row = {
        "id": "1",
        "title": "Rivers",
        "context": "c",
        "question": "q",
        "answers": {"text": ["a", "b"]},
    }
    cases = bring(json.dumps([row, 3]), preset="squad")
    assert [case.expected_output for case in cases.suite.cases] == [["a", "b"]]
    assert [one.effect for one in cases.report.dropped] == ["the record is no map"]
    (none,) = bring(json.dumps([{**row, "answers": {}}]), preset="squad").suite.cases
    assert none.expected_output == ""


def test_gsm8k_has_1319_cases(shared_dir: Path) -> None:
    data = (shared_dir / "data/gsm8k/test.jsonl").read_bytes()
    found = import_records(data, file="test.jsonl", suite="gsm8k", preset="gsm8k")
    assert (found.report.n_in, found.report.n_out, found.report.is_strict) == (1319, 1319, True)
    assert "18" in {case.expected_output for case in found.suite.cases}


@pytest.mark.parametrize("form", ["jsonl", "json", "yaml"])
def test_an_export_reads_back_as_the_same_cases(form: Any) -> None:
    cases = (Case(id="a", input="q", expected_output=["x", "y"]), Case(id="b", input={"k": 1}))
    suite = Suite(id="s", cases=cases, defaults=SuiteDefaults(repeats=2))
    found = export_suite(suite, form)
    assert read_file(Text(file=f"s.{form}", text=found.text)).cases == cases
    lossy = ("version", "defaults") if form == "jsonl" else ()
    assert (found.report.n_in, found.report.n_out, found.report.lossy_fields) == (2, 2, lossy)
    assert ("carried over: version, defaults" in found.report.as_text()) == bool(lossy)
