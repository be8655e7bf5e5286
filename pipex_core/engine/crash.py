"""Why a unit or a run ended badly, and the exact command to go on: the document ``pipex.crash/1``.

Everything in it can be read from the files of the run, so that it can be made for a process that was
killed as well; both forms differ in ``written_by`` only.
"""

import platform
import shlex
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipex_core.engine.recovery import Action, FailPipeline, class_of, strategy_of
from pipex_core.errors import ErrorRecord
from pipex_core.jsonvalue import Json

deepest_cause: Final = 8
installed: Final = ("/site-packages/", "/lib/python")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitHistory:
    """What a journal says of the tries of one unit.

    Attributes:
        attempts: Number, begin and end (wall clock, for display) and error code of each, in order.
        end: The record of its last end, or None.
    """

    attempts: Sequence[Mapping[str, Json]] = ()
    end: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashFacts:
    """What a crash report says beside the error.

    Attributes:
        unit: Step path, or None for an error of the run itself.
        history: Of that unit.
        causes: What led to the error, the error first: type, message, and frames without variables.
        in_doubt: Calls that may have been billed without an answer: unit and reserved cost.
        journal: ``n`` and ``epoch`` of the last durable record.
        checkpoints: ``seq`` and verdict, newest first.
        budget: ``spent_nanousd``, ``reserved_nanousd``.
        undo_open: Actions of a transaction that could not be undone.
        folder: Where the journals of runs are kept, or None when that is no folder.
    """

    run_id: str
    root_run_id: str
    scope: str
    workflow: str
    plan_digest: str
    inputs_digest: str
    host: str
    version: str
    at: str
    unit: str | None = None
    attempt: int = 1
    action: Action = field(default_factory=lambda: FailPipeline(8))
    history: UnitHistory = field(default_factory=UnitHistory)
    causes: Sequence[Mapping[str, Json]] = ()
    in_doubt: Sequence[Mapping[str, Json]] = ()
    journal: Mapping[str, Json] = field(default_factory=dict)
    checkpoints: Sequence[Mapping[str, Json]] = ()
    budget: Mapping[str, Json] = field(default_factory=dict)
    undo_open: Sequence[Json] = ()
    folder: str | None = None
    written_by: str = "process"


def crash_report(error: ErrorRecord, facts: CrashFacts) -> dict[str, Json]:
    """The document ``pipex.crash/1``."""
    return {
        "schema": "pipex.crash/1",
        "run_id": facts.run_id,
        "root_run_id": facts.root_run_id,
        "correlation_id": facts.root_run_id,
        "scope": facts.scope,
        "workflow": facts.workflow,
        "unit": facts.unit,
        "attempt": facts.attempt,
        "attempts": [dict(one) for one in facts.history.attempts],
        "at": facts.at,
        "error": {
            "code": error.code,
            "class": class_of(error.code),
            "message": error.message,
            "retryable": error.retryable,
            "path": error.path,
            "causes": [dict(cause) for cause in facts.causes],
        },
        "decision": {"row": facts.action.row, "strategy": strategy_of(facts.action)},
        "in_doubt": [
            {"unit": call["unit"], "reserved_nanousd": call["reserved_nanousd"]}
            for call in facts.in_doubt
        ],
        "journal": dict(facts.journal),
        "checkpoints": [dict(checkpoint) for checkpoint in facts.checkpoints],
        "budget": dict(facts.budget),
        "undo_open": list(facts.undo_open),
        "plan_digest": facts.plan_digest,
        "inputs_digest": facts.inputs_digest,
        "versions": {"pipex": facts.version, "python": platform.python_version()},
        "host": facts.host,
        "command": command_of(facts),
        "written_by": facts.written_by,
    }


def command_of(facts: CrashFacts) -> str:
    """What to type to go on, wherever it is typed."""
    words = ["pipex", "resume", facts.run_id]
    if facts.folder is not None:
        words += ["--checkpoint-dir", facts.folder]
    if facts.undo_open:
        words.append("--force")
    return shlex.join(words)


def history_of(records: Iterable[Mapping[str, Json]], unit: str) -> UnitHistory:
    """What the records of a journal say of the tries of a unit."""
    attempts: list[dict[str, Json]] = []
    end: Mapping[str, Json] | None = None
    for record in records:
        if record.get("unit") != unit:
            continue
        at = record.get("at")
        match record["t"]:
            case "unit_begin":
                attempt = {"attempt": record["attempt"], "began": at, "ended": None, "code": None}
                attempts.append(attempt)
            case "retry_unit" if attempts:
                attempts[-1] |= {"ended": at, "code": record["code"]}
            case "unit_end":
                end = record
                if attempts:
                    error = record.get("error")
                    attempts[-1] |= {"ended": at, "code": None if error is None else error["code"]}
            case _:
                pass  # calls and tools of the unit have tables of their own
    return UnitHistory(attempts=attempts, end=end)


def causes_of(error: BaseException, redact: Callable[[str], str]) -> list[dict[str, Json]]:
    """An error and what led to it, each with its frames in pipex and in code of users.

    Frames have no variables, and those of libraries are left out.
    """
    found: list[dict[str, Json]] = []
    known: BaseException | None = error
    while known is not None and len(found) < deepest_cause:
        frames = traceback.extract_tb(known.__traceback__)
        shown = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in frames
            if not any(part in frame.filename for part in installed)
        ]
        name = type(known).__qualname__
        found.append({"type": name, "message": redact(str(known)), "frames": shown})
        known = known.__cause__ or (None if known.__suppress_context__ else known.__context__)
    return found
