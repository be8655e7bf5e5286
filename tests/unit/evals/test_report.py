"""What a report says and in which order, and that no text of a case can be more than text."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from pipex_core.evals.compare import Comparison
from pipex_core.evals.findings import Findings, FlipText, result_document, result_rows
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judgement import judged_of
from pipex_core.evals.manifest import Environment
from pipex_core.evals.regressions import Regression
from pipex_core.evals.rendering import (
    Detail,
    Grid,
    Report,
    Section,
    block,
    inline,
    interval,
    number,
    percent,
    plain,
    report_markdown,
    report_text,
    text_table,
)
from pipex_core.evals.report import comparison_grid, verdict_report
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.suite import SuiteDefaults
from tests.fakes.evaluation import answering, capital_suite, case, job, run
from tests.fakes.world import World

hostile = "<script>alert(1)</script> | `x` @all ]]> \u2028 \x1b[2J **b** [a](http://x.y) www.z.de"


def findings(made: EvalRun, **fields: Any) -> Findings:
    return Findings(
        manifest=made.manifest,
        judgement=made.judgement,
        responses=made.responses,
        scores=made.scores,
        **fields,
    )


def gated(value: float = 0.9, **rule: Any) -> Any:
    rules = [
        {"id": "floor", "metric": "exact_match", "kind": "threshold", "value": value,
         "bound": "point", **rule},
        {"id": "seen", "metric": "exact_match", "kind": "coverage", "min": 0.5},
    ]  # fmt: skip
    return gate_of({"baseline": "none", "rules": rules})


def failed_run() -> EvalRun:
    return run(job(gate=gated()), World(answering({"it": "Milan"})))


def titles(report: Report) -> list[str]:
    return [section.title for section in report.sections]


def test_the_verdict_and_why_stand_first() -> None:
    report = verdict_report(findings(failed_run()))
    assert report.headline.startswith("FAIL: floor, mean 0.8")
    assert report.subject == "capitals (version 1): prompt on m"
    assert report_text(report).startswith(report.headline)
    assert report_markdown(report).startswith("**FAIL: floor")


def test_failing_rules_come_before_those_that_hold() -> None:
    report = verdict_report(findings(failed_run()))
    (rules,) = [section for section in report.sections if section.title == "Rules of the gate"]
    assert rules.grid is not None
    assert [row[:2] for row in rules.grid.rows] == [["FAIL", "floor"], ["PASS", "seen"]]
    assert rules.grid.rows[0][3] == "exact_match (mean) reaches 0.9"
    assert rules.grid.rows[1][3] == "exact_match scored on at least 50.00 %"


def test_parts_without_content_are_left_out_and_the_others_keep_their_order() -> None:
    assert titles(verdict_report(findings(run(job())))) == [
        "Metrics",
        "Cost, tokens and time",
        "To do it again",
    ]
    flips = [FlipText(case_id="it", metric="exact_match", change=-1.0, passed_now=False)]
    assert titles(verdict_report(findings(failed_run(), flips=flips))) == [
        "Rules of the gate",
        "Cases that changed sides",
        "Metrics",
        "Failed cases",
        "Cost, tokens and time",
        "To do it again",
    ]


def test_without_a_gate_the_headline_says_how_the_run_ended() -> None:
    complete = verdict_report(findings(run(job(), World(answering({"it": "Milan"})))))
    assert complete.headline == "COMPLETED: 4 of 5 decided cases passed (80.00 %)."
    outage = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    holes = verdict_report(findings(run(job(options={"second_pass": False}), World(outage))))
    assert holes.headline == "INCOMPLETE: missing_responses, 5 rows are open."


def test_what_changes_the_reading_of_the_numbers_is_said_before_them() -> None:
    outage = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    suite = capital_suite([case("de"), case("es", status="quarantined"), case("fr")])
    made = job(suite, cases=suite.cases[:2], options={"second_pass": False})
    report = verdict_report(findings(run(made, World(outage))))
    assert report.sections[0].title == "Read this first"
    assert [line.split(":")[0] for line in report.sections[0].lines] == [
        "open_rows",
        "quarantined",
        "subset",
    ]


def test_holes_are_counted_by_what_made_them() -> None:
    rules = {
        "responses": [
            {"when": {"contains": "of fr"}, "error": {"kind": "server_error", "message": "m"}},
            *answering()["responses"],
        ]
    }
    cases = [case("de"), case("fr"), case("pt", expected_output=None)]
    made = job(capital_suite(cases), options={"second_pass": False})
    report = verdict_report(findings(run(made, World(rules))))
    (holes,) = [s for s in report.sections if s.title == "Missing answers and scores"]
    assert holes.lines == [
        "1 x no answer (server_error)",
        "1 x no score (exact_match: no_reference)",
    ]


def test_failures_of_the_target_come_before_wrong_answers() -> None:
    rules = {"responses": [{"when": {"contains": "of it"}, "reply": " "}]}
    rules["responses"] += answering({"de": "Bonn"})["responses"]
    report = verdict_report(findings(run(job(), World(rules))))
    (failures,) = [s for s in report.sections if s.title == "Failed cases"]
    assert [detail.summary for detail in failures.details] == [
        "it: empty_reply",
        "de: wanted “Berlin”, got “Bonn”",
    ]
    assert failures.details[1].texts == [
        ("input", "Capital of de?"),
        ("expected", "Berlin"),
        ("output", "Bonn"),
    ]
    assert set(failures.lines) == {"1 x empty_reply", "1 x answer not good enough"}


def compared() -> EvalRun:
    before = run(job(), World(answering({"it": "Milan", "de": "Bonn"})))
    return run(job(run_id="ev_2", baseline=judged_of(before.judgement)))


def test_a_comparison_shows_both_means_and_what_it_says() -> None:
    report = verdict_report(findings(compared()))
    (section,) = [s for s in report.sections if s.title == "Compared with ev_1"]
    assert section.grid is not None
    (row,) = section.grid.rows
    assert row[:4] == ["exact_match", "0.6", "1", "+0.4"]
    assert row[5:7] == ["5", "2/3/0"]
    assert row[8] == "cannot tell"


def test_a_comparison_that_could_not_be_made_gives_its_reason() -> None:
    before = run(job(metrics=["token_f1"]))
    now = run(job(run_id="ev_2", baseline=judged_of(before.judgement)))
    (row,) = comparison_grid(now.judgement.comparisons).rows
    assert row[8] == "cannot tell (metric_missing)"
    assert row[1:5] == ["-", "-", "-", "-"]


def test_worse_comes_before_undecided_before_better_and_slices_are_named() -> None:
    facts: dict[str, Any] = {"baseline_run_id": "a", "metric": "m", "fingerprint": "f"}
    rows = [
        Comparison(outcome="better", **facts),
        Comparison(outcome="cannot_tell", **facts),
        Comparison(outcome="worse", slice_by="tags", slice="x", **facts),
    ]
    shown = [(row[0], row[-1]) for row in comparison_grid(rows).rows]
    assert shown == [("m [tags=x]", "worse"), ("m", "cannot tell"), ("m", "better")]


def test_an_open_question_says_how_many_cases_would_tell() -> None:
    before = run(job())
    rules = [{"id": "r", "metric": "exact_match", "kind": "noninferiority", "margin": 0.1}]
    gate = gate_of({"rules": rules})
    now = run(job(run_id="ev_2", gate=gate, baseline=judged_of(before.judgement)))
    (section,) = [
        s for s in verdict_report(findings(now)).sections if s.title == "Rules of the gate"
    ]
    assert section.grid is not None
    assert section.grid.rows[0][0] == "INCONCLUSIVE (insufficient_data)"
    assert section.grid.rows[0][3] == "exact_match not worse by more than 0.1"
    assert "cases would tell" in section.grid.rows[0][4]


@pytest.mark.parametrize(
    ("rule", "demand"),
    [
        ({"kind": "superiority", "min_gain": 0.01}, "exact_match better by more than 0.01"),
        ({"kind": "equivalence", "margin": 0.02}, "exact_match within +/-0.02"),
        ({"kind": "regression_pct", "drop": 5}, "exact_match falls by at most 5 %"),
    ],
)
def test_every_kind_of_rule_has_its_words(rule: dict[str, Any], demand: str) -> None:
    before = run(job())
    gate = gate_of({"rules": [{"metric": "exact_match", **rule}]})
    now = run(job(run_id="ev_2", gate=gate, baseline=judged_of(before.judgement)))
    (section,) = [
        s for s in verdict_report(findings(now)).sections if s.title == "Rules of the gate"
    ]
    assert section.grid is not None
    assert section.grid.rows[0][3] == demand


def test_flips_say_which_way_and_show_the_texts() -> None:
    flips = [
        FlipText(case_id="a", metric="m", change=-1.0, passed_now=False, output_now="n",
                 output_before="b", expected="e"),
        FlipText(case_id="c", metric="m", change=1.0, passed_now=True),
    ]  # fmt: skip
    report = verdict_report(findings(run(job()), flips=flips))
    section = next(s for s in report.sections if s.title == "Cases that changed sides")
    assert section.lines == ["1 case passed before and fail now, 1 the other way round."]
    assert section.details[0].summary == "a: broken (m -1)"
    assert section.details[0].texts == [("expected", "e"), ("before", "b"), ("now", "n")]
    assert section.details[1].summary == "c: fixed (m +1)"


def test_the_run_can_be_found_and_repeated_from_the_report() -> None:
    text = report_text(verdict_report(findings(failed_run(), command="pipex eval run capitals")))
    assert "ev_1, finished" in text
    assert "pipex eval run capitals" in text
    assert failed_run().row_digest[:12] in text


def test_the_json_document_has_all_parts_and_is_json() -> None:
    regression = Regression(
        metric="m", current_mean=0.1, baseline_mean=0.2, percent_change=-50.0,
        significant=True, p_adj=0.01, verdict="FAIL",
    )  # fmt: skip
    made = failed_run()
    document = result_document(findings(made, regressions=[regression], files=["a.json"]))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document) == [
        "schema", "run", "summary", "metrics", "slices", "comparisons", "moved", "verdict", "regressions",
        "failures", "flips", "files", "warnings",
    ]  # fmt: skip
    assert document["schema"] == "pipex.result/1"
    assert document["run"]["run_id"] == "ev_1"
    assert document["summary"]["pass_rate"] == 80.0
    assert [row["case_id"] for row in document["failures"]] == ["it"]


def test_slices_stand_in_the_document() -> None:
    suite = capital_suite([case(f"c{i:02}", tags=("t",), expected_output="x") for i in range(30)])
    document = result_document(findings(run(job(suite), World({"default": {"reply": "x"}}))))
    assert document["slices"]["tags"]["t"]["exact_match"]["mean"] == 1.0


def test_result_rows_hold_an_answer_with_all_its_metrics() -> None:
    made = run(job(metrics=["exact_match", "token_f1"]))
    rows = result_rows(findings(made))
    assert rows[0] == {
        "case_id": "de", "repeat": 0, "status": "ok", "input": "Capital of de?",
        "expected": "Berlin", "output": "Berlin", "passed": True,
        "metrics": [
            {"type": "exact_match", "name": "exact_match", "score": 1.0, "passed": True,
             "threshold": 1.0, "status": "scored", "code": None},
            {"type": "token_f1", "name": "token_f1", "score": 1.0, "passed": True,
             "threshold": 0.5, "status": "scored", "code": None},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.123456, "0.123"), (0.5, "0.5"), (1234.5, "1,230"), (0.0, "0")],
)
def test_scores_have_three_significant_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_shares_are_shown_in_percent_and_intervals_with_both_ends() -> None:
    assert (percent(0.12345), percent(None)) == ("12.35 %", "-")
    assert (interval(0.1, 0.25), interval(None, 0.2)) == ("[0.1, 0.25]", "-")


def test_a_console_table_is_aligned() -> None:
    grid = Grid(header=[("name", "left"), ("n", "right")], rows=[["a", "1"], ["bcdef", "200"]])
    assert text_table(grid).splitlines() == ["name     n", "a        1", "bcdef  200"]


def test_no_text_moves_a_cursor_or_starts_a_line() -> None:
    assert plain("a\x1b[2J\nb\u2028c\u202ed") == "a [2J b c d"


class Tags(HTMLParser):
    """All tags and attributes of a text, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_text_is_only_text_in_markdown() -> None:
    text = inline(hostile)
    for sign in ("<", "`", "|", "@", "*", "[", "]", "\n", "\x1b", "\u2028", "://", "www."):
        assert sign not in text
    seen = Tags()
    seen.feed(text)
    assert seen.found == []
    assert "<script>alert(1)</script> | `x` @all" in seen.text


