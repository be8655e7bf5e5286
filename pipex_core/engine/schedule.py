"""Ready steps of a plan: bounded, in file order, each seeing exactly what it waited for.

A step starts when its dependencies have finished and a place is free; of several ready ones the first in
the file starts first. What it sees are the records of the steps that it depends on, directly or not,
so its result does not depend on timing.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

from pipex_core.engine.execution import Execution, Ran
from pipex_core.engine.executor import execute_step
from pipex_core.engine.records import StepRecord
from pipex_core.engine.undoing import in_transaction
from pipex_core.engine.view import View
from pipex_core.errors import ErrorRecord
from pipex_core.spec.model import StepSpec

AfterStep = Callable[[StepRecord], Awaitable[StepRecord]]

cancelled_error: Final = "the step was cancelled because the run ended"


async def run_steps(
    execution: Execution, view: View, prefix: str, *, after_step: AfterStep | None = None
) -> Ran:
    """The records of a plan's steps, all of them or those up to the failure that ends the run.

    Args:
        execution: Whose plan it is.
        view: What a step without dependencies sees.
        prefix: Step path in front of the steps' names.
        after_step: Awaited with each record before another step may build on it; gives the record
            that counts, which is that of a failure when the step's result could not be kept.
    """

    async def work(inside: Execution) -> Ran:
        return await _Schedule(inside, view, prefix, after_step).run()

    return await in_transaction(execution, prefix, work)


class _Schedule:
    """The steps of one plan on their way; a step is known by its place in the file."""

    def __init__(
        self, execution: Execution, view: View, prefix: str, after_step: AfterStep | None
    ) -> None:
        self._execution = execution
        self._prefix = prefix
        self._after_step = after_step
        planned = execution.plan.steps
        self._steps = [step.spec for step in planned]
        place_of = {step.name: place for place, step in enumerate(planned)}
        self._open = [0] * len(planned)
        self._opens: list[list[int]] = [[] for _ in planned]
        # What a step sees as a bit set of places: of thousands of steps still one small integer.
        self._sees = [0] * len(planned)
        bits = [1 << place for place in range(len(planned))]
        for place, step in enumerate(planned):
            needs_all = len(step.depends_on) == place
            left = bits[place] - 1 if needs_all else _union(bits, place_of, step.depends_on)
            while left:
                # The last one waits for others itself; those need not be waited for again.
                need = left.bit_length() - 1
                self._opens[need].append(place)
                self._open[place] += 1
                self._sees[place] |= self._sees[need] | bits[need]
                left &= ~self._sees[place]
        self._ready = [place for place, count in enumerate(self._open) if count == 0]
        self._running: dict[asyncio.Task[StepRecord], int] = {}
        self._first = view
        self._line, self._line_sees = view, 0
        self._records: dict[int, StepRecord] = {}
        self._order: list[str] = []
        self._failed: StepRecord | None = None
        # Steps of a child are cancelled with the step around them.
        self._stops = execution.stops if execution.depth == 0 else ()

    async def run(self) -> Ran:
        """All records."""
        try:
            await self._alone()
            self._start()
            while self._running and not self._is_over():
                waited: set[asyncio.Future[Any]] = {*self._running, *self._stops}
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                ended = [task for task in self._running if task in done]
                for task in sorted(ended, key=self._running.__getitem__):
                    await self._end(self._running.pop(task), task.result())
                if not self._is_over():
                    self._start()
        finally:
            await self._stop()
        places = sorted(self._records)
        return Ran(
            records={self._steps[place].name: self._records[place] for place in places},
            order=self._order,
            view=self._view(sum(1 << place for place in places)),
            failed=self._failed,
            stopped=next((stop.result() for stop in self._stops if stop.done()), None),
        )

    async def _alone(self) -> None:
        """Steps one after another, without a task for each, as long as no two may overlap."""
        while len(self._ready) == 1 and not self._stops and not self._is_over():
            place = heapq.heappop(self._ready)
            await self._end(place, await self._work(place))

    def _start(self) -> None:
        while self._ready and len(self._running) < self._execution.max_concurrency:
            place = heapq.heappop(self._ready)
            self._running[asyncio.ensure_future(self._work(place))] = place

    def _work(self, place: int) -> Coroutine[Any, Any, StepRecord]:
        step = self._steps[place]
        self._order.append(step.name)
        view = self._view(self._sees[place])
        return execute_step(step, view, self._execution, prefix=self._prefix)

    def _is_over(self) -> bool:
        return self._failed is not None or any(stop.done() for stop in self._stops)

    async def _end(self, place: int, record: StepRecord) -> None:
        self._records[place] = record
        if self._after_step is not None:
            self._records[place] = record = await self._after_step(record)
        self._execution.told(record)
        if record.ends_run:
            self._failed = self._failed or record
            return
        for waiting in self._opens[place]:
            self._open[waiting] -= 1
            if self._open[waiting] == 0:
                heapq.heappush(self._ready, waiting)

    async def _stop(self) -> None:
        """Cancel what still runs: it is marked as cancelled, and starts over after a resume."""
        running, self._running = self._running, {}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for task, place in running.items():
            if task.cancelled():
                self._records[place] = _cancelled(self._steps[place], self._prefix)
            else:
                self._records[place] = task.result()

    def _view(self, sees: int) -> View:
        """The first view and the records of these places, in file order."""
        behind_line = sees & ~self._line_sees
        goes_on = behind_line == 0 or behind_line & -behind_line > self._line_sees
        if goes_on and sees & self._line_sees == self._line_sees:
            # Steps one after another: each sees what the last one saw, and its record.
            self._line = self._line.with_records(self._at(behind_line))
            self._line_sees = sees
            return self._line
        return self._first.with_records(self._at(sees))

    def _at(self, places: int) -> list[StepRecord]:
        found = []
        while places:
            lowest = places & -places
            found.append(self._records[lowest.bit_length() - 1])
            places ^= lowest
        return found


def _union(bits: Sequence[int], place_of: Mapping[str, int], names: Iterable[str]) -> int:
    return reduce(or_, (bits[place_of[name]] for name in names), 0)


def _cancelled(step: StepSpec, prefix: str) -> StepRecord:
    error = ErrorRecord(code="cancelled", message=cancelled_error, path=prefix + step.name)
    return StepRecord(name=step.name, type=step.type, status="failed", error=error, ends_run=True)
