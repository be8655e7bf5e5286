"""The state of a run as a checkpoint holds it: what changed stands in it, what did not is named by its hash.

There is a checkpoint after every step, so none may repeat what all the earlier ones hold. Records of
finished steps never change: the newest ones stand in the payload itself, and when they have grown large
they become a *part*, a blob that names the part before it. Large values are blobs of their own, the same
ones that the journal names. Whoever reads a payload follows all names and verifies every hash, so what
comes out is whole or an error.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipex_core.engine.encoding import encoded, object_of, pair
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes, parse

# Of records in the payload itself, before they become a part. With what stands around them most files
# then fill one block of the file system, and every save writes, hashes and reads back only that.
part_bytes: Final = 3 * 1024
inline_bytes: Final = 64 * 1024  # of one value; above it stands in a blob

_none: Final = b"null"


def blob_key(sha256: str) -> str:
    """Where a run keeps the large value with this digest."""
    return f"blobs/{sha256[:2]}/{sha256}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state ready to be saved.

    Attributes:
        payload: Canonical JSON.
        digests: Step digests of the records that stand in the payload itself, as canonical JSON.
        blobs: What it names and what is not known to be stored, by key.
    """

    payload: bytes
    digests: bytes = b"{}"
    blobs: Mapping[str, bytes] = field(default_factory=dict)


class RunningState:
    """The state of a run as it grows; each thing in it is encoded once."""

    def __init__(self) -> None:
        self._records = _Values()
        self._variables = _Values()
        self._digests = _Values()
        self._more: dict[str, tuple[Json, bytes]] = {}
        self._earlier = _none
        self._unsaved: dict[str, bytes] = {}

    def add(self, name: str, record: bytes, digest: str) -> None:
        """Take in the record of a finished step, as canonical JSON, and the digest of the step."""
        self._unsaved |= self._records.put(name, record)
        self._digests.put(name, encoded(digest))

    def write(self, variables: Mapping[str, Json]) -> None:
        """Take in variables that have these values from now on."""
        for name, value in variables.items():
            self._unsaved |= self._variables.put(name, encoded(value))

    def snapshot(self, more: Mapping[str, Json]) -> Snapshot:
        """The state now, beside small values of other kinds by name."""
        if self._records.size > part_bytes:
            self._close_part()
        pairs = {name: self._kept_pair(name, value) for name, value in more.items()}
        pairs |= self._records.pairs("records", "record_blobs")
        pairs |= self._variables.pairs("variables", "variable_blobs")
        if self._earlier != _none:
            pairs["earlier"] = pair("earlier", self._earlier)
        return Snapshot(
            payload=object_of(pairs), digests=self._digests.inline(), blobs=dict(self._unsaved)
        )

    def saved(self, snapshot: Snapshot) -> None:
        """The snapshot and all that it names are stored, and need not be stored again."""
        for key in snapshot.blobs:
            self._unsaved.pop(key, None)

    def _kept_pair(self, name: str, value: Json) -> bytes:
        known = self._more.get(name)
        if known is None or known[0] != value:
            known = self._more[name] = (value, pair(name, canonical_bytes(value)))
        return known[1]

    def _close_part(self) -> None:
        pairs = self._records.pairs("records", "record_blobs")
        pairs["earlier"] = pair("earlier", self._earlier)
        pairs["step_digests"] = pair("step_digests", self._digests.inline())
        part = object_of(pairs)
        self._unsaved[blob_key(digest_bytes(part))] = part
        self._earlier = _reference(part)
        self._records, self._digests = _Values(), _Values()


class _Values:
    """Encoded values by name, the large ones apart.

    Attributes:
        size: Bytes of what stands in the payload itself.
    """

    def __init__(self) -> None:
        self.size = 0
        self._inline: dict[str, bytes] = {}
        self._large: dict[str, bytes] = {}
        self._joined: bytes | None = b"{}"

    def put(self, name: str, data: bytes) -> dict[str, bytes]:
        """Take in a value; gives the blob that has to be stored for it, if it is large."""
        self._joined = None
        self.size -= len(self._inline.pop(name, b""))
        self._large.pop(name, None)
        if len(data) <= inline_bytes:
            self._inline[name] = pair(name, data)
            self.size += len(self._inline[name])
            return {}
        self._large[name] = pair(name, _reference(data))
        return {blob_key(digest_bytes(data)): data}

    def pairs(self, inline: str, large: str) -> dict[str, bytes]:
        """Encoded pairs of a map; the second one only where something is large."""
        pairs = {inline: pair(inline, self.inline())}
        if self._large:
            pairs[large] = pair(large, object_of(self._large))
        return pairs

    def inline(self) -> bytes:
        """The map of the small ones."""
        if self._joined is None:
            self._joined = object_of(self._inline)
        return self._joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A state with everything that its payload only names.

    Attributes:
        payload: ``records``, ``variables`` and the small values, by name.
    """

    payload: Mapping[str, Json]
    step_digests: Mapping[str, str]


def whole(
    payload: Mapping[str, Json], digests: Mapping[str, str], read: Callable[[str], bytes]
) -> Whole:
    """Follow the names in a payload.

    Args:
        payload: As it was saved.
        digests: Step digests that were saved beside it.
        read: The blob with a key.

    Raises:
        StoreError: ``not_found``, or ``checkpoint_damaged`` for a blob that is not what was named.
    """
    parts = [{**payload, "step_digests": digests}, *_parts(payload.get("earlier"), read)]
    records: dict[str, Json] = {}
    step_digests: dict[str, str] = {}
    for part in reversed(parts):
        records |= part["records"] | _large(part.get("record_blobs", {}), read)
        step_digests |= part["step_digests"]
    variables = payload["variables"] | _large(payload.get("variable_blobs", {}), read)
    more = {name: value for name, value in payload.items() if name not in _named}
    return Whole(
        payload={**more, "records": records, "variables": variables}, step_digests=step_digests
    )


_named: Final = frozenset({"earlier", "records", "record_blobs", "variables", "variable_blobs"})


def _parts(reference: Json, read: Callable[[str], bytes]) -> Iterator[Mapping[str, Json]]:
    """The part that is named, and all those before it."""
    while reference is not None:
        part = _value(reference, read)
        yield part
        reference = part["earlier"]


def _large(references: Mapping[str, Json], read: Callable[[str], bytes]) -> dict[str, Json]:
    return {name: _value(reference, read) for name, reference in references.items()}


def _value(reference: Mapping[str, Json], read: Callable[[str], bytes]) -> Json:
    sha256 = reference["sha256"]
    data = read(blob_key(sha256))
    if digest_bytes(data) != sha256:
        raise StoreError(f"the blob {sha256} was changed", code="checkpoint_damaged")
    return parse(data.decode("utf-8", "surrogatepass"))


def _reference(data: bytes) -> bytes:
    return canonical_bytes({"bytes": len(data), "sha256": digest_bytes(data)})
