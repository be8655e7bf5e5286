"""Gates: the table of rule kinds, the check of missing cases, the table of verdicts, every reason."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import Arm, MetricFacts, Ruler
from pipex_core.evals.compare import Comparison
from pipex_core.evals.evidence import Evidence
from pipex_core.evals.gate import decide, judge, verdict_of
from pipex_core.evals.gatefile import Gate, Rule, gate_of_thresholds
from pipex_core.evals.judged import Judged, SummaryBaseline
from pipex_core.evals.verdict import RuleResult, Verdict, sentence
from pipex_core.stats.estimates import Scale
from tests.fakes.arms import arm, cases, flags, metric, time, unit

rules = {
    "threshold": Rule(id="r", metric="m", kind="threshold", value=0.8, bound="ci"),
    "noninferiority": Rule(id="r", metric="m", kind="noninferiority", margin=0.1, bound="ci"),
    "noninferiority_margin": Rule(
        id="r", metric="m", kind="noninferiority", margin=0.1, fail_on="margin", bound="ci"
    ),
    "superiority": Rule(id="r", metric="m", kind="superiority", min_gain=0.1, bound="ci"),
    "equivalence": Rule(id="r", metric="m", kind="equivalence", margin=0.1, bound="ci"),
}
bounds = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)


def expected(kind: str, l1: float, u1: float, *, shown: bool) -> str:
    """The table of section 6.8, written once more in its own words."""
    passed, failed = {
        "threshold": (l1 >= 0, u1 < 0),
        "noninferiority": (l1 > -0.1, True),
        "noninferiority_margin": (l1 > -0.1, u1 < -0.1),
        "superiority": (l1 > 0.1, True),
        "equivalence": (l1 > -0.1 and u1 < 0.1, u1 < -0.1 or l1 > 0.1),
    }[kind]
    return "PASS" if passed else "FAIL" if failed and shown else "INCONCLUSIVE"


@pytest.mark.parametrize("kind", sorted(rules))
def test_the_table_of_rule_kinds_holds_everywhere(kind: str) -> None:
    for l1, u1 in itertools.combinations(bounds, 2):
        for p_adj in (0.05, 0.051, None):
            evidence = Evidence(n=100, fewest=20, diff=(l1 + u1) / 2, l1=l1, u1=u1, p=0.01)
            found = decide(rules[kind], evidence, p_adj=p_adj, alpha=0.05)
            shown = p_adj is not None and p_adj <= 0.05
            assert found.outcome == expected(kind, l1, u1, shown=shown), (l1, u1, p_adj)


def test_a_difference_proven_smaller_than_the_margin_passes_with_a_note() -> None:
    evidence = Evidence(n=100, l1=-0.09, u1=-0.01, p=0.001)
    found = decide(rules["noninferiority"], evidence, p_adj=0.001, alpha=0.05)
    assert (found.outcome, found.reason) == ("PASS", "worse_within_margin")


@pytest.mark.parametrize(
    ("kind", "bound", "evidence", "outcome", "reason"),
    [
        ("threshold", "point", {"reached": True}, "PASS", None),
        ("threshold", "point", {"reached": False}, "FAIL", None),
        ("threshold", "point", {"reached": None}, "INCOMPLETE", "not_computed"),
        ("regression_pct", "point", {"reached": False}, "FAIL", None),
        ("regression_pct", "point", {"reason": "zero_baseline"}, "INCONCLUSIVE", "zero_baseline"),
        ("regression_pct", "ci", {"reached": True}, "PASS", None),
        ("regression_pct", "ci", {"reached": False}, "FAIL", None),
        ("regression_pct", "ci", {"reason": "zero_baseline"}, "INCONCLUSIVE", "zero_baseline"),
        ("coverage", "ci", {"reached": True}, "PASS", None),
        ("coverage", "ci", {"reached": False}, "INCOMPLETE", "low_coverage"),
        ("coverage", "ci", {"reached": None}, "INCOMPLETE", "low_coverage"),
        ("threshold", "ci", {"n": 19}, "INCONCLUSIVE", "insufficient_data"),
        ("threshold", "ci", {"few_clusters": True}, "INCONCLUSIVE", "insufficient_data"),
        ("threshold", "ci", {"reason": "degenerate"}, "INCONCLUSIVE", "degenerate"),
        ("threshold", "ci", {"l1": None}, "INCONCLUSIVE", "insufficient_data"),
    ],
)
def test_numbers_coverage_and_thin_data_decide_by_their_own_rows(
    kind: Any, bound: Any, evidence: dict[str, Any], outcome: str, reason: str | None
) -> None:
    rule = Rule(id="r", metric="m", kind=kind, value=0.8, bound=bound)
    facts: dict[str, Any] = {"n": 100, "fewest": 20, "l1": -0.3, "u1": -0.2, "p": 0.01}
    found = decide(rule, Evidence(**{**facts, **evidence}), p_adj=0.01, alpha=0.05)
    assert (found.outcome, found.reason) == (outcome, reason)


def result(rule_id: str, tier: str, outcome: Any) -> RuleResult:
    row = Comparison(
        baseline_run_id="b",
        metric="m",
        outcome=outcome,
        fingerprint="f",
        rule_id=rule_id,
        tier=tier,
    )
    return RuleResult(outcome=outcome, reason=None, row=row)


outcomes = ("PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE")
tiers = ("critical", "supporting", "advisory")


@pytest.mark.parametrize("unfinished", [False, True])
def test_the_table_of_verdicts_holds_for_every_two_rules(unfinished: Any) -> None:
    kinds = list(itertools.product(tiers, outcomes))
    for (tier_a, a), (tier_b, b) in itertools.product(kinds, kinds):
        counting = {o for t, o in ((tier_a, a), (tier_b, b)) if t != "advisory"}
        critical = {o for t, o in ((tier_a, a), (tier_b, b)) if t == "critical"}
        if "FAIL" in counting:
            wanted = "FAIL"
        elif "INCOMPLETE" in counting or unfinished:
            wanted = "INCOMPLETE"
        else:
            wanted = "INCONCLUSIVE" if "INCONCLUSIVE" in critical else "PASS"
        results = [result("a", tier_a, a), result("b", tier_b, b)]
        assert verdict_of(results, unfinished=unfinished)[0] == wanted


def test_the_reasons_are_the_rules_that_made_the_verdict_each_once() -> None:
    results = [
        result("a", "supporting", "FAIL"),
        result("b", "critical", "INCOMPLETE"),
        result("a", "critical", "FAIL"),
        result("c", "advisory", "FAIL"),
    ]
    assert verdict_of(results, unfinished=False) == ("FAIL", ("a",))
    assert verdict_of(results[1:2], unfinished=False) == ("INCOMPLETE", ("b",))


# -- whole verdicts


def verdict(
    rule: Rule,
    run: Arm | Judged,
    baseline: Arm | Judged | SummaryBaseline | None = None,
    **gate: Any,
) -> Verdict:
    judged = run if isinstance(run, Judged) else Judged(arm=run)
    base = Judged(arm=baseline) if isinstance(baseline, Arm) else baseline
    return judge(Gate(rules=(rule,), **gate), judged, baseline=base)


def only(found: Verdict) -> RuleResult:
    assert len(found.rules) == 1
    return found.rules[0]


not_worse = Rule(id="r", metric="m", kind="noninferiority", margin=0.1)
floor = Rule(id="r", metric="m", kind="threshold", value=0.8)


@pytest.mark.parametrize(
    ("wins", "losses", "wanted"),
    [(20, 20, "PASS"), (30, 5, "PASS"), (5, 30, "FAIL"), (60, 75, "INCONCLUSIVE")],
)
def test_a_noninferiority_rule_decides_over_pairs(wins: int, losses: int, wanted: str) -> None:
    base, new = flags(wins, losses, 400 - wins - losses)
    found = verdict(replace(not_worse, margin=0.05), new, base)
    assert found.verdict == wanted
    assert found.reasons == (() if wanted == "PASS" else ("r",))
    row = only(found).row
    assert (row.n_wins, row.n_losses, row.n_pairs) == (wins, losses, 400)
    assert row.diff == pytest.approx((wins - losses) / 400)
    assert (found.baseline, row.baseline_run_id) == ("base", "base")


def test_an_open_question_says_how_many_cases_would_tell() -> None:
    base, new = flags(60, 75, 265)
    found = verdict(replace(not_worse, margin=0.05), new, base)
    p1, p2 = 76 / 402, 61 / 402
    sd2 = 400 * (p1 + p2 - (p2 - p1) ** 2) / 402
    needed = math.ceil((1.6448536 + 0.8416212) ** 2 * sd2 / 0.05**2)
    assert only(found).row.n_needed == needed
    assert sentence(found, cost_per_case=0.01) == (
        f"INCONCLUSIVE: r, difference -0.0375 over 400 pairs, about {needed:,} cases would tell"
        f" (about {(needed - 400) * 0.01:.2f} USD more)."
    )


def test_without_a_price_only_the_number_of_cases_is_said() -> None:
    base, new = flags(60, 75, 265)
    text = sentence(verdict(replace(not_worse, margin=0.05), new, base))
    assert text.endswith("cases would tell.")


def test_a_threshold_of_a_pass_rate_uses_wilson_and_the_score_test() -> None:
    run = arm([1.0] * 90 + [0.0] * 10)
    found = only(verdict(floor, run))
    low, high = proportion_confint(90, 100, alpha=0.1, method="wilson")
    assert (found.outcome, found.row.method) == ("PASS", "wilson")
    assert found.row.l1 == pytest.approx(low)
    assert found.row.u1 == pytest.approx(high)
    assert (found.row.mean_b, found.row.value, found.row.n_pairs) == (0.9, 0.8, 100)
    assert verdict(floor, arm([1.0] * 60 + [0.0] * 40)).verdict == "FAIL"
    undecided = only(verdict(floor, arm([1.0] * 82 + [0.0] * 18)))
    assert undecided.outcome == "INCONCLUSIVE"
    # (1.6449 + 0.8416)² · 0.1491 / 0.02², with the sample variance 82·18/(100·99)
    assert undecided.row.n_needed == math.ceil(
        (1.6448536 + 0.8416212) ** 2 * (82 * 18 / 9900) / 0.0004
    )


def test_bounds_of_a_lower_is_better_threshold_are_in_its_own_unit() -> None:
    fast = arm({"t": metric(np.linspace(90, 110, 60).tolist(), time)})
    rule = Rule(id="r", metric="t", kind="threshold", value=120)
    found = only(verdict(rule, fast))
    assert found.outcome == "PASS"
    assert found.row.l1 is not None
    assert found.row.u1 is not None
    assert 98 < found.row.u1 < 100 < found.row.l1 < 102
    assert (found.row.ci_low or 0) < 100 < (found.row.ci_high or 0)
    assert verdict(replace(rule, value=95.0), fast).verdict == "FAIL"


@pytest.mark.parametrize("kind", ["threshold", "noninferiority", "superiority", "equivalence"])
@pytest.mark.parametrize(("wins", "losses"), [(40, 5), (5, 40), (22, 20), (30, 18)])
def test_a_relabelled_direction_gives_the_same_verdict(kind: Any, wins: int, losses: int) -> None:
    base, new = flags(wins, losses, 55)
    lower = replace(unit, scale=Scale(direction="lower"))

    def turned(one: Arm) -> Arm:
        values = (1 - one.metrics["m"].values).tolist()
        return arm({"m": metric(values, lower)}, run_id=one.run_id)

    rule = Rule(id="r", metric="m", kind=kind, value=0.6, margin=0.1)
    there = only(verdict(rule, new, base))
    mirrored = replace(rule, value=0.4)
    back = only(verdict(mirrored, turned(new), turned(base)))
    assert there.outcome == back.outcome
    assert there.row.p == pytest.approx(back.row.p or 0)
    assert there.row.diff == pytest.approx(back.row.diff or 0)


def test_fail_claims_are_adjusted_by_holm_over_all_counting_rules() -> None:
    names = {"a": (20, 38), "b": (25, 38), "c": (30, 32), "d": (10, 40)}
    base: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name, (wins, losses) in names.items():
        pair = flags(wins, losses, 100 - wins - losses)
        for side, one in zip((base, new), pair, strict=True):
            side[name] = replace(one.metrics["m"], facts=replace(unit, name=name))
    tiers_of = {"a": "critical", "b": "supporting", "c": "critical", "d": "advisory"}
    gate = Gate(
        rules=tuple(
            Rule(id=n, metric=n, kind="superiority", tier=tiers_of[n])  # type: ignore[arg-type]  # from a table
            for n in names
        )
    )
    found = judge(gate, Judged(arm=arm(new)), baseline=Judged(arm=arm(base)))
    p = [found.rules[i].row.p for i in range(3)]
    adjusted = multipletests(p, method="holm")[1]
    assert [found.rules[i].row.p_adj for i in range(3)] == pytest.approx(list(adjusted))
    assert (found.family_size, found.rules[0].row.family_size) == (3, 3)
    assert [r.row.family for r in found.rules] == ["gate", "gate", "gate", "exploratory"]
    assert found.rules[3].outcome == "FAIL"
    assert found.reasons == ("a",)


def test_a_gain_must_exceed_what_superiority_asks_for() -> None:
    base, new = flags(30, 5, 65)
    rule = Rule(id="r", metric="m", kind="superiority", min_gain=0.1)
    assert verdict(rule, new, base).verdict == "PASS"
    more = only(verdict(replace(rule, min_gain=0.24), new, base))
    assert (more.outcome, more.row.margin) == ("INCONCLUSIVE", 0.24)
    assert more.row.n_needed is not None
    assert more.row.n_needed > 1000
    beyond = only(verdict(replace(rule, min_gain=0.3), new, base))
    assert (beyond.outcome, beyond.row.n_needed) == ("INCONCLUSIVE", None)


@pytest.mark.parametrize(
    ("fail_on", "shift", "outcome"),
    [("regression", 0.0, "FAIL"), ("margin", 0.0, "INCONCLUSIVE"), ("margin", 0.1, "FAIL")],
)
def test_the_p_of_a_fail_belongs_to_what_it_claims(
    fail_on: Any, shift: float, outcome: str
) -> None:
    # On average exactly the margin is lost, and as much again by ``shift``.
    d = np.random.default_rng(4).normal(0, 0.1, 60)
    lost = (d - d.mean()) + 0.1 + shift
    a, b = arm([0.6] * 60, run_id="base"), arm((0.6 - lost).clip(0, 1).tolist())
    rule = Rule(id="r", metric="m", kind="noninferiority", margin=0.1, fail_on=fail_on)
    found = only(verdict(rule, b, a))
    assert found.outcome == outcome
    expected = ttest_1samp(-lost, -0.1 if fail_on == "margin" else 0, alternative="less").pvalue
    assert found.row.p == pytest.approx(expected, rel=0.3)


def test_the_p_of_no_equivalence_is_twice_the_smaller_of_the_two_margins() -> None:
    a, b = flags(2, 30, 68)
    rule = Rule(id="r", metric="m", kind="equivalence", margin=0.1)
    found = only(verdict(rule, b, a)).row
    # Adjusted Wald of Bonett and Price: p1 = 31/102, p2 = 3/102.
    p1, p2 = 31 / 102, 3 / 102
    se = math.sqrt((p1 + p2 - (p2 - p1) ** 2) / 102)
    assert found.p == pytest.approx(2 * norm.cdf(((p2 - p1) + 0.1) / se))


def test_differences_without_a_p_value_do_not_fail_a_margin() -> None:
    a, b = (arm({"t": metric([ms] * 60, time)}, run_id=str(ms)) for ms in (1.0, 9.0))
    wanted = Rule(id="r", metric="t", kind="equivalence", margin=1, fail_on="margin")
    for rule in (wanted, replace(wanted, kind="noninferiority")):
        assert only(verdict(rule, b, a)).reason == "degenerate"


def test_equivalence_is_shown_from_both_sides() -> None:
    rule = Rule(id="r", metric="m", kind="equivalence", margin=0.1)
    assert verdict(rule, *flags(10, 10, 380)[::-1]).verdict == "PASS"
    better = only(verdict(rule, *flags(150, 10, 240)[::-1]))
    assert better.outcome == "FAIL"
    worse = only(verdict(rule, *flags(10, 150, 240)[::-1]))
    assert worse.outcome == "FAIL"
    assert better.row.p == pytest.approx(worse.row.p or 0)


@pytest.mark.parametrize(
    ("a", "b", "wanted", "reason"),
    [
        ([0.8] * 30 + [0.9] * 30, [0.79] * 30 + [0.88] * 30, "PASS", None),
        ([0.8] * 30 + [0.9] * 30, [0.7] * 30 + [0.85] * 30, "FAIL", None),
        ([0.0] * 60, [0.0] * 59 + [0.5], "INCONCLUSIVE", "zero_baseline"),
    ],
)
def test_a_regression_in_percent_of_the_baseline(
    a: Any, b: Any, wanted: str, reason: str | None
) -> None:
    rule = Rule(id="r", metric="m", kind="regression_pct")
    found = only(verdict(rule, arm(b), arm(a)))
    assert (found.outcome, found.reason, found.row.value) == (wanted, reason, 5.0)


def test_a_fall_that_may_be_chance_is_inconclusive_and_says_what_would_tell() -> None:
    base, new = flags(10, 14, 176)
    found = only(verdict(Rule(id="r", metric="m", kind="regression_pct", drop=2), new, base))
    assert found.outcome == "INCONCLUSIVE"
    assert found.row.n_needed is not None
    flat = only(verdict(Rule(id="r", metric="m", kind="regression_pct", drop=0), new, base))
    assert (flat.outcome, flat.row.n_needed) == ("INCONCLUSIVE", None)
    point = Rule(id="r", metric="m", kind="regression_pct", drop=2, bound="point")
    assert verdict(point, new, base).verdict == "FAIL"


def test_a_metric_that_the_baseline_had_is_missing_now() -> None:
    base = arm({"m": metric([1.0] * 30), "n": metric([1.0] * 30, replace(unit, name="n"))})
    new = arm([1.0] * 30)
    rule = Rule(id="r", metric="n", kind="regression_pct")
    found = only(verdict(rule, new, base))
    assert (found.outcome, found.reason, found.row.p) == ("FAIL", "metric_missing", None)
    summary = SummaryBaseline(means={"n": 1.0})
    assert only(verdict(rule, new, summary)).reason == "metric_missing"
    with pytest.raises(ConfigError) as caught:
        verdict(replace(rule, kind="superiority"), new, base)
    assert caught.value.code == "unknown_metric"


# -- outcomes that no number can change


def test_paired_rules_need_a_baseline_with_rows_and_the_same_ruler() -> None:
    run = arm([1.0] * 60)
    other = arm([1.0] * 60, facts=replace(unit, fingerprint="older"))
    bare = arm({"x": metric([1.0] * 60, replace(unit, name="x"))})
    reasons = [
        only(verdict(not_worse, run)).reason,
        only(verdict(not_worse, run, other)).reason,
        only(verdict(not_worse, run, bare)).reason,
        only(verdict(not_worse, run, SummaryBaseline(means={"m": 1.0}))).reason,
    ]
    assert reasons == ["no_baseline", "ruler_changed", "no_baseline", "summary_baseline"]
    assert verdict(not_worse, run).verdict == "INCONCLUSIVE"
    assert verdict(replace(not_worse, tier="supporting"), run).verdict == "PASS"


@pytest.mark.parametrize(
    ("means", "wanted", "reason"),
    [
        ({"m": 0.52}, "PASS", None),
        ({"m": 0.6}, "FAIL", None),
        ({"m": 0.0}, "INCONCLUSIVE", "zero_baseline"),
        ({}, "INCOMPLETE", "not_computed"),
    ],
)
def test_a_summary_baseline_allows_plain_numbers_only(
    means: Mapping[str, float], wanted: str, reason: str | None
) -> None:
    run = arm([1.0, 0.0] * 30)
    rule = Rule(id="r", metric="m", kind="regression_pct", bound="point")
    found = verdict(rule, run, SummaryBaseline(means=means))
    assert (found.verdict, only(found).reason, found.baseline) == (wanted, reason, "embedded")


def test_a_judge_without_certificate_cannot_gate() -> None:
    run = Judged(arm=arm([1.0] * 60), uncertified=frozenset({"m"}))
    found = only(verdict(floor, run))
    assert (found.outcome, found.reason) == ("INCONCLUSIVE", "judge_uncertified")
    assert only(verdict(replace(floor, tier="advisory"), run)).outcome == "PASS"
    allowed = verdict(floor, run, require_certificate=False)
    assert allowed.verdict == "PASS"
    assert allowed.warnings[0].startswith("uncertified_judge:")


@pytest.mark.parametrize(
    ("values", "count", "gate", "needed"),
    [
        ([1.0, 0.0], 19, {}, 20),
        ([0.7, 0.6], 49, {}, 50),
        ([1.0, 0.0], 59, {"min_pairs": 60}, 60),
    ],
)
def test_few_cases_decide_nothing(values: Any, count: int, gate: Any, needed: int) -> None:
    run = arm((values * count)[:count])
    found = only(verdict(replace(not_worse, margin=0.9), run, run, **gate))
    assert (found.outcome, found.reason) == ("INCONCLUSIVE", "insufficient_data")
    assert found.row.n_needed == needed
    assert (
        only(verdict(replace(not_worse, margin=0.9, min_pairs=count), run, run)).outcome == "PASS"
    )


def test_no_case_at_all_decides_nothing() -> None:
    nothing = arm(["na"] * 30)
    assert only(verdict(floor, nothing)).reason == "insufficient_data"
    assert only(verdict(not_worse, nothing, nothing)).reason == "insufficient_data"
    one = only(verdict(replace(floor, min_pairs=2), arm([1.0])))
    assert one.reason == "insufficient_data"


def test_fewer_than_ten_clusters_decide_nothing() -> None:
    of = cases(90, cluster=[f"k{i % 9}" for i in range(90)])
    run = arm([1.0, 0.9] * 45, of=of)
    found = only(verdict(floor, run))
    assert (found.reason, found.row.n_needed, found.row.n_clusters) == (
        "insufficient_data",
        None,
        9,
    )


def test_equal_differences_of_an_unbounded_metric_are_degenerate() -> None:
    a, b = (arm({"t": metric([float(x + k) for x in range(60)], time)}) for k in (0, 1))
    found = only(verdict(Rule(id="r", metric="t", kind="noninferiority", margin=5), b, a))
    assert (found.outcome, found.reason) == ("INCONCLUSIVE", "degenerate")
    same = arm({"t": metric([7.0] * 60, time)})
    alone = only(verdict(Rule(id="r", metric="t", kind="threshold", value=9), same))
    assert (alone.reason, alone.row.l1) == ("degenerate", None)


# -- missing cases


def test_few_missing_cases_leave_the_outcome_and_are_flagged_when_they_could_turn_it() -> None:
    base, new = flags(10, 10, 176, missing=4)
    safe = verdict(not_worse, new, base)
    assert (safe.verdict, only(safe).row.fragile, safe.warnings) == ("PASS", False, ())
    assert (only(safe).row.v_minus, only(safe).row.v_plus) == ("PASS", "PASS")
    assert only(safe).row.n_missing_b == 4
    base, new = flags(10, 10, 73, missing=4)
    close = verdict(replace(not_worse, margin=0.085), new, base)
    row = only(close).row
    assert (close.verdict, row.fragile, row.v_minus, row.v_plus) == (
        "PASS", True, "INCONCLUSIVE", "PASS",
    )  # fmt: skip
    assert close.warnings == ("fragile: r: the missing cases could turn the outcome",)


def test_many_missing_cases_make_a_rule_incomplete_unless_they_could_not_matter() -> None:
    base, new = flags(10, 10, 80, missing=20)
    found = verdict(replace(not_worse, margin=0.2), new, base)
    assert (found.verdict, only(found).reason) == ("INCOMPLETE", "too_many_missing")
    assert found.reasons == ("r",)
    assert found.warnings[-1].startswith("missing_imbalance: r:")
    hopeless = verdict(not_worse, *flags(0, 60, 20, missing=10)[::-1])
    assert (hopeless.verdict, only(hopeless).row.fragile) == ("FAIL", False)
    assert (
        verdict(not_worse, *flags(10, 10, 176, missing=1)[::-1], max_missing=0.0).verdict == "PASS"
    )


def test_missing_cases_of_an_unbounded_metric_cannot_be_imagined() -> None:
    values: list[Any] = np.linspace(90, 110, 90).tolist()
    rule = Rule(id="r", metric="t", kind="threshold", value=120)
    run = arm({"t": metric([*values, *[None] * 10], time)})
    found = only(verdict(rule, run))
    assert (found.outcome, found.row.v_minus, found.row.v_plus) == ("INCOMPLETE", None, None)
    fine = only(verdict(rule, run, max_missing=0.1))
    assert (fine.outcome, fine.row.fragile) == ("PASS", False)


def test_missing_cases_count_against_plain_numbers_too() -> None:
    rule = Rule(id="r", metric="m", kind="threshold", value=0.85, bound="point")
    run = arm([*[1.0] * 90, *[None] * 10])
    assert verdict(rule, run).verdict == "PASS"
    found = only(verdict(replace(rule, value=0.95), run))
    assert (found.outcome, found.row.v_minus, found.row.v_plus) == ("INCOMPLETE", "FAIL", "PASS")


@pytest.mark.parametrize(
    ("missing", "failed", "wanted"),
    [(4, 0, "PASS"), (5, 0, "PASS"), (6, 0, "INCOMPLETE"), (0, 5, "PASS"), (1, 5, "INCOMPLETE")],
)
def test_coverage_counts_what_was_scored(missing: int, failed: int, wanted: str) -> None:
    rule = Rule(id="r", metric="m", kind="coverage", min=0.95)
    scored = [1.0] * (100 - missing - failed)
    run = arm([*["na"] * 10, *scored, *["failed"] * failed, *[None] * missing, "not planned"])
    found = verdict(rule, run, max_missing=0.0)
    assert found.verdict == wanted
    assert only(found).row.mean_b == pytest.approx(1 - (missing + failed) / 100)


def test_nothing_to_cover_is_not_covered() -> None:
    rule = Rule(id="r", metric="m", kind="coverage")
    assert only(verdict(rule, arm(["na"] * 3))).reason == "low_coverage"


def test_a_run_that_never_finished_is_incomplete_when_too_much_is_missing() -> None:
    run = arm([*[1.0] * 90, *[None] * 10])
    rule = Rule(id="r", metric="m", kind="threshold", value=0.5)
    assert verdict(rule, Judged(arm=run)).verdict == "PASS"
    unfinished = verdict(rule, Judged(arm=run, finished=False))
    assert (unfinished.verdict, unfinished.reasons, unfinished.exit_code) == ("INCOMPLETE", (), 4)
    assert unfinished.warnings[0].startswith("unfinished_run:")
    assert sentence(unfinished) == "INCOMPLETE: the run is not finished."
    within = verdict(rule, Judged(arm=run, finished=False), max_missing=0.1)
    assert within.verdict == "PASS"


# -- names of the whole suite


totals = {"cost_total": 2.0, "cost_per_case": 0.02, "latency_p95": 900.0, "refusal_rate": None}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("pass_rate", 0.9, "PASS"),
        ("pass_rate", 0.91, "FAIL"),
        ("m_mean", 0.9, "PASS"),
        ("m_pass_rate", 0.9, "PASS"),
        ("m_p5", 0.0, "PASS"),
        ("m_p25", 1.1, "FAIL"),
        ("m_p95", 1.0, "PASS"),
        ("m_median", 1.0, "PASS"),
        ("cost_total", 2.0, "PASS"),
        ("cost_total", 1.99, "FAIL"),
        ("cost_per_case", 0.03, "PASS"),
        ("latency_p95", 800, "FAIL"),
        ("missing_rate", 0.0, "PASS"),
        ("refusal_rate", 0.1, "INCOMPLETE"),
        ("truncation_rate", 0.1, "INCOMPLETE"),
    ],
)
def test_numbers_of_the_whole_suite_are_compared_as_they_stand(
    name: str, value: float, wanted: str
) -> None:
    run = Judged(arm=arm([1.0] * 90 + [0.0] * 10), totals=totals)
    assert (
        judge(gate_of_thresholds({name: value * (100 if name == "pass_rate" else 1)}), run).verdict
        == wanted
    )


def test_a_suite_number_of_a_run_with_holes_is_incomplete() -> None:
    run = Judged(arm=arm([*[1.0] * 9, None]), totals=totals)
    assert judge(gate_of_thresholds({"cost_total": 3.0}), run).verdict == "INCOMPLETE"
    missing = judge(gate_of_thresholds({"missing_rate": 0.2}), run)
    assert (missing.verdict, only(missing).row.mean_b) == ("PASS", 0.1)
    empty = Judged(arm=arm([]))
    assert judge(gate_of_thresholds({"missing_rate": 0.2}), empty).verdict == "PASS"


def test_the_latency_metric_answers_for_the_latency_of_the_suite() -> None:
    facts = replace(time, name="latency")
    run = Judged(arm=arm({"latency": metric([100.0] * 99 + [900.0], facts)}))
    assert judge(gate_of_thresholds({"latency_p95": 100.0}), run).verdict == "PASS"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (Rule(id="r", metric="n", kind="threshold", value=1), "unknown_metric"),
        (Rule(id="r", metric="m_maen", kind="threshold", value=1), "unknown_metric"),
        (Rule(id="r", metric="l", kind="threshold", value=1), "metric_not_gated"),
        (Rule(id="r", metric="cost_total", kind="threshold", value=1, bound="ci"), "no_interval"),
        (Rule(id="r", metric="m_p95", kind="threshold", value=1, bound="ci"), "no_interval"),
        (Rule(id="r", metric="m_p95", kind="superiority"), "no_interval"),
        (Rule(id="r", metric="cost_total", kind="superiority"), "no_interval"),
    ],
)
def test_a_rule_that_cannot_be_asked_is_an_error(rule: Rule, code: str) -> None:
    length = MetricFacts(name="l", type="l", fingerprint="f", scale=Scale(direction="none"))
    run = arm({"m": metric([1.0] * 3), "l": metric([1.0] * 3, length)})
    with pytest.raises(ConfigError) as caught:
        verdict(rule, run, run)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("rule", "baseline"),
    [
        (Rule(id="r", metric="cost_total", kind="threshold", value=1, slices=("tags",)), None),
        (
            Rule(id="r", metric="m", kind="regression_pct", bound="point", slices=("tags",)),
            SummaryBaseline(means={"m": 0.5}),
        ),
    ],
)
def test_a_number_of_the_whole_suite_has_no_slices(rule: Rule, baseline: Any) -> None:
    run = Judged(arm=arm([1.0] * 40, of=cases(40, tags=("a",))), totals=totals)
    with pytest.raises(ConfigError, match="cannot have slices") as caught:
        verdict(rule, run, baseline)
    assert caught.value.code == "conflicting_fields"
    assert verdict(replace(rule, slices=()), run, baseline).rules


def test_a_wrong_name_is_shown_with_the_nearest_one() -> None:
    rule = Rule(id="r", metric="blue_mean", kind="threshold", value=1)
    run = arm({"bleu": metric([1.0], replace(unit, name="bleu"))})
    with pytest.raises(ConfigError, match="did you mean 'bleu_mean'"):
        verdict(rule, run)


def test_runs_of_other_suites_are_an_error() -> None:
    run = arm([1.0] * 30)
    with pytest.raises(ConfigError) as caught:
        verdict(not_worse, run, arm([1.0] * 50))
    assert caught.value.code == "not_comparable"
    found = judge(
        Gate(rules=(not_worse,)),
        Judged(arm=run),
        baseline=Judged(arm=arm([1.0] * 50)),
        allow_partial=True,
    )
    assert only(found).row.unpaired_a == 0
    assert only(found).row.n_pairs == 30


# -- slices


def test_a_rule_says_nothing_when_many_cases_are_measured_in_another_way() -> None:
    a, b = flags(2, 0, 58)
    own = dict.fromkeys(range(7), Ruler(fingerprint="other", threshold=0.5))
    changed = replace(b, metrics={"m": replace(b.metrics["m"], own=own)})
    rule = Rule(id="r", metric="m", kind="noninferiority", margin=0.2)
    assert only(verdict(rule, b, a)).outcome == "PASS"
    assert only(verdict(rule, changed, a)).reason == "ruler_changed"


def test_each_value_of_a_slice_is_a_demand_of_its_own() -> None:
    of = cases(100, tags=[("x",)] * 60 + [("y",)] * 35 + [("z",)] * 5)
    run = arm([1.0] * 60 + [0.0] * 35 + [1.0] * 5, of=of)
    rule = Rule(id="r", metric="m", kind="threshold", value=0.5, slices=("tags", "split"))
    found = verdict(rule, run)
    assert [(one.slice, one.row.tier, one.outcome, one.reason) for one in found.rules] == [
        (None, "critical", "PASS", None),
        ("tags=x", "critical", "PASS", None),
        ("tags=y", "critical", "FAIL", None),
        ("tags=(small)", "advisory", "INCONCLUSIVE", "small_slice"),
    ]
    assert (found.verdict, found.reasons, found.family_size) == ("FAIL", ("r",), 3)
    assert found.warnings == ("empty_slice: r: no case has a value of 'split'",)
    assert sentence(found) == "FAIL: r on tags=y, mean 0."


def test_slices_of_pairs_follow_the_cases_of_the_challenger() -> None:
    base, new = flags(0, 40, 40)
    of = cases(80, split=["hard"] * 40 + ["easy"] * 40)
    found = verdict(
        replace(not_worse, slices=("split",)), replace(new, cases=of), replace(base, cases=of)
    )
    assert [(one.slice, one.outcome, one.row.n_pairs) for one in found.rules] == [
        (None, "FAIL", 80),
        ("split=easy", "PASS", 40),
        ("split=hard", "FAIL", 40),
    ]


# -- the object


def test_the_verdict_object_has_exactly_the_fields_of_the_specification() -> None:
    base, new = flags(5, 30, 65)
    found = verdict(not_worse, new, base)
    document = found.as_json()
    assert list(document) == [
        *("verdict", "exit_code", "reasons", "rules", "gate_digest", "alpha", "family_size"),
        *("baseline", "warnings"),
    ]
    assert list(document["rules"][0]) == [
        *(
            "id",
            "metric",
            "slice",
            "kind",
            "tier",
            "outcome",
            "reason",
            "n_pairs",
            "mean_a",
            "mean_b",
        ),
        *("diff", "ci", "l1", "u1", "p", "p_adj", "margin", "value", "mde", "n_needed"),
        *("repeats_needed", "fragile", "v_minus", "v_plus"),
    ]
    assert (document["verdict"], document["exit_code"], document["reasons"]) == ("FAIL", 1, ["r"])
    assert document["rules"][0]["ci"] == [only(found).row.ci_low, only(found).row.ci_high]
    assert document["gate_digest"] == Gate(rules=(not_worse,)).digest


@pytest.mark.parametrize(
    ("word", "code"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3), ("INCOMPLETE", 4)]
)
def test_every_verdict_has_its_exit_code(word: Any, code: int) -> None:
    found = Verdict(
        verdict=word,
        reasons=(),
        rules=(),
        gate_digest="g",
        alpha=0.05,
        family_size=0,
        baseline=None,
    )
    assert found.exit_code == code


def test_a_verdict_is_said_in_one_sentence() -> None:
    base, new = flags(5, 30, 65)
    assert sentence(verdict(not_worse, new, base)) == "FAIL: r, difference -0.25 over 100 pairs."
    assert sentence(verdict(not_worse, base, base)) == "PASS: all 1 rules hold or do not count."
    assert sentence(verdict(not_worse, new)) == "INCONCLUSIVE: r (no_baseline)."
