"""What a run keeps: its document, its journal, its checkpoints, its crash reports; and finding it again."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pipex_core.engine.checkpoint import Checkpoint, Checkpoints, Loaded
from pipex_core.engine.fold import RunState
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.records import StepRecord
from pipex_core.engine.recovery import CrashFacts, FailPipeline, crash_report
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError, ErrorRecord, StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest, equal, parse
from pipex_core.llm.cost import Ledger
from pipex_core.ports import BlobStore
from pipex_core.spec.plan import Plan

document_schema: Final = "pipex.document/1"
document_key: Final = "run.json"
id_length: Final = 20
save_waits_s: Final = (1.0, 2.0, 4.0, 8.0)  # together below the 30 s that a save may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which run is to be opened.

    Attributes:
        run_id: Of the run to make or to resume; None for a new id.
        resume: Whether the run must exist.
        force: Resume although plan or inputs changed.
        extra: More fields of the document of a new run.
    """

    run_id: str | None = None
    resume: bool = False
    force: bool = False
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A run that may be executed now.

    Attributes:
        started: When it was first started.
        is_resumed: Whether it goes on from an earlier process.
        warnings: (code, message) of what was found on the way.
        saved: Payload of the newest good checkpoint, or None.
    """

    keeper: "Keeper"
    started: datetime
    is_resumed: bool = False
    warnings: tuple[tuple[str, str], ...] = ()
    saved: Mapping[str, Json] | None = None


class Keeper:
    """The files of one run that is being executed."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        blobs: BlobStore,
        services: Services,
        document: Mapping[str, Json],
    ) -> None:
        self.journal = journal
        self._plan = plan
        self._blobs = blobs
        self._services = services
        self._document = document
        self._checkpoints = Checkpoints(blobs, faults=services.faults)
        self._seq = 0
        self._previous: str | None = None
        self._encoded: dict[str, bytes] = {}

    def continue_from(self, seq: int, sha256: str) -> None:
        """Number checkpoints after one that exists."""
        self._seq, self._previous = seq, sha256

    def add(self, record: StepRecord) -> None:
        """Take the record of a finished step into the next checkpoints."""
        self._encoded[record.name] = canonical_bytes(record.stored())

    async def save(self, variables: Mapping[str, Json], ledger: Ledger) -> int:
        """Save a checkpoint of the steps added so far; its number.

        Raises:
            StoreError: ``checkpoint_not_saved``, the store failed for longer than may be waited.
        """
        checkpoint = self._checkpoint()
        payload = self._payload(variables, ledger)
        for wait_s in (*save_waits_s, None):
            try:
                with self._services.hold():
                    saved = await asyncio.to_thread(self._checkpoints.save, checkpoint, payload)
                break
            except StoreError as error:
                if wait_s is None or error.detail == "storage_full":
                    raise
            await self._services.clock.sleep(wait_s)
        self._seq, self._previous = checkpoint.seq, saved.sha256
        self.journal.append_soon(
            {
                "t": "checkpoint",
                "seq": checkpoint.seq,
                "sha256": saved.sha256,
                "backends": ["local"],
            }
        )
        return checkpoint.seq

    async def report(self, error: ErrorRecord, record: StepRecord | None, ledger: Ledger) -> None:
        """Write the crash report of a run that ended badly.

        Raises:
            StoreError: It cannot be written.
        """
        versions = self._checkpoints.versions()
        row = 8 if record is None else record.decision.get("row", 8)
        facts = CrashFacts(
            run_id=self.journal.run_id,
            root_run_id=self._document["root_run_id"],
            scope=self.journal.scope,
            workflow=self._plan.name,
            plan_digest=self._plan.digest,
            inputs_digest=self._document["inputs_digest"],
            host=self._services.process.host,
            version=self._services.process.version,
            at=self._services.clock.now().isoformat(timespec="milliseconds"),
            unit=error.path,
            attempt=1 if record is None else record.attempts,
            action=FailPipeline(row),
            in_doubt=self.journal.state.in_doubt,
            journal={"n": self.journal.written - 1},
            checkpoints=[
                {"seq": ref.seq, "verdict": self._checkpoints.verify(ref)} for ref in versions
            ],
            budget={
                "spent_nanousd": ledger.spent.nanousd,
                "reserved_nanousd": ledger.reserved.nanousd,
            },
        )
        number = sum(1 for _ in self._blobs.list("crash/")) + 1
        data = canonical_bytes(crash_report(error, facts))
        with self._services.hold():
            await asyncio.to_thread(self._blobs.put, f"crash/{number}.json", data)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            run_id=self.journal.run_id,
            root_run_id=self._document["root_run_id"],
            workflow=self._plan.name,
            seq=self._seq + 1,
            epoch=self.journal.epoch,
            journal_n=self.journal.written,
            plan_digest=self._plan.digest,
            inputs_digest=self._document["inputs_digest"],
            step_digests={
                step.name: step.digest for step in self._plan.steps if step.name in self._encoded
            },
            created_at=self._services.clock.now().isoformat(timespec="milliseconds"),
            prev_sha256=self._previous,
        )

    def _payload(self, variables: Mapping[str, Json], ledger: Ledger) -> bytes:
        """The state as canonical JSON. A record is encoded once: there is a checkpoint per step."""
        spent = ledger.spent
        parts = {
            "ledger": canonical_bytes(
                {"spent_nanousd": spent.nanousd, "tokens": spent.tokens, "calls": spent.calls}
            ),
            "provider": canonical_bytes(self._services.provider_state.save()),
            "records": _object(self._encoded),
            "variables": canonical_bytes(dict(variables)),
        }
        return _object(parts)


