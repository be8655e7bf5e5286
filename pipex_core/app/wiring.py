"""Tables of what is built in, and the one place where adapters are made: settings in, services out."""

import os
import random
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import date, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipex_core.adapters.audit import FileAudit, first_bad_line
from pipex_core.adapters.bash import ConfinedBash
from pipex_core.adapters.local import RandomIds, SystemClock, VirtualClock, resident_mb
from pipex_core.adapters.local_files import LocalBlobs, LocalJournals
from pipex_core.adapters.streams import terminal_watchers
from pipex_core.adapters.workspace import ConfinedWorkspace
from pipex_core.app.answering import answerers, client_of
from pipex_core.app.files import read_text
from pipex_core.app.known_metrics import metrics as metrics  # noqa: PLC0414 - handed on
from pipex_core.app.providing import Providing
from pipex_core.app.settings import Settings
from pipex_core.app.stores import checkpoint_stores, is_url, object_store
from pipex_core.engine.services import (
    NoFaults,
    Places,
    Process,
    Services,
    Watcher,
)
from pipex_core.jsonvalue import Json
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.session import SessionStore
from pipex_core.ports import AuditLog, BlobStore, Commands, Faults, Workspace
from pipex_core.registry import Registry
from pipex_core.secrets import Redactor
from pipex_core.spec.model import Shapes
from pipex_core.spec.plan import Plan
from pipex_core.steps.contract import Step
from pipex_core.telemetry import Event, Listener

if TYPE_CHECKING:
    from pipex_core.evals.pdf import Typesetter

STEP_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "break": "pipex_core.steps.control:Break",
        "checkpoint": "pipex_core.steps.control:Checkpoint",
        "claude": "pipex_core.steps.single:Claude",
        "claude_extract": "pipex_core.steps.extract:ClaudeExtract",
        "claude_robust": "pipex_core.steps.single:ClaudeRobust",
        "claude_session": "pipex_core.steps.single:ClaudeSession",
        "claude_smart": "pipex_core.steps.single:ClaudeSmart",
        "claude_batch": "pipex_core.steps.fanout:ClaudeBatch",
        "codebase_query": "pipex_core.steps.codebase:CodebaseQuery",
        "continue": "pipex_core.steps.control:Continue",
        "data_transform": "pipex_core.steps.control:DataTransform",
        "echo": "pipex_core.steps.control:Echo",
        "eval_aggregate": "pipex_core.evals.stepresults:EvalAggregate",
        "eval_batch": "pipex_core.evals.steps:EvalBatch",
        "eval_gate": "pipex_core.evals.stepresults:EvalGate",
        "eval_load_suite": "pipex_core.evals.steps:EvalLoadSuite",
        "eval_report": "pipex_core.evals.stepresults:EvalReport",
        "for_loop": "pipex_core.steps.loops:ForLoop",
        "file_ops": "pipex_core.steps.files:FileOps",
        "gemini": "pipex_core.steps.single:Gemini",
        "gemini_instructor": "pipex_core.steps.single:GeminiInstructor",
        "parallel_claude": "pipex_core.steps.fanout:ParallelClaude",
        "pipeline": "pipex_core.steps.control:NestedPipeline",
        "set_variable": "pipex_core.steps.control:SetVariable",
        "switch": "pipex_core.steps.control:Switch",
        "while_loop": "pipex_core.steps.loops:WhileLoop",
    }
)
STEP_ALIASES: Mapping[str, str] = MappingProxyType({"test_echo": "echo"})
# What steps outside ``pipex_core.steps`` need, by name: it stands above pipelines and is made when asked for.
EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {"evaluate": "pipex_core.app.stepwork:step_evaluations"}
)


@cache
def step_types() -> Registry[type[Step]]:
    """Built-in step types and those of the entry points ``pipex.steps``."""
    built: Registry[type[Step]] = Registry("step type", STEP_TYPES, aliases=STEP_ALIASES)
    return built.with_plugins("pipex.steps")


@cache
def extension_makers() -> Registry[Callable[..., object]]:
    """Name of an extension to the function that makes it from the services of a process."""
    return Registry("extension", EXTENSIONS)


@cache
def shapes() -> Shapes:
    """Step type to shape, aliases included."""
    known = step_types()
    found = {name: known.get(name).shape for name in known}
    return found | {alias: found[name] for alias, name in known.aliases().items()}


@cache
def shipped_prices() -> PriceTable:
    """The dated price table that comes with pipex."""
    return PriceTable.from_text(files("pipex_core.llm").joinpath("prices.yaml").read_text("utf-8"))


def unheard(event: Event) -> None:
    """Nobody listens."""
    del event


