"""The files of a run that is being executed: its journal, its checkpoints, its crash reports."""

import asyncio
import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from pipex_core.engine.artifacts import artifacts_of
from pipex_core.engine.checkpoint import Checkpoint, Checkpoints, Saved
from pipex_core.engine.crash import CrashFacts, UnitHistory, crash_report, history_of
from pipex_core.engine.execution import Execution
from pipex_core.engine.journal import Journal
from pipex_core.engine.records import RunResult, StepRecord
from pipex_core.engine.recovery import FailPipeline
from pipex_core.engine.services import Services
from pipex_core.engine.snapshot import RunningState, Snapshot, blob_key
from pipex_core.errors import ErrorRecord, StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, digest, parse, short
from pipex_core.llm.cost import Ledger
from pipex_core.ports import BlobStore, key_part
from pipex_core.spec.model import PipelineSpec, Shapes
from pipex_core.spec.names import session_names
from pipex_core.spec.plan import Plan

save_waits_s: Final = (1.0, 2.0, 4.0, 8.0)  # together below the 30 s that a save may take


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
        kept = services.checkpoint_blobs(journal.run_id)
        self._checkpoints = Checkpoints(kept, faults=services.faults)
        stores = services.checkpoints
        self._backends = ["local"] if stores is None else list(stores.backends)
        self._seq = 0
        self._previous: str | None = None
        self._saving = asyncio.Lock()
        self._digest_of = {step.name: step.digest for step in plan.steps}
        self._state = RunningState()

    def continue_from(self, seq: int, sha256: str) -> None:
        """Number checkpoints after one that exists."""
        self._seq, self._previous = seq, sha256

    def add(self, record: StepRecord) -> None:
        """Take the record of a finished step into the next checkpoints."""
        encoded = canonical_bytes(record.stored()) if record.encoded is None else record.encoded
        self._state.add(record.name, encoded, self._digest_of[record.name])
        self._state.write(record.variables)

    def start(self, variables: Mapping[str, Json]) -> None:
        """Take in the variables that the run starts with."""
        self._state.write(variables)

    async def save(self, ledger: Ledger, *, at: str = "", label: str | None = None) -> int:
        """Save a checkpoint of the steps added so far; its number.

        Args:
            ledger: What was spent.
            at: Path of the step that asks for it, for the positions of the loops around it.
            label: Pins it, so that it is kept however many follow.

        Raises:
            StoreError: ``checkpoint_not_saved``, the store failed for longer than may be waited.
        """
        # One after another: each names the one before it.
        async with self._saving:
            snapshot = self._snapshot(ledger, at)
            saved = await self._saved(snapshot, label)
            self._state.saved(snapshot)
            self._seq, self._previous = saved.ref.seq, saved.sha256
        facts = {"seq": saved.ref.seq, "sha256": saved.sha256, "backends": self._backends}
        self.journal.append_soon({"t": "checkpoint", **facts})
        return saved.ref.seq

    async def _saved(self, snapshot: Snapshot, label: str | None) -> Saved:
        made: list[Checkpoint] = []

        def work() -> Saved:
            # Here what the journal holds is known; another try saves the same.
            made.append(made[0] if made else self._checkpoint())
            saved = self._checkpoints.save(made[0], snapshot)
            if label is not None:
                self._checkpoints.pin(saved.ref, label)
            return saved

        waits_s = list(save_waits_s)
        while True:
            try:
                return await self.journal.after_writing(work)
            except StoreError as error:
                if not waits_s or error.detail == "storage_full":
                    raise
            await self._services.clock.sleep(waits_s.pop(0))

    async def rotate(self) -> None:
        """Delete the checkpoints that the run does not keep beyond its end.

        Raises:
            StoreError: One could not be deleted.
        """
        await self.journal.after_writing(self._checkpoints.rotate)

    async def keep_artifacts(self, result: RunResult) -> None:
        """Keep the large values that the document of the run names.

        Raises:
            StoreError: They cannot be kept.
        """
        found = list(artifacts_of(result.as_json))
        with self._services.hold():
            for sha256, data in found:
                await asyncio.to_thread(self._blobs.put, blob_key(sha256), data)

    async def report(
        self,
        error: ErrorRecord,
        record: StepRecord | None,
        ledger: Ledger,
        *,
        undo_open: Sequence[Json] = (),
    ) -> None:
        """Write the crash report of a run that ended badly.

        Raises:
            StoreError: It cannot be written.
        """
        history = UnitHistory()
        if error.path is not None:
            history = await self.journal.after_writing(
                partial(history_of, self.journal.records(), error.path)
            )
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
            history=history,
            causes=self._causes(history, record),
            undo_open=undo_open,
            folder=self._folder(),
            in_doubt=self.journal.state.in_doubt,
            journal={"n": self.journal.written - 1, "epoch": self.journal.epoch},
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

    def _causes(
        self, history: UnitHistory, record: StepRecord | None
    ) -> Sequence[Mapping[str, Json]]:
        """What led to the error: of the unit itself, else of the step around it."""
        stored = None if history.end is None else self.journal.value("result", history.end)
        inner = () if stored is None else StepRecord.from_stored(stored).causes
        return inner or (() if record is None else record.causes)

    def _folder(self) -> str | None:
        """Where the journals are kept; None for a store that is no folder."""
        place = self._blobs.url()
        return None if ":" in place else posixpath.dirname(place)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            run_id=self.journal.run_id,
            root_run_id=self._document["root_run_id"],
            workflow=self._plan.name,
            seq=self._seq + 1,
            epoch=self.journal.epoch,
            journal_n=self.journal.written + self.journal.state.lost,
            plan_digest=self._plan.digest,
            inputs_digest=self._document["inputs_digest"],
            created_at=self._services.clock.now().isoformat(timespec="milliseconds"),
            prev_sha256=self._previous,
        )

    def _snapshot(self, ledger: Ledger, at: str) -> Snapshot:
        spent = ledger.spent
        amounts = {"spent_nanousd": spent.nanousd, "tokens": spent.tokens, "calls": spent.calls}
        provider = self._services.provider_state.save()
        return self._state.snapshot(
            {"ledger": amounts, "loops": loop_positions(at), "provider": provider}
        )


