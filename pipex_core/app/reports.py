"""Runs for people: the block on the console and the leaderboard of a suite."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipex_core.evals.archive import Stored
from pipex_core.evals.rendering import (
    Align,
    Grid,
    interval,
    number,
    percent,
    plain,
    text_table,
)
from pipex_core.evals.runner import EvalRun
from pipex_core.evals.summary import MetricSummary, Summary
from pipex_core.evals.verdict import sentence, told

no_model = "none"
most_troubles = 5
most_text = 200


def run_block(found: EvalRun) -> str:
    """What a finished run is worth on a console: one line per metric, money, and the verdict."""
    job, totals = found.job, found.summary.totals
    model = "" if job.target.model_id == no_model else f" with {job.target.model_id}"
    headline = (
        f"{job.suite.id} on {job.target.target_id}{model}: {found.status}, "
        f"{totals.n_cases} case{'' if totals.n_cases == 1 else 's'}, {totals.n_carried} carried, "
        f"{totals.calls} call{'' if totals.calls == 1 else 's'}, {totals.cost_nanousd / 1e9:.4f} USD"
    )
    if totals.judge_cost_nanousd:
        headline += f", judges {totals.judge_cost_nanousd / 1e9:.4f} USD"
    lines = [headline, text_table(metric_grid(found.summary)), *_troubles(found.responses)]
    if found.verdict is not None:
        lines.append(sentence(found.verdict))
        lines += [f"  {line}" for line in found.verdict.warnings if line.startswith(told)]
    return "\n".join(lines)


def _troubles(responses: pa.Table) -> Iterator[str]:
    """One line for each kind of row that is no answer, the most frequent first, with one message."""
    columns = ["class", "status", "error_code", "error"]
    kinds: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for row in responses.select(columns).to_pylist():
        if row["class"] != "observed" or row["status"] != "ok":
            word = "missing" if row["class"] == "missing" else "failed"
            kinds[word, row["error_code"] or row["status"]].append(row["error"])
    ordered = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
    for (word, code), errors in ordered[:most_troubles]:
        told = next((f", such as: {plain(error)[:most_text]}" for error in errors if error), "")
        yield f"{word} {len(errors)}: {code}{told}"


def metric_grid(summary: Summary) -> Grid:
    """One row per metric: mean with interval, coverage, and the share that passed.

    Values over the suite that are no means stand in a column of their own, where there are any.
    """
    header: list[tuple[str, Align]] = [("metric", "left")]
    header += [("mean", "right"), ("95 % interval", "right")]
    header += [("scored", "right"), ("missing", "right"), ("passed", "right")]
    rows = [_metric_row(name, one) for name, one in summary.metrics.items()]
    corpora = [one.corpus for one in summary.metrics.values()]
    if any(corpora):
        header.append(("suite", "right"))
        for row, corpus in zip(rows, corpora, strict=True):
            row.append(number(corpus.value) if corpus else "-")
    return Grid(header=header, rows=rows)


def leaderboard_grid(runs: Iterable[Stored], *, metric: str, champion: str | None) -> Grid:
    """Targets side by side under one metric, the best first; the champion is marked."""
    rows = []
    for run in runs:
        one = run.judgement.summary.metrics.get(metric)
        totals = run.judgement.summary.totals
        name = run.manifest["target"]["target_id"]
        mean = one.mean if one else None
        found = one.estimate.interval if one and one.estimate else None
        verdict = (run.manifest["verdict"] or {}).get("verdict", "-")
        rows.append(
            (
                mean,
                [
                    f"{name} *" if name == champion else name,
                    number(mean),
                    interval(found.low, found.high) if found else "-",
                    percent(totals.pass_rate),
                    str(totals.n_missing),
                    f"{(totals.cost_nanousd + totals.saved_nanousd) / 1e9:.4f}",
                    verdict,
                ],
            )
        )
    rows.sort(key=lambda row: (row[0] is None, -(row[0] or 0.0), row[1][0]))
    return Grid(
        header=[
            ("target", "left"),
            (metric, "right"),
            ("95 % interval", "right"),
            ("passed", "right"),
            ("missing", "right"),
            ("USD", "right"),
            ("verdict", "left"),
        ],
        rows=[row for _, row in rows],
    )


def _metric_row(name: str, one: MetricSummary) -> list[str]:
    found = one.estimate.interval if one.estimate else None
    return [
        name,
        number(one.mean),
        interval(found.low, found.high) if found else "-",
        f"{one.n_scored}/{one.n_planned - one.n_na}",
        str(one.n_missing),
        percent(one.pass_rate),
    ]
