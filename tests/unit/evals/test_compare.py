"""Two runs side by side: which cases are the same, what differs, and how that is said."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals import table
from pipex_core.evals.arms import Arm, CaseFacts, MetricFacts, Ruler
from pipex_core.evals.compare import compare, flips, sentence
from pipex_core.evals.pairs import comparable, match, metric_of, sample
from pipex_core.evals.passing import pass_flags, passed_of
from pipex_core.evals.regressions import regressions, regressions_of_means
from pipex_core.stats.estimates import Scale
from tests.fakes.arms import arm, cases, flags, metric, time, unit


def facts(*pairs: tuple[str, str]) -> list[CaseFacts]:
    return [CaseFacts(id=i, case_hash=h) for i, h in pairs]


def empty(*pairs: tuple[str, str]) -> Arm:
    return arm([1.0] * len(pairs), of=facts(*pairs))


def test_cases_match_by_id_with_equal_content_then_by_content() -> None:
    a = empty(("a", "1"), ("b", "2"), ("c", "3"), ("d", "3"), ("e", "5"))
    b = empty(("a", "1"), ("b", "9"), ("x", "3"), ("y", "3"), ("z", "2"))
    found = match(a, b)
    assert [(a.cases[i].id, b.cases[j].id) for i, j in zip(found.a, found.b, strict=True)] == [
        ("a", "a"),
        ("c", "x"),
        ("d", "y"),
        ("b", "z"),
    ]
    assert (found.only_a, found.only_b, found.renamed) == (1, 1, 3)
    assert found.overlap == 0.8


def test_runs_that_share_too_few_cases_are_not_compared() -> None:
    a, b = arm([1.0] * 20), arm([1.0] * 17)
    with pytest.raises(ConfigError, match="share 17 cases of 20 and 17") as caught:
        comparable(a, b)
    assert caught.value.code == "not_comparable"
    assert len(comparable(a, b, allow_partial=True).a) == 17
    assert len(comparable(a, b, min_overlap=0.85).a) == 17
    with pytest.raises(ConfigError):
        comparable(empty(("a", "1")), empty(("b", "2")), allow_partial=True)
    with pytest.raises(ConfigError):
        comparable(arm([]), arm([]))


def test_every_case_is_a_pair_or_counted_with_its_reason() -> None:
    a = arm([1.0, "na", None, "failed", 1.0, 0.5, "not planned"])
    b = arm([0.5, 1.0, 0.5, 1.0, None, "na", 1.0])
    (row,) = compare(a, b)
    # Pairs: case 0 (0.5 - 1) and case 3, whose failure counts as the worst value (1 - 0).
    assert (row.n_pairs, row.n_wins, row.n_ties, row.n_losses) == (2, 1, 0, 1)
    assert (row.n_missing_a, row.n_missing_b) == (1, 1)
    assert row.excluded == {"not_applicable_a": 1, "not_applicable_b": 1, "not_planned_a": 1}
    assert row.n_excluded == 5
    assert row.diff == pytest.approx(0.25)


def test_a_failure_without_a_worst_value_stays_out_of_the_pairs() -> None:
    a, b = arm({"t": metric([1.0, 2.0], time)}), arm({"t": metric([2.0, "failed"], time)})
    (row,) = compare(a, b)
    assert (row.n_pairs, row.diff, row.excluded) == (1, -1.0, {"failure_without_value_b": 1})


def test_differences_are_turned_so_that_positive_is_better() -> None:
    slow, fast = (
        arm({"t": metric([10.0] * 30 + [12.0] * 30, time)}),
        arm({"t": metric([9.0] * 60, time)}),
    )
    (row,) = compare(slow, fast)
    assert (row.outcome, row.n_wins, row.mean_a, row.mean_b) == ("better", 60, 11.0, 9.0)
    assert row.diff == pytest.approx(2.0)
    (back,) = compare(fast, slow)
    assert back.outcome == "worse"
    assert back.diff == pytest.approx(-2.0)


def test_flags_are_compared_by_mcnemar() -> None:
    a, b = flags(2, 12, 50)
    (row,) = compare(a, b)
    # P(X >= 12) - P(X = 12)/2 with X ~ Bin(14, 1/2), doubled: 2·(106 - 91/2)/2^14.
    assert row.p == pytest.approx(2 * (106 - 45.5) / 2**14)
    assert (row.outcome, row.effect_kind, row.effect) == ("worse", "odds_ratio", 2.5 / 12.5)
    assert (row.method, row.family, row.family_size) == ("bonett_price", "exploratory", 1)


def test_p_values_of_all_rows_are_adjusted_together() -> None:
    a, b = flags(2, 12, 50)
    same = metric([1.0, 0.0] * 32)
    two_a = replace(a, metrics={"m": a.metrics["m"], "n": same})
    two_b = replace(b, metrics={"m": b.metrics["m"], "n": same})
    first, second = compare(two_a, two_b)
    (alone,) = compare(a, b)
    assert first.p_adj == pytest.approx(2 * (alone.p or 0))
    assert (second.p, second.p_adj, second.outcome) == (1.0, 1.0, "cannot_tell")
    assert first.family_size == 2


def test_a_metric_is_compared_under_one_fingerprint_only() -> None:
    a = arm([1.0] * 30)
    b = arm([0.0] * 30, facts=replace(unit, fingerprint="other"))
    (row,) = compare(a, b)
    assert (row.outcome, row.reason, row.p, row.mean_b) == (
        "cannot_tell",
        "ruler_changed",
        None,
        None,
    )
    assert "the metric itself changed" in sentence(row)


def test_a_metric_that_the_baseline_lacks_cannot_be_compared() -> None:
    b = arm({"m": metric([1.0]), "n": metric([1.0], replace(unit, name="n"))})
    rows = compare(arm([1.0]), b)
    assert [(row.metric, row.reason) for row in rows] == [
        ("m", "too_few_units"),
        ("n", "metric_missing"),
    ]


def test_informative_metrics_are_compared_only_when_asked_for() -> None:
    length = MetricFacts(name="l", type="l", fingerprint="f", scale=Scale(direction="none"))
    a = arm({"l": metric([0.5, 0.6], length)})
    assert compare(a, a) == []
    assert [row.metric for row in compare(a, a, metrics=["l"])] == ["l"]


def test_an_unknown_metric_is_an_error() -> None:
    with pytest.raises(ConfigError, match="it has m") as caught:
        compare(arm([1.0]), arm([1.0]), metrics=["n"])
    assert caught.value.code == "unknown_metric"
    with pytest.raises(ConfigError, match="it has none"):
        metric_of(replace(arm([1.0]), metrics={}), "m")


def test_slices_come_after_the_whole_and_small_ones_are_put_together() -> None:
    of = cases(60, tags=[("x",)] * 40 + [("y",)] * 15 + [("z",)] * 5)
    a, b = arm([0.0] * 60, of=of), arm([1.0] * 40 + [0.0] * 20, of=of)
    rows = compare(a, b, by=["tags"])
    assert [(row.slice_by, row.slice, row.n_pairs) for row in rows] == [
        (None, None, 60),
        ("tags", "x", 40),
        ("tags", "(small)", 20),
    ]
    assert rows[1].diff == 1.0
    assert sentence(rows[1]).startswith("m on tags=x: better by 1")


def test_the_pass_rate_is_compared_like_a_metric() -> None:
    a, b = flags(2, 12, 50)
    (row,) = compare(a, b, metrics=["pass_rate"])
    assert (row.stat, row.n_losses, row.outcome) == ("pass_rate", 12, "worse")
    other = replace(b, metrics={"m": replace(b.metrics["m"], facts=replace(unit, threshold=0.6))})
    (changed,) = compare(a, other, metrics=["pass_rate"])
    assert changed.reason == "ruler_changed"


def test_undetermined_cases_have_no_pass_flag() -> None:
    run = arm([1.0, 0.0, "na", None])
    found = pass_flags(run)
    assert found.states == ["scored", "scored", "na", "missing"]
    assert found.values[:2].tolist() == [1.0, 0.0]
    assert math.isnan(found.values[2])
    own = passed_of(metric([1.0, 0.2, None, "na"]))
    assert (own.states, own.values[:2].tolist()) == (
        ["scored", "scored", "missing", "na"],
        [1.0, 0.0],
    )
    bare = passed_of(metric([1.0, "not planned"], replace(unit, threshold=None)))
    assert bare.states == ["na", None]


def test_a_case_is_open_while_a_metric_that_passing_depends_on_is() -> None:
    optional = replace(unit, name="o", required=False)
    run = replace(
        arm({"m": metric([1.0, None, None]), "o": metric([None, 1.0, "na"], optional)}),
        passed=[True, None, None],
        missing=[False, False, False],
    )
    assert pass_flags(run).states == ["scored", "missing", "missing"]


def test_passing_under_another_threshold_is_measured_with_another_ruler() -> None:
    strict = passed_of(metric([1.0], replace(unit, threshold=0.9)))
    assert strict.facts.fingerprint != passed_of(metric([1.0])).facts.fingerprint


def with_own(run: Arm, count: int, ruler: Ruler) -> Arm:
    """The same run with the first cases measured in their own way."""
    own = dict.fromkeys(range(count), ruler)
    return replace(run, metrics={"m": replace(run.metrics["m"], own=own)})


@pytest.mark.parametrize(
    ("changed", "excluded", "reason"), [(5, {"ruler_changed": 5}, None), (7, {}, "ruler_changed")]
)
def test_pairs_whose_cases_are_measured_in_two_ways_are_left_out(
    changed: int, excluded: Any, reason: str | None
) -> None:
    a, b = flags(2, 12, 50)
    other = with_own(b, changed, Ruler(fingerprint="g", threshold=0.5))
    for name in ("m", "pass_rate"):
        (row,) = compare(a, other, metrics=[name])
        assert (row.excluded, row.reason) == (excluded, reason)
    same = with_own(a, changed, Ruler(fingerprint="g", threshold=0.5))
    (kept,) = compare(same, other, metrics=["m"])
    assert (kept.n_pairs, kept.excluded) == (64, {})


def test_a_case_that_a_metric_does_not_ask_passes_by_another_ruler() -> None:
    asked, unasked = metric([1.0] * 10), metric(["not planned", *[1.0] * 9])
    both, fewer = (
        arm({"m": metric([1.0] * 10), "n": replace(one, facts=replace(unit, name="n"))})
        for one in (asked, unasked)
    )
    assert pass_flags(both).ruler(0) != pass_flags(fewer).ruler(0)
    assert pass_flags(both).ruler(1) == pass_flags(fewer).ruler(1)


def test_clusters_are_the_independent_units() -> None:
    of = cases(60, cluster=[f"k{i // 5}" for i in range(60)])
    rng = np.random.default_rng(5)
    a = arm(rng.random(60).tolist(), of=of)
    b = arm(rng.random(60).tolist(), of=of)
    (row,) = compare(a, b)
    assert (row.n_pairs, row.n_clusters, row.method) == (60, 12, "t_hall")


def test_resampling_is_seeded_by_content() -> None:
    skewed = replace(time, scale=replace(time.scale, skewed=True))
    rng = np.random.default_rng(7)
    a = arm({"t": metric(rng.lognormal(size=40).tolist(), skewed)})
    b = arm({"t": metric(rng.lognormal(size=40).tolist(), skewed)})
    (first,), (second,) = compare(a, b), compare(a, b)
    assert first == second
    assert first.method == "bca"


def test_a_row_holds_the_columns_of_the_table() -> None:
    rows = compare(*flags(2, 12, 50))
    made = table.record_batch("comparisons", [row.as_row() for row in rows])
    assert set(rows[0].as_row()) == set(table.schema("comparisons").names)
    assert made.num_rows == 1


def test_flips_are_the_cases_whose_passed_changed_worst_first() -> None:
    a = arm([0.9, 0.1, 0.6, 0.7, None, 0.2])
    b = arm([0.1, 0.8, 0.4, 0.8, 0.1, 0.3])
    found = flips(a, b, "m")
    assert [(flip.case_id, flip.passed_a, flip.passed_b) for flip in found] == [
        ("c000", True, False),
        ("c002", True, False),
        ("c001", False, True),
    ]
    assert found[0].change == pytest.approx(-0.8)
    assert flips(a, b, "pass_rate", matched=match(a, b))[0].change == -1.0


@pytest.mark.parametrize(
    ("wins", "losses", "ties", "start"),
    [
        (12, 2, 50, "m: better by 0.156 (95% interval +0.0"),
        (2, 12, 50, "m: worse by 0.156 (95% interval -0.2"),
        (5, 4, 41, "m: cannot tell: +0.02 (95% interval -0.1"),
        (4, 4, 42, "m: cannot tell: 0 (95% interval -0.119 to +0.119, p = 1"),
    ],
)
def test_a_comparison_says_in_words_what_it_shows(
    wins: int, losses: int, ties: int, start: str
) -> None:
    assert sentence(compare(*flags(wins, losses, ties))[0]).startswith(start)


def test_what_would_tell_is_said() -> None:
    (open_question,) = compare(*flags(5, 4, 41))
    # (1.96 + 0.8416)² · 50 · se² / 0.02², se of Bonett and Price
    p1, p2 = 5 / 52, 6 / 52
    se2 = (p1 + p2 - (p2 - p1) ** 2) / 52
    assert open_question.n_needed == math.ceil((1.959964 + 0.841621) ** 2 * 50 * se2 / 0.02**2)
    assert f"about {open_question.n_needed:,} cases would tell" in sentence(open_question)
    (tie,) = compare(*flags(4, 4, 42))
    assert "a true difference of 0.15" in sentence(tie)


def test_runs_that_agree_everywhere_say_so() -> None:
    same = arm([0.25, 0.5, 0.75])
    assert sentence(compare(same, same)[0]).endswith("the runs do not differ in any case.")


def test_a_comparison_without_pairs_says_why() -> None:
    (row,) = compare(arm([None, 1.0]), arm([1.0, None]))
    assert (row.reason, row.n_missing_a, row.n_missing_b) == ("no_pairs", 1, 1)
    assert sentence(row) == "m: cannot tell: no case has a value in both runs."
    shifted = arm({"t": metric([1.0, 2.0], time)}), arm({"t": metric([2.0, 3.0], time)})
    assert "nothing is known about their spread" in sentence(compare(*shifted)[0])


def test_a_sample_can_be_asked_for_some_cases() -> None:
    a, b = arm([1.0, 0.5, 0.0]), arm([0.0, 0.5, 1.0])
    pairs = sample(match(a, b), a.metrics["m"], b.metrics["m"], cases=b.cases, within=[1, 2])
    assert (pairs.a.tolist(), pairs.b.tolist()) == ([0.5, 0.0], [0.5, 1.0])
    none = sample(match(a, b), a.metrics["m"], b.metrics["m"], cases=b.cases, within=[])
    assert (none.missing_share, none.missing_a) == (0.0, 0)


# -- regressions


def two(values_a: Any, values_b: Any, base: MetricFacts = unit) -> tuple[Arm, Arm]:
    return arm({base.name: metric(values_a, base)}), arm({base.name: metric(values_b, base)})


def test_a_shown_fall_of_more_than_five_percent_is_a_regression() -> None:
    rng = np.random.default_rng(1)
    high = 0.8 + 0.1 * rng.random(60)
    (found,) = regressions(*two(high.tolist(), (high - 0.1 - 0.02 * rng.random(60)).tolist()))
    assert (found.metric, found.verdict, found.significant) == ("m", "FAIL", True)
    assert found.baseline_mean == pytest.approx(high.mean())
    assert found.percent_change == pytest.approx(
        100 * ((found.current_mean or 0) / high.mean() - 1)
    )


def test_a_fall_that_may_be_chance_cannot_tell() -> None:
    (found,) = regressions(*flags(4, 7, 20))
    assert (found.verdict, found.significant) == ("INCONCLUSIVE", False)


def test_small_falls_gains_and_ties_are_no_regressions() -> None:
    assert regressions(*flags(7, 4, 40)) == []
    assert regressions(*flags(0, 0, 40)) == []
    assert regressions(*two([1.0] * 100, [0.97] * 100)) == []


def test_a_metric_that_is_gone_is_a_regression_without_a_number() -> None:
    a = arm({"m": metric([0.5, 1.0]), "n": metric([None], replace(unit, name="n"))})
    (m, n) = regressions(a, replace(a, metrics={}))
    assert (m.metric, m.baseline_mean, m.percent_change, m.verdict) == ("m", 0.75, None, "FAIL")
    assert n.baseline_mean is None


def test_a_fall_from_zero_has_no_percentage() -> None:
    gain = MetricFacts(name="g", type="g", fingerprint="g", scale=Scale(low=-1.0))
    rng = np.random.default_rng(2)
    (found,) = regressions(*two([0.0] * 60, (-0.5 * rng.random(60)).tolist(), gain))
    assert (found.percent_change, found.significant, found.verdict) == (None, True, "INCONCLUSIVE")


def test_metrics_that_cannot_be_compared_are_no_regressions() -> None:
    length = MetricFacts(name="l", type="l", fingerprint="f", scale=Scale(direction="none"))
    assert regressions(*two([1.0] * 3, [0.0] * 3, length)) == []
    a, b = two([1.0] * 3, [0.0] * 3)
    other = replace(b, metrics={"m": metric([0.0] * 3, replace(unit, fingerprint="other"))})
    assert regressions(a, other) == []
    assert regressions(replace(a, metrics={}), b) == []
    assert regressions(*two([None] * 3, [0.0] * 3)) == []


def test_a_shift_of_an_unbounded_metric_cannot_be_tested() -> None:
    (found,) = regressions(*two([10.0] * 60, [11.0] * 60, time))
    assert (found.significant, found.p_adj, found.verdict) == (None, None, "INCONCLUSIVE")
    assert found.percent_change == pytest.approx(-10.0)


def test_falls_are_adjusted_together_and_the_surest_come_first() -> None:
    a, b = flags(3, 12, 20)
    weak_a, weak_b = flags(5, 9, 21)
    names = {"m": (a, b), "weak": (weak_a, weak_b)}
    both = [
        arm(
            {
                n: replace(pair[k].metrics["m"], facts=replace(unit, name=n))
                for n, pair in names.items()
            }
        )
        for k in (0, 1)
    ]
    (alone,) = regressions(a, b)
    first, second = regressions(*both)
    assert [first.metric, second.metric] == ["m", "weak"]
    assert first.p_adj == pytest.approx(2 * (alone.p_adj or 0))
    assert (first.verdict, second.verdict) == ("FAIL", "INCONCLUSIVE")


def test_means_without_rows_show_a_fall_and_prove_nothing() -> None:
    found = regressions_of_means(
        {
            "a": 0.8,
            "b": 0.8,
            "t": 100.0,
            "gone": 0.5,
            "unscored": 0.5,
            "l": 9.0,
            "zero": 0.0,
            "same": 0.0,
        },
        {"a": 0.7, "b": 0.77, "t": 110.0, "unscored": None, "l": 1.0, "zero": -0.1, "same": 0.0},
        directions={"t": "lower", "l": "none"},
    )
    assert [
        (one.metric, one.percent_change and round(one.percent_change, 6), one.verdict)
        for one in found
    ] == [
        ("gone", None, "FAIL"),
        ("unscored", None, "FAIL"),
        ("a", -12.5, "INCONCLUSIVE"),
        ("t", -10.0, "INCONCLUSIVE"),
        ("zero", None, "INCONCLUSIVE"),
    ]
    assert {one.significant for one in found} == {None}
