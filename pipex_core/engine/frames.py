r"""The form of a journal on disk: frames, and what is wrong with bytes that should hold them.

A frame is ``<length>:<crc>:<payload>\n``: decimal bytes of the payload, CRC-32 in 8 hexadecimal digits,
canonical JSON of the records that were flushed together. There is one frame for every sync, so after a
power loss only the last one can be incomplete: bad bytes at the very end are a torn tail, bad bytes
before a good frame are damage.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipex_core.jsonvalue import Json, canonical_bytes

most_records = 50
most_bytes = 4 * 1024 * 1024

Record = dict[str, Json]

_head = re.compile(rb"(\d{1,9}):([0-9a-f]{8}):")
_heads_anywhere = re.compile(rb"(?=(\d{1,9}):[0-9a-f]{8}:\[)")


def encode(record: Mapping[str, Json]) -> bytes:
    """One record as it stands inside a frame."""
    return canonical_bytes(record)


def frame(records: Sequence[bytes]) -> bytes:
    """The frame of records that were encoded before, in their order."""
    payload = b"[" + b",".join(records) + b"]"
    return b"%d:%08x:%s\n" % (len(payload), zlib.crc32(payload), payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What the bytes of a segment hold.

    Attributes:
        frames: Records by frame, up to the first bad byte.
        starts: Offset of each frame.
        good_bytes: Length of what is good; the first bad byte stands there.
        is_whole: Whether everything is good.
        goes_on: Whether a good frame follows the bad bytes.
    """

    frames: Sequence[Sequence[Record]]
    starts: Sequence[int]
    good_bytes: int
    is_whole: bool
    goes_on: bool = False


def scan(data: bytes) -> Scan:
    """Read frames until the end or the first bad one."""
    frames: list[Sequence[Record]] = []
    starts: list[int] = []
    position = 0
    while position < len(data):
        found = _frame_at(data, position)
        if found is None:
            return Scan(
                frames=frames,
                starts=starts,
                good_bytes=position,
                is_whole=False,
                goes_on=_has_frame_after(data, position),
            )
        records, end = found
        frames.append(records)
        starts.append(position)
        position = end
    return Scan(frames=frames, starts=starts, good_bytes=position, is_whole=True)


def salvage(data: bytes) -> tuple[Sequence[Sequence[Record]], Sequence[bytes]]:
    """All good frames, also those behind bad bytes, and the bad bytes between them."""
    frames: list[Sequence[Record]] = []
    bad: list[bytes] = []
    position = 0
    while position < len(data):
        found = _frame_at(data, position)
        if found is not None:
            records, position = found
            frames.append(records)
            continue
        heads = (head.start() for head in _heads_anywhere.finditer(data, position + 1))
        good = next((start for start in heads if _frame_at(data, start) is not None), len(data))
        bad.append(data[position:good])
        position = good
    return frames, bad


def _frame_at(data: bytes, position: int) -> tuple[Sequence[Record], int] | None:
    """Records of the frame that starts at ``position`` and the offset behind it, or None."""
    head = _head.match(data, position)
    if head is None:
        return None
    start = head.end()
    end = start + int(head[1])
    if data[end : end + 1] != b"\n":
        return None
    payload = data[start:end]
    if zlib.crc32(payload) != int(head[2], 16):
        return None
    records = _records(payload)
    return None if records is None else (records, end + 1)


def _records(payload: bytes) -> Sequence[Record] | None:
    try:
        records = json.loads(payload.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return None
    return records


def _has_frame_after(data: bytes, position: int) -> bool:
    """Whether a good frame starts anywhere behind ``position``.

    Line ends are no guide: the flipped bit may be in one.
    """
    heads = _heads_anywhere.finditer(data, position + 1)
    return any(_frame_at(data, head.start()) is not None for head in heads)
