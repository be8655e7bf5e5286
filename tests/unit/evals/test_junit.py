"""JUnit XML: well formed whatever the texts hold, and with the counts of the run."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from lxml import etree

from pipex_core.evals.findings import Findings, result_document
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.junit import most_text, report_junit
from tests.fakes.evaluation import answering, capital_suite, case, job, run
from tests.fakes.reports import compared_findings, findings, hostile_findings
from tests.fakes.world import World


def suites(found: Findings) -> dict[str, ET.Element]:
    root = ET.fromstring(report_junit(found))  # noqa: S314 - made by the code under test
    assert root.tag == "testsuites"
    return {suite.attrib["name"]: suite for suite in root}


def mixed() -> Findings:
    """One case each: right, wrong, failed target, missing, quarantined, undecided."""
    rules = {
        "responses": [
            {"when": {"contains": "of it"}, "reply": " "},
            {"when": {"contains": "of fr"}, "error": {"kind": "server_error", "message": "down"}},
            *answering({"es": "Bonn"})["responses"],
        ]
    }
    cases = [
        *(case(name) for name in ("de", "es", "it", "fr")),
        case("pt", expected_output=None),
        case("q", status="quarantined"),
    ]
    made = job(capital_suite(cases), options={"second_pass": False})
    return findings(run(made, World(rules)))


def kinds(suite: ET.Element) -> dict[str, list[str]]:
    return {one.attrib["name"]: [inner.tag for inner in one] for one in suite.iter("testcase")}


@pytest.mark.parametrize("make", [mixed, compared_findings, hostile_findings])
def test_the_document_is_valid_by_the_schema_that_servers_share(
    make: Callable[[], Findings],
) -> None:
    schema = etree.XMLSchema(etree.parse(Path(__file__).parent / "junit.xsd"))
    schema.assertValid(etree.fromstring(report_junit(make()).encode()))


def test_the_schema_refuses_what_servers_refuse() -> None:
    schema = etree.XMLSchema(etree.parse(Path(__file__).parent / "junit.xsd"))
    text = report_junit(mixed())
    for old, new in (
        ('tests="6"', 'tests="six"'),
        ("<system-out />", ""),
        ('classname="', 'class="'),
        ("<failure ", "<wrong "),
    ):
        changed = text.replace(old, new).replace(
            "</failure>", "</wrong>" if "wrong" in new else "</failure>"
        )
        assert changed != text
        assert not schema.validate(etree.fromstring(changed.encode()))


def test_every_case_has_the_outcome_that_the_run_gave_it() -> None:
    assert kinds(suites(mixed())["capitals"]) == {
        "de": [],
        "es": ["failure"],
        "it": ["error"],
        "fr": ["error"],
        "pt": ["skipped"],
        "q": ["skipped"],
    }


def test_counts_are_those_of_the_elements_and_of_the_document() -> None:
    found = mixed()
    suite = suites(found)["capitals"]
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "1", "errors": "2", "skipped": "2"}
    summary = result_document(found)["summary"]
    # An empty reply fails the case, an outage leaves it open.
    assert (summary["failed_tests"], summary["missing_tests"]) == (2, 1)
    assert summary["passed_tests"] == 6 - 1 - 2 - 2


def test_a_failure_names_metric_score_and_threshold_and_shows_the_answer() -> None:
    suite = suites(mixed())["capitals"]
    (failure,) = suite.iter("failure")
    assert failure.attrib == {"type": "exact_match", "message": "exact_match 0, wanted 1"}
    assert failure.text == "Bonn"


def test_an_error_names_its_code_and_a_skip_its_reason() -> None:
    suite = suites(mixed())["capitals"]
    assert [error.attrib["type"] for error in suite.iter("error")] == [
        "server_error",
        "empty_reply",
    ]
    assert [skip.attrib["message"] for skip in suite.iter("skipped")] == [
        "undetermined",
        "quarantined",
    ]


def test_what_the_common_schema_asks_for_is_there_in_its_order() -> None:
    for suite in suites(compared_findings()).values():
        needed = {
            "name",
            "package",
            "id",
            "timestamp",
            "hostname",
            "tests",
            "failures",
            "errors",
            "time",
        }
        assert needed <= set(suite.attrib)
        tags = [child.tag for child in suite]
        assert tags == ["properties", *["testcase"] * (len(tags) - 3), "system-out", "system-err"]
        assert len(suite.attrib["timestamp"]) == len("2026-11-23T12:00:00")
        for test in suite.iter("testcase"):
            assert set(test.attrib) == {"classname", "name", "time"}
            assert len(test) <= 1


def test_properties_hold_the_run_its_digests_and_its_cost() -> None:
    found = compared_findings()
    properties = {
        one.attrib["name"]: one.attrib["value"]
        for one in suites(found)["capitals"].iter("property")
    }
    assert properties["run_id"] == "ev_2"
    assert properties["row_digest"] == found.manifest["row_digest"]
    assert float(properties["cost_usd"]) == result_document(found)["summary"]["cost_usd"]


def test_rules_are_a_suite_in_which_advisory_ones_fail_nothing() -> None:
    found = compared_findings()
    gate = suites(found)["gate"]
    rules = {rule["id"]: rule for rule in result_document(found)["verdict"]["rules"]}
    for name, tags in kinds(gate).items():
        outcome, advisory = rules[name]["outcome"], rules[name]["tier"] == "advisory"
        wanted = {"PASS": [], "FAIL": ["skipped" if advisory else "failure"]}
        assert tags == wanted.get(outcome, ["skipped"])
    assert kinds(gate)["not_worse"] == ["failure"]
    assert kinds(gate)["better"] == ["skipped"]


def test_a_rule_that_cannot_be_decided_for_holes_is_an_error() -> None:
    outage = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    gate = gate_of(
        {
            "baseline": "none",
            "rules": [
                {"id": "a", "metric": "exact_match", "kind": "threshold", "value": 0.9, "bound": "point"},
                {"id": "b", "metric": "exact_match", "kind": "threshold", "value": 0.9, "bound": "point",
                 "tier": "advisory"},
            ],
        }
    )  # fmt: skip
    made = run(job(gate=gate, options={"second_pass": False}), World(outage))
    assert kinds(suites(findings(made))["gate"]) == {"a": ["error"], "b": ["skipped"]}


def test_a_case_whose_repeats_disagree_counts_once() -> None:
    found = findings(run(job(repeats=3)))
    assert suites(found)["capitals"].attrib["tests"] == "5"


def test_hostile_texts_stay_text_and_illegal_signs_are_replaced() -> None:
    text = report_junit(hostile_findings())
    assert not {"\x00", "\x1b"} & set(text)
    found = suites(hostile_findings())
    (failure,) = found["capitals"].findall("testcase/failure")[:1]
    assert failure.text is not None
    assert failure.text.startswith("=<script>alert(1)</script>\"'><img src=x onerror=alert(1)>")
    assert "]]>" in failure.text
    assert "\ufffd[2J \ufffd" in failure.text
    assert len(failure) == 0
    assert found["gate"].find("testcase").attrib["name"].startswith("<script>")  # type: ignore[union-attr]


@pytest.mark.parametrize(("length", "cut"), [(most_text, False), (most_text + 1, True)])
def test_long_texts_are_cut_with_a_mark(length: int, cut: bool) -> None:  # noqa: FBT001 - a table
    made = run(job(capital_suite([case("de")])), World({"default": {"reply": "x" * length}}))
    (failure,) = suites(findings(made))["capitals"].iter("failure")
    assert failure.text is not None
    assert len(failure.text) == most_text
    assert failure.text.endswith(" …") is cut


def test_the_same_findings_give_the_same_document() -> None:
    assert report_junit(compared_findings()) == report_junit(compared_findings())
