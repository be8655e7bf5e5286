"""What the UI shows of tables and numbers: metadata of materializations, in the order in which it reads.

Floats come first, because the UI plots each over the partitions; then the panels for row count and
columns, tables for people, and a text with one small picture last.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from pipex_core.evals.summary import MetricSummary, Summary
from pipex_core.jsonvalue import Json

Metadata = dict[str, dg.MetadataValue[Any]]

longest_cell = 160  # of inline tables: a row must fit on a screen
longest_text = 2_000  # of prompts and replies of a step
shown_rows = 20
nothing = "-"


def numbers(values: Mapping[str, float | None]) -> Metadata:
    """The values that are there, as floats, so that the UI plots integers as well."""
    return {
        name: dg.MetadataValue.float(float(value))
        for name, value in values.items()
        if value is not None
    }


def panels(table: pa.Table) -> Metadata:
    """Row count and columns, under the names for which the UI has panels of its own."""
    columns = [
        dg.TableColumn(
            name=field.name,
            type=_type_of(field.type),
            constraints=dg.TableColumnConstraints(nullable=field.nullable),
        )
        for field in table.schema
    ]
    return {
        "dagster/row_count": dg.MetadataValue.int(table.num_rows),
        "dagster/column_schema": dg.TableSchemaMetadataValue(dg.TableSchema(columns=columns)),
    }


def _type_of(kind: pa.DataType) -> str:
    """What a column holds, whatever saves its space."""
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind)


def materialized(
    table: pa.Table,
    metadata: Metadata,
    *,
    version: str,
    shown: Mapping[str, dg.TableMetadataValue | None] | None = None,
    text: str | None = None,
    checks: Sequence[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult[pa.Table]:
    """A materialization: numbers first, then the panels, tables for people, and a text last."""
    tables = {name: value for name, value in (shown or {}).items() if value is not None}
    last = {} if text is None else {"report": dg.MetadataValue.md(text)}
    return dg.MaterializeResult(
        value=table,
        metadata={**metadata, **panels(table), **tables, **last},
        data_version=dg.DataVersion(version[:16]),
        check_results=list(checks),
    )


def rows_shown(rows: Iterable[Mapping[str, Json]]) -> dg.TableMetadataValue | None:
    """The first rows as an inline table, long texts cut; None when there is none.

    Args:
        rows: All with the same keys, numbers or text.
    """
    records = [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in rows][:shown_rows]
    return dg.MetadataValue.table(records=records) if records else None


def cut(text: str, *, at: int = longest_text) -> str:
    """``text``, or its beginning with the number of characters that are left out."""
    return text if len(text) <= at else f"{text[:at]} … ({len(text) - at} more characters)"


def of_metrics(summary: Summary) -> Mapping[str, float | None]:
    """Mean and coverage of every metric, under the names that gates use."""
    found: dict[str, float | None] = {}
    for name, metric in summary.metrics.items():
        found[f"{name}_mean"] = metric.mean
        found[f"{name}_coverage"] = coverage(metric)
    return found


def coverage(metric: MetricSummary) -> float | None:
    """Share of the cases with a question to which there is a number; None when there was no question."""
    planned = metric.n_planned - metric.n_na
    return (metric.n_scored + metric.n_failed) / planned if planned else None


def summary_text(summary: Summary) -> str:
    """The metrics as a Markdown table, below it the first metric's values as a picture."""
    lines = [
        "| metric | mean | 95 % interval | if all missing were worst … best | coverage |",
        "|---|--:|---|---|--:|",
        *(_metric_line(name, metric) for name, metric in summary.metrics.items()),
    ]
    picture = _picture(summary)
    return "\n".join(lines) + (f"\n\n{picture}" if picture else "")


def response_numbers(table: pa.Table, *, calls: int, resumed: int) -> Metadata:
    """How asking went.

    Args:
        table: Responses.
        calls: Model calls that this try made.
        resumed: Rows that an earlier try of the same run had.
    """
    words = table["class"].cast("string")
    carried = pc.equal(table["cache"].cast("string"), "carried")
    spent = pc.if_else(carried, 0, table["cost_nanousd"])
    p95 = pc.quantile(table["latency_ms"], q=0.95)[0].as_py() if table.num_rows else None
    return numbers(
        {
            "answered_share": _share(pc.equal(words, "observed")),
            "missing": pc.sum(pc.equal(words, "missing")).as_py() or 0,
            "cost_usd": (pc.sum(spent).as_py() or 0) / 1e9,
            "calls": calls,
            "carried": pc.sum(carried).as_py() or 0,
            "resumed": resumed,
            "latency_p95_ms": p95,
        }
    )


