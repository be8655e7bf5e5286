"""``pipex run`` killed by the very call that it waits for, then ``pipex run --resume``, as a person types them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.provider_server import (
    ProviderServer,
    Received,
    Reply,
    anthropic_message,
    good_key,
)

pipex = str(Path(sys.executable).with_name("pipex"))
pipeline = """
workflow:
  name: killed
  defaults: {claude_model: claude-haiku-5-5}
  steps:
    - {name: draft, type: claude, prompt: "draft"}
    - {name: review, type: claude, prompt: "review {{ draft }}"}
    - name: each
      type: for_loop
      data_source: [a, b]
      steps: [{name: say, type: claude, prompt: "say {{ item }} of {{ review }}"}]
    - {name: end, type: claude, prompt: "end {{ each.iterations[1].results.say.text }}", output_to_file: end.txt}
  outputs: {said: steps.end.text}
"""
calls = 5

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]


class Killer(ProviderServer):
    """Answers by the prompt, and kills the caller instead of answering where it is told to.

    Attributes:
        prompts: What was asked, in order.
        deadly: Number of the call that is not answered.
        victim: Process group that is killed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[str] = []
        self.deadly = 0
        self.victim = 0

    def take(self, received: Received) -> Reply:
        content = received.body["messages"][0]["content"]
        prompt = content if isinstance(content, str) else content[0]["text"]
        self.prompts.append(prompt)
        if len(self.prompts) == self.deadly:
            os.killpg(self.victim, signal.SIGKILL)
            return Reply(drop=True)
        text = f"<{prompt}>"
        return Reply(body=anthropic_message(content=[{"type": "text", "text": text}]))


@pytest.fixture
def vendor() -> Iterator[Killer]:
    killer = Killer()
    killer.start()
    yield killer
    killer.stop()


def run(folder: Path, vendor: Killer, *words: str) -> tuple[int, Any]:
    """The exit code of ``pipex run``, and its JSON when it came to that."""
    process = subprocess.Popen(
        [pipex, "run", "killed.yaml", "--provider", "live", "--json", *words],
        cwd=folder,
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "ANTHROPIC_API_KEY": good_key,
            "PIPEX_ANTHROPIC_BASE_URL": vendor.url,
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    vendor.victim = process.pid
    said, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(said) if process.returncode >= 0 else None


def made(document: Any, folder: Path) -> Any:
    (file,) = folder.rglob("end.txt")
    return document["status"], document["outputs"], file.read_text(encoding="utf-8")


def new_place(folder: Path) -> Path:
    folder.mkdir()
    (folder / "killed.yaml").write_text(pipeline, encoding="utf-8")
    return folder


def test_a_command_killed_at_any_call_is_resumed_and_repeats_that_call_only(
    vendor: Killer, tmp_path: Path
) -> None:
    place = new_place(tmp_path / "undisturbed")
    code, document = run(place, vendor)
    assert code == 0
    asked = vendor.prompts
    assert len(asked) == len(set(asked)) == calls
    whole = made(document, place)
    for deadly in range(1, calls + 1):
        place = new_place(tmp_path / f"at_{deadly}")
        vendor.prompts, vendor.deadly = [], deadly
        code, _ = run(place, vendor)
        assert (code, vendor.prompts) == (-signal.SIGKILL, asked[:deadly])
        code, document = run(place, vendor, "--resume", "latest")
        assert (code, made(document, place)) == (0, whole)
        assert vendor.prompts == [*asked[:deadly], *asked[deadly - 1 :]]
