"""Verified snapshots of a run: saved means read back and found equal.

A checkpoint is an envelope around the state after a step. It bounds what is lost when a journal is
lost, and proves how much of the journal there must be. The newest ones and the pinned ones are kept; a
newer one is verified before an older one goes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pipex_core.engine.encoding import encoded, object_of, pair
from pipex_core.engine.snapshot import Snapshot, whole
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes, parse
from pipex_core.ports import BlobStore, Faults

checkpoint_schema = "2.0"
kept = 5

Verdict = Literal["ok", "missing", "damaged", "too_new"]

_name = re.compile(r"checkpoints/(\d{8,})-([0-9a-f]{16})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRef:
    """A checkpoint by name.

    Attributes:
        seq: Number within the run, from 1.
        sha16: First 16 digits of the SHA-256 of the file.
    """

    seq: int
    sha16: str

    @property
    def key(self) -> str:
        """Where the run keeps it."""
        return f"checkpoints/{self.seq:08d}-{self.sha16}.json"

    @property
    def pin_key(self) -> str:
        """Where it says that it is pinned."""
        return f"checkpoints/{self.seq:08d}-{self.sha16}.pin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a run after a step.

    Attributes:
        seq: Number within the run, from 1; grows only.
        epoch: Of the process that saved it.
        journal_n: Records that were durable in the journal when it was saved.
        step_digests: Finished step to the digest of what it did; filled in when it is loaded.
        created_at: ISO 8601, for display.
        prev_sha256: Of the checkpoint before it, or None for the first one.
    """

    run_id: str
    root_run_id: str
    workflow: str
    seq: int
    epoch: int
    journal_n: int
    plan_digest: str
    inputs_digest: str
    created_at: str
    step_digests: Mapping[str, str] = field(default_factory=dict)
    prev_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A checkpoint that verifies.

    Attributes:
        payload: ``records`` (stored form by step), ``variables``, ``ledger``, ``loops`` and
            ``provider``, with everything that the file only names.
        damaged: Newer ones that were passed over because they do not verify.
    """

    checkpoint: Checkpoint
    payload: Mapping[str, Json]
    sha256: str
    damaged: Sequence[CheckpointRef] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint that was saved, read back and found equal."""

    ref: CheckpointRef
    sha256: str


