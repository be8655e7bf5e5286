"""The tools that a model may be given, over a workspace: what is offered, and what becomes of a call.

Nothing is available unless it was allowed. A call that is refused or fails is answered with a text that
the model reads; it never fails the step.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from pipex_core.errors import StepError
from pipex_core.jsonvalue import Json, check_schema, digest_bytes
from pipex_core.llm import bash_rules, file_tools
from pipex_core.llm.provider import ToolCall, ToolDefinition
from pipex_core.ports import Commands, Workspace

most_characters: Final = 100_000
most_bash_characters: Final = 30_000
bash_timeout_s: Final = 60.0
cut_note: Final = "\n[cut]"
interrupted: Final = "interrupted: the effects of this command are unknown"

_path: Final = {"type": "string", "description": "Relative to the workspace."}
_edit: Final = {
    "old_string": {"type": "string", "description": "Must occur exactly once."},
    "new_string": {"type": "string"},
    "replace_all": {"type": "boolean", "description": "Replace every occurrence."},
}


def _schema(properties: Mapping[str, Json], *required: str) -> dict[str, Json]:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


_definitions: Final = (
    ToolDefinition(
        name="Read",
        description="Read a text file, or some lines of it.",
        parameters=_schema(
            {
                "path": _path,
                "offset": {"type": "integer", "minimum": 1, "description": "First line, from 1."},
                "limit": {"type": "integer", "minimum": 1, "description": "Number of lines."},
            },
            "path",
        ),
    ),
    ToolDefinition(
        name="Write",
        description="Write a file, replacing what was there.",
        parameters=_schema({"path": _path, "content": {"type": "string"}}, "path", "content"),
    ),
    ToolDefinition(
        name="Edit",
        description="Replace a text in a file by another.",
        parameters=_schema({"path": _path, **_edit}, "path", "old_string", "new_string"),
    ),
    ToolDefinition(
        name="MultiEdit",
        description="Replace several texts in a file, one after the other; all or none.",
        parameters=_schema(
            {
                "path": _path,
                "edits": {
                    "type": "array",
                    "minItems": 1,
                    "items": _schema(_edit, "old_string", "new_string"),
                },
            },
            "path",
            "edits",
        ),
    ),
    ToolDefinition(
        name="Glob",
        description="Find files by a pattern of their path, such as `src/**/*.py`.",
        parameters=_schema({"pattern": {"type": "string"}, "path": _path}, "pattern"),
    ),
    ToolDefinition(
        name="Grep",
        description="Find lines by a regular expression, as path:number:line.",
        parameters=_schema(
            {
                "pattern": {"type": "string"},
                "path": _path,
                "glob": {"type": "string", "description": "Only files that match, as `*.py`."},
                "ignore_case": {"type": "boolean"},
            },
            "pattern",
        ),
    ),
    ToolDefinition(
        name="LS",
        description="List a folder.",
        parameters=_schema({"path": _path}),
    ),
    ToolDefinition(
        name="Bash",
        description="Run a shell command in the workspace, without network.",
        parameters=_schema(
            {
                "command": {"type": "string", "minLength": 1},
                "timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": bash_timeout_s},
            },
            "command",
        ),
    ),
)
tools: Final = {definition.name: definition for definition in _definitions}
aliases: Final = {"Search": "Grep"}
# Names under which models know arguments from elsewhere.
argument_aliases: Final = {"file_path": "path"}
edits: Final = frozenset({"Edit", "MultiEdit"})
effects: Final = frozenset({"Write", "Bash"}) | edits

_file_tools: Final[Mapping[str, Callable[[Workspace, file_tools.Arguments], Awaitable[str]]]] = {
    "Read": file_tools.read,
    "Write": file_tools.write,
    "Edit": file_tools.edit,
    "MultiEdit": file_tools.edit,
    "Glob": file_tools.glob,
    "Grep": file_tools.grep,
    "LS": file_tools.ls,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a model is told about its call.

    Attributes:
        code: Why the call was refused or failed, such as ``path_denied``; empty when it was carried out.
    """

    text: str
    code: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the call was refused or failed."""
        return bool(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBegun:
    """A call that is about to be carried out.

    Attributes:
        ordinal: Of the model call that asked for it; with ``tool_use_id`` its identity in the unit.
        effect: Digest of the file as it will be after an edit; empty for other tools.
    """

    ordinal: int
    tool_use_id: str
    tool: str
    arguments: Mapping[str, Json]
    effect: str = ""

    @property
    def has_effects(self) -> bool:
        """Whether it may change something: then its begin must be durable before it is carried out."""
        return self.tool in effects


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTool:
    """A call that was begun before a restart.

    Attributes:
        effect: As it was begun.
        result: None when the restart came before its end: nobody knows what it did.
    """

    effect: str = ""
    result: ToolResult | None = None


class ToolLog(Protocol):
    """Where the tool calls of one unit are journalled before and after they are carried out."""

    def known(self, call: ToolBegun) -> KnownTool | None:
        """What is known of this very call, by identity, tool and arguments, from before a restart."""
        ...

    async def tool_begin(self, call: ToolBegun) -> None:
        """Journal the call; durable when it returns if the call ``has_effects``."""
        ...

    async def tool_done(self, call: ToolBegun, result: ToolResult) -> None:
        """Journal the result; durable when it returns."""
        ...


class NullToolLog:
    """Journals nothing."""

    def known(self, call: ToolBegun) -> KnownTool | None:
        """Nothing is known."""
        del call
        return None

    async def tool_begin(self, call: ToolBegun) -> None:
        """Nothing is kept."""

    async def tool_done(self, call: ToolBegun, result: ToolResult) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Which tools a step may use.

    Attributes:
        names: Tools in the order of the table, each once; ``Search`` only where ``Grep`` is not allowed.
        unknown: Allowed names that are no tools.
    """

    names: Sequence[str]
    unknown: Sequence[str] = ()


