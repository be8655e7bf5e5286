"""Records and states as canonical JSON, put together from what was encoded before."""

from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring

from pipex_core.jsonvalue import Json, canonical_bytes


class Encoded(bytes):
    """Canonical JSON of a value, standing for the value in a record that is to be appended."""


def encoded(value: Json) -> bytes:
    """Canonical JSON; for texts and whole numbers, which most fields are, without its preparations."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value).encode("utf-8", "surrogatepass")
    if kind is int:
        return b"%d" % value
    return b"null" if value is None else canonical_bytes(value)


def pair(name: str, value: bytes) -> bytes:
    """A name and its value inside a map, as canonical JSON."""
    return _key(name) + value


@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    return canonical_bytes(name) + b":"


def object_of(pairs: Mapping[str, bytes]) -> bytes:
    """Canonical JSON of a map, from its encoded pairs by name."""
    if all(map(str.isascii, pairs)):
        names = sorted(pairs)
    else:
        # As RFC 8785 asks: by UTF-16 code units, which is another order than that of code points.
        names = sorted(pairs, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return b"{" + b",".join([pairs[name] for name in names]) + b"}"


def halves_of(record: Mapping[str, Json], name: str) -> tuple[bytes, bytes]:
    """Canonical JSON of a record in two halves, between which the pair of ``name`` has its place.

    Args:
        record: Without ``name``; with names on both sides of it.
        name: What is missing.
    """
    before: list[bytes] = []
    behind: list[bytes] = []
    for key in sorted(record):
        value = record[key]
        text = _key(key) + (value if isinstance(value, Encoded) else encoded(value))
        (before if key < name else behind).append(text)
    return b"{" + b",".join(before) + b",", b"," + b",".join(behind) + b"}"
