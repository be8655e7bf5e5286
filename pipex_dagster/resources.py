"""What ops and assets are given: tables and records without pickle, and the services of the core.

Both IO managers write a temporary file in the same folder, sync it, rename it and sync the folder, so a
killed process leaves the old value or the new one, never a torn file.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg
from upath import UPath

if TYPE_CHECKING:
    import pyarrow as pa

metadata_prefix = "pipex."
part_suffix = ".part"
local_protocols = ("", "file")


class ArrowTable(dg.ConfigurableIOManagerFactory["ParquetTables"]):
    """IO manager of asset tables: one Parquet file per asset and partition.

    Attributes:
        base_dir: Folder of the files; made when missing.
    """

    base_dir: str

    def create_io_manager(self, context: dg.InitResourceContext) -> "ParquetTables":  # noqa: ARG002 - Dagster's signature
        return ParquetTables(UPath(self.base_dir))


class JsonRecord(dg.ConfigurableIOManagerFactory["JsonRecords"]):
    """IO manager of what travels between the ops of a pipeline: one JSON file per output.

    Attributes:
        base_dir: Folder of the files; made when missing.
    """

    base_dir: str

    def create_io_manager(self, context: dg.InitResourceContext) -> "JsonRecords":  # noqa: ARG002 - Dagster's signature
        return JsonRecords(UPath(self.base_dir))


class _AtomicFiles(dg.UPathIOManager):
    def make_safe_partition_path(self, base_path: UPath, partition: str) -> UPath:
        return base_path / quote(partition, safe="._:@-%")

    def _write(self, path: UPath, data: bytes) -> None:
        if path.protocol not in local_protocols:
            path.write_bytes(data)  # one PUT, which an object store makes whole or absent
            return
        target = Path(path.path)
        _sweep(target)
        part = target.with_name(f"{target.name}.{os.getpid()}{part_suffix}")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class ParquetTables(_AtomicFiles):
    """Arrow tables as Parquet, with the run, the asset and the partition in the file's metadata."""

    extension = ".parquet"

    def dump_to_path(self, context: dg.OutputContext, obj: "pa.Table", path: UPath) -> None:
        from pipex_core.evals.table import to_parquet

        origin = {
            "dagster_run_id": context.run_id or "",
            "asset": context.asset_key.to_user_string() if context.has_asset_key else "",
            "partition": context.partition_key if context.has_partition_key else "",
        }
        named = {f"{metadata_prefix}{key}": value for key, value in origin.items()}
        self._write(path, to_parquet(obj, metadata=named))

    def load_from_path(self, context: dg.InputContext, path: UPath) -> "pa.Table":  # noqa: ARG002 - Dagster's signature
        return read_table(path)

    def stored(self, key: dg.AssetKey, partition: str | None = None) -> "pa.Table | None":
        """The table of an asset's partition as it is stored now, or None when there is none."""
        path = UPath(self._base_path).joinpath(*key.path)
        if partition is not None:
            path = self.make_safe_partition_path(path, partition)
        path = self._with_extension(path)
        return read_table(path) if path.exists() else None


class JsonRecords(_AtomicFiles):
    """Small JSON values as files."""

    extension = ".json"

    def dump_to_path(self, context: dg.OutputContext, obj: Mapping[str, Any], path: UPath) -> None:  # noqa: ARG002 - Dagster's signature
        self._write(path, json.dumps(obj, ensure_ascii=False, allow_nan=False).encode())

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:  # noqa: ANN401, ARG002 - any JSON value; Dagster's signature
        return json.loads(path.read_bytes())


def _sweep(path: Path) -> None:
    """Remove what writers of this file left behind that were killed; a live one keeps its own."""
    for stale in path.parent.glob(f"{path.name}.*{part_suffix}"):
        pid = stale.name.removesuffix(part_suffix).rpartition(".")[2]
        if pid.isdecimal() and not _is_alive(int(pid)):
            stale.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_table(path: UPath) -> "pa.Table":
    """The table of a Parquet file, with its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(path.read_bytes()))
