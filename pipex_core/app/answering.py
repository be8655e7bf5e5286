"""Who answers the calls of a process, and the client in front of them: settings in, providers out."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

from pipex_core.adapters.call_cache import BlobCallCache
from pipex_core.adapters.day_accounts import SqliteDayAccounts
from pipex_core.adapters.local import SystemClock, VirtualClock
from pipex_core.adapters.local_files import LocalBlobs
from pipex_core.adapters.mock import MockProvider
from pipex_core.adapters.replay import RecordingProvider, ReplayProvider
from pipex_core.app.files import read_text
from pipex_core.app.providing import Providing, router_of, vendors
from pipex_core.app.settings import Settings
from pipex_core.engine.services import NoProviderState, ProviderState
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
from pipex_core.ports import BlobStore, Clock
from pipex_core.secrets import Redactor
from pipex_core.spec.yaml_text import read_yaml

day_accounts_file = "day-accounts.sqlite3"


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


def answerers(settings: Settings, providing: Providing, prices: PriceTable) -> Answerers:
    """Who answers the calls of a run.

    Raises:
        ConfigError: A key, a cassette or a rules file is missing or wrong; nothing was sent.
    """
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
    clock, redact = SystemClock(), Redactor(secrets=settings.secrets()).value
    return {
        name: RecordingProvider(provider, append=append, clock=clock, redact=redact)
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


def client_of(
    made: Answerers, settings: Settings, prices: PriceTable, rng: random.Random, *, hold_s: float
) -> LlmClient:
    """The one way to the models of a process.

    Args:
        made: Who answers.
        settings: Limits, the budget of the day, groups of models.
        prices: Of all models.
        rng: Jitter of waits.
        hold_s: How long a call waits for a service whose breaker is open.
    """
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


def cache_store() -> BlobStore:
    """Where answers of models are kept for equal calls."""
    return LocalBlobs(Path(".pipex") / "cache", durable=False)


def _call_cache(clock: Clock) -> BlobCallCache:
    return BlobCallCache(cache_store(), clock=clock)


def day_left_usd(settings: Settings, day: date) -> float | None:
    """USD that real calls may still cost on a day, what is reserved taken off; None without a cap.

    Raises:
        StoreError: The account cannot be used.
    """
    cap = settings.daily_cost_usd
    if cap is None:
        return None
    now = _day_accounts(settings).standing(day, "live")
    return max(0, nanousd_of(cap) - now.spent - now.reserved) / 1e9


def _day_budget(settings: Settings, clock: Clock) -> DayBudget | None:
    """The cap of the day on what all processes with this checkpoint folder spend; None without one."""
    cap = settings.daily_cost_usd
    if cap is None:
        return None
    return DayBudget(_day_accounts(settings), cap_nanousd=nanousd_of(cap), clock=clock)


def _day_accounts(settings: Settings) -> SqliteDayAccounts:
    return SqliteDayAccounts(Path(settings.text("checkpoint_dir")) / day_accounts_file)
