"""Models that stand in for others while a pipeline is evaluated: off, unless the suite allows it."""

from typing import Any

from pipex_core.evals.pipeline import answer_of_run
from pipex_core.evals.runner import EvalRun
from tests.fakes.evaluation import answering, capital_suite, job, run
from tests.fakes.world import World
from tests.unit.evals.test_pipeline_target import lookup, record, result, target

with_fallback = lookup.replace("{model: m}", "{model: big, fallback_model: small}")
down = {"responses": [{"when": {"model": "big"}, "error": {"kind": "overloaded"}}]}


def ran(**suite: Any) -> tuple[EvalRun, list[str]]:
    world = World({"responses": down["responses"] + answering()["responses"]})
    made = job(
        capital_suite(**suite),
        target=target(with_fallback, world=world),
        options={"second_pass": False},
    )
    return run(made, world), [request.model for request in world.provider.sent]


def test_nobody_stands_in_for_the_model_that_is_evaluated() -> None:
    found, asked = ran()
    assert set(asked) == {"big"}
    assert found.responses["status"].to_pylist() == ["rate_limited"] * 5
    assert found.scores["status"].to_pylist() == ["unscored"] * 5
    assert found.status == "incomplete"


def test_a_suite_that_allows_it_scores_the_answers_of_who_stood_in() -> None:
    found, asked = ran(extra={"allow_fallback": True})
    assert set(asked) == {"big", "small"}
    assert found.responses["status"].to_pylist() == ["ok"] * 5
    assert found.responses["model_resolved"].to_pylist() == ["small"] * 5


def test_runs_that_allow_it_share_no_answers_with_those_that_do_not() -> None:
    keys = [
        {unit.key for unit in job(capital_suite(extra=extra), target=target()).units()}
        for extra in ({}, {"allow_fallback": False}, {"allow_fallback": True})
    ]
    assert keys[0] == keys[1]
    assert keys[0] & keys[2] == set()


def test_an_apology_is_no_answer_even_where_models_may_stand_in() -> None:
    excused = record("a", text="sorry", degraded=True, metadata={"fallback_action": "skip"})
    answer = answer_of_run(target(allow_fallback=True), result(excused))
    assert (answer.status, answer.error_code) == ("target_error", "degraded")
