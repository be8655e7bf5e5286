"""Clocks, ids and armed faults of this machine."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault, RandomIds, SystemClock, VirtualClock

noon = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_the_system_clock_is_aware_and_its_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
    asyncio.run(clock.sleep(0))
    asyncio.run(clock.sleep(1e-6))


def test_waits_are_counted_and_not_slept() -> None:
    async def run() -> tuple[float, datetime]:
        clock = VirtualClock(noon)
        await clock.sleep(86_400)
        await clock.sleep(0)
        await clock.sleep(-5)
        return clock.monotonic(), clock.now()

    assert asyncio.run(run()) == (86_400, noon.replace(day=24))


def test_without_a_start_the_time_of_day_is_real() -> None:
    assert VirtualClock().now().year >= 2025


def test_waiters_wake_in_order_of_their_deadlines_and_then_of_their_coming() -> None:
    woken: list[tuple[str, float]] = []

    async def run() -> None:
        clock = VirtualClock()

        async def wait(name: str, *seconds: float) -> None:
            for one in seconds:
                await clock.sleep(one)
                woken.append((name, clock.monotonic()))

        async with asyncio.TaskGroup() as group:
            group.create_task(wait("a", 3, 1))
            group.create_task(wait("b", 1, 1, 1))
            group.create_task(wait("c", 3))

    asyncio.run(run())
    assert woken == [("b", 1), ("b", 2), ("a", 3), ("c", 3), ("b", 3), ("a", 4)]


def test_time_does_not_jump_while_a_deep_chain_of_tasks_comes_to_its_end() -> None:
    async def deep(clock: VirtualClock, levels: int) -> float:
        if levels == 0:
            await clock.sleep(1)
            return clock.monotonic()
        return await asyncio.ensure_future(deep(clock, levels - 1))

    async def run() -> float:
        clock = VirtualClock()
        far = asyncio.ensure_future(clock.sleep(1000))
        await deep(clock, 100)
        after = clock.monotonic()
        far.cancel()
        return after

    assert asyncio.run(run()) == 1


def test_time_does_not_jump_while_something_real_is_waited_for() -> None:
    async def run() -> list[float]:
        clock = VirtualClock()
        seen: list[float] = []
        inner, outer = asyncio.Event(), asyncio.Event()
        alarm = asyncio.ensure_future(clock.sleep(10))

        async def hold(event: asyncio.Event) -> None:
            with clock.hold():
                await event.wait()
                seen.append(clock.monotonic())

        held = [asyncio.ensure_future(hold(event)) for event in (inner, outer)]
        for event in (inner, outer):
            await asyncio.sleep(0.001)
            event.set()
        await asyncio.gather(*held)
        await alarm
        return [*seen, clock.monotonic()]

    assert asyncio.run(run()) == [0, 0, 10]


def test_a_waiter_that_gave_up_moves_no_time() -> None:
    async def run() -> float:
        clock = VirtualClock()
        given_up = asyncio.ensure_future(clock.sleep(5))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await clock.sleep(1)
        return clock.monotonic()

    assert asyncio.run(run()) == 1


def test_one_clock_serves_one_loop_after_another() -> None:
    clock = VirtualClock()
    asyncio.run(clock.sleep(1))
    asyncio.run(clock.sleep(1))
    assert clock.monotonic() == 2


def test_ids_are_random_words_of_the_right_letters() -> None:
    ids = RandomIds()
    assert re.fullmatch("[0-9a-z]{20}", ids.token(20))
    assert re.fullmatch("[0-9a-f]{7}", ids.hex(7))
    assert len({ids.token(20) for _ in range(100)}) == 100


def test_an_armed_fault_goes_off_at_its_visit_and_once() -> None:
    def fail() -> None:
        raise RuntimeError("armed")

    faults = ArmedFaults({"a": Fault(action=fail, visit=2)})
    faults.hit("a")
    faults.hit("b")
    with pytest.raises(RuntimeError, match="armed"):
        faults.hit("a")
    faults.hit("a")
    assert faults.visits == {"a": 3, "b": 1}
