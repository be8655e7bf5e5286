"""Keeping a results folder in order: verified, compacted, brought to the present form, pruned, and rid of people.

Nothing here changes what a run says but ``erase``, and that leaves a note in the manifest. A rewritten run
gets its files first and its manifest last, so that a kill leaves the old run or the new one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipex_core.errors import StoreError
from pipex_core.evals.archive import Archive
from pipex_core.evals.columns import column_of, values_of
from pipex_core.evals.publication import Place, digested, publish, read_files
from pipex_core.evals.table import TableName, row_digest, schema
from pipex_core.jsonvalue import Json
from pipex_core.ports import BlobStore

table_names: tuple[TableName, ...] = get_args(TableName)
erased_text = "[erased]"
# What stands in a table as somebody said it; everything else are numbers, hashes and words of ours.
texts: Mapping[TableName, tuple[str, ...]] = {
    "responses": (
        *(
            "input",
            "expected",
            "output",
            "output_json",
            "tool_calls",
            "error",
            "metadata",
            "slices",
        ),
    ),
    "scores": ("reason", "explanation", "details", "judge_votes", "label"),
}
json_texts = frozenset(
    {"output_json", "tool_calls", "metadata", "slices", "details", "judge_votes"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found or done at a run.

    Attributes:
        state: ``ok``, ``damaged``, ``rewritten``, ``removed`` or ``kept``.
        reason: In words; empty when the state says it all.
        rows: Rows that were changed.
        freed_bytes: What the run takes less than before.
    """

    run_id: str
    suite_id: str
    state: str
    reason: str = ""
    rows: int = 0
    freed_bytes: int = 0


def verify(archive: Archive, places: Iterable[Place]) -> Iterator[Finding]:
    """Whether each run is what its manifest says: every file, every row."""
    for place in places:
        try:
            manifest = archive.manifest(place)
            tables: dict[str, pa.Table] = {name: archive.table(place, name) for name in digested}
            found = row_digest(tables)
            for name in table_names:
                archive.table(place, name)
        except StoreError as exc:
            yield _finding(place, "damaged", exc.message)
            continue
        if found != manifest["row_digest"]:
            yield _finding(place, "damaged", "the rows are not those that the manifest names")
        else:
            yield _finding(place, "ok")


def compact(archive: Archive, blobs: BlobStore, places: Iterable[Place]) -> Iterator[Finding]:
    """Write runs of many small files as few large ones; rows and their digest stay the same."""
    for place in places:
        manifest = archive.manifest(place)
        counts = [file["path"].split("/")[0] for file in manifest["files"]]
        many = len(counts) > len(set(counts))
        yield _rewritten(archive, blobs, place) if many else _finding(place, "ok")


def migrate(archive: Archive, blobs: BlobStore, places: Iterable[Place]) -> Iterator[Finding]:
    """Write runs of an earlier minor version in the present form."""
    for place in places:
        manifest = archive.manifest(place)
        old = any(_is_old(blobs, name, manifest) for name in table_names)
        yield _rewritten(archive, blobs, place) if old else _finding(place, "ok")


def prune(
    archive: Archive,
    blobs: BlobStore,
    *,
    older_than: datetime | None,
    keep: int | None,
    blessed: frozenset[str],
    dry_run: bool = False,
) -> Iterator[Finding]:
    """Remove runs that are old, but never one that a baseline names, nor one that those were compared with.

    Args:
        archive: Holds the runs.
        blobs: Of the results folder.
        older_than: Only runs that started before; None for any age.
        keep: The newest so many of each suite stay; None keeps none for that reason.
        blessed: Ids of the runs that baselines name.
        dry_run: Say what would be removed.
    """
    needed = blessed | {
        run["baseline_run_id"]
        for place in archive.places()
        if place.run_id in blessed
        and (run := archive.manifest(place)["run"]).get("baseline_run_id")
    }
    seen: dict[str, int] = {}
    for place in archive.places():
        seen[place.suite_id] = seen.get(place.suite_id, 0) + 1
        started = datetime.fromisoformat(archive.manifest(place)["run"]["started_at"])
        if place.run_id in needed:
            yield _finding(place, "kept", "a baseline needs it")
        elif keep is not None and seen[place.suite_id] <= keep:
            yield _finding(place, "kept", f"one of the newest {keep} of its suite")
        elif older_than is not None and started >= older_than:
            yield _finding(place, "kept", "it is not old enough")
        else:
            manifest = archive.manifest(place)
            freed = _bytes(manifest) if dry_run else _remove(blobs, place, manifest)
            yield Finding(
                run_id=place.run_id, suite_id=place.suite_id, state="removed", freed_bytes=freed
            )


