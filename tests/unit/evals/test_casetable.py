"""The table of all cases: complete without script up to its limit, and data that cannot act."""

import json
import re
from html import unescape
from typing import Any

from pipex_core.evals import casetable
from pipex_core.evals.casetable import case_table, cases_html, most_rows
from pipex_core.evals.findings import Findings
from pipex_core.evals.suite import SuiteDefaults
from tests.fakes.evaluation import answering, capital_suite, case, job, run
from tests.fakes.reports import findings, hostile, hostile_findings
from tests.fakes.world import World


def many(count: int, text: str = "y", **fields: Any) -> Findings:
    cases = [case(f"c{i:03}", expected_output="x") for i in range(count)]
    made = run(job(capital_suite(cases)), World({"default": {"reply": text}}))
    return findings(made, **fields)


def page(found: Findings) -> str:
    return "".join(part.text for part in cases_html(found))


def data(html: str) -> Any:
    return json.loads(re.findall('id="case-data">(.*?)</script>', html, re.DOTALL)[0])


def test_failed_cases_come_first_and_then_those_that_nobody_decided() -> None:
    cases = [*(case(n) for n in ("de", "es")), case("pt", expected_output=None)]
    cases.append(case("q", status="quarantined"))
    made = run(job(capital_suite(cases)), World(answering({"es": "Bonn"})))
    table = case_table(findings(made))
    assert [row[:2] for row in table.rows] == [
        ["es", "failed"],
        ["pt", "undetermined"],
        ["q", "quarantined"],
        ["de", "passed"],
    ]
    assert [one.name for one in table.columns] == [
        "case", "result", "exact_match", "ms", "input", "output", "expected",
    ]  # fmt: skip
    assert table.rows[0][2:] == [0.0, 10.0, "Capital of es?", "Bonn", "Madrid"]


def test_repeats_are_rows_with_their_number() -> None:
    made = run(job(capital_suite([case("de")]), repeats=2))
    assert [row[0] for row in case_table(findings(made)).rows] == ["de #1", "de #2"]


def test_at_most_six_metrics_have_a_column() -> None:
    names = ("exact_match", "token_f1", "rougeL", "bleu", "chrf", "contains", "starts_with")
    made = run(job(capital_suite(defaults=SuiteDefaults(metrics=names[:6]))))
    columns = [one.name for one in case_table(findings(made)).columns]
    assert len(columns) == 6 + 6


def test_the_table_is_complete_up_to_its_limit_and_says_when_it_is_not() -> None:
    whole, more = page(many(3)), page(many(most_rows + 1))
    assert whole.count('<th scope="row">') == 3
    assert "The first" not in whole
    assert more.count('<th scope="row">') == most_rows
    assert "The first 200 of 201 answers" in more
    assert len(data(more)["rows"]) == most_rows + 1


def test_the_data_is_what_the_table_shows() -> None:
    found = many(2)
    table = case_table(found)
    assert data(page(found)) == {
        "columns": [[one.name, one.kind] for one in table.columns],
        "rows": [list(row) for row in table.rows],
    }


def test_data_that_does_not_fit_is_left_out_and_the_note_says_where_it_is() -> None:
    long = "y " * 900
    count = casetable.most_data_bytes // 2_000 + 400
    row = many(1, long)
    # The rows of one real answer, many times: what is measured is the room.
    grown = Findings(
        manifest=row.manifest,
        judgement=row.judgement,
        responses=row.responses.take([0] * count),
        scores=row.scores,
        files=["runs/part.parquet", "responses/part.parquet"],
    )
    html = page(grown)
    held = len(data(html)["rows"])
    assert held < count
    note = f"This file holds {held:,} answers of {count:,}; all are in responses/part.parquet."
    assert note in html


def test_a_long_text_stands_behind_its_beginning() -> None:
    html = page(many(1, "word " * 40))
    assert f"<summary>{('word ' * 40)[:90]}…</summary><pre>" in html


def test_hostile_texts_can_end_no_script_and_begin_no_tag() -> None:
    html = page(hostile_findings())
    text = re.findall('id="case-data">(.*?)</script>', html, re.DOTALL)[0]
    assert not set(text) & set("<>&\u2028\u2029\u202e\x00\x1b")
    answers = [row[-2] for row in data(html)["rows"]]
    assert "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>" in answers[0]
    assert "<script>alert" not in html
    assert hostile[:20] in unescape(html)
