"""Stored runs: found by id, prefix or ``latest``, read as tables, and made ready to be compared or carried."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.errors import ConfigError, StoreError
from pipex_core.evals.arms import arm_of
from pipex_core.evals.carry import CarryIndex
from pipex_core.evals.columns import column_of, holds
from pipex_core.evals.compare import flips
from pipex_core.evals.findings import FlipText
from pipex_core.evals.judged import Judged
from pipex_core.evals.judgement import Judgement, gated_of, judged_of
from pipex_core.evals.manifest import metric_facts_from
from pipex_core.evals.outcome import outcome_of
from pipex_core.evals.publication import Place, places, read_files, read_manifest
from pipex_core.evals.recorded import RecordedTarget
from pipex_core.evals.summary import summary_of
from pipex_core.evals.table import TableName, empty, from_parquet, schema
from pipex_core.jsonvalue import Json
from pipex_core.ports import BlobStore
from pipex_core.registry import similar


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
    """A run read back from its tables.

    Attributes:
        judgement: Computed again from the rows; without comparisons and verdict.
    """

    place: Place
    manifest: Mapping[str, Json]
    responses: pa.Table
    scores: pa.Table
    judgement: Judgement

    @property
    def judged(self) -> Judged:
        """The run as a baseline or challenger of a gate."""
        return judged_of(self.judgement)


class Archive:
    """The complete runs of a results folder."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def places(self, *, suite: str | None = None, model: str | None = None) -> list[Place]:
        """Complete runs, newest first: run ids start with their time."""
        found = [
            place
            for place in places(self._blobs)
            if suite in (None, place.suite_id) and model in (None, place.model_id)
        ]
        return sorted(found, key=lambda place: place.run_id, reverse=True)

    def find(self, name: str) -> Place:
        """The run that a word means: an id, a unique prefix, ``latest`` or ``latest:<suite>``.

        Raises:
            ConfigError: ``unknown_run``, none or several runs fit.
        """
        if name == "latest" or name.startswith("latest:"):
            _, _, suite = name.partition(":")
            newest = self.places(suite=suite or None)
            if newest:
                return newest[0]
            raise ConfigError(
                f"there is no run yet{f' of {suite!r}' if suite else ''}", code="unknown_run"
            )
        known = self.places()
        fitting = [place for place in known if place.run_id == name] or [
            place for place in known if place.run_id.startswith(name)
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            ids = ", ".join(place.run_id for place in fitting[:5])
            raise ConfigError(f"{name!r} fits several runs: {ids}", code="unknown_run")
        near = similar(name, [place.run_id for place in known])
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise ConfigError(f"there is no run {name!r}{hint}", code="unknown_run")

    def manifest(self, place: Place) -> Mapping[str, Json]:
        """The manifest of a run.

        Raises:
            StoreError: ``not_found`` or ``damaged_file``.
        """
        return read_manifest(self._blobs, place)

    def url(self, place: Place) -> str:
        """Where the manifest of a run is, for people and for later steps."""
        return self._blobs.url(place.manifest)

    def table(
        self, place: Place, name: TableName, *, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """One table of a run, in the present schema; empty when the run has no rows of it.

        Raises:
            StoreError: ``damaged_file`` or ``schema_too_new``.
        """
        manifest = self.manifest(place)
        parts = [
            from_parquet(name, data, columns=columns)
            for data in read_files(self._blobs, manifest, name)
        ]
        if parts:
            return pa.concat_tables(parts)
        return empty(name).select(columns or schema(name).names)

    def answers_of(self, run_id: str) -> RecordedTarget:
        """The target of a run as far as its rows tell: nothing is asked that they do not have."""
        place = self.find(run_id)
        target = self.manifest(place)["target"]
        return RecordedTarget(
            answers={},
            digest=target["digest"],
            target_id=target["target_id"],
            model_id=target["model_id"],
            run_id=place.run_id,
        )

    def load(self, place: Place, *, reducer: str | None = None) -> Stored:
        """A run with everything that a comparison, a gate or a report needs.

        Repeats become one value by ``reducer``: a run that is compared with another is read as that
        one is. None takes the run's own.
        """
        manifest = self.manifest(place)
        responses = self.table(place, "responses")
        scores = self.table(place, "scores")
        measure = partial(
            arm_of,
            metrics=[metric_facts_from(one) for one in manifest["metrics"]],
            run_id=place.run_id,
            reducer=reducer or manifest["reducer"],
            impute=manifest["impute"],
        )
        arm = measure(responses, scores)
        unverified = manifest["suite"].get("unverified", ())
        judgement = Judgement(
            arm=arm,
            summary=summary_of(arm, responses, scores),
            outcome=outcome_of(responses, scores),
            gated=gated_of(measure, responses, scores, unverified=unverified),
        )
        return Stored(
            place=place,
            manifest=manifest,
            responses=responses,
            scores=scores,
            judgement=judgement,
        )

    def carry(self, *, suite: str | None = None, answers_of: str = "") -> CarryIndex:
        """What complete runs know, the newest first; answers of one run alone if it is named."""
        left_out: list[str] = []
        responses = self.readable("responses", suite=suite, left_out=left_out)
        if answers_of:
            responses = iter([self.table(self.find(answers_of), "responses")])
        return CarryIndex(
            responses=responses,
            scores=self.readable("scores", suite=suite, left_out=left_out),
            left_out=left_out,
        )

    def readable(
        self, name: TableName, *, suite: str | None = None, left_out: list[str]
    ) -> Iterator[pa.Table]:
        """One table of each complete run, the newest first; those that cannot be read are left out.

        Args:
            name: Of the table.
            suite: Only its runs.
            left_out: Gets a sentence for each table that is left out.
        """
        for place in self.places(suite=suite):
            try:
                yield self.table(place, name)
            except StoreError as error:
                left_out.append(f"{name} of {place.run_id} are not used: {error.message}")


def flip_texts(before: Stored, now: Stored, metric: str, *, most: int = 20) -> list[FlipText]:
    """Cases that changed sides under a metric, with the answers of both runs, the worst first."""
    found = flips(before.judgement.arm, now.judgement.arm, metric)[:most]
    old = outputs_of(before.responses, [flip.case_id for flip in found])
    new = outputs_of(now.responses, [flip.case_id for flip in found])
    return [
        FlipText(
            case_id=flip.case_id,
            metric=metric,
            change=flip.change,
            passed_now=flip.passed_b,
            output_before=old.get(flip.case_id, (None, None))[0],
            output_now=new.get(flip.case_id, (None, None))[0],
            expected=new.get(flip.case_id, (None, None))[1],
        )
        for flip in found
    ]


def outputs_of(
    responses: pa.Table, case_ids: Iterable[str]
) -> Mapping[str, tuple[str | None, str | None]]:
    """Output and reference of some cases, of their first repeat."""
    wanted = column_of(list(case_ids), pa.string())
    chosen = pc.and_(
        pc.is_in(responses["case_id"].cast(pa.string()), wanted), holds(responses["repeat"], 0)
    )
    columns = responses.select(("case_id", "output", "expected")).filter(chosen).to_pylist()
    return {row["case_id"]: (row["output"], row["expected"]) for row in columns}
