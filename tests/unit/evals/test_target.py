"""The bare model as a target: what it is sent, and what becomes of its answers."""

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from pipex_core.errors import AuthFailed, BudgetExceeded, ProviderError, RateLimited
from pipex_core.evals.answers import Answer
from pipex_core.evals.suite import Case
from pipex_core.evals.target import Asking, PromptTarget, ask_model, json_of_text
from pipex_core.llm.client import LlmClient
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Response, ToolCall, Usage
from pipex_core.telemetry import NullSink
from tests.fakes.clock import ManualClock
from tests.fakes.provider import Line, MemoryCallLog, ScriptedProvider

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
source: made up
models:
  - provider: anthropic
    match: [m]
    valid_from: 2026-01-01
    input: "2"
    output: "10"
    cache_read: "0.2"
    cache_write_5m: "2.5"
    cache_write_1h: "4"
"""
)
target = PromptTarget(provider="anthropic", model="m")


def ask(
    case: Case, *lines: Line, of: PromptTarget = target, budget: Budget | None = None
) -> tuple[Answer, ScriptedProvider]:
    clock = ManualClock(auto=True)
    provider = ScriptedProvider(lines)
    client = LlmClient(providers={"anthropic": provider}, clock=clock, rng=Random(0), prices=prices)
    asking = Asking(
        client=client,
        log=MemoryCallLog("case:a#0"),
        ledger=Ledger(budget),
        retry=RetryPolicy(max_retries=2),
        sink=NullSink(),
    )
    return asyncio.run(ask_model(of, case, 0, asking)), provider


def changed(**fields: Any) -> PromptTarget:
    return PromptTarget(**{"provider": "anthropic", "model": "m", **fields})


def test_a_text_input_is_the_prompt_itself() -> None:
    request = target.request(Case(id="a", input="2+2?"), 3)
    assert (request.prompt, request.repeat, request.model, request.system) == ("2+2?", 3, "m", None)


def test_a_prompt_may_use_the_fields_of_a_map_the_context_and_the_choices() -> None:
    case = Case(
        id="a",
        input={"question": "who?", "context": "hidden by the case's"},
        context=("one", "two"),
        choices=("x", "y"),
    )
    made = changed(prompt="{{ context }}|{{ question }}|{{ choices }}|{{ input.question }}")
    assert made.request(case, 0).prompt == 'one\n\ntwo|who?|["x","y"]|who?'


def test_a_field_of_the_input_serves_where_the_case_has_no_context() -> None:
    case = Case(id="a", input={"context": "inside"})
    assert changed(prompt="{{ context }}").request(case, 0).prompt == "inside"


def test_turns_are_sent_as_turns() -> None:
    turns = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "bye"},
    ]
    request = changed(system="be brief").request(Case(id="a", input=turns), 0)
    assert [(m.role, m.text) for m in request.messages] == [
        ("user", "hi"),
        ("assistant", "hello"),
        ("user", "bye"),
    ]
    assert request.system == "be brief\n\nbe kind"


def test_turns_inside_a_prompt_are_text() -> None:
    made = changed(prompt="Say: {{ input }}")
    request = made.request(Case(id="a", input=[{"role": "user", "content": "hi"}]), 0)
    assert request.prompt == 'Say: [{"role":"user","content":"hi"}]'


def test_everything_that_can_change_an_answer_changes_the_digest_and_nothing_else_does() -> None:
    other = [
        changed(model="n"),
        changed(prompt="Q: {{ input }}"),
        changed(system="s"),
        changed(options={"temperature": 0}),
        changed(max_tokens=7),
        changed(base_url="http://127.0.0.1"),
        changed(provider="gemini"),
    ]
    assert len({target.digest, *(one.digest for one in other)}) == 8
    assert changed(timeout_s=1.0, target_id="name").digest == target.digest
    assert (target.model_id, target.kind) == ("m", "prompt")


def test_an_answer_has_its_text_tokens_cost_and_model() -> None:
    response = Response(
        text="4",
        usage=Usage(input=1000, cache_read=10, output=200, thinking=5),
        model_served="m-1",
        latency_ms=7.0,
    )
    answer, _ = ask(Case(id="a", input="2+2?"), response)
    assert answer == Answer(
        status="ok",
        text="4",
        finish_reason="stop",
        latency_ms=7.0,
        input_tokens=1010,
        output_tokens=200,
        cache_read_tokens=10,
        cache_write_tokens=0,
        reasoning_tokens=5,
        calls=1,
        # 1 000 input, 10 cached and 200 output tokens at 2, 0.2 and 10 USD per million.
        cost_nanousd=2_000_000 + 2_000 + 2_000_000,
        provider="anthropic",
        model_resolved="m-1",
    )


def test_an_answer_cut_at_the_output_limit_is_observed_as_truncated() -> None:
    answer, _ = ask(Case(id="a", input="q"), Response(text="so", finish_reason="max_tokens"))
    assert (answer.status, answer.text, answer.error_code) == ("truncated", "so", None)


def test_tool_calls_are_kept_by_name_and_arguments() -> None:
    call = ToolCall(id="1", name="Read", arguments={"path": "a"})
    answer, _ = ask(Case(id="a", input="q"), Response(text="", tool_calls=[call]))
    assert answer.tool_calls == [{"name": "Read", "arguments": {"path": "a"}}]


def test_a_refusal_is_an_observed_answer_that_was_paid() -> None:
    answer, _ = ask(
        Case(id="a", input="q"),
        Response(text="", finish_reason="content_filter", usage=Usage(input=1000)),
    )
    assert (answer.status, answer.text, answer.finish_reason) == (
        "model_refusal",
        "",
        "content_filter",
    )
    assert (answer.calls, answer.cost_nanousd) == (1, 2_000_000)


def test_an_empty_answer_is_the_models_failure() -> None:
    answer, _ = ask(Case(id="a", input="q"), Response(text=" "))
    assert (answer.status, answer.error_code, answer.text) == ("model_error", "empty_reply", None)


@pytest.mark.parametrize(
    ("error", "status", "calls"),
    [(RateLimited("slow"), "rate_limited", 3), (AuthFailed("who?"), "infra_error", 1)],
)
def test_a_failed_call_becomes_an_answer_after_the_clients_own_retries(
    error: ProviderError, status: str, calls: int
) -> None:
    answer, provider = ask(Case(id="a", input="q"), error)
    assert (answer.status, answer.calls, len(provider.sent)) == (status, calls, calls)


def test_a_call_that_does_not_fit_in_the_budget_is_not_sent() -> None:
    answer, provider = ask(
        Case(id="a", input="q"), budget=Budget(max_cost_usd=Decimal("0.0000001"))
    )
    assert (answer.status, answer.error_code, provider.sent) == (
        "not_run_budget",
        BudgetExceeded.code,
        [],
    )


def test_a_prompt_with_an_unknown_name_is_the_targets_failure_and_costs_nothing() -> None:
    answer, provider = ask(Case(id="a", input="q"), of=changed(prompt="{{ questoin }}"))
    assert (answer.status, answer.error_code, provider.sent) == (
        "target_error",
        "undefined_reference",
        [],
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]\n", [1, 2]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[]\n```", []),
        ("so: {}", None),
        ("12", None),
        ("{broken", None),
        ("```", None),
    ],
)
def test_a_text_that_is_json_as_a_whole_has_a_value(text: str, value: Any) -> None:
    assert json_of_text(text) == value
