"""Pipeline files from disk: load, check, run and resume; the calls behind the command line and the facade."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, TypeVar, cast

from pipex_core.app import wiring
from pipex_core.app.files import absent, read_bytes, require_folder
from pipex_core.app.providing import ProviderKind, Providing, providing_of
from pipex_core.app.settings import Settings, read_settings
from pipex_core.app.stores import fetched_document
from pipex_core.engine.records import RunResult
from pipex_core.engine.runner import RunOptions, run_plan
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.evals.steps import Evaluations, extension
from pipex_core.jsonvalue import Json, parse
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.registry import similar
from pipex_core.spec import load as spec_load
from pipex_core.spec.inputs import bind_inputs
from pipex_core.spec.model import PipelineSpec
from pipex_core.spec.plan import Plan, load_plan
from pipex_core.telemetry import Listener

Result = TypeVar("Result")
run_key = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One call of ``pipex run`` or ``run_pipeline``.

    Attributes:
        inputs: Name to value.
        text_inputs: Name to a word of the command line, converted to the declared type.
        values: Strongest layer of options: ``workspace_dir``, ``output_dir``, ``model`` and their like.
        resume: Id of the run to go on with, or None for a new one.
        on_delta: Hears streamed answers; see ``run_pipeline``.
    """

    path: str
    inputs: Mapping[str, Json] = field(default_factory=dict)
    text_inputs: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Json] = field(default_factory=dict)
    allow_paths: Sequence[str] = ()
    max_concurrency: int | None = None
    resume: str | None = None
    force: bool = False
    strict: bool = False
    on_delta: Listener | None = None


def load_pipeline(
    path: str | Path, *, strict: bool = False, settings: Settings | None = None
) -> Plan:
    """The checked plan of a pipeline file: ``name``, ``steps`` (``name type depends_on``), ``warnings``.

    Raises:
        SpecError: All problems, each with file, line, column and code.
    """
    return _plan(str(path), {}, settings or read_settings(), strict=strict)


def check_file(path: str | Path, *, strict: bool = False) -> Sequence[Problem]:
    """All problems of a pipeline file, warnings included; empty when there is nothing to say."""
    try:
        return load_pipeline(path, strict=strict).warnings
    except SpecError as exc:
        return exc.problems


async def arun_pipeline(
    request: RunRequest,
    *,
    settings: Settings,
    providing: Providing,
    listener: Listener = wiring.unheard,
    stop: asyncio.Event | None = None,
    planned: Callable[[Plan], None] = lambda _: None,
) -> RunResult:
    """Execute a pipeline file, or go on with a run of it.

    Args:
        request: What to run.
        settings: Of this process.
        providing: Who answers model calls.
        listener: Hears every event.
        stop: Set by whoever wants the run to stop.
        planned: Sees the checked plan, with its warnings, before anything is executed.

    Raises:
        SpecError: The file or the inputs have problems; nothing was executed.
        ConfigError: A setting or an option is wrong, or the run cannot be resumed.
        StoreError: The run's files cannot be used.
    """
    plan = _plan(request.path, request.values, settings, strict=request.strict)
    planned(plan)
    services = services_for(
        settings, providing, listener=listener, values=request.values, on_delta=request.on_delta
    )
    document: dict[str, Json] = {"options": _kept_options(request, providing)}
    options = RunOptions(
        run_id=request.resume,
        resume=request.resume is not None,
        force=request.force,
        values=request.values,
        allow_paths=request.allow_paths,
        max_concurrency=request.max_concurrency or settings.max_concurrency,
        document=document,
        stop=stop,
    )
    try:
        inputs = inputs_of(plan, request)
        require_folder(settings.text("checkpoint_dir"), option="--checkpoint-dir DIR")
        ledger = capped_ledger(settings)
        return await run_plan(plan, inputs, services=services, options=options, ledger=ledger)
    finally:
        await services.client.aclose()


def run_pipeline(
    path: str | Path,
    inputs: Mapping[str, Json] | None = None,
    *,
    provider: ProviderKind | None = None,
    mock_responses: str | None = None,
    on_delta: Listener | None = None,
    **options: Json,
) -> RunResult:
    """Execute a pipeline file and wait for its end; works in a notebook too.

    Args:
        path: Of the file.
        inputs: Name to value.
        provider: ``mock live mixed replay``; default: the setting, else ``mock``.
        mock_responses: File of the mock's rules.
        on_delta: Hears the answers of steps with ``streaming`` and the handler ``callback`` while they
            are written, as ``delta`` events with ``text``, ``restart`` (what came before is void) and
            ``is_end``.
        options: ``workspace_dir``, ``output_dir``, ``model`` and their like.

    Raises:
        SpecError: The file or the inputs have problems; nothing was executed.
    """
    settings = read_settings()
    providing = providing_of(settings, kind=provider, mock_responses=mock_responses)
    request = RunRequest(path=str(path), inputs=inputs or {}, values=options, on_delta=on_delta)
    return waited(arun_pipeline(request, settings=settings, providing=providing))


def capped_ledger(settings: Settings) -> Ledger | None:
    """The operator's cap on the money of one run, or None without one."""
    cap = settings.max_cost_usd
    return None if cap is None else Ledger(Budget(max_cost_usd=Decimal(str(cap))))


