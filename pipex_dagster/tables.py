"""Tables of the layers that the results have none for: cases, summaries and leaderboards.

Like those of the results their schemas are explicit and named in the file, columns are only added, and
what was not measured is null.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from pipex_core.errors import ConfigError
from pipex_core.evals.caselines import Text
from pipex_core.evals.scrub import Scrubber
from pipex_core.evals.suite import Case, Suite, hashes_by_id
from pipex_core.evals.suitefile import dump_lines, read_file
from pipex_core.evals.summary import MetricSummary, Summary
from pipex_core.jsonvalue import Json, canonical, parse

end_key = b"pipex.end"

cases_schema = pa.schema(
    [
        pa.field("case_id", pa.string(), nullable=False),
        pa.field("case_hash", pa.string(), nullable=False),
        pa.field("case", pa.string(), nullable=False),  # as its line of cases.jsonl
        pa.field("redacted", pa.bool_()),  # whether something was taken out of that line
    ],
    metadata={"pipex.schema": "cases/1"},
)
_counts = ("n_planned", "n_scored", "n_failed", "n_missing", "n_na")
_values = ("mean", "mean_scored", "missing_rate", "pass_rate")
_estimates = ("median", "sd", "min", "max", "p5", "p25", "p75", "p95")
_ends = ("ci_low", "ci_high", "bound_low", "bound_high")
summary_schema = pa.schema(
    [
        pa.field("metric", pa.string(), nullable=False),
        pa.field("slice_by", pa.string()),  # null for all cases
        pa.field("slice", pa.string()),
        *(pa.field(name, pa.int32(), nullable=False) for name in _counts),
        *(pa.field(name, pa.float64()) for name in (*_values, *_estimates, *_ends)),
        pa.field("ci_method", pa.string()),
    ],
    metadata={"pipex.schema": "summary/1"},
)
leaderboard_schema = pa.schema(
    [
        pa.field("target", pa.string(), nullable=False),
        pa.field("champion", pa.bool_(), nullable=False),
        pa.field("verdict", pa.string()),  # null for the champion, and without a gate
        pa.field("metric", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in ("mean", "ci_low", "ci_high", "coverage")),
    ],
    metadata={"pipex.schema": "leaderboard/1"},
)
leaderboard_columns = ("metric", "slice_by", "mean", "ci_low", "ci_high", *_counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the leaderboard is told of one target.

    Attributes:
        summary: The target's summary table with at least ``leaderboard_columns``.
        verdict: The gate's word, or None.
    """

    target: str
    champion: bool
    summary: pa.Table
    verdict: str | None = None


def cases_table(suite: Suite, *, redact: Callable[[str], str] = str) -> pa.Table:
    """The cases, sorted by id, each with its hash and its line of a suite file as far as it may be kept.

    Args:
        suite: Its ``privacy`` says what becomes of personal data.
        redact: Takes secrets out of a text.
    """
    known = hashes_by_id(suite)
    cases = sorted(suite.cases, key=lambda case: case.id)
    whole = [_line(case) for case in cases]
    kept = [redact(_line(kept_case(case, suite.extra.get("privacy")))) for case in cases]
    return pa.table(
        [
            [case.id for case in cases],
            [known[case.id].case_hash for case in cases],
            kept,
            [before != after for before, after in zip(whole, kept, strict=True)],
        ],
        schema=cases_schema,
    )


def kept_case(case: Case, privacy: str | None) -> Case:
    """The case without what its suite does not want to be kept: personal data, or any text at all."""
    match privacy:
        case "redact":
            return Scrubber().case(case).case
        case "hash" | "drop":
            return Case(id=case.id, input="")
        case _:
            return case


def _line(case: Case) -> str:
    return dump_lines([case]).removesuffix("\n")


