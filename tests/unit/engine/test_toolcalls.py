"""Tool calls across crashes: each is carried out once where that can be known, and said where it cannot."""

from dataclasses import replace
from typing import Any

import pytest

from pipex_core.adapters.local import ArmedFaults, Fault
from pipex_core.engine.calls import Divergence, JournalCallLog
from pipex_core.engine.fold import ToolTry, Unit, fold
from pipex_core.engine.journal import open_journal
from pipex_core.engine.records import RunResult
from pipex_core.engine.toolcalls import JournalToolLog
from pipex_core.llm.tools import KnownTool, ToolBegun, ToolResult
from pipex_core.ports import CommandResult
from tests.fakes.clock import ManualClock
from tests.fakes.commands import ScriptedCommands
from tests.fakes.journals import BreakableJournals, NoFaults
from tests.fakes.workspace import MemoryWorkspace
from tests.fakes.world import World


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def die() -> None:
    raise Killed


def pipeline(tool: str) -> str:
    return f"""
workflow:
  name: w
  steps:
    - name: fix
      type: claude
      prompt: fix it
      claude_options: {{allowed_tools: [{tool}]}}
"""


def rules(name: str, **arguments: Any) -> Any:
    call = {"name": name, "input": arguments}
    return {"responses": [{"tool_calls": [call], "reply": "fixed"}]}


class CountingWorkspace(MemoryWorkspace):
    """Counts writes.

    Attributes:
        writes: How often a file was written.
    """

    writes = 0

    def write(self, path: str, data: bytes, *, is_executable: bool | None = None) -> str:
        self.writes += 1
        return super().write(path, data, is_executable=is_executable)


class Scene:
    """One run that is killed at a fault point and resumed on the same files."""

    def __init__(self, tool: str, **arguments: Any) -> None:
        self.text = pipeline(tool)
        self.rules = rules(tool, **arguments)
        self.workspace = CountingWorkspace({"a.txt": "one"})
        self.commands = ScriptedCommands(CommandResult(output="done", exit_code=0))
        self.journals = BreakableJournals()

    def world(self) -> World:
        self.journals._locks.clear()
        world = World(self.rules, journals=self.journals)
        world.workspace = self.workspace
        return world.with_services(commands=self.commands)

    def killed_at(self, point: str) -> World:
        world = self.world()
        world.with_services(faults=ArmedFaults({point: Fault(action=die)}))
        with pytest.raises(BaseException):  # noqa: B017, PT011 - the kill, or the group around it
            world.run(self.text)
        return world

    def resumed(self) -> RunResult:
        world = self.world()
        result = world.run(self.text, run_id="run1", resume=True)
        self.sent = [request.messages[-1].text for request in world.provider.sent]
        return result


def codes(result: RunResult) -> list[str]:
    return [warning.code for warning in result.warnings]


def test_a_call_with_a_known_result_is_not_carried_out_again() -> None:
    scene = Scene("Bash", command="make")
    scene.killed_at("journal.after_tool_done")
    result = scene.resumed()
    assert result.success
    assert len(scene.commands.ran) == 1
    assert scene.sent == ["done"]


def test_a_command_that_was_interrupted_is_never_repeated_and_the_model_is_told() -> None:
    scene = Scene("Bash", command="make")
    scene.killed_at("journal.before_tool_done")
    result = scene.resumed()
    assert len(scene.commands.ran) == 1
    assert scene.sent == ["interrupted: the effects of this command are unknown"]
    assert "tool_in_doubt" in codes(result)
    assert result.steps["fix"].metadata["tool_calls"] == [
        {"tool": "Bash", "decision": "failed", "reason": "tool_in_doubt"}
    ]


def test_a_command_that_was_not_begun_is_run() -> None:
    scene = Scene("Bash", command="make")
    scene.killed_at("journal.before_tool_begin")
    assert scene.resumed().success
    assert len(scene.commands.ran) == 1


