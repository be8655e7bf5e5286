"""The files that pipeline runs keep: their checkpoints and journals, looked at, pruned, repaired, adopted."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipex_core.app import wiring
from pipex_core.app.files import absent
from pipex_core.app.pipelines import kept_run, load_pipeline, run_key, services_for
from pipex_core.app.providing import Providing
from pipex_core.app.settings import Settings
from pipex_core.app.stores import checkpoint_stores
from pipex_core.engine.adoption import adopt
from pipex_core.engine.checkpoint import Checkpoints, Loaded, RotationPolicy
from pipex_core.engine.fold import RunState, fold
from pipex_core.engine.migration import Carried, Origin, from_old, is_old
from pipex_core.engine.records import StepRecord, usd
from pipex_core.engine.regaining import carried_of
from pipex_core.engine.repair import Repaired, repaired
from pipex_core.engine.segments import Damage, examine
from pipex_core.engine.services import NoFaults
from pipex_core.engine.snapshot import blob_key
from pipex_core.errors import ConfigError, StoreError
from pipex_core.jsonvalue import Json, digest_bytes, parse

if TYPE_CHECKING:
    from pipex_core.ports import BlobStore

Document = dict[str, Json]


class RunFiles:
    """The files of the runs below one folder.

    Args:
        settings: They say where.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._journals = wiring.journals(settings)
        self._stores = checkpoint_stores(settings)

    # -- runs and checkpoints

    def runs(self) -> Sequence[Document]:
        """All runs of pipelines, the newest first."""
        found = [self._run(run_id) for run_id in self._journals.runs()]
        return sorted(found, key=lambda run: (run["created_at"], run["run_id"]), reverse=True)

    def find(self, word: str) -> str:
        """The id of a run; ``latest`` is the newest one.

        Raises:
            ConfigError: ``unknown_run``.
        """
        return kept_run("run", word, run_key, self._settings).parent.name

    def checkpoints(self, run_id: str) -> Sequence[Document]:
        """Every checkpoint of a run with its verdict, the newest first."""
        kept = self._checkpoints(run_id)
        labels = kept.labels()
        found = []
        for ref in kept.versions():
            verdict = kept.verify(ref)
            loaded = kept.load(ref.seq) if verdict == "ok" else None
            found.append(
                {
                    "seq": ref.seq,
                    "verdict": verdict,
                    "created_at": None if loaded is None else loaded.checkpoint.created_at,
                    "steps": None if loaded is None else len(loaded.payload["records"]),
                    "label": labels.get(ref.seq),
                    "file": self._kept(run_id).url(ref.key),
                }
            )
        return found

    def checkpoint(self, run_id: str, seq: int | None) -> Document:
        """What a checkpoint holds, the newest one that verifies without a number.

        Raises:
            StoreError: ``not_found``, ``checkpoint_damaged`` or ``schema_too_new``.
        """
        loaded = self._loaded(run_id, seq)
        kept, payload = loaded.checkpoint, loaded.payload
        records = [StepRecord.from_stored(record) for record in payload["records"].values()]
        return {
            "run_id": run_id,
            "workflow": kept.workflow,
            "seq": kept.seq,
            "created_at": kept.created_at,
            "sha256": loaded.sha256,
            "journal_n": kept.journal_n,
            "label": self._checkpoints(run_id).labels().get(kept.seq),
            "steps": {record.name: record.as_json() for record in records},
            "variables": dict(payload["variables"]),
            "loops": dict(payload["loops"]),
            "cost_usd": usd(payload["ledger"]["spent_nanousd"]),
            "calls": payload["ledger"]["calls"],
            "provider": payload["provider"],
            "damaged": [ref.seq for ref in loaded.damaged],
        }

    def prune(self, run_id: str, policy: RotationPolicy) -> Sequence[int]:
        """Delete the checkpoints that the policy does not keep; gives their numbers."""
        kept = Checkpoints(self._kept(run_id), faults=NoFaults(), policy=policy)
        return [ref.seq for ref in kept.rotate()]

    # -- runs that start where another one stood

    def restore(self, run_id: str, seq: int) -> str:
        """A new run that starts at a checkpoint of another one; gives its id.

        Raises:
            StoreError: As ``checkpoint``.
        """
        loaded = self._loaded(run_id, seq)
        document = self._document(run_id)
        facts = {"run_id": run_id, "seq": loaded.checkpoint.seq, "sha256": loaded.sha256}
        origin = Origin(facts=facts, document=document)
        return self._adopted(carried_of(loaded), origin, file=document["file"])

    def migrate(self, path: str, pipeline: str) -> tuple[str, bool]:
        """A new run from a checkpoint file of pipeline_ex; gives its id, and whether it is finished.

        Raises:
            ConfigError: ``file_not_found``, or ``invalid_checkpoint``: the file is no such checkpoint.
            StoreError: ``schema_too_new`` or ``checkpoint_damaged``.
            SpecError: The pipeline has problems.
        """
        file = Path(path)
        if not file.is_file():
            raise absent(path)
        data = file.read_bytes()
        try:
            document = parse(data.decode("utf-8"))
        except ValueError as exc:
            raise ConfigError(f"{path} is no JSON: {exc}", code="invalid_checkpoint") from exc
        if not is_old(document):
            message = f"{path} is no checkpoint of pipeline_ex: it has no workflow_name and results"
            raise ConfigError(message, code="invalid_checkpoint")
        plan = load_pipeline(pipeline, settings=self._settings)
        carried = from_old(document)
        steps = [step.name for step in plan.steps]
        types = {step.name: step.type for step in plan.steps}
        missing = [record.name for record in carried.records if record.name not in types]
        if missing:
            raise ConfigError(
                f"{pipeline} has no step {', '.join(missing)}, which the checkpoint has finished",
                code="checkpoint_mismatch",
            )
        is_finished = carried.is_whole(steps)
        origin = Origin(facts={"file": str(file), "sha256": digest_bytes(data)})
        return self._adopted(carried, origin, file=pipeline, is_finished=is_finished), is_finished

    def _adopted(
        self, carried: Carried, origin: Origin, *, file: str, is_finished: bool = False
    ) -> str:
        services = services_for(self._settings, Providing())
        making = adopt(carried, origin, services=services, file=file, is_finished=is_finished)
        return asyncio.run(making)

    # -- journals

    def journal(self, run_id: str) -> Sequence[Document]:
        """What is found in every journal of a run."""
        return [self._scope(run_id, scope) for scope in self._journals.scopes(run_id)]

    def records(self, run_id: str, scope: str) -> Sequence[Document]:
        """The records of a journal up to the first place that is damaged."""
        found = examine(self._journals.read_log(run_id, scope))
        return list(found.good_records if isinstance(found, Damage) else found.records)

    def plan_repair(self, run_id: str, scope: str) -> Repaired:
        """What a repair of a journal would keep and what would be paid again; nothing is written."""
        try:
            newest = self._checkpoints(run_id).latest() if scope == "main" else None
        except StoreError:
            newest = None
        saved = {} if newest is None else newest.payload["records"]
        return repaired(self._journals.read_log(run_id, scope), saved)

    def repair(self, run_id: str, scope: str, plan: Repaired) -> str:
        """Put the repaired journal in the place of the damaged one; gives where that is kept.

        Raises:
            RunLocked: A live process writes it.
            StoreError: The store failed.
        """
        return self._journals.rewrite(run_id, scope, plan.segments)

    # -- parts

    def _run(self, run_id: str) -> Document:
        document = self._document(run_id)
        versions = self._checkpoints(run_id).versions()
        return {
            "run_id": run_id,
            "workflow": document["workflow"],
            "created_at": document["created_at"],
            "status": self._status(run_id),
            "checkpoints": len(versions),
            "latest": versions[0].seq if versions else None,
        }

    def _status(self, run_id: str) -> str:
        """How a run ended: a status of runs, ``open`` before its end, or ``damaged``."""
        found = examine(self._journals.read_log(run_id, "main"))
        if isinstance(found, Damage):
            return "damaged"
        return fold(found.records).status or "open"

    def _scope(self, run_id: str, scope: str) -> Document:
        segments = self._journals.read_log(run_id, scope)
        found = examine(segments)
        damage = None
        if isinstance(found, Damage):
            damage = {"segment": found.segment, "offset": found.offset, "what": found.what}
            records, torn = found.good_records, None
        else:
            records, torn = found.records, found.torn
        state = fold(records)
        blobs = self._bad_blobs(run_id, records)
        return {
            "scope": scope,
            "ok": damage is None and not blobs and state.spent_nanousd == _billed(records, state),
            "segments": len(segments),
            "records": len(records),
            "torn_bytes": 0 if torn is None else torn.lost_bytes,
            "damage": damage,
            "bad_blobs": blobs,
            "finished": sum(unit.is_finished for unit in state.units.values()),
            "in_doubt": len(state.in_doubt),
            "calls": state.calls,
            "cost_usd": usd(state.spent_nanousd),
        }

    def _bad_blobs(self, run_id: str, records: Sequence[Mapping[str, Json]]) -> Sequence[str]:
        """Blobs that a journal names and that are missing or changed."""
        blobs = self._journals.blobs(run_id)
        named = {
            value["sha256"]
            for record in records
            for name, value in record.items()
            if name.endswith("_ref") and isinstance(value, Mapping) and "sha256" in value
        }
        return sorted(sha256 for sha256 in named if not _is_whole(blobs, sha256))

    def _document(self, run_id: str) -> Document:
        text = self._journals.blobs(run_id).get(run_key).decode("utf-8", "surrogatepass")
        document: Document = parse(text)
        return document

    def _checkpoints(self, run_id: str) -> Checkpoints:
        return Checkpoints(self._kept(run_id), faults=NoFaults())

    def _kept(self, run_id: str) -> "BlobStore":
        """What keeps the checkpoints of a run."""
        stores = self._stores
        return self._journals.blobs(run_id) if stores is None else stores.blobs(run_id)

    def _loaded(self, run_id: str, seq: int | None) -> Loaded:
        kept = self._checkpoints(run_id)
        loaded = kept.latest() if seq is None else kept.load(seq)
        if loaded is None:
            raise StoreError(f"run {run_id} has no checkpoint that verifies", code="not_found")
        return loaded


def _is_whole(blobs: "BlobStore", sha256: str) -> bool:
    try:
        return digest_bytes(blobs.get(blob_key(sha256))) == sha256
    except StoreError:
        return False


def _billed(records: Sequence[Mapping[str, Json]], state: RunState) -> int:
    """What the records say was spent, added up without the fold."""
    ended: int = sum(one["cost_nanousd"] for one in records if one["t"] in {"done", "fail"})
    carried: int = sum(one.get("carried", {}).get("spent_nanousd", 0) for one in records)
    doubtful: int = sum(begin["reserved_nanousd"] for begin in state.in_doubt)
    return ended + carried + doubtful
