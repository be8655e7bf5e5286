"""A pipeline run by the local runner and as a Dagster job, and all that the two leave behind."""

import asyncio
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg

from pipex_core.app.pipelines import capped_ledger, load_pipeline, services_for
from pipex_core.app.providing import providing_of
from pipex_core.app.settings import read_settings
from pipex_core.engine.fold import RunState, fold
from pipex_core.engine.inside import paths_of
from pipex_core.engine.journal import stored_value
from pipex_core.engine.part import Before, end_run
from pipex_core.engine.runner import RunOptions, effective_inputs, run_plan
from pipex_core.engine.segments import verified
from pipex_core.engine.services import Services
from pipex_core.ports import JournalStore
from pipex_core.spec.plan import Plan
from pipex_dagster.envelopes import finished_in, merged
from pipex_dagster.pipelines import Graphs
from pipex_dagster.resources import JsonRecord, PipexResource, core_key, records_key
from pipex_dagster.translator import slugs

run_id = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A pipeline with everything that it is run with.

    Attributes:
        files: Workspace path to its bytes.
        mock: Rules of the mock as text, or None for the default one.
    """

    name: str
    pipeline: Path
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    mock: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a run leaves behind: equal by every door.

    Attributes:
        units: Path to attempt, status, error and value of every unit of the journals.
        written: Files of the workspace and of the output folder with their bytes.
        error: Code and message of a failed run.
    """

    status: str
    order: Sequence[str]
    records: Mapping[str, Any]
    units: Mapping[str, Any]
    outputs: Mapping[str, Any]
    variables: Mapping[str, Any]
    files: Sequence[str]
    written: Mapping[str, bytes]
    spent: tuple[int, int]
    error: tuple[str, str] | None


@contextmanager
def folder_of(sample: Sample, place: Path) -> Iterator[Path]:
    """An empty folder with the sample's files, as the working directory: the call cache lies there."""
    before = Path.cwd()
    for name in ("workspace/in", "out/in", "checkpoints"):
        (place / name).mkdir(parents=True)
    for name, data in sample.files.items():
        path = place / "workspace/in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if sample.mock is not None:
        (place / "mock.yaml").write_text(sample.mock, encoding="utf-8")
    os.chdir(place)
    try:
        yield place
    finally:
        os.chdir(before)


def options_of(place: Path) -> dict[str, Any]:
    return {"workspace_dir": str(place / "workspace/in"), "output_dir": str(place / "out/in")}


def locally(sample: Sample, place: Path) -> Left:
    """What the local runner leaves."""
    with folder_of(sample, place):
        services = _services(place)
        plan = load_pipeline(sample.pipeline)
        # Ops of one process run one after another, so the local runner is told to do the same.
        options = RunOptions(run_id=run_id, values=options_of(place), max_concurrency=1)

        async def work() -> Any:
            try:
                return await run_plan(
                    plan,
                    sample.inputs,
                    services=services,
                    options=options,
                    ledger=capped_ledger(read_settings()),
                )
            finally:
                await services.client.aclose()

        result = asyncio.run(work())
    units = units_of(services.journals, ["main"])
    return Left(
        status=result.status,
        order=result.order,
        records={name: units[name]["value"] for name in result.steps},
        units=units,
        outputs=result.outputs,
        variables=result.variables if result.success else {},
        files=result.files,
        written=written(place),
        spent=(result.cost_nanousd, result.calls),
        error=None if result.error is None else (result.error.code, result.error.message),
    )


def in_dagster(
    sample: Sample, place: Path, graphs: Graphs, instance: dg.DagsterInstance
) -> tuple[Left, dg.ExecuteInProcessResult]:
    """What the job leaves, and how it went."""
    with folder_of(sample, place):
        result = executed(sample, place, graphs, instance)
        plan = load_pipeline(sample.pipeline)
        return _left(plan, place, result, _services(place), sample.inputs), result