def offer(allowed: Sequence[str], disallowed: Sequence[str] = ()) -> Offer:
    """What remains of ``allowed``; what is disallowed wins, under either of its names."""
    plain = {aliases.get(name, name) for name in disallowed}
    kept = [name for name in allowed if aliases.get(name, name) not in plain]
    names = [tool for tool in tools if tool in kept]
    names += [name for name, tool in aliases.items() if name in kept and tool not in kept]
    known = {*tools, *aliases}
    return Offer(names=names, unknown=[n for n in dict.fromkeys(kept) if n not in known])


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The tools of one step over its workspace.

    Attributes:
        names: What is offered, as ``offer`` gives it.
        commands: Runs what ``Bash`` is asked for; None where the deployment does not allow it.
        denied_commands: Patterns of the workflow beside the built-in ones.
    """

    workspace: Workspace
    names: Sequence[str]
    commands: Commands | None = None
    denied_commands: Sequence[str] = field(default=())

    @property
    def definitions(self) -> Sequence[ToolDefinition]:
        """What the model is told of."""
        found = [(name, tools[aliases.get(name, name)]) for name in self.names]
        return [
            ToolDefinition(name=name, description=t.description, parameters=t.parameters)
            for name, t in found
        ]

    def begun(self, call: ToolCall, *, ordinal: int) -> ToolBegun:
        """The call as it is journalled before it is carried out."""
        tool, arguments = aliases.get(call.name, call.name), _plain(call.arguments)
        effect = ""
        if tool in edits and not self._refusal(tool, arguments):
            try:
                effect = digest_bytes(file_tools.edited(self.workspace, arguments))
            except StepError:
                effect = ""  # it will fail again when it is carried out, and the model is told
        return ToolBegun(
            ordinal=ordinal,
            tool_use_id=call.id,
            tool=tool,
            arguments=arguments,
            effect=effect,
        )

    async def run(self, call: ToolBegun) -> ToolResult:
        """Carry out a call, or say why not."""
        refusal = self._refusal(call.tool, call.arguments)
        if refusal is not None:
            return refusal
        limit = most_bash_characters if call.tool == "Bash" else most_characters
        try:
            if call.tool == "Bash":
                text = await self._bash(call.arguments)
            else:
                text = await _file_tools[call.tool](self.workspace, call.arguments)
        except StepError as error:
            return ToolResult(text=_cut(f"{error.code}: {error.message}", limit), code=error.code)
        return ToolResult(text=_cut(text, limit))

    async def again(self, call: ToolBegun, known: KnownTool) -> ToolResult:
        """The result of a call that was begun before a restart and has no end.

        Reading and ``Write`` are repeated; an edit is unless the file is already as it was to become;
        a command is not.
        """
        if call.tool == "Bash":
            return ToolResult(text=interrupted, code="tool_in_doubt")
        if call.tool in edits and known.effect and self._holds(call.arguments, known.effect):
            return ToolResult(text=f"edited {call.arguments['path']}")
        return await self.run(call)

    def _holds(self, arguments: Mapping[str, Json], effect: str) -> bool:
        try:
            return digest_bytes(self.workspace.read_bytes(arguments["path"])) == effect
        except StepError:
            return False

    def _refusal(self, tool: str, arguments: Mapping[str, Json]) -> ToolResult | None:
        """Why a call is not carried out at all, or None."""
        if tool not in {aliases.get(name, name) for name in self.names}:
            known = ", ".join(self.names) or "none"
            return _refused("tool_denied", f"there is no tool {tool!r} here; available: {known}")
        problems = check_schema(dict(arguments), tools[tool].parameters)
        if problems:
            shown = "; ".join(f"{pointer or '(whole)'}: {message}" for pointer, message in problems)
            return _refused("invalid_arguments", f"the arguments are wrong: {shown}")
        if tool != "Bash":
            return None
        if self.commands is None:
            return _refused("tool_denied", "commands are not allowed here")
        reason = bash_rules.refusal(arguments["command"], self.denied_commands)
        return _refused("tool_denied", reason) if reason else None

    async def _bash(self, arguments: Mapping[str, Json]) -> str:
        if self.commands is None:
            raise StepError("commands are not allowed here", code="tool_denied")
        timeout_s = float(arguments.get("timeout_s", bash_timeout_s))
        try:
            with self.workspace.folder() as folder:
                result = await self.commands.run(
                    arguments["command"],
                    folder=folder,
                    timeout_s=timeout_s,
                    max_chars=most_bash_characters,
                )
        finally:
            self.workspace.recount()
        if result.timed_out:
            raise StepError(f"stopped after {timeout_s:g} s\n{result.output}", code="timeout")
        if result.exit_code == 0:
            return result.output or "done, no output"
        note = f"\n[exit code {result.exit_code}]"
        return result.output[: most_bash_characters - len(note)] + note


def _plain(arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments under the names of the schemas; those of an ``Edit`` of one file too."""
    plain = dict(arguments)
    for alias, name in argument_aliases.items():
        if alias in plain and name not in plain:
            plain[name] = plain.pop(alias)
    return plain


def _refused(code: str, message: str) -> ToolResult:
    return ToolResult(text=_cut(f"{code}: {message}", most_characters), code=code)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(cut_note)] + cut_note
