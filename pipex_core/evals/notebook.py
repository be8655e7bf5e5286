"""Results as pandas frames: one call to tidy data, one to compare.

The only module of the core that knows pandas. Dictionary columns become categories, ids stay text, and
every frame has the columns ``suite_id``, ``model_id`` and ``run_id``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive, flip_texts
from pipex_core.evals.arms import slices_of
from pipex_core.evals.compare import Comparison, compare
from pipex_core.evals.findings import FlipText
from pipex_core.evals.histories import Point, history
from pipex_core.evals.publication import Place
from pipex_core.evals.summary import MetricSummary, metric_document, summarise_metric
from pipex_core.evals.table import TableName, empty
from pipex_core.jsonvalue import Json
from pipex_core.ports import BlobStore

if TYPE_CHECKING:
    import duckdb

summary_columns = (
    *("metric", "n", "n_planned", "n_scored", "n_failed", "n_missing", "n_na", "missing_rate"),
    *("mean", "mean_scored", "median", "sd", "min", "max", "p5", "p25", "p75", "p90", "p95", "p99"),
    *("ci_low", "ci_high", "ci_method", "bound_low", "bound_high", "pass_rate", "threshold"),
)


class Results:
    """The runs of a results folder; nothing is read before it is asked for.

    A run is named by its id, a unique prefix of it, ``latest`` or ``latest:<suite>``.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self.archive = Archive(blobs)

    def runs(
        self,
        *,
        suite: str | None = None,
        model: str | None = None,
        status: str | None = None,
        latest: int | None = None,
    ) -> pd.DataFrame:
        """One row per run, newest first.

        Args:
            suite: Only runs of this suite.
            model: Only runs of this model.
            status: Only runs with this status.
            latest: Only so many.
        """
        found = []
        for place in self.archive.places(suite=suite, model=model):
            row = self.archive.manifest(place)["run"]
            if status in (None, row["status"]):
                found.append({**place.ids(), **row})
        frame = pd.DataFrame(found[:latest])
        for name in ("started_at", "finished_at"):
            if name in frame:
                frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame

    def responses(
        self,
        run: str,
        *,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Json] | None = None,
    ) -> pd.DataFrame:
        """One row per case and repeat.

        Args:
            run: Which run.
            columns: Only these.
            where: Column to value or list of values; rows that match all of them.
        """
        return self._frame(run, "responses", columns=columns, where=where)

    def scores(self, run: str, *, metric: str | None = None) -> pd.DataFrame:
        """One row per case, repeat, metric and submetric."""
        return self._frame(run, "scores", where=None if metric is None else {"metric": metric})

    def calls(self, run: str) -> pd.DataFrame:
        """One row per model call, where a run kept them."""
        return self._frame(run, "calls")

    def comparisons(self, run: str) -> pd.DataFrame:
        """What the run was compared with when it was made."""
        return self._frame(run, "comparisons")

    def manifest(self, run: str) -> Mapping[str, Json]:
        """All about a run beside its rows."""
        return self.archive.manifest(self.archive.find(run))

    def wide(self, run: str, *, value: str = "score") -> pd.DataFrame:
        """One row per case and repeat, with a column of ``value`` per metric.

        Args:
            run: Which run.
            value: ``score``, ``passed`` or another column of the scores.
        """
        place = self.archive.find(run)
        columns = ("case_id", "repeat", "metric", "submetric", "level", "fallback_of", value)
        scores = self.archive.table(place, "scores", columns=tuple(dict.fromkeys(columns)))
        own = pc.and_(pc.is_null(scores["submetric"]), pc.is_null(scores["fallback_of"]))
        heads = pc.and_(own, pc.equal(scores["level"].cast(pa.string()), "case"))
        marks = scores.filter(heads).select(("case_id", "repeat", "metric", value)).to_pandas()
        keys = ["case_id", "repeat"]
        marks[["case_id", "metric"]] = marks[["case_id", "metric"]].astype(str)
        table = marks.pivot_table(
            index=keys, columns="metric", values=value, aggfunc="first", dropna=False
        )
        named = ("case_id", "repeat", "input", "expected", "output", "status", "passed")
        facts = self.archive.table(place, "responses", columns=named).to_pandas()
        facts["case_id"] = facts["case_id"].astype(str)
        joined = facts.merge(table.reset_index(), on=keys, how="left")
        names = [one["name"] for one in self.archive.manifest(place)["metrics"]]
        chosen: pd.DataFrame = joined[[*named, *(name for name in names if name in joined)]]
        return chosen

    def summary(self, run: str) -> pd.DataFrame:
        """One row per metric: denominators, means, interval, bounds, percentiles."""
        stored = self.archive.load(self.archive.find(run))
        metrics = stored.judgement.summary.metrics
        return pd.DataFrame(
            [_summary_row(one) for one in metrics.values()], columns=list(summary_columns)
        )

    def slices(self, run: str, by: str, *, min_slice: int = 1) -> pd.DataFrame:
        """The summary by value of ``tags``, ``split``, ``cluster`` or a metadata path."""
        arm = self.archive.load(self.archive.find(run)).judgement.arm
        rows = [
            {by: value, **_summary_row(summarise_metric(arm, name, cases=cases))}
            for value, cases in slices_of(arm, by, min_slice=min_slice).items()
            for name in arm.metrics
        ]
        return pd.DataFrame(rows, columns=[by, *summary_columns])

    def compare(
        self, a: str, b: str, *, metrics: Sequence[str] | None = None, by: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Run ``b`` against run ``a``, one row per metric and slice.

        Raises:
            ConfigError: ``not_comparable``, ``unknown_metric`` or ``unknown_run``.
        """
        before, now = (self.archive.load(self.archive.find(name)) for name in (a, b))
        rows = compare(before.judgement.arm, now.judgement.arm, metrics=metrics, by=by)
        return pd.DataFrame(
            [asdict(row) for row in rows], columns=[one.name for one in fields(Comparison)]
        )

    def flips(self, a: str, b: str, metric: str, *, most: int = 1_000_000) -> pd.DataFrame:
        """Cases whose passed changed from ``a`` to ``b``, with both outputs, worst first."""
        before, now = (self.archive.load(self.archive.find(name)) for name in (a, b))
        rows = flip_texts(before, now, metric, most=most)
        return pd.DataFrame(
            [asdict(row) for row in rows], columns=[one.name for one in fields(FlipText)]
        )

    def history(
        self,
        suite: str,
        metric: str | None = None,
        *,
        model: str | None = None,
        last: int | None = None,
    ) -> pd.DataFrame:
        """A metric of a suite over its runs, oldest first.

        Args:
            suite: Id of the suite.
            metric: Column of the metric; the first one of the newest run when None.
            model: Only runs of this model.
            last: Only so many, the newest.

        Returns:
            Columns of ``histories.Point``; where ``ruler_changed`` or ``suite_changed`` is true, the means
            before do not compare with those from there on.

        Raises:
            ConfigError: ``unknown_run`` or ``unknown_metric``.
        """
        chosen, points = history(self.archive, suite, metric=metric, model=model, last=last)
        frame = pd.DataFrame(
            [asdict(point) for point in points], columns=[one.name for one in fields(Point)]
        )
        frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
        frame.insert(0, "metric", chosen)
        return frame

    def duckdb(self, *, suite: str | None = None) -> "duckdb.DuckDBPyConnection":
        """A connection with a view for each table, of all runs, and ``latest_scores``.

        ``latest_scores`` are the scores of the newest run of each suite, target and model. Every view has
        the columns ``suite_id``, ``model_id`` and ``run_id``.

        Args:
            suite: Only its runs.

        Raises:
            ConfigError: ``dependency_missing``, duckdb is not installed.
        """
        try:
            import duckdb
        except ImportError as exc:
            raise ConfigError(
                "duckdb is not installed",
                code="dependency_missing",
                next_step="pip install 'pipex[duckdb]'",
            ) from exc
        places = self.archive.places(suite=suite)
        connection = duckdb.connect()
        for name in get_args(TableName):
            connection.register(name, self._joined(places, name))
        connection.register("latest_scores", self._joined(self._latest(places), "scores"))
        return connection

    def _latest(self, places: Sequence[Place]) -> list[Place]:
        newest: dict[tuple[str, str, str], Place] = {}
        for place in places:
            target = self.archive.manifest(place)["target"]["target_id"]
            newest.setdefault((place.suite_id, place.model_id, target), place)
        return list(newest.values())

    def _joined(self, places: Sequence[Place], name: TableName) -> pa.Table:
        """One table of several runs as plain columns, the ids first."""
        parts = [empty(name).cast(_plain(empty(name).schema))]
        for place in places:
            table = self.archive.table(place, name)
            parts.append(table.cast(_plain(table.schema)))
        lengths = [0, *(part.num_rows for part in parts[1:])]
        whole = pa.concat_tables(parts, promote_options="default")
        for at, column in enumerate(("suite_id", "model_id", "run_id")):
            values = [place.ids()[column] for place in places]
            texts = [value for value, n in zip(values, lengths[1:], strict=True) for _ in range(n)]
            whole = whole.add_column(at, column, pa.array(texts, pa.string()))
        return whole

    def failures(self, run: str) -> pd.DataFrame:
        """The responses that failed, those of the target's own making first."""
        frame = self.responses(run, where={"passed": False})
        return frame.sort_values(
            "class", key=lambda column: column != "target_failure", kind="stable"
        )

    def _frame(
        self,
        run: str,
        name: TableName,
        *,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Json] | None = None,
    ) -> pd.DataFrame:
        place = self.archive.find(run)
        wanted = None if columns is None else list(dict.fromkeys([*columns, *(where or ())]))
        table = self.archive.table(place, name, columns=wanted)
        for column, value in (where or {}).items():
            table = table.filter(_matches(table[column], value))
        frame = table.to_pandas()
        return _with_ids(frame if columns is None else frame[list(columns)], place)


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema with plain values in place of dictionaries, which differ from run to run."""
    return pa.schema(
        [
            field.with_type(field.type.value_type).with_nullable(nullable=True)
            if pa.types.is_dictionary(field.type)
            else field.with_nullable(nullable=True)
            for field in schema
        ]
    )


def _matches(column: pa.ChunkedArray, value: Json) -> pa.ChunkedArray:
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    values: Iterable[Json] = value if isinstance(value, list | tuple) else [value]
    return pc.is_in(plain, pa.array(list(values), plain.type))


def _with_ids(frame: pd.DataFrame, place: Place) -> pd.DataFrame:
    for position, (name, value) in enumerate(place.ids().items()):
        frame.insert(position, name, value)
    return frame


def _summary_row(one: MetricSummary) -> dict[str, Json]:
    found = metric_document(one)
    ci = found["ci"] or {}
    low, high = found["bounds"] or (None, None)
    row = {
        **found,
        "metric": one.facts.name,
        "ci_low": ci.get("low"),
        "ci_high": ci.get("high"),
        "ci_method": ci.get("method"),
        "bound_low": low,
        "bound_high": high,
    }
    return {name: row[name] for name in summary_columns}
