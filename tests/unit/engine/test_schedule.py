"""Steps that end while the run is ending."""

import asyncio

from pipex_core.engine.execution import Ran, execution_of
from pipex_core.engine.journal import open_journal
from pipex_core.engine.records import StepRecord
from pipex_core.engine.schedule import run_steps
from pipex_core.engine.view import View, run_names
from pipex_core.llm.cost import Ledger
from pipex_core.telemetry import NullSink
from tests.fakes.clock import settle, start
from tests.fakes.journals import NoFaults
from tests.fakes.world import World

text = """
workflow:
  name: w
  execution: dag
  steps:
    - {name: bad, type: echo, fail: true}
    - name: good
      type: pipeline
      pipeline: {name: c, steps: [{name: x, type: echo, value: 1}]}
    - {name: never, type: echo, value: "{{good.text}}"}
"""


async def slowly(record: StepRecord) -> StepRecord:
    """What follows a step takes so long that all others end meanwhile."""
    await settle()
    return record


async def ran(world: World) -> Ran:
    plan = world.plan(text)
    journal = open_journal(world.journals, "r1", clock=world.clock, faults=NoFaults())
    journal.start({"run_id": "r1"})
    execution = execution_of(
        plan,
        services=world.services,
        run_id="r1",
        journal=journal,
        # The journal's disk takes as long as it takes; inside this prefix nobody waits for it.
        unit_prefix="part/",
        ledger=Ledger(),
        sink=NullSink(),
        run_steps=run_steps,
        options={},
    )
    view = View.first(plan.spec, {}, run=run_names("r1", start))
    return await run_steps(execution, view, "", after_step=slowly)


def test_a_step_that_ended_before_it_could_be_cancelled_keeps_its_result() -> None:
    result = asyncio.run(ran(World()))
    assert result.failed is not None
    assert result.failed.name == "bad"
    assert list(result.records) == ["bad", "good"]
    assert result.records["good"].error is None
