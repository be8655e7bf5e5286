"""Saved versions of a suite: a lock document that lists them and a store that keeps what they held.

A version's content is stored once under the digest of its bytes and never changed; the lock says which
label stands for which content, in the order of saving. History only grows: going back is a new version
with old content.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

import pyarrow as pa

from pipex_core.errors import ConfigError, Problem, SpecError, StoreError
from pipex_core.evals.caselines import Text
from pipex_core.evals.curate import unexplained
from pipex_core.evals.suite import Suite, hashes_by_id, suite_digest
from pipex_core.evals.suitefile import dump_directory, dump_lines, read_directory
from pipex_core.jsonvalue import Json, compact, digest_bytes, parse, short

Bump = Literal["minor", "major"]
lock_schema: Final = "pipex.suite_lock/1"
_shortest_prefix: Final = 8
_ending: Final = ".jsonl.zst"
_numbers: Final = re.compile(r"\d+(\.\d+)*")


class Contents(Protocol):
    """What versions need of a ``BlobStore``."""

    def get(self, key: str) -> bytes:
        """The stored bytes; raises ``StoreError`` with code ``not_found``."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store ``data``."""
        ...

    def exists(self, key: str) -> bool:
        """Whether something is stored under ``key``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One saved version.

    Attributes:
        version: Label, unique in the lock.
        content: SHA-256 of the stored bytes: suite fields, annotations and all.
        parent: Label of the version it was made from, or None.
        saved_at: RFC 3339, for people; the order is that of the lock.
    """

    version: str
    suite_digest: str
    content: str
    parent: str | None
    saved_at: str
    changelog: str
    n_cases: int

    def as_json(self) -> dict[str, Json]:
        """The entry of the lock document."""
        return {name: getattr(self, name) for name in sorted(self.__slots__)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All saved versions of one suite, oldest first."""

    versions: tuple[Version, ...] = ()

    @property
    def latest(self) -> Version | None:
        """The version saved last."""
        return self.versions[-1] if self.versions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What saving came to.

    Attributes:
        suite: As saved: version label and versions of changed cases are raised.
        is_new: Whether anything was stored; False when nothing had changed.
    """

    suite: Suite
    version: Version
    lock: Lock
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredForm:
    """A suite as the store keeps it: the key is the digest of what is packed."""

    key: str
    data: bytes


def read_lock(text: str, *, file: str = "suite.lock.json") -> Lock:
    """The lock of a document; an empty text is a lock without versions.

    Raises:
        StoreError: ``lock_damaged``.
    """
    if not text.strip():
        return Lock()
    try:
        data: Any = parse(text)
        return Lock(versions=tuple(Version(**one) for one in data["versions"]))
    except (ValueError, TypeError, KeyError) as exc:
        raise StoreError(f"{file} is damaged: {exc}", code="lock_damaged") from exc


def dump_lock(lock: Lock) -> str:
    """The lock document: keys sorted, one version per line so that a diff shows one line."""
    lines = ",\n".join(f"    {compact(version.as_json())}" for version in lock.versions)
    return f'{{\n  "schema": "{lock_schema}",\n  "versions": [\n{lines}\n  ]\n}}\n'


def save(  # noqa: PLR0913 - where to, and five optional words about the version
    suite: Suite,
    lock: Lock,
    store: Contents,
    *,
    saved_at: str,
    version: str | None = None,
    bump: Bump = "minor",
    changelog: str = "",
) -> Saved:
    """Keep the suite as a new version; nothing happens when it equals the latest one.

    A suite that equals the latest version is that version, whatever label is asked for.

    Args:
        suite: Any suite.
        lock: Its versions so far.
        store: Keeps contents.
        saved_at: RFC 3339.
        version: Label of the new version; None takes that of the suite where somebody has raised it
            already, and raises the latest one otherwise.
        bump: Which number of the label is raised.
        changelog: What changed, for people.

    Raises:
        ConfigError: ``version_exists``, or ``version_required`` for a label that is no number.
        SpecError: ``frozen_case``, input or reference of a frozen case changed; ``missing_reason``, a
            case is in quarantine and does not say why.
        StoreError: As ``load``, for the latest version.
    """
    check_reasons(suite)
    parent = lock.latest
    before = load(lock, store, parent.version) if parent else None
    if parent is not None and before is not None:
        check_frozen(before, suite)
        same_label = _versioned(suite, before, before.version)
        if digest_bytes(_content(same_label)) == parent.content:
            return Saved(suite=before, version=parent, lock=lock, is_new=False)
    label = version or (_next(suite.version, parent.version, bump) if parent else suite.version)
    if any(one.version == label for one in lock.versions):
        message = f"the version {label!r} exists with other content"
        raise ConfigError(message, code="version_exists", next_step="save under another label")
    ready = _versioned(suite, before, label)
    return _kept(
        ready,
        lock,
        store,
        Version(
            version=label,
            suite_digest=suite_digest(ready),
            content=digest_bytes(_content(ready)),
            parent=parent.version if parent else None,
            saved_at=saved_at,
            changelog=changelog,
            n_cases=len(ready.cases),
        ),
    )


def load(lock: Lock, store: Contents, version: str) -> Suite:
    """The suite of a saved version.

    Args:
        lock: The versions.
        store: Keeps contents.
        version: A label, or ``@`` and at least 8 digits of a suite digest.

    Raises:
        ConfigError: ``unknown_version``, with those that exist.
        StoreError: ``suite_tampered``, the stored content is not what was saved; ``not_found``, the
            store does not have it.
    """
    entry = find(lock, version)
    try:
        data = _unpacked(store.get(_key(entry)))
    except (pa.ArrowException, OSError) as exc:
        raise _tampered(entry) from exc
    return _read(data, entry)


def stored_form(suite: Suite) -> StoredForm:
    """What the store keeps of a suite, and under which key."""
    data = _content(suite)
    return StoredForm(key=f"{digest_bytes(data)}{_ending}", data=_packed(data))


def find(lock: Lock, version: str) -> Version:
    """The entry of a label or of a digest; of several with one digest the newest.

    Raises:
        ConfigError: ``unknown_version``.
    """
    prefix = version.removeprefix("@")
    by_digest = version.startswith("@") and len(prefix) >= _shortest_prefix
    for entry in reversed(lock.versions):
        if entry.version == version or (by_digest and entry.suite_digest.startswith(prefix)):
            return entry
    known = ", ".join(entry.version for entry in reversed(lock.versions)) or "none"
    message = f"there is no version {version!r}; saved versions: {known}"
    raise ConfigError(message, code="unknown_version")


def list_versions(lock: Lock) -> Sequence[Version]:
    """Newest first, by order of saving and not by clock."""
    return lock.versions[::-1]


def revert(
    lock: Lock,
    store: Contents,
    version: str,
    *,
    saved_at: str,
    bump: Bump = "minor",
    changelog: str = "",
) -> Saved:
    """A new version with the content of an old one; frozen cases do not stand in its way.

    Raises:
        ConfigError: ``unknown_version``.
        StoreError: As ``load``.
    """
    old, latest = load(lock, store, version), lock.latest
    label = raised(latest.version if latest else version, bump)
    suite = replace(old, version=label)
    entry = replace(
        find(lock, version),
        version=label,
        content=digest_bytes(_content(suite)),
        parent=latest.version if latest else None,
        saved_at=saved_at,
        changelog=changelog or f"revert to {version}",
    )
    return _kept(suite, lock, store, entry)


def _next(own: str, latest: str, bump: Bump) -> str:
    """The suite's own label when it comes after the latest one, else the latest one raised."""
    if _numbers.fullmatch(own) and _numbers.fullmatch(latest) and _parts(own) > _parts(latest):
        return own
    return raised(latest, bump)


def _parts(label: str) -> list[int]:
    return [int(part) for part in label.split(".")]


def raised(label: str, bump: Bump) -> str:
    """The next label: ``2.1`` to ``2.2``, or to ``3.0`` for a major one; ``3`` to ``4``.

    Raises:
        ConfigError: ``version_required``, the label is no number.
    """
    if not _numbers.fullmatch(label):
        message = f"no version follows {label!r} by itself; name the new one"
        raise ConfigError(message, code="version_required", next_step="pass --version")
    parts = _parts(label)
    if bump == "major":
        parts = [parts[0] + 1, *(0 for _ in parts[1:])]
    else:
        parts[-1] += 1
    return ".".join(map(str, parts))


def check_frozen(before: Suite, after: Suite) -> None:
    """Return when no case that stays frozen changed its input or reference.

    Raises:
        SpecError: ``frozen_case``.
    """
    frozen = {case.id for case in before.cases if case.status == "frozen"}
    old, new = hashes_by_id(before), hashes_by_id(after)
    problems = [
        Problem(
            code="frozen_case",
            message=f"the case {case.id!r} is frozen: its input and reference stay as they are",
            file=after.location,
            path=f"cases[{case.id}]",
        )
        for case in after.cases
        if case.id in frozen
        and case.status == "frozen"
        and old[case.id].case_hash != new[case.id].case_hash
    ]
    if problems:
        raise SpecError(problems)


def check_reasons(suite: Suite) -> None:
    """Return when every case in quarantine says why.

    Raises:
        SpecError: ``missing_reason``.
    """
    problems = [
        Problem(
            code="missing_reason",
            message=f"the case {case.id!r} is in quarantine and metadata.quarantine does not say why",
            file=suite.location,
            path=f"cases[{case.id}].metadata",
        )
        for case in unexplained(suite)
    ]
    if problems:
        raise SpecError(problems)


def _kept(suite: Suite, lock: Lock, store: Contents, entry: Version) -> Saved:
    form = stored_form(suite)
    if not store.exists(form.key):
        store.put(form.key, form.data)
    return Saved(
        suite=suite, version=entry, lock=Lock(versions=(*lock.versions, entry)), is_new=True
    )


def _versioned(suite: Suite, before: Suite | None, label: str) -> Suite:
    """The suite under its new label; cases with new content are one version on, no case goes back."""
    if before is None:
        return replace(suite, version=label)
    old, new = hashes_by_id(before), hashes_by_id(suite)
    known: Mapping[str, int] = {case.id: case.version for case in before.cases}
    cases = tuple(
        case
        if case.id not in known
        else replace(case, version=known[case.id] + 1)
        if old[case.id].case_hash != new[case.id].case_hash
        else replace(case, version=max(known[case.id], case.version))
        for case in suite.cases
    )
    return replace(suite, version=label, cases=cases)


def _read(data: bytes, entry: Version) -> Suite:
    if digest_bytes(data) != entry.content:
        raise _tampered(entry)
    head, _, cases = data.decode().partition("\n\x1e\n")
    suite = read_directory(
        Text(file=f"{entry.version}/suite.yaml", text=head),
        Text(file=f"{entry.version}/cases.jsonl", text=cases),
    )
    if suite_digest(suite) != entry.suite_digest:
        raise _tampered(entry)
    return suite


def _content(suite: Suite) -> bytes:
    """Suite fields, a record separator, and the cases; what is stored and hashed."""
    head = dump_directory(replace(suite, cases=()))["suite.yaml"]
    return f"{head}\n\x1e\n{dump_lines(suite.cases)}".encode()


def _key(entry: Version) -> str:
    return f"{entry.content}{_ending}"


def _packed(data: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return packed


def _unpacked(data: bytes) -> bytes:
    with pa.input_stream(io.BytesIO(data), compression="zstd") as stream:
        found: bytes = stream.read()
    return found


def _tampered(entry: Version) -> StoreError:
    message = (
        f"the stored content of version {entry.version!r} is not what was saved: it does not match"
        f" the digests {short(entry.content)} and {short(entry.suite_digest)} of the lock file;"
        " restore both from version control"
    )
    return StoreError(message, code="suite_tampered")