def test_a_write_is_repeated() -> None:
    scene = Scene("Write", path="b.txt", content="new")
    scene.killed_at("journal.before_tool_done")
    result = scene.resumed()
    assert scene.workspace.files["b.txt"] == b"new"
    assert scene.workspace.writes == 2
    assert "tool_in_doubt" not in codes(result)


def test_an_edit_is_not_repeated_on_a_file_that_has_it() -> None:
    scene = Scene("Edit", path="a.txt", old_string="one", new_string="one two")
    scene.killed_at("journal.before_tool_done")
    assert scene.resumed().success
    assert scene.workspace.files["a.txt"] == b"one two"
    assert scene.workspace.writes == 1
    assert scene.sent == ["edited a.txt"]


def test_a_call_whose_end_is_lost_but_has_no_effects_is_repeated() -> None:
    scene = Scene("Read", path="a.txt")
    scene.killed_at("journal.before_tool_done")
    assert scene.resumed().success
    assert scene.sent == ["one"]


def test_large_arguments_and_results_are_kept_beside_the_journal() -> None:
    scene = Scene("Write", path="b.txt", content="x" * 70_000)
    scene.killed_at("journal.after_tool_done")
    assert scene.resumed().success
    assert scene.workspace.writes == 1


def known(call: ToolBegun, *, divergence: Divergence | None = None, **begin: Any) -> Any:
    """What the journal knows of a call when it has another one, ``begin``, in the same place."""
    record = {"tool": "Bash", "args": {"command": "make"}, **begin}
    done = {"result": "done", "error": None}
    before = Unit(tools={(0, "t1"): ToolTry(begin=record, done=done)})
    clock = ManualClock()
    journal = open_journal(BreakableJournals(), "r", clock=clock, faults=NoFaults())
    try:
        calls = JournalCallLog(journal, "s")
        calls.divergence = divergence
        return JournalToolLog(journal, "s", before=before, calls=calls).known(call)
    finally:
        journal.release()


make = ToolBegun(ordinal=0, tool_use_id="t1", tool="Bash", arguments={"command": "make"})


def test_a_call_is_known_by_its_place_its_tool_and_its_arguments() -> None:
    assert known(make) == KnownTool(result=ToolResult(text="done"))
    assert known(make, effect="e") == KnownTool(effect="e", result=ToolResult(text="done"))
    assert known(make, tool="Read") is None
    assert known(make, args={"command": "make all"}) is None
    assert known(replace(make, ordinal=1)) is None
    assert known(replace(make, tool_use_id="t2")) is None


def test_what_was_carried_out_for_calls_that_differ_now_is_not_used() -> None:
    assert known(make, divergence=Divergence(unit="s", ordinal=0)) is None
    assert known(make, divergence=Divergence(unit="s", ordinal=1)) is not None


def test_a_try_that_failed_leaves_no_results_to_the_next_one() -> None:
    begin = {"t": "tool_begin", "unit": "s", "ordinal": 0, "tool_use_id": "t1", "tool": "LS"}
    for end in (
        {"t": "retry_unit"},
        {"t": "unit_end", "attempt": 1, "status": "failed"},
    ):
        records = [
            {"t": "unit_begin", "unit": "s", "attempt": 1},
            {**begin, "args": {}},
            {**begin, "t": "tool_done", "result": "", "error": None},
        ]
        state = fold([{**record, "epoch": 1} for record in records])
        assert list(state.unit("s").tools) == [(0, "t1")]
        state.add({"epoch": 1, "unit": "s", **end})
        assert state.unit("s").tools == {}


def test_an_end_without_its_begin_is_taken_as_both() -> None:
    done = {"t": "tool_done", "unit": "s", "ordinal": 0, "tool_use_id": "t1", "tool": "LS"}
    (found,) = fold([{**done, "epoch": 1}]).unit("s").tools.values()
    assert found.begin == found.done