def executed(
    sample: Sample, place: Path, graphs: Graphs, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    """How the job goes in ``place``, which is the folder of the sample already."""
    job = graphs.job(load_pipeline(sample.pipeline), sample.name)
    config: dict[str, Any] = {
        "inputs": dict(sample.inputs),
        "provider": "mock",
        "overrides": options_of(place),
    }
    config |= {} if sample.mock is None else {"mock_responses": "mock.yaml"}
    instance.delete_run(run_id)
    return job.execute_in_process(
        instance=instance,
        run_id=run_id,
        raise_on_error=False,
        run_config=config,
        resources={
            core_key: PipexResource(project_dir=str(place)),
            records_key: JsonRecord(base_dir=str(place / "records")),
        },
    )


def _left(
    plan: Plan,
    place: Path,
    result: dg.ExecuteInProcessResult,
    services: Services,
    inputs: Mapping[str, Any],
) -> Left:
    scopes = [unquote(path.name) for path in (place / "checkpoints" / run_id / "journal").glob("*")]
    units = units_of(services.journals, scopes)
    started = [event for event in result.all_events if event.event_type_value == "STEP_START"]
    reached = dict.fromkeys(_top(plan, event) for event in started)
    order = [name for name in reached if name is not None]
    failures = result.get_step_failure_events()
    records = {step.name: units[step.name]["value"] for step in plan.steps if step.name in order}
    envelopes = [json.loads(path.read_text()) for path in (place / "records").rglob("*.json")]
    finished = finished_in(merged(envelopes, order=paths_of(plan)))
    before = Before(
        run_id=run_id,
        started=services.clock.now(),
        inputs=effective_inputs(plan, inputs),
        finished=[one for one in finished if "/" not in one.path],
    )
    ended = None if failures else end_run(plan, before, services=services)
    return Left(
        status="succeeded" if result.success else "failed",
        order=order,
        records=records,
        units=units,
        outputs=_shown(result, "run_outputs", {}),
        variables={} if ended is None else ended.variables,
        files=sorted({file for record in records.values() for file in record.get("files", ())}),
        written=written(place),
        spent=spent_of(services.journals, scopes)
        if ended is None
        else (ended.used.nanousd, ended.used.calls),
        error=_error(failures[0]) if failures else None,
    )


def _services(place: Path) -> Services:
    options = {"checkpoint_dir": str(place / "checkpoints")}
    settings = read_settings(options=options)
    rules = place / "mock.yaml"
    answers = str(rules) if rules.is_file() else None
    return services_for(settings, providing_of(settings, kind="mock", mock_responses=answers))


def _top(plan: Plan, event: dg.DagsterEvent) -> str | None:
    """The top-level step that a Dagster step is of; None for the outputs of the run."""
    aliases = slugs(step.name for step in plan.steps)
    alias = str(event.step_key).partition(".")[0]
    return next((name for name, made in aliases.items() if made == alias), None)


def _shown(result: dg.ExecuteInProcessResult, name: str, nothing: Any) -> Any:
    for event in result.all_events:
        data: Any = event.event_specific_data
        if event.event_type_value == "STEP_OUTPUT" and name in data.metadata:
            return data.metadata[name].value
    return nothing


def _error(event: dg.DagsterEvent) -> tuple[str, str]:
    data = event.step_failure_data.user_failure_data
    assert data is not None
    code = data.metadata["code"].value
    return str(code), str(data.description).split("\n")[0].removeprefix(f"{code}: ")


def written(place: Path) -> Mapping[str, bytes]:
    """The files of both folders with their bytes."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for name in ("workspace", "out")
        for path in sorted((place / name).rglob("*"))
        if path.is_file()
    }


def units_of(journals: JournalStore, scopes: Iterable[str]) -> dict[str, Any]:
    """Every unit of some journals of the run, as it ended."""
    found: dict[str, Any] = {}
    for scope in scopes:
        state = _state(journals, scope)
        for path, unit in state.units.items():
            assert path not in found, f"{path} stands in two journals"
            end = unit.end or {}
            found[path] = {
                "attempt": unit.attempt,
                "status": end.get("status"),
                "error": end.get("error"),
                "value": stored_value(journals.blobs(run_id), "result", end),
            }
    return found


# Durations and times alone may depend on timing, and on the jitter of retries; frames say how the code
# was reached.
of_the_door = {"duration_ms", "frames"}
moment = re.compile(r"\d{8}T\d{6}Z|\d{4}-\d{2}-\d{2}")


def timeless(value: Any) -> Any:
    """A value without what may differ between two runs."""
    if isinstance(value, Mapping):
        return {
            timeless(key): timeless(inner) for key, inner in value.items() if key not in of_the_door
        }
    if isinstance(value, list):
        return [timeless(inner) for inner in value]
    if isinstance(value, bytes):
        return timeless(value.decode("utf-8", "replace"))
    return moment.sub("<time>", value) if isinstance(value, str) else value


def differences(left: Any, right: Any, path: str = "") -> Iterator[str]:
    """Where two values differ, a line for each place."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted({*left, *right}):
            yield from differences(left.get(key), right.get(key), f"{path}/{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for place, pair in enumerate(zip(left, right, strict=True)):
            yield from differences(*pair, f"{path}[{place}]")
    elif left != right:
        yield f"{path}: {left!r} is not {right!r}"


def spent_of(journals: JournalStore, scopes: Iterable[str]) -> tuple[int, int]:
    """Nano-USD and calls of some journals of the run."""
    states = [_state(journals, scope) for scope in scopes]
    return sum(state.spent_nanousd for state in states), sum(state.calls for state in states)


def _state(journals: JournalStore, scope: str) -> RunState:
    return fold(verified(journals.read_log(run_id, scope), run_id=run_id).records)
