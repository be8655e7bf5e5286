"""Where a run's tables stand in a store of results, and how they get there: whole, checked, manifest last.

    <table>/suite_id=<s>/model_id=<m>/run_id=<r>/part-00000.parquet
    runs/suite_id=<s>/model_id=<m>/run_id=<r>/manifest.json

The three ids live in the path, percent-encoded, and in the file metadata; they are text whatever they
look like. A run is complete when its manifest is there, and the manifest names every file with its hash.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import hexdigits

import pyarrow as pa

from pipex_core.errors import StoreError
from pipex_core.evals.table import TableName, row_digest, rows_per_part, to_parquet
from pipex_core.jsonvalue import Json, canonical, canonical_bytes, digest_bytes, parse
from pipex_core.ports import BlobStore, key_part

manifest_schema = "pipex.manifest/1"
digested: tuple[TableName, ...] = ("responses", "scores")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """The partition of a run."""

    suite_id: str
    model_id: str
    run_id: str

    def key(self, table: str, name: str) -> str:
        """Key of a file of one table, such as ``part-00000.parquet``."""
        return (
            f"{table}/suite_id={key_part(self.suite_id)}/model_id={key_part(self.model_id)}"
            f"/run_id={key_part(self.run_id)}/{name}"
        )

    @property
    def manifest(self) -> str:
        """Key of the manifest."""
        return self.key("runs", "manifest.json")

    def ids(self) -> dict[str, str]:
        """The partition columns."""
        return {"suite_id": self.suite_id, "model_id": self.model_id, "run_id": self.run_id}


def place_of(key: str) -> Place | None:
    """The place that a key of this layout stands in; None for any other key."""
    parts = dict(part.split("=", 1) for part in key.split("/") if "=" in part)
    if parts.keys() != {"suite_id", "model_id", "run_id"}:
        return None
    return Place(**{name: decoded(value) for name, value in parts.items()})


def decoded(value: str) -> str:
    """What ``key_part`` was given; a stray ``%`` stays as it is."""
    head, *rest = value.split("%")
    found = bytearray(head.encode())
    for piece in rest:
        code = piece[:2]
        if len(code) == 2 and not code.strip(hexdigits):  # noqa: PLR2004 - a byte in base 16
            found.append(int(code, 16))
            found += piece[2:].encode()
        else:
            found += f"%{piece}".encode()
    return found.decode(errors="replace")


def publish(
    blobs: BlobStore,
    place: Place,
    tables: Mapping[TableName, pa.Table],
    manifest: Mapping[str, Json],
    *,
    part_rows: int = rows_per_part,
) -> dict[str, Json]:
    """Write the tables and then the manifest, which is given back with ``files`` and ``row_digest``.

    Tables without rows are left out, apart from ``runs``, ``responses`` and ``scores``. A write that
    fails leaves a run without manifest, which counts as unfinished; writing again replaces the files.

    Args:
        blobs: Rooted at the results folder.
        place: Partition of the run.
        tables: Sorted tables by name.
        manifest: All of ``pipex.manifest/1`` that is known before the files are.
        part_rows: Largest number of rows in one file.
    """
    head = {"schema": manifest_schema, **place.ids(), **manifest}
    head["row_digest"] = row_digest({name: tables[name] for name in digested})
    metadata = {f"pipex.{name}": value for name, value in place.ids().items()}
    metadata["pipex.manifest"] = canonical(head)
    files: list[Json] = []
    for name, table in tables.items():
        if table.num_rows or name in ("runs", *digested):
            for number, start in enumerate(range(0, max(table.num_rows, 1), part_rows)):
                key = place.key(name, f"part-{number:05}.parquet")
                files.append(_write(blobs, key, table.slice(start, part_rows), metadata))
    whole = {**head, "files": files}
    blobs.put(place.manifest, canonical_bytes(whole))
    return whole


def read_manifest(blobs: BlobStore, place: Place) -> dict[str, Json]:
    """The manifest of a complete run.

    Raises:
        StoreError: ``not_found``, the run has none; ``damaged_file``; or ``schema_too_new``.
    """
    try:
        manifest = parse(blobs.get(place.manifest).decode())
    except ValueError as exc:
        raise StoreError(f"{place.manifest} is no JSON: {exc}", code="damaged_file") from exc
    if not isinstance(manifest, dict) or manifest.get("schema") != manifest_schema:
        raise StoreError(
            f"{place.manifest} is no {manifest_schema} document", code="schema_too_new"
        )
    return manifest


def places(blobs: BlobStore) -> Iterable[Place]:
    """Partitions of all complete runs, in order of suite, model and run."""
    found = {
        place
        for key in blobs.list("runs/")
        if key.endswith("/manifest.json") and (place := place_of(key)) is not None
    }
    return sorted(found)


def read_files(blobs: BlobStore, manifest: Mapping[str, Json], name: TableName) -> Iterable[bytes]:
    """Bytes of the files of one table, each checked against the manifest.

    Raises:
        StoreError: ``not_found``, or ``damaged_file`` when a file differs from what was written.
    """
    for file in manifest["files"]:
        if file["path"].startswith(f"{name}/"):
            data = blobs.get(file["path"])
            if digest_bytes(data) != file["sha256"]:
                raise StoreError(
                    f"{file['path']} is not the file that the manifest names", code="damaged_file"
                )
            yield data


def _write(blobs: BlobStore, key: str, part: pa.Table, metadata: Mapping[str, str]) -> Json:
    data = to_parquet(part, metadata=metadata)
    blobs.put(key, data)
    return {"path": key, "rows": part.num_rows, "bytes": len(data), "sha256": digest_bytes(data)}
