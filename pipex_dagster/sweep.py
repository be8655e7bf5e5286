"""Evaluations of a whole project in this process: every suite for every target, the champion first.

The runs are Dagster runs like any other: they are in the instance with their events, and what they made
is what the UI shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipex_core.app.project import ModelEntry, Project
from pipex_core.app.reports import leaderboard_grid
from pipex_core.evals.archive import Archive, Stored
from pipex_core.evals.compare import compare, sentence
from pipex_core.evals.rendering import text_table
from pipex_dagster.automation import evaluation_name, run_tags
from pipex_dagster.suitefiles import SuiteFiles, suite_files
from pipex_dagster.translator import PipexTranslator, key_of, partition_of, targets_partitions

as_shipped = PipexTranslator()
silent = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What became of one target on one suite.

    Attributes:
        verdict: The gate's word, the status of a run without gate, or None when there is none.
        why: The verdict in one sentence.
        pass_rate: Of the cases, or None.
        calls: Model calls made now.
        carried: Answers that were known.
        failure: Why there is no verdict, or an empty string.
    """

    suite_id: str
    target: str
    verdict: str | None = None
    run_id: str | None = None
    why: str = ""
    pass_rate: float | None = None
    cases: int = 0
    calls: int = 0
    carried: int = 0
    report: str | None = None
    failure: str = ""


def evaluate_all(
    project: Project,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    *,
    translator: PipexTranslator = as_shipped,
) -> Iterator[Evaluated]:
    """Materialize all layers of every suite for every target that its entry names, one after another.

    Args:
        project: Its suites and its models.
        definitions: Of the project.
        instance: That keeps the runs.
        translator: With which the definitions were built.

    Raises:
        SpecError: A suite cannot be used.
    """
    for name in project.suites:
        files = suite_files(project, name)
        entries = sorted(files.entries, key=lambda entry: not files.is_champion(entry.name))
        partitions = [partition_of(entry.name) for entry in entries]
        instance.add_dynamic_partitions(targets_partitions, partitions)
        for entry in entries:
            yield _evaluated(files, entry, definitions, instance)
        key = key_of(translator, files.suite.id, "leaderboard")
        # A critical rule that failed has kept the leaderboard of its run from being made.
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[key], run_config=silent, raise_on_error=False
        )


def _evaluated(
    files: SuiteFiles, entry: ModelEntry, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> Evaluated:
    job = definitions.resolve_job_def(evaluation_name(files.suite.id))
    result = job.execute_in_process(
        instance=instance,
        partition_key=partition_of(entry.name),
        run_config=silent,
        raise_on_error=False,
        tags=run_tags(files, entry),
    )
    found = {
        event.asset_key.path[-1]: _numbers(event)
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    asked, verdict = found.get("responses", {}), found.get("verdict", {})
    return Evaluated(
        suite_id=files.suite.id,
        target=entry.name,
        verdict=verdict.get("verdict"),
        run_id=verdict.get("run"),
        why=verdict.get("why", ""),
        pass_rate=verdict.get("pass_rate"),
        cases=int(asked.get("dagster/row_count", 0)),
        calls=int(asked.get("calls", 0)),
        carried=int(asked.get("carried", 0)),
        report=verdict.get("report_file"),
        failure="" if verdict else _failure(result),
    )


def _numbers(event: dg.DagsterEvent) -> Mapping[str, Any]:
    metadata = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def _failure(result: dg.ExecuteInProcessResult) -> str:
    """What the first failed step says."""
    for event in result.get_step_failure_events():
        known = event.step_failure_data.user_failure_data
        if known is not None and known.description:
            return known.description
        if event.step_failure_data.error is not None:
            return event.step_failure_data.error.message.strip()
    return "the run failed before its first step"


def comparison(found: Sequence[Evaluated], archive: Archive, *, champion: str | None) -> str:
    """The targets of one suite side by side, and below it each verdict in a sentence."""
    runs = [archive.load(archive.find(one.run_id)) for one in found if one.run_id is not None]
    if not runs:
        return "nothing was evaluated"
    metric = next(iter(runs[0].judgement.summary.metrics))
    table = text_table(leaderboard_grid(runs, metric=metric, champion=champion))
    said = _against_champion(runs, metric, champion)
    whys = [f"{one.target}: {one.why}" for one in found if one.why and one.target != champion]
    return "\n".join([table, *said, *whys])


def _against_champion(runs: Sequence[Stored], metric: str, champion: str | None) -> Iterator[str]:
    """Better, worse, or cannot tell: each target against the champion, in a sentence."""
    arms = {run.manifest["target"]["target_id"]: run.judgement.arm for run in runs}
    if champion not in arms:
        return
    for target, arm in arms.items():
        if target != champion:
            rows = compare(arms[champion], arm, metrics=[metric])
            yield from (f"{target} against {champion}: {sentence(row)}" for row in rows)
