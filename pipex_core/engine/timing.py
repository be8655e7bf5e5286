"""A wall deadline on an injected clock."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from pipex_core.errors import StepError
from pipex_core.ports import Clock

Result = TypeVar("Result")


class TookTooLong(StepError):
    """A step or pipeline was cancelled at its deadline."""

    code = "timeout"
    retryable = True


async def within(
    clock: Clock, seconds: float | None, work: Coroutine[Any, Any, Result], *, what: str
) -> Result:
    """The result of ``work``, which is cancelled once ``seconds`` have passed; None waits for ever.

    ``asyncio.timeout`` would count the event loop's time and not the clock's.

    Raises:
        TookTooLong: The time passed first; ``work`` has ended by then.
    """
    if seconds is None:
        return await work
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        for other in (task, alarm):
            other.cancel()
        # Looked at, so that nobody reports an error of the work that came too late.
        await asyncio.gather(task, alarm, return_exceptions=True)
    raise TookTooLong(f"{what} took longer than {seconds:g} s")
