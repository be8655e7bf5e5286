"""A new run that starts where another one stood: a checkpoint restored, or a run of an older program.

History is never rewritten: the other run stays as it is, and the document of the new one names it.
"""

from collections.abc import Mapping

from pipex_core.engine.journal import Journal, open_journal
from pipex_core.engine.keeping import header_of
from pipex_core.engine.migration import Carried, Origin
from pipex_core.engine.opening import document_key, document_schema, id_length
from pipex_core.engine.records import StepRecord, error_json
from pipex_core.engine.services import Services
from pipex_core.jsonvalue import Json, canonical_bytes


async def adopt(
    carried: Carried,
    origin: Origin,
    *,
    services: Services,
    file: str,
    is_finished: bool = False,
) -> str:
    """Make a run with these steps done; gives its id.

    Args:
        carried: What is done.
        origin: Of what; without a document, plan and inputs are unknown, and resuming asks for ``force``.
        services: Of this process.
        file: Pipeline file that it goes on with.
        is_finished: Whether nothing is left to do.

    Raises:
        StoreError: The store failed.
    """
    run_id = services.ids.token(id_length)
    known = origin.document
    document: dict[str, Json] = {
        "schema": document_schema,
        "run_id": run_id,
        "root_run_id": run_id,
        "parent_run_id": known.get("run_id"),
        "workflow": carried.workflow,
        "file": file,
        "inputs": known.get("inputs", {}),
        "plan_digest": known.get("plan_digest"),
        "inputs_digest": known.get("inputs_digest"),
        "step_digests": known.get("step_digests", {}),
        "created_at": services.clock.now().isoformat(),
        "options": known.get("options", {}),
        "origin": dict(origin.facts),
    }
    journal = open_journal(
        services.journals, run_id, clock=services.clock, faults=services.faults, hold=services.hold
    )
    try:
        journal.start(header_of(document, services))
        await _write(journal, carried)
        services.journals.blobs(run_id).put(document_key, canonical_bytes(document))
        await journal.close("succeeded" if is_finished else None)
    finally:
        journal.release()
    return run_id


async def _write(journal: Journal, carried: Carried) -> None:
    for record in carried.records:
        journal.append_soon({**_end(record), **await journal.field("result", record.stored())})
    taken = {
        "spent_nanousd": carried.spent_nanousd,
        "calls": carried.calls,
        "tokens": carried.tokens,
        "provider": carried.provider,
    }
    await journal.append({"t": "note", "text": "the run starts here", "carried": taken})


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
