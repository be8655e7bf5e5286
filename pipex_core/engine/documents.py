"""The document of a run: what it was started with, beside its journal and beside its checkpoints.

A checkpoint in a shared store is of use on another host only when that host learns what the run is, so
the document is kept there too.
"""

from collections.abc import Mapping
from typing import Final

from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError, StoreError
from pipex_core.jsonvalue import Json, canonical_bytes, parse

document_schema: Final = "pipex.document/1"
document_key: Final = "run.json"
id_length: Final = 20


def keep_document(services: Services, document: Mapping[str, Json]) -> None:
    """Store the document of a run, durably, wherever its files are.

    Raises:
        StoreError: The store failed.
    """
    run_id, data = document["run_id"], canonical_bytes(document)
    # The journal's own store comes last: with it the run exists.
    if services.checkpoints is not None:
        services.checkpoints.blobs(run_id).put(document_key, data)
    services.journals.blobs(run_id).put(document_key, data)


def document_of(services: Services, run_id: str) -> Mapping[str, Json]:
    """The document of a run, of this host or of the store that keeps the checkpoints.

    Raises:
        ConfigError: ``unknown_run``.
        StoreError: ``schema_too_new``, or the store failed.
    """
    try:
        data = _read(services, run_id)
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


def _read(services: Services, run_id: str) -> bytes:
    try:
        return services.journals.blobs(run_id).get(document_key)
    except StoreError as exc:
        if services.checkpoints is None or exc.code != "not_found":
            raise
    return services.checkpoints.blobs(run_id).get(document_key)
