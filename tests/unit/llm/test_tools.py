"""What is offered to a model, and what becomes of its calls: an answer for the model, never a failed step."""

import asyncio
from collections.abc import Mapping

import pytest

from pipex_core.errors import StepError
from pipex_core.jsonvalue import Json, check_schema, digest_bytes, require_schema
from pipex_core.llm.provider import ToolCall
from pipex_core.llm.tools import (
    KnownTool,
    NullToolLog,
    Toolbox,
    ToolResult,
    offer,
    tools,
)
from pipex_core.ports import CommandResult
from tests.fakes.commands import ScriptedCommands
from tests.fakes.workspace import MemoryWorkspace

everything = ("Read", "Write", "Edit", "MultiEdit", "Glob", "Grep", "LS", "Bash")


def files() -> MemoryWorkspace:
    return MemoryWorkspace(
        {
            "a.txt": "one\ntwo\nthree\n",
            "src/m.py": "def f():\n    return 1\n",
            "src/deep/n.py": "x = 1\n",
        }
    )


def box(
    workspace: MemoryWorkspace | None = None,
    *names: str,
    commands: ScriptedCommands | None = None,
) -> Toolbox:
    return Toolbox(workspace=workspace or files(), names=names or everything, commands=commands)


def call(toolbox: Toolbox, name: str, **arguments: Json) -> ToolResult:
    begun = toolbox.begun(ToolCall(id="t1", name=name, arguments=arguments), ordinal=0)
    return asyncio.run(toolbox.run(begun))


def test_the_schemas_of_all_tools_are_schemas() -> None:
    for tool in tools.values():
        require_schema(dict(tool.parameters))
        assert tool.description
    assert check_schema({"path": "x"}, dict(tools["Read"].parameters)) == []


def test_nothing_is_offered_unless_allowed_and_disallowed_wins() -> None:
    assert offer([]).names == []
    assert offer(["Write", "Read", "Read"]).names == ["Read", "Write"]
    assert offer(["Read", "Write"], ["Write"]).names == ["Read"]
    assert offer(["Read", "Magic", "Magic"]).unknown == ["Magic"]


def test_search_is_grep_under_another_name() -> None:
    assert offer(["Search"]).names == ["Search"]
    assert offer(["Search", "Grep"]).names == ["Grep"]
    assert offer(["Search", "Grep"], ["Search"]).names == []
    toolbox = box(None, "Search")
    (definition,) = toolbox.definitions
    assert (definition.name, definition.parameters) == ("Search", tools["Grep"].parameters)
    assert call(toolbox, "Search", pattern="def").text == "src/m.py:1:def f():"
    assert call(toolbox, "Grep", pattern="def").text == "src/m.py:1:def f():"


@pytest.mark.parametrize("name", ["Write", "Bash", "Magic", "read"])
def test_a_tool_that_was_not_offered_is_denied(name: str) -> None:
    result = call(box(None, "Read", "Glob"), name, path="a.txt", content="x")
    assert (result.code, result.is_error) == ("tool_denied", True)
    assert "Read, Glob" in result.text
    assert "none" in call(Toolbox(workspace=files(), names=()), "Read", path="a.txt").text


@pytest.mark.parametrize(
    "arguments",
    [{}, {"path": 1}, {"path": "a.txt", "offset": 0}, {"path": "a.txt", "limit": "2"}],
)
def test_arguments_are_checked_against_the_schema(arguments: Mapping[str, Json]) -> None:
    result = call(box(), "Read", **arguments)
    assert result.code == "invalid_arguments"
    assert "arguments are wrong" in result.text


