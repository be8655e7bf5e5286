"""Retry waits, quota, breaker, limiter and buckets on a clock that tests move."""

import asyncio
import random

import pytest

from pipex_core.errors import (
    ApiError,
    AuthFailed,
    CircuitOpen,
    InvalidReply,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ReplayMiss,
)
from pipex_core.llm.buckets import TokenBucket
from pipex_core.llm.limits import (
    AdaptiveLimiter,
    Backoff,
    BreakerState,
    CircuitBreaker,
    RetryPolicy,
    RetryQuota,
    Slot,
)
from tests.fakes.clock import ManualClock, settle

rng = random.Random(20261123)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        ("exponential", [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]),
        ("linear", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        ("fixed", [1.0] * 7),
    ],
)
def test_waits_grow_as_the_strategy_says_up_to_the_cap(
    backoff: Backoff, waits: list[float]
) -> None:
    policy = RetryPolicy(backoff=backoff, jitter=False)
    assert [policy.wait_s(n, rng) for n in range(7)] == waits


def test_jitter_shortens_a_wait_by_up_to_half() -> None:
    waits = [RetryPolicy().wait_s(2, rng) for _ in range(500)]
    assert min(waits) >= 2.0
    assert max(waits) <= 4.0
    assert max(waits) - min(waits) > 1.5


def test_a_wait_asked_for_by_the_service_is_a_lower_bound() -> None:
    policy = RetryPolicy(jitter=False)
    assert policy.wait_s(0, rng, retry_after_s=45.0) == 45.0
    assert policy.wait_s(3, rng, retry_after_s=2.0) == 8.0


def test_a_late_retry_does_not_overflow() -> None:
    assert RetryPolicy(jitter=False).wait_s(100_000, rng) == 30.0


@pytest.mark.parametrize(
    ("retry_on", "error", "covered"),
    [
        (None, RateLimited("x"), True),
        (None, ProviderTimeout("x"), True),
        (None, ApiError("x"), True),
        (None, InvalidReply("x"), False),
        (None, CircuitOpen("x"), False),
        (None, AuthFailed("x"), False),
        (("timeout",), ProviderTimeout("x"), True),
        (("timeout",), RateLimited("x"), False),
        (("api_error",), Overloaded("x"), True),
        (("api_error",), ProviderTimeout("x"), False),
        (("invalid_reply",), InvalidReply("x"), True),
        (("SLOW down",), InvalidReply("please slow down"), True),
        (("slow down",), InvalidReply("go on"), False),
        (("auth",), AuthFailed("x"), False),
        (("replay_miss",), ReplayMiss("x"), False),
        ((), RateLimited("x"), False),
    ],
)
def test_retry_on_names_kinds_or_words_of_the_message(
    retry_on: tuple[str, ...] | None, error: ProviderError, *, covered: bool
) -> None:
    assert RetryPolicy(retry_on=retry_on).covers(error) is covered


def test_a_policy_is_checked_where_it_is_made() -> None:
    assert RetryPolicy(max_retries=0).attempts == 1
    with pytest.raises(ValueError, match="max_retries"):
        RetryPolicy(max_retries=-1)
    with pytest.raises(ValueError, match="delays"):
        RetryPolicy(base_delay_s=-1.0)
    with pytest.raises(ValueError, match="delays"):
        RetryPolicy(max_delay_s=-1.0)


def test_an_outage_is_paid_for_35_times() -> None:
    quota = RetryQuota()
    assert sum(quota.take("overloaded") for _ in range(1000)) == 35  # 500 / 14
    assert quota.credit == 10
    assert sum(quota.take("rate_limit") for _ in range(1000)) == 2  # 10 / 5


def test_successes_give_credit_back_up_to_the_capacity() -> None:
    quota = RetryQuota()
    quota.take("timeout")
    quota.succeeded()
    assert quota.credit == 487
    quota.succeeded(paid=RetryQuota.price("timeout"))
    assert quota.credit == 500


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


def report(breaker: CircuitBreaker, *kinds: str | None) -> None:
    for kind in kinds:
        entry = breaker.enter()
        assert entry is not None
        breaker.report(entry, kind)


def test_the_breaker_opens_at_five_failures_that_are_at_least_half() -> None:
    breaker = CircuitBreaker(ManualClock())
    report(breaker, None, None, None, None, None, "timeout", "timeout", "timeout", "timeout")
    assert state_of(breaker) == "closed"
    report(breaker, "connection")
    assert state_of(breaker) == "open"
    assert breaker.enter() is None


