"""Warnings about a suite."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.lint import lint
from pipex_core.evals.suite import Case, Suite, SuiteDefaults
from pipex_core.metrics.contract import MetricInfo

matching = MetricInfo(name="exact_match", summary="", needs=frozenset({"output", "reference"}))
grounded = MetricInfo(name="faithfulness", summary="", needs=frozenset({"output", "context"}))
speed = MetricInfo(name="latency", summary="", range=(0.0, float("inf")), direction="lower")


def found(
    *cases: Case,
    metrics: Mapping[str, MetricInfo] | None = None,
    gate: Gate | None = None,
    **fields: Any,
) -> list[tuple[str, str]]:
    suite = Suite(id="s", cases=cases, location="s.jsonl", **fields)
    problems = lint(suite, metrics=metrics, gate=gate)
    assert {(p.severity, p.file) for p in problems} <= {("warning", "s.jsonl")}
    return [(problem.code, problem.path) for problem in problems]


def test_a_good_suite_has_no_warnings() -> None:
    case = Case(id="a", input="Why?", expected_output="Because.", context="Text")
    assert found(case, metrics={"exact_match": matching, "faithfulness": grounded}) == []


def test_the_same_question_twice_is_a_duplicate_or_a_conflict() -> None:
    assert found(
        Case(id="a", input="q", expected_output="1"),
        Case(id="b", input="q", expected_output="1"),
        Case(id="c", input="q", expected_output="2"),
    ) == [("duplicate_case", "cases[b]"), ("conflicting_reference", "cases[c]")]


@pytest.mark.parametrize("empty", ["", " \n", {}, []])
def test_an_empty_input_is_shown(empty: Any) -> None:
    assert found(Case(id="a", input=empty)) == [("empty_input", "cases[a]")]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (Case(id="a", input="cafe\u0301"), "not_nfc"),
        (Case(id="a", input="q", context=("cafe\u0301",)), "not_nfc"),
        (Case(id="a", input={"cafe\u0301": 1}), "not_nfc"),
        (Case(id="a", input="a\x00b"), "control_characters"),
        (Case(id="a", input="q", expected_output=["x", "y\x85"]), "control_characters"),
        (Case(id="a", input="The answer is forty-two, of course.", expected_output="forty-two, of course"), "leak"),
        (Case(id="a", input={"t": "aaaaaaaaaaaaaaaaaaaaaaaa"}, expected_output=["x", "a" * 20]), "leak"),
    ],
)  # fmt: skip
def test_texts_are_looked_at(case: Case, code: str) -> None:
    assert found(case) == [(code, "cases[a]")]


def test_line_ends_tabs_and_short_references_are_fine() -> None:
    assert found(Case(id="a", input="one\ttwo\r\n42", expected_output="42")) == []


def test_metrics_say_what_a_case_lacks() -> None:
    case = Case(id="a", input="q")
    assert found(case, metrics={"em": matching, "latency": speed}) == [
        ("missing_reference", "cases[a]")
    ]
    assert found(case, metrics={"faithfulness": grounded}) == [("leak", "cases[a]")]


def test_one_reference_nearly_everywhere_is_unbalanced() -> None:
    cases = [Case(id=f"c{i}", input=str(i), expected_output="yes") for i in range(19)]
    odd = Case(id="odd", input="x", expected_output="no")
    assert found(*cases, odd) == [("unbalanced", "cases")]
    assert found(*cases[:8], odd) == []
    assert found(*cases[:9], odd, Case(id="none", input="y")) == []


def test_a_slice_too_small_to_gate_is_shown() -> None:
    rule = Rule(
        id="r", metric="m", kind="coverage", slices=("tags", "metadata.t", "split", "cluster")
    )
    gate = Gate(rules=(rule,), min_slice=2)
    cases = (
        Case(id="a", input="1", tags=("x", "y"), metadata={"t": 1}, cluster_id="k"),
        Case(id="b", input="2", tags=("x",), metadata={"t": 1}, split="dev"),
        Case(
            id="q", input="3", tags=("z",), status="quarantined", metadata={"quarantine": "flaky"}
        ),
    )
    codes = found(*cases, gate=gate, defaults=SuiteDefaults(cluster_by="metadata.t"))
    assert codes == [("tiny_slice", "gate.rules[r]")] * 4
    suite = Suite(id="s", cases=cases, defaults=SuiteDefaults(cluster_by="metadata.t"))
    assert [problem.message.split(" has")[0] for problem in lint(suite, gate=gate)] == [
        "tags=y",
        "split=dev",
        "cluster=1",
        "cluster=k",
    ]


def test_too_few_cases_for_a_margin_are_shown_with_the_number_needed() -> None:
    # (1.6449 + 0.8416)² · 0.2 / 0.05² = 494.6, Section 6.7
    gate = Gate(rules=(Rule(id="r", metric="em", kind="noninferiority", margin=0.05),))
    few = [Case(id=f"c{i}", input=str(i)) for i in range(494)]
    metrics = {"em": MetricInfo(name="exact_match", summary="")}
    (problem,) = lint(Suite(id="s", cases=few), metrics=metrics, gate=gate)
    assert problem.code == "underpowered"
    assert "about 495 are needed" in problem.message
    enough = [*few, Case(id="one", input="more")]
    assert lint(Suite(id="s", cases=enough), metrics=metrics, gate=gate) == []
    assert lint(Suite(id="s", cases=few), metrics={"em": speed}, gate=gate) == []
    assert lint(Suite(id="s", cases=few), gate=gate) == []
