"""What a journal says: records -> state. Everything that a resumed run knows comes from here.

A call with a durable ``done`` is answered; one that was begun in an earlier process and has no end is in
doubt: it counts as spent, because it may have been billed, and may be sent again. A unit that ended
well is finished; one that failed starts over without its own answers (they are what failed), while
finished units inside it stay finished. The process that writes the records knows the same of the units
inside of what it tries again, so a second try is as cheap as a resume.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.engine.frames import Record
from pipex_core.engine.transactions import TransactionState, around, take
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json
from pipex_core.llm.draws import Drawn

journal_schema: Final = "pipex.journal/1"
transaction_records: Final = ("txn_begin", "txn_commit", "txn_abort", "undo_done", "undo_failed")
passed_over: Final = frozenset(
    {"checkpoint", "fence", "seal", "rollback", "txn_undo"}
    | {"batch_intent", "batch_created", "batch_closed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A durable answer to a call: the record ``done``."""

    request: str
    done: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTry:
    """A tool call: the records ``tool_begin`` and, once it has ended, ``tool_done``."""

    begin: Mapping[str, Json]
    done: Mapping[str, Json] | None = None


@dataclass(slots=True, kw_only=True)
class Unit:
    """What is known of one step, task or case.

    Attributes:
        attempt: Number of the latest try, from 1; 0 when it never began.
        failed_tries: Tries since the last end that failed and were to be followed by another.
        end: The last ``unit_end``, or None while it has not ended.
        begun: Place of the latest begin among the records, from 1; 0 when it never began.
        ended: Place of the last end, likewise.
        answers: Answered calls of the latest try by ordinal.
        tries: Times that a call was begun in the latest try, by (ordinal, request).
        tools: Tool calls of the latest try by (ordinal, tool_use_id).
        warnings: Records of what was warned of since the latest begin, in it and in units inside of it.
    """

    attempt: int = 0
    failed_tries: int = 0
    end: Mapping[str, Json] | None = None
    begun: int = 0
    ended: int = 0
    answers: dict[int, Answer] = field(default_factory=dict)
    tries: dict[tuple[int, str], int] = field(default_factory=dict)
    tools: dict[tuple[int, str], ToolTry] = field(default_factory=dict)
    warnings: list[Mapping[str, Json]] = field(default_factory=list)

    def copy(self) -> "Unit":
        """The same, as it stands now."""
        return replace(
            self, answers=dict(self.answers), tries=dict(self.tries), tools=dict(self.tools)
        )

    def forget_answers(self) -> None:
        """Start over: what was answered, begun and carried out is not asked for again."""
        self.answers, self.tries, self.tools = {}, {}, {}

    @property
    def is_finished(self) -> bool:
        """Whether it is not to be executed again: it ended well, or the run went on after its failure."""
        return self.end is not None and (
            self.end["status"] != "failed" or self.end.get("final") is True
        )


never_begun: Final = Unit()  # only to be looked at: one for all


