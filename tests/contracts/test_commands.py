"""What the shell of models promises: its time, its environment, its folder, and nothing outside of it."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from pipex_core.adapters.bash import ConfinedBash
from pipex_core.adapters.workspace import ConfinedWorkspace
from pipex_core.errors import StepError
from pipex_core.ports import CommandResult


class Shell:
    """A shell over a workspace ``work`` beside a secret."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "work"
        (root / "secret.txt").write_text("secret", encoding="utf-8")
        self.workspace = ConfinedWorkspace(workspace=self.work, output_dir=root / "out")

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 20.0,
        max_chars: int = 1_000,
        bash: ConfinedBash | None = None,
    ) -> CommandResult:
        async def work() -> CommandResult:
            with self.workspace.folder() as folder:
                return await (bash or ConfinedBash()).run(
                    command, folder=folder, timeout_s=timeout_s, max_chars=max_chars
                )

        return asyncio.run(work())


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def apart(shell: Shell) -> Shell:
    """The shell, on machines where commands can be kept apart."""
    try:
        shell.run("true", bash=ConfinedBash(require_isolation=True))
    except StepError:
        pytest.skip("this kernel gives no namespaces to this user")
    return shell


def test_a_command_works_in_the_workspace(shell: Shell) -> None:
    result = shell.run("echo hello > f; cat f; pwd")
    assert result == CommandResult(output=f"hello\n{shell.work}\n", exit_code=0)
    assert (shell.work / "f").read_text(encoding="utf-8") == "hello\n"


def test_both_outputs_come_in_order_with_the_exit_code(shell: Shell) -> None:
    result = shell.run("echo one; echo two >&2; echo three; exit 7")
    assert result == CommandResult(output="one\ntwo\nthree\n", exit_code=7)


def test_the_environment_is_clean(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    names = shell.run("env").output.splitlines()
    found = {line.split("=")[0] for line in names}
    assert found - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME", "LANG"}
    assert f"HOME={shell.work}" in names
    assert "canary" not in "".join(names)


def test_a_command_has_no_input_to_wait_for(shell: Shell) -> None:
    assert shell.run("cat; echo done").output == "done\n"


def test_output_is_cut_and_the_command_goes_on(shell: Shell) -> None:
    result = shell.run("yes ä | head -100000; echo end > f", max_chars=10)
    assert (result.output, result.exit_code) == ("ä\nä\nä\nä\nä\n", 0)
    assert (shell.work / "f").exists()


def test_a_command_that_takes_too_long_is_stopped(shell: Shell) -> None:
    result = shell.run("echo begun; sleep 100", timeout_s=1)
    assert result == CommandResult(output="begun\n", exit_code=None, timed_out=True)


def test_what_a_command_started_ends_with_it(apart: Shell) -> None:
    fifo = apart.root / "work" / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    # Each holds the pipe open for writing as long as it lives.
    apart.run("exec 9> alive; sleep 100 & setsid sleep 100 & disown -a; echo started")
    assert os.read(reader, 1) == b""  # end of file: nobody is left
    os.close(reader)


def test_a_cancelled_command_is_gone(apart: Shell) -> None:
    fifo = apart.work / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    async def work() -> None:
        with apart.workspace.folder() as folder:
            running = asyncio.ensure_future(
                ConfinedBash().run(
                    "exec 9> alive; echo x >&9; sleep 100", folder=folder, timeout_s=60, max_chars=9
                )
            )
            begun = asyncio.Event()
            asyncio.get_running_loop().add_reader(reader, begun.set)
            await begun.wait()
            asyncio.get_running_loop().remove_reader(reader)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(work())
    assert os.read(reader, 10) == b"x\n"
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_there_is_no_network(apart: Shell) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        port = server.getsockname()[1]
        result = apart.run(f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected")
        assert "connected" not in result.output
        with pytest.raises(BlockingIOError):
            server.accept()


def landlocked(shell: Shell) -> bool:
    return "denied" in shell.run(f"cat {shell.root}/secret.txt").output


@pytest.fixture
def locked(shell: Shell) -> Shell:
    """The shell, on kernels that can keep a process to some folders."""
    if not landlocked(shell):
        pytest.skip("this kernel has no Landlock")
    return shell


@pytest.mark.parametrize(
    "command",
    [
        "cat ../secret.txt",
        "ln -s ../secret.txt link && cat link",
        "cd .. && cat secret.txt",
        "cat /etc/shadow",
        "ls /root /home",
        "echo x > ../new.txt",
        "echo x > /tmp/new.txt",
        "rm ../secret.txt",
        "mv ../secret.txt .",
        "cat /proc/$PPID/environ",
    ],
)
def test_nothing_outside_of_the_workspace_is_read_or_changed(locked: Shell, command: str) -> None:
    result = locked.run(command)
    assert "secret\n" not in result.output
    assert (locked.root / "secret.txt").read_text(encoding="utf-8") == "secret"
    assert sorted(path.name for path in locked.root.iterdir()) == ["secret.txt", "work"]
    assert result.exit_code != 0


def test_the_keys_of_this_process_are_out_of_reach(
    locked: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    result = locked.run(f"cat /proc/{os.getpid()}/environ; cat /proc/*/environ | tr '\\0' '\\n'")
    assert "sk-canary" not in result.output


def test_programs_of_the_system_work(locked: Shell) -> None:
    result = locked.run("seq 3 | sort -r | head -1; grep -c . <<< x; date +%Y > d; mkdir a; mv d a")
    assert (result.output, result.exit_code) == ("3\n1\n", 0)


def test_a_machine_that_cannot_keep_apart_runs_nothing_when_it_must(shell: Shell) -> None:
    program = shell.root / "child.py"
    program.write_text(
        "import os, sys\nos.write(int(sys.argv[2]), b'0')\n"
        "sys.exit(3 if sys.argv[4] == '1' else 0)\n",
        encoding="utf-8",
    )
    with pytest.raises(StepError) as failure:
        shell.run("echo x", bash=ConfinedBash(require_isolation=True, program=program))
    assert failure.value.code == "tool_denied"
    assert shell.run("echo x", bash=ConfinedBash(program=program)).exit_code == 0


def test_a_command_with_a_nul_is_refused(shell: Shell) -> None:
    with pytest.raises(StepError) as failure:
        shell.run("echo \0")
    assert failure.value.code == "invalid_arguments"
