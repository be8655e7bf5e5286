"""What a run learned about the load that a service bears: told while it runs, and kept in its manifest."""

from pipex_core.errors import RateLimited
from tests.fakes.evaluation import job, run
from tests.fakes.provider import ScriptedProvider, answer
from tests.fakes.world import World


def test_a_throttle_is_told_of_and_kept() -> None:
    provider = ScriptedProvider(
        [RateLimited("slow", retry_after_s=2.0), answer("Berlin")], name="mock"
    )
    world = World(provider=provider)
    found = run(job(options={"max_concurrency": 1}), world)
    # ten calls at once to begin with, and seven tenths of them after the throttle
    lowered = {"provider": "mock", "model": "m", "limit": 7}
    assert found.manifest["limiter"] == [{"after_ms": 0, **lowered}]
    assert [event.data for event in world.events if event.kind == "limiter"] == [lowered]
    assert [event.seq for event in world.events] == list(range(1, len(world.events) + 1))


def test_a_run_that_met_no_limit_has_no_history() -> None:
    assert run(job()).manifest["limiter"] == []