def test_a_service_that_mostly_answers_stays_closed() -> None:
    breaker = CircuitBreaker(ManualClock())
    report(breaker, *[None] * 15, *["server_error"] * 5)
    assert state_of(breaker) == "closed"


def test_refusals_and_throttles_are_no_outage() -> None:
    breaker = CircuitBreaker(ManualClock())
    report(breaker, *["invalid_request", "rate_limit", "content_filter"] * 7)
    assert state_of(breaker) == "closed"


def test_failures_older_than_a_minute_are_forgotten() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock)
    report(breaker, *["overloaded"] * 4)
    clock.tick(61)
    report(breaker, *["overloaded"] * 4)
    assert state_of(breaker) == "closed"


def test_two_answered_probes_close_the_breaker_one_at_a_time() -> None:
    clock = ManualClock()
    seen: list[BreakerState] = []
    breaker = CircuitBreaker(clock, changed=seen.append)
    report(breaker, *["overloaded"] * 5)
    clock.tick(15)
    assert state_of(breaker) == "half"
    probe = breaker.enter()
    assert probe is not None
    assert breaker.enter() is None
    breaker.report(probe, None)
    assert state_of(breaker) == "half"
    report(breaker, None)
    assert state_of(breaker) == "closed"
    assert seen == ["open", "half", "closed"]


def test_failed_probes_after_the_first_double_the_time_up_to_two_minutes() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock)
    report(breaker, *["overloaded"] * 5)
    for open_s in (15, 15, 30, 60, 120, 120):
        clock.tick(open_s - 1)
        assert state_of(breaker) == "open"
        clock.tick(1)
        report(breaker, "overloaded")
    clock.tick(120)
    report(breaker, None, None)
    report(breaker, *["overloaded"] * 5)
    clock.tick(15)
    assert state_of(breaker) == "half"


def test_a_call_sent_before_the_breaker_opened_is_no_probe() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock)
    early = breaker.enter()
    assert early is not None
    report(breaker, *["overloaded"] * 5)
    breaker.report(early, None)
    breaker.leave(early)
    assert state_of(breaker) == "open"


def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(clock)
    report(breaker, *["overloaded"] * 5)
    clock.tick(15)
    probe = breaker.enter()
    assert probe is not None
    breaker.leave(probe)
    assert breaker.enter() is not None


def test_waiting_ends_when_the_breaker_may_be_tried() -> None:
    async def run() -> list[float]:
        clock = ManualClock(auto=True)
        breaker = CircuitBreaker(clock)
        await breaker.wait(until=99.0)
        report(breaker, *["overloaded"] * 5)
        await breaker.wait(until=4.0)
        await breaker.wait(until=99.0)
        return clock.sleeps

    assert asyncio.run(run()) == [4.0, 11.0]


def test_waiting_for_a_probe_ends_with_the_probe() -> None:
    async def run() -> None:
        clock = ManualClock()
        breaker = CircuitBreaker(clock)
        report(breaker, *["overloaded"] * 5)
        clock.tick(15)
        probe = breaker.enter()
        assert probe is not None
        waiters = [asyncio.create_task(breaker.wait(until=99.0)) for _ in range(3)]
        await settle()
        waiters[0].cancel()
        assert not waiters[1].done()
        breaker.report(probe, None)
        await asyncio.gather(*waiters, return_exceptions=True)

    asyncio.run(run())


def wait_for(bucket: TokenBucket, amount: float) -> float:
    """Seconds until ``amount``, taken now, may be used."""
    return round(bucket.wait_s(bucket.take(amount)), 9)


def test_a_bucket_lets_a_minute_of_calls_through_and_then_spaces_them() -> None:
    clock = ManualClock()
    bucket = TokenBucket(clock, per_minute=60)
    assert [wait_for(bucket, 1) for _ in range(61)] == [0.0] * 60 + [1.0]
    assert wait_for(bucket, 2) == 3.0
    clock.tick(10)
    assert wait_for(bucket, 7) == 0.0
    assert wait_for(bucket, 1) == 1.0
    bucket.correct(6)
    assert wait_for(bucket, 5) == 0.0
    clock.tick(3600)
    assert wait_for(bucket, 61) == 1.0


def test_what_is_given_back_shortens_the_waits_of_those_behind() -> None:
    bucket = TokenBucket(ManualClock(), per_minute=60)
    dues = [bucket.take(60), bucket.take(30), bucket.take(10)]
    assert [bucket.wait_s(due) for due in dues] == [0.0, 30.0, 40.0]
    bucket.correct(35)
    assert [bucket.wait_s(due) for due in dues] == [0.0, 0.0, 5.0]


