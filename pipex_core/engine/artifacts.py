"""Large values of a run: whole in memory and in its files, and named by their hash in documents.

A value over 1 MB stands in the documents of a run as ``{"$artifact": sha256, "bytes": n}``. Its canonical
JSON is a blob of the run, ``blobs/<first two digits>/<sha256>``, stored once however often it occurs.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes

large_bytes: Final = 1_000_000
_fields: Final = ("text", "data")

# Told the canonical JSON of each large value, with its hash.
Keep = Callable[[str, bytes], None]


def shown_value(value: Json, keep: Keep) -> Json:
    """A value as documents show it: itself, or the name of an artifact."""
    if not isinstance(value, str | Mapping | list | tuple):
        return value
    if isinstance(value, str) and len(value) * 6 < large_bytes:  # escapes take six bytes at most
        return value
    data = canonical_bytes(value)
    if len(data) <= large_bytes:
        return value
    sha256 = digest_bytes(data)
    keep(sha256, data)
    return {"$artifact": sha256, "bytes": len(data)}


def shown_values(values: Mapping[str, Json], keep: Keep) -> dict[str, Json]:
    """Each of the values as documents show it."""
    return {name: shown_value(value, keep) for name, value in values.items()}


def shown_record(record: Mapping[str, Json], keep: Keep) -> dict[str, Json]:
    """A step record as documents show it: text, data and what the metadata hold, each on its own."""
    fields = {name: shown_value(record[name], keep) for name in _fields}
    return {**record, **fields, "metadata": shown_values(record["metadata"], keep)}


def artifacts_of(show: Callable[[Keep], object]) -> Iterator[tuple[str, bytes]]:
    """Hash and canonical JSON of the large values in a document, each once; ``show`` makes it."""
    found: dict[str, bytes] = {}
    show(found.__setitem__)
    yield from found.items()


def forgotten(sha256: str, data: bytes) -> None:
    """Nobody keeps the value: somebody did before."""
    del sha256, data
