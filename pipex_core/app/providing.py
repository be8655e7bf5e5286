"""Who answers model calls in a run: a mock, the vendors, or a cassette; chosen by options and settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from pipex_core.app.files import read_text
from pipex_core.app.settings import Settings
from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import digest_bytes, short
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.router import Router, groups_of
from pipex_core.spec.yaml_text import read_yaml

vendors = ("anthropic", "gemini")

ProviderKind = Literal["mock", "live", "mixed", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Providing:
    """Who answers model calls in a run.

    Attributes:
        kind: ``mock`` by rules, ``live`` by the vendors, ``mixed`` live where a key is set and mock
            elsewhere, ``replay`` from a cassette.
        mock_responses: File of the mock's rules.
        cassette: File that replay reads.
        record: File that every live answer is appended to.
        chosen: Somebody named the kind; False when it is the default.
    """

    kind: ProviderKind = "mock"
    mock_responses: str | None = None
    cassette: str | None = None
    record: str | None = None
    chosen: bool = True

    @property
    def identity(self) -> str:
        """Who answers, as part of a target's identity: other rules or another cassette, other answers."""
        rules = self.mock_responses
        file = {"mock": rules, "mixed": rules, "replay": self.cassette}.get(self.kind)
        if file is None:
            return self.kind
        return f"{self.kind}:{short(digest_bytes(read_text(file).encode()))}"

    def __post_init__(self) -> None:
        if self.kind == "replay" and self.cassette is None:
            raise ConfigError("provider replay needs a cassette", next_step="add --cassette FILE")


def providing_of(settings: Settings, **options: str | None) -> Providing:
    """The providing that options of a call and settings add up to."""
    kind = cast("ProviderKind | None", options.get("kind") or settings.provider)
    return Providing(
        kind=kind or "mock",
        mock_responses=options.get("mock_responses") or settings.mock_responses,
        cassette=options.get("cassette"),
        record=options.get("record"),
        chosen=kind is not None,
    )


def router_of(settings: Settings, prices: PriceTable, *, serves: Mapping[str, str]) -> Router:
    """Who chooses a model of a group: by the groups of the file that the settings name.

    Args:
        settings: They name the file.
        prices: They say whose a model is, and what it costs.
        serves: Vendor to the provider that answers for it here.

    Raises:
        SpecError: The file is no YAML.
        ConfigError: ``invalid_model_groups``, with everything that is wrong with it.
    """
    path = settings.values["model_groups"]
    if path is None:
        return Router({}, prices=prices)
    try:
        groups = groups_of(read_yaml(read_text(path), path).value, prices)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc.message}", code=exc.code) from exc
    return Router(groups, prices=prices, serves=serves)
