"""Records and states as canonical JSON, put together from what was encoded before."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import cast

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
    if kind is Encoded:
        return cast("bytes", value)
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
    before, behind = _layout(tuple(record), name)
    return (
        b"{%b," % b",".join([key + encoded(record[field]) for field, key in before]),
        b",%b}" % b",".join([key + encoded(record[field]) for field, key in behind]),
    )


Keys = Sequence[tuple[str, bytes]]


@lru_cache(maxsize=256)
def _layout(names: Sequence[str], middle: str) -> tuple[Keys, Keys]:
    """Names with their encoded keys on both sides of one: records of a kind have the same ones."""
    ordered = [(name, _key(name)) for name in sorted(names)]
    before = [(name, key) for name, key in ordered if name < middle]
    return before, ordered[len(before) :]
