"""Segments of a journal read and verified: torn tail or damage, and the records in their order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipex_core.engine.frames import Record, Scan, scan
from pipex_core.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """An incomplete last frame: what a power loss or a kill in the middle of a write leaves.

    Attributes:
        segment: Name of the last segment.
        length: Bytes of it that are good.
        lost_bytes: Bytes behind them.
    """

    segment: str
    length: int
    lost_bytes: int

    @property
    def message(self) -> str:
        """What to tell the user."""
        return (
            f"the end of {self.segment} was incomplete: {self.lost_bytes} bytes were moved to"
            f" {self.segment}.torn; the calls in them, if any, are sent again"
        )


@dataclass(slots=True, kw_only=True)
class Verified:
    """All records of a journal.

    Attributes:
        torn: The incomplete tail that is to be cut off, or None.
    """

    records: list[Record] = field(default_factory=list)
    torn: Torn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Where a journal is not what was written.

    Attributes:
        offset: Byte in the segment.
        good_records: Records before it, all verified.
    """

    segment: str
    offset: int
    what: str
    good_records: Sequence[Record]


def segment_name(epoch: int, number: int) -> str:
    """Name of the ``number``-th segment (from 1) that the process with this epoch wrote."""
    return f"{epoch:06d}-{number:06d}.seg"


def examine(segments: Sequence[tuple[str, bytes]]) -> Verified | Damage:
    """The records of all segments, or the first place where they are damaged."""
    found = Verified()
    for position, (name, data) in enumerate(segments):
        result = scan(data)
        is_last = position == len(segments) - 1
        for start, records in zip(result.starts, result.frames, strict=True):
            for record in records:
                wrong = _wrong(record, name, len(found.records), data[:start])
                if wrong is not None:
                    return _damage(name, start, wrong, found)
                found.records.append(record)
        if not result.is_whole and (result.goes_on or not is_last or _is_sealed(result)):
            return _damage(name, result.good_bytes, "the bytes are not a frame", found)
        if not result.is_whole:
            lost = len(data) - result.good_bytes
            found.torn = Torn(segment=name, length=result.good_bytes, lost_bytes=lost)
    return found


def verified(segments: Sequence[tuple[str, bytes]], *, run_id: str) -> Verified:
    """As ``examine``, where damage is an error.

    Raises:
        StoreError: ``journal_damaged``; the message names place, units after it and the way out.
    """
    result = examine(segments)
    if isinstance(result, Verified):
        return result
    open_units = _open_units(result.good_records)
    affected = f"; units open there: {', '.join(open_units)}" if open_units else ""
    raise StoreError(
        f"the journal of run {run_id} is damaged at byte {result.offset} of {result.segment}:"
        f" {result.what}{affected}; look at it with `pipex journal verify {run_id}`, and"
        f" `pipex journal repair {run_id}` keeps all that is good",
        code="journal_damaged",
    )


def _damage(segment: str, offset: int, what: str, found: Verified) -> Damage:
    return Damage(segment=segment, offset=offset, what=what, good_records=found.records)


def _wrong(record: Record, segment: str, number: int, before: bytes) -> str | None:
    """What is wrong with a record at its place, or None."""
    if record.get("n") != number:
        return f"record {number} is missing"
    if record.get("epoch") != int(segment.partition("-")[0]) or not isinstance(
        record.get("t"), str
    ):
        return f"record {number} does not belong to this segment"
    if record["t"] == "seal" and record.get("sha256") != hashlib.sha256(before).hexdigest():
        return "the segment is not the one that was sealed"
    return None


def _is_sealed(segment: Scan) -> bool:
    """Whether the bytes stand behind a seal, after which nothing is written."""
    return any(record["t"] == "seal" for records in segment.frames[-1:] for record in records[-1:])


def _open_units(records: Sequence[Record]) -> list[str]:
    begun: dict[str, None] = {}
    for record in records:
        if record["t"] == "unit_begin":
            begun[record["unit"]] = None
        elif record["t"] == "unit_end":
            begun.pop(record["unit"], None)
    return list(begun)
