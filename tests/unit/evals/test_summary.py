"""Denominators and summaries, on examples small enough to be computed by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.evals import arms, summary, table
from pipex_core.evals.arms import Arm, MetricFacts
from pipex_core.evals.reducers import statistics
from pipex_core.evals.results import ResponseRow, ScoreRow, classes
from pipex_core.stats.estimates import Scale

unit = MetricFacts(name="m", type="m", fingerprint="f", scale=Scale(), threshold=0.5)
open_ended = MetricFacts(
    name="m", type="m", fingerprint="f", scale=Scale(low=0.0, high=float("inf"), direction="lower")
)


def response(case_id: str, status: Any = "ok", **changes: Any) -> ResponseRow:
    facts: dict[str, Any] = {
        "case_id": case_id,
        "repeat": 0,
        "case_hash": f"hash-{case_id}",
        "input_hash": "i",
        "reference_hash": "r",
        "response_key": "k",
        "response_hash": "h",
        "status": status,
        "response_class": classes[status],
        "input": "q",
    }
    return ResponseRow(**{**facts, **changes})


def score(case_id: str, value: float | None, code: str | None = None, **changes: Any) -> ScoreRow:
    facts: dict[str, Any] = {
        "case_id": case_id,
        "repeat": 0,
        "metric": "m",
        "metric_type": "m",
        "metric_version": 1,
        "metric_fingerprint": "f",
        "score_key": "s",
        "score": value,
        "status": "unscored" if code else "scored",
        "code": code,
        "threshold": 0.5,
    }
    return ScoreRow(**{**facts, **changes})


def arm(
    responses: Sequence[ResponseRow],
    scores: Sequence[ScoreRow],
    facts: MetricFacts = unit,
    **options: Any,
) -> Arm:
    return arms.arm_of(
        table.joined("responses", [table.response_batch(responses)]),
        table.joined("scores", [table.score_batch(scores)]),
        [facts],
        run_id="ev_1",
        **options,
    )


def five_cases() -> tuple[list[ResponseRow], list[ScoreRow]]:
    """1.0, 0.4, a target failure, an outage and a case without reference."""
    responses = [
        response("a"),
        response("b"),
        response("c", "target_error"),
        response("d", "infra_error"),
        response("e"),
    ]
    scores = [
        score("a", 1.0),
        score("b", 0.4),
        score("c", None, "no_output"),
        score("d", None, "not_run"),
        score("e", None, "no_reference"),
    ]
    return responses, scores


def test_every_planned_case_is_counted_in_exactly_one_place() -> None:
    found = summary.summarise_metric(arm(*five_cases()), "m")
    counts = (found.n_scored, found.n_failed, found.n_missing, found.n_na)
    assert (found.n_planned, counts) == (5, (2, 1, 1, 1))


def test_a_failure_of_the_target_counts_with_the_worst_value_and_an_outage_does_not() -> None:
    found = summary.summarise_metric(arm(*five_cases()), "m")
    assert found.mean == pytest.approx((1.0 + 0.4 + 0.0) / 3)
    assert found.mean_scored == pytest.approx(0.7)
    assert found.missing_rate == pytest.approx(1 / 4)


def test_the_bounds_are_the_mean_with_every_missing_case_at_either_end() -> None:
    found = summary.summarise_metric(arm(*five_cases()), "m")
    assert found.bounds == (pytest.approx(1.4 / 4), pytest.approx(2.4 / 4))


def test_an_excluded_failure_stays_counted_and_leaves_the_mean() -> None:
    found = summary.summarise_metric(arm(*five_cases(), impute="exclude"), "m")
    assert (found.n_failed, found.mean) == (1, pytest.approx(0.7))


def test_an_unbounded_metric_has_no_worst_value_and_no_bounds() -> None:
    found = summary.summarise_metric(arm(*five_cases(), facts=open_ended), "m")
    assert (found.n_failed, found.mean, found.bounds) == (1, pytest.approx(0.7), None)


def test_the_worst_value_of_a_lower_is_better_metric_is_its_upper_end() -> None:
    error_rate = MetricFacts(
        name="m", type="m", fingerprint="f", scale=Scale(direction="lower"), threshold=0.5
    )
    found = summary.summarise_metric(arm(*five_cases(), facts=error_rate), "m")
    assert found.mean == pytest.approx((1.0 + 0.4 + 1.0) / 3)


def test_weights_weigh_the_mean_and_the_bounds() -> None:
    responses = [response("a", weight=3.0), response("b"), response("c", "timeout")]
    scores = [score("a", 1.0), score("b", 0.0), score("c", None, "not_run")]
    found = summary.summarise_metric(arm(responses, scores), "m")
    assert found.mean == 0.75
    assert found.bounds == (pytest.approx(3 / 5), pytest.approx(4 / 5))


def test_the_pass_rate_is_taken_over_what_was_decided_with_a_wilson_interval() -> None:
    found = summary.summarise_metric(arm(*five_cases()), "m")
    assert found.pass_rate == pytest.approx(1 / 3)
    # Wilson for 1 of 3 at 95 %: statsmodels proportion_confint(1, 3, method="wilson").
    assert found.pass_interval is not None
    assert found.pass_interval.low == pytest.approx(0.0614919447)
    assert found.pass_interval.high == pytest.approx(0.7923403991)


def test_a_metric_without_any_value_has_no_mean() -> None:
    found = summary.summarise_metric(
        arm([response("a", "timeout")], [score("a", None, "not_run")]), "m"
    )
    assert (found.mean, found.mean_scored, found.estimate, found.pass_rate) == (None,) * 4
    assert found.bounds == (0.0, 1.0)


def test_a_metric_that_applies_to_no_case_has_no_missing_rate() -> None:
    found = summary.summarise_metric(arm([response("a")], [score("a", None, "no_reference")]), "m")
    assert (found.n_na, found.missing_rate, found.bounds) == (1, None, None)


def test_a_case_for_which_the_metric_was_not_planned_is_not_counted() -> None:
    found = summary.summarise_metric(arm([response("a"), response("b")], [score("a", 1.0)]), "m")
    assert (found.n_planned, found.mean) == (1, 1.0)


def test_parts_corpus_rows_and_quarantined_cases_stay_out_of_the_mean() -> None:
    responses = [response("a"), response("q", quarantined=True)]
    scores = [
        score("a", 1.0),
        score("a", 0.1, submetric="precision"),
        score("q", 0.0),
        ScoreRow(
            case_id=None, repeat=-1, level="corpus", metric="m", metric_type="m", score=0.2,
            metric_version=1, metric_fingerprint="f", score_key="s",
        ),
    ]  # fmt: skip
    made = arm(responses, scores)
    found = summary.summarise_metric(made, "m")
    assert ([case.id for case in made.cases], found.n_planned, found.mean) == (["a"], 1, 1.0)


@pytest.mark.parametrize(
    ("reducer", "value"),
    [("mean", 0.5), ("median", 0.4), ("min", 0.1), ("max", 1.0), ("mode", 0.1)],
)
def test_repeats_become_one_value_by_the_reducer(reducer: Any, value: float) -> None:
    responses = [response("a", repeat=i) for i in range(3)]
    scores = [score("a", x, repeat=i) for i, x in enumerate([1.0, 0.1, 0.4])]
    found = arm(responses, scores, reducer=reducer).metrics["m"]
    assert found.values.tolist() == [pytest.approx(value)]


def test_a_reducer_of_chances_makes_a_metric_of_flags() -> None:
    responses = [response(case_id, repeat=i) for case_id in "ab" for i in range(4)]
    scores = [
        score(case_id, x, repeat=i)
        for case_id, values in (("a", [0.9, 0.1, 0.2, 0.3]), ("b", [0.1, 0.1, 0.2, 0.3]))
        for i, x in enumerate(values)
    ]
    found = arm(responses, scores, reducer="pass_at_2").metrics["m"]
    # One of four passed: 1 - C(3,2)/C(4,2) = 1/2.
    assert found.values.tolist() == [0.5, 0.0]
    assert list(found.passed) == [True, False]
    assert (found.facts.scale, found.facts.threshold) == (Scale(), 0.5)
    assert (found.flake_rate, found.repeats) == (0.5, None)
    without = replace(unit, threshold=None)
    mean = arm(responses, [replace(one, threshold=None) for one in scores], without, reducer="pass_at_2")  # fmt: skip
    assert mean.metrics["m"].values.tolist() == [pytest.approx(0.375), pytest.approx(0.175)]


def test_the_mode_of_two_equally_frequent_values_is_the_smaller() -> None:
    assert statistics["mode"]([1.0, 0.0, 1.0, 0.0]) == 0.0


def test_a_case_counts_when_at_least_half_of_its_repeats_are_known() -> None:
    responses = [
        response("a", repeat=0), response("a", "timeout", repeat=1),
        response("b", repeat=0), response("b", "timeout", repeat=1), response("b", "timeout", repeat=2),
    ]  # fmt: skip
    scores = [
        score("a", 0.8, repeat=0), score("a", None, "not_run", repeat=1),
        score("b", 0.8, repeat=0), score("b", None, "not_run", repeat=1),
        score("b", None, "not_run", repeat=2),
    ]  # fmt: skip
    found = arm(responses, scores).metrics["m"]
    assert list(found.states) == ["scored", "missing"]


def test_a_failed_repeat_counts_with_the_worst_value_inside_the_reducer() -> None:
    responses = [response("a"), response("a", "model_error", repeat=1)]
    scores = [score("a", 0.8), score("a", None, "no_output", repeat=1)]
    found = arm(responses, scores).metrics["m"]
    assert (list(found.states), found.values.tolist()) == (["scored"], [0.4])


def test_repeats_that_disagree_make_a_case_flaky() -> None:
    responses = [response(c, repeat=i) for c in "ab" for i in range(2)]
    scores = [
        score("a", 0.0), score("a", 1.0, repeat=1), score("b", 0.9), score("b", 0.7, repeat=1),
    ]  # fmt: skip
    found = arm(responses, scores).metrics["m"]
    assert found.flake_rate == 0.5
    assert found.within_variance == pytest.approx((0.5 + 0.02) / 2)


def test_one_answer_per_case_says_nothing_about_flakes() -> None:
    found = arm(*five_cases()).metrics["m"]
    assert (found.flake_rate, found.within_variance) == (None, None)


def test_a_case_passes_fails_or_is_undetermined() -> None:
    assert arm(*five_cases()).passed == [True, False, False, None, None]


def test_a_metric_that_is_not_required_decides_nothing() -> None:
    optional = MetricFacts(
        name="m", type="m", fingerprint="f", scale=Scale(), threshold=0.5, required=False
    )
    found = arm([response("a")], [score("a", 0.0, required=False)], facts=optional)
    assert found.passed == [None]


def test_a_case_that_says_otherwise_is_judged_by_its_own_threshold_and_requirement() -> None:
    responses = [response("a"), response("b"), response("c")]
    scores = [
        score("a", None, "metric_error", threshold=0.9),
        score("b", 0.0, required=False),
        score("c", 0.6, metric_fingerprint="g"),
    ]
    loose = MetricFacts(name="m", type="m", fingerprint="f", scale=Scale())
    found = arm(responses, scores, facts=loose)
    assert found.passed == [None, None, True]
    assert [found.metrics["m"].ruler(i).counts for i in range(3)] == [True, False, True]
    assert [found.metrics["m"].ruler(i).fingerprint for i in range(3)] == ["f", "f", "g"]


def test_rows_that_are_missing_count_even_where_the_case_has_a_value() -> None:
    responses = [response("a"), response("a", "rate_limited", repeat=1), response("b")]
    scores = [score("a", 1.0), score("a", None, "not_run", repeat=1), score("b", 1.0)]
    found = arm(responses, scores)
    assert (found.missing, found.missing_share) == ([False, False], pytest.approx(1 / 3))
    asked = [response("a"), response("a", repeat=1), response("b")]
    broken = [
        score("a", 1.0),
        score("a", None, "metric_error", repeat=1),
        score("b", None, "no_reference"),
    ]
    assert arm(asked, broken).missing_share == 0.5
    assert arm([], []).missing_share == 0.0


def test_a_metric_without_threshold_decides_nothing() -> None:
    shown = MetricFacts(name="m", type="m", fingerprint="f", scale=Scale())
    assert arm([response("a")], [score("a", 0.0, threshold=None)], facts=shown).passed == [None]


def test_clustered_values_get_a_clustered_interval() -> None:
    responses = [response(f"c{i}", cluster_id=str(i // 2)) for i in range(8)]
    scores = [score(f"c{i}", x) for i, x in enumerate([1, 1, 0, 0, 1, 1, 0, 0])]
    estimate = summary.summarise_metric(arm(responses, scores), "m").estimate
    assert estimate is not None
    assert estimate.interval is not None
    assert (estimate.units, estimate.interval.method, estimate.few_clusters) == (
        4,
        "cluster_t",
        True,
    )


def test_slices_hold_every_case_of_a_value_and_small_ones_are_summed_up() -> None:
    responses = [
        response("a", tags=("x", "y"), split="dev"),
        response("b", tags=("x",)),
        response("c", cluster_id="k"),
    ]
    made = arm(responses, [])
    assert arms.slices_of(made, "tags", min_slice=2) == {"x": [0, 1], "(small)": [0]}
    assert arms.slices_of(made, "split", min_slice=1) == {"dev": [0]}
    assert arms.slices_of(made, "cluster", min_slice=1) == {"k": [2]}
    assert arms.slices_of(made, "metadata.none", min_slice=1) == {}


def whole(responses: Sequence[ResponseRow], scores: Sequence[ScoreRow]) -> summary.Summary:
    made = arm(responses, scores)
    return summary.summary_of(
        made,
        table.joined("responses", [table.response_batch(responses)]),
        table.joined("scores", [table.score_batch(scores)]),
        min_slice=1,
    )


def test_the_totals_add_up() -> None:
    responses, scores = five_cases()
    responses.append(response("q", quarantined=True))
    totals = whole(responses, scores).totals
    assert totals.n_ok + totals.n_failed + totals.n_missing == totals.n_rows == 6
    assert (totals.n_cases, totals.n_quarantined) == (5, 1)
    assert (
        totals.n_passed + totals.n_case_failed + totals.n_undetermined + totals.n_cases_missing == 5
    )
    assert (totals.n_passed, totals.n_case_failed, totals.n_cases_missing) == (1, 2, 1)
    assert totals.statuses == {"infra_error": 1, "ok": 3, "target_error": 1}
    assert (totals.n_counted, totals.n_counted_failed) == (5, 1)


def test_carried_rows_cost_nothing_now_and_are_told_as_saved() -> None:
    responses = [
        response("a", cost_nanousd=5, calls=1, input_tokens=10, output_tokens=2),
        response("b", cost_nanousd=7, calls=1, cache="carried", input_tokens=10),
    ]
    totals = whole(responses, []).totals
    assert (totals.cost_nanousd, totals.saved_nanousd, totals.n_carried) == (5, 7, 1)
    assert (totals.calls, totals.input_tokens, totals.output_tokens) == (1, 10, 2)


def test_numbers_of_the_suite_are_found_by_the_names_that_gates_use() -> None:
    responses, scores = five_cases()
    responses[0] = response("a", latency_ms=10.0, cost_nanousd=2_000_000_000)
    responses[1] = response("b", "truncated", latency_ms=30.0)
    found = whole(responses, scores)
    names = ["m_mean", "m_p95", "m_max", "pass_rate", "cost_total", "cost_per_case"]
    assert [found.value(name) for name in names] == [
        pytest.approx(1.4 / 3), pytest.approx(0.94), 1.0, pytest.approx(1 / 3), 2.0, 0.4,
    ]  # fmt: skip
    assert found.value("latency_p95") == pytest.approx(29.0)
    assert found.value("truncation_rate") == 0.2
    # One answer of five; of the metric one of four, as one case has nothing to compare with.
    assert found.value("missing_rate") == 0.25
    assert (found.value("failure_rate"), found.value("refusal_rate")) == (0.2, 0.0)


def test_a_number_that_was_not_measured_is_none_and_an_unknown_name_is_an_error() -> None:
    found = whole([response("a", "timeout")], [score("a", None, "not_run")])
    assert (found.value("m_p95"), found.value("m_mean"), found.value("latency_p95")) == (None,) * 3
    for name in ("n_mean", "m_width"):
        with pytest.raises(KeyError):
            found.value(name)


def test_slices_without_cases_are_left_out() -> None:
    responses = [response("a", tags=("x",)), response("b")]
    found = whole(responses, [score("a", 1.0), score("b", 0.0)])
    assert {by: list(values) for by, values in found.slices.items()} == {"tags": ["x"]}
    assert found.slices["tags"]["x"]["m"].mean == 1.0


def test_the_summary_of_a_step_counts_cases_and_gives_the_rate_in_percent() -> None:
    document = summary.totals_document(whole(*five_cases()))
    assert document == {
        "total_tests": 5, "passed_tests": 1, "failed_tests": 2, "undetermined_tests": 1,
        "missing_tests": 1, "pass_rate": 33.33, "avg_duration_ms": None, "cost_usd": 0.0,
        "carried": 0,
    }  # fmt: skip


def test_nothing_decided_gives_no_pass_rate() -> None:
    assert summary.totals_document(whole([response("a")], []))["pass_rate"] is None


def test_a_metric_as_json_holds_counts_numbers_interval_and_codes() -> None:
    document = summary.metric_document(whole(*five_cases()).metrics["m"])
    assert document["codes"] == {"no_output": 1, "no_reference": 1, "not_run": 1}
    assert (document["n"], document["n_planned"], document["bounds"]) == (
        3,
        5,
        [pytest.approx(0.35), pytest.approx(0.6)],
    )
    assert document["ci"]["method"] == "t"
    assert sum(document["histogram"]["counts"]) == 3


def test_a_metric_without_values_is_all_null_as_json() -> None:
    document = summary.metric_document(
        whole([response("a", "timeout")], [score("a", None, "not_run")]).metrics["m"]
    )
    assert (document["mean"], document["sd"], document["ci"], document["histogram"]) == (None,) * 4
    assert (document["n"], document["few_clusters"]) == (0, False)


def test_a_run_without_rows_has_no_rates() -> None:
    found = whole([], [])
    assert [found.value(n) for n in ("missing_rate", "failure_rate", "cost_per_case")] == [None] * 3
    assert found.rate("ok") is None
