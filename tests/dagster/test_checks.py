"""Gate rules as checks: what each demands in words, and how bad its worst slice is."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from pipex_core.evals.compare import Comparison
from pipex_core.evals.gatefile import Gate, Rule, gate_of
from pipex_core.evals.verdict import Outcome, RuleResult, Verdict
from pipex_dagster.checks import check_names, check_results, check_specs, demand

partitions = dg.DynamicPartitionsDefinition(name="targets")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            Rule(id="r", metric="m", kind="threshold", value=0.6),
            "m reaches 0.6 (critical).",
        ),
        (
            Rule(
                id="r", metric="pass_rate", kind="threshold", stat="p95", value=0.6, tier="advisory"
            ),
            "pass_rate (p95) reaches 0.6 (advisory).",
        ),
        (
            Rule(id="r", metric="m", kind="noninferiority", margin=0.03, slices=("tags", "split")),
            "m is not worse than the champion's by 0.03 or more, and in each slice of tags, split (critical).",
        ),
        (
            Rule(id="r", metric="m", kind="superiority"),
            "m is better than the champion's (critical).",
        ),
        (
            Rule(id="r", metric="m", kind="superiority", min_gain=0.01),
            "m is better than the champion's by more than 0.01 (critical).",
        ),
        (
            Rule(id="r", metric="m", kind="equivalence", margin=0.02),
            "m differs from the champion's by less than 0.02 (critical).",
        ),
        (
            Rule(id="r", metric="m", kind="regression_pct", drop=2.5),
            "m is not more than 2.5 % worse than the champion's (critical).",
        ),
        (
            Rule(id="r", metric="m", kind="coverage", min=0.98),
            "At least 98 % of the cases have a number for m (critical).",
        ),
    ],
)
def test_a_rule_says_what_it_demands(rule: Rule, expected: str) -> None:
    assert demand(rule) == expected


gate = gate_of(
    {
        "rules": [
            {"id": "not-worse", "metric": "m", "kind": "noninferiority", "margin": 0.1},
            {"id": "floor", "metric": "m", "kind": "threshold", "value": 0.5, "tier": "supporting"},
        ]
    }
)


def result(
    rule_id: str, outcome: Outcome, *, reason: str | None = None, **known: Any
) -> RuleResult:
    row = Comparison(
        baseline_run_id="b", metric="m", outcome=outcome, fingerprint="f", rule_id=rule_id, **known
    )
    return RuleResult(outcome=outcome, reason=reason, row=row)


def verdict(*rules: RuleResult) -> Verdict:
    return Verdict(
        verdict="FAIL",
        reasons=(),
        rules=rules,
        gate_digest="",
        alpha=0.05,
        family_size=1,
        baseline="b",
    )


def checks(*rules: RuleResult, of: Gate = gate) -> dict[str, dg.AssetCheckResult]:
    found = check_results(of, verdict(*rules), against="champ")
    return {str(one.check_name): one for one in found}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("PASS", (True, dg.AssetCheckSeverity.WARN)),
        ("FAIL", (False, dg.AssetCheckSeverity.ERROR)),
        ("INCONCLUSIVE", (False, dg.AssetCheckSeverity.WARN)),
        ("INCOMPLETE", (False, dg.AssetCheckSeverity.WARN)),
    ],
)
def test_only_a_shown_failure_is_an_error(
    outcome: Outcome, expected: tuple[bool, dg.AssetCheckSeverity]
) -> None:
    found = checks(result("not-worse", outcome))["not_worse"]
    assert (found.passed, found.severity) == expected


def test_a_rule_on_slices_is_as_bad_as_its_worst_slice() -> None:
    found = checks(
        result("not-worse", "PASS"),
        result("not-worse", "INCONCLUSIVE", slice_by="tags", slice="easy"),
        result("not-worse", "FAIL", slice_by="tags", slice="hard", diff=-0.2, n_pairs=40),
    )["not_worse"]
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert found.description is not None
    assert found.description.startswith(
        "FAIL on tags=hard: m compared with champ over 40 pairs, difference -0.2. Demanded: m is"
    )
    table = found.metadata["slices"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["slice"] for record in table.records] == ["", "tags=easy", "tags=hard"]


def test_slices_that_are_too_small_are_shown_and_decide_nothing() -> None:
    tiny = result("floor", "INCONCLUSIVE", reason="small_slice", slice_by="tags", slice="(small)")
    found = checks(result("not-worse", "PASS"), result("floor", "PASS"), tiny)["floor"]
    assert found.passed
    table = found.metadata["slices"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["slice"] for record in table.records] == ["", "tags=(small)"]


def test_an_open_question_says_what_would_decide_it() -> None:
    found = checks(
        result("not-worse", "INCONCLUSIVE", reason="too_few", diff=-0.01, n_pairs=30, n_needed=1200)
    )["not_worse"]
    assert found.description is not None
    assert "INCONCLUSIVE (too_few)" in found.description
    assert "about 1,200 cases would decide" in found.description
    assert found.metadata["n_needed"].value == 1200.0


@pytest.mark.parametrize(
    ("outcome", "known", "expected"),
    [
        ("INCONCLUSIVE", {"n_needed": 1200}, "about 1,200 cases"),
        ("INCONCLUSIVE", {"reason": "no_baseline"}, "an evaluation of the champion"),
        ("INCONCLUSIVE", {"reason": "judge_uncertified"}, "a valid certificate of the judge"),
        ("INCOMPLETE", {"n_missing_b": 7}, "the 7 missing rows"),
        ("INCOMPLETE", {}, "the missing rows"),
    ],
)
def test_what_is_open_says_what_would_decide_it(
    outcome: Outcome, known: dict[str, Any], expected: str
) -> None:
    found = checks(result("not-worse", outcome, **known))["not_worse"]
    assert found.metadata["would_decide"].value == expected


def test_more_answers_per_case_may_decide_as_well() -> None:
    row = result("not-worse", "INCONCLUSIVE", n_needed=1200)
    found = checks(replace(row, repeats=1, repeats_needed=4))["not_worse"]
    assert found.metadata["would_decide"].value == "about 1,200 cases, or 4 answers per case"
    assert found.description is not None
    assert "about 1,200 cases, or 4 answers per case, would decide." in found.description


@pytest.mark.parametrize(
    ("outcome", "known"),
    [("FAIL", {"n_needed": 9}), ("PASS", {}), ("INCONCLUSIVE", {"reason": "degenerate"})],
)
def test_what_is_decided_or_cannot_be_says_nothing(outcome: Outcome, known: dict[str, Any]) -> None:
    assert "would_decide" not in checks(result("not-worse", outcome, **known))["not_worse"].metadata


def test_the_interval_and_the_limit_stand_in_the_metadata() -> None:
    found = checks(result("floor", "PASS", mean_b=0.7, value=0.5, ci_low=0.61, ci_high=0.79))[
        "floor"
    ]
    assert found.description is not None
    assert found.description.startswith("PASS: m is 0.7.")
    assert found.metadata["interval"].value == "0.61 … 0.79"
    assert found.metadata["limit"].value == 0.5
    assert found.metadata["outcome"].value == "PASS"


def test_a_rule_without_a_result_belongs_to_the_champion() -> None:
    found = checks(result("floor", "PASS"))["not_worse"]
    assert found.passed
    assert found.metadata["outcome"].value == "NOT_COMPARED"


def test_without_a_gate_there_are_no_checks() -> None:
    assert check_specs(None, dg.AssetKey("a"), partitions) == []
    assert list(check_results(None, None, against=None)) == []


def test_checks_are_named_after_their_rules_and_critical_ones_block() -> None:
    assert check_names(gate) == {"not-worse": "not_worse", "floor": "floor"}
    specs = {spec.name: spec for spec in check_specs(gate, dg.AssetKey("a"), partitions)}
    assert {name: spec.blocking for name, spec in specs.items()} == {
        "not_worse": True,
        "floor": False,
    }