def _object(parts: Mapping[str, bytes]) -> bytes:
    """Canonical JSON of a map whose values are encoded."""
    # Names of steps have no characters outside of the basic plane, so code points sort as RFC 8785 asks.
    pairs = (canonical_bytes(name) + b":" + parts[name] for name in sorted(parts))
    return b"{" + b",".join(pairs) + b"}"


async def open_run(
    plan: Plan, inputs: Mapping[str, Json], *, services: Services, wanted: Wanted
) -> Opened:
    """Make a run, or find one that is to go on; its journal is open and its document durable.

    Raises:
        ConfigError: ``unknown_run``, ``run_exists``, ``run_finished`` or ``checkpoint_mismatch``.
        RunLocked: Another live process writes the run.
        StoreError: ``journal_damaged``, ``state_lost``, ``schema_too_new``, or the store failed.
    """
    run_id = wanted.run_id or services.ids.token(id_length)
    known = _document_of(run_id, services) if wanted.resume else None
    with services.hold():
        journal = await asyncio.to_thread(
            open_journal,
            services.journals,
            run_id,
            clock=services.clock,
            faults=services.faults,
            hold=services.hold,
        )
    try:
        if known is None:
            return await _created(plan, inputs, services, wanted, journal)
        return await _resumed(plan, inputs, services, wanted, journal, known)
    except BaseException:
        journal.release()
        raise


def header_of(document: Mapping[str, Json], services: Services) -> dict[str, Json]:
    """What the segments of a run's journals say about it."""
    process = services.process
    return {
        **{n: document[n] for n in ("run_id", "root_run_id", "plan_digest", "inputs_digest")},
        "pipex_version": process.version,
        "host": process.host,
        "pid": process.pid,
    }


async def _created(
    plan: Plan,
    inputs: Mapping[str, Json],
    services: Services,
    wanted: Wanted,
    journal: Journal,
) -> Opened:
    run_id = journal.run_id
    if journal.state.records:
        message = f"run {run_id} exists already; go on with it by `pipex resume {run_id}`"
        raise ConfigError(message, code="run_exists")
    started = services.clock.now()
    document = {
        "schema": document_schema,
        "run_id": run_id,
        "root_run_id": run_id,
        "parent_run_id": None,
        "workflow": plan.name,
        "file": plan.spec.source.file,
        "inputs": dict(inputs),
        "plan_digest": plan.digest,
        "inputs_digest": digest(dict(inputs)),
        "step_digests": {step.name: step.digest for step in plan.steps},
        "created_at": started.isoformat(),
        **wanted.extra,
    }
    blobs = services.journals.blobs(run_id)
    # The journal first: a document without a journal is then always a loss, never a fresh start.
    journal.start(header_of(document, services))
    await journal.append({"t": "note", "text": "the run is created"})
    with services.hold():
        await asyncio.to_thread(blobs.put, document_key, canonical_bytes(document))
    return Opened(keeper=Keeper(plan, journal, blobs, services, document), started=started)


