"""A backfill over all targets: one run for each, through the queue and the daemon."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import pytest

from tests.dagster.conftest import Project, adder, models
from tests.fakes.servers import serving

root = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.e2e
ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


def test_a_backfill_is_one_run_per_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(root / "dagster.yaml", home)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin", prepend=os.pathsep)
    place = ("-w", str(root / "workspace.yaml"))
    with dg.DagsterInstance.get() as instance:
        project = Project(tmp_path, instance)
        project.write("pipelines/adder.yaml", adder)
        project.write("test_suites/models.yaml", models)
        project.write_suite()
        project.write_cases()
        project.write_mock()
        targets = {"good", "poor%2F2", "rules"}
        instance.add_dynamic_partitions("pipex_targets", sorted(targets))
        with serving(["dagster-daemon", "run", *place], folder=tmp_path, log="daemon.log"):
            asked = subprocess.run(
                [
                    "dagster",
                    "job",
                    "backfill",
                    *place,
                    "-j",
                    "evaluate__sums",
                    "--partitions",
                    ",".join(sorted(targets)),
                    "--noprompt",
                ],
                capture_output=True,
                text=True,
                check=False,
            )
            assert asked.returncode == 0, asked.stderr
            patience = threading.Event()
            for _ in range(400):
                runs = instance.get_runs()
                if len(runs) == len(targets) and {run.status for run in runs} <= ended:
                    break
                patience.wait(0.25)
        made = {run.tags["dagster/partition"]: run for run in instance.get_runs()}
        assert {name: run.status.value for name, run in made.items()} == {
            "good": "SUCCESS",
            "poor%2F2": "FAILURE",  # its gate fails: a critical rule blocks
            "rules": "SUCCESS",
        }
        assert len({run.tags["dagster/backfill"] for run in made.values()}) == 1
        verdicts = instance.get_materialized_partitions(dg.AssetKey(["sums", "verdict"]))
        assert verdicts == targets
