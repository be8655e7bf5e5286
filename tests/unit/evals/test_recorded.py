"""Recorded answers as a target."""

import math
from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.evals.recorded import recorded_target
from pipex_core.evals.suite import Case

case = Case(id="a", input="q")


def test_a_record_answers_its_case_by_id() -> None:
    target = recorded_target([{"case_id": "a", "output": "4", "latency_ms": 12, "cost_usd": 0.002}])
    answer = target.answer(case, 0, "hash")
    assert (answer.status, answer.text, answer.latency_ms) == ("ok", "4", 12)
    assert answer.cost_nanousd == 2_000_000


def test_a_record_answers_by_the_hash_of_the_input_when_no_id_matches() -> None:
    target = recorded_target([{"input_hash": "hash", "output": "4"}])
    assert target.answer(case, 0, "hash").text == "4"
    assert target.answer(case, 0, "other").status == "skipped"


def test_a_case_without_a_record_is_skipped_with_a_code() -> None:
    answer = recorded_target([]).answer(case, 0, "hash")
    assert (answer.status, answer.error_code, answer.text) == (
        "skipped",
        "no_recorded_answer",
        None,
    )


def test_repeats_are_different_answers() -> None:
    target = recorded_target(
        [{"case_id": "a", "output": "x"}, {"case_id": "a", "repeat": 1, "output": "y"}]
    )
    assert [target.answer(case, repeat, "h").text for repeat in (0, 1)] == ["x", "y"]


def test_a_structured_answer_keeps_its_value_and_has_its_json_text() -> None:
    answer = recorded_target([{"case_id": "a", "output": {"b": [1, None]}}]).answer(case, 0, "h")
    assert (answer.text, answer.json, answer.has_json) == ('{"b":[1,null]}', {"b": [1, None]}, True)


def test_a_recorded_failure_keeps_its_status() -> None:
    answer = recorded_target([{"case_id": "a", "status": "target_error"}]).answer(case, 0, "h")
    assert (answer.status, answer.error_code) == ("target_error", "target_error")


def test_the_digest_follows_the_answers_and_not_their_order_or_the_name() -> None:
    records: list[dict[str, Any]] = [
        {"case_id": "a", "output": "1"},
        {"case_id": "b", "output": "2"},
    ]
    first = recorded_target(records).digest
    assert recorded_target(records[::-1], target_id="other").digest == first
    assert recorded_target([records[0], {"case_id": "b", "output": "3"}]).digest != first
    assert recorded_target(records[:1]).digest != first


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("text", "a record is a map, not a string"),
        ({"output": "x"}, "needs a case_id or an input_hash"),
        ({"case_id": "a", "output": "x", "status": "fine"}, "status 'fine' is none of ok"),
        ({"case_id": "a"}, "a record with status ok needs an output"),
        ({"case_id": ["a"], "output": "x"}, "case_id is text, not list"),
        ({"case_id": "a", "output": "x", "model": 4}, "model is text, not "),
        ({"case_id": "a", "output": "x", "latency_ms": "fast"}, "latency_ms is a number"),
        ({"case_id": "a", "output": "x", "latency_ms": -5}, "latency_ms is a number"),
        ({"case_id": "a", "output": "x", "cost_usd": True}, "cost_usd is a number"),
        ({"case_id": "a", "output": "x", "cost_usd": math.inf}, "cost_usd is a number"),
        ({"case_id": "a", "output": "x", "repeat": 0.5}, "repeat is a whole number"),
        ({"case_id": "a", "output": "x", "repeat": -1}, "repeat is a whole number"),
    ],
)
def test_a_record_that_cannot_be_read_is_a_problem_with_its_line(record: Any, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        recorded_target([{"case_id": "ok", "output": "fine"}, record], file="answers.jsonl")
    (problem,) = refusal.value.problems
    assert message in problem.message
    assert (problem.file, problem.line) == ("answers.jsonl", 2)


def test_a_record_may_name_its_case_by_a_number_and_leave_fields_empty() -> None:
    empty = dict.fromkeys(("repeat", "latency_ms", "cost_usd", "status", "model"))
    target = recorded_target(
        [{"case_id": 7, "output": "x", **empty}, {"case_id": "b", "output": "y", "repeat": 1.0}]
    )
    assert set(target.answers) == {("7", 0), ("b", 1)}


def test_two_answers_to_one_question_are_refused() -> None:
    with pytest.raises(SpecError, match="'a' has a second answer for repeat 0"):
        recorded_target([{"case_id": "a", "output": "x"}, {"case_id": "a", "output": "y"}])


def test_a_record_may_tell_its_tool_calls_tokens_and_first_token() -> None:
    made = recorded_target(
        [
            {
                "case_id": "a",
                "output": "x",
                "ttft_ms": 12.5,
                "input_tokens": 3,
                "output_tokens": 4.0,
                "reasoning_tokens": 1,
                "tool_calls": [{"name": "look_up", "arguments": {"q": 1}}, {"name": "stop"}],
            },
            {"case_id": "b", "output": "x", "tool_calls": []},
        ]
    )
    answer = made.answers["a", 0]
    assert (answer.ttft_ms, answer.input_tokens, answer.output_tokens) == (12.5, 3, 4)
    assert answer.reasoning_tokens == 1
    assert answer.tool_calls == [
        {"name": "look_up", "arguments": {"q": 1}},
        {"name": "stop", "arguments": {}},
    ]
    assert made.answers["b", 0].tool_calls is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("input_tokens", 1.5, "whole number"),
        ("output_tokens", -1, "whole number"),
        ("ttft_ms", "soon", "number of at least 0"),
        ("tool_calls", "look_up", "a list of calls"),
        ("tool_calls", ["look_up"], "name, arguments"),
        ("tool_calls", [{"arguments": {}}], "name, arguments"),
        ("tool_calls", [{"name": "f", "arguments": [1]}], "name, arguments"),
    ],
)
def test_what_a_record_tells_has_its_type(field: str, value: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        recorded_target([{"case_id": "a", "output": "x", field: value}])