async def _resumed(
    plan: Plan,
    inputs: Mapping[str, Json],
    services: Services,
    wanted: Wanted,
    journal: Journal,
    document: Mapping[str, Json],
) -> Opened:
    run_id, state = journal.run_id, journal.state
    if state.status == "succeeded":
        message = f"run {run_id} has succeeded; `pipex run` starts a new one"
        raise ConfigError(message, code="run_finished")
    blobs = services.journals.blobs(run_id)
    loaded = Checkpoints(blobs, faults=services.faults).latest()
    _require_whole(run_id, state, loaded)
    changed = _changed(plan, inputs, document)
    if changed and not wanted.force:
        raise ConfigError(
            f"run {run_id} was started with something else: {', '.join(changed)} changed;"
            " undo the change, or go on with --force, which redoes what changed",
            code="checkpoint_mismatch",
        )
    redone = _forget(state, plan, inputs, document) if changed else []
    journal.start(header_of(document, services))
    await journal.append({"t": "note", "text": "the run is resumed"})
    keeper = Keeper(plan, journal, blobs, services, document)
    if loaded is not None:
        keeper.continue_from(loaded.checkpoint.seq, loaded.sha256)
    return Opened(
        keeper=keeper,
        started=datetime.fromisoformat(document["created_at"]),
        is_resumed=True,
        warnings=tuple(_findings(journal, loaded, redone)),
        saved=None if loaded is None else loaded.payload,
    )


def _document_of(run_id: str, services: Services) -> Mapping[str, Json]:
    """The document of a run.

    Raises:
        ConfigError: ``unknown_run``.
    """
    try:
        data = services.journals.blobs(run_id).get(document_key)
    except StoreError as exc:
        if exc.code not in {"not_found", "path_denied"}:
            raise
        message = f"there is no run {run_id!r}; `pipex checkpoint list` shows those there are"
        raise ConfigError(message, code="unknown_run") from exc
    document: Mapping[str, Json] = parse(data.decode("utf-8", "surrogatepass"))
    if document["schema"] != document_schema:
        message = f"run {run_id} was written by a newer pipex ({document['schema']})"
        raise StoreError(message, code="schema_too_new")
    return document


def _require_whole(run_id: str, state: RunState, loaded: Loaded | None) -> None:
    """Refuse a journal that lacks its beginning or its end.

    Raises:
        StoreError: ``state_lost`` or ``journal_damaged``.
    """
    if loaded is None and not state.records:
        message = f"the journal and the checkpoints of run {run_id} are gone; start a new run"
        raise StoreError(message, code="state_lost")
    if loaded is not None and loaded.checkpoint.journal_n > state.records:
        raise StoreError(
            f"the journal of run {run_id} ends at record {state.records}, but checkpoint"
            f" {loaded.checkpoint.seq} was saved after {loaded.checkpoint.journal_n};"
            f" restore the missing segments, or look with `pipex journal verify {run_id}`",
            code="journal_damaged",
        )


def _changed(plan: Plan, inputs: Mapping[str, Json], document: Mapping[str, Json]) -> list[str]:
    """Document paths of what differs from the run's own plan and inputs."""
    changed = [f"steps.{name}" for name in _changed_steps(plan, document)]
    if plan.digest != document["plan_digest"] and not changed:
        changed.append("workflow")
    return [*changed, *(f"inputs.{name}" for name in _changed_inputs(inputs, document))]


def _changed_steps(plan: Plan, document: Mapping[str, Json]) -> list[str]:
    before = document["step_digests"]
    now = {step.name: step.digest for step in plan.steps}
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]


def _changed_inputs(inputs: Mapping[str, Json], document: Mapping[str, Json]) -> list[str]:
    before = document["inputs"]
    return sorted(
        name
        for name in {**before, **inputs}
        if (name in before) != (name in inputs) or not equal(before[name], inputs[name])
    )


def _forget(
    state: RunState, plan: Plan, inputs: Mapping[str, Json], document: Mapping[str, Json]
) -> list[str]:
    """Drop from the state what has to be done again, and name it.

    Changed steps and all that depend on them; all steps when an input or the workflow itself changed.
    """
    stale = set(_changed_steps(plan, document))
    if _changed_inputs(inputs, document) or not stale:
        stale.update(step.name for step in plan.steps)
    for step in plan.steps:
        if not stale.isdisjoint(step.depends_on):
            stale.add(step.name)
    redone = [name for name in stale if state.finished(name) is not None]
    for path in list(state.units):
        if path.partition("/")[0].partition("[")[0] in stale:
            del state.units[path]
    return sorted(redone)


def _findings(
    journal: Journal, loaded: Loaded | None, redone: list[str]
) -> Iterator[tuple[str, str]]:
    if journal.torn is not None:
        yield "journal_torn", journal.torn.message
    if loaded is not None:
        for ref in loaded.damaged:
            yield "checkpoint_damaged", f"checkpoint {ref.seq} is damaged; an older one was read"
    if journal.state.in_doubt:
        units = ", ".join(sorted({call["unit"] for call in journal.state.in_doubt}))
        yield "in_doubt", f"calls of {units} may have been billed without an answer"
    if redone:
        yield "redone", f"finished steps that are done again: {', '.join(redone)}"