def test_a_bucket_is_lowered_by_whoever_else_counts_and_never_raised() -> None:
    clock = ManualClock()
    bucket = TokenBucket(clock, per_minute=60)
    bucket.lower(2)
    bucket.lower(50)
    assert [wait_for(bucket, 1) for _ in range(3)] == [0.0, 0.0, 1.0]


async def fill(limiter: AdaptiveLimiter, count: int) -> list[Slot]:
    return [await limiter.acquire() for _ in range(count)]


def test_the_limit_doubles_per_window_until_the_first_throttle() -> None:
    async def run() -> list[int]:
        seen: list[int] = []
        limiter = AdaptiveLimiter(ManualClock(), cap=64, changed=seen.append)
        assert limiter.limit == 10
        for _ in range(10 + 20):
            limiter.succeeded(await limiter.acquire())
        limiter.throttled(await limiter.acquire())  # 40 * 0.7
        for _ in range(28 + 29):
            limiter.succeeded(await limiter.acquire())
        return seen

    assert asyncio.run(run()) == [20, 40, 28, 29, 30]


def test_the_limit_never_passes_the_cap() -> None:
    async def run() -> int:
        limiter = AdaptiveLimiter(ManualClock(), cap=12)
        for _ in range(50):
            limiter.succeeded(await limiter.acquire())
        return limiter.limit

    assert asyncio.run(run()) == 12
    assert AdaptiveLimiter(ManualClock(), cap=3).limit == 3
    with pytest.raises(ValueError, match="cap"):
        AdaptiveLimiter(ManualClock(), cap=0)


def test_one_round_trip_lowers_the_limit_once_and_never_below_one() -> None:
    async def run() -> list[int]:
        limiter = AdaptiveLimiter(ManualClock())
        limits = []
        for slot in await fill(limiter, 10):
            limiter.throttled(slot)
        limits.append(limiter.limit)
        for _ in range(9):
            limiter.throttled(await limiter.acquire())
            limits.append(limiter.limit)
        return limits

    assert asyncio.run(run()) == [7, 4, 2, 1, 1, 1, 1, 1, 1, 1]


def test_no_more_calls_run_than_the_limit_allows() -> None:
    async def run() -> tuple[int, int]:
        limiter = AdaptiveLimiter(ManualClock(), cap=2)
        slots = await fill(limiter, 2)
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await settle()
        seen = (limiter.in_flight, limiter.waiting)
        limiter.released(slots[0])
        await settle()
        assert [task.done() for task in waiting] == [True, False, False]
        limiter.released(slots[1])
        limiter.released(await waiting[0])
        await asyncio.gather(*waiting)
        return seen

    assert asyncio.run(run()) == (2, 3)


def test_runs_are_served_in_turn() -> None:
    async def run() -> list[str]:
        limiter = AdaptiveLimiter(ManualClock(), cap=1)
        slot = await limiter.acquire("big")
        order: list[str] = []

        async def wait(group: str, name: str) -> None:
            mine = await limiter.acquire(group)
            order.append(name)
            limiter.released(mine)

        tasks = [
            asyncio.create_task(wait(name[0], name)) for name in ("b1", "b2", "b3", "s1", "s2")
        ]
        await settle()
        limiter.released(slot)
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(run()) == ["b1", "s1", "b2", "s2", "b3"]


def test_a_cancelled_caller_leaves_its_place_to_the_next() -> None:
    async def run() -> None:
        limiter = AdaptiveLimiter(ManualClock(), cap=1)
        slot = await limiter.acquire()
        first, second, third = (asyncio.create_task(limiter.acquire()) for _ in range(3))
        await settle()
        first.cancel()
        await settle()
        limiter.released(slot)  # the turn goes to the second, which is cancelled before it runs
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        limiter.released(await third)
        assert (limiter.in_flight, limiter.waiting) == (0, 0)

    asyncio.run(run())


def test_a_pause_asked_for_by_the_service_holds_everybody() -> None:
    async def run() -> list[bool]:
        clock = ManualClock()
        limiter = AdaptiveLimiter(clock)
        limiter.throttled(await limiter.acquire(), retry_after_s=7.0)
        limiter.pause(3.0)
        waiting = asyncio.create_task(limiter.acquire())
        stopped = asyncio.create_task(limiter.acquire())
        await settle()
        stopped.cancel()
        seen = []
        for seconds in (6.9, 0.1):
            await clock.advance(seconds)
            seen.append(waiting.done())
        await waiting
        assert limiter.in_flight == 1
        return seen

    assert asyncio.run(run()) == [False, True]
