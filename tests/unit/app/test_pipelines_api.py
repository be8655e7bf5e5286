"""Pipelines from Python: load, run, look up; in a notebook too."""

import asyncio
import os
from pathlib import Path

import pytest

import pipex_core
from pipex_core.app.pipelines import check_file, interruptible, request_of_run, waited
from pipex_core.app.settings import read_settings
from pipex_core.errors import ConfigError, SpecError
from tests.fakes.project import write_project


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plan_tells_its_steps_and_what_they_wait_for() -> None:
    plan = pipex_core.load_pipeline("pipelines/adder.yaml")
    assert plan.name == "adder"
    assert [(step.name, step.type, tuple(step.depends_on)) for step in plan.steps] == [
        ("answer", "echo", ())
    ]
    assert plan.warnings == ()


def test_a_broken_file_is_its_problems() -> None:
    Path("bad.yaml").write_text("workflow:\n  name: b\n  steps:\n    - {name: a, type: ecoh}\n")
    with pytest.raises(SpecError) as caught:
        pipex_core.load_pipeline("bad.yaml")
    assert caught.value.problems == check_file("bad.yaml")
    assert check_file("pipelines/adder.yaml") == ()


def test_a_pipeline_runs_with_inputs_and_options(project: Path) -> None:
    result = pipex_core.run_pipeline(
        "pipelines/adder.yaml", {"question": "1 + 1"}, output_dir=str(project / "o")
    )
    assert (result.status, result.as_json()["outputs"]) == ("succeeded", {"answer": "2"})


def test_the_mock_answers_by_rules_when_they_are_named() -> None:
    Path("rules.yaml").write_text("responses: [{reply: by rule}]\n")
    result = pipex_core.run_pipeline(
        "pipelines/asker.yaml", {"question": "x"}, provider="mock", mock_responses="rules.yaml"
    )
    assert result.as_json()["outputs"] == {"answer": "by rule"}


def test_a_streamed_answer_can_be_heard() -> None:
    text = "workflow: {name: s, steps: [{name: a, type: claude, prompt: hi, streaming: true}]}"
    Path("streamed.yaml").write_text(text)
    heard: list[str] = []
    result = pipex_core.run_pipeline(
        "streamed.yaml", provider="mock", on_delta=lambda event: heard.append(event.data["text"])
    )
    assert "".join(heard) == result.steps["a"].text == "Mock response for: hi"


def test_a_missing_input_stops_before_anything_runs(project: Path) -> None:
    with pytest.raises(SpecError, match="needs the input 'question'"):
        pipex_core.run_pipeline("pipelines/adder.yaml")
    assert not (project / "checkpoints").exists()


def test_a_loop_that_runs_already_is_no_obstacle() -> None:
    async def notebook() -> str:
        result = pipex_core.run_pipeline("pipelines/adder.yaml", {"question": "1 + 1"})
        return str(result.status)

    assert asyncio.run(notebook()) == "succeeded"

    async def seven() -> int:
        return 7

    assert waited(seven()) == 7


def test_a_first_interruption_asks_the_work_to_stop() -> None:
    async def work(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), 2)
        await stop.wait()
        return "stopped"

    assert interruptible(work) == "stopped"


def test_a_nested_pipeline_is_found_beside_its_parent() -> None:
    Path("pipelines/parent.yaml").write_text(
        "workflow:\n  name: parent\n  steps:\n"
        "    - name: child\n      type: pipeline\n      pipeline_file: adder.yaml\n"
        "      inputs: {question: 1 + 1}\n"
    )
    result = pipex_core.run_pipeline("pipelines/parent.yaml")
    assert (result.status, [step.type for step in result.steps.values()]) == (
        "succeeded",
        ["pipeline"],
    )


def test_latest_is_the_newest_run_and_others_go_by_id(project: Path) -> None:
    settings = read_settings({})
    with pytest.raises(ConfigError, match="there is no run 'latest'"):
        request_of_run("latest", settings)
    ids = [
        pipex_core.run_pipeline("pipelines/adder.yaml", {"question": text}).run_id
        for text in ("a", "b")
    ]
    for age, run_id in enumerate(ids):
        os.utime(project / "checkpoints" / run_id / "run.json", (age, age))
    newest, provider = request_of_run("latest", settings)
    assert (newest.resume, newest.inputs) == (ids[1], {"question": "b"})
    assert provider["kind"] == "mock"
    assert request_of_run(ids[0], settings)[0].inputs == {"question": "a"}
