"""Repeats a Dagster run, for the command line: Dagster 1.13 offers that in its UI only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipex_core.errors import ConfigError
from pipex_dagster.building import build_definitions

implicit_job = "__ASSET_JOB"  # the job of assets that were materialized without a job
repeated_job = "pipex_repeated_assets"
# Of Dagster's own tags only these say what the run was about; the others are written anew.
kept_tags = frozenset({"dagster/partition", "dagster/partition_set"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reexecuted:
    """How a repeated run ended.

    Attributes:
        failures: What each failed step says.
    """

    run_id: str
    success: bool
    failures: Sequence[str]


def reexecuted(
    instance: dg.DagsterInstance, run_id: str, *, project_dir: str, all_steps: bool = False
) -> Reexecuted:
    """The end of a run that repeats another one in this process.

    Args:
        instance: That has the run.
        run_id: Of the run to be repeated.
        project_dir: Folder of the project.
        all_steps: Repeat finished steps as well; without it the run must have failed.

    Raises:
        ConfigError: ``unknown_run``, ``run_finished`` for one that has not failed, or
            ``workflow_changed``, the steps have other names now.
    """
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise ConfigError(f"the instance has no run {run_id}", code="unknown_run")
    if not all_steps and run.status not in (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    ):
        raise ConfigError(
            f"run {run_id} is {run.status.value.lower()}, there is nothing to go on from",
            code="run_finished",
            next_step="repeat the whole run with --all-steps",
        )
    options = (
        dg.ReexecutionOptions(parent_run_id=run_id)
        if all_steps
        else dg.ReexecutionOptions.from_failure(run_id, instance)
    )
    chosen = tuple(sorted(key.to_user_string() for key in run.asset_selection or ()))
    job = dg.build_reconstructable_job(
        __name__,
        "job_of_run",
        reconstructable_kwargs={
            "project_dir": project_dir,
            "name": run.job_name,
            "assets": chosen,
            # Dagster keeps a job that it has loaded; with another number it reads the files anew.
            "runs": instance.get_runs_count(),
        },
    )
    try:
        return _executed(run, job, instance, options)
    except dg.DagsterExecutionStepNotFoundError as exc:
        raise ConfigError(
            f"the steps of {run.job_name} are not those of run {run_id} any more: {exc}",
            code="workflow_changed",
            next_step="start a new run, or undo the change and repeat this one",
        ) from exc


def _executed(
    run: dg.DagsterRun,
    job: Any,  # noqa: ANN401 - the type of reconstructable jobs is not public
    instance: dg.DagsterInstance,
    options: dg.ReexecutionOptions,
) -> Reexecuted:
    with dg.execute_job(
        job,
        instance=instance,
        reexecution_options=options,
        # Dagster hands over neither tags nor config: without them a partitioned run has no partition.
        tags={k: v for k, v in run.tags.items() if k in kept_tags or not k.startswith("dagster/")},
        run_config=run.run_config,
        raise_on_error=False,
    ) as result:
        return Reexecuted(
            run_id=result.run_id,
            success=result.success,
            failures=[_said(event) for event in result.all_events if event.is_step_failure],
        )


def job_of_run(
    project_dir: str, name: str, assets: Sequence[str], runs: int = 0
) -> dg.JobDefinition:
    """The job of a run, from the files as they are now.

    Args:
        project_dir: Folder of the project.
        name: Of the job as the run names it.
        assets: Keys of the assets of a run without a job of its own.
        runs: Number of runs in the instance.
    """
    del runs
    found = build_definitions(project_dir)
    if name != implicit_job:
        return found.resolve_job_def(name)
    keys = [dg.AssetKey.from_user_string(key) for key in assets]
    # The name of the implicit job is reserved, so its runs are repeated by one of another name.
    job = dg.define_asset_job(repeated_job, selection=dg.AssetSelection.assets(*keys))
    return dg.Definitions.merge(found, dg.Definitions(jobs=[job])).resolve_job_def(repeated_job)


def _said(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    known = data.user_failure_data
    if known is not None and known.description:
        advice = known.metadata.get("next")
        return f"{event.step_key}: {known.description}" + (
            f"\nnext: {advice.value}" if advice else ""
        )
    return f"{event.step_key}: {data.error.message.strip() if data.error else 'failed'}"