def suite_of(table: pa.Table, today: Suite) -> Suite:
    """The suite that was materialized, judged as its files say today.

    The questions are those of the table. What is no part of a question (metrics, gate, tags, weights)
    comes from the files: of the suite, and of each case that still is the same question.

    Args:
        table: From ``cases_table``.
        today: The suite as its files are now.

    Raises:
        ConfigError: ``not_materialized``, a question was changed whose old text was not kept.
    """
    lines = "\n".join(table["case"].to_pylist())
    stored = read_file(Text(file=f"{today.location}/cases.jsonl", text=lines)).cases
    now = hashes_by_id(today)
    same = {
        case.id: case
        for case, asked in _with_hashes(today, table)
        if now[case.id].case_hash == asked
    }
    for case_id in _redacted(table):
        if case_id not in same:
            raise ConfigError(
                f"case {case_id} was changed, and its old text was not kept for the sake of privacy",
                code="not_materialized",
                next_step="materialize the suite again",
            )
    return replace(today, cases=tuple(same.get(case.id, case) for case in stored))


def _redacted(table: pa.Table) -> Iterable[str]:
    """Ids of the cases whose line is not what was asked; none in tables of older versions."""
    if "redacted" not in table.column_names:
        return []
    ids: list[str] = table.filter(table["redacted"])["case_id"].to_pylist()
    return ids


def _with_hashes(today: Suite, table: pa.Table) -> Iterable[tuple[Json, str]]:
    asked = dict(zip(table["case_id"].to_pylist(), table["case_hash"].to_pylist(), strict=True))
    return ((case, asked[case.id]) for case in today.cases if case.id in asked)


def summary_table(summary: Summary) -> pa.Table:
    """A row per metric for all cases, then per metric, slicing and slice, in the order of the run."""
    rows = [_summary_row(name, metric) for name, metric in summary.metrics.items()]
    rows += [
        _summary_row(name, metric, slice_by=by, slice=value)
        for by, values in summary.slices.items()
        for value, metrics in values.items()
        for name, metric in metrics.items()
    ]
    return pa.Table.from_pylist(rows, schema=summary_schema)


def _summary_row(name: str, metric: MetricSummary, **place: str) -> dict[str, Json]:
    estimate = metric.estimate
    interval = estimate.interval if estimate else None
    low, high = metric.bounds or (None, None)
    return {
        "metric": name,
        **place,
        **{column: getattr(metric, column) for column in (*_counts, *_values)},
        **{column: getattr(estimate, column) if estimate else None for column in _estimates},
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "ci_method": interval.method if interval else None,
        "bound_low": low,
        "bound_high": high,
    }


def leaderboard_table(standings: Sequence[Standing]) -> pa.Table:
    """A row per target and metric: the champion first, then targets by the mean of the first metric."""
    rows = [row for standing in standings for row in _standing_rows(standing)]
    first = rows[0]["metric"] if rows else ""
    best = {row["target"]: row["mean"] for row in rows if row["metric"] == first}

    def rank(row: Mapping[str, Json]) -> tuple[bool, bool, float, str]:
        mean = best.get(row["target"])
        return not row["champion"], mean is None, -(mean or 0.0), row["target"]

    return pa.Table.from_pylist(sorted(rows, key=rank), schema=leaderboard_schema)


def _standing_rows(standing: Standing) -> Iterable[dict[str, Json]]:
    for row in standing.summary.to_pylist():
        if row["slice_by"] is None:
            planned = row["n_planned"] - row["n_na"]
            known = row["n_scored"] + row["n_failed"]
            yield {
                "target": standing.target,
                "champion": standing.champion,
                "verdict": standing.verdict,
                "metric": row["metric"],
                "mean": row["mean"],
                "ci_low": row["ci_low"],
                "ci_high": row["ci_high"],
                "coverage": known / planned if planned else None,
            }


def with_end(table: pa.Table, end: Mapping[str, Json]) -> pa.Table:
    """The table of comparisons with how the evaluation ended in its metadata.

    Args:
        table: Rows of comparisons.
        end: ``run_id``, ``status``, and ``verdict`` as a gate gives it or null.
    """
    kept = table.schema.metadata or {}
    return table.replace_schema_metadata({**kept, end_key: canonical(end)})


def end_in(table: pa.Table | None) -> Mapping[str, Json]:
    """What ``with_end`` put there; empty when there is nothing."""
    found = None if table is None else (table.schema.metadata or {}).get(end_key)
    known: Mapping[str, Json] = {} if found is None else parse(found.decode())
    return known
