"""Hooks of a pipeline around the tool calls of its models: what is said of a call, and to whom.

A hook has no code: it says that calls of some tools are written to the audit log, before or after they are
carried out, or that commands have to pass the deny list, which they do anyway.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.jsonvalue import Json
from pipex_core.llm.tools import KnownTool, ToolBegun, ToolLog, ToolResult

Phase = Literal["PreToolUse", "PostToolUse"]
phases: Final[tuple[Phase, ...]] = ("PreToolUse", "PostToolUse")
shown_arguments: Final = ("path", "pattern", "glob", "command")
longest_argument: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What is to be done around the calls of some tools.

    Attributes:
        tools: Whole names of tools as a regular expression; empty or ``*`` for all of them.
        actions: ``log_tool_use``, ``audit_tool`` and ``validate_bash``, in order.
        deny: Further patterns that commands may not match, for ``validate_bash``.
    """

    phase: Phase
    tools: str = ""
    actions: Sequence[str] = ()
    deny: Sequence[str] = ()

    def concerns(self, tool: str) -> bool:
        """Whether calls of this tool are meant; a pattern that is none is taken as it stands."""
        if self.tools in {"", "*"}:
            return True
        try:
            return re.fullmatch(self.tools, tool) is not None
        except re.error:
            return self.tools == tool


def hooks_of(*written: Mapping[str, Json] | None) -> list[Hook]:
    """The hooks of a workflow and of a step, those of the workflow first."""
    return [
        Hook(
            phase=phase,
            tools=entry.get("matcher", ""),
            actions=tuple(entry.get("hooks", ())),
            deny=tuple(entry.get("deny", ())),
        )
        for one in written
        for phase in phases
        for entry in (one or {}).get(phase, ())
    ]


def denied_commands(hooks: Iterable[Hook]) -> list[str]:
    """Patterns of the hooks that commands may not match."""
    return [
        pattern
        for hook in hooks
        if "validate_bash" in hook.actions and hook.concerns("Bash")
        for pattern in hook.deny
    ]


Tell = Callable[[str, Mapping[str, Json]], None]


class HookedLog:
    """A ``ToolLog`` that tells of the calls that its hooks concern, each once.

    Args:
        log: Where the calls are journalled.
        tell: Told the action of the hook and what is known of the call.
    """

    def __init__(self, log: ToolLog, hooks: Sequence[Hook], tell: Tell) -> None:
        self._log = log
        self._hooks = hooks
        self._tell = tell

    def known(self, call: ToolBegun) -> KnownTool | None:
        return self._log.known(call)

    async def tool_begin(self, call: ToolBegun) -> None:
        self._say("PreToolUse", call, None)
        await self._log.tool_begin(call)

    async def tool_done(self, call: ToolBegun, result: ToolResult) -> None:
        await self._log.tool_done(call, result)
        self._say("PostToolUse", call, result)

    def _say(self, phase: Phase, call: ToolBegun, result: ToolResult | None) -> None:
        for hook in self._hooks:
            if hook.phase == phase and hook.concerns(call.tool):
                for action in hook.actions:
                    if action != "validate_bash":
                        self._tell(action, _facts(phase, call, result, action))


def _facts(
    phase: Phase, call: ToolBegun, result: ToolResult | None, action: str
) -> dict[str, Json]:
    """What is said of a call: to the log its name, to the auditor also what it was to touch."""
    facts: dict[str, Json] = {"phase": phase, "tool": call.tool, "tool_use_id": call.tool_use_id}
    if result is not None:
        facts |= {"outcome": result.code or "done", "characters": len(result.text)}
    if action == "audit_tool":
        given = {name: call.arguments[name] for name in shown_arguments if name in call.arguments}
        facts["arguments"] = {name: str(one)[:longest_argument] for name, one in given.items()}
    return facts