def unanswered(table: pa.Table) -> Iterable[Mapping[str, Json]]:
    """The responses that are no regular answer, with why."""
    names = ("case_id", "repeat", "status", "error_code", "error")
    bad = table.filter(pc.not_equal(table["status"].cast("string"), "ok"))
    return (dict(row) for row in bad.select(names).slice(0, shown_rows).to_pylist())


def worst_cases(responses: pa.Table, scores: pa.Table, metric: str) -> Iterable[Mapping[str, Json]]:
    """The cases that did not pass one metric, what has no score first, then the worst."""
    heads = scores.filter(
        pc.and_(
            pc.and_(
                pc.equal(scores["metric"].cast("string"), metric), pc.is_null(scores["submetric"])
            ),
            pc.equal(scores["level"].cast("string"), "case"),
        )
    )
    columns = ("case_id", "repeat", "score", "code", "direction", "passed")
    rows = [row for row in heads.select(columns).to_pylist() if not row["passed"]]
    rows.sort(key=lambda row: _badness(row["score"], row["direction"]))
    texts = ("case_id", "repeat", "input", "expected", "output")
    said = {(row["case_id"], row["repeat"]): row for row in responses.select(texts).to_pylist()}
    for row in rows[:shown_rows]:
        found = said[row["case_id"], row["repeat"]]
        score = row["code"] if row["score"] is None else f"{row['score']:.4g}"
        yield {
            "case": row["case_id"],
            metric: score,
            **{name: found[name] for name in ("input", "expected", "output")},
        }


def _badness(score: float | None, direction: str) -> tuple[bool, float]:
    if score is None:
        return False, 0.0
    return True, -score if direction == "lower" else score


def leaderboard_text(table: pa.Table) -> str:
    """The leaderboard as a Markdown table: a line per target, a column per metric, the champion bold."""
    rows = table.to_pylist()
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    lines = [
        f"| target | verdict | {' | '.join(metrics)} |",
        f"|---|---|{'--:|' * len(metrics)}",
    ]
    for target in dict.fromkeys(row["target"] for row in rows):
        own = {row["metric"]: row for row in rows if row["target"] == target}
        first = next(iter(own.values()))
        name = f"**{target}** (champion)" if first["champion"] else target
        means = " | ".join(_mean_of(own.get(metric)) for metric in metrics)
        lines.append(f"| {name} | {first['verdict'] or nothing} | {means} |")
    return "\n".join(lines)


def _mean_of(row: Mapping[str, Json] | None) -> str:
    return nothing if row is None or row["mean"] is None else f"{row['mean']:.3g}"


def _share(flags: Any) -> float | None:  # noqa: ANN401 - an Arrow array, whose library has no types
    found: float | None = pc.mean(flags.cast("double")).as_py()
    return found


def _metric_line(name: str, metric: MetricSummary) -> str:
    interval = metric.estimate.interval if metric.estimate else None
    ends = f"{interval.low:.3g} … {interval.high:.3g}" if interval else nothing
    bounds = f"{metric.bounds[0]:.3g} … {metric.bounds[1]:.3g}" if metric.bounds else nothing
    share = coverage(metric)
    known = nothing if share is None else f"{100 * share:.1f} %"
    mean = nothing if metric.mean is None else f"{metric.mean:.3g}"
    return f"| `{name}` | {mean} | {ends} | {bounds} | {known} |"


def _picture(summary: Summary) -> str:
    for name, metric in summary.metrics.items():
        if metric.histogram is not None:
            found = metric.histogram
            width = (found.high - found.low) / len(found.counts)
            edges = [found.low + width * i for i in range(len(found.counts))]
            return bars(edges, found.counts, width=width, title=name, mark=metric.facts.threshold)
    return ""


def bars(
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    width: float,
    title: str,
    mark: float | None = None,
) -> str:
    """A histogram as a Markdown image that needs no file: a PNG of some 5 KB in the text itself.

    Args:
        edges: Left end of each bar.
        counts: Height of each bar.
        width: Of every bar, in the unit of the values.
        title: What is counted.
        mark: A value to draw a line at, such as a threshold.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 1.6), dpi=80, layout="tight")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.bar(edges, counts, width=width or 1.0, align="edge", color="#4c6fbf", edgecolor="white")
    if mark is not None:
        axes.axvline(mark, color="#b3442e", linewidth=1.2)
    axes.set_title(f"{title}: cases per value", fontsize=8)
    axes.tick_params(labelsize=7)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    text = base64.b64encode(png.getvalue()).decode()
    return f"![{title}: histogram](data:image/png;base64,{text})"


def _cell(value: Json) -> Any:  # noqa: ANN401 - str, int, float or bool, as a table record takes them
    if value is None:
        return ""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return cut(value, at=longest_cell) if isinstance(value, str) else value
