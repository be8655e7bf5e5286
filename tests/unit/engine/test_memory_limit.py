"""``max_memory_mb``: no further step starts in a process that holds too much; a new process goes on."""

from pipex_core.adapters.local import resident_mb
from tests.fakes.journals import BreakableJournals
from tests.fakes.world import World

text = """
workflow:
  name: w
  resource_limits: {max_memory_mb: 100}
  steps:
    - {name: a, type: claude, prompt: a}
    - {name: b, type: claude, prompt: b, on_failure: continue}
    - {name: c, type: claude, prompt: c}
"""


def test_a_run_that_holds_too_much_ends_even_where_steps_are_optional_and_goes_on_elsewhere() -> (
    None
):
    held = iter([50.0, 150.0])
    world = World().with_services(memory_mb=lambda: next(held))
    result = world.run(text)
    assert result.error is not None
    assert (result.error.code, result.error.step) == ("limit_exceeded", "b")
    assert "150 MB" in result.error.message
    assert "max_memory_mb, 100" in result.error.message
    assert [request.prompt for request in world.provider.sent] == ["a"]
    assert isinstance(world.journals, BreakableJournals)
    again = World(journals=world.journals).with_services(memory_mb=lambda: 100.0)
    assert again.run(text, run_id="run1", resume=True).success
    assert [request.prompt for request in again.provider.sent] == ["b", "c"]


def test_a_process_knows_what_it_holds() -> None:
    # This one has Python, pytest and pipex in it.
    assert 10 < resident_mb() < 100_000
