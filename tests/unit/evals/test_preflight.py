"""All that is wrong with an evaluation is said at once, before anything is called."""

from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.answers import Answer
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.job import RunOptions, expected_text
from pipex_core.evals.judged import SummaryBaseline
from pipex_core.evals.judgement import judged_of
from pipex_core.evals.pipeline import PipelineTarget
from pipex_core.evals.preflight import dry_run
from pipex_core.evals.suite import SuiteDefaults
from pipex_core.llm.cost import Budget
from pipex_core.llm.prices import PriceTable
from tests.fakes.evaluation import capital_suite, case, job, prompt, recorded, run
from tests.fakes.world import World, prices, problems_of


def refused(**fields: Any) -> list[str]:
    with pytest.raises(SpecError) as refusal:
        job(**fields)
    return problems_of(refusal.value)


def nothing(_: Any) -> Answer | None:
    return None


def test_all_problems_are_told_at_once() -> None:
    cases = [case("de", metrics=("exact_mach",)), case("fr")]
    codes = refused(
        suite=capital_suite(cases),
        metrics=["rogue", {"type": "exact_match", "ignore_cas": True}],
        target=replace(prompt, prompt="{{ input "),
    )
    assert sorted(codes) == ["bad_option", "expression_syntax", "unknown_metric", "unknown_metric"]


def test_an_evaluation_without_metrics_is_refused() -> None:
    assert refused(suite=capital_suite(defaults=SuiteDefaults())) == ["missing_field"]


def test_a_rule_about_a_metric_that_the_run_has_not_is_refused() -> None:
    rules = [{"metric": "exact_mach", "kind": "threshold", "value": 0.5}]
    assert refused(gate=gate_of({"rules": rules})) == ["unknown_metric"]


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "latency_p95", "kind": "noninferiority", "margin": 1},
        {"metric": "cost_total", "kind": "threshold", "value": 1, "bound": "ci"},
        {"metric": "exact_match_p95", "kind": "superiority"},
    ],
)
def test_a_rule_that_nothing_can_be_said_of_is_refused(rule: dict[str, Any]) -> None:
    assert refused(gate=gate_of({"rules": [rule]})) == ["no_interval"]


def test_a_metric_of_the_baseline_alone_is_known_to_rules_that_ask_whether_it_fell() -> None:
    baseline = SummaryBaseline(means={"old": 0.5})
    limit = {"metric": "old", "kind": "threshold", "value": 0.5}
    assert refused(gate=gate_of({"rules": [limit]}), baseline=baseline) == ["unknown_metric"]
    fall = {"metric": "old", "kind": "regression_pct", "drop": 5}
    assert job(gate=gate_of({"rules": [fall]}), baseline=baseline).baseline is baseline


def test_a_baseline_of_other_cases_is_refused_when_a_rule_compares() -> None:
    before = run(job(capital_suite([case("x1"), case("x2")]), target=recorded())).judgement
    paired = {"metric": "exact_match", "kind": "noninferiority", "margin": 0.1}
    rules: list[dict[str, Any]] = [paired]
    baseline = judged_of(before)
    assert refused(gate=gate_of({"rules": rules}), baseline=baseline) == ["not_comparable"]
    rules = [{"metric": "exact_match", "kind": "threshold", "value": 0.5}]
    assert job(gate=gate_of({"rules": rules}), baseline=baseline).baseline is baseline


def test_a_rule_about_a_metric_of_single_cases_is_accepted() -> None:
    cases = [case("de", metrics=("token_f1",)), case("fr", metrics=("token_f1",))]
    rules = [{"metric": "token_f1", "kind": "threshold", "value": 0.5}]
    made = job(capital_suite(cases), gate=gate_of({"rules": rules}))
    assert [facts.name for facts in made.facts()] == ["exact_match", "token_f1"]


def test_a_cases_metric_under_a_known_name_must_have_the_same_range_and_direction() -> None:
    named = SuiteDefaults(metrics=({"type": "exact_match", "name": "q"},))
    other = case("fr", metrics=({"type": "wer", "name": "q"},))
    assert refused(suite=capital_suite([case("de"), other], defaults=named)) == ["bad_option"]
    apart = [
        case("de", metrics=({"type": "wer", "name": "x"},)),
        case("fr", metrics=({"type": "token_f1", "name": "x"},)),
    ]
    assert refused(suite=capital_suite(apart)) == ["bad_option"]
    same = case("fr", metrics=({"type": "token_f1", "name": "q"},))
    assert (
        job(capital_suite([case("de"), same], defaults=named)).entries("fr")[0].type == "token_f1"
    )


def test_metrics_and_repeats_of_the_run_win_over_those_of_the_suite() -> None:
    suite = capital_suite(defaults=SuiteDefaults(metrics=("exact_match",), repeats=3))
    assert len(job(suite).units()) == 15
    made = job(suite, metrics=["token_f1:0.8"], repeats=1)
    assert len(made.units()) == 5
    assert [(entry.name, entry.threshold) for entry in made.metrics] == [("token_f1", 0.8)]


