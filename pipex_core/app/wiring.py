"""Tables of what is built in, and the one place where adapters are made: settings in, services out."""

import os
import random
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from pipex_core.adapters.bash import ConfinedBash
from pipex_core.adapters.call_cache import BlobCallCache
from pipex_core.adapters.day_accounts import SqliteDayAccounts
from pipex_core.adapters.local import RandomIds, SystemClock, VirtualClock
from pipex_core.adapters.local_files import LocalBlobs, LocalJournals
from pipex_core.adapters.mock import MockProvider
from pipex_core.adapters.replay import RecordingProvider, ReplayProvider
from pipex_core.adapters.streams import terminal_watchers
from pipex_core.adapters.workspace import ConfinedWorkspace
from pipex_core.app.files import read_text
from pipex_core.app.known_metrics import metrics as metrics  # noqa: PLC0414 - handed on
from pipex_core.app.providing import Providing, router_of
from pipex_core.app.settings import Settings
from pipex_core.engine.services import (
    NoFaults,
    NoProviderState,
    Places,
    Process,
    ProviderState,
    Services,
    Watcher,
)
from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import LlmClient
from pipex_core.llm.cost import nanousd_of
from pipex_core.llm.daily import DayBudget
from pipex_core.llm.draws import Drawn
from pipex_core.llm.guard import Limits
from pipex_core.llm.mock_rules import Rules, rules_of
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Provider
from pipex_core.llm.session import SessionStore
from pipex_core.ports import BlobStore, Clock, Commands, Faults, Workspace
from pipex_core.registry import Registry
from pipex_core.secrets import Redactor
from pipex_core.spec.model import Shapes
from pipex_core.spec.plan import Plan
from pipex_core.spec.yaml_text import read_yaml
from pipex_core.steps.contract import Step
from pipex_core.telemetry import Event, Listener

vendors = ("anthropic", "gemini")
day_accounts_file = "day-accounts.sqlite3"

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
        "eval_batch": "pipex_core.evals.steps:EvalBatch",
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
    {"evaluate": "pipex_core.app.evaluations:step_evaluation"}
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


@dataclass(frozen=True, slots=True)
class ScriptState:
    """What the scripted providers of a process have given; they read the same file."""

    providers: Sequence[MockProvider | ReplayProvider]

    def save(self) -> Json:
        """Answers given so far, by rule or by key of the cassette; null without such providers."""
        counts = [provider.draws.counts() for provider in self.providers]
        return [sum(one) for one in zip(*counts, strict=True)] if counts else None

    def restore(self, saved: Json) -> None:
        """Go on from counts that were saved."""
        for provider in self.providers:
            provider.draws.restore(saved or [])

    def take(self, drawn: Iterable[Drawn]) -> None:
        """Count answers as given."""
        given = list(drawn)
        for provider in self.providers:
            provider.draws.take(given)


@dataclass(frozen=True, slots=True)
class Answerers:
    """The providers of a run, and by which clock and state they go."""

    providers: Mapping[str, Provider]
    vendors: Mapping[str, str]
    clock: Clock
    state: ProviderState = field(default_factory=NoProviderState)


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
    made = _answerers(settings, providing, prices)
    rng = random.Random()  # noqa: S311 - jitter of waits
    client = _client(made, settings, prices, rng, hold_s=hold_s)
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
        hold=made.clock.hold if isinstance(made.clock, VirtualClock) else nullcontext,
        extensions=extensions or {},
        sessions=SessionStore(LocalBlobs(settings.checkpoint_dir)),
        session_variables=LocalBlobs(settings.checkpoint_dir),
        commands=_commands(settings),
        watchers=_watchers(on_delta),
        redact=Redactor(secrets=settings.secrets()).text,
    )


def _client(
    made: "Answerers", settings: Settings, prices: PriceTable, rng: random.Random, *, hold_s: float
) -> LlmClient:
    return LlmClient(
        providers=made.providers,
        clock=made.clock,
        rng=rng,
        prices=prices,
        limits=Limits(
            max_connections=settings.max_connections,
            rpm=settings.rpm,
            tpm=settings.tpm,
            max_retry_after_s=settings.max_retry_after_s,
            hold_s=hold_s,
        ),
        cache=_call_cache(made.clock),
        day=_day_budget(settings, made.clock),
        router=router_of(settings, prices, serves=made.vendors),
    )


