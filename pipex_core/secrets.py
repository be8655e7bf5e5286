"""Secrets that are never printed, and the redaction of those that somebody else printed.

A ``Secret`` is handed from the settings to an adapter and revealed nowhere else. Text that leaves the
process (errors, journals, tables, reports, logs) passes a ``Redactor``: it replaces the exact values of
all loaded secrets, also in their URL, base64 and JSON forms, and everything that looks like a key.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipex_core.jsonvalue import Json
from pipex_core.ports import key_part

patterns: Mapping[str, re.Pattern[str]] = {
    "anthropic_key": re.compile(r"sk-ant-[A-Za-z0-9_-]{8,}"),
    "google_key": re.compile(r"AIza[0-9A-Za-z_-]{30,}"),
    "aws_key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "bearer": re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{16,}=*"),
    "private_key": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
    ),
    "jwt": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    "url_password": re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
}
shortest_secret = 6  # shorter values would redact ordinary words


class Secret:
    """Text that shows as ``****`` wherever it is printed; ``reveal`` gives the value."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the adapter that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name!r}, '****')"

    def __str__(self) -> str:
        return "****"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not stored")


class SecretSource(Protocol):
    """Where secrets come from."""

    def get(self, name: str) -> Secret | None:
        """The secret called ``name``, or None when there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Redactor:
    """Replaces secrets in text and JSON values by ``[redacted:<name>]``.

    Attributes:
        secrets: Loaded secrets; values under six characters are left alone.
    """

    secrets: Iterable[Secret] = ()
    _forms: tuple[tuple[str, str], ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        forms = {
            form: secret.name for secret in self.secrets for form in _forms_of(secret.reveal())
        }
        ordered = sorted(forms.items(), key=lambda item: -len(item[0]))
        object.__setattr__(self, "_forms", tuple(ordered))

    def text(self, text: str) -> str:
        """``text`` without any secret value or anything that looks like one."""
        for form, name in self._forms:
            text = text.replace(form, f"[redacted:{name}]")
        for name, pattern in patterns.items():
            text = pattern.sub(f"[redacted:{name}]", text)
        return text

    def value(self, value: Json) -> Json:
        """A copy of ``value`` with all its strings and keys redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _forms_of(value: str) -> set[str]:
    if len(value) < shortest_secret:
        return set()
    encoded = base64.b64encode(value.encode()).decode()
    return {value, key_part(value), encoded, encoded.rstrip("="), json.dumps(value)[1:-1]}
