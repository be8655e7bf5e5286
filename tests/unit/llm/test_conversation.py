"""Turns with tools: carried out once, told to the model, and bounded."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipex_core.errors import InvalidReply
from pipex_core.jsonvalue import digest_bytes
from pipex_core.llm.client import Reply
from pipex_core.llm.conversation import Conversation, converse, system_of, turn_of
from pipex_core.llm.provider import Message, Request, Response, ToolCall
from pipex_core.llm.tools import KnownTool, ToolBegun, Toolbox, ToolResult
from tests.fakes.commands import ScriptedCommands
from tests.fakes.workspace import MemoryWorkspace

question = Request(provider="mock", model="m", messages=(Message(role="user", text="go"),))


def asks(*calls: tuple[str, str, dict[str, object]], text: str = "") -> Response:
    found = tuple(ToolCall(id=i, name=name, arguments=args) for i, name, args in calls)
    return Response(text=text, finish_reason="tool_calls", tool_calls=found)


done = Response(text="done")
read_a = asks(("t1", "Read", {"path": "a"}))


class Model:
    """Answers with a script and keeps what it was sent."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.sent: list[Request] = []

    async def send(self, request: Request) -> Reply:
        self.sent.append(request)
        ordinal = len(self.sent) - 1
        return Reply(response=self._answers.pop(0), attempts=1, cost_nanousd=0, ordinal=ordinal)


