"""Several targets side by side: whose turn it is, and each compared with the first."""

import asyncio
from collections.abc import Sequence

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.evals.abreast import against_first
from pipex_core.evals.arms import Arm
from pipex_core.evals.runner import EvalRun, evaluate
from pipex_core.evals.turns import Lane, Turns
from tests.fakes.evaluation import answering, capital_suite, case, job, run
from tests.fakes.world import World


async def turns_of(lanes: Sequence[tuple[Lane, int]]) -> list[tuple[int, int]]:
    """The order in which cases of all lanes start: (lane, case); each lane has four workers."""
    started: list[tuple[int, int]] = []

    async def work(number: int, lane: Lane, queue: list[int]) -> None:
        while queue:
            one = queue.pop(0)
            async with lane.turn():
                started.append((number, one))
                await asyncio.sleep(0)

    async def drain(number: int, lane: Lane, cases: int) -> None:
        queue = list(range(cases))
        await asyncio.gather(*(work(number, lane, queue) for _ in range(4)))
        await lane.leave()

    await asyncio.gather(*(drain(i, lane, n) for i, (lane, n) in enumerate(lanes)))
    return started


def test_no_lane_gets_ahead_of_another_by_more_than_a_case() -> None:
    async def all_started() -> list[tuple[int, int]]:
        turns = Turns(at_once=3)
        return await turns_of([(turns.lane(), 10), (turns.lane(), 10), (turns.lane(), 10)])

    started = asyncio.run(all_started())
    assert len(started) == 30
    for end in range(3, 30, 3):
        counts = [sum(lane == one for lane, _ in started[:end]) for one in range(3)]
        assert max(counts) - min(counts) <= 1, started[:end]


def test_a_lane_that_is_done_keeps_nobody_waiting() -> None:
    async def all_started() -> list[tuple[int, int]]:
        turns = Turns(at_once=2)
        return await turns_of([(turns.lane(), 1), (turns.lane(), 6)])

    assert sorted(one for lane, one in asyncio.run(all_started()) if lane == 1) == list(range(6))


def test_all_lanes_together_stay_below_the_cap() -> None:
    most = 0

    async def crowd() -> None:
        nonlocal most
        turns, in_flight = Turns(at_once=2), 0
        lanes = [turns.lane() for _ in range(3)]

        async def one(lane: Lane) -> None:
            nonlocal in_flight, most
            async with lane.turn():
                in_flight += 1
                most = max(most, in_flight)
                await asyncio.sleep(0)
                in_flight -= 1

        await asyncio.gather(*(one(lane) for lane in lanes for _ in range(4)))

    asyncio.run(crowd())
    assert most == 2


def test_runs_in_lanes_give_the_rows_of_runs_alone() -> None:
    async def side_by_side() -> list[EvalRun]:
        turns = Turns(at_once=2)
        jobs = [job(run_id=f"ev_{i}") for i in range(2)]
        lanes = [turns.lane() for _ in jobs]
        world = World(answering({"it": "Milan"}))
        return await asyncio.gather(
            *(
                evaluate(made, world.services, blobs=MemoryBlobs(), lane=lane)
                for made, lane in zip(jobs, lanes, strict=True)
            )
        )

    alone = run(job(), World(answering({"it": "Milan"})))
    assert [one.row_digest for one in asyncio.run(side_by_side())] == [alone.row_digest] * 2


def arm(wrong: int) -> Arm:
    """40 cases of which the first ``wrong`` are answered wrongly."""
    suite = capital_suite([case(f"c{i:02}", expected_output="yes") for i in range(40)])
    rules = [
        {"when": {"contains": f"of c{i:02}?"}, "reply": "no" if i < wrong else "yes"}
        for i in range(40)
    ]
    return run(job(suite), World({"responses": rules})).judgement.arm


def test_p_values_are_corrected_over_the_targets() -> None:
    # Two-sided p values of the two differences, by hand from the one of a comparison alone.
    (alone,) = against_first([arm(0), arm(6)])
    worse, same = against_first([arm(0), arm(6), arm(1)])
    assert alone[0].p is not None
    assert (alone[0].p_adj, alone[0].family, alone[0].family_size) == (alone[0].p, "targets", 1)
    assert (worse[0].outcome, same[0].outcome) == ("worse", "cannot_tell")
    # Holm: the smaller of two p values counts twice.
    assert worse[0].p_adj == 2 * alone[0].p
    assert worse[0].family_size == 2


def test_a_metric_without_any_p_value_is_left_as_it_is() -> None:
    (rows,) = against_first([arm(0), arm(0)])
    assert rows[0].outcome == "cannot_tell"
    assert against_first([arm(0)]) == []
