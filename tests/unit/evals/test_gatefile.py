"""Gate files: what may be written, and every problem of a file at once."""

from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.gatefile import Gate, Rule, gate_of, gate_of_thresholds
from pipex_core.spec.yaml_text import read_yaml

threshold = {"id": "r", "metric": "m", "kind": "threshold", "value": 0.8}


def codes(data: Any) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        gate_of(data)
    return [(problem.code, problem.path) for problem in caught.value.problems]


def test_the_gate_of_the_specification_is_read() -> None:
    text = """
schema: pipex.gate/1
baseline: champion
alpha: 0.05
power: 0.8
max_missing: 0.05
missing: tolerant
min_slice: 30
require_certificate: true
rules:
  - {id: sim,   metric: semantic_similarity, kind: noninferiority, margin: 0.02, tier: critical}
  - {id: floor, metric: exact_match, kind: threshold, value: 0.80, tier: critical, slices: [tags, metadata.topic]}
  - {id: money, metric: cost_per_case, kind: threshold, value: 0.002, bound: point, tier: supporting}
"""
    assert gate_of(read_yaml(text).value) == Gate(
        rules=(
            Rule(id="sim", metric="semantic_similarity", kind="noninferiority", margin=0.02),
            Rule(
                id="floor",
                metric="exact_match",
                kind="threshold",
                value=0.8,
                slices=("tags", "metadata.topic"),
            ),
            Rule(
                id="money",
                metric="cost_per_case",
                kind="threshold",
                value=0.002,
                bound="point",
                tier="supporting",
            ),
        )
    )


def test_words_of_the_gate_become_values() -> None:
    gate = gate_of(
        {"baseline": "none", "missing": "strict", "max_missing": 0.2, "rules": [threshold]}
    )
    assert (gate.baseline, gate.max_missing) == (None, 0.0)
    assert gate_of({"baseline": None, "rules": [threshold]}).baseline is None


def test_a_rule_without_id_is_named_after_what_it_demands() -> None:
    gate = gate_of({"rules": [{"metric": "pass_rate", "kind": "threshold", "value": 1}]})
    assert (gate.rules[0].id, gate.rules[0].stat) == ("pass_rate_threshold", "pass_rate")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, [("empty_gate", "rules")]),
        ([], [("empty_gate", "rules")]),
        ({}, [("wrong_type", "rules")]),
        (["r"], [("wrong_type", "rules[0]")]),
        ([threshold, threshold], [("duplicate_rule", "rules[1].id")]),
        ([{"id": "r"}], [("missing_field", "rules[0]"), ("missing_field", "rules[0]")]),
        ([{**threshold, "kind": "treshold"}], [("unknown_value", "rules[0].kind")]),
        ([{**threshold, "kind": 3}], [("wrong_type", "rules[0].kind")]),
        ([{**threshold, "margin": 0.1}], [("unknown_field", "rules[0].margin")]),
        ([{**threshold, "value": "0.8"}], [("wrong_type", "rules[0].value")]),
        ([{**threshold, "value": float("inf")}], [("out_of_range", "rules[0].value")]),
        ([{**threshold, "stat": "p95", "bound": "ci"}], [("conflicting_fields", "rules[0].bound")]),
        ([{"metric": "m", "kind": "threshold"}], [("missing_field", "rules[0]")]),
        ([{"metric": "m", "kind": "noninferiority"}], [("margin_required", "rules[0]")]),
        (
            [{"metric": "m", "kind": "noninferiority", "margin": 0}],
            [("margin_required", "rules[0].margin")],
        ),
        ([{"metric": "m", "kind": "equivalence"}], [("margin_required", "rules[0]")]),
        (
            [{"metric": "m", "kind": "superiority", "min_gain": -1}],
            [("out_of_range", "rules[0].min_gain")],
        ),
        ([{"metric": "m", "kind": "coverage", "min": 1.5}], [("out_of_range", "rules[0].min")]),
    ],
)
def test_a_bad_rule_is_shown(rules: Any, expected: Any) -> None:
    assert codes({"rules": rules}) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"alpha": 0.7}, [("out_of_range", "alpha")]),
        ({"schema": "pipex.gate/2"}, [("unknown_value", "schema")]),
        ({"missing": "some"}, [("unknown_value", "missing")]),
        ({"max_mising": 0.1}, [("unknown_field", "max_mising")]),
        ({"require_certificate": "no"}, [("wrong_type", "require_certificate")]),
        ({"min_pairs": 1}, [("out_of_range", "min_pairs")]),
    ],
)
def test_a_bad_field_is_shown(fields: Any, expected: Any) -> None:
    assert codes({**fields, "rules": [threshold]}) == expected


def test_a_gate_is_a_map() -> None:
    assert codes(["r"]) == [("not_a_gate", "")]


def test_problems_have_their_place_in_the_file() -> None:
    text = "rules:\n  - {id: r, metric: m, kind: noninferiority, margin: 0}\nalfa: 0.1\n"
    document = read_yaml(text, "gate.yaml")
    with pytest.raises(SpecError) as caught:
        gate_of(document.value, source=document.source)
    assert [(p.file, p.line, p.column, p.code) for p in caught.value.problems] == [
        ("gate.yaml", 2, 54, "margin_required"),
        ("gate.yaml", 3, 1, "unknown_field"),
    ]
    assert caught.value.problems[1].suggestion == "alpha"


def test_the_digest_is_that_of_the_demands() -> None:
    known = gate_of({"rules": [threshold]}).digest
    spelled = {"alpha": 0.05, "baseline": "champion", "rules": [{**threshold, "tier": "critical"}]}
    assert gate_of(spelled).digest == known
    assert gate_of({"rules": [{**threshold, "value": 0.81}]}).digest != known
    assert gate_of({"alpha": 0.01, "rules": [threshold]}).digest != known


def test_compatibility_thresholds_are_points_and_percent() -> None:
    gate = gate_of_thresholds({"pass_rate": 80, "bleu_mean": 0.3, "cost_total": 2})
    assert gate.baseline is None
    assert [(r.metric, r.value, r.bound, r.kind, r.tier) for r in gate.rules] == [
        ("pass_rate", 0.8, "point", "threshold", "critical"),
        ("bleu_mean", 0.3, "point", "threshold", "critical"),
        ("cost_total", 2.0, "point", "threshold", "critical"),
    ]


def test_bad_compatibility_thresholds_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        gate_of_thresholds({"pass_rate": "high", "x": 1})  # type: ignore[dict-item]  # what a file may hold
    assert [(p.code, p.path) for p in caught.value.problems] == [("wrong_type", "pass_rate")]
    with pytest.raises(SpecError) as empty:
        gate_of_thresholds({})
    assert empty.value.code == "empty_gate"


def test_a_rule_of_promotion_says_after_what_and_who_acts() -> None:
    rules = [{"metric": "m", "kind": "coverage"}]
    read = gate_of({"promotion": {"on": "superiority", "actor": "nightly"}, "rules": rules})
    assert read.promotion == {"on": "superiority", "actor": "nightly"}
    assert gate_of({"promotion": None, "rules": rules}).promotion is None
    for wrong, code in (
        ({"on": "pass"}, "missing_field"),
        ({"on": "always", "actor": "x"}, "unknown_value"),
        ({"on": "pass", "actor": "x", "name": "y"}, "unknown_field"),
        ("pass", "wrong_type"),
    ):
        with pytest.raises(SpecError) as caught:
            gate_of({"promotion": wrong, "rules": rules})
        assert [problem.code for problem in caught.value.problems] == [code]
