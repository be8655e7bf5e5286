"""The file of mock responses: what its rules match, and how wrong files are told."""

from typing import Any

import pytest
import yaml

from pipex_core.errors import ConfigError, RateLimited
from pipex_core.llm.mock_rules import Entry, When, rules_of
from pipex_core.llm.provider import Message, Origin, Request


def request(prompt: str = "What is Paris?", *, model: str = "m", **origin: Any) -> Request:
    messages = [Message(role="user", text=prompt)]
    return Request(provider="mock", model=model, messages=messages, origin=Origin(**origin))


def when(**conditions: Any) -> When:
    return rules_of({"responses": [{"when": conditions, "reply": "x"}]}).rules[0].when


@pytest.mark.parametrize(
    ("glob", "path", "holds"),
    [
        ("gen", "gen", True),
        ("gen", "gen2", False),
        ("gen", "loop[3]/gen", True),
        ("gen", "gen/task", False),
        ("batch/*", "batch/t1", True),
        ("batch/*", "batch/t1/deeper", True),
        ("batch/*", "x/batch/t1", False),
        ("loop[0]/gen", "loop[0]/gen", True),
        ("loop[0]/gen", "loop0/gen", False),
        ("loop[*]/gen", "loop[12]/gen", True),
        ("g*n", "a/b/golden", True),
        ("*", "anything/at/all", True),
        ("g?n", "gen", False),
        ("team/alpha", "alpha", False),
    ],
)
def test_globs_match_step_paths(glob: str, path: str, *, holds: bool) -> None:
    assert when(step=glob).holds(request(path=path)) is holds


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"type": "claude"}, True),
        ({"type": "gemini"}, False),
        ({"model": "m"}, True),
        ({"model": "n"}, False),
        ({"session": "math"}, True),
        ({"session": "art"}, False),
        ({"contains": "Paris"}, True),
        ({"contains": "paris"}, False),
        ({"matches": "^What .* Par"}, True),
        ({"matches": "^is"}, False),
        ({"attempt": 2}, True),
        ({"attempt": 1}, False),
        ({"contains": "Paris", "attempt": 1}, False),
    ],
)
def test_all_conditions_must_hold(conditions: dict[str, Any], *, holds: bool) -> None:
    asked = request(step_type="claude", session="math", attempt=2)
    assert when(**conditions).holds(asked) is holds


def test_the_example_of_the_reference_is_read() -> None:
    rules = rules_of(
        yaml.safe_load("""
responses:
  - when: {step: gen, contains: "Paris", attempt: 1}
    reply: "text"
    tokens: {input: 10, output: 5}
    cost: 0.25
  - when: {step: "batch/*"}
    replies: ["one", {error: {kind: rate_limit, message: "slow down", retry_after_s: 2}}, {json: {a: 1}}]
default: {reply: "fallback"}
""")
    )
    first, second = rules.rules
    assert first.entries == [
        Entry(text="text", input_tokens=10, output_tokens=5, cost_nanousd=250_000_000)
    ]
    assert [second.entry(n).text for n in (0, 2, 3)] == ["one", '{"a":1}', '{"a":1}']
    failure = second.entry(1).failure
    assert failure is not None
    assert (failure.raises, failure.message, failure.retry_after_s) == (
        RateLimited,
        "slow down",
        2.0,
    )
    assert rules.default == Entry(text="fallback")


def test_an_empty_file_has_no_rules() -> None:
    assert rules_of(None) == rules_of({})
    assert rules_of({}).rules == []


def test_what_a_rule_says_holds_for_its_replies_unless_they_say_otherwise() -> None:
    rules = rules_of({"responses": [{"cost": 1, "replies": ["a", {"reply": "b", "cost": 2}]}]})
    assert [entry.cost_nanousd for entry in rules.rules[0].entries] == [10**9, 2 * 10**9]


def test_an_error_is_called_by_its_kind_when_it_has_no_message() -> None:
    failure = rules_of({"responses": [{"error": {"kind": "max_turns"}}]}).rules[0].entry(0).failure
    assert failure is not None
    assert (failure.message, failure.kind, failure.raises.retryable) == (
        "max_turns",
        "max_turns",
        False,
    )


