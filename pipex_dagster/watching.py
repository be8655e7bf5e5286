"""Sensors that cost nothing: suites and champions whose files changed, and runs that failed."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from pipex_core.app.project import Layout, open_project, usual_layout
from pipex_core.errors import PipexError
from pipex_core.evals.suite import suite_digest
from pipex_core.jsonvalue import canonical, parse, short
from pipex_core.secrets import Redactor
from pipex_dagster.promotion import pointer_event
from pipex_dagster.resources import project_settings
from pipex_dagster.suitefiles import SuiteFiles, suite_files
from pipex_dagster.translator import PipexTranslator, failure_of, key_of, slug

suites_sensor_name = "pipex_suite_files"
failures_sensor_name = "pipex_failed_runs"
free_sensor_name = "pipex_free_assets"
suites_interval_s = 60
crash_schema = "pipex.dagster_failure/1"

Report = Mapping[str, Any]
Alert = Callable[[Report], None]
alerts = logging.getLogger("pipex_dagster.alerts")


def log_alert(report: Report) -> None:
    """The usual alert: one line in the log of the daemon, at level error."""
    alerts.error("run %s of %s failed: %s", report["run_id"], report["job"], report["message"])


def suites_sensor(
    root: str,
    suites: Sequence[SuiteFiles],
    translator: PipexTranslator,
    *,
    layout: Layout = usual_layout,
) -> dg.SensorDefinition:
    """Reads a suite anew when its cases changed, and tells of champions that were moved elsewhere.

    It materializes the asset of the suite and nothing behind it, so that the UI shows what is stale;
    answering is paid work and starts elsewhere.

    Args:
        root: Folder of the project.
        suites: As they were when the definitions were built.
        translator: Gives the keys of their assets.
        layout: Of the project.
    """

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            project = open_project(root, layout=layout)
            found = [suite_files(project, name) for name in names if name in project.suites]
        except PipexError as error:
            raise failure_of(error) from error
        before = _known(context.cursor)
        now = {files.suite.id: _state(files) for files in found}
        changed = [f for f in found if now[f.suite.id]["digest"] != _of(before, f, "digest")]
        moved = [f for f in found if now[f.suite.id]["champion"] != _of(before, f, "champion")]
        return dg.SensorResult(
            run_requests=[_request(files, translator) for files in changed],
            asset_events=[
                pointer_event(key_of(translator, files.suite.id, "champion"), files.pointer)
                for files in moved
                if files.pointer is not None
            ],
            skip_reason=None if changed or moved else "suites and champions are as they were",
            cursor=canonical(now),
        )

    names = [files.name for files in suites]
    keys = [key_of(translator, files.suite.id, "suite") for files in suites]
    return dg.sensor(
        name=suites_sensor_name,
        asset_selection=dg.AssetSelection.assets(*keys),
        minimum_interval_seconds=suites_interval_s,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Reads a suite anew when its files changed, so that stale answers are shown as such, and"
            " tells of champions that were moved on the command line. It costs nothing."
        ),
    )(look)


def _state(files: SuiteFiles) -> dict[str, str | None]:
    pointer = files.pointer
    return {
        "digest": short(suite_digest(files.suite)),
        "champion": None if pointer is None else pointer.run_id,
    }


def _of(before: Mapping[str, Any], files: SuiteFiles, name: str) -> str | None:
    found: str | None = before.get(files.suite.id, {}).get(name)
    return found


def _known(cursor: str | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = parse(cursor or "{}")
    return found


def _request(files: SuiteFiles, translator: PipexTranslator) -> dg.RunRequest:
    suite = files.suite
    return dg.RunRequest(
        run_key=f"{suite.id}:{short(suite_digest(suite))}",
        asset_selection=[key_of(translator, suite.id, "suite")],
        tags={"pipex/suite": slug(suite.id)},
    )


def free_assets_sensor(assets: Sequence[dg.AssetsDefinition]) -> dg.SensorDefinition | None:
    """Makes what costs nothing as soon as what it is made of changed; None when there is nothing such."""
    keys = [
        spec.key
        for asset in assets
        for spec in asset.specs
        if spec.automation_condition is not None
    ]
    if not keys:
        return None
    return dg.AutomationConditionSensorDefinition(
        free_sensor_name,
        target=dg.AssetSelection.assets(*keys),
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Makes scores without judges, summaries, comparisons and leaderboards as soon as what they"
            " are made of changed. Answers, judges and verdicts are never made by themselves."
        ),
    )


def failures_sensor(root: str, alert: Alert) -> dg.SensorDefinition:
    """Writes a report of every run that failed, and tells somebody.

    Args:
        root: Folder of the project.
        alert: Told the report, such as a function that writes into a chat.
    """

    def tell(context: dg.RunFailureSensorContext) -> None:
        report = failure_report(context)
        settings = project_settings(root)
        redact = Redactor(secrets=settings.secrets()).text
        text = redact(json.dumps(report, ensure_ascii=False, indent=1))
        path = failures_folder(root) / f"{report['run_id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        context.log.error("the report of run %s is %s", report["run_id"], path)
        alert({**parse(text), "file": str(path)})

    return dg.run_failure_sensor(
        name=failures_sensor_name,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes a report of every run that failed below `results/`, and alerts.",
    )(tell)


def failures_folder(root: str) -> Path:
    """Where the reports of failed runs are."""
    return Path(project_settings(root).text("results_dir")) / "dagster" / "failures"


def failure_report(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """What happened, where and what to do: as the run says it, without inputs and answers."""
    run = context.dagster_run
    steps = [_step(event) for event in context.get_step_failure_events()]
    first = steps[0]["message"] if steps else context.failure_event.message
    return {
        "schema": crash_schema,
        "run_id": run.run_id,
        "root_run_id": run.root_run_id or run.run_id,
        "job": run.job_name,
        "partition": run.tags.get("dagster/partition"),
        "tags": {name: text for name, text in run.tags.items() if name.startswith("pipex/")},
        "message": first,
        "steps": steps,
        "next": f"pipex-dagster reexecute {run.run_id}",
    }


def _step(event: dg.DagsterEvent) -> dict[str, Any]:
    data = event.step_failure_data
    known = data.user_failure_data
    said = known.description if known is not None and known.description else None
    error = data.error.message.strip() if data.error is not None else ""
    metadata = known.metadata if known is not None else {}
    return {
        "step": event.step_key,
        "message": said or error,
        "code": metadata["code"].value if "code" in metadata else None,
        "next": metadata["next"].value if "next" in metadata else None,
    }
