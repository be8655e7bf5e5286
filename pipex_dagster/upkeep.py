"""What keeps an instance small and its logs honest: runs that are no longer needed, and audit logs that were edited.

Dagster keeps some 300 KB for every small run and never deletes any. A run goes when it is old and
nothing that is shown came from it: the newest materialization of every partition keeps its run.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from pipex_core.app.wiring import audit_fault, now
from pipex_core.errors import ConfigError
from pipex_core.evals.baselines import pointer_from, problems_of
from pipex_dagster.resources import PipexResource, core_key, project_settings, records_key
from pipex_dagster.translator import failure_of

retention_name = "pipex_retention"
audit_name = "pipex_audit"
retention_cron = "30 4 * * *"
audit_cron = "0 5 * * *"
usual_days = 30
ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
page = 500

Work = Callable[[dg.OpExecutionContext], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a retention did.

    Attributes:
        deleted: Ids of the runs that went with their event logs, oldest first.
        kept: Old runs that stayed, because what is shown came from them.
    """

    deleted: tuple[str, ...]
    kept: int


def prune(
    instance: dg.DagsterInstance,
    *,
    project_dir: str,
    older_than: datetime,
    dry_run: bool = False,
) -> Pruned:
    """Delete runs that ended and were created before a time, with their event logs and records.

    Args:
        instance: That holds them.
        project_dir: Whose records of steps go with them.
        older_than: Runs that were created later stay.
        dry_run: Only say what would go.
    """
    shown = shown_runs(instance)
    old = list(_old_runs(instance, older_than))
    gone = [run_id for run_id in old if run_id not in shown]
    if not dry_run:
        records = Path(project_settings(project_dir).text("results_dir")) / "dagster" / "records"
        for run_id in gone:
            instance.delete_run(run_id)
            shutil.rmtree(records / run_id, ignore_errors=True)
    return Pruned(deleted=tuple(gone), kept=len(old) - len(gone))


def shown_runs(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the runs that made the newest materialization of an asset's partition."""
    return {run for key in instance.all_asset_keys() for run in _makers(instance, key)}


def _makers(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[str]:
    seen: set[str | None] = set()
    cursor: str | None = None
    while True:
        found = instance.fetch_materializations(key, limit=page, cursor=cursor)
        for record in found.records:  # the newest first
            if record.partition_key not in seen:
                seen.add(record.partition_key)
                yield record.run_id
        if not found.has_more:
            return
        cursor = found.cursor


def _old_runs(instance: dg.DagsterInstance, limit: datetime) -> Iterator[str]:
    wanted = dg.RunsFilter(statuses=list(ended), created_before=limit)
    cursor: str | None = None
    while True:
        found = instance.get_run_records(filters=wanted, limit=page, ascending=True, cursor=cursor)
        yield from (record.dagster_run.run_id for record in found)
        if len(found) < page:
            return
        cursor = found[-1].dagster_run.run_id


class RetentionConfig(dg.Config):
    """How long runs are kept, as the launchpad shows it."""

    days: float = Field(default=usual_days, ge=0, description="Age of the runs that may go.")
    dry_run: bool = Field(default=False, description="Only say what would go.")


def retention_job() -> dg.JobDefinition:
    """The job that deletes old runs."""

    def run(context: dg.OpExecutionContext) -> Mapping[str, int]:
        config = RetentionConfig(**context.op_config)
        pipex: PipexResource = getattr(context.resources, core_key)
        found = prune(
            context.instance,
            project_dir=pipex.project_dir,
            older_than=now() - timedelta(days=config.days),
            dry_run=config.dry_run,
        )
        return {"deleted": len(found.deleted), "kept": found.kept}

    return _job(
        retention_name,
        run,
        description="Deletes runs with their event logs, except for those that made what is shown.",
        config=RetentionConfig.to_fields_dict(),
    )


def audit_job() -> dg.JobDefinition:
    """The job that fails when somebody has edited a log that is only ever appended to."""

    def run(context: dg.OpExecutionContext) -> Mapping[str, int]:
        pipex: PipexResource = getattr(context.resources, core_key)
        found = audit_problems(pipex.project_dir)
        if found:
            raise failure_of(
                ConfigError(
                    "; ".join(found),
                    code="audit_broken",
                    next_step="compare with a copy, find out who did it, and restore the files",
                )
            )
        return {"problems": 0}

    return _job(
        audit_name,
        run,
        description="Verifies the chains of the audit log and of the logs of baselines.",
    )


def audit_problems(project_dir: str) -> list[str]:
    """What is wrong with the audit log and the baselines of a project, in words; empty when nothing is."""
    line = audit_fault(project_settings(project_dir))
    found = [] if line is None else [f"the audit log does not follow from line {line} on"]
    for folder in sorted((Path(project_dir) / "baselines").glob("*")):
        if folder.is_dir():
            found += [f"baselines of {folder.name}: {text}" for text in _of_baselines(folder)]
    return found


def _of_baselines(folder: Path) -> list[str]:
    log = folder / "log.jsonl"
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    try:
        pointers = {
            path.stem: pointer_from(path.read_text(encoding="utf-8"), path.stem)
            for path in sorted(folder.glob("*.json"))
        }
    except ConfigError as error:
        return [error.message]
    return problems_of(text, pointers)


def upkeep_schedules() -> list[dg.ScheduleDefinition]:
    """Both jobs once a day, off until somebody turns them on."""
    return [
        dg.ScheduleDefinition(
            name=f"{name}_daily",
            job_name=name,
            cron_schedule=cron,
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description=text,
        )
        for name, cron, text in (
            (
                retention_name,
                retention_cron,
                f"Deletes runs that are older than {usual_days} days.",
            ),
            (audit_name, audit_cron, "Fails when an audit log was edited."),
        )
    ]


def _job(
    name: str, work: Work, *, description: str, config: Mapping[str, Any] | None = None
) -> dg.JobDefinition:
    """A job of one op, which logs what it found and hands on nothing that is kept."""

    def compute(context: dg.OpExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Any]:
        del inputs
        found = work(context)
        context.log.info(
            "%s: %s", name, ", ".join(f"{count} {word}" for word, count in found.items())
        )
        yield dg.Output(None, "done", metadata=dict(found))

    op = dg.OpDefinition(
        compute_fn=compute,
        name=f"{name}__op",
        description=description,
        config_schema=config,
        required_resource_keys={core_key},
        outs={"done": dg.Out(dg.Nothing, io_manager_key=records_key)},
    )

    def body() -> None:
        op.alias(name.removeprefix("pipex_"))()

    return dg.graph(name=name, description=description)(body).to_job(tags={"pipex/upkeep": name})
