"""Whole journeys through the real ``pipex`` command, each command a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipex_core import run_eval
from pipex_core.jsonvalue import Json
from tests.fakes.project import write_lines, write_project

pytestmark = pytest.mark.e2e
pipex = str(Path(sys.executable).parent / "pipex")
heavy = (
    "anthropic", "dagster", "google", "httpx", "jsonschema", "nltk", "numpy", "pandas", "pyarrow",
    "pydantic", "rich", "sacrebleu", "scipy", "yaml",
)  # fmt: skip


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, cases=30)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str, code: int = 0, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a command that ends with a code."""
    done = subprocess.run(
        [pipex, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**dict(os.environ), **(environment or {})},  # noqa: TID251 - a child inherits it
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def document(*words: str, code: int = 0) -> dict[str, Json]:
    found = json.loads(typed(*words, "--json", code=code))
    assert isinstance(found, dict)
    return found


def test_version_and_help_are_there() -> None:
    assert typed("--version") == "pipex 0.1.0\n"
    assert "Commands:" in typed("--help")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["eval", "run", "--help"]])
def test_help_loads_no_heavy_library(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from pipex_core.cli.main import pipex, run_command\n"
        f"code = run_command(pipex, {words!r})\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "print(code, *loaded, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "0"


def test_a_module_call_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipex_core.cli.main", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "pipex 0.1.0\n"


def test_from_a_pipeline_to_a_verdict() -> None:
    assert typed("validate", "pipelines/adder.yaml") == "pipelines/adder.yaml: ok\n"
    assert "answer: 2\n" in typed("run", "pipelines/adder.yaml", "question=1 + 1")

    first = document("eval", "run", "sums", "--target", "pipelines/adder.yaml")
    second = document("eval", "run", "sums", "--target", "pipelines/adder.yaml")
    assert (first["carried"], second["carried"], second["calls"]) == (0, 30, 0)
    assert second["row_digest"] == first["row_digest"]

    typed("eval", "run", "sums", "--recorded", "good.jsonl")
    assert "better by 0.967" in typed("compare", "adder", "good")
    assert document("explain", "q1", "--run", "adder")["response"]["state"] == "carried"

    runs = document("eval", "list")["runs"]
    assert [run["target_id"] for run in runs] == ["good", "adder", "adder"]
    assert document("eval", "show", "good")["summary"]["passed_tests"] == 30
    assert typed("eval", "show", "good", "--failed") == "every case passed\n"


@pytest.mark.parametrize(
    ("rule", "wrong", "answered", "code"),
    [
        ("kind: threshold, value: 0.5", 0, 30, 0),
        ("kind: threshold, value: 0.9", 20, 30, 1),
        ("kind: threshold, value: 0.9", 2, 30, 3),
        ("kind: coverage, min: 0.9", 0, 10, 4),
    ],
)
def test_each_verdict_has_its_exit_code(
    rule: str, wrong: int, answered: int, code: int, project: Path
) -> None:
    answers = [
        {"case_id": f"q{i}", "output": "0" if i <= wrong else str(1 + i)}
        for i in range(1, answered + 1)
    ]
    write_lines(project / "some.jsonl", answers)
    (project / "gate.yaml").write_text(f"rules:\n  - {{id: r, metric: exact_match, {rule}}}\n")
    assert typed("eval", "run", "sums", "some.jsonl", "--gate", "gate.yaml", code=code)
    word = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE", 4: "INCOMPLETE"}[code]
    assert document("gate", "some", "--gate", "gate.yaml", code=code)["verdict"] == word


def test_records_become_a_suite_and_an_evaluation(project: Path) -> None:
    write_lines(
        project / "problems.jsonl",
        [
            {
                "question": f"What is {i} times 3?",
                "ground_truth": f"{i} * 3 = {i * 3}\nA: {i * 3}",
                "small-model": {"solution": f"I think\nA: {i * 3 if i % 2 else 0}"},
            }
            for i in range(1, 21)
        ],
    )
    said = typed(
        "suite", "import", "problems.jsonl", "--map", "input=question",
        "--map", "expected_output=trim(last(split(ground_truth, 'A:')))",
        "--answer", 'small=record["small-model"].solution',
    )  # fmt: skip
    recorded = "test_suites/problems/recorded/small.jsonl"
    assert f"wrote {recorded}" in said
    (project / "m.yaml").write_text(
        "metrics: [{type: numeric_match, extract: {regex: '(?m)^A: (.*)\\Z'}}]\n"
    )
    found = document("eval", "run", "problems", "--recorded", recorded, "--metrics", "m.yaml")
    assert found["summary"]["passed_tests"] == 10


def test_the_doctor_looks_at_settings_and_folders() -> None:
    assert document("doctor")["ok"] is True
    broken = typed("doctor", code=2, environment={"PIPEX_RPM": "many"})
    assert broken == ""


limping = """\
workflow:
  name: limping
  defaults:
    claude_model: claude-haiku-5-5
  steps:
    - name: first
      type: claude
      prompt: [{type: static, content: one}]
    - name: second
      type: claude
      prompt: [{type: static, content: "{{ first }}"}]
"""
# A process that kills itself as a power cut would, when the second step is asked.
killer = """
import os, signal, sys
from pipex_core.adapters import mock
ask = mock.MockProvider.complete
async def complete(self, request):
    if request.prompt == "from before":
        os.kill(os.getpid(), signal.SIGKILL)
    return await ask(self, request)
mock.MockProvider.complete = complete
from pipex_core.cli.main import main
sys.argv[0] = "pipex"
main()
"""


def test_a_killed_run_goes_on_where_it_stopped(project: Path) -> None:
    (project / "limping.yaml").write_text(limping)
    (project / "rules.yaml").write_text("responses: [{when: {step: first}, reply: from before}]\n")
    done = subprocess.run(
        [sys.executable, "-c", killer, "run", "limping.yaml", "--mock-responses", "rules.yaml"],
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (journal,) = (project / "checkpoints").iterdir()
    (project / "rules.yaml").write_text("responses: [{when: {step: second}, reply: and on}]\n")
    found = document("resume", journal.name)
    assert found["status"] == "succeeded"
    assert [step["text"] for step in found["steps"].values()] == ["from before", "and on"]


def test_an_interrupted_evaluation_says_how_to_go_on(project: Path) -> None:
    program = killer.replace('"from before"', '"1 + 7"').replace("signal.SIGKILL", "signal.SIGINT")
    words = ["eval", "run", "sums", "pipelines/asker.yaml", "--max-concurrency", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 130, done.stderr
    said = json.loads(done.stdout)
    assert (said["schema"], said["code"]) == ("pipex.error/1", "cancelled")
    resumed = document(*said["next"].split()[1:])
    assert (resumed["status"], resumed["counts"]["ok"]) == ("completed", 30)
    assert resumed["calls"] <= 31
    del project


def test_an_evaluation_step_gives_the_rows_of_every_other_door(project: Path) -> None:
    (project / "judge.yaml").write_text(
        "workflow:\n  name: judge\n  steps:\n"
        "    - {name: judged, type: eval_batch, test_suite: test_suites/sums, "
        "pipeline: {path: pipelines/asker.yaml}}\n",
        encoding="utf-8",
    )
    stepped = document("run", "judge.yaml")["steps"]["judged"]
    words = ("eval", "run", "test_suites/sums", "--target", "pipelines/asker.yaml")
    asked = document(*words, "--results", "by_command")
    called = run_eval("test_suites/sums", "pipelines/asker.yaml", results="by_call")
    assert stepped["metadata"]["row_digest"] == asked["row_digest"] == called.row_digest
