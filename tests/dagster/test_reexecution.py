"""A second try of a run: nothing that finished is done again, nothing that was answered is paid again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from pipex_core.errors import ConfigError
from pipex_dagster.reexecution import Reexecuted, reexecuted
from tests.dagster.conftest import Project, failure
from tests.fakes.provider_server import (
    ProviderServer,
    Reply,
    anthropic_error,
    good_key,
    running,
)

paid = """
workflow:
  name: paid
  steps:
    - {name: first, type: claude, prompt: one, claude_options: {model: claude-haiku-5-5}}
    - name: report
      type: pipeline
      pipeline:
        name: inner
        steps:
          - {name: draft, type: claude, prompt: two, claude_options: {model: claude-haiku-5-5}}
          - {name: polish, type: claude, prompt: three, claude_options: {model: claude-haiku-5-5}}
    - {name: last, type: claude, prompt: four, claude_options: {model: claude-haiku-5-5}}
"""
refused = anthropic_error(401, "authentication_error")


@pytest.fixture
def vendor(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    project.write("pipelines/paid.yaml", paid)
    with running() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", good_key)
        monkeypatch.setenv("PIPEX_ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("PIPEX_PROVIDER", "live")
        yield server


def run(project: Project) -> dg.ExecuteInProcessResult:
    job = project.definitions().resolve_job_def("plg__paid")
    return job.execute_in_process(instance=project.instance, raise_on_error=False)


def again(project: Project, run_id: str, *, all_steps: bool = False) -> Reexecuted:
    return reexecuted(project.instance, run_id, project_dir=str(project.root), all_steps=all_steps)


def prompts(vendor: ProviderServer) -> list[str]:
    """The prompts in the order in which they arrived."""
    return [str(request.body["messages"][0]["content"]) for request in vendor.requests]


def steps_of(project: Project, run_id: str) -> list[str | None]:
    """The ops of a run that were started, in order."""
    logged = project.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)
    return [entry.step_key for entry in logged]


def test_a_run_goes_on_inside_of_a_nested_pipeline_and_pays_for_nothing_twice(
    project: Project, vendor: ProviderServer
) -> None:
    vendor.script(Reply(), Reply(), refused)
    first = run(project)
    assert failure(first).startswith("auth: ")
    assert steps_of(project, first.run_id) == ["first", "report.draft", "report.polish"]
    done = again(project, first.run_id)
    assert done.success, done.failures
    assert steps_of(project, done.run_id) == ["report.polish", "report.result", "last"]
    assert len(vendor.requests) == 5
    assert sorted(vendor.bills.values()) == [1] * 4


def test_all_steps_once_more_ask_nothing_that_is_in_the_journal(
    project: Project, vendor: ProviderServer
) -> None:
    vendor.script(Reply(), Reply(), Reply(), refused)
    first = run(project)
    done = again(project, first.run_id, all_steps=True)
    assert done.success, done.failures
    assert len(steps_of(project, done.run_id)) == 5
    assert len(vendor.requests) == 5
    assert sorted(vendor.bills.values()) == [1] * 4


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("prompt: one", "prompt: uno"), "step 'first' changed since run "),
        (("name: first", "name: begin"), "step 'first' changed since run "),
        (("prompt: two", "prompt: dos"), "step 'report/draft' changed since run "),
        (("prompt: three", "prompt: tres"), "step 'report/draft' changed since run "),
    ],
)
def test_a_file_that_was_edited_in_between_is_refused_before_a_call(
    project: Project, vendor: ProviderServer, edit: tuple[str, str], said: str
) -> None:
    vendor.script(Reply(), Reply(), refused)
    first = run(project)
    project.write("pipelines/paid.yaml", paid.replace(*edit))
    done = again(project, first.run_id)
    assert not done.success
    assert f"workflow_changed: {said}" in done.failures[0]
    assert len(vendor.requests) == 3
    project.write("pipelines/paid.yaml", paid)
    assert again(project, first.run_id).success


@pytest.mark.parametrize(
    "edit",
    [("name: polish", "name: shine"), ("name: last", "name: end")],
)
def test_a_file_whose_steps_have_other_names_now_says_what_to_do(
    project: Project, vendor: ProviderServer, edit: tuple[str, str]
) -> None:
    vendor.script(Reply(), Reply(), refused)
    first = run(project)
    project.write("pipelines/paid.yaml", paid.replace(*edit))
    with pytest.raises(ConfigError) as caught:
        again(project, first.run_id)
    assert caught.value.code == "workflow_changed"
    assert caught.value.next_step is not None
    assert len(vendor.requests) == 3


def test_a_cancelled_step_makes_no_further_call(
    project: Project, vendor: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = project.root / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin", prepend=os.pathsep)
    vendor.script(Reply(), Reply(hang=True))
    command = ["dagster", "job", "execute", "-m", "pipex_dagster.definitions", "-j", "plg__paid"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, before)
    while len(vendor.requests) < 2 and process.poll() is None:
        vendor.stopping.wait(0.05)
    with dg.DagsterInstance.get() as instance:
        (started,) = instance.get_runs()
        instance.report_run_canceling(started)  # as the launcher does when somebody ends a run
        process.send_signal(signal.SIGINT)
        process.wait(30)
        (cancelled,) = instance.get_runs()
        assert cancelled.status == dg.DagsterRunStatus.CANCELED
        assert len(vendor.requests) == 2
        done = reexecuted(instance, cancelled.run_id, project_dir=str(project.root))
    assert done.success, done.failures
    assert prompts(vendor).count("one") == 1