def test_tool_calls_alone_are_an_answer() -> None:
    calls = [{"name": "Read", "input": {"path": "a"}}, {"name": "LS"}]
    entry = rules_of({"responses": [{"tool_calls": calls}]}).rules[0].entry(0)
    assert entry.tool_calls == (("Read", {"path": "a"}), ("LS", {}))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "the file: must be a map, not list"),
        ({"respones": []}, "respones: unknown field; did you mean 'responses'?"),
        ({"responses": {}}, "responses: must be a list, not map"),
        ({"responses": ["x"]}, "responses[0]: must be a map, not string"),
        ({"responses": [{"repyl": "x"}]}, "responses[0].repyl: unknown field; did you mean 'reply'?"),
        ({"responses": [{}]}, "responses[0]: has no answer; give one of reply, json, echo, error, replies"),
        ({"responses": [{"reply": "a", "json": 1}]}, "responses[0]: has both reply and json; a rule has one answer"),
        ({"responses": [{"reply": "a", "replies": ["b"]}]}, "responses[0]: has both replies and reply; a rule has one answer"),
        ({"responses": [{"replies": []}]}, "responses[0].replies: is empty"),
        ({"responses": [{"replies": [{"when": {}, "reply": "x"}]}]}, "responses[0].replies[0].when: unknown field"),
        ({"responses": [{"reply": 8}]}, "responses[0].reply: must be text, not integer; put it in quotes"),
        ({"responses": [{"echo": False}]}, "responses[0].echo: can only be true"),
        ({"responses": [{"error": {"kind": "ratelimit"}}]}, "responses[0].error.kind: unknown kind 'ratelimit'; did you mean 'rate_limit'?"),
        ({"responses": [{"error": {}}]}, "responses[0].error.kind: unknown kind 'None'"),
        ({"responses": [{"error": {"kind": "auth", "status": "x"}}]}, "responses[0].error.status: must be a whole number from 0, not 'x'"),
        ({"responses": [{"reply": "a", "when": {"stp": "x"}}]}, "responses[0].when.stp: unknown field; did you mean 'step'?"),
        ({"responses": [{"reply": "a", "when": {"attempt": 0}}]}, "responses[0].when.attempt: must be a whole number from 1, not 0"),
        ({"responses": [{"reply": "a", "when": {"attempt": True}}]}, "responses[0].when.attempt: must be a whole number from 1, not True"),
        ({"responses": [{"reply": "a", "when": {"matches": "("}}]}, "responses[0].when.matches: is no regular expression: missing ), unterminated subpattern at position 0"),
        ({"responses": [{"reply": "a", "when": {"contains": 3}}]}, "responses[0].when.contains: must be text, not integer; put it in quotes"),
        ({"responses": [{"reply": "a", "cost": -1}]}, "responses[0].cost: must be a number from 0, not -1"),
        ({"responses": [{"reply": "a", "cost": float("nan")}]}, "responses[0].cost: must be a number from 0, not nan"),
        ({"responses": [{"reply": "a", "latency_ms": "1"}]}, "responses[0].latency_ms: must be a number from 0, not '1'"),
        ({"responses": [{"reply": "a", "tokens": {"in": 1}}]}, "responses[0].tokens.in: unknown field"),
        ({"responses": [{"reply": "a", "tokens": {"input": 1.5}}]}, "responses[0].tokens.input: must be a whole number from 0, not 1.5"),
        ({"responses": [{"tool_calls": [{"input": {}}]}]}, "responses[0].tool_calls[0].name: must be text, not null; put it in quotes"),
        ({"default": {"repl": "x"}}, "default.repl: unknown field; did you mean 'reply'?"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where_and_what(data: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules_of(data)
    assert caught.value.code == "invalid_mock_responses"
    assert f"  {problem}" in caught.value.message.splitlines()


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        rules_of({"responses": [{"reply": 1}, {"reply": "a", "cost": "b"}]})
    assert len(caught.value.message.splitlines()) == 3
