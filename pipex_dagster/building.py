"""Builds all definitions of a project: jobs of its pipelines, assets of its suites, a sensor and schedules.

A file that cannot be used becomes one definition that shows its problems and fails when it is run; the
others are not touched by it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg

from pipex_core.app.pipelines import load_pipeline
from pipex_core.app.project import Layout, Project, list_project, open_project, usual_layout
from pipex_core.app.settings import read_settings
from pipex_core.app.stores import inside
from pipex_core.errors import ConfigError, PipexError
from pipex_core.spec.plan import Plan
from pipex_dagster.automation import AssetJob, evaluation_job, models_sensor, nightly_schedule
from pipex_dagster.broken import broken_asset, broken_job, read_or_error
from pipex_dagster.pipelines import Graphs
from pipex_dagster.promotion import champion_asset, promotion_job
from pipex_dagster.resources import (
    ArrowTable,
    JsonRecord,
    PipexResource,
    core_key,
    project_settings,
    records_key,
    tables_key,
)
from pipex_dagster.suitefiles import SuiteFiles, suite_files
from pipex_dagster.suites import suite_assets
from pipex_dagster.translator import PipexTranslator, slug, slugs
from pipex_dagster.upkeep import audit_job, retention_job, upkeep_schedules
from pipex_dagster.watching import (
    Alert,
    failures_sensor,
    free_assets_sensor,
    log_alert,
    suites_sensor,
)

tables_dir = "assets"
records_dir = "records"
# Those that run every step, retried ones as well; Dask's drops steps and reports success.
known_executors = frozenset(
    {"in_process", "multiprocess", "multi_or_in_process_executor"}
    | {"celery", "celery-docker", "celery-k8s", "docker", "k8s"}
)
# For work that is heavy or has to be apart: processes that start with the modules already there.
isolated_executor = dg.multiprocess_executor.configured(
    {"start_method": {"forkserver": {"preload_modules": ["pipex_dagster.building"]}}},
    name="multiprocess",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The definitions of one suite."""

    files: SuiteFiles
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]
    job: AssetJob
    promotion: dg.JobDefinition
    nightly: dg.ScheduleDefinition | None


def build_definitions(
    project_dir: str | None = None,
    *,
    translator: PipexTranslator | None = None,
    layout: Layout = usual_layout,
    executor: dg.ExecutorDefinition = dg.in_process_executor,
    alert: Alert = log_alert,
) -> dg.Definitions:
    """The definitions of a project.

    Args:
        project_dir: Folder with ``pipelines/`` and ``test_suites/``; the setting ``PIPEX_PROJECT_DIR``,
            else the working directory, when None.
        translator: Names and texts; pipex's own when None.
        layout: Where in that folder the pipelines, the suites and the models file are.
        executor: Of all jobs; ``isolated_executor`` gives each step a process.
        alert: Told the report of every run that failed.

    Raises:
        ConfigError: The folder does not exist, ``pickle_io_manager`` or ``unsupported_executor``.
    """
    _check_executor(executor)
    root = project_dir or read_settings().text("project_dir")
    names = translator or PipexTranslator()
    project, problems = _opened(root, layout)
    suites, assets = _suites(project, names)
    jobs = [one.job for one in suites]
    found = dg.Definitions(
        assets=[*assets, *problems],
        jobs=[
            *_jobs(project),
            *jobs,
            *(one.promotion for one in suites),
            retention_job(),
            audit_job(),
        ],
        schedules=[
            *(one.nightly for one in suites if one.nightly is not None),
            *upkeep_schedules(),
        ],
        sensors=[*_sensors(root, suites, names, layout), failures_sensor(root, alert)],
        resources=resources_of(root),
        executor=executor,
    )
    refuse_pickles(found)
    return found


def _sensors(
    root: str, suites: Sequence[Evaluation], translator: PipexTranslator, layout: Layout
) -> list[dg.SensorDefinition]:
    if not suites:
        return []
    names = [one.files.name for one in suites]
    jobs = [one.job for one in suites]
    assets = [a for one in suites for a in one.assets if isinstance(a, dg.AssetsDefinition)]
    free = free_assets_sensor(assets)
    return [
        models_sensor(root, names, jobs, layout=layout),
        suites_sensor(root, [one.files for one in suites], translator, layout=layout),
        *([] if free is None else [free]),
    ]


def _check_executor(executor: dg.ExecutorDefinition) -> None:
    if executor.name not in known_executors:
        raise ConfigError(
            f"the executor {executor.name} is not known to run every step",
            code="unsupported_executor",
            next_step=f"take one of {', '.join(sorted(known_executors))}",
        )


