"""What a supervisor does about a run, read from its journal: leave it, wait, go on with it, or give it up.

A run whose process died has no ``close`` behind its last ``open``. It is gone on with, but not for ever: a
run that dies again and again without finishing anything new is a dead letter after three tries, until a
person says otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipex_core.jsonvalue import Json

State = Literal["ended", "died", "dead_letter"]
most_recoveries = 3
finishing = frozenset({"done", "unit_end", "tool_done"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a run stands.

    Attributes:
        status: Of its last ``close``; None when its last process died.
        fruitless: Recoveries in a row that ended without anything new.
        epoch: Of its last process.
    """

    state: State
    status: str | None = None
    fruitless: int = 0
    epoch: int = 0


def standing_of(records: Iterable[Mapping[str, Json]]) -> Standing:
    """How a run stands by the records of its journal, in their order; its lock is not looked at."""
    status: str | None = None
    fruitless = epoch = 0
    is_open = False
    for record in records:
        kind = record["t"]
        if kind == "open":
            # The first process is no recovery of anything.
            fruitless += epoch > 0
            is_open, status, epoch = True, None, record["epoch"]
        elif kind in finishing:
            # What this process finishes is not lost with it: the next one starts from zero.
            fruitless = 0
        elif kind == "close":
            is_open, status, fruitless = False, record["status"], 0
    if not is_open:
        return Standing(state="ended", status=status, epoch=epoch)
    state: State = "dead_letter" if fruitless >= most_recoveries else "died"
    return Standing(state=state, fruitless=fruitless, epoch=epoch)
