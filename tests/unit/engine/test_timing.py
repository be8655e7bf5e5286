"""Deadlines on an injected clock."""

import asyncio

import pytest

from pipex_core.adapters.local import VirtualClock
from pipex_core.engine.timing import TookTooLong, within
from pipex_core.errors import StepError


def test_work_that_is_in_time_gives_its_result() -> None:
    async def run() -> tuple[str, float]:
        clock = VirtualClock()

        async def work() -> str:
            await clock.sleep(2)
            return "done"

        return await within(clock, 3, work(), what="it"), clock.monotonic()

    assert asyncio.run(run()) == ("done", 2)


def test_without_a_limit_nothing_is_cancelled() -> None:
    async def run() -> float:
        clock = VirtualClock()
        await within(clock, None, clock.sleep(1e6), what="it")
        return clock.monotonic()

    assert asyncio.run(run()) == 1e6


def test_work_that_takes_too_long_is_cancelled_and_cleaned_up_first() -> None:
    ended = []

    async def run() -> None:
        clock = VirtualClock()

        async def work() -> None:
            try:
                await clock.sleep(10)
            finally:
                await clock.sleep(1)
                ended.append(clock.monotonic())

        await within(clock, 3, work(), what="step 'a'")

    with pytest.raises(TookTooLong, match=r"step 'a' took longer than 3 s") as failure:
        asyncio.run(run())
    assert (failure.value.code, failure.value.retryable) == ("timeout", True)
    assert ended == [4]


def test_work_that_breaks_while_it_is_cancelled_is_too_late_to_matter() -> None:
    async def run() -> None:
        clock = VirtualClock()

        async def work() -> None:
            try:
                await clock.sleep(10)
            except asyncio.CancelledError:
                raise StepError("while leaving") from None

        await within(clock, 3, work(), what="it")

    with pytest.raises(TookTooLong):
        asyncio.run(run())


def test_an_error_of_the_work_is_raised() -> None:
    async def run() -> None:
        async def work() -> None:
            raise StepError("broken")

        await within(VirtualClock(), 3, work(), what="it")

    with pytest.raises(StepError, match="broken"):
        asyncio.run(run())


def test_cancelling_the_waiter_cancels_the_work() -> None:
    async def run() -> bool:
        clock = VirtualClock()
        inner: list[asyncio.Task[None] | None] = []

        async def work() -> None:
            inner.append(asyncio.current_task())
            await asyncio.Event().wait()

        outer = asyncio.ensure_future(within(clock, 1e9, work(), what="it"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        outer.cancel()
        await asyncio.gather(outer, return_exceptions=True)
        return inner[0] is not None and inner[0].cancelled()

    assert asyncio.run(run())
