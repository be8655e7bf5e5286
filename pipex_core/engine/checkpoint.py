"""Verified snapshots of a run: saved means read back and found equal.

A checkpoint is an envelope around the state after a step. It bounds what is lost when a journal is
lost, and proves how much of the journal there must be. The newest ones, the last one of each day and the
pinned ones are kept; a newer one is verified before an older one goes. Old ones go many at a time,
because to delete a file is as dear as to write one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from operator import attrgetter
from typing import Literal

from pipex_core.engine.encoding import encoded, object_of, pair
from pipex_core.engine.snapshot import Snapshot, whole
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest_bytes, parse
from pipex_core.ports import BlobStore, Faults

checkpoint_schema = "2.0"
most_waiting = 32  # old ones that wait to be deleted together

Verdict = Literal["ok", "missing", "damaged", "too_new"]

day_length = len("2026-11-24")
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
class RotationPolicy:
    """Which checkpoints of a run are kept beside the pinned ones.

    Attributes:
        last: So many of the newest; at least 1.
        days: The last one of each of so many days, the newest one's day counted.
    """

    last: int = 5
    days: int = 7

    def __post_init__(self) -> None:
        if self.last < 1:
            raise ValueError(f"the newest checkpoint is always kept, so last is not {self.last}")


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

    def __init__(
        self, blobs: BlobStore, *, faults: Faults, policy: RotationPolicy | None = None
    ) -> None:
        self._blobs = blobs
        self._faults = faults
        self._policy = policy or RotationPolicy()
        # Unpinned ones to the day on which they were saved, in the order of their numbers.
        self._known: dict[CheckpointRef, str] | None = None
        self._same: Sequence[Json] = ()
        self._form = b""

    def save(self, checkpoint: Checkpoint, snapshot: Snapshot) -> Saved:
        """Store a checkpoint and what it names, read them back, and drop old ones now and then.

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
        known = self._unpinned()
        newest = next(reversed(known), ref)
        if newest.seq >= ref.seq and any(o.seq == ref.seq and o != ref for o in known):
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
        known[ref] = checkpoint.created_at[:day_length]
        # The one just saved was verified, so there is a newer good one than all that go.
        if len(known) > self._policy.last + most_waiting:
            self._drop(expendable(known, self._policy))
        return Saved(ref=ref, sha256=sha256)

    def rotate(self) -> Sequence[CheckpointRef]:
        """Delete those that the policy does not keep; gives them, oldest first.

        The newest one that verifies and the pinned ones are never among them.
        """
        known = self._unpinned()
        gone = expendable(known, self._policy)
        kept = [ref for ref in known if ref not in gone]
        if gone and not any(self.verify(ref) == "ok" for ref in reversed(kept)):
            return ()
        self._drop(gone)
        return gone

    def _drop(self, gone: Sequence[CheckpointRef]) -> None:
        known = self._unpinned()
        for ref in gone:
            self._blobs.delete(ref.key)
            del known[ref]

    def pin(self, ref: CheckpointRef, label: str) -> None:
        """Keep a checkpoint however many newer ones there are.

        Raises:
            StoreError: The store failed.
        """
        self._blobs.put(ref.pin_key, canonical_bytes({"label": label}))
        if self._known is not None:
            self._known.pop(ref, None)

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

    def _file(self, ref: CheckpointRef) -> tuple[Mapping[str, Json], str]:
        """The envelope, and the SHA-256 of its file."""
        data = self._blobs.get(ref.key)
        sha256 = digest_bytes(data)
        if not sha256.startswith(ref.sha16):
            raise StoreError(f"checkpoint {ref.seq} was changed", code="checkpoint_damaged")
        envelope = parse(data.decode("utf-8", "surrogatepass"))
        if envelope["schema"] != checkpoint_schema:
            message = f"checkpoint {ref.seq} has schema {envelope['schema']}, which is newer"
            raise StoreError(message, code="schema_too_new")
        return envelope, sha256

    def _read(self, ref: CheckpointRef) -> Loaded:
        envelope, sha256 = self._file(ref)
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
        same = _same_fields(checkpoint)
        if same != self._same:
            self._same, self._form = same, _form(checkpoint)
        return self._form % {
            b"created_at": encoded(checkpoint.created_at),
            b"journal_n": checkpoint.journal_n,
            b"payload": snapshot.payload,
            b"payload_sha256": encoded(digest_bytes(snapshot.payload)),
            b"prev_sha256": encoded(checkpoint.prev_sha256),
            b"seq": checkpoint.seq,
            b"step_digests": snapshot.digests,
        }

    def _put(self, key: str, data: bytes) -> None:
        self._blobs.put(key, data)
        if self._blobs.get(key) != data:
            raise StoreError(f"{key} reads back differently", code="read_back")

    def _unpinned(self) -> dict[CheckpointRef, str]:
        if self._known is None:
            pinned = self.labels()
            found = [ref for ref in reversed(self.versions()) if ref.seq not in pinned]
            self._known = {ref: self._day(ref) for ref in found}
        return self._known

    def _day(self, ref: CheckpointRef) -> str:
        """When a checkpoint was saved; of a damaged one nothing, so that no day is kept for it."""
        try:
            return str(self._file(ref)[0]["created_at"])[:day_length]
        except StoreError:
            return ""


def expendable(
    days: Mapping[CheckpointRef, str], policy: RotationPolicy
) -> Sequence[CheckpointRef]:
    """Those that the policy does not keep, in their order.

    Args:
        days: Checkpoint to the day on which it was saved (ISO 8601), in the order of their numbers;
            an empty day is none.
        policy: What is kept.
    """
    newest_first = list(days)[::-1]
    kept = set(newest_first[: policy.last])
    seen = [day for day in dict.fromkeys(days[ref] for ref in newest_first) if day]
    if seen and policy.days:
        first_day = date.fromisoformat(seen[0]) - timedelta(days=policy.days - 1)
        recent = {day for day in seen if date.fromisoformat(day) >= first_day}
        last_of = {days[ref]: ref for ref in days}
        kept |= {last_of[day] for day in recent}
    return [ref for ref in days if ref not in kept]


# Fields of an envelope whose values differ from checkpoint to checkpoint of a run.
_numbers = ("journal_n", "seq")
_own_fields = ("created_at", "payload", "payload_sha256", "prev_sha256", "step_digests")
_same_names = sorted({*Checkpoint.__slots__}.difference(_numbers, _own_fields))
_same_fields = attrgetter(*_same_names)


def _form(checkpoint: Checkpoint) -> bytes:
    """The envelope with a place for each value that differs: the rest is encoded once for a run."""
    pairs = {name: pair(name, b"%%(%b)d" % name.encode()) for name in _numbers}
    pairs |= {name: pair(name, b"%%(%b)b" % name.encode()) for name in _own_fields}
    same = {name: getattr(checkpoint, name) for name in _same_names}
    for name, value in {**same, "schema": checkpoint_schema}.items():
        pairs[name] = pair(name, encoded(value).replace(b"%", b"%%"))
    return object_of(pairs)


_verdicts: Mapping[str, Verdict] = {
    "not_found": "missing",
    "checkpoint_damaged": "damaged",
    "schema_too_new": "too_new",
    "storage_error": "missing",
}


def _seq_of(key: str) -> int:
    return int(key.rpartition("/")[2].partition("-")[0])