@dataclass(slots=True, kw_only=True)
class RunState:
    """The state of a run's journal.

    Attributes:
        header: The first ``open`` record; empty when there is none.
        units: By step path or ``case:<id>#<repeat>``.
        ended: Paths of units with a ``unit_end``, each once, in order of their first end.
        in_doubt: ``begin`` records of calls that may have been billed without an answer.
        spent_nanousd: Counted costs of all calls, those in doubt included.
        tokens: Input and output tokens of all answered calls.
        calls: Calls begun.
        status: Of the last ``close`` after which nothing was written, else None.
        provider: Of a journal of before ``drawn``: what the providers had counted; else None.
        drawn: Prepared answers that scripted providers gave to calls that ended.
        records: How many were folded; the next record has this number.
        followed: How many this process wrote since.
        lost: How many a repair could not keep.
        transactions: By their names.
    """

    header: Mapping[str, Json] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    in_doubt: list[Mapping[str, Json]] = field(default_factory=list)
    spent_nanousd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    status: str | None = None
    provider: Json = None
    drawn: list[Drawn] = field(default_factory=list)
    records: int = 0
    followed: int = 0
    lost: int = 0
    transactions: dict[str, TransactionState] = field(default_factory=dict)
    _inside: dict[str, set[str]] = field(default_factory=dict)
    _own_transactions: dict[str, TransactionState] = field(default_factory=dict)
    _begun: dict[tuple[str, int, str, int], Mapping[str, Json]] = field(default_factory=dict)

    def unit(self, path: str) -> Unit:
        """What is known of a unit; an empty one when nothing is."""
        return self.units.get(path) or Unit()

    def finished(self, path: str) -> Mapping[str, Json] | None:
        """The ``unit_end`` of a finished unit, or None when it is to be executed."""
        unit = self.units.get(path)
        return unit.end if unit is not None and unit.is_finished else None

    def add(self, record: Record) -> None:
        """Take in the next record.

        Raises:
            StoreError: ``schema_too_new``, a newer program wrote it.
        """
        self.records += 1
        kind = record["t"]
        effect = _effects.get(kind)
        if effect is not None:
            effect(self, record)
        elif kind not in passed_over and not record.get("optional"):
            raise StoreError(
                f"the journal holds records of the type {kind!r}, which a newer pipex wrote;"
                " resume with that version",
                code="schema_too_new",
            )

    def follow(self, record: Record) -> None:
        """Take in what this process writes of units inside of others, which may be tried again.

        What is inside of a unit that has ended well is forgotten: nobody asks for it any more.
        """
        self.followed += 1
        if record["t"] in transaction_records:
            undone = take(self._own_transactions, record)
            if undone is not None:
                self.forget_end(undone)
        unit = record.get("unit")
        effect = _effects_inside.get(record["t"])
        if unit is None or effect is None:
            return
        outer = _outer(unit)
        if outer is not None:
            self._inside.setdefault(outer, set()).add(unit)
            effect(self, record)
        if record["t"] == "unit_end" and record["status"] != "failed":
            self._forget_inside(unit)

    def _forget_inside(self, unit: str) -> None:
        for inner in self._inside.pop(unit, ()):
            self.units.pop(inner, None)
            self._forget_inside(inner)

    def _open(self, record: Record) -> None:
        if record["schema"] != journal_schema:
            raise StoreError(
                f"the journal has the schema {record['schema']}, this pipex knows {journal_schema}",
                code="schema_too_new",
            )
        self.header = self.header or record
        self.status = None

    def new_process(self) -> None:
        """Count the calls that the last process left open as in doubt."""
        for begin in self._begun.values():
            self.in_doubt.append(begin)
            self.spent_nanousd += begin["reserved_nanousd"]
        self._begun.clear()

    def _note(self, record: Record) -> None:
        """Notes are for people, but for two: where a run started, and what a repair could not keep."""
        self.lost += record.get("lost", 0)
        carried = record.get("carried")
        if carried is not None:
            self.spent_nanousd += carried["spent_nanousd"]
            self.calls += carried["calls"]
            self.input_tokens += carried["tokens"]
            self.provider = carried["provider"]

    def _close(self, record: Record) -> None:
        self.status = record["status"]

    def _unit_begin(self, record: Record) -> None:
        unit = self.units.setdefault(record["unit"], Unit())
        if unit.end is not None:
            unit.forget_answers()
            unit.end = None
        unit.attempt, unit.begun = record["attempt"], self.records + self.followed
        unit.warnings = []

    def _unit_end(self, record: Record) -> None:
        unit = self.units.setdefault(record["unit"], Unit())
        unit.attempt, unit.failed_tries, unit.end = record["attempt"], 0, record
        unit.ended = self.records + self.followed
        # Finished or failed, its answers are not asked for again; ten thousand cases are not kept.
        unit.forget_answers()

    def _warning(self, record: Record) -> None:
        for path in around(record["unit"]) if "unit" in record else ():
            self.units.setdefault(path, Unit()).warnings.append(record)

    def _retry_unit(self, record: Record) -> None:
        unit = self.units.setdefault(record["unit"], Unit())
        unit.failed_tries += 1
        # What failed were its answers.
        unit.forget_answers()

    def _begin(self, record: Record) -> None:
        self.calls += 1
        self._begun[_call_of(record)] = record
        self._tried(record)

    def _tried(self, record: Record) -> None:
        unit = self.units.setdefault(record["unit"], Unit())
        call = (record["ordinal"], record["request"])
        unit.tries[call] = max(unit.tries.get(call, 0), record["attempt"])

    def _done(self, record: Record) -> None:
        self._settle(record)
        usage = record["usage"]
        self.input_tokens += sum(usage.get(name, 0) for name in input_classes)
        self.output_tokens += usage.get("output", 0)
        self._answered(record)

    def _answered(self, record: Record) -> None:
        unit = self.units.setdefault(record["unit"], Unit())
        unit.answers[record["ordinal"]] = Answer(request=record["request"], done=record)

    def _tool_begin(self, record: Record) -> None:
        unit = self.units.setdefault(record["unit"], Unit())
        unit.tools[record["ordinal"], record["tool_use_id"]] = ToolTry(begin=record)

    def _tool_done(self, record: Record) -> None:
        tools = self.units.setdefault(record["unit"], Unit()).tools
        call = record["ordinal"], record["tool_use_id"]
        tools[call] = ToolTry(begin=tools[call].begin if call in tools else record, done=record)

    def _transaction(self, record: Record) -> None:
        undone = take(self.transactions, record)
        if undone is not None:
            self.forget_end(undone)

    def forget_end(self, unit: str) -> None:
        """Have a unit executed again whose effects were undone, and with it the units around it."""
        for path in around(unit):
            known = self.units.get(path)
            if known is not None:
                known.forget_answers()
                known.end = None

    def _settle(self, record: Record) -> None:
        self._begun.pop(_call_of(record), None)
        self.provider = record.get("provider_state", self.provider)
        if "drawn" in record:
            self.drawn.append(Drawn(*record["drawn"]))
        self.spent_nanousd += record["cost_nanousd"]