def test_the_digests_follow_what_they_name() -> None:
    made = job()
    retagged = capital_suite([case(name, tags=("x",)) for name in ("de", "es", "fr", "it", "pt")])
    assert job(retagged).suite_digest == made.suite_digest
    assert job(retagged).plan_digest != made.plan_digest
    assert job(metrics=["token_f1"]).plan_digest != made.plan_digest
    assert job(repeats=2).plan_digest != made.plan_digest
    assert job(options={"max_concurrency": 1}).plan_digest == made.plan_digest


def test_leaving_cases_out_makes_a_subset() -> None:
    suite = capital_suite()
    assert not job(suite).is_subset
    assert job(suite, cases=suite.cases[:2]).is_subset


def test_a_plan_tells_what_would_be_asked_and_asks_nothing() -> None:
    made = job(repeats=2)
    keys = [unit.key for unit in made.units()]
    plan = dry_run(
        made,
        carried=lambda unit: Answer(status="ok") if unit.key == keys[0] else None,
        done=lambda unit: Answer(status="ok") if unit.key in keys[1:3] else None,
    )
    assert plan.as_json() == {
        "rows": 10,
        "carried": 1,
        "done": 2,
        "to_ask": 7,
        "scores": 10,
        "max_cost_usd": None,
        "warnings": [],
    }


def test_the_bound_of_the_cost_is_the_sum_over_the_calls_to_come() -> None:
    made = job(target=replace(prompt, model="priced", max_tokens=100_000))
    table = PriceTable.from_text(prices)
    plan = dry_run(made, carried=nothing, done=nothing, prices=table)
    # 100 000 output tokens at 5 USD per million and a few input tokens, five times.
    assert plan.max_cost_usd == pytest.approx(2.5, rel=0.01)
    assert [code for code, _ in plan.warnings] == ["no_budget"]
    capped = job(target=made.target, options={"budget": Budget(max_calls=3)})
    assert not dry_run(capped, carried=nothing, done=nothing, prices=table).warnings


def test_a_cap_that_the_calls_may_pass_is_told_of_before_the_first_one() -> None:
    target, table = replace(prompt, model="priced", max_tokens=1000), PriceTable.from_text(prices)

    def told(cap: str) -> list[str]:
        made = job(target=target, options={"budget": Budget(max_cost_usd=Decimal(cap))})
        plan = dry_run(made, carried=nothing, done=nothing, prices=table)
        return [code for code, _ in plan.warnings]

    # five calls of 1 000 output tokens at 5 USD per million and 50 to 60 of input at 1 USD
    assert (told("0.025"), told("0.026")) == (["budget_too_small"], [])


def test_a_case_whose_prompt_has_no_value_costs_nothing() -> None:
    made = job(target=replace(prompt, model="priced", prompt="{{ nothing }}"))
    plan = dry_run(made, carried=nothing, done=nothing, prices=PriceTable.from_text(prices))
    assert plan.max_cost_usd == 0.0


def test_a_run_that_asks_nothing_costs_nothing_whatever_the_target() -> None:
    plan = dry_run(job(target=recorded()), carried=lambda _: Answer(status="ok"), done=nothing)
    assert (plan.to_ask, plan.max_cost_usd) == (0, 0.0)


def test_concurrency_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RunOptions(max_concurrency=0)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (None, None),
        ("", ""),
        ("Paris", "Paris"),
        (["a", "b"], '["a","b"]'),
        ({"a": 1}, '{"a":1}'),
        ({"$value": "x"}, "x"),
    ],
)
def test_the_reference_is_shown_as_text(expected: Any, text: str | None) -> None:
    assert expected_text(case("x", expected_output=expected)) == text


def test_the_context_stands_in_a_row_as_its_hash() -> None:
    made = job(capital_suite([case("de", context="a text"), case("fr", context=("a", "b"))]))
    rows = [made.row_of(unit, Answer(status="ok", text="x")) for unit in made.units()]
    assert [row.context_sha256 for row in rows] == [
        sha256(b"a text").hexdigest(),
        sha256(b"a\n\nb").hexdigest(),
    ]


def test_the_suite_gives_time_and_budget_where_the_run_says_nothing() -> None:
    suite = capital_suite(
        defaults=SuiteDefaults(metrics=("exact_match",), timeout_seconds=7.0),
        extra={"budget": {"max_cost_usd": 0.25, "max_calls": 3}},
    )
    made = job(suite)
    assert made.options.timeout_s == 7.0
    assert made.options.budget == Budget(max_cost_usd=Decimal("0.25"), max_calls=3)
    own = Budget(max_tokens=9)
    other = job(suite, options={"timeout_s": 1.0, "budget": own})
    assert (other.options.timeout_s, other.options.budget) == (1.0, own)
    tokens = capital_suite(extra={"budget": {"max_tokens": 5}})
    assert job(tokens).options.budget == Budget(max_tokens=5)


def test_a_model_that_moves_is_no_system_to_test() -> None:
    assert refused(target=replace(prompt, model="gemini-flash-latest")) == ["moving_alias"]
    step = "{name: a, type: claude, prompt: '{{ inputs.input }}'}"
    text = f"workflow:\n  name: w\n  inputs: {{input: {{type: string}}}}\n  steps: [{step}]\n"
    bound = PipelineTarget(plan=World().plan(text), model="claude:latest")
    assert refused(target=bound) == ["moving_alias"]
