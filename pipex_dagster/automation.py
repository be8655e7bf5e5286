"""What may be started by name, by a new model or at night: jobs, a sensor and schedules, all off at first.

Nothing here is declarative automation: that would buy every answer anew when a suite changes. The sensor
and the schedules start paid work only after somebody has turned them on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipex_core.app.project import Layout, ModelEntry, open_project, usual_layout
from pipex_core.errors import PipexError
from pipex_core.evals.suite import suite_digest
from pipex_core.jsonvalue import digest, short
from pipex_dagster.suitefiles import SuiteFiles, suite_files, target_key
from pipex_dagster.suites import partitions
from pipex_dagster.translator import (
    PipexTranslator,
    failure_of,
    key_of,
    layers,
    partition_of,
    slug,
    targets_partitions,
)

nightly_cron = "0 3 * * *"
sensor_name = "pipex_models_file"
sensor_interval_s = 60

AssetJob = Any  # what ``define_asset_job`` gives; its type is not in the public namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An evaluation that the models file asks for.

    Attributes:
        key: Changes when suite or target do; no run is requested twice under one key.
    """

    suite: SuiteFiles
    entry: ModelEntry
    key: str

    @property
    def partition(self) -> str:
        """Of the target."""
        return partition_of(self.entry.name)

    def request(self) -> dg.RunRequest:
        """One run of all layers for the target."""
        return dg.RunRequest(
            run_key=self.key,
            job_name=evaluation_name(self.suite.suite.id),
            partition_key=self.partition,
            tags=run_tags(self.suite, self.entry),
        )


def evaluation_name(suite_id: str) -> str:
    """Name of the job that evaluates a suite."""
    return f"evaluate__{slug(suite_id)}"


def run_tags(files: SuiteFiles, entry: ModelEntry) -> dict[str, str]:
    """Tags of a run: its provider limits how many run at once, the others find it again."""
    return {
        "pipex/provider": entry.provider,
        "pipex/suite": slug(files.suite.id),
        "pipex/target": partition_of(entry.name),
    }


def evaluation_job(files: SuiteFiles, translator: PipexTranslator) -> AssetJob:
    """The job that materializes all layers of a suite for one target."""
    suite = files.suite
    keys = [key_of(translator, suite.id, layer) for layer in layers]
    return dg.define_asset_job(
        evaluation_name(suite.id),
        selection=dg.AssetSelection.assets(*keys),
        description=f"Evaluates one target on {suite.name or suite.id}: a partition is a target.",
    )


def nightly_schedule(
    files: SuiteFiles, entry: ModelEntry, job: AssetJob, translator: PipexTranslator
) -> dg.ScheduleDefinition:
    """Asks the champion anew each night, so that a service that changed under its name is noticed."""
    suite_id, partition = files.suite.id, partition_of(entry.name)
    op = "__".join(key_of(translator, suite_id, "responses").path)

    def wish(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        context.instance.add_dynamic_partitions(targets_partitions, [partition])
        return dg.RunRequest(
            partition_key=partition,
            run_config={"ops": {op: {"config": {"carry": False}}}},
            tags=run_tags(files, entry),
        )

    return dg.schedule(
        name=f"nightly__{slug(suite_id)}",
        job=job,
        cron_schedule=nightly_cron,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Asks the champion {entry.name} all cases anew, known answers included.",
    )(wish)


def models_sensor(
    root: str, names: Sequence[str], jobs: Sequence[AssetJob], *, layout: Layout = usual_layout
) -> dg.SensorDefinition:
    """Adds a partition for every new entry of the models file and requests its evaluations.

    Args:
        root: Folder of the project.
        names: Folders of the suites.
        jobs: Their evaluation jobs.
        layout: Of the project.
    """

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            wishes = wished(root, names, layout=layout)
        except PipexError as error:
            raise failure_of(error) from error
        cursor = digest([wish.key for wish in wishes])
        if cursor == context.cursor:
            return dg.SkipReason("suites, targets and the models file are as they were")
        wanted = list(dict.fromkeys(wish.partition for wish in wishes))
        return dg.SensorResult(
            run_requests=[wish.request() for wish in wishes],
            dynamic_partitions_requests=[partitions.build_add_request(wanted)],
            cursor=cursor,
        )

    return dg.sensor(
        name=sensor_name,
        jobs=jobs,
        minimum_interval_seconds=sensor_interval_s,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"New entries of {layout.models} become partitions and are evaluated.",
    )(look)


def wished(root: str, names: Sequence[str], *, layout: Layout = usual_layout) -> list[Wish]:
    """All evaluations that the models file asks for, on the suites in these folders.

    Raises:
        SpecError: The models file or a suite has problems, such as a model alias that moves.
    """
    project = open_project(root, layout=layout)
    found = []
    for name in names:
        files = suite_files(project, name)
        of_suite = short(suite_digest(files.suite))
        for entry in files.entries:
            key = f"{files.suite.id}:{partition_of(entry.name)}:{short(target_key(files, entry))}:{of_suite}"
            found.append(Wish(suite=files, entry=entry, key=key))
    return found
