"""Several evaluations side by side, asked in turn case by case."""

import asyncio
from collections.abc import Sequence

from pipex_core.app.evaluations import Desk
from pipex_core.evals.job import EvalJob
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.turns import Lane, Turns


async def run_abreast(
    desk: Desk, jobs: Sequence[EvalJob], *, carry: Sequence[bool]
) -> list[EvalRun]:
    """The finished evaluations in the order of ``jobs``; one alone runs as it would without others.

    Raises:
        PipexError: Of the run that failed first; the others were stopped, and can be resumed.
    """
    if len(jobs) == 1:
        return [await desk.run(jobs[0], carry=carry[0])]
    turns = Turns(at_once=max(job.options.max_concurrency for job in jobs))
    lanes = [turns.lane() for _ in jobs]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_run_in(lane, desk, job, carry=is_carried))
                for lane, job, is_carried in zip(lanes, jobs, carry, strict=True)
            ]
    except ExceptionGroup as exc:
        raise exc.exceptions[0] from exc
    return [task.result() for task in tasks]


async def _run_in(lane: Lane, desk: Desk, job: EvalJob, *, carry: bool) -> EvalRun:
    try:
        return await desk.run(job, carry=carry, lane=lane)
    finally:
        await lane.leave()
