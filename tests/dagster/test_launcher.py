"""A run whose process is gone is noticed, and one that only was slow to answer is not."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError  # noqa: TID251 - what a lost server raises
from dagster._core.launcher.base import WorkerStatus  # noqa: TID251 - what the launcher answers
from dagster._grpc.types import CanCancelExecutionResult
from dagster_shared.serdes import serialize_value

from pipex_dagster.launcher import PipexRunLauncher

Word = Literal["known", "unknown", "gone"]
root = Path(__file__).resolve().parents[2]
run = dg.DagsterRun(job_name="job", run_id="00000000-0000-0000-0000-000000000001")


class CodeServer:
    """Answers like the gRPC client of a code server: knows the run, does not, or is gone."""

    def __init__(self, *answers: Word) -> None:
        self._answers: Iterator[Word] = iter(answers)

    def can_cancel_execution(self, request: Any, timeout: int) -> str:
        assert request.run_id == run.run_id
        assert timeout > 0
        word = next(self._answers)
        if word == "gone":
            raise DagsterUserCodeUnreachableError("no answer")
        return serialize_value(CanCancelExecutionResult(can_cancel=word == "known"))


class Launcher(PipexRunLauncher):
    """With the code server of a test."""

    def __init__(self, server: CodeServer | None) -> None:
        super().__init__()
        self._server = server

    def _client_of(self, run_id: str) -> Any:
        assert run_id == run.run_id
        return self._server


def statuses(launcher: Launcher, times: int) -> list[WorkerStatus]:
    return [launcher.check_run_worker_health(run).status for _ in range(times)]


def test_a_known_run_is_running() -> None:
    assert statuses(Launcher(CodeServer("known", "known")), 2) == [WorkerStatus.RUNNING] * 2


@pytest.mark.parametrize(
    "server", [CodeServer("unknown", "unknown"), CodeServer("gone", "gone"), None]
)
def test_two_misses_in_a_row_are_a_failure(server: CodeServer | None) -> None:
    assert statuses(Launcher(server), 2) == [WorkerStatus.RUNNING, WorkerStatus.FAILED]


def test_a_single_miss_is_forgiven() -> None:
    launcher = Launcher(CodeServer("gone", "known", "gone", "known"))
    assert statuses(launcher, 4) == [WorkerStatus.RUNNING] * 4


def test_the_answer_says_why_the_run_counts_as_lost() -> None:
    launcher = Launcher(CodeServer("unknown", "unknown"))
    launcher.check_run_worker_health(run)
    assert (
        launcher.check_run_worker_health(run).msg
        == "lost: its code server does not know it any more"
    )


def test_the_shipped_instance_file_is_valid_and_names_the_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(root / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.run_launcher, PipexRunLauncher)
        assert instance.run_launcher.supports_check_run_worker_health
        assert instance.run_retries_enabled
        assert not instance.telemetry_enabled