input_classes: Final = ("input", "cache_read", "cache_write_5m", "cache_write_1h")

_effects: Final = {
    "open": RunState._open,  # noqa: SLF001 - the class's own table of what each record does
    "close": RunState._close,  # noqa: SLF001
    "note": RunState._note,  # noqa: SLF001
    "unit_begin": RunState._unit_begin,  # noqa: SLF001
    "unit_end": RunState._unit_end,  # noqa: SLF001
    "warning": RunState._warning,  # noqa: SLF001
    "retry_unit": RunState._retry_unit,  # noqa: SLF001
    "begin": RunState._begin,  # noqa: SLF001
    "done": RunState._done,  # noqa: SLF001
    "fail": RunState._settle,  # noqa: SLF001
    "tool_begin": RunState._tool_begin,  # noqa: SLF001
    "tool_done": RunState._tool_done,  # noqa: SLF001
    **dict.fromkeys(transaction_records, RunState._transaction),  # noqa: SLF001
}


# Without the accounts, which the process itself keeps.
_effects_inside: Final = {
    "begin": RunState._tried,  # noqa: SLF001
    "done": RunState._answered,  # noqa: SLF001
    **{
        name: _effects[name]
        for name in ("unit_begin", "unit_end", "retry_unit", "tool_begin", "tool_done")
    },
}


def _outer(unit: str) -> str | None:
    """The unit around a unit; None for a top-level step and for a case, whose id may hold slashes."""
    head, slash, _ = unit.rpartition("/")
    if not slash or (head.startswith("case:") and "#" not in head):
        return None
    return head.rpartition("[")[0] if head.endswith("]") else head


def fold(records: Iterable[Record]) -> RunState:
    """The state after all ``records``, as the next process finds it."""
    state = RunState()
    epoch = None
    for record in records:
        if record["epoch"] != epoch:
            state.new_process()
            epoch = record["epoch"]
        state.add(record)
    state.new_process()
    return state


def _call_of(record: Record) -> tuple[str, int, str, int]:
    return record["unit"], record["ordinal"], record["request"], record["attempt"]
