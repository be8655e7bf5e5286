"""Votes, comparisons, renamed metrics, and judges asked by an orchestrator."""

import asyncio
import json
from dataclasses import replace

import pyarrow as pa
import pytest

from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.jury import hear
from pipex_core.evals.responding import respond
from pipex_core.evals.rulings import rulings_in
from pipex_core.evals.scoring import score
from tests.fakes.evaluation import case, job, recorded, run
from tests.fakes.judged_runs import always_four, calls, carried, judged_job, judging, row
from tests.fakes.judges import replies, ruling_of_the_mock, scored


def test_votes_have_their_agreement_over_the_suite() -> None:
    warm = {"judges": {"main": {"model": "j-1", "temperature": 0.5, "votes": 3}}}
    world = judging(replies([scored("r", n) for n in (5, 5, 4, 1, 1, 2)], step="relevance"))
    suite = {"extra": warm}
    found = run(
        judged_job(
            ("relevance",),
            cases=[case("de"), case("fr")],
            suite=suite,
            options={"max_concurrency": 1},
        ),
        world,
    )
    corpus = [one for one in found.scores.to_pylist() if one["level"] == "corpus"]
    parts = {one["submetric"]: one["score"] for one in corpus}
    assert parts[None] == pytest.approx((1.0 + 0.0) / 2)
    assert 0.5 < parts["vote_alpha"] < 1
    assert json.loads(row(found, "de")["details"])["spread"] == 0.25


def test_a_pairwise_judge_compares_with_the_answers_of_the_baseline() -> None:
    rule = ruling_of_the_mock("pairwise", {"reasoning": "r", "label": "first"})
    others = {"fr": "Lyon", "de": "Bonn"}
    made = replace(judged_job(("battle",)), others=others)
    world = judging(rule)
    found = run(made, world)
    assert calls(world) == 4
    assert (row(found, "fr", "pairwise")["score"], row(found, "fr", "pairwise")["label"]) == (
        0.5,
        "tie",
    )
    assert row(found, "it", "pairwise")["code"] == "missing_input"
    parts = {
        one["submetric"]: one["score"]
        for one in found.scores.to_pylist()
        if one["level"] == "corpus"
    }
    assert (parts["position_consistency"], parts["first_position_preference"]) == (0.0, 1.0)
    # The other answer is part of the key: with another baseline all are judged anew.
    again = judging(rule)
    run(
        replace(made, run_id="ev_2", others={"fr": "Nice", "de": "Bonn"}),
        again,
        carry=carried(found),
    )
    assert calls(again) == 2


def test_the_other_answer_may_stand_in_the_case() -> None:
    rule = ruling_of_the_mock("pairwise", {"reasoning": "r", "label": "tie"})
    cases = [case("fr", metadata={"other": "Lyon"}), case("de")]
    found = run(
        judged_job(({"type": "pairwise", "other": "metadata.other"},), cases=cases), judging(rule)
    )
    assert row(found, "fr", "pairwise")["label"] == "tie"
    assert row(found, "de", "pairwise")["code"] == "missing_input"


def test_renamed_metrics_are_told_apart_by_rules_of_the_mock() -> None:
    polite = ruling_of_the_mock("polite/criteria", scored("r", 5))
    other = ruling_of_the_mock("criteria", scored("r", 1))
    metrics = (
        {"type": "criteria", "name": "polite", "criteria": "p"},
        {"type": "criteria", "criteria": "c"},
    )
    found = run(judged_job(metrics), judging(polite, other))
    assert (row(found, "fr", "polite")["score"], row(found, "fr", "criteria")["score"]) == (
        1.0,
        0.0,
    )


def test_an_orchestrator_asks_judges_by_itself_and_keeps_what_is_open() -> None:
    made = judged_job(target=recorded())
    down = {
        "when": {"type": "judge", "contains": "Capital of fr?"},
        "error": {"kind": "invalid_request"},
    }
    world = judging(down, always_four)

    async def phases() -> tuple[pa.Table, pa.Table]:
        responses = (await respond(made, world.services)).table
        rulings = await hear(made, world.services, responses)
        return responses, score(made, responses, rulings=rulings)

    responses, scores = asyncio.run(phases())
    assert row(scores, "de")["score"] == 0.75
    # Judged again as its stored rows are: nobody is asked, and the reason stays what it was.
    index = CarryIndex(scores=[scores])
    later = score(made, responses, carried=index.scores, rulings=rulings_in(scores))
    assert row(later, "fr")["reason"] == row(scores, "fr")["reason"]
    assert row(later, "de")["score"] == 0.75


def test_an_orchestrator_without_judged_metrics_asks_nobody() -> None:
    made = job(target=recorded())
    world = judging()
    responses = asyncio.run(respond(made, world.services)).table
    assert asyncio.run(hear(made, world.services, responses))("any") is None
