"""Keys of the layers, and why a key is not the stored one."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.evals.keys import (
    corpus_key,
    differences,
    explain,
    is_final,
    is_final_score,
    left_to_do,
    response_hash,
    response_key,
    response_parts,
    score_key,
    score_parts,
    verdict_key,
)
from pipex_core.evals.results import ResponseStatus
from pipex_core.evals.suite import Case, hashes
from pipex_core.jsonvalue import digest
from pipex_core.metrics.contract import Need, Usage

case = Case(id="a", input="q", expected_output="r", context="text", tags=("t",))
answer: dict[str, Any] = {
    "status": "ok",
    "output": "text",
    "output_json": None,
    "has_output_json": False,
    "tool_calls": None,
}


def key(needs: set[Need], of: Case = case, metric: str = "m", **changes: Any) -> str:
    facts: dict[str, Any] = {
        "metric": metric,
        "fingerprint": "f",
        "needs": frozenset(needs),
        "response": "r",
        "case": hashes(of),
    }
    return score_key(score_parts(**{**facts, **changes}))


def test_every_part_of_a_response_key_counts() -> None:
    known = response_key(target_digest="t", input_hash="i", repeat=0)
    others = {
        response_key(target_digest="u", input_hash="i", repeat=0),
        response_key(target_digest="t", input_hash="j", repeat=0),
        response_key(target_digest="t", input_hash="i", repeat=1),
        response_key(target_digest="t", input_hash="i", repeat=0, run_seed=0),
    }
    assert len(others | {known}) == 5
    assert response_key(target_digest="t", input_hash="i", repeat=0) == known


@pytest.mark.parametrize(
    "change",
    [
        {"status": "truncated"},
        {"output": None},
        {"output": "Text"},
        {"output_json": None, "has_output_json": True},
        {"output_json": {"a": 1}, "has_output_json": True},
        {"tool_calls": []},
    ],
)
def test_a_response_is_what_it_says(change: dict[str, Any]) -> None:
    assert response_hash(**{**answer, **change}) != response_hash(**answer)


@pytest.mark.parametrize(
    ("needs", "edit", "same"),
    [
        ({"output"}, {"expected_output": "other", "input": "other", "context": "other"}, True),
        ({"output", "reference"}, {"expected_output": "other"}, False),
        ({"output", "reference"}, {"input": "other"}, True),
        ({"output", "input"}, {"input": "other"}, False),
        ({"output", "query"}, {"input": "other"}, False),
        ({"output", "input"}, {"expected_output": "other"}, True),
        ({"output", "context"}, {"context": "other"}, False),
        ({"output", "context"}, {"input": "other"}, True),
        ({"output", "choices"}, {"choices": ("a",)}, False),
        ({"tools", "expected_tools"}, {"expected_tools": ({"name": "f"},)}, False),
        ({"output", "relevant_ids"}, {"relevant_ids": ("d",)}, False),
        ({"output", "reference", "input", "context"}, {"tags": (), "weight": 3.0, "id": "b"}, True),
    ],
)
def test_a_score_key_holds_what_the_metric_reads_of_the_case(
    needs: set[Need], edit: dict[str, Any], *, same: bool
) -> None:
    assert (key(needs) == key(needs, replace(case, **edit))) is same


def test_a_score_key_holds_the_answer_and_the_fingerprint() -> None:
    known = key({"output"})
    assert key({"output"}, response="s") != known
    assert key({"output"}, fingerprint="g") != known
    assert key({"output"}, metric="renamed") == known
    assert key({"output"}, looked_up={}) == known
    assert key({"output"}, looked_up={"query": "from the metadata"}) != known


@pytest.mark.parametrize(
    ("metric", "same", "other"),
    [
        ("latency", {"cost_usd": 2.0, "input_tokens": 9}, {"latency_ms": 9.0}),
        ("cost", {"latency_ms": 9.0, "input_tokens": 9}, {"cost_usd": 2.0}),
        ("tokens", {"latency_ms": 9.0, "cost_usd": 2.0}, {"output_tokens": 9}),
        ("custom:thrift", {}, {"cost_usd": 2.0}),
    ],
)
def test_a_metric_of_usage_reads_its_own_numbers(
    metric: str, same: dict[str, Any], other: dict[str, Any]
) -> None:
    usage = Usage(latency_ms=1.0, cost_usd=1.0, input_tokens=1)
    known = key({"usage"}, metric=metric, usage=usage)
    assert key({"usage"}, metric=metric, usage=replace(usage, **same)) == known
    assert key({"usage"}, metric=metric, usage=replace(usage, **other)) != known
    assert key({"output"}, metric=metric, usage=usage) == key({"output"}, metric=metric)


def test_keys_above_a_score_hold_the_scores_below() -> None:
    assert corpus_key("f", ["a", "b"]) != corpus_key("f", ["b", "a"])
    assert corpus_key("f", ["a"]) != corpus_key("g", ["a"])
    facts: dict[str, Any] = {
        "score_keys": ["a", "b"],
        "annotation_hashes": ["x", "y"],
        "gate_digest": "g",
        "baseline_digest": None,
    }
    known = verdict_key(**facts)
    assert (
        verdict_key(**{**facts, "score_keys": ["b", "a"], "annotation_hashes": ["y", "x"]}) == known
    )
    for name, value in (
        ("score_keys", ["a"]),
        ("annotation_hashes", ["x", "z"]),
        ("gate_digest", "h"),
        ("baseline_digest", "b"),
    ):
        assert verdict_key(**{**facts, name: value}) != known


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("ok", True),
        ("model_refusal", True),
        ("truncated", True),
        ("model_error", True),
        ("target_error", True),
        ("infra_error", False),
        ("rate_limited", False),
        ("timeout", False),
        ("not_run_budget", False),
        ("cancelled", False),
        ("skipped", False),
    ],
)
def test_answers_and_failures_are_final_and_holes_are_open(
    status: ResponseStatus, *, final: bool
) -> None:
    assert is_final(status) is final


def test_scores_and_eight_codes_are_final() -> None:
    codes = (
        *("no_reference", "missing_input", "not_applicable", "no_output", "not_run", "judge_error"),
        *("judge_parse", "judge_abstained", "metric_error", "metric_timeout", "metric_crash"),
        *("too_large", "bad_reference", "budget"),
    )
    assert {code for code in codes if is_final_score(code)} == {
        *("no_reference", "missing_input", "not_applicable", "no_output", "bad_reference"),
        *("too_large", "judge_abstained"),
    }
    assert is_final_score(None)


def test_what_is_left_to_do_is_wanted_without_final() -> None:
    assert left_to_do(["b", "a", "b", "c"], {"a"}) == ["b", "c"]


target = {
    "kind": "prompt",
    "model": "small",
    "options": {"temperature": 0},
    "prompt": "Say\n{{ input }}\n",
}
parts = response_parts(target, "1" * 64, repeat=0)


def test_a_stored_row_is_carried_from_its_run() -> None:
    found = explain(parts, stored={digest(parts): "ev_1"}, newest=parts)
    assert (found.state, found.origin_run_id, found.differs) == ("carried", "ev_1", ())
    assert list(found.parts) == ["target", "input_hash", "repeat"]
    assert all(len(short) == 12 for short in found.parts.values())
    assert (
        explain(parts, stored={digest(parts): "ev_1"}, newest=None, computed=True).state
        == "computed"
    )


def test_a_row_that_was_never_stored_has_nothing_to_differ_from() -> None:
    found = explain(parts, stored={}, newest=None)
    assert (found.state, found.origin_run_id, found.differs) == ("would compute", None, ())


def test_the_part_that_differs_is_named_with_both_sides() -> None:
    newer = {**target, "model": "large", "options": {"temperature": 0.7, "top_p": 1}}
    found = explain(response_parts(newer, "2" * 64, repeat=0), stored={}, newest=parts)
    assert [(one.part, one.before, one.after) for one in found.differs] == [
        ("input_hash", "1" * 12, "2" * 12),
        ("target.model", "small", "large"),
        ("target.options.temperature", 0, 0.7),
        ("target.options.top_p", None, 1),
    ]


def test_prompts_are_shown_as_a_unified_diff() -> None:
    newer = {**target, "prompt": "Say\nbriefly\n{{ input }}\n"}
    (found,) = differences(parts, response_parts(newer, "1" * 64, repeat=0))
    assert found.part == "target.prompt"
    assert found.diff.splitlines() == ["@@ -1,2 +1,3 @@", " Say", "+briefly", " {{ input }}"]


def test_large_values_are_shown_by_their_digest() -> None:
    (found,) = differences({"tools": ["a"]}, {"tools": ["a", "b"]})
    assert (found.before, found.after) == (digest(["a"])[:12], digest(["a", "b"])[:12])
    (text,) = differences({"p": "x" * 81}, {"p": 3})
    assert (text.before, text.after, text.diff) == (digest("x" * 81)[:12], 3, "")
