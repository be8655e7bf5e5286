"""What all adapters of vendors have in common: how a failure is worded, a key asked for, a log kept quiet."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipex_core.errors import (
    AuthFailed,
    ConnectionFailed,
    ProviderError,
    ProviderTimeout,
    ServerFailed,
)
from pipex_core.jsonvalue import Json

connect_s = 5.0
idle_s = 60.0  # of a stream that says nothing
longest_message = 300  # characters of a vendor's message: some of them quote the request


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The service that a call goes to, as its failures name it."""

    provider: str
    model: str

    @property
    def facts(self) -> dict[str, Any]:
        """What every error says of it."""
        return {"provider": self.provider, "model": self.model}

    def mark(self, error: ProviderError) -> None:
        """Say of an error of ours where it happened."""
        error.provider, error.model = self.provider, self.model

    def malformed(self, exc: Exception) -> ServerFailed:
        """A reply that is none."""
        return ServerFailed(
            f"the reply cannot be used: {_reason(exc)}",
            maybe_billed=True,
            detail="malformed_reply",
            **self.facts,
        )

    def silent(self, message: str) -> ProviderTimeout:
        """A request that was sent, and no answer in time."""
        return ProviderTimeout(message, maybe_billed=True, **self.facts)

    def cut(self, message: str, *, sent: bool) -> ConnectionFailed:
        """A connection that failed, before or after the request was sent."""
        return ConnectionFailed(message, maybe_billed=sent, **self.facts)


def vendor_message(text: str | None, status: int) -> str:
    """What a vendor says of a failure, cut where it grows long; its status when it says nothing."""
    if not text:
        return f"HTTP status {status}"
    return text if len(text) <= longest_message else f"{text[:longest_message]}..."


def require_key(key: str, *, provider: str, vendor: str) -> str:
    """The key, when there is one.

    Raises:
        AuthFailed: It is empty.
    """
    if key:
        return key
    raise AuthFailed(f"no key for {vendor}; set {vendor.upper()}_API_KEY", provider=provider)


def keep_quiet(names: Iterable[str]) -> None:
    """Have the loggers of an SDK say nothing below INFO: at DEBUG they print prompts and keys."""
    for name in names:
        logger = logging.getLogger(name)
        if logger.level < logging.INFO:
            logger.setLevel(logging.INFO)


def counted_tokens(count: Json) -> int | None:
    """A vendor's count of a prompt, when it is one: every prompt has at least one token."""
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else None


def _reason(exc: Exception) -> str:
    """What is wrong, without quoting a reply: parsers put whole documents into their messages."""
    return str(exc) if type(exc) is ValueError else type(exc).__name__
