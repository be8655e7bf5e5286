"""The journal of an evaluation as pipelines under test write to it: what they say stands there without secrets."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from pipex_core.engine.encoding import Encoded
from pipex_core.engine.journal import Journal
from pipex_core.evals.answers import cleaned
from pipex_core.jsonvalue import Json, canonical_bytes, parse

said_in: Final = frozenset({"reply", "result", "error", "message"})


def discreet(journal: Journal | None, redact: Callable[[str], str]) -> Journal | None:
    """The journal, through which nothing passes that ``redact`` takes out of a text."""
    if journal is None or redact is str:
        return journal
    return cast("Journal", _Discreet(journal, redact))


class _Discreet:
    """Passes everything on to a journal, and redacts what calls and steps have said."""

    def __init__(self, journal: Journal, redact: Callable[[str], str]) -> None:
        self._journal = journal
        self._redact = redact

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the journal has
        return getattr(self._journal, name)

    async def append(self, record: Mapping[str, Json]) -> None:
        """Append a record and wait until it is durable."""
        await self._journal.append(self._clean(record))

    def append_soon(self, record: Mapping[str, Json]) -> None:
        """Append a record with the next group."""
        self._journal.append_soon(self._clean(record))

    async def field(self, name: str, value: Json) -> Mapping[str, Json]:
        """A value as a record holds it."""
        return await self._journal.field(name, cleaned(value, self._redact))

    async def encoded_field(self, name: str, data: Encoded) -> Mapping[str, Json]:
        """An encoded value as a record holds it."""
        text = data.decode()
        if self._redact(text) != text:
            data = Encoded(canonical_bytes(cleaned(parse(text), self._redact)))
        return await self._journal.encoded_field(name, data)

    def _clean(self, record: Mapping[str, Json]) -> dict[str, Json]:
        return {
            name: cleaned(value, self._redact) if name in said_in else value
            for name, value in record.items()
        }
