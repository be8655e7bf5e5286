"""A run worker that is killed in the middle of a suite: another one goes on and pays for nothing twice."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.dagster.conftest import Project, cases
from tests.fakes.provider_server import ProviderServer, Reply, good_key, running
from tests.fakes.servers import serving

root = Path(__file__).resolve().parents[2]
answered = 10  # before the worker is killed
pytestmark = pytest.mark.chaos


@pytest.fixture
def vendor() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


@pytest.fixture
def kept(
    tmp_path: Path, vendor: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    """A project whose target is served on loopback, with an instance on disk."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(root / "dagster.yaml", home)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin", prepend=os.pathsep)
    monkeypatch.setenv("ANTHROPIC_API_KEY", good_key)
    monkeypatch.setenv("PIPEX_ANTHROPIC_BASE_URL", vendor.url)
    with dg.DagsterInstance.get() as instance:
        project = Project(tmp_path, instance)
        target = {
            "name": "live",
            "provider": "live",
            "model": "claude-haiku-5-5",
            "suites": ["sums"],
        }
        project.write("test_suites/models.yaml", {"models": [target]})
        project.write_suite(gate=None)
        project.write_cases()
        instance.add_dynamic_partitions("pipex_targets", ["live"])
        yield project


@pytest.fixture
def daemon(kept: Project) -> Iterator[None]:
    """The daemon of ``make dev``: it starts runs, watches them, and repeats those that died."""
    command = ["dagster-daemon", "run", "-w", str(root / "workspace.yaml")]
    with serving(command, folder=kept.root, log="daemon.log"):
        yield


def wait_until(vendor: ProviderServer, holds: Callable[[], bool], *, tries: int = 400) -> None:
    """Return once ``holds``; each try lets other processes work for a while."""
    for _ in range(tries):
        if holds():
            return
        vendor.stopping.wait(0.25)
    pytest.fail("what was waited for did not happen")


def test_a_killed_worker_is_replaced_and_no_answer_is_paid_twice(
    kept: Project, vendor: ProviderServer, daemon: None
) -> None:
    del daemon
    vendor.script(*[Reply()] * answered, Reply(hang=True, bills=False))
    launched = subprocess.run(
        [
            *("dagster", "job", "launch", "-w", str(root / "workspace.yaml")),
            *("-j", "evaluate__sums", "--tags", '{"dagster/partition": "live"}'),
            *("--config-json", '{"ops": {"sums__responses": {"config": {"max_concurrency": 1}}}}'),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr
    (first,) = kept.instance.get_runs()
    wait_until(vendor, lambda: len(vendor.requests) == answered + 1)
    pids = {
        entry.dagster_event.pid
        for entry in kept.instance.all_logs(first.run_id)
        if entry.dagster_event is not None and entry.dagster_event.step_key is not None
    }
    os.kill(next(pid for pid in pids if pid), signal.SIGKILL)
    wait_until(
        vendor,
        lambda: any(
            run.status == dg.DagsterRunStatus.SUCCESS and run.root_run_id == first.run_id
            for run in kept.instance.get_runs()
        ),
    )
    assert sorted(vendor.bills.values()) == [1] * cases
    assert len(vendor.requests) == cases + 1