def test_a_whole_report_on_hostile_cases_has_no_tag_of_theirs() -> None:
    suite = capital_suite(
        [case("de", expected_output=hostile)],
        defaults=SuiteDefaults(metrics=("exact_match",)),
    )
    made = run(job(suite), World({"default": {"reply": hostile + "\n\n</pre>\n# title"}}))
    flips = [
        FlipText(case_id="de", metric="exact_match", change=-1.0, passed_now=False,
                 output_now=hostile)
    ]  # fmt: skip
    markdown = report_markdown(verdict_report(findings(made, flips=flips)))
    seen = Tags()
    seen.feed(markdown)
    assert set(seen.found) == {"details", "summary", "pre"}
    assert "@" not in markdown
    assert not re.search(r"^# ", markdown, re.MULTILINE)
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {10, 3}  # metrics, and origin


def test_a_long_text_is_cut_in_its_middle_with_a_visible_mark() -> None:
    shown = block("a" * 1500 + "b" * 1500)
    assert "1000 characters left out" in shown
    assert shown.startswith("<pre>aaa")
    assert shown.endswith("bbb</pre>")


def sections(*parts: Section) -> Report:
    return Report(headline="h", subject="s", run_id="r", sections=parts)


def test_a_report_that_is_too_long_loses_details_first_and_says_so() -> None:
    long = Section(
        title="long", lines=["kept"], details=[Detail(summary="d", texts=[("t", "x" * 1800)])]
    )
    short = report_markdown(sections(long), limit=1000)
    assert "kept" in short
    assert "<details>" not in short
    cut = report_markdown(sections(Section(title="t", lines=["y" * 900])), limit=500)
    assert len(cut) <= 500
    assert "left out" in cut
    assert "yyy" not in cut


