"""What a report says of judges: who, with what certificate, how often silent, and at what price."""

from pipex_core.evals.rendering import Section
from pipex_core.evals.report import verdict_report
from pipex_core.evals.suite import SuiteDefaults
from tests.fakes.evaluation import answering, capital_suite, job, run
from tests.fakes.judges import bench, replies, ruling_of_the_mock, scored
from tests.fakes.reports import findings
from tests.fakes.world import World


def judges_section(*metrics: str, certificate: str | None = None) -> Section | None:
    rules = [
        replies(["nonsense"], step="relevance", contains="Capital of it?"),
        ruling_of_the_mock("relevance", {"reasoning": "r", "score": 1, "abstain": True}, contains="Capital of fr?"),
        ruling_of_the_mock("relevance", scored("r", 5)),
    ]  # fmt: skip
    suite = capital_suite(defaults=SuiteDefaults(metrics=metrics))
    made = job(suite, bench=bench(certificate=lambda _: certificate))
    found = run(made, World({"responses": [*rules, *answering()["responses"]]}))
    sections = verdict_report(findings(found)).sections
    return next((one for one in sections if one.title == "Judges"), None)


def test_a_report_has_a_row_for_every_judged_metric() -> None:
    section = judges_section("exact_match", "relevance")
    assert section is not None
    assert section.grid is not None
    # Three verdicts, one abstention, and three calls for the one that nobody could read.
    assert section.grid.rows == [
        ["relevance", "j-1", "j-1", "1", "none", "1", "1", "0", "0.007000"]
    ]


def test_the_certificate_is_named_where_there_is_one() -> None:
    section = judges_section("relevance", certificate="0123456789ab")
    assert section is not None
    assert section.grid is not None
    assert section.grid.rows[0][4] == "0123456789ab"


def test_without_judges_the_part_is_left_out() -> None:
    assert judges_section("exact_match") is None