def _call_cache(clock: Clock) -> BlobCallCache:
    return BlobCallCache(LocalBlobs(Path(".pipex") / "cache", durable=False), clock=clock)


def _day_budget(settings: Settings, clock: Clock) -> DayBudget | None:
    """The cap of the day on what all processes with this checkpoint folder spend; None without one."""
    cap = settings.daily_cost_usd
    if cap is None:
        return None
    accounts = SqliteDayAccounts(Path(settings.text("checkpoint_dir")) / day_accounts_file)
    return DayBudget(accounts, cap_nanousd=nanousd_of(cap), clock=clock)


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


def results_store(folder: str | Path) -> BlobStore:
    """The store of result tables in a local folder."""
    return LocalBlobs(folder)


def _answerers(settings: Settings, providing: Providing, prices: PriceTable) -> Answerers:
    match providing.kind:
        case "mock":
            return _mocked(providing)
        case "replay":
            return _replayed(providing.cassette or "", prices)
        case "live":
            live = _live(settings, providing, vendors)
            return Answerers(live, {name: name for name in vendors}, SystemClock())
        case "mixed":
            keyed = [name for name in vendors if settings.values[_key_fields[name]] is not None]
            mocked = _mocked(providing)
            live = _live(settings, providing, keyed)
            routes = {name: name if name in live else "mock" for name in vendors}
            clock = SystemClock() if live else mocked.clock
            return replace(
                mocked, providers={**mocked.providers, **live}, vendors=routes, clock=clock
            )


_key_fields = {"anthropic": "anthropic_key", "gemini": "gemini_key"}


def _mocked(providing: Providing) -> Answerers:
    rules = Rules()
    if providing.mock_responses is not None:
        path = providing.mock_responses
        with _of_file(path):
            rules = rules_of(read_yaml(read_text(path), path).value)
    clock = VirtualClock()
    mock = MockProvider(rules, clock=clock)
    return Answerers({"mock": mock}, dict.fromkeys(vendors, "mock"), clock, ScriptState([mock]))


def _replayed(path: str, prices: PriceTable) -> Answerers:
    lines = read_text(path).splitlines()
    with _of_file(path):
        made = {name: ReplayProvider(lines, prices=prices, name=name) for name in vendors}
    state = ScriptState(list(made.values()))
    return Answerers(made, {name: name for name in vendors}, VirtualClock(), state)


@contextmanager
def _of_file(path: str) -> Iterator[None]:
    """Say of errors about a file's content which file it is."""
    try:
        yield
    except ConfigError as exc:
        message = exc.message if path in exc.message else f"{path}: {exc.message}"
        raise ConfigError(message, code=exc.code, next_step=exc.next_step) from exc


def _live(settings: Settings, providing: Providing, names: Sequence[str]) -> dict[str, Provider]:
    keyed = [name for name in names if settings.values[_key_fields[name]] is not None]
    made = {name: _vendor(name, settings) for name in keyed}
    if not made and names:
        _vendor(names[0], settings)  # no key at all: the first vendor's error says what is missing
    if providing.record is None:
        return made
    append = partial(_append_line, Path(providing.record))
    clock = SystemClock()
    return {
        name: RecordingProvider(provider, append=append, clock=clock)
        for name, provider in made.items()
    }


def _vendor(name: str, settings: Settings) -> Provider:
    key = settings.values[_key_fields[name]]
    if key is None:
        variable = f"{name.upper()}_API_KEY"
        raise ConfigError(
            f"no key for {name.capitalize()}; set {variable}",
            code="auth",
            next_step=f"export {variable}=..., or try it without a key: --provider mock",
        )
    text = key.reveal()
    base_url = settings.values[f"{name}_base_url"] or ""
    # An SDK takes seconds to import, so only the one that answers is.
    if name == "anthropic":
        from pipex_core.adapters.anthropic import AnthropicProvider

        return AnthropicProvider(api_key=text, base_url=base_url)
    from pipex_core.adapters.gemini import GeminiProvider

    return GeminiProvider(api_key=text, base_url=base_url)


def _append_line(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
