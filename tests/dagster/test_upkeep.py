"""Old runs go and what is shown stays; a log that somebody edited is found."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from pipex_dagster.upkeep import audit_problems, prune
from tests.dagster.conftest import Project, failure, quiet
from tests.dagster.test_champions import promote

tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - runs are created by the real clock


def run_ids(project: Project) -> set[str]:
    return {run.run_id for run in project.instance.get_runs()}


def upkeep(project: Project, name: str, **config: Any) -> dg.ExecuteInProcessResult:
    job = project.definitions().resolve_job_def(name)
    ops = {"ops": {name.removeprefix("pipex_"): {"config": config}}} if config else {}
    return job.execute_in_process(
        instance=project.instance, run_config={**quiet, **ops}, raise_on_error=False
    )


def test_old_runs_go_and_those_that_made_what_is_shown_stay(project: Project) -> None:
    first = project.evaluate("good")
    other = project.evaluate("rules")
    newest = project.evaluate("good")
    found = prune(project.instance, project_dir=str(project.root), older_than=tomorrow)
    assert found.deleted == (first.run_id,)
    assert found.kept == 2
    assert run_ids(project) == {other.run_id, newest.run_id}
    assert not project.instance.all_logs(first.run_id)
    shown = project.instance.get_materialized_partitions(dg.AssetKey(["sums", "verdict"]))
    assert shown == {"good", "rules"}


def test_a_young_run_stays_and_a_dry_run_deletes_nothing(project: Project) -> None:
    project.evaluate("good")
    project.evaluate("good")
    before, root = run_ids(project), str(project.root)
    yesterday = tomorrow - timedelta(days=2)
    assert prune(project.instance, project_dir=root, older_than=yesterday).deleted == ()
    found = prune(project.instance, project_dir=root, older_than=tomorrow, dry_run=True)
    assert len(found.deleted) == 1
    assert run_ids(project) == before


def test_records_of_steps_go_with_their_run(project: Project) -> None:
    job = project.definitions().resolve_job_def("plg__adder")
    config = {"inputs": {"question": "1 plus 2"}}
    result = job.execute_in_process(instance=project.instance, run_config=config)
    records = project.root / "results/dagster/records" / result.run_id
    assert records.is_dir()
    done = upkeep(project, "pipex_retention", days=0.0)
    assert done.success
    assert not records.exists()
    assert result.run_id not in run_ids(project)


def test_logs_that_nobody_edited_have_no_problems(project: Project) -> None:
    assert audit_problems(str(project.root)) == []
    project.evaluate("good")
    promote(project, run="good")
    assert audit_problems(str(project.root)) == []
    assert upkeep(project, "pipex_audit").success


def test_an_edited_log_fails_the_audit_and_says_where(project: Project) -> None:
    project.evaluate("good")
    promote(project, run="good", reason="the first one")
    audit = project.root / "checkpoints/audit.jsonl"
    audit.write_text(audit.read_text().replace("the first one", "nothing at all"))
    log = project.root / "baselines/sums/log.jsonl"
    log.write_text(log.read_text().replace("the first one", "nothing at all"))
    result = upkeep(project, "pipex_audit")
    said = failure(result)
    assert said.startswith("audit_broken: the audit log does not follow from line 1 on")
    assert "baselines of sums: line 1: it was changed after it was written" in said


def test_a_pointer_that_names_no_run_fails_the_audit(project: Project) -> None:
    project.write("baselines/sums/champion.json", json.dumps({"name": "champion"}))
    assert audit_problems(str(project.root)) == [
        "baselines of sums: baseline champion names no run"
    ]
