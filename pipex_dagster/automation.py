"""What starts paid work: the job of a suite, the sensor of the models file and the nightly schedules, all off at first.

Nothing here is declarative automation: that would buy every answer anew when a suite changes. Each run is
requested with an estimate of its cost in its tags, and refused while the budget of the day has no room
for it; what was refused is looked at again when there is more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipex_core.app.forecasts import Forecast, admitted, forecast, room_today
from pipex_core.app.project import Layout, ModelEntry, open_project, usual_layout
from pipex_core.errors import PipexError
from pipex_core.evals.suite import suite_digest
from pipex_core.jsonvalue import canonical, parse, short
from pipex_dagster.resources import PipexResource, project_settings
from pipex_dagster.suitefiles import SuiteFiles, job_of, suite_files, target_key
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

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.entry.name} on {self.suite.suite.id}"

    def forecast(self, *, carry: bool = True) -> Forecast:
        """What it will cost.

        Raises:
            PipexError: The suite or the target cannot be used.
        """
        files, pipex = self.suite, PipexResource(project_dir=str(self.suite.root))
        desk = pipex.desk_of(self.entry)
        target = pipex.target(desk, self.entry, files.suite, files.name)
        job = job_of(files.suite, target, run_id="forecast", bench=lambda: desk.bench({}))
        return forecast(desk, job, carry=carry)

    def request(self, expected: Forecast) -> dg.RunRequest:
        """One run of all layers for the target."""
        return dg.RunRequest(
            run_key=self.key,
            job_name=evaluation_name(self.suite.suite.id),
            partition_key=self.partition,
            tags={**run_tags(self.suite, self.entry), **cost_tags(expected)},
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


def cost_tags(expected: Forecast) -> dict[str, str]:
    """Tags that say what a run was expected to cost when it was requested."""
    usd = "unknown" if expected.cost_usd is None else f"{expected.cost_usd:.4f}"
    return {
        "pipex/estimate_usd": usd,
        "pipex/estimate_basis": expected.basis,
        "pipex/to_ask": str(expected.to_ask),
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

    def wish(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        context.instance.add_dynamic_partitions(targets_partitions, [partition])
        try:
            expected = Wish(suite=files, entry=entry, key="").forecast(carry=False)
            left_usd = room_today(project_settings(str(files.root)))
        except PipexError as error:
            raise failure_of(error) from error
        if not admitted([(entry.name, expected)], left_usd=left_usd):
            return dg.SkipReason(f"{entry.name}: {refusal(expected, left_usd)}")
        return dg.RunRequest(
            partition_key=partition,
            run_config={"ops": {op: {"config": {"carry": False}}}},
            tags={**run_tags(files, entry), **cost_tags(expected)},
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

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            wishes = wished(root, names, layout=layout)
            left_usd = room_today(project_settings(root))
            return _answered(context, wishes, left_usd)
        except PipexError as error:
            raise failure_of(error) from error

    return dg.sensor(
        name=sensor_name,
        jobs=jobs,
        minimum_interval_seconds=sensor_interval_s,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"New entries of {layout.models} become partitions and are evaluated, as far as the budget"
            " of the day allows."
        ),
    )(look)


def _answered(
    context: dg.SensorEvaluationContext, wishes: Sequence[Wish], left_usd: float | None
) -> dg.SensorResult:
    """Requests for what is new and affordable.

    The cursor holds the keys that were requested, those that were refused, and what was left then:
    nothing is estimated again before there is something new or more money.
    """
    before: Mapping[str, Any] = _cursor(context.cursor)
    keys = {wish.key for wish in wishes}
    done = keys & set(before.get("requested", ()))
    new = [wish for wish in wishes if wish.key not in done]
    if not new:
        return dg.SensorResult(
            skip_reason="suites, targets and the models file are as they were",
            cursor=_text(done, {}, left_usd),
        )
    refused: dict[str, str] = before.get("refused", {})
    if {wish.key for wish in new} == refused.keys() and left_usd == before.get("left_usd"):
        return dg.SensorResult(
            skip_reason=" ".join(["refused as before:", *refused.values()]), cursor=context.cursor
        )
    expected = {wish.key: wish.forecast() for wish in new}
    taken = admitted(expected.items(), left_usd=left_usd)
    refused = {
        wish.key: f"{wish.name}: {refusal(expected[wish.key], left_usd)}"
        for wish in new
        if wish.key not in taken
    }
    for wish in new:
        if wish.key in taken:
            context.log.info("%s: %s", wish.name, expected[wish.key].text)
    for text in refused.values():
        context.log.warning(text)
    requests = [wish.request(expected[wish.key]) for wish in new if wish.key in taken]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else " ".join(refused.values()),
        dynamic_partitions_requests=[
            partitions.build_add_request(list(dict.fromkeys(wish.partition for wish in wishes)))
        ],
        cursor=_text(done | taken, refused, left_usd),
    )


def refusal(expected: Forecast, left_usd: float | None) -> str:
    """Why a run is not requested."""
    left = 0.0 if left_usd is None else left_usd
    return (
        f"{expected.text} do not fit into the {left:.4f} USD that the budget of the day has left;"
        " raise PIPEX_DAILY_COST_USD, or wait for the next day (UTC)."
    )


def _cursor(text: str | None) -> Mapping[str, Any]:
    """The cursor of the last tick; empty for none, and for that of an older version."""
    try:
        found = parse(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(requested: Iterable[str], refused: Mapping[str, str], left_usd: float | None) -> str:
    return canonical(
        {"requested": sorted(requested), "refused": dict(refused), "left_usd": left_usd}
    )


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
