"""A shell that answers by script."""

from pipex_core.ports import CommandResult


class ScriptedCommands:
    """Answers every command with the same result.

    Attributes:
        ran: Commands with their time limit, in order.
    """

    def __init__(self, result: CommandResult | None = None) -> None:
        self._result = result or CommandResult(output="", exit_code=0)
        self.ran: list[tuple[str, float]] = []

    async def run(
        self, command: str, *, folder: int, timeout_s: float, max_chars: int
    ) -> CommandResult:
        del folder, max_chars
        self.ran.append((command, timeout_s))
        return self._result
