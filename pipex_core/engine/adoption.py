"""A new run that starts where another one stood: a checkpoint restored, or a run of an older program.

History is never rewritten: the other run stays as it is, and the document of the new one names it.
"""

from pipex_core.engine.documents import document_schema, id_length, keep_document
from pipex_core.engine.journal import open_journal
from pipex_core.engine.keeping import header_of
from pipex_core.engine.migration import Carried, Origin
from pipex_core.engine.regaining import write_carried
from pipex_core.engine.services import Services
from pipex_core.jsonvalue import Json


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
        await write_carried(journal, carried)
        keep_document(services, document)
        await journal.close("succeeded" if is_finished else None)
    finally:
        journal.release()
    return run_id
