"""What is kept of a step and of a run: records, their stored form, and the JSON that people see.

A record has two forms. ``as_json`` is the public one of the pipeline language (money in USD);
``stored`` is the one of journals, checkpoints and Dagster payloads: exact (money in nano-USD), and with
what later steps need (variables written, names given).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from pipex_core.engine.artifacts import Keep, forgotten, large_bytes, shown_record, shown_values
from pipex_core.engine.encoding import Encoded
from pipex_core.errors import ErrorRecord
from pipex_core.jsonvalue import Json, canonical_bytes
from pipex_core.llm.session import Said
from pipex_core.steps.blocks import Signal, Written
from pipex_core.steps.contract import Tokens
from pipex_core.steps.prompts import indented

StepStatus = Literal["succeeded", "skipped", "failed"]
RunStatus = Literal["succeeded", "failed", "cancelled", "invalid"]

run_schema = "pipex.run/1"


def usd(nanousd: int) -> float:
    """An amount as the number that JSON documents show."""
    return nanousd / 1_000_000_000


def error_json(error: ErrorRecord | None) -> dict[str, Json] | None:
    """An error as records show it."""
    if error is None:
        return None
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "path": error.path,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """The one result of a step that was reached.

    Attributes:
        cost_nanousd: Of the step and of everything below it, failed attempts included.
        attempts: Tries of the step's own work; 0 when skipped.
        duration_ms: On the run's clock, waits included.
        variables: Global variables that the step wrote, in order of writing.
        session: Variables of sessions that it wrote, by name of the session.
        loop_variables: Those that end with the iteration around it.
        said: Exchanges that sessions gained by it and its nested steps.
        signal: What it does to the loop around it, or None.
        aliases: Names that stand for the step's result from now on.
        files: Paths below the output directory that it and its nested steps wrote.
        ends_run: Of a failed step: whether the run ends with it.
        retry_after_s: Of a parked step: the wait that the service asked for.
        decision: Of a failed step: row and strategy of the recovery table.
        causes: Of a failed step: its error and what led to it, with frames; for crash reports only.
        encoded: Canonical JSON of the stored form, once somebody made it.
    """

    name: str
    type: str
    status: StepStatus = "succeeded"
    text: str | None = None
    data: Json = None
    model: str | None = None
    cost_nanousd: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    attempts: int = 1
    duration_ms: int = 0
    error: ErrorRecord | None = None
    degraded: bool = False
    metadata: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    session: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    loop_variables: Mapping[str, Json] = field(default_factory=dict)
    said: Sequence[Said] = ()
    signal: Signal | None = None
    aliases: Sequence[str] = ()
    files: Sequence[str] = ()
    ends_run: bool = False
    retry_after_s: float | None = None
    decision: Mapping[str, Json] = field(default_factory=dict)
    causes: Sequence[Mapping[str, Json]] = field(default=(), compare=False)
    encoded: Encoded | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def success(self) -> bool:
        """Whether later steps may count on it: succeeded, or skipped by its condition."""
        return self.status != "failed"

    @property
    def stops_all(self) -> bool:
        """Whether the run ends with it whatever the steps around it make of it.

        Budgets, limits of the run, cancellation, and waits that are too long to be slept.
        """
        return self.ends_run and self.decision.get("row") in _rows_that_stop_all

    @property
    def written(self) -> Written:
        """Everything that it wrote."""
        return Written(
            variables=self.variables,
            session=self.session,
            loop=self.loop_variables,
            said=self.said,
        )

    def as_json(self) -> dict[str, Json]:
        """The record of section 16.1."""
        return {
            "name": self.name,
            "type": self.type,
            "status": self.status,
            "success": self.success,
            "skipped": self.status == "skipped",
            "degraded": self.degraded,
            "text": self.text,
            "data": self.data,
            "model": self.model,
            "cost_usd": usd(self.cost_nanousd),
            "tokens": {"input": self.tokens.input, "output": self.tokens.output},
            "attempts": self.attempts,
            "duration_ms": self.duration_ms,
            "error": error_json(self.error),
            "metadata": dict(self.metadata),
        }

    def stored(self) -> dict[str, Json]:
        """The exact form; fields that hold their default are left out."""
        whole: dict[str, Json] = {
            "name": self.name,
            "type": self.type,
            "status": self.status,
            "text": self.text,
            "data": self.data,
            "model": self.model,
            "cost_nanousd": self.cost_nanousd,
            "tokens": [self.tokens.input, self.tokens.output],
            "attempts": self.attempts,
            "duration_ms": self.duration_ms,
            "error": error_json(self.error),
            "degraded": self.degraded,
            "metadata": dict(self.metadata),
            # Pairs, because canonical JSON sorts keys and the order of writing has a meaning.
            "variables": _pairs(self.variables),
            "session": [[name, _pairs(values)] for name, values in self.session.items()],
            "loop_variables": _pairs(self.loop_variables),
            "said": [one.stored() for one in self.said],
            "signal": self.signal,
            "aliases": list(self.aliases),
            "files": list(self.files),
            "ends_run": self.ends_run,
            "retry_after_s": self.retry_after_s,
            "decision": dict(self.decision),
            "causes": [dict(cause) for cause in self.causes],
        }
        return {key: value for key, value in whole.items() if key in _always or value}

    def lasting(self, duration_ms: int) -> "StepRecord":
        """The record with this duration; the same one when it has it, as most fast steps do."""
        if self.duration_ms == duration_ms:
            return self
        return replace(self, duration_ms=duration_ms)

    def encode(self) -> Encoded:
        """Canonical JSON of the stored form; made once, as several things keep it.

        Raises:
            TypeError: Something in it is no JSON value; likewise ``ValueError``, ``RecursionError``.
        """
        if self.encoded is None:
            object.__setattr__(self, "encoded", Encoded(canonical_bytes(self.stored())))
        return cast("Encoded", self.encoded)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Json]) -> "StepRecord":
        """The record that ``stored`` came from."""
        error = stored.get("error")
        tokens = stored.get("tokens", (0, 0))
        return cls(
            name=stored["name"],
            type=stored["type"],
            status=stored["status"],
            text=stored["text"],
            data=stored["data"],
            model=stored.get("model"),
            cost_nanousd=stored.get("cost_nanousd", 0),
            tokens=Tokens(input=tokens[0], output=tokens[1]),
            attempts=stored["attempts"],
            duration_ms=stored.get("duration_ms", 0),
            error=None if error is None else ErrorRecord(**error),
            degraded=stored.get("degraded", False),
            metadata=stored.get("metadata", {}),
            variables=dict(stored.get("variables", ())),
            session={name: dict(values) for name, values in stored.get("session", ())},
            loop_variables=dict(stored.get("loop_variables", ())),
            said=tuple(Said.from_stored(one) for one in stored.get("said", ())),
            signal=stored.get("signal"),
            aliases=tuple(stored.get("aliases", ())),
            files=tuple(stored.get("files", ())),
            ends_run=stored.get("ends_run", False),
            retry_after_s=stored.get("retry_after_s"),
            decision=stored.get("decision", {}),
            causes=tuple(stored.get("causes", ())),
        )


def _pairs(values: Mapping[str, Json]) -> list[Json]:
    return [[name, value] for name, value in values.items()]


_rows_that_stop_all = frozenset({1, 4})  # of the recovery table
_always = frozenset({"name", "type", "status", "text", "data", "attempts", "tokens"})


def skipped(name: str, step_type: str, *, reason: str) -> StepRecord:
    """The record of a step whose condition does not hold."""
    return StepRecord(
        name=name, type=step_type, status="skipped", attempts=0, metadata={"reason": reason}
    )


def file_text(path: str, record: StepRecord) -> str:
    """What ``output_to_file`` writes (section 16.3)."""
    if path.endswith(".json"):
        value = {"text": record.text} if record.data is None else record.data
        return indented(value) + "\n"
    return indented(record.data) if record.text is None else record.text


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWarning:
    """Something about a run that its owner should know.

    Attributes:
        step: Top-level step, or None.
    """

    code: str
    message: str
    step: str | None = None

    def as_json(self) -> dict[str, Json]:
        """As ``warnings`` of a run show it."""
        return {"code": self.code, "message": self.message, "step": self.step}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run ended badly.

    Attributes:
        step: Top-level step, or None for errors of the run itself.
        retry_at: Of a parked run: when to resume it, ISO 8601.
    """

    code: str
    message: str
    step: str | None = None
    path: str | None = None
    retryable: bool = False
    retry_at: str | None = None

    def as_json(self) -> dict[str, Json]:
        """As ``error`` of a run shows it."""
        shown: dict[str, Json] = {
            "code": self.code,
            "message": self.message,
            "step": self.step,
            "path": self.path,
            "retryable": self.retryable,
        }
        return shown if self.retry_at is None else {**shown, "retry_at": self.retry_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended and what it made.

    Attributes:
        inputs: Effective inputs, defaults filled in.
        order: Top-level steps reached, in start order, skipped ones included.
        steps: Records of top-level steps in file order.
        variables: Global scope at the end.
        files: Paths written below the output directory, sorted, unique.
        calls: Provider calls started, failed ones included.
    """

    run_id: str
    workflow: str
    status: RunStatus
    started_at: str = ""
    finished_at: str = ""
    duration_ms: int = 0
    inputs: Mapping[str, Json] = field(default_factory=dict)
    order: Sequence[str] = ()
    steps: Mapping[str, StepRecord] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    files: Sequence[str] = ()
    cost_nanousd: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    calls: int = 0
    error: RunError | None = None
    warnings: Sequence[RunWarning] = ()

    @property
    def success(self) -> bool:
        """Whether the run succeeded."""
        return self.status == "succeeded"

    def as_json(self, keep: Keep = forgotten) -> dict[str, Json]:
        """The document ``pipex.run/1`` of section 27; ``keep`` is told the large values that it names."""
        return {
            "schema": run_schema,
            "run_id": self.run_id,
            "workflow": self.workflow,
            "status": self.status,
            "success": self.success,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "duration_ms": self.duration_ms,
            "inputs": shown_values(self.inputs, keep),
            "order": list(self.order),
            "steps": {name: _shown(record, keep) for name, record in self.steps.items()},
            "variables": shown_values(self.variables, keep),
            "outputs": shown_values(self.outputs, keep),
            "files": list(self.files),
            "cost_usd": usd(self.cost_nanousd),
            "tokens": {"input": self.tokens.input, "output": self.tokens.output},
            "calls": self.calls,
            "error": None if self.error is None else self.error.as_json(),
            "warnings": [warning.as_json() for warning in self.warnings],
        }


def _shown(record: StepRecord, keep: Keep) -> dict[str, Json]:
    # What was encoded for the journal tells at once that nothing in it is large.
    is_small = record.encoded is not None and len(record.encoded) <= large_bytes
    return record.as_json() if is_small else shown_record(record.as_json(), keep)
