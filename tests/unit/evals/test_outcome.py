"""How a run ended, and the exit code that follows."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judgement import decide, summarise
from pipex_core.evals.outcome import exit_code, missed_thresholds
from pipex_core.evals.recorded import recorded_target
from tests.fakes.evaluation import answering, capital_suite, capitals, case, job, run
from tests.fakes.metrics import Answering, raising
from tests.fakes.world import World


def ended(rules: Any, **options: Any) -> tuple[str, str | None, int]:
    made = job(options={"max_concurrency": 1, "second_pass": False, **options})
    outcome = run(made, World(rules)).judgement.outcome
    return outcome.status, outcome.reason, outcome.n_open


def failing(kind: str) -> dict[str, Any]:
    broken = {"when": {"contains": "of fr"}, "error": {"kind": kind, "message": "m"}}
    return {"responses": [broken, *answering()["responses"]]}


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        (answering(), ("completed", None, 0)),
        (failing("server_error"), ("incomplete", "missing_responses", 1)),
        (failing("empty_reply"), ("completed", None, 0)),
        (failing("auth"), ("failed", "auth", 3)),
    ],
)
def test_a_run_ends_as_its_rows_say(rules: Any, outcome: tuple[str, str | None, int]) -> None:
    assert ended(rules) == outcome


@pytest.mark.parametrize(
    ("kind", "count", "status"),
    [("auth", 1, "failed"), ("connection", 5, "failed"), ("connection", 4, "incomplete")],
)
def test_a_fatal_end_is_one_too_when_no_case_is_left_to_be_stopped(
    kind: str, count: int, status: str
) -> None:
    broken = {"default": {"error": {"kind": kind, "message": "m"}}}
    cases = [case(name) for name in list(capitals)[:count]]
    found = run(job(capital_suite(cases), options={"second_pass": False}), World(broken))
    outcome = found.judgement.outcome
    assert outcome.status == status
    assert outcome.finished is (status == "incomplete")
    if status == "failed":
        assert outcome.reason == kind


def test_a_run_that_was_stopped_is_4_however_many_holes_are_accepted() -> None:
    found = run(job(options={"max_concurrency": 1}), World(failing("auth")))
    finished = found.judgement.outcome.finished
    assert exit_code(found.summary, None, finished=finished, max_missing=1.0) == 4
    assert exit_code(found.summary, None, max_missing=1.0) == 0


def test_missing_repeats_and_metric_errors_are_holes_for_summary_gate_and_exit_code() -> None:
    rules = [{"metric": "missing_rate", "kind": "threshold", "value": 0.05}]
    gate = gate_of({"baseline": "none", "rules": rules})
    halves = recorded_target([{"case_id": k, "output": v} for k, v in capitals.items()])
    repeated = job(target=halves, repeats=2, gate=gate)
    slow = Answering(raising(TimeoutError("too slow")))
    broken = job(target=halves, gate=gate)
    broken = replace(broken, metrics=(replace(broken.metrics[0], metric=slow, info=slow.info),))
    for made, share in ((repeated, 0.5), (broken, 1.0)):
        found = run(made)
        assert found.summary.value("missing_rate") == share
        assert found.verdict is not None
        (rule,) = found.verdict.rules
        assert (rule.outcome, rule.row.mean_b) == ("FAIL", share)
        assert exit_code(found.summary, None) == 4


def test_a_run_that_ran_out_of_time_is_incomplete() -> None:
    assert ended(answering(), max_time_s=0.015) == ("incomplete", "max_time", 3)


def test_a_score_that_is_open_leaves_the_run_incomplete() -> None:
    made = job(capital_suite([case("de")]))
    slow = Answering(raising(TimeoutError("too slow")))
    made = replace(made, metrics=(replace(made.metrics[0], metric=slow, info=slow.info),))
    outcome = run(made).judgement.outcome
    assert (outcome.status, outcome.reason, outcome.n_open) == ("incomplete", "missing_scores", 1)


def test_without_a_gate_holes_are_4_and_missed_thresholds_are_1_when_asked() -> None:
    good = run(job()).summary
    wrong = run(job(), World(answering({"fr": "Lyon"}))).summary
    holes = run(job(options={"second_pass": False}), World(failing("server_error"))).summary
    assert [exit_code(one, None) for one in (good, wrong, holes)] == [0, 0, 4]
    strict = [exit_code(one, None, fail_on_threshold=True) for one in (good, wrong, holes)]
    assert strict == [0, 1, 4]
    assert exit_code(holes, None, max_missing=0.2) == 0


def test_a_mean_that_could_not_be_computed_misses_its_threshold() -> None:
    outage = {"default": {"error": {"kind": "server_error", "message": "down"}}}
    found = run(job(options={"second_pass": False}), World(outage))
    assert missed_thresholds(found.summary) == ["exact_match"]


def test_metrics_without_threshold_or_not_required_miss_nothing() -> None:
    entries = ["latency", {"type": "exact_match", "required": False}]
    found = run(job(metrics=entries), World(answering({"fr": "Lyon"})))
    assert missed_thresholds(found.summary) == []


def test_deciding_without_gate_and_baseline_changes_nothing() -> None:
    found = run(job())
    judgement = decide(found.job, summarise(found.job, found.responses, found.scores))
    assert (judgement.verdict, list(judgement.comparisons)) == (None, [])


def test_with_a_gate_the_exit_code_is_the_verdicts() -> None:
    rules = [{"metric": "exact_match", "kind": "threshold", "value": 0.9, "bound": "point"}]
    found = run(
        job(gate=gate_of({"baseline": "none", "rules": rules})), World(answering({"fr": "Lyon"}))
    )
    assert exit_code(found.summary, found.verdict) == 1
