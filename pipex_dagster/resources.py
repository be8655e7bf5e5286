"""What ops and assets are given: tables and records without pickle, and the services of the core.

Both IO managers write a temporary file in the same folder, sync it, rename it and sync the folder, so a
killed process leaves the old value or the new one, never a torn file.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from upath import UPath

from pipex_core.app.evaluations import Desk
from pipex_core.app.project import ModelEntry
from pipex_core.app.providing import providing_of
from pipex_core.app.settings import Settings, read_settings
from pipex_core.app.stores import below
from pipex_core.app.wiring import results_store, unheard
from pipex_core.errors import StoreError
from pipex_core.evals.suite import Suite
from pipex_core.evals.target import Target
from pipex_core.telemetry import Listener
from pipex_dagster.objects import (
    ObjectRecords,
    ObjectTables,
    record_bytes,
    safe_partition,
    table_bytes,
    table_of,
)

if TYPE_CHECKING:
    import pyarrow as pa

core_key = "pipex"
tables_key = "pipex_tables"
records_key = "pipex_records"
bucket_scheme = "s3://"
part_suffix = ".part"
local_protocols = ("", "file")


class PipexResource(dg.ConfigurableResource["PipexResource"]):
    """Settings, services and results of one project.

    Attributes:
        project_dir: Folder with ``pipelines/`` and ``test_suites/``; relative folders in settings
            stand below it.
    """

    project_dir: str

    @property
    def settings(self) -> Settings:
        """The settings of the process, folders below the project where they are relative."""
        return project_settings(self.project_dir)

    def desk(self, *, listener: Listener = unheard, **provider: str | None) -> Desk:
        """Services, targets and results for one way of answering.

        The services are new; whoever uses them closes them (``client.aclose()``) in the event loop
        that used them.

        Args:
            listener: Hears every event.
            provider: ``kind``, ``mock_responses`` and ``cassette``; files are relative to the project,
                and settings say what is left out.

        Raises:
            ConfigError: Replay without a cassette.
        """
        files = {
            name: str(Path(self.project_dir) / value)
            for name in ("mock_responses", "cassette")
            if (value := provider.get(name))
        }
        settings = self.settings
        return Desk(
            settings=settings,
            providing=providing_of(settings, **{**provider, **files}),
            results=settings.text("results_dir"),
            listener=listener,
        )

    def desk_of(self, entry: ModelEntry, *, listener: Listener = unheard) -> Desk:
        """The desk at which a target of the models file is evaluated."""
        return self.desk(
            kind=entry.provider,
            mock_responses=entry.mock_responses,
            cassette=entry.cassette,
            listener=listener,
        )

    def target(self, desk: Desk, entry: ModelEntry, suite: Suite, name: str) -> Target:
        """The target of an entry on a suite.

        Args:
            desk: From ``desk_of``.
            entry: Of the models file.
            suite: Gives the prompt that the entry leaves out.
            name: Folder of the suite.

        Raises:
            SpecError: All problems of the entry, or of the files that it names.
        """
        data = {key: value for key, value in entry.targets[name].items() if key != "id"}
        if "path" in data:
            data["path"] = str(Path(self.project_dir) / str(data["path"]))
        return desk.read_target({**data, "name": entry.name}, suite)


def project_settings(project_dir: str) -> Settings:
    """The settings of the process, with relative folders below the project instead of the process's own."""
    found = read_settings()
    folders = {
        name: below(project_dir, found.text(name))
        for name in ("workspace_dir", "output_dir", "checkpoint_dir", "results_dir")
    }
    return read_settings(options={**folders, "project_dir": project_dir})


def root_of(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> tuple[str, datetime]:
    """Id of the run that this one repeats, or its own, and when that run was created (UTC).

    Everything that must be found again by a re-execution hangs on these two.
    """
    run = context.run
    root_run_id = run.root_run_id or run.run_id
    found = context.instance.get_run_record_by_id(root_run_id)
    # A root run may have been deleted; its re-execution then counts as a run of its own.
    record = found or context.instance.get_run_record_by_id(run.run_id)
    if record is None:
        raise StoreError(f"Dagster does not know run {run.run_id}", code="unknown_run")
    return record.dagster_run.run_id, record.create_timestamp


class ArrowTable(dg.ConfigurableIOManagerFactory["Tables"]):
    """IO manager of asset tables: one Parquet file per asset and partition.

    Attributes:
        base_dir: Folder of the files, made when missing, or ``s3://BUCKET/PREFIX``.
    """

    base_dir: str

    def create_io_manager(self, context: dg.InitResourceContext) -> "Tables":  # noqa: ARG002 - Dagster's signature
        if self.base_dir.startswith(bucket_scheme):
            return ObjectTables(results_store(self.base_dir))
        return ParquetTables(UPath(self.base_dir))


class JsonRecord(dg.ConfigurableIOManagerFactory["JsonRecords | ObjectRecords"]):
    """IO manager of what travels between the ops of a pipeline: one JSON file per output.

    Attributes:
        base_dir: Folder of the files, made when missing, or ``s3://BUCKET/PREFIX``.
    """

    base_dir: str

    def create_io_manager(self, context: dg.InitResourceContext) -> "JsonRecords | ObjectRecords":  # noqa: ARG002 - Dagster's signature
        if self.base_dir.startswith(bucket_scheme):
            return ObjectRecords(results_store(self.base_dir))
        return JsonRecords(UPath(self.base_dir))


class _AtomicFiles(dg.UPathIOManager):
    def make_safe_partition_path(self, base_path: UPath, partition: str) -> UPath:
        return base_path / safe_partition(partition)

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
        self._write(path, table_bytes(context, obj))

    def load_from_path(self, context: dg.InputContext, path: UPath) -> "pa.Table":  # noqa: ARG002 - Dagster's signature
        return table_of(path.read_bytes())

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
        path = UPath(self._base_path).joinpath(*key.path)
        if partition is not None:
            path = self.make_safe_partition_path(path, partition)
        path = self._with_extension(path)
        return table_of(path.read_bytes(), columns=columns) if path.exists() else None


Tables = ParquetTables | ObjectTables


class JsonRecords(_AtomicFiles):
    """Small JSON values as files."""

    extension = ".json"

    def dump_to_path(self, context: dg.OutputContext, obj: Mapping[str, Any], path: UPath) -> None:  # noqa: ARG002 - Dagster's signature
        self._write(path, record_bytes(obj))

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