def services_for(
    settings: Settings,
    providing: Providing,
    *,
    listener: Listener = wiring.unheard,
    values: Mapping[str, Json] | None = None,
    results: str | None = None,
    on_delta: Listener | None = None,
) -> Services:
    """The services of this process, able to load nested pipeline files and to evaluate in steps.

    Args:
        settings: Directories, keys, limits.
        providing: Who answers model calls.
        listener: Hears every event.
        values: Options of nested pipelines.
        results: Folder of the result tables of evaluation steps; None takes the setting.
        on_delta: Hears streamed answers; see ``run_pipeline``.
    """

    def load_nested(named: str, file: str) -> Plan:
        return _plan(str(Path(file).parent / named), values or {}, settings)

    @cache
    def evaluations() -> Evaluations:
        make = wiring.extension_makers().get(extension)
        folder = results or settings.text("results_dir")
        return cast("Evaluations", make(settings, providing, results=folder, services=made))

    made = wiring.build_services(
        settings,
        providing,
        load_pipeline=load_nested,
        listener=listener,
        extensions={extension: evaluations},
        on_delta=on_delta,
    )
    return made


def inputs_of(plan: Plan, request: RunRequest) -> Mapping[str, Json]:
    """The inputs of a request, words of the command line converted to the declared types.

    Raises:
        SpecError: ``missing_input``, ``invalid_input`` or ``unknown_input``.
    """
    given = {**request.inputs, **request.text_inputs}
    bound = bind_inputs(plan.spec, given, from_text=frozenset(request.text_inputs))
    if bound.problems:
        raise SpecError(bound.problems)
    return {name: bound.values[name] for name in given if name in bound.values}


def request_of_run(run_id: str, settings: Settings) -> tuple[RunRequest, dict[str, str | None]]:
    """What ``pipex run`` was asked when it started a run, and its provider options.

    Args:
        run_id: Of the run; ``latest`` is the newest one.
        settings: They say where journals are.

    Raises:
        ConfigError: ``unknown_run``.
    """
    path = kept_run("run", run_id, run_key, settings)
    document = parse(path.read_text(encoding="utf-8"))
    kept = document.get("options", {})
    request = RunRequest(
        path=document["file"],
        inputs=document["inputs"],
        values=kept.get("values", {}),
        allow_paths=kept.get("allow_paths", []),
        max_concurrency=kept.get("max_concurrency"),
        resume=path.parent.name,
    )
    return request, kept.get("provider", {})


def kept_run(kind: str, run_id: str, key: str, settings: Settings) -> Path:
    """The file beside the journal of a run that says what was asked for.

    Args:
        kind: What runs of this kind are called in messages.
        run_id: Of the run; ``latest`` is the newest of its kind.
        key: Name of the file.
        settings: They say where journals are.

    Raises:
        ConfigError: ``unknown_run``, with the nearest ids.
    """
    folder = Path(settings.text("checkpoint_dir"))
    kept = {path.parent.name: path for path in folder.glob(f"*/{key}")}
    if run_id == "latest" and kept:
        return max(kept.values(), key=lambda path: path.stat().st_mtime_ns)
    if run_id in kept:
        return kept[run_id]
    if key == run_key and fetched_document(settings, run_id):
        return folder / run_id / key
    raise _unknown_run(kind, run_id, folder)


def _unknown_run(kind: str, run_id: str, folder: Path) -> ConfigError:
    near = similar(run_id, [path.name for path in folder.glob("*/")])
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return ConfigError(
        f"there is no {kind} {run_id!r} in {folder}{hint}",
        code="unknown_run",
        next_step="name the folder of its journal with PIPELINE_CHECKPOINT_DIR, or start anew",
    )


def waited(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, also where an event loop already runs (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipex") as pool:
        return pool.submit(asyncio.run, work).result()


def interruptible(work: Callable[[asyncio.Event], Coroutine[Any, Any, Result]]) -> Result:
    """Like ``waited``, for commands: the first Ctrl-C asks the work to stop, the second ends it."""

    async def run() -> Result:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupted() -> None:
            stop.set()
            loop.remove_signal_handler(signal.SIGINT)

        if current_thread() is main_thread():
            with suppress(NotImplementedError):  # no signal handlers on this platform's loop
                loop.add_signal_handler(signal.SIGINT, interrupted)
        return await work(stop)

    return asyncio.run(run())


def _plan(
    path: str, values: Mapping[str, Json], settings: Settings, *, strict: bool = False
) -> Plan:
    return load_plan(
        read_bytes(path),
        path,
        wiring.shapes(),
        load_child=partial(_load_child, strict=strict or settings.strict),
        strict=strict or settings.strict,
        run_options=values,
        environment=wiring.run_settings(settings),
    )


def _load_child(path: str, *, strict: bool) -> PipelineSpec:
    if not Path(path).is_file():
        raise absent(path)
    return spec_load.load_pipeline(read_bytes(path), path, wiring.shapes(), strict=strict)


def _kept_options(request: RunRequest, providing: Providing) -> dict[str, Json]:
    """What ``pipex resume`` needs to ask the same again."""
    return {
        "values": dict(request.values),
        "allow_paths": list(request.allow_paths),
        "max_concurrency": request.max_concurrency,
        "provider": {
            "kind": providing.kind,
            "mock_responses": providing.mock_responses,
            "cassette": providing.cassette,
            "record": providing.record,
        },
    }