def resources_of(project_dir: str) -> dict[str, Any]:
    """The services, and the two IO managers, with their files below the project's results."""
    results = project_settings(project_dir).text("results_dir")
    return {
        core_key: PipexResource(project_dir=project_dir),
        tables_key: ArrowTable(base_dir=inside(results, "dagster", tables_dir)),
        records_key: JsonRecord(base_dir=inside(results, "dagster", records_dir)),
    }


def refuse_pickles(found: dg.Definitions) -> None:
    """Check that no asset and no op would be stored by Dagster's default IO manager.

    Raises:
        ConfigError: ``pickle_io_manager``, naming the first one.
    """
    kept = {tables_key, records_key}
    for asset in found.assets or ():
        if isinstance(asset, dg.AssetsDefinition):
            for spec in asset.specs:
                if asset.get_io_manager_key_for_asset_key(spec.key) not in kept:
                    raise _pickled(f"asset {spec.key.to_user_string()}")
    for job in found.jobs or ():
        if isinstance(job, dg.JobDefinition):
            for op in job.all_node_defs:
                for output in getattr(op, "output_defs", ()):
                    if isinstance(op, dg.OpDefinition) and output.io_manager_key not in kept:
                        raise _pickled(f"op {op.name}")


def _pickled(what: str) -> ConfigError:
    return ConfigError(
        f"{what} would be pickled", code="pickle_io_manager", next_step=f"give it {tables_key}"
    )


def _opened(root: str, layout: Layout) -> tuple[Project, list[dg.AssetsDefinition]]:
    """The project; without its models, and with a failing asset, when they have problems."""
    listed = list_project(root, layout=layout)
    found = read_or_error(lambda: open_project(root, layout=layout))
    if isinstance(found, PipexError):
        return listed, [broken_asset("models_file", found)]
    return found, []


def _jobs(project: Project) -> list[dg.JobDefinition]:
    """A job per pipeline file, named after the pipeline, or after the file where two share a name."""
    plans: dict[str, Plan] = {}
    found: list[dg.JobDefinition] = []
    for path in project.pipelines:
        stem = path.relative_to(project.root / project.layout.pipelines).with_suffix("").as_posix()
        plan = read_or_error(partial(load_pipeline, path))
        if isinstance(plan, PipexError):
            found.append(broken_job(stem, plan))
        else:
            plans[stem] = plan
    shared = Counter(plan.name for plan in plans.values())
    labels = {stem: plan.name if shared[plan.name] == 1 else stem for stem, plan in plans.items()}
    names = slugs(labels.values())
    graphs = Graphs()
    for stem, plan in plans.items():
        job = read_or_error(partial(graphs.job, plan, names[labels[stem]]))
        found.append(broken_job(stem, job) if isinstance(job, PipexError) else job)
    return found


def _suites(
    project: Project, translator: PipexTranslator
) -> tuple[list[Evaluation], list[dg.AssetsDefinition | dg.AssetSpec]]:
    """The suites that can be used, and all assets: those of the others show what is wrong."""
    good: dict[str, Evaluation] = {}
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for name in project.suites:
        found = read_or_error(partial(_evaluation, project, name, translator, good))
        if isinstance(found, PipexError):
            assets.append(broken_asset(name, found))
        else:
            assets += found.assets
            good[slug(found.files.suite.id)] = found
    return list(good.values()), assets


def _evaluation(
    project: Project, name: str, translator: PipexTranslator, known: Mapping[str, Evaluation]
) -> Evaluation:
    """Everything of one suite.

    Raises:
        SpecError: All problems of its files.
        ConfigError: ``duplicate_id``, or a file that it names cannot be read.
    """
    files = suite_files(project, name)
    _refuse_twin(files, known)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        *suite_assets(files, translator),
        champion_asset(files, translator),
    ]
    job = evaluation_job(files, translator)
    nightly = nightly_schedule(files, files.champion, job, translator) if files.champion else None
    return Evaluation(
        files=files,
        assets=assets,
        job=job,
        promotion=promotion_job(files, translator),
        nightly=nightly,
    )


def _refuse_twin(files: SuiteFiles, known: Mapping[str, Evaluation]) -> None:
    if slug(files.suite.id) in known:
        twin = known[slug(files.suite.id)].files
        raise ConfigError(
            f"suite {files.suite.id!r} would have the same assets as {twin.suite.id!r} in {twin.name}",
            code="duplicate_id",
            next_step="give one of them another id",
        )
