"""Hooks around tool calls: which calls they concern, and what they say of them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pipex_core.llm.hooks import Hook, HookedLog, denied_commands, hooks_of
from pipex_core.llm.tools import NullToolLog, ToolBegun, ToolResult
from tests.fakes.audit import MemoryAudit
from tests.fakes.world import World


@pytest.mark.parametrize(
    ("matcher", "tool", "concerned"),
    [
        ("", "Read", True),
        ("*", "Read", True),
        ("Read", "Read", True),
        ("Read", "Reader", False),
        ("Write|Edit", "Edit", True),
        ("Multi.*", "MultiEdit", True),
        ("(", "(", True),
        ("(", "Read", False),
    ],
)
def test_a_matcher_means_whole_names_of_tools(matcher: str, tool: str, *, concerned: bool) -> None:
    assert Hook(phase="PreToolUse", tools=matcher).concerns(tool) is concerned


def test_hooks_of_the_workflow_come_before_those_of_the_step() -> None:
    workflow = {"PostToolUse": [{"matcher": "A", "hooks": ["audit_tool"]}]}
    step = {"PreToolUse": [{"hooks": ["log_tool_use"]}]}
    found = hooks_of(workflow, None, step)
    assert [(one.phase, one.tools, one.actions) for one in found] == [
        ("PostToolUse", "A", ("audit_tool",)),
        ("PreToolUse", "", ("log_tool_use",)),
    ]


def test_only_hooks_that_validate_commands_deny_them() -> None:
    hooks = [
        Hook(phase="PreToolUse", tools="Bash", actions=["validate_bash"], deny=["curl"]),
        Hook(phase="PreToolUse", tools="Read", actions=["validate_bash"], deny=["cat"]),
        Hook(phase="PreToolUse", actions=["audit_tool"], deny=["ls"]),
    ]
    assert denied_commands(hooks) == ["curl"]


def test_each_call_is_told_of_once_before_and_after() -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []
    hooks = [
        Hook(phase="PreToolUse", tools="Bash", actions=["audit_tool", "validate_bash"]),
        Hook(phase="PostToolUse", actions=["log_tool_use"]),
        Hook(phase="PostToolUse", tools="Read", actions=["audit_tool"]),
    ]
    log = HookedLog(NullToolLog(), hooks, lambda action, facts: told.append((action, facts)))
    arguments = {"command": "x" * 600, "content": "secret"}
    call = ToolBegun(ordinal=0, tool_use_id="t", tool="Bash", arguments=arguments)

    async def carried() -> None:
        assert log.known(call) is None
        await log.tool_begin(call)
        await log.tool_done(call, ToolResult(text="four", code="timeout"))

    asyncio.run(carried())
    assert told == [
        (
            "audit_tool",
            {
                "phase": "PreToolUse",
                "tool": "Bash",
                "tool_use_id": "t",
                "arguments": {"command": "x" * 500},
            },
        ),
        (
            "log_tool_use",
            {
                "phase": "PostToolUse",
                "tool": "Bash",
                "tool_use_id": "t",
                "outcome": "timeout",
                "characters": 4,
            },
        ),
    ]


pipeline = """
workflow:
  name: w
  hooks: {PreToolUse: [{matcher: Write, hooks: [audit_tool]}]}
  steps:
    - name: a
      type: claude
      prompt: p
      claude_options:
        allowed_tools: [Write]
        hooks: {PostToolUse: [{hooks: [log_tool_use]}]}
"""
calls = [
    {"name": "Write", "input": {"path": "sk-1/f", "content": "x"}},
    {"name": "Bash", "input": {}},
]
rules = {"responses": [{"replies": [{"tool_calls": calls}, "done"]}]}


def test_a_run_writes_what_its_hooks_say_to_the_audit_log_without_secrets() -> None:
    audit = MemoryAudit()
    world = World(rules)
    world.with_services(audit=audit, redact=lambda text: text.replace("sk-1", "[redacted]"))
    assert world.run(pipeline).success
    shown = [(act["action"], act["resource"], act["outcome"]) for act in audit.acts]
    assert shown == [
        ("audit_tool", "step:a", "begun"),
        ("log_tool_use", "step:a", "done"),
        ("log_tool_use", "step:a", "tool_denied"),
    ]
    assert audit.acts[0]["details"]["arguments"] == {"path": "[redacted]/f"}
    assert {act["correlation_id"] for act in audit.acts} == {"run1"}


def test_a_run_goes_on_when_the_audit_log_is_full_and_says_so() -> None:
    result = World(rules).with_services(audit=MemoryAudit(is_full=True)).run(pipeline)
    assert result.success
    assert {warning.code for warning in result.warnings} == {"audit_not_written"}


def test_without_an_audit_log_hooks_say_nothing() -> None:
    assert World(rules).run(pipeline).warnings == ()
