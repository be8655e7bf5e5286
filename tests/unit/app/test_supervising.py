"""A supervisor over real journals: what died is gone on with, what lives or ended is left alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipex_core.adapters.local_files import LocalJournals
from pipex_core.app.settings import read_settings
from pipex_core.app.supervising import Seen, supervise
from pipex_core.errors import ConfigError
from tests.fakes.shell import invoke

pipex = str(Path(sys.executable).with_name("pipex"))
pipeline = """
workflow:
  name: two
  steps:
    - {name: first, type: claude, prompt: one}
    - {name: second, type: claude, prompt: two, depends_on: [first]}
"""
# The process that runs it ends without a word when it gets to the second step, as often as it is told to.
dying = """
import os, sys
from pathlib import Path
from pipex_core.adapters import mock
ask = mock.MockProvider.complete
async def complete(self, request):
    if "two" in str(request.body()) and Path("dies").exists():
        os.kill(os.getpid(), 9)
    return await ask(self, request)
mock.MockProvider.complete = complete
from pipex_core.cli.main import main
sys.argv[0] = "pipex"
main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(pipeline, encoding="utf-8")
    return tmp_path


def died(words: Sequence[str]) -> int:
    """Run pipex in a process that dies while there is a file ``dies``."""
    done = subprocess.run([sys.executable, "-c", dying, *words], check=False, capture_output=True)
    return done.returncode


def seen() -> list[Seen]:
    return list(supervise(read_settings(), start=died))


def test_a_run_whose_process_died_is_gone_on_with(project: Path) -> None:
    (project / "dies").touch()
    assert died(["run", "two.yaml"]) == -signal.SIGKILL
    (project / "dies").unlink()
    (found,) = seen()
    assert (found.kind, found.act, found.exit_code) == ("run", "resumed", 0)
    assert [one.act for one in seen()] == ["ended"]


def test_a_run_that_dies_again_and_again_is_a_dead_letter_until_a_person_resumes_it(
    project: Path,
) -> None:
    (project / "dies").touch()
    assert died(["run", "two.yaml"]) == -signal.SIGKILL
    assert [seen()[0].act for _ in range(4)] == ["failed", "failed", "failed", "dead_letter"]
    (letter,) = (project / "checkpoints").glob("*/dead_letter.json")
    first = letter.read_bytes()
    assert json.loads(first)["recoveries"] == 3
    assert seen()[0].act == "dead_letter"
    assert letter.read_bytes() == first
    (project / "dies").unlink()
    assert seen()[0].command == f"pipex resume {letter.parent.name} --force"
    assert died(["resume", letter.parent.name, "--force"]) == 0
    assert seen()[0].act == "ended"


def test_a_run_that_somebody_writes_is_left_alone(project: Path) -> None:
    (project / "dies").touch()
    died(["run", "two.yaml"])
    journals = LocalJournals(project / "checkpoints")
    log = journals.open_log(journals.runs()[0], "main")
    assert [one.act for one in seen()] == ["running"]
    log.close()


def test_a_damaged_journal_is_told_and_not_touched(project: Path) -> None:
    (project / "dies").touch()
    died(["run", "two.yaml"])
    (project / "dies").unlink()
    (segment,) = (project / "checkpoints").glob("*/journal/main/*.seg")
    data = segment.read_bytes()
    segment.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    (found,) = seen()
    assert found.act == "damaged"
    assert found.command.startswith("pipex journal repair")


def test_the_command_looks_once_and_says_what_it_did(project: Path) -> None:
    (project / "dies").touch()
    died(["run", "two.yaml"])
    (project / "dies").unlink()
    environment = {"PATH": os.defpath, "HOME": str(project)}
    done = subprocess.run([pipex, "supervise", "--once"], check=False, capture_output=True, text=True, env=environment)  # fmt: skip
    assert done.returncode == 0
    assert "resumed: recovery 1 of 3 ended with 0" in done.stdout
    document = invoke("supervise", "--once", "--json").document
    assert document["counts"] == {"ended": 1}
    assert invoke("supervise", "--json").code == 2


def test_a_deployment_that_wants_none_has_no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_AUTO_RESUME", "false")
    with pytest.raises(ConfigError) as caught:
        list(supervise(read_settings()))
    assert caught.value.code == "auto_resume_off"
