"""The order of a call, its retries, its cache and what a crash leaves behind; with scripted providers."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pipex_core.errors import (
    BudgetExceeded,
    ConfigError,
    ConnectionFailed,
    EmptyReply,
    InvalidRequest,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    Refused,
    ServerFailed,
    StoreError,
)
from pipex_core.llm.client import NullCallLog, Reply
from pipex_core.llm.cost import Amount, Budget
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import Begun, Estimate, Origin, Request, Response, Usage
from tests.fakes.calling import World, bound, cost, prices, question, run
from tests.fakes.clock import settle
from tests.fakes.provider import MemoryCallLog, answer

outage = ServerFailed("boom")


def failure_of(world: World, request: Request = question, **how: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        run(world.call(request, **how))
    return caught.value


def test_an_answer_is_reserved_journalled_settled_and_told() -> None:
    world = World(answer("four"))
    reply = run(world.call())
    assert (reply.response.text, reply.attempts, reply.cache) == ("four", 1, "miss")
    assert (reply.cost_nanousd, reply.failed_nanousd, reply.wait_ms) == (2_000_000, 0, 0.0)
    assert reply.response.price_id == prices.prices[0].id
    assert (world.ledger.spent, world.ledger.reserved) == (cost, Amount())
    begun = world.log.records[0][1]
    assert world.log.records == [("begin", begun, 0), ("done", begun, 2_000_000)]
    assert begun == Begun(
        unit="loop[0]/draft",
        ordinal=0,
        request=question.key(adapter_version=1),
        attempt=1,
        provider="anthropic",
        model="m",
        reserved_nanousd=bound.nanousd,
        reserved_tokens=bound.tokens,
    )
    assert world.kinds() == ["call_started", "call_finished"]
    assert world.events[1].step == "loop[0]/draft"
    assert world.events[1].data["tokens"]["input"] == 1000
    assert reply.warnings == ()


def test_begin_is_durable_before_sending_only_where_money_is_at_stake() -> None:
    live, mock = World(), World(billable=False)
    run(live.call())
    run(mock.call())
    assert (live.log.waits, mock.log.waits) == ([True], [False])


def test_the_budget_is_reserved_while_the_call_runs() -> None:
    async def work() -> Amount:
        world = World()
        world.provider.gate = asyncio.Event()
        task = asyncio.create_task(world.call())
        await settle()
        reserved = world.ledger.reserved
        world.provider.gate.set()
        await task
        return reserved

    assert run(work()) == bound


def test_nothing_is_sent_that_does_not_fit_in_the_budget() -> None:
    world = World(budget=Budget(max_cost_usd=Decimal("0.005")))
    with pytest.raises(BudgetExceeded):
        run(world.call())
    assert (world.provider.sent, world.log.records) == ([], [])


def test_a_budget_of_a_cent_holds_at_fifty_calls_at_once() -> None:
    async def work(world: World) -> list[Reply | BaseException]:
        calls = [
            world.client.call(question, log=NullCallLog(), ledger=world.ledger, retry=world.retry)
            for _ in range(50)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    world = World(budget=Budget(max_cost_usd=Decimal("0.01")))
    ends = run(work(world))
    # each call costs 0.002 and needs 0.006032 free: after 2 of them no third fits
    assert sum(isinstance(end, Reply) for end in ends) == 2
    assert sum(isinstance(end, BudgetExceeded) for end in ends) == 48
    assert world.ledger.spent.nanousd == 4_000_000
    assert world.ledger.reserved == Amount()


def test_a_provider_that_knows_the_price_reserves_exactly_that() -> None:
    world = World(billable=False, budget=Budget(max_cost_usd=Decimal("0.8")))
    world.provider.known = Estimate(nanousd=400_000_000, tokens=15)
    world.provider._lines = [Response(text="ok", cost_nanousd=400_000_000)]
    assert run(world.call()).cost_nanousd == 400_000_000
    run(world.call())
    with pytest.raises(BudgetExceeded):
        run(world.call())
    assert len(world.provider.sent) == 2


def test_retries_wait_and_each_attempt_is_journalled_and_numbered() -> None:
    world = World(outage, outage, answer("four"))
    reply = run(world.call(replace(question, origin=Origin(path="s", attempt=3))))
    assert (reply.attempts, reply.wait_ms) == (3, 3000.0)
    assert world.clock.sleeps == [1.0, 2.0]
    assert [request.origin.attempt for request in world.provider.sent] == [3, 4, 5]
    assert world.log.kinds() == [
        "begin", "fail server_error", "begin", "fail server_error", "begin", "done",
    ]  # fmt: skip
    assert [call.attempt for _, call, _ in world.log.records] == [1, 1, 2, 2, 3, 3]
    assert world.ledger.spent == Amount(nanousd=2_000_000, tokens=1200, calls=3)
    assert [e.data["wait_ms"] for e in world.events if e.kind == "call_retried"] == [1000, 2000]


def test_the_last_error_is_raised_when_attempts_are_used_up() -> None:
    world = World(outage, retry=RetryPolicy(max_retries=2, jitter=False))
    assert failure_of(world) is outage
    assert len(world.provider.sent) == 3


def test_an_error_of_the_request_is_not_retried() -> None:
    world = World(InvalidRequest("no"))
    assert failure_of(world).code == "invalid_request"
    assert len(world.provider.sent) == 1


def test_a_call_that_may_have_been_billed_counts_at_its_bound() -> None:
    world = World(ConnectionFailed("cut", maybe_billed=True), answer())
    reply = run(world.call())
    assert reply.failed_nanousd == bound.nanousd
    assert world.log.records[1][2] == bound.nanousd
    assert world.ledger.spent == bound + cost


def test_retry_after_is_waited_for_and_holds_other_calls() -> None:
    world = World(RateLimited("slow down", retry_after_s=7.0), answer())
    assert run(world.call()).wait_ms == 7000.0
    assert world.clock.sleeps == [7.0]


def test_a_wait_longer_than_may_be_slept_parks_the_run() -> None:
    world = World(RateLimited("slow down", retry_after_s=3600.0))
    error = failure_of(world)
    assert (error.detail, error.retry_after_s, error.retryable) == ("parked", 3600.0, True)
    assert world.clock.sleeps == []


def test_a_wait_that_would_pass_the_deadline_is_not_started() -> None:
    world = World(outage)
    assert failure_of(world, deadline=2.5).code == "server_error"
    assert world.clock.sleeps == [1.0]
    assert len(world.provider.sent) == 2


def test_nothing_is_sent_after_the_deadline() -> None:
    world = World()
    world.clock.tick(5)
    error = failure_of(world, deadline=5.0)
    assert (error.code, error.detail, error.maybe_billed) == ("timeout", "deadline", False)
    assert world.provider.sent == []


def test_a_call_is_cut_at_its_wall_deadline_and_may_have_been_billed() -> None:
    world = World(retry=RetryPolicy(max_retries=0))
    world.provider.gate = asyncio.Event()  # nobody sets it
    error = failure_of(world, replace(question, timeout_s=0.02))
    assert (type(error), error.maybe_billed) == (ProviderTimeout, True)
    assert world.ledger.spent == bound


def test_the_deadline_of_the_step_shortens_that_of_the_call() -> None:
    world = World()
    run(world.call(deadline=20.0))
    assert world.provider.sent[0].timeout_s == 20.0


def test_a_timeout_inside_a_provider_is_not_taken_for_the_deadline() -> None:
    def broken(_: Request) -> Response:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run(World(broken).call())


def test_a_cancelled_call_stays_in_doubt() -> None:
    async def work(world: World) -> None:
        world.provider.gate = asyncio.Event()
        task = asyncio.create_task(world.call())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    live, mock = World(), World(billable=False)
    run(work(live))
    run(work(mock))
    assert live.log.kinds() == ["begin"]
    assert (live.ledger.spent, live.ledger.reserved) == (bound, Amount())
    assert mock.ledger.spent == Amount(calls=1)


def test_nothing_is_sent_or_counted_when_the_journal_refuses() -> None:
    class FullLog(MemoryCallLog):
        async def begin(self, call: Begun, *, wait: bool) -> None:
            del call, wait
            raise StoreError("the disk is full", code="storage_full")

    world = World()
    world.log = FullLog()
    with pytest.raises(StoreError):
        run(world.call())
    assert world.provider.sent == []
    assert (world.ledger.spent, world.ledger.reserved) == (Amount(), Amount())


def test_a_durable_answer_is_never_bought_again() -> None:
    world = World(outage, answer("four"))
    first = run(world.call())
    world.log.restart()
    again = run(world.call())
    assert (again.response, again.attempts, again.cost_nanousd) == (first.response, 2, 2_000_000)
    assert len(world.provider.sent) == 2
    assert world.ledger.spent.calls == 2


def test_attempts_before_a_restart_count() -> None:
    world = World(outage, retry=RetryPolicy(max_retries=1, jitter=False))
    failure_of(world)
    world.log.restart()
    error = failure_of(world)
    assert (error.code, error.detail) == ("connection", "attempts_used_up")
    world.retry = RetryPolicy(max_retries=2, jitter=False)
    world.log.restart()
    failure_of(world)
    assert len(world.provider.sent) == 3


def test_a_refusal_is_paid_for_and_found_again() -> None:
    world = World(replace(answer(""), finish_reason="content_filter", request_id="req_1"))
    error = failure_of(world)
    assert (type(error), error.request_id) == (Refused, "req_1")
    assert world.ledger.spent == cost
    assert world.events[-1].data["outcome"] == "content_filter"
    world.log.restart()
    failure_of(world)
    assert len(world.provider.sent) == 1


def test_an_empty_reply_is_an_error() -> None:
    world = World(answer(" \n"))
    assert type(failure_of(world)) is EmptyReply
    assert world.log.kinds() == ["begin", "done"]


def test_the_cache_answers_without_a_call() -> None:
    world = World(answer("four"))
    run(world.call(cache="use"))
    hit = run(world.call(cache="use"))
    assert (hit.response.text, hit.cache, hit.attempts, hit.cost_nanousd) == ("four", "hit", 0, 0)
    run(world.call(cache="refresh"))
    run(world.call())
    assert len(world.provider.sent) == 3


def test_what_the_cache_has_can_be_looked_at_without_a_call() -> None:
    world = World(answer("four"))
    assert world.client.cached(question) is None
    run(world.call(cache="use"))
    found = world.client.cached(question)
    assert found is not None
    assert found.text == "four"
    assert len(world.provider.sent) == 1


def test_repeats_never_share_an_answer() -> None:
    world = World()
    run(world.call(cache="use"))
    run(world.call(replace(question, repeat=1), cache="use"))
    assert len(world.provider.sent) == 2


def test_only_replies_that_ended_normally_are_cached() -> None:
    world = World(replace(answer("fo"), finish_reason="max_tokens"))
    reply = run(world.call(cache="use"))
    assert [warning.code for warning in reply.warnings] == ["truncated"]
    assert world.cache.entries == {}


def test_a_model_without_a_price_is_counted_at_the_highest_and_said_so() -> None:
    world = World(answer())
    reply = run(world.call(replace(question, model="unknown")))
    assert [warning.code for warning in reply.warnings] == ["unknown_price"]
    assert reply.cost_nanousd == 2_000_000


def test_a_budget_may_refuse_models_without_a_price() -> None:
    world = World(budget=Budget(unknown_price="refuse"))
    run(world.call())
    with pytest.raises(ConfigError) as caught:
        run(world.call(replace(question, model="unknown")))
    assert caught.value.code == "unknown_price"
    assert len(world.provider.sent) == 1


def test_another_model_than_asked_for_is_flagged() -> None:
    dated = World(replace(answer(), model_served="m-20261101"))
    other = World(replace(answer(), model_served="n"))
    assert run(dated.call()).warnings == ()
    assert [warning.code for warning in run(other.call()).warnings] == ["model_mismatch"]


def test_prices_of_more_than_90_days_ago_are_told_of_once() -> None:
    world, mock = World(), World(billable=False)
    for one in (world, mock):
        one.clock.tick(91 * 86_400)
    told = [[w.code for w in run(world.call()).warnings] for _ in range(2)]
    assert told == [["stale_prices"], []]
    assert run(mock.call()).warnings == ()


def test_a_usage_above_the_reservation_is_charged_and_flagged() -> None:
    world = World(answer(output_tokens=5000))
    reply = run(world.call())
    assert [warning.code for warning in reply.warnings] == ["reservation_exceeded"]
    assert world.ledger.spent.nanousd == 26_000_000


def test_a_budget_that_warns_says_so_in_the_reply() -> None:
    world = World(budget=Budget(max_calls=0, on_exceed="warn"))
    assert [warning.code for warning in run(world.call()).warnings] == ["budget_exceeded"]
    assert run(world.call()).warnings == ()


def test_latency_is_measured_unless_the_provider_knows_it() -> None:
    world = World()

    def slow(_: Request) -> Response:
        world.clock.tick(0.25)
        return answer()

    world.provider._lines = [slow, replace(answer(), latency_ms=5.0)]
    assert run(world.call()).response.latency_ms == 250.0
    assert run(world.call()).response.latency_ms == 5.0


def test_an_unknown_provider_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigError) as caught:
        run(World().call(replace(question, provider="other")))
    assert caught.value.code == "unknown_provider"


def test_closing_the_client_closes_its_providers() -> None:
    world = World()
    run(world.client.aclose())
    assert world.provider.is_closed


def test_null_logs_number_calls_and_know_nothing() -> None:
    log = NullCallLog("u")
    assert (log.unit, log.next_ordinal(), log.next_ordinal()) == ("u", 0, 1)
    assert log.answered(0, "k") is None
    assert log.attempts_so_far(0, "k") == 0


def test_a_failure_in_a_null_log_is_raised() -> None:
    world = World(outage, retry=RetryPolicy(max_retries=0))
    with pytest.raises(ServerFailed):
        run(world.client.call(question, log=NullCallLog(), ledger=world.ledger, retry=world.retry))


def test_usage_of_thinking_is_part_of_the_output() -> None:
    world = World(Response(text="x", usage=Usage(input=1, output=10, thinking=9)))
    assert run(world.call()).cost_nanousd == 1000 + 10 * 5000
