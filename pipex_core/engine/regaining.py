"""A journal begun anew from what is known of a run: on a host that never had it, or has lost it.

The journal is the truth of its host. Where only a checkpoint is left, the steps that it holds are
written into a new journal as finished, and from there the run goes on as any other one. What was asked
after the checkpoint is not known: it is asked again, and may be paid twice.
"""

from collections.abc import Mapping

from pipex_core.engine.checkpoint import Checkpoints, Loaded
from pipex_core.engine.documents import keep_document
from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.keeping import header_of
from pipex_core.engine.migration import Carried
from pipex_core.engine.records import StepRecord, error_json
from pipex_core.engine.services import CheckpointStores, Services
from pipex_core.errors import StoreError
from pipex_core.jsonvalue import Json

main_scope = "main"


def carried_of(loaded: Loaded) -> Carried:
    """What a checkpoint says was finished."""
    payload, ledger = loaded.payload, loaded.payload["ledger"]
    return Carried(
        workflow=loaded.checkpoint.workflow,
        records=[StepRecord.from_stored(one) for one in payload["records"].values()],
        at=loaded.checkpoint.created_at,
        spent_nanousd=ledger["spent_nanousd"],
        calls=ledger["calls"],
        tokens=ledger["tokens"],
        provider=payload["provider"],
    )


async def write_carried(journal: Journal, carried: Carried) -> None:
    """Write finished steps into a new journal, and what they cost.

    Raises:
        StoreError: The store failed.
    """
    for record in carried.records:
        journal.append_soon({**_end(record), **await journal.field("result", record.stored())})
    taken = {
        "spent_nanousd": carried.spent_nanousd,
        "calls": carried.calls,
        "tokens": carried.tokens,
        "provider": carried.provider,
    }
    await journal.append({"t": "note", "text": "the run starts here", "carried": taken})


async def regained(services: Services, document: Mapping[str, Json]) -> int | None:
    """Begin the journal of a run anew from its newest checkpoint, when this host has none.

    Returns:
        The number of the checkpoint; None when there is a journal, or nothing to begin it from.

    Raises:
        RunLocked: Another live process writes the run.
        StoreError: A store failed, or a newer program saved the checkpoint.
    """
    run_id = document["run_id"]
    stores = services.checkpoints
    if stores is None or services.journals.read_log(run_id, main_scope):
        return None
    loaded = _newest(stores, run_id, services)
    if loaded is None:
        return None
    journal = open_journal(
        services.journals, run_id, clock=services.clock, faults=services.faults, hold=services.hold
    )
    try:
        if journal.state.records:
            return None  # another process was quicker
        journal.start(header_of(document, services))
        await write_carried(journal, carried_of(loaded))
        # What the lost journal held beyond this counts as lost: checkpoints prove how much there was.
        lost = max(loaded.checkpoint.journal_n - journal.written, 0)
        text = f"the journal begins at checkpoint {loaded.checkpoint.seq}"
        await journal.append({"t": "note", "text": text, "lost": lost})
        keep_document(services, document)
        await journal.close()
    finally:
        journal.release()
    return loaded.checkpoint.seq


def _newest(stores: CheckpointStores, run_id: str, services: Services) -> Loaded | None:
    blobs = stores.blobs(run_id)
    loaded = Checkpoints(blobs, faults=services.faults).latest()
    if loaded is not None and loaded.checkpoint.run_id != run_id:
        message = f"the checkpoints at {blobs.url()} are of run {loaded.checkpoint.run_id}"
        raise StoreError(message, code="checkpoint_damaged")
    return loaded


def _end(record: StepRecord) -> Mapping[str, Json]:
    end: dict[str, Json] = {
        "t": "unit_end",
        "unit": record.name,
        "attempt": max(record.attempts, 1),
        "status": record.status,
        "error": error_json(record.error),
    }
    if record.status == "failed" and not record.ends_run:
        end["final"] = True
    return end