def test_a_file_is_read_whole_or_in_part() -> None:
    assert call(box(), "Read", path="a.txt").text == "one\ntwo\nthree\n"
    assert call(box(), "Read", path="a.txt", offset=2).text == "two\nthree\n"
    assert call(box(), "Read", path="a.txt", offset=2, limit=1).text == "two\n"
    assert call(box(), "Read", path="a.txt", limit=1).text == "one\n"
    assert call(box(), "Read", file_path="a.txt", limit=1).text == "one\n"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Read", {"path": "../secret"}),
        ("Write", {"path": "../x", "content": "x"}),
        ("Edit", {"path": "/etc/passwd", "old_string": "a", "new_string": "b"}),
        ("LS", {"path": ".."}),
        ("Glob", {"path": "..", "pattern": "*"}),
        ("Grep", {"path": "../secret", "pattern": "x"}),
    ],
)
def test_a_path_that_leads_out_is_told_to_the_model(
    name: str, arguments: Mapping[str, Json]
) -> None:
    result = call(box(), name, **arguments)
    assert result.code == "path_denied"
    assert result.text.startswith("path_denied: ")


def test_a_missing_file_is_told_to_the_model() -> None:
    assert call(box(), "Read", path="none").code == "file_not_found"
    assert call(box(), "LS", path="none").code == "file_not_found"
    assert call(box(), "LS", path="a.txt").code == "file_not_found"


def test_a_file_is_written_whole() -> None:
    workspace = files()
    result = call(box(workspace), "Write", path="new/x.txt", content="größe")
    assert result == ToolResult(text="wrote 7 bytes to new/x.txt")
    assert workspace.files["new/x.txt"] == "größe".encode()


def test_an_edit_replaces_a_text_that_occurs_once() -> None:
    workspace = files()
    result = call(box(workspace), "Edit", path="a.txt", old_string="two", new_string="2")
    assert result == ToolResult(text="edited a.txt")
    assert workspace.files["a.txt"] == b"one\n2\nthree\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"old_string": "four", "new_string": "4"}, "is not in the file"),
        ({"old_string": "e", "new_string": "3"}, "3 times"),
        ({"old_string": "", "new_string": "4"}, "must not be empty"),
        ({"old_string": "two", "new_string": "two"}, "must not be empty, nor equal"),
    ],
)
def test_an_edit_that_is_not_clear_changes_nothing(
    arguments: Mapping[str, Json], reason: str
) -> None:
    workspace = files()
    result = call(box(workspace), "Edit", path="a.txt", **arguments)
    assert result.code == "edit_failed"
    assert reason in result.text
    assert workspace.files["a.txt"] == b"one\ntwo\nthree\n"


def test_all_occurrences_are_replaced_when_asked_for() -> None:
    workspace = files()
    call(box(workspace), "Edit", path="a.txt", old_string="e", new_string="E", replace_all=True)
    assert workspace.files["a.txt"] == b"onE\ntwo\nthrEE\n"


def test_several_edits_are_made_in_order_or_not_at_all() -> None:
    workspace = files()
    toolbox = box(workspace)
    first = {"old_string": "one", "new_string": "1"}
    call(toolbox, "MultiEdit", path="a.txt", edits=[first, {"old_string": "1", "new_string": "I"}])
    assert workspace.files["a.txt"] == b"I\ntwo\nthree\n"
    result = call(
        toolbox,
        "MultiEdit",
        path="a.txt",
        edits=[{"old_string": "two", "new_string": "2"}, first],
    )
    assert result.code == "edit_failed"
    assert workspace.files["a.txt"] == b"I\ntwo\nthree\n"


def test_what_is_no_text_is_not_read_as_one() -> None:
    workspace = files()
    workspace.files["b.bin"] = b"\xff\xfe"
    assert call(box(workspace), "Read", path="b.bin").code == "type_error"


def test_files_are_found_by_pattern_below_a_folder() -> None:
    assert call(box(), "Glob", pattern="**/*.py").text == "src/deep/n.py\nsrc/m.py"
    assert call(box(), "Glob", pattern="*.py", path="src").text == "src/m.py"
    assert call(box(), "Glob", pattern="*.rs").text == "no files match"


def test_a_folder_is_listed_by_name() -> None:
    assert call(box(), "LS").text == "a.txt\nsrc/"
    assert call(box(), "LS", path="src").text == "deep/\nm.py"
    assert call(box(MemoryWorkspace()), "LS").text == "the folder is empty"