class MemoryToolLog:
    """Remembers what was begun and done, as a journal does."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.before: dict[tuple[int, str], KnownTool] = {}

    def known(self, call: ToolBegun) -> KnownTool | None:
        return self.before.get((call.ordinal, call.tool_use_id))

    async def tool_begin(self, call: ToolBegun) -> None:
        self.lines.append(f"begin {call.ordinal} {call.tool_use_id} {call.tool}")

    async def tool_done(self, call: ToolBegun, result: ToolResult) -> None:
        self.lines.append(f"done {call.ordinal} {call.tool_use_id} {result.code or 'ok'}")


class World:
    """A model, a workspace and a log."""

    def __init__(
        self, *answers: Response, names: Sequence[str] = ("Read", "Write", "Edit")
    ) -> None:
        self.model = Model(*answers)
        self.workspace = MemoryWorkspace({"a": "content of a"})
        self.commands = ScriptedCommands()
        self.toolbox = Toolbox(workspace=self.workspace, names=names, commands=self.commands)
        self.log = MemoryToolLog()
        self.warnings: list[str] = []

    def talk(self, *, max_turns: int = 3) -> Conversation:
        return asyncio.run(
            converse(
                question,
                send=self.model.send,
                toolbox=self.toolbox,
                max_turns=max_turns,
                log=self.log,
                warn=lambda code, message: self.warnings.append(f"{code}: {message}"),
            )
        )


def test_a_model_that_answers_at_once_is_asked_once() -> None:
    world = World(done)
    conversation = world.talk()
    assert conversation.reply.response.text == "done"
    assert conversation.carried == []
    assert [t.name for t in world.model.sent[0].tools] == ["Read", "Write", "Edit"]
    assert conversation.messages == (*question.messages, Message(role="assistant", text="done"))


def test_results_go_back_with_the_turn_that_asked_for_them() -> None:
    parts = [{"type": "thinking", "signature": "s"}]
    first = replace(
        asks(("t1", "Read", {"path": "a"}), ("t2", "Read", {"path": "../b"}), text="Let me see."),
        raw={"parts": parts},
    )
    world = World(first, done)
    conversation = world.talk()
    _, turn, one, two = world.model.sent[1].messages
    assert (turn.text, turn.tool_calls, turn.parts) == ("Let me see.", first.tool_calls, parts)
    assert (one.role, one.text, one.tool_call_id, one.is_error) == (
        *("tool", "content of a"),
        *("t1", False),
    )
    assert (two.tool_call_id, two.is_error) == ("t2", True)
    assert two.text.startswith("path_denied")
    assert [c.result.code for c in conversation.carried] == ["", "path_denied"]
    assert len(conversation.replies) == 2


def test_every_call_is_journalled_around_its_work() -> None:
    write = asks(("t2", "Write", {"path": "b", "content": "x"}), ("t3", "Magic", {}))
    world = World(read_a, write, done)
    world.talk()
    assert world.log.lines == [
        *("begin 0 t1 Read", "done 0 t1 ok"),
        *("begin 1 t2 Write", "done 1 t2 ok"),
        *("begin 1 t3 Magic", "done 1 t3 tool_denied"),
    ]
    assert world.workspace.files["b"] == b"x"


def test_the_last_turn_must_be_an_answer() -> None:
    world = World(read_a, asks(("t2", "Write", {"path": "b", "content": "x"})))
    with pytest.raises(InvalidReply) as caught:
        world.talk(max_turns=2)
    assert (caught.value.code, caught.value.model) == ("max_turns", "m")
    assert "asks for Write" in caught.value.message
    assert "b" not in world.workspace.files
    assert World(read_a, done).talk(max_turns=2).reply.response.text == "done"


def test_a_pause_goes_on_and_counts_as_a_turn() -> None:
    paused = Response(text="", finish_reason="pause", raw={"parts": [{"type": "x"}]})
    world = World(paused, done)
    world.talk()
    assert world.model.sent[1].messages[-1].parts == [{"type": "x"}]
    with pytest.raises(InvalidReply, match="to go on"):
        World(paused, paused).talk(max_turns=2)


def test_without_a_toolbox_calls_come_back_and_nothing_is_carried_out() -> None:
    model = Model(read_a)
    conversation = asyncio.run(converse(question, send=model.send))
    assert conversation.reply.response.tool_calls == read_a.tool_calls
    assert model.sent == [question]
    paused = Response(text="", finish_reason="pause")
    assert asyncio.run(converse(question, send=Model(paused, done).send)).reply.response == done


def test_a_result_from_before_a_restart_is_not_made_again() -> None:
    world = World(asks(("t1", "Write", {"path": "a", "content": "new"})), done)
    world.log.before[0, "t1"] = KnownTool(result=ToolResult(text="as it was"))
    world.talk()
    assert world.model.sent[1].messages[-1].text == "as it was"
    assert (world.workspace.files["a"], world.log.lines) == (b"content of a", [])


def test_a_command_in_doubt_is_told_so_and_warned_of() -> None:
    world = World(asks(("t1", "Bash", {"command": "make"})), done, names=["Bash"])
    world.log.before[0, "t1"] = KnownTool()
    world.talk()
    told = world.model.sent[1].messages[-1]
    assert told.text == "interrupted: the effects of this command are unknown"
    assert world.commands.ran == []
    assert world.warnings == ["tool_in_doubt: Bash was interrupted; what it did is unknown"]
    assert world.log.lines == ["done 0 t1 tool_in_doubt"]


def test_an_edit_in_doubt_that_was_made_is_only_noted() -> None:
    edit: dict[str, object] = {
        "path": "a",
        "old_string": "content",
        "new_string": "content and more",
    }
    world = World(asks(("t1", "Edit", edit)), done)
    world.workspace.files["a"] = b"content and more of a"
    world.log.before[0, "t1"] = KnownTool(effect=digest_bytes(b"content and more of a"))
    world.talk()
    assert world.workspace.files["a"] == b"content and more of a"
    assert (world.log.lines, world.warnings) == (["done 0 t1 ok"], [])


def test_doubt_without_anybody_to_warn_is_still_told_to_the_model() -> None:
    world = World(asks(("t1", "Bash", {"command": "make"})), done, names=["Bash"])
    world.log.before[0, "t1"] = KnownTool()
    asyncio.run(converse(question, send=world.model.send, toolbox=world.toolbox, log=world.log))
    assert world.model.sent[1].messages[-1].is_error


def test_a_system_prompt_is_put_together_with_blank_lines() -> None:
    assert system_of("one", None, "", "two") == "one\n\ntwo"
    assert system_of(None, "") is None


def test_a_turn_keeps_what_the_vendor_needs_back() -> None:
    reply = Reply(response=replace(read_a, raw={"parts": [{"a": 1}]}), attempts=1, cost_nanousd=0)
    assert turn_of(reply) == Message(
        role="assistant", text="", tool_calls=read_a.tool_calls, parts=[{"a": 1}]
    )