def erase(
    archive: Archive,
    blobs: BlobStore,
    places: Iterable[Place],
    *,
    mentions: Callable[[str], bool],
    note: Mapping[str, Json],
) -> Iterator[Finding]:
    """Take the texts of rows that mention somebody out of runs; hashes and numbers stay.

    Args:
        archive: Holds the runs.
        blobs: Of the results folder.
        places: The runs.
        mentions: Whether a text is about the person.
        note: What the manifest says of it: when, by whom, how many rows follow by themselves.
    """
    for place in places:
        tables = {name: archive.table(place, name) for name in table_names}
        cases = _cases_of(tables["responses"], mentions)
        changed = 0
        for name, columns in texts.items():
            about = _rows_about(tables[name], columns, cases, mentions)
            count = pc.sum(about).as_py() or 0
            if count:
                tables[name] = _without(tables[name], columns, about)
                changed += count
        if not changed:
            yield _finding(place, "ok")
            continue
        before = archive.manifest(place)
        mark = {**note, "rows": changed, "row_digest_before": before["row_digest"]}
        erased = [*before.get("erased", ()), mark]
        freed = _write(archive, blobs, place, tables, {**before, "erased": erased})
        yield Finding(
            run_id=place.run_id,
            suite_id=place.suite_id,
            state="rewritten",
            rows=changed,
            freed_bytes=freed,
        )


def _finding(place: Place, state: str, reason: str = "") -> Finding:
    return Finding(run_id=place.run_id, suite_id=place.suite_id, state=state, reason=reason)


def _rewritten(archive: Archive, blobs: BlobStore, place: Place) -> Finding:
    tables = {name: archive.table(place, name) for name in table_names}
    freed = _write(archive, blobs, place, tables, archive.manifest(place))
    return Finding(
        run_id=place.run_id, suite_id=place.suite_id, state="rewritten", freed_bytes=freed
    )


def _write(
    archive: Archive,
    blobs: BlobStore,
    place: Place,
    tables: Mapping[TableName, pa.Table],
    manifest: Mapping[str, Json],
) -> int:
    """Publish the run again; the bytes that it takes less than before."""
    before = archive.manifest(place)
    head = {name: value for name, value in manifest.items() if name not in _made_by_publish}
    after = publish(blobs, place, tables, head)
    kept = {file["path"] for file in after["files"]}
    for file in before["files"]:
        if file["path"] not in kept:
            blobs.delete(file["path"])
    return _bytes(before) - _bytes(after)


_made_by_publish = frozenset({"schema", "suite_id", "model_id", "run_id", "row_digest", "files"})


def _is_old(blobs: BlobStore, name: TableName, manifest: Mapping[str, Json]) -> bool:
    """Whether a file of the table lacks a column of today, or has one of another type."""
    wanted = schema(name)
    for data in read_files(blobs, manifest, name):
        found = pq.read_schema(pa.BufferReader(data))
        types = {field.name: field.type for field in found}
        if any(types.get(field.name) != field.type for field in wanted):
            return True
    return False


def _remove(blobs: BlobStore, place: Place, manifest: Mapping[str, Json]) -> int:
    # Without its manifest the run is none any more, whatever a kill leaves of its files.
    blobs.delete(place.manifest)
    for file in manifest["files"]:
        blobs.delete(file["path"])
    return _bytes(manifest)


def _bytes(manifest: Mapping[str, Json]) -> int:
    return sum(file["bytes"] for file in manifest["files"])


def _cases_of(responses: pa.Table, mentions: Callable[[str], bool]) -> frozenset[str]:
    """Ids of the cases of which any text is about the person."""
    found: set[str] = set()
    ids = values_of(responses["case_id"])
    for name in texts["responses"]:
        for case_id, text in zip(ids, values_of(responses[name]), strict=True):
            if text and mentions(text):
                found.add(case_id)
    return frozenset(found)


def _rows_about(
    table: pa.Table, columns: Iterable[str], cases: frozenset[str], mentions: Callable[[str], bool]
) -> pa.Array:
    about = [case_id in cases for case_id in values_of(table["case_id"])]
    for name in columns:
        for at, text in enumerate(values_of(table[name])):
            about[at] = about[at] or bool(text and mentions(text))
    return column_of(about, pa.bool_())


def _without(table: pa.Table, columns: Iterable[str], about: pa.Array) -> pa.Table:
    flags = values_of(pa.chunked_array([about]))
    for name in columns:
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        blank = None if field.nullable else "{}" if name in json_texts else erased_text
        kept = [
            blank if flag and text is not None else text
            for flag, text in zip(flags, values_of(table[name]), strict=True)
        ]
        table = table.set_column(place, field, column_of(kept, field.type))
    return table