def test_lines_are_found_with_their_place() -> None:
    assert call(box(), "Grep", pattern=r"^t\w+").text == "a.txt:2:two\na.txt:3:three"
    assert call(box(), "Grep", pattern="= 1|return", path="src").text == (
        "src/deep/n.py:1:x = 1\nsrc/m.py:2:    return 1"
    )
    assert call(box(), "Grep", pattern="TWO", ignore_case=True).text == "a.txt:2:two"
    assert call(box(), "Grep", pattern="e", path="a.txt").text == "a.txt:1:one\na.txt:3:three"
    assert call(box(), "Grep", pattern="e$", path="a.txt").text == "a.txt:1:one\na.txt:3:three"
    assert call(box(), "Grep", pattern="1", glob="*.py", path="src").text == (
        "src/deep/n.py:1:x = 1\nsrc/m.py:2:    return 1"
    )
    assert call(box(), "Grep", pattern="1", glob="src/*.py").text == "src/m.py:2:    return 1"
    assert call(box(), "Grep", pattern="nowhere").text == "no lines match"


def test_the_last_line_needs_no_end() -> None:
    workspace = MemoryWorkspace({"x": "a\r\nlast"})
    assert call(box(workspace), "Grep", pattern=".").text == "x:1:a\nx:2:last"


def test_a_search_passes_over_what_is_no_text_or_too_large() -> None:
    workspace = MemoryWorkspace({"x": "needle"})
    workspace.files["binary"] = b"needle\0"
    workspace.files["huge"] = b"needle\n" * 2_000_000
    assert call(box(workspace), "Grep", pattern="needle").text == "x:1:needle"


def test_a_search_stops_at_a_thousand_lines() -> None:
    workspace = MemoryWorkspace({"x": "a\n" * 1_500})
    lines = call(box(workspace), "Grep", pattern="a").text.splitlines()
    assert (len(lines), lines[-1]) == (1_001, "[only the first 1000 lines]")


@pytest.mark.parametrize("pattern", ["(", "x" * 2_000])
def test_a_pattern_that_is_none_is_told_to_the_model(pattern: str) -> None:
    assert call(box(), "Grep", pattern=pattern).code == "invalid_arguments"


def test_a_search_that_takes_too_long_is_told_to_the_model() -> None:
    workspace = MemoryWorkspace({"x": "a" * 60 + "!"})
    result = call(box(workspace), "Grep", pattern="(a|aa)+(a|aa)+(a|aa)+(a|aa)+(a|aa)+$")
    assert result.code == "limit_exceeded"


def test_results_are_cut_at_their_limits() -> None:
    workspace = MemoryWorkspace({"x": "y" * 200_000})
    text = call(box(workspace), "Read", path="x").text
    assert (len(text), text[-6:]) == (100_000, "\n[cut]")
    long = ScriptedCommands(CommandResult(output="y" * 40_000, exit_code=0))
    assert len(call(box(commands=long), "Bash", command="yes").text) == 30_000
    failed = ScriptedCommands(CommandResult(output="y" * 40_000, exit_code=2))
    text = call(box(commands=failed), "Bash", command="yes").text
    assert (len(text), text[-14:]) == (30_000, "\n[exit code 2]")


def test_a_command_is_run_with_its_time_and_counts_the_files_anew() -> None:
    workspace, commands = files(), ScriptedCommands(CommandResult(output="hi\n", exit_code=0))
    toolbox = box(workspace, commands=commands)
    assert call(toolbox, "Bash", command="echo hi").text == "hi\n"
    call(toolbox, "Bash", command="echo ho", timeout_s=5)
    assert commands.ran == [("echo hi", 60.0), ("echo ho", 5.0)]
    assert workspace.recounts == 2
    assert call(toolbox, "Bash", command="x", timeout_s=61).code == "invalid_arguments"


def test_how_a_command_ended_is_told_to_the_model() -> None:
    quiet = box(commands=ScriptedCommands())
    assert call(quiet, "Bash", command="true").text == "done, no output"
    failing = box(commands=ScriptedCommands(CommandResult(output="no\n", exit_code=1)))
    assert call(failing, "Bash", command="false") == ToolResult(text="no\n\n[exit code 1]")
    slow = box(
        commands=ScriptedCommands(CommandResult(output="so far", exit_code=None, timed_out=True))
    )
    result = call(slow, "Bash", command="sleep 99", timeout_s=2)
    assert (result.code, result.text) == ("timeout", "timeout: stopped after 2 s\nso far")


