"""The deployed form: runs and events in PostgreSQL, results and logs in a bucket, code in a server of its own."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from pipex_core.app.stored import open_archive
from pipex_core.app.wiring import results_store
from tests.dagster.conftest import Project, adder
from tests.fakes.real_servers import Postgres, free_port
from tests.fakes.servers import serving

root = Path(__file__).resolve().parents[2]
deploy = root / "deploy"
pytestmark = pytest.mark.e2e
database = "deployed"
ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
succeeding = {"good": True, "poor/2": False, "rules": True}  # the gate of poor fails and blocks
alone = adder.replace("description: Two numbers.", 'default: "2 3"')


@pytest.fixture
def code_port() -> str:
    return str(free_port())


@pytest.fixture
def place(
    tmp_path: Path,
    postgres: Postgres,
    bucket: str,
    code_port: str,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A project, the home of an instance, and the environment that compose.yaml gives; gives the results."""
    connection = psycopg2.connect(host="127.0.0.1", port=postgres.port, user="pipex", dbname="postgres")  # fmt: skip
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {database}")
    connection.close()
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(deploy / "dagster.yaml", home)
    results = f"s3://{bucket}/{database}"
    given = {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(postgres.port),
        "DAGSTER_PG_DB": database,
        "DAGSTER_PG_USERNAME": "pipex",
        "DAGSTER_PG_PASSWORD": "trusted",
        "DAGSTER_LOGS_BUCKET": bucket,
        "DAGSTER_CODE_HOST": "127.0.0.1",
        "DAGSTER_CODE_PORT": code_port,
        "PIPEX_RESULTS_DIR": results,
        "CHECKPOINT_BACKEND": "s3",
        "S3_CHECKPOINT_BUCKET": bucket,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin", prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    return results


def digests(results: str) -> list[str]:
    archive = open_archive(results)
    return sorted(archive.manifest(place)["row_digest"] for place in archive.places())


def evaluated(project: Project) -> None:
    assert {name: project.evaluate(name).success for name in succeeding} == succeeding


def asked(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def listening(port: int) -> None:
    """Return once a server takes connections."""
    patience = threading.Event()
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        patience.wait(0.1)
    raise AssertionError(f"nothing listens on {port}")


def ended_run(instance: dg.DagsterInstance, job: str) -> dg.DagsterRun:
    """The one run of a job, once it has ended."""
    patience = threading.Event()
    for _ in range(400):
        [run] = instance.get_runs(dg.RunsFilter(job_name=job))
        if run.status in ended:
            return run
        patience.wait(0.1)
    raise AssertionError("the run did not end")


def restarting(postgres: Postgres) -> Iterator[dg.HookDefinition]:
    """A hook that restarts the database after the first step, as a crash does."""
    waiting = [True]

    @dg.success_hook
    def restart(context: dg.HookContext) -> None:
        del context
        if waiting:
            waiting.clear()
            postgres.stop()
            postgres.start()

    yield restart
    assert not waiting


def test_ten_runs_of_the_deployed_form_give_what_local_ones_give(
    tmp_path: Path,
    place: str,
    bucket: str,
    code_port: str,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = Project(tmp_path, dg.DagsterInstance.ephemeral())
    project.write_all()
    for name in ("direct", "queued"):
        project.write(f"pipelines/{name}.yaml", alone.replace("name: adder", f"name: {name}"))
    with monkeypatch.context() as local:
        local.setenv("PIPEX_RESULTS_DIR", str(tmp_path / "local"))
        evaluated(project)

    code = ["dagster", "api", "grpc", "-m", "pipex_dagster.definitions"]
    code += ["-h", "127.0.0.1", "-p", code_port]
    workspace = ("-w", str(deploy / "workspace.yaml"))
    with (
        dg.DagsterInstance.get() as instance,
        serving(code, folder=tmp_path, log="code.log"),
        serving(["dagster-daemon", "run", *workspace], folder=tmp_path, log="daemon.log"),
    ):
        project = Project(tmp_path, instance)
        evaluated(project)
        assert digests(place) == digests(str(tmp_path / "local"))

        job = project.definitions().resolve_job_def("plg__direct")
        for _ in range(5):
            assert job.execute_in_process(instance=instance).success
        for hook in restarting(postgres):
            assert job.with_hooks({hook}).execute_in_process(instance=instance).success

        # The daemon and the code server have seen the restart too, and do their work.
        listening(int(code_port))
        asked(["dagster", "job", "launch", *workspace, "-j", "plg__queued"])
        queued = ended_run(instance, "plg__queued")
        assert queued.status is dg.DagsterRunStatus.SUCCESS
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        assert (instance.get_runs_count(), instance.get_runs_count(failed)) == (10, 1)
        logs = results_store(f"s3://{bucket}/compute-logs")
        assert any(queued.run_id in key for key in logs.list())
