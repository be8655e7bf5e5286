"""Shell commands of models, each in a process group, a network and (where the kernel can) a disk of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipex_core.errors import StepError
from pipex_core.ports import CommandResult

child_program = Path(__file__).with_name("bash_child.py")
default_path = "/usr/local/bin:/usr/bin:/bin"
bytes_per_character = 4
block_bytes = 1 << 16
end_s = 5.0


class ConfinedBash:
    """``Commands`` by ``bash``; beside the environment given here, ``HOME`` is the workspace.

    Args:
        path: Where programs are looked for; empty for the usual places.
        lang: Language of messages and encoding of texts.
        require_isolation: Refuse to run anything where the kernel cannot take away the network.
        program: Becomes the command; see ``bash_child``.
    """

    def __init__(
        self,
        *,
        path: str = "",
        lang: str = "C.UTF-8",
        require_isolation: bool = False,
        program: Path = child_program,
    ) -> None:
        self._environment = {"PATH": path or default_path, "LANG": lang}
        self._require_isolation = require_isolation
        self._program = program

    async def run(
        self, command: str, *, folder: int, timeout_s: float, max_chars: int
    ) -> CommandResult:
        told, report = os.pipe()
        try:
            process = await self._started(command, folder, report, timeout_s)
        finally:
            os.close(report)
        with os.fdopen(told, "rb") as news:
            kept = bytearray()
            reading = asyncio.ensure_future(_keep(process, kept, max_chars * bytes_per_character))
            timed_out = False
            try:
                async with asyncio.timeout(timeout_s):
                    await process.wait()
            except TimeoutError:
                timed_out = True
            finally:
                await _end(process)
                # Whoever still holds the output escaped from a kernel without namespaces.
                await asyncio.wait([reading], timeout=end_s)
                reading.cancel()
                # asyncio has no other way to let go of a pipe before somebody else does.
                process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001
            output = kept.decode("utf-8", "replace")[:max_chars]
            is_apart = news.read() == b"1"
        if self._require_isolation and not is_apart:
            raise StepError(
                "commands are refused: this machine cannot run them without a network",
                code="tool_denied",
            )
        return CommandResult(
            output=output,
            exit_code=None if timed_out else process.returncode,
            timed_out=timed_out,
        )

    async def _started(
        self, command: str, folder: int, report: int, timeout_s: float
    ) -> asyncio.subprocess.Process:
        if "\0" in command:
            raise StepError("the command holds a NUL", code="invalid_arguments")
        words = [str(folder), str(report), str(int(timeout_s) + 1)]
        words += [
            "1" if self._require_isolation else "0",
            command.encode("utf-8", "replace").decode(),
        ]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(self._program), *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment_in(folder),
            pass_fds=(folder, report),
            start_new_session=True,
        )

    def _environment_in(self, folder: int) -> Mapping[str, str]:
        return {**self._environment, "HOME": str(Path(f"/proc/self/fd/{folder}").readlink())}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop the command with all that it started; the program in front of it waits until they are gone."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(end_s):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _keep(process: asyncio.subprocess.Process, kept: bytearray, limit: int) -> None:
    """The first bytes of the output; the rest is read too, so that the command does not stand still."""
    if process.stdout is None:
        return
    while block := await process.stdout.read(block_bytes):
        kept += block[: max(0, limit - len(kept))]