def test_at_most_ten_details_are_shown_and_the_rest_is_counted() -> None:
    details = [Detail(summary=f"d{i}", texts=[]) for i in range(12)]
    markdown = report_markdown(sections(Section(title="t", details=details)))
    assert markdown.count("<details>") == 10
    assert "... and 2 more." in markdown


def test_the_marker_finds_the_comment_of_the_run_before() -> None:
    first, second = (
        report_markdown(verdict_report(findings(run(job(run_id=name))))) for name in ("a", "b")
    )
    markers = [re.findall(r"<!--.*?-->", text) for text in (first, second)]
    assert markers[0] == markers[1] == ["<!-- pipex-report capitals_version_1_prompt_on_m -->"]


def test_a_marker_cannot_be_closed_by_a_name() -> None:
    report = Report(headline="h", subject="--> <b>", run_id="r")
    assert re.findall(r"<!--.*?-->", report_markdown(report)) == ["<!-- pipex-report __b_ -->"]


def test_versions_and_prices_are_named_when_they_are_known() -> None:
    made = run(job(), environment=Environment(pipex_version="1.2", price_table="2026-11-23"))
    assert "1.2, prices of 2026-11-23" in report_text(verdict_report(findings(made)))


def test_a_rule_that_found_nothing_says_nothing() -> None:
    outage = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    made = run(job(gate=gated(), options={"second_pass": False}), World(outage))
    (rules,) = [
        s for s in verdict_report(findings(made)).sections if s.title == "Rules of the gate"
    ]
    assert rules.grid is not None
    assert rules.grid.rows[0][4] == ""
