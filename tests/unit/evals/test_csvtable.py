"""The CSV report: every score exactly, and no cell that a spreadsheet would compute."""

import csv
import io
from typing import Any

import pytest

from pipex_core.evals.csvtable import columns, report_csv
from pipex_core.evals.findings import Findings, result_rows
from tests.fakes.evaluation import capital_suite, case, job, run
from tests.fakes.reports import compared_findings, findings, hostile, hostile_findings
from tests.fakes.world import World


def rows(found: Findings) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report_csv(found), newline="")))


def test_there_is_one_row_per_case_repeat_and_metric_with_exact_scores() -> None:
    found = compared_findings()
    shown = [(row["case_id"], row["metric"], float(row["score"])) for row in rows(found)]
    assert shown == [
        (row["case_id"], one["name"], one["score"])
        for row in result_rows(found)
        for one in row["metrics"]
    ]
    assert len(shown) == 30 * 2


def test_a_row_names_its_run_and_its_case() -> None:
    (first, *_) = rows(findings(run(job())))
    assert tuple(first) == columns
    assert first == {
        "run_id": "ev_1", "suite_id": "capitals", "target_id": "prompt", "model_id": "m",
        "case_id": "de", "repeat": "0", "status": "ok", "case_passed": "true",
        "metric": "exact_match", "metric_type": "exact_match", "score": "1.0", "passed": "true",
        "threshold": "1.0", "metric_status": "scored", "code": "", "input": "Capital of de?",
        "expected": "Berlin", "output": "Berlin",
    }  # fmt: skip


def test_an_answer_without_scores_keeps_its_row() -> None:
    made = run(job())
    empty = findings(made)
    found = Findings(
        manifest=empty.manifest,
        judgement=empty.judgement,
        responses=empty.responses,
        scores=empty.scores.slice(0, 0),
    )
    assert [row["metric"] for row in rows(found)] == [""] * 5


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    suite = capital_suite([case("de", expected_output="x", input=f"{text} of de?")])
    (row,) = rows(findings(run(job(suite), World({"default": {"reply": "x"}}))))
    assert row["input"][0] == "'"


def test_hostile_texts_stay_in_their_cell() -> None:
    shown: list[dict[Any, Any]] = list(rows(hostile_findings()))
    assert {len(row) for row in shown} == {len(columns)}
    assert None not in {key for row in shown for key in row}
    assert shown[0]["output"].startswith("'=<script>")
    text = report_csv(hostile_findings())
    assert not {"\x00", "\x1b", "\u2028", "\u202e"} & set(text)
    assert "\u2028" in hostile


def test_lines_end_as_the_standard_has_it_and_bytes_repeat() -> None:
    text = report_csv(compared_findings())
    assert text.count("\r\n") == 61
    assert text == report_csv(compared_findings())
