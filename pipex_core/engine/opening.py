"""Making a run, or finding one that is to go on: what must be whole and equal before anything is sent."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipex_core.engine.checkpoint import Checkpoints, Loaded
from pipex_core.engine.documents import (
    document_of,
    document_schema,
    id_length,
    keep_document,
)
from pipex_core.engine.fold import RunState
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.keeping import Keeper, header_of
from pipex_core.engine.regaining import regained
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError, StoreError
from pipex_core.jsonvalue import Json, digest, equal
from pipex_core.spec.plan import Plan


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

    keeper: Keeper
    started: datetime
    is_resumed: bool = False
    warnings: tuple[tuple[str, str], ...] = ()
    saved: Mapping[str, Json] | None = None


async def open_run(
    plan: Plan, inputs: Mapping[str, Json], *, services: Services, wanted: Wanted
) -> Opened:
    """Make a run, or find one that is to go on; its journal is open and its document durable.

    Raises:
        ConfigError: ``unknown_run``, ``run_exists``, ``run_finished`` or ``checkpoint_mismatch``.
        RunLocked: Another live process writes the run.
        StoreError: ``journal_damaged``, ``state_lost``, ``schema_too_new``, or the store failed.
    """
    run_id = wanted.run_id or ""
    known, warnings = None, list(services.checkpoints.warnings if services.checkpoints else ())
    if wanted.resume:
        known = document_of(services, run_id)
        seq = await regained(services, known)
        warnings += [] if seq is None else [("journal_lost", _begun_anew(run_id, seq))]
    else:
        run_id = run_id or services.ids.token(id_length)
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
            opened = await _created(plan, inputs, services, wanted, journal)
        else:
            opened = await _resumed(plan, inputs, services, wanted, journal, known)
    except BaseException:
        journal.release()
        raise
    return replace(opened, warnings=(*warnings, *opened.warnings))


def _begun_anew(run_id: str, seq: int) -> str:
    return (
        f"this host has no journal of run {run_id}, which goes on from checkpoint {seq};"
        " what was asked after it is asked again, and may be paid twice"
    )


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
        **_identity(plan, inputs),
        "created_at": started.isoformat(),
        **wanted.extra,
    }
    blobs = services.journals.blobs(run_id)
    # The journal first: a document without a journal is then always a loss, never a fresh start.
    journal.start(header_of(document, services))
    await journal.append({"t": "note", "text": "the run is created"})
    with services.hold():
        await asyncio.to_thread(keep_document, services, document)
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
    loaded = Checkpoints(services.checkpoint_blobs(run_id), faults=services.faults).latest()
    _require_whole(run_id, state, loaded)
    if document["plan_digest"] is None and not wanted.force:
        message = (
            f"nobody knows what run {run_id} was started with; if it was this, go on with --force"
        )
        raise ConfigError(message, code="checkpoint_mismatch")
    changed = _changed(plan, inputs, document)
    if changed and not wanted.force:
        raise ConfigError(
            f"run {run_id} was started with something else: {', '.join(changed)} changed;"
            " undo the change, or go on with --force, which redoes what changed",
            code="checkpoint_mismatch",
        )
    redone: list[str] = []
    if document["plan_digest"] is None:
        # What an older program ran is not known; the one who forces it says that it fits.
        document = await _known_now(plan, inputs, services, document)
    elif changed:
        redone = _forget(state, plan, inputs, document)
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


async def _known_now(
    plan: Plan, inputs: Mapping[str, Json], services: Services, document: Mapping[str, Json]
) -> Mapping[str, Json]:
    """The document of a run from elsewhere, with the plan and the inputs that it goes on with."""
    known = {**document, **_identity(plan, inputs)}
    with services.hold():
        await asyncio.to_thread(keep_document, services, known)
    return known


def _identity(plan: Plan, inputs: Mapping[str, Json]) -> dict[str, Json]:
    """What a resumed run must be equal in."""
    return {
        "inputs": dict(inputs),
        "plan_digest": plan.digest,
        "inputs_digest": digest(dict(inputs)),
        "step_digests": {step.name: step.digest for step in plan.steps},
    }


def _require_whole(run_id: str, state: RunState, loaded: Loaded | None) -> None:
    """Refuse a journal that lacks its beginning or its end.

    Raises:
        StoreError: ``state_lost`` or ``journal_damaged``.
    """
    if loaded is None and not state.records:
        message = f"the journal and the checkpoints of run {run_id} are gone; start a new run"
        raise StoreError(message, code="state_lost")
    if loaded is not None and loaded.checkpoint.journal_n > state.records + state.lost:
        raise StoreError(
            f"the journal of run {run_id} ends at record {state.records}, but checkpoint"
            f" {loaded.checkpoint.seq} was saved after {loaded.checkpoint.journal_n};"
            f" restore the missing segments, or look with `pipex journal verify {run_id}`",
            code="journal_damaged",
        )


def _changed(plan: Plan, inputs: Mapping[str, Json], document: Mapping[str, Json]) -> list[str]:
    """Document paths of what differs from the run's own plan and inputs."""
    if document["plan_digest"] is None:
        return []
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
