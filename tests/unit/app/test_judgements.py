"""Judged metrics as single functions: what they ask, what they give, and what they say without a judge."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipex_core.app.judgements import (
    coherence_score,
    evaluate_response,
    faithfulness_score,
    relevance_score,
    semantic_similarity,
)
from pipex_core.app.judging import score
from pipex_core.errors import SpecError
from pipex_core.metrics.contract import Scored, Unscored


@pytest.fixture
def mock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options that name a judge, who likes everything that is no ``bad`` answer."""
    monkeypatch.chdir(tmp_path)
    claims = {"reasoning": "r", "claims": ["one", "two"]}
    verdicts = [{"item": 1, "verdict": "supported"}, {"item": 2, "verdict": "unknown"}]
    rules = [
        {"when": {"type": "judge", "contains": "List the claims"}, "json": claims},
        {
            "when": {"type": "judge", "step": "faithfulness"},
            "json": {"reasoning": "r", "verdicts": verdicts},
        },
        {"when": {"type": "judge", "contains": "bad"}, "reply": "no idea"},
        {"when": {"type": "judge"}, "json": {"reasoning": "it is fine", "score": 4}},
    ]
    path = tmp_path / "mock.json"
    path.write_text(json.dumps({"responses": rules}), encoding="utf-8")
    return {"model": "j", "provider": "mock", "mock_responses": str(path)}


@pytest.mark.parametrize(
    ("function", "arguments", "value"),
    [
        (semantic_similarity, ("Paris", "Paris."), 0.75),
        (relevance_score, ("Paris", "Capital of France?"), 0.75),
        (coherence_score, ("Paris",), 0.75),
        (faithfulness_score, ("Paris", ["a text", "another"]), 0.5),
        (faithfulness_score, ("Paris", "a text"), 0.5),
    ],
)
def test_each_function_gives_its_metric_as_a_map(
    function: Callable[..., dict[str, Any]],
    arguments: tuple[Any, ...],
    value: float,
    mock: dict[str, Any],
) -> None:
    found = function(*arguments, **mock)
    assert (found["value"], found["status"], found["code"]) == (value, "scored", None)
    assert found["passed"] is (value >= found["threshold"])


def test_what_cannot_be_judged_has_a_code_and_no_number(mock: dict[str, Any]) -> None:
    found = coherence_score("a bad answer", **mock)
    assert (found["value"], found["passed"], found["code"]) == (None, None, "judge_parse")


def test_own_criteria_give_score_reasoning_and_status(mock: dict[str, Any]) -> None:
    assert evaluate_response("Paris", "Paris", "It is polite.", **mock) == {
        "score": 0.75,
        "reasoning": "it is fine",
        "status": "scored",
    }
    silent = evaluate_response("bad", None, "It is polite.", **mock)
    assert (silent["score"], silent["status"]) == (None, "judge_parse")
    assert silent["reasoning"].endswith("no idea")


def test_score_asks_the_judge_of_any_judged_metric(mock: dict[str, Any]) -> None:
    assert score("answer_relevance", "Paris", input="Capital?", **mock) == Scored(value=0.75)
    assert score("relevance", "Paris", **mock) == Unscored(
        code="missing_input", reason="relevance needs query, which is absent"
    )
    negated = score("coherence", "Paris", negate=True, **mock)
    assert negated == Scored(value=0.25)


def test_nobody_is_asked_about_nothing(mock: dict[str, Any]) -> None:
    found = evaluate_response("Paris", "x", "c", fields=["output", "context"], **mock)
    assert found == {"score": None, "reasoning": None, "status": "missing_input"}


def test_without_a_model_there_is_no_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        coherence_score("Paris")
    assert [problem.code for problem in caught.value.problems] == ["no_judge"]
    monkeypatch.setenv("PIPEX_JUDGE_MODEL", "j")
    assert coherence_score("Paris")["status"] == "scored"
