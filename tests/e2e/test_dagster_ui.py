"""A person in the browser: a new target is a partition, its run is launched, and its check is looked at."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Page, Request, expect, sync_playwright

from tests.dagster.conftest import Project, adder, models
from tests.fakes.servers import serving

root = Path(__file__).resolve().parents[2]
chromium = Path("/usr/bin/chromium")
patience_ms = 60_000

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not chromium.is_file(), reason=f"there is no browser at {chromium}"),
]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


report = """
workflow:
  name: weekly_report
  description: Sorts the tickets of a week, summarises them, and has the summary checked.
  inputs:
    week: {type: string, default: 2026-W47, description: ISO week of the report.}
    escalate: {type: boolean, default: false, description: Write to the manager on duty as well.}
  steps:
    - name: tickets
      description: The tickets of the week.
      type: echo
      value: ["Cannot log in", "Invoice is wrong", "How do I export?"]
    - name: triage
      description: One label for each ticket.
      type: for_loop
      iterator: ticket
      data_source: steps.tickets.data
      steps:
        - {name: label, type: claude, prompt: "One label for this ticket: {{ ticket }}"}
    - name: escalation
      description: A note to the manager on duty, where it is wanted.
      type: claude
      condition: inputs.escalate
      prompt: "Escalate {{ join(triage.outputs, ', ') }}"
    - name: summary
      description: A summary that has been checked.
      type: pipeline
      pipeline_file: checked_summary.yaml
      inputs: {week: "{{ inputs.week }}", labels: "{{ steps.triage.outputs }}"}
    - name: publish
      description: The report as a file.
      type: echo
      value: "# Week {{ inputs.week }}\n\n{{ steps.summary.text }}\n"
      output_to_file: report.md
  outputs: {report: steps.publish.text}
"""
summary = """
workflow:
  name: checked_summary
  description: Drafts a summary and has a second model check it.
  inputs: {week: {type: string}, labels: {type: list}}
  steps:
    - name: draft
      description: The first version.
      type: claude
      prompt: "Summarise week {{ inputs.week }}: {{ join(inputs.labels, ', ') }}"
    - name: check
      description: Is every label in it?
      type: gemini
      prompt: "Is every label in this summary? {{ steps.draft.text }}"
  outputs: {text: steps.draft.text, verdict: steps.check.text}
"""
labels = ["access", "billing", "question"]
refused = {"error": {"kind": "auth", "message": "the key of gemini is not valid"}}


def answers(check: object) -> dict[str, list[dict[str, object]]]:
    """Rules of the mock for the report; ``check`` is what the second model says."""
    tickets = [
        {"when": {"contains": text}, "reply": label, "cost": 0.0004, "latency_ms": 320}
        for text, label in zip(("log in", "Invoice", "export"), labels, strict=True)
    ]
    draft = "Three tickets: one about access, one about billing, one question."
    return {
        "responses": [
            {"when": {"step": "*draft"}, "reply": draft, "cost": 0.0031, "latency_ms": 1900},
            {"when": {"step": "*check"}, "replies": [check]},
            *tickets,
        ]
    }


def write_report(project: Project, *, check: object) -> None:
    """The pipelines of the report, and what the models say."""
    project.write("pipelines/weekly_report.yaml", report)
    project.write("pipelines/checked_summary.yaml", summary)
    project.write("report_mock.yaml", answers(check))


def write_project(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    shutil.copy(root / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        project = Project(folder, instance)
        project.write("pipelines/adder.yaml", adder)
        project.write("test_suites/models.yaml", models)
        project.write_suite()
        project.write_cases()
        project.write_mock()
        write_report(project, check=refused)
        instance.add_dynamic_partitions("pipex_targets", ["good", "poor%2F2"])


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of the UI of a small project, with daemon and queue, as ``make dev`` starts it."""
    write_project(tmp_path)
    port = free_port()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin", prepend=os.pathsep)
    here = ("-h", "127.0.0.1", "-p", str(port))
    command = ["dagster", "dev", *here, "-w", str(root / "workspace.yaml")]
    with serving(command, folder=tmp_path, log="server.log") as server:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}"


def wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Return once the server listens."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                server.wait(0.2)
                break
        else:
            return
    pytest.fail("the web server did not start")


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """A browser window at the UI; it never leaves loopback."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        window = browser.new_page(base_url=address, viewport={"width": 1500, "height": 950})
        window.set_default_timeout(patience_ms)
        yield window
        browser.close()


def test_a_target_is_evaluated_in_the_browser_and_its_check_is_there(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/locations/pipex/jobs/evaluate__sums")
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_text("Select a partition or create one").click()
    page.locator("span", has_text="poor%2F2").first.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch 1 run").click()
    expect(page.get_by_text("Launched run")).to_be_visible(timeout=patience_ms)
    page.goto("/runs")
    expect(page.get_by_text("Failure").first).to_be_visible(timeout=patience_ms)
    page.goto("/assets/sums/verdict?view=checks")
    page.get_by_text("floor").first.click()
    expect(page.get_by_text("FAIL: numeric_match is 0.733.").first).to_be_visible(
        timeout=patience_ms
    )
    page.goto("/assets/sums/scores?view=partitions&partition=poor%252F2")
    expect(page.get_by_text("numeric_match_mean")).to_be_visible(timeout=patience_ms)
    expect(page.get_by_text("The answer is 1").first).to_be_visible()
    assert all(
        url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")) for url in asked
    )


def only_loopback(page: Page) -> list[str]:
    """Addresses outside of this machine that the page asks for from now on."""
    outside: list[str] = []
    inside = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")

    def note(request: Request) -> None:
        if not request.url.startswith(inside):
            outside.append(request.url)

    page.on("request", note)
    return outside


def test_a_nested_pipeline_is_a_graph_that_opens(page: Page, tmp_path: Path) -> None:
    outside = only_loopback(page)
    page.goto("/locations/pipex/jobs/plg__weekly_report")
    expect(page.get_by_text("Drafts a summary").first).to_be_visible()
    page.get_by_text("Explode graphs").click()
    for step in ("draft", "check", "result"):
        expect(page.get_by_text(f"summary.{step}").first).to_be_visible()
    page.screenshot(path=tmp_path / "graph.png")
    assert outside == []


def test_a_failed_run_goes_on_in_the_browser_and_asks_nothing_twice(
    page: Page, tmp_path: Path
) -> None:
    outside = only_loopback(page)
    launch(tmp_path, "plg__weekly_report", {"mock_responses": "report_mock.yaml"})
    page.goto("/runs")
    expect(page.get_by_text("Failure").first).to_be_visible(timeout=patience_ms)
    with dg.DagsterInstance.get() as instance:
        (failed,) = instance.get_runs()
        page.goto(f"/runs/{failed.run_id}?logs=type%3ASTEP_FAILURE")
        expect(page.get_by_text("the key of gemini is not valid").first).to_be_visible(
            timeout=patience_ms
        )
        page.screenshot(path=tmp_path / "failed.png")
        write_report(Project(tmp_path, instance), check="Yes, all three labels are in it.")
        page.get_by_role("button", name="Re-execute all").locator(
            "xpath=following::button"
        ).first.click()
        page.get_by_role("menuitem", name="From failure").click()
        page.wait_for_url(lambda url: "/runs/" in url and failed.run_id not in url)
        expect(page.get_by_text("Success").first).to_be_visible(timeout=patience_ms)
        page.goto(f"{page.url.split('?')[0]}?logs=type%3ASTEP_OUTPUT")
        expect(page.get_by_text("prompt").first).to_be_visible(timeout=patience_ms)
        page.screenshot(path=tmp_path / "again.png")
        again = next(run for run in instance.get_runs() if run.run_id != failed.run_id)
        started = instance.all_logs(again.run_id, of_type=dg.DagsterEventType.STEP_START)
        assert [entry.step_key for entry in started] == [
            "summary.check",
            "summary.result",
            "publish",
        ]
    assert outside == []


def launch(folder: Path, job: str, config: dict[str, object]) -> None:
    """Put a run into the queue, as the command line does."""
    workspace = ("-w", str(root / "workspace.yaml"))
    subprocess.run(
        ["dagster", "job", "launch", *workspace, "-j", job, "--config-json", json.dumps(config)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
