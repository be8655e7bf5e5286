"""A damaged journal, and what can be kept of it: every frame that verifies, wherever it stands.

What a damaged frame said is lost, and with it perhaps answers that were paid for. The steps that a
verified checkpoint holds are kept too. Nothing here writes: the caller shows what will be paid again,
and writes a copy once somebody agreed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pipex_core.engine.fold import RunState, fold
from pipex_core.engine.frames import Record, encode, frame, most_records, salvage
from pipex_core.engine.segments import segment_name
from pipex_core.jsonvalue import Json

_figures: Final = re.compile(rb'"cost_nanousd":(\d{1,18})|"unit":"((?:[^"\\\n{}]|\\.){1,400})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo:
    """A unit that has to be done again.

    Attributes:
        estimated_nanousd: What its lost or doubtful calls took, as far as their bytes can be read.
    """

    unit: str
    estimated_nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What is left of a journal.

    Attributes:
        segments: Name and bytes of the segments that stand for it.
        kept: Records that verify.
        lost: Numbers for which there is no record any more.
        restored: Finished steps that a checkpoint knew and the journal no longer does.
        redo: Units to be done again, by name.
    """

    segments: Sequence[tuple[str, bytes]]
    kept: int
    lost: int
    restored: Sequence[str]
    redo: Sequence[Redo]


def repaired(segments: Sequence[tuple[str, bytes]], saved: Mapping[str, Json]) -> Repaired:
    """The journal that keeps everything that verifies.

    Args:
        segments: Name and bytes, in order of their names.
        saved: Stored records of finished steps by name, from the newest checkpoint that verifies.
    """
    found, bad = _salvaged(segments)
    last = found[-1]["n"] + 1 if found else 0
    kept = [record for record in found if record["t"] != "seal"]
    state = fold(kept)
    restored = [name for name in saved if state.finished(name) is None]
    epoch = kept[-1]["epoch"] if kept else 1
    lost = max(last - len(kept), 0)
    added = [_end_of(saved[name]) for name in restored]
    added.append({"t": "note", "text": "the journal was repaired", "lost": lost})
    whole = [*kept, *({**record, "epoch": epoch} for record in added)]
    return Repaired(
        segments=_segments(whole),
        kept=len(kept),
        lost=lost,
        restored=restored,
        redo=_redo(fold(whole), bad),
    )


def _salvaged(segments: Sequence[tuple[str, bytes]]) -> tuple[list[Record], list[bytes]]:
    """All records that verify and stand in their order, and the bytes between them."""
    records: list[Record] = []
    bad: list[bytes] = []
    for name, data in segments:
        epoch = int(name.partition("-")[0])
        frames, between = salvage(data)
        bad += between
        for record in (one for good in frames for one in good):
            number = record.get("n")
            after = records[-1]["n"] if records else -1
            is_ours = record.get("epoch") == epoch and isinstance(record.get("t"), str)
            if is_ours and isinstance(number, int) and number > after:
                records.append(record)
    return records, bad


def _segments(records: Sequence[Record]) -> list[tuple[str, bytes]]:
    """One segment for each process, its records numbered anew."""
    numbered = [{**record, "n": number} for number, record in enumerate(records)]
    made = []
    for epoch, own in groupby(numbered, key=lambda record: int(record["epoch"])):
        encoded = [encode(record) for record in own]
        groups = (encoded[i : i + most_records] for i in range(0, len(encoded), most_records))
        made.append((segment_name(epoch, 1), b"".join(map(frame, groups))))
    return made


def _end_of(record: Mapping[str, Json]) -> Record:
    return {
        "t": "unit_end",
        "unit": record["name"],
        "attempt": max(record["attempts"], 1),
        "status": record["status"],
        "error": record.get("error"),
        "result": dict(record),
    }


def _redo(state: RunState, bad: Sequence[bytes]) -> Sequence[Redo]:
    """Units that are open, or that are named only in what cannot be read."""
    costs: dict[str, int] = {}
    for unit, cost in _named(bad):
        costs[unit] = costs.get(unit, 0) + cost
    for begin in state.in_doubt:
        unit = begin["unit"]
        costs[unit] = max(costs.get(unit, 0), begin["reserved_nanousd"])
    for name, known in state.units.items():
        if known.begun and not known.is_finished:
            costs.setdefault(name, 0)
    open_ones = (unit for unit in sorted(costs) if not _is_done(unit, state))
    return [Redo(unit=unit, estimated_nanousd=costs[unit]) for unit in open_ones]


def _is_done(unit: str, state: RunState) -> bool:
    """Whether the unit or one around it has ended well."""
    parts = unit.split("/")
    paths = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return any(
        state.finished(path) is not None or state.finished(path.partition("[")[0]) is not None
        for path in paths
    )


def _named(bad: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    """Units that damaged bytes name, each with the cost that stands before it in its record."""
    for data in bad:
        cost = 0
        for found in _figures.finditer(data):
            if found[1] is not None:
                cost = int(found[1])
            else:
                yield found[2].decode("utf-8", "replace"), cost
                cost = 0