def test_commands_are_denied_by_pattern_and_where_there_is_no_shell() -> None:
    commands = ScriptedCommands()
    toolbox = Toolbox(
        workspace=files(), names=["Bash"], commands=commands, denied_commands=["curl"]
    )
    for command in ("sudo ls", "rm -rf /", "curl x"):
        assert call(toolbox, "Bash", command=command).code == "tool_denied"
    assert commands.ran == []
    assert call(box(), "Bash", command="ls").code == "tool_denied"
    with pytest.raises(StepError, match="not allowed"):
        asyncio.run(box()._bash({"command": "ls"}))


def test_what_a_call_will_do_is_known_before_it_begins() -> None:
    toolbox = box()
    arguments = {"path": "a.txt", "old_string": "two", "new_string": "2"}
    begun = toolbox.begun(ToolCall(id="t", name="Edit", arguments=arguments), ordinal=4)
    assert begun.effect == digest_bytes(b"one\n2\nthree\n")
    assert (begun.ordinal, begun.tool_use_id, begun.has_effects) == (4, "t", True)
    wrong = ToolCall(id="t", name="Edit", arguments={**arguments, "old_string": "no"})
    assert toolbox.begun(wrong, ordinal=0).effect == ""
    odd = ToolCall(id="t", name="Edit", arguments={"path": 1})
    assert toolbox.begun(odd, ordinal=0).effect == ""
    reading = toolbox.begun(ToolCall(id="t", name="Read", arguments={"path": "x"}), ordinal=0)
    assert (reading.effect, reading.has_effects) == ("", False)


def resumed(toolbox: Toolbox, name: str, *, effect: str = "", **arguments: Json) -> ToolResult:
    begun = toolbox.begun(ToolCall(id="t", name=name, arguments=arguments), ordinal=0)
    return asyncio.run(toolbox.again(begun, KnownTool(effect=effect)))


def test_a_command_in_doubt_is_not_repeated() -> None:
    commands = ScriptedCommands()
    result = resumed(box(commands=commands), "Bash", command="make")
    assert result.text == "interrupted: the effects of this command are unknown"
    assert (result.code, commands.ran) == ("tool_in_doubt", [])


def test_an_edit_in_doubt_is_made_once() -> None:
    edit: dict[str, Json] = {"path": "a.txt", "old_string": "two", "new_string": "two two"}
    before, after = b"one\ntwo\nthree\n", b"one\ntwo two\nthree\n"
    for found in (before, after):
        workspace = files()
        workspace.files["a.txt"] = found
        result = resumed(box(workspace), "Edit", effect=digest_bytes(after), **edit)
        assert result == ToolResult(text="edited a.txt")
        assert workspace.files["a.txt"] == after


def test_an_edit_in_doubt_of_a_file_that_is_gone_fails_as_it_would() -> None:
    edit: dict[str, Json] = {"path": "gone", "old_string": "a", "new_string": "b"}
    assert resumed(box(), "Edit", effect="0" * 64, **edit).code == "file_not_found"
    assert resumed(box(), "MultiEdit", path="gone", edits=[edit]).code == "file_not_found"


def test_reading_and_writing_in_doubt_are_repeated() -> None:
    workspace = files()
    assert resumed(box(workspace), "Read", path="a.txt", limit=1).text == "one\n"
    resumed(box(workspace), "Write", path="a.txt", content="new")
    assert workspace.files["a.txt"] == b"new"


def test_the_null_log_knows_nothing() -> None:
    begun = box().begun(ToolCall(id="t", name="LS", arguments={}), ordinal=0)
    log = NullToolLog()
    asyncio.run(log.tool_begin(begun))
    asyncio.run(log.tool_done(begun, ToolResult(text="x")))
    assert log.known(begun) is None
