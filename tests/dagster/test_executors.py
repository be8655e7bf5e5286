"""Which executors may run jobs, and steps in processes of their own."""

from pathlib import Path

import dagster as dg
import pytest

from pipex_core.errors import ConfigError
from pipex_dagster.building import build_definitions, isolated_executor
from tests.dagster.conftest import Project

apart = """
workflow:
  name: apart
  steps:
    - {name: first, type: claude, prompt: x}
    - {name: last, type: claude, prompt: "{{ steps.first }}"}
"""


def isolated_job(project_dir: str) -> dg.JobDefinition:
    """The job, as each of its processes builds it anew."""
    found = build_definitions(project_dir, executor=isolated_executor)
    return found.resolve_job_def("plg__apart")


def test_steps_in_processes_of_their_own_hand_on_records_and_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("pipelines/apart.yaml", apart)
    project.write("mock.yaml", {"responses": [{"replies": ["one", "two"]}]})
    home = project.root / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    job = dg.build_reconstructable_job(
        __name__, "isolated_job", reconstructable_kwargs={"project_dir": str(project.root)}
    )
    with (
        dg.DagsterInstance.get() as instance,
        dg.execute_job(
            job, instance=instance, run_config={"mock_responses": "mock.yaml"}
        ) as result,
    ):
        failed = [event for event in result.all_events if event.is_failure]
        assert result.success, failed
        record = Path(project.root / "results/dagster/records" / result.run_id)
        assert '"text": "two"' in (record / "last/result.json").read_text()
        pids = {
            entry.dagster_event.pid
            for entry in instance.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_START)
            if entry.dagster_event is not None
        }
        assert len(pids) == 2


def test_an_executor_that_is_not_known_to_run_every_step_is_refused(project: Project) -> None:
    @dg.executor(name="dask")
    def dask(context: dg.InitExecutorContext) -> dg.Executor:
        raise NotImplementedError(context)

    with pytest.raises(ConfigError, match="the executor dask") as refused:
        build_definitions(str(project.root), executor=dask)
    assert refused.value.code == "unsupported_executor"
    assert "multiprocess" in (refused.value.next_step or "")
