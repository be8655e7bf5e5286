"""Assets and op outputs as objects of a store that has no folders: one put each, whole or absent.

What Dagster has for buckets needs a file system library that cannot be installed beside the present SDK of
AWS; this is the store that the core keeps its results in. Keys are those of the local files.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg

from pipex_core.errors import StoreError
from pipex_core.ports import BlobStore

if TYPE_CHECKING:
    import pyarrow as pa

metadata_prefix = "pipex."


def safe_partition(partition: str) -> str:
    """A partition as one part of a path; keys of pipex are encoded already and stay as they are."""
    return quote(partition, safe="._:@-%")


def table_bytes(context: dg.OutputContext, table: "pa.Table") -> bytes:
    """A Parquet file with the run, the asset and the partition in its metadata."""
    from pipex_core.evals.table import to_parquet

    origin = {
        "dagster_run_id": context.run_id or "",
        "asset": context.asset_key.to_user_string() if context.has_asset_key else "",
        "partition": context.partition_key if context.has_partition_key else "",
    }
    named = {f"{metadata_prefix}{key}": value for key, value in origin.items()}
    return to_parquet(table, metadata=named)


def table_of(data: bytes, *, columns: Sequence[str] | None = None) -> "pa.Table":
    """The table of a Parquet file, with its metadata; of some columns, or of all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = None if columns is None else list(columns)
    return pq.read_table(pa.BufferReader(data), columns=wanted)


def record_bytes(value: Mapping[str, Any]) -> bytes:
    """A small JSON value.

    Raises:
        ValueError: JSON cannot hold it.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


class _Objects(dg.IOManager):
    extension = ""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    @abstractmethod
    def encoded(self, context: dg.OutputContext, value: Any) -> bytes:  # noqa: ANN401 - of the asset's type
        """The value as bytes."""

    @abstractmethod
    def decoded(self, data: bytes) -> Any:  # noqa: ANN401 - of the asset's type
        """The value that was encoded."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:  # noqa: ANN401 - Dagster's signature
        partition = context.partition_key if context.has_asset_partitions else None
        key = self._key(_parts(context), partition)
        self._store.put(key, self.encoded(context, obj))
        context.add_output_metadata({"path": dg.MetadataValue.path(self._store.url(key))})

    def load_input(self, context: dg.InputContext) -> Any:  # noqa: ANN401 - Dagster's signature
        parts = _parts(context)
        if not (context.has_asset_key and context.has_asset_partitions):
            return self.decoded(self._store.get(self._key(parts, None)))
        partitions = context.asset_partition_keys
        found = {
            partition: self.decoded(self._store.get(self._key(parts, partition)))
            for partition in partitions
        }
        return next(iter(found.values())) if len(partitions) == 1 else found

    def _key(self, parts: Sequence[str], partition: str | None) -> str:
        names = [*parts] if partition is None else [*parts, safe_partition(partition)]
        return f"{'/'.join(names)}{self.extension}"


class ObjectTables(_Objects):
    """Arrow tables as Parquet."""

    extension = ".parquet"

    def encoded(self, context: dg.OutputContext, value: "pa.Table") -> bytes:
        return table_bytes(context, value)

    def decoded(self, data: bytes) -> "pa.Table":
        return table_of(data)

    def stored(
        self,
        key: dg.AssetKey,
        partition: str | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> "pa.Table | None":
        """The table of an asset's partition as it is stored now, or None when there is none.

        Args:
            key: Of the asset.
            partition: Its key, or None for an asset without partitions.
            columns: The ones to read; all when None.
        """
        try:
            data = self._store.get(self._key(key.path, partition))
        except StoreError as exc:
            if exc.code == "not_found":
                return None
            raise
        return table_of(data, columns=columns)


class ObjectRecords(_Objects):
    """Small JSON values."""

    extension = ".json"

    def encoded(self, context: dg.OutputContext, value: Mapping[str, Any]) -> bytes:  # noqa: ARG002 - as its base
        return record_bytes(value)

    def decoded(self, data: bytes) -> Any:  # noqa: ANN401 - any JSON value
        return json.loads(data)


def _parts(context: dg.OutputContext | dg.InputContext) -> Sequence[str]:
    return context.asset_key.path if context.has_asset_key else context.get_identifier()