class Checkpoints:
    """The checkpoints of one run in its blob store."""

    def __init__(self, blobs: BlobStore, *, faults: Faults) -> None:
        self._blobs = blobs
        self._faults = faults
        self._known: list[CheckpointRef] | None = None
        self._pairs: dict[str, tuple[Json, bytes]] = {}

    def save(self, checkpoint: Checkpoint, snapshot: Snapshot) -> Saved:
        """Store a checkpoint and what it names, read them back, and drop the oldest ones.

        Args:
            checkpoint: What it is of.
            snapshot: The state.

        Raises:
            StoreError: ``checkpoint_not_saved``, the store failed or does not hold what was written;
                ``checkpoint_conflict``, another state has this number.
        """
        data = self._envelope(checkpoint, snapshot)
        sha256 = digest_bytes(data)
        ref = CheckpointRef(seq=checkpoint.seq, sha16=sha256[:16])
        known = self._known if self._known is not None else self._unpinned()
        if any(other.seq == ref.seq and other != ref for other in known):
            message = f"checkpoint {ref.seq} of run {checkpoint.run_id} exists with another content"
            raise StoreError(message, code="checkpoint_conflict")
        self._faults.hit("checkpoint.before_save")
        try:
            # What the file names comes first: a file that is there is whole.
            for key, value in (*snapshot.blobs.items(), (ref.key, data)):
                self._put(key, value)
        except StoreError as exc:
            message = (
                f"checkpoint {ref.seq} of run {checkpoint.run_id} was not saved: {exc.message}"
            )
            raise StoreError(message, code="checkpoint_not_saved", detail=exc.code) from exc
        self._faults.hit("checkpoint.after_save")
        # One writer keeps the list; the one just saved was verified, so there is a newer good one.
        self._known = [ref, *(other for other in known if other != ref)]
        for old in self._known[kept:]:
            self._blobs.delete(old.key)
        del self._known[kept:]
        return Saved(ref=ref, sha256=sha256)

    def pin(self, ref: CheckpointRef, label: str) -> None:
        """Keep a checkpoint however many newer ones there are.

        Raises:
            StoreError: The store failed.
        """
        self._blobs.put(ref.pin_key, canonical_bytes({"label": label}))
        if self._known is not None:
            self._known = [other for other in self._known if other != ref]

    def labels(self) -> Mapping[int, str]:
        """Number of each pinned checkpoint to its label."""
        pins = [key for key in self._blobs.list("checkpoints/") if key.endswith(".pin")]
        return {_seq_of(key): parse(self._blobs.get(key).decode("utf-8"))["label"] for key in pins}

    def versions(self) -> Sequence[CheckpointRef]:
        """All of them, newest first."""
        found = [_name.fullmatch(key) for key in self._blobs.list("checkpoints/")]
        refs = [CheckpointRef(seq=int(name[1]), sha16=name[2]) for name in found if name]
        return sorted(refs, key=lambda ref: (ref.seq, ref.sha16), reverse=True)

    def verify(self, ref: CheckpointRef) -> Verdict:
        """Whether a checkpoint is what was saved, and this program can read it."""
        try:
            self._read(ref)
        except StoreError as exc:
            return _verdicts[exc.code]
        return "ok"

    def load(self, seq: int) -> Loaded:
        """One checkpoint.

        Raises:
            StoreError: ``not_found``, ``checkpoint_damaged`` or ``schema_too_new``.
        """
        for ref in self.versions():
            if ref.seq == seq:
                return self._read(ref)
        raise StoreError(f"there is no checkpoint {seq}", code="not_found")

    def latest(self) -> Loaded | None:
        """The newest checkpoint that verifies; None when none does.

        Raises:
            StoreError: ``schema_too_new``, a newer program saved the newest one.
        """
        damaged: list[CheckpointRef] = []
        for ref in self.versions():
            try:
                found = self._read(ref)
            except StoreError as exc:
                if exc.code == "schema_too_new":
                    raise
                damaged.append(ref)
            else:
                return replace(found, damaged=damaged)
        return None

    def _read(self, ref: CheckpointRef) -> Loaded:
        data = self._blobs.get(ref.key)
        sha256 = digest_bytes(data)
        if not sha256.startswith(ref.sha16):
            raise StoreError(f"checkpoint {ref.seq} was changed", code="checkpoint_damaged")
        envelope = parse(data.decode("utf-8", "surrogatepass"))
        if envelope["schema"] != checkpoint_schema:
            message = f"checkpoint {ref.seq} has schema {envelope['schema']}, which is newer"
            raise StoreError(message, code="schema_too_new")
        try:
            found = whole(envelope["payload"], envelope["step_digests"], self._blobs.get)
        except StoreError as exc:
            message = f"checkpoint {ref.seq} is not whole: {exc.message}"
            raise StoreError(message, code="checkpoint_damaged") from exc
        fields = {name: envelope[name] for name in Checkpoint.__slots__}
        fields["step_digests"] = found.step_digests
        return Loaded(checkpoint=Checkpoint(**fields), payload=found.payload, sha256=sha256)

    def _envelope(self, checkpoint: Checkpoint, snapshot: Snapshot) -> bytes:
        """Canonical JSON of the whole file; the state is large and was encoded before."""
        fields = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
        fields |= {"schema": checkpoint_schema, "payload_sha256": digest_bytes(snapshot.payload)}
        del fields["step_digests"]
        pairs = {name: self._pair(name, value) for name, value in fields.items()}
        pairs["step_digests"] = pair("step_digests", snapshot.digests)
        pairs["payload"] = pair("payload", snapshot.payload)
        return object_of(pairs)

    def _pair(self, name: str, value: Json) -> bytes:
        """Most fields are the same in all checkpoints of a run; they are encoded once."""
        known = self._pairs.get(name)
        if known is None or known[0] != value:
            known = self._pairs[name] = (value, pair(name, encoded(value)))
        return known[1]

    def _put(self, key: str, data: bytes) -> None:
        self._blobs.put(key, data)
        if self._blobs.get(key) != data:
            raise StoreError(f"{key} reads back differently", code="read_back")

    def _unpinned(self) -> list[CheckpointRef]:
        pinned = self.labels()
        return [ref for ref in self.versions() if ref.seq not in pinned]


_verdicts: Mapping[str, Verdict] = {
    "not_found": "missing",
    "checkpoint_damaged": "damaged",
    "schema_too_new": "too_new",
    "storage_error": "missing",
}


def _seq_of(key: str) -> int:
    return int(key.rpartition("/")[2].partition("-")[0])
