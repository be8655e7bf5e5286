"""The tool calls of one unit in the journal, so that after a crash none is carried out twice unawares."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from pipex_core.engine.calls import JournalCallLog
from pipex_core.engine.execution import Execution
from pipex_core.engine.fold import Unit, never_begun
from pipex_core.engine.journal import Journal
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json
from pipex_core.llm.tools import KnownTool, ToolBegun, ToolResult
from pipex_core.ports import CommandResult, Commands


class JournalToolLog:
    """A ``ToolLog`` for one try of one unit.

    Args:
        before: What the journal knew of the try that a crash interrupted; None for a new try.
        calls: The model calls of the same try: what was carried out for calls that differ now is not used.
    """

    def __init__(
        self, journal: Journal, unit: str, *, before: Unit | None, calls: JournalCallLog
    ) -> None:
        self._journal = journal
        self._unit = unit
        self._before = before or never_begun
        self._calls = calls

    def known(self, call: ToolBegun) -> KnownTool | None:
        found = self._before.tools.get((call.ordinal, call.tool_use_id))
        differs = self._calls.divergence
        if found is None or (differs is not None and call.ordinal >= differs.ordinal):
            return None
        is_same = found.begin["tool"] == call.tool
        if not is_same or self._journal.value("args", found.begin) != dict(call.arguments):
            return None
        effect = found.begin.get("effect", "")
        if found.done is None:
            return KnownTool(effect=effect)
        text = self._journal.value("result", found.done)
        return KnownTool(
            effect=effect, result=ToolResult(text=text, code=found.done["error"] or "")
        )

    async def tool_begin(self, call: ToolBegun) -> None:
        args = await self._journal.field("args", dict(call.arguments))
        record: dict[str, Json] = {"t": "tool_begin", **self._identity(call), **args}
        if call.effect:
            record["effect"] = call.effect
        self._journal.faults.hit("journal.before_tool_begin")
        if call.has_effects:
            await self._journal.append(record)
        else:
            self._journal.append_soon(record)
        self._journal.faults.hit("journal.after_tool_begin")

    async def tool_done(self, call: ToolBegun, result: ToolResult) -> None:
        self._journal.faults.hit("journal.before_tool_done")
        await self._journal.append(
            {
                "t": "tool_done",
                **self._identity(call),
                **await self._journal.field("result", result.text),
                "error": result.code or None,
            }
        )
        self._journal.faults.hit("journal.after_tool_done")

    def _identity(self, call: ToolBegun) -> dict[str, Json]:
        return {
            "unit": self._unit,
            "ordinal": call.ordinal,
            "tool_use_id": call.tool_use_id,
            "tool": call.tool,
        }


def audited(execution: Execution, path: str, action: str, facts: Mapping[str, Json]) -> None:
    """Write to the audit log what a hook says of a tool call.

    Work that runs goes on when the log cannot be written; the run says so.
    """
    services = execution.services
    if services.audit is None:
        return
    arguments = facts.get("arguments", {})
    shown = {name: services.redact(one) for name, one in arguments.items()}
    try:
        services.audit.append(
            action,
            resource=f"step:{path}",
            outcome=str(facts.get("outcome", "begun")),
            correlation_id=execution.run_id,
            details={**facts, "arguments": shown} if shown else facts,
        )
    except StoreError as error:
        execution.warn("audit_not_written", error.message, step=path)


class HeldCommands:
    """Commands that a virtual clock waits for: they take real time."""

    def __init__(
        self, commands: Commands, hold: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._commands = commands
        self._hold = hold

    async def run(
        self, command: str, *, folder: int, timeout_s: float, max_chars: int
    ) -> CommandResult:
        with self._hold():
            return await self._commands.run(
                command, folder=folder, timeout_s=timeout_s, max_chars=max_chars
            )