def build_services(  # noqa: PLR0913 - what a process brings along, all named
    settings: Settings,
    providing: Providing,
    *,
    load_pipeline: Callable[[str, str], Plan],
    listener: Listener = unheard,
    faults: Faults | None = None,
    extensions: Mapping[str, object] | None = None,
    hold_s: float = 60.0,
    on_delta: Listener | None = None,
) -> Services:
    """Everything that runs need, made once per process.

    Args:
        settings: Directories, keys, limits.
        providing: Who answers.
        load_pipeline: The checked plan of a nested file: (path as written, file that names it).
        listener: Hears every event of every run.
        faults: Named places where tests make things go wrong.
        extensions: What steps outside ``pipex_core.steps`` need.
        hold_s: How long a call waits for a service whose breaker is open.
        on_delta: Hears the text of streamed answers with the handler ``callback``.

    Raises:
        ConfigError: A key, a cassette or a rules file is missing or wrong; nothing was sent.
    """
    prices = prices_of(settings)
    made = answerers(settings, providing, prices)
    rng = random.Random()  # noqa: S311 - jitter of waits
    client = client_of(made, settings, prices, rng, hold_s=hold_s)
    return Services(
        clock=made.clock,
        ids=RandomIds(),
        rng=rng,
        journals=LocalJournals(settings.checkpoint_dir, faults=faults),
        client=client,
        steps=step_types(),
        shapes=shapes(),
        workspace=open_workspace,
        load_pipeline=load_pipeline,
        settings=run_settings(settings),
        vendors=made.vendors,
        listener=listener,
        faults=faults or NoFaults(),
        process=Process(host=socket.gethostname(), pid=os.getpid(), version=version("pipex")),
        provider_state=made.state,
        memory_mb=resident_mb,
        hold=made.clock.hold if isinstance(made.clock, VirtualClock) else nullcontext,
        extensions=extensions or {},
        sessions=SessionStore(LocalBlobs(settings.checkpoint_dir)),
        session_variables=LocalBlobs(settings.checkpoint_dir),
        commands=_commands(settings),
        checkpoints=checkpoint_stores(settings, faults=faults),
        watchers=_watchers(on_delta),
        audit=FileAudit(Path(settings.checkpoint_dir) / "audit.jsonl", clock=made.clock),
        redact=Redactor(secrets=settings.secrets()).text,
    )


def _commands(settings: Settings) -> Commands | None:
    """Who runs the commands of models: nobody where the deployment does not allow it."""
    is_production = settings.values["mode"] == "production"
    is_allowed = settings.values["allow_bash"] is True
    # What was not set is no permission to run commands in production.
    if not is_allowed or (is_production and settings.origins["allow_bash"] == "built-in"):
        return None
    return ConfinedBash(require_isolation=is_production)


def _watchers(on_delta: Listener | None) -> Mapping[str, Watcher]:
    """The streaming handlers; ``callback`` is the one that the caller gave."""
    found = terminal_watchers(sys.stderr)
    return found if on_delta is None else {**found, "callback": lambda _: on_delta}


def audit_log(settings: Settings, *, actor: str | None = None) -> AuditLog:
    """The audit log of this deployment; who acts is the user of this process when ``actor`` is None."""
    path = Path(settings.checkpoint_dir) / "audit.jsonl"
    return FileAudit(path, clock=SystemClock(), actor=actor)


def audit_fault(settings: Settings) -> int | None:
    """Number of the first line of the audit log that does not follow from those before it, or None."""
    path = Path(settings.checkpoint_dir) / "audit.jsonl"
    return first_bad_line(path) if path.is_file() else None


def now() -> datetime:
    """The time by this machine's clock, UTC."""
    return SystemClock().now()


def today() -> date:
    """The day by this machine's clock, UTC."""
    return SystemClock().now().date()


def prices_of(settings: Settings) -> PriceTable:
    """The shipped prices under those of the file that the settings name."""
    if settings.prices is None:
        return shipped_prices()
    return shipped_prices().overlaid(PriceTable.from_text(read_text(settings.prices)))


def run_settings(settings: Settings) -> dict[str, Json]:
    """The settings that stand below a workflow's own options, by option name.

    Built-in values of options that presets know better are left out: the environment outranks presets.
    """
    names = (
        "max_retries", "claude_model", "gemini_model", "claude_timeout_s", "gemini_timeout_s",
        "workspace_dir", "output_dir", "max_concurrency",
    )  # fmt: skip
    found = {name: settings.values[name] for name in names}
    if settings.origins["max_retries"] == "built-in":
        del found["max_retries"]
    return {name: value for name, value in found.items() if value is not None}


def open_workspace(places: Places) -> Workspace:
    """The confined files of one run."""
    return ConfinedWorkspace(
        workspace=places.workspace,
        output_dir=places.output,
        beside=places.beside,
        allowed=places.allowed,
    )


def journals(settings: Settings) -> LocalJournals:
    """The journals and files of all runs."""
    return LocalJournals(settings.checkpoint_dir)


def typesetter(*, font: str | None = None) -> "Typesetter":
    """Who makes PDF; with a font file for what the shipped fonts lack.

    Raises:
        ConfigError: ``dependency_missing``, or ``bad_option``.
    """
    from pipex_core.adapters.typesetting import TypstTypesetter
    from pipex_core.evals.typstsource import probe

    return TypstTypesetter(probe=probe, font=font)


def results_store(folder: str | Path) -> BlobStore:
    """The store of result tables in a local folder, or at a URL ``s3://BUCKET/PREFIX``.

    Raises:
        ConfigError: The URL is of another kind.
    """
    return object_store(str(folder)) if is_url(folder) else LocalBlobs(folder)
