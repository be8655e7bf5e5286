"""A person in the browser: a new target is a partition, its run is launched, and its check is looked at."""

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
from playwright.sync_api import Page, expect, sync_playwright

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