def loop_positions(path: str) -> dict[str, int]:
    """The loops around a step, by the path of the loop: the number of the iteration that it is in."""
    return {path[: found.start()]: int(found[1]) for found in _iteration.finditer(path)}


_iteration: Final = re.compile(r"\[(\d+)\]/")


def kept_variables(execution: Execution, spec: PipelineSpec) -> dict[str, Mapping[str, Json]]:
    """The variables of each session that a pipeline writes: what earlier runs kept.

    Raises:
        StoreError: They cannot be read.
    """
    return variables_of_sessions(execution.session_variables, spec, execution.services.shapes)


def variables_of_sessions(
    store: BlobStore | None, spec: PipelineSpec, shapes: Shapes
) -> dict[str, Mapping[str, Json]]:
    """The same from a store; without one every session is empty.

    Raises:
        StoreError: They cannot be read.
    """
    names = sorted(session_names(spec, shapes))
    return {name: _stored_variables(store, name) for name in names}


async def keep_variables(record: StepRecord, execution: Execution) -> None:
    """Keep the variables of sessions that a finished step wrote, for later runs.

    A run that stops before it comes here has the step's record, and comes here again. The step
    succeeded, so what cannot be kept is a warning.
    """
    store = execution.session_variables
    if store is None or not record.session:
        return
    try:
        for name, values in record.session.items():
            data = canonical_bytes({**_stored_variables(store, name), **values})
            with execution.services.hold():
                await asyncio.to_thread(store.put, _variables_key(name), data)
    except StoreError as error:
        message = f"variables of {record.name} were not kept for later runs: {error.message}"
        execution.warn(error.code, message, step=record.name)


def _stored_variables(store: BlobStore | None, name: str) -> Mapping[str, Json]:
    key = _variables_key(name)
    if store is None or not store.exists(key):
        return {}
    try:
        values = parse(store.get(key).decode("utf-8", "surrogatepass"))
    except ValueError as exc:
        raise StoreError(f"the variables of session {name!r} are damaged: {exc}") from exc
    if not isinstance(values, Mapping):
        raise StoreError(f"the variables of session {name!r} are damaged: they are no object")
    return values


def _variables_key(name: str) -> str:
    return f"session_variables/{key_part(name)[:80]}-{short(digest(name))}.json"


def header_of(document: Mapping[str, Json], services: Services) -> dict[str, Json]:
    """What the segments of a run's journals say about it."""
    process = services.process
    return {
        **{n: document[n] for n in ("run_id", "root_run_id", "plan_digest", "inputs_digest")},
        "pipex_version": process.version,
        "host": process.host,
        "pid": process.pid,
    }
