"""What a journal says of transactions: which were begun, how far each one was undone, and what they hold.

A transaction is the steps of one pipeline with ``transaction: true``. Its actions are files of the run,
``undo/<txn>/<index>.json``, each written before what it undoes is done; the journal says which of them
were carried out. So what is left to undo is known after a crash at any point.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipex_core.jsonvalue import Json

TransactionStatus = Literal["open", "undoing", "committed"]


@dataclass(slots=True, kw_only=True)
class TransactionState:
    """How far one transaction has come.

    Attributes:
        unit: Path in the journal in front of its steps; empty for those of the run itself.
        done: Actions that were carried out.
        failed: Actions that could not be carried out: index to reason.
    """

    unit: str
    status: TransactionStatus = "open"
    done: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)


def take(known: dict[str, TransactionState], record: Mapping[str, Json]) -> str | None:
    """Take in a record of a transaction; the unit that has to be executed again, if one was undone."""
    kind, txn = record["t"], record["txn"]
    if kind == "txn_begin":
        known[txn] = TransactionState(unit=record["unit"])
        return None
    state = known.setdefault(txn, TransactionState(unit=""))
    match kind:
        case "txn_commit":
            state.status = "committed"
        case "txn_abort":
            state.status = "undoing"
        case "undo_failed":
            state.failed[record["index"]] = record["error"]["message"]
        case "undo_done":
            state.failed.pop(record["index"], None)
            state.done.add(record["index"])
            return str(record["unit"])
        case _:
            pass  # what is said of an action that was kept; the files of the run know more
    return None


def around(unit: str) -> Iterator[str]:
    """The unit and those around it, the outermost first: of ``a/b[2]/c`` also ``a`` and ``a/b``."""
    parts = unit.split("/")
    for count in range(1, len(parts) + 1):
        path = "/".join(parts[:count])
        yield path.rpartition("[")[0] if path.endswith("]") and count < len(parts) else path
