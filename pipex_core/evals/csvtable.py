"""A run as a table for spreadsheets: one row per case, repeat and metric.

A text that a spreadsheet would take for a formula (it begins with ``= + - @``, a tab or a line end) gets
an apostrophe in front, as spreadsheets write it themselves. Numbers are exact.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final

from pipex_core.evals.findings import Findings, result_rows
from pipex_core.evals.markup import visible
from pipex_core.jsonvalue import Json

columns: Final = (
    "run_id", "suite_id", "target_id", "model_id", "case_id", "repeat", "status", "case_passed",
    "metric", "metric_type", "score", "passed", "threshold", "metric_status", "code", "input",
    "expected", "output",
)  # fmt: skip
words: Final = ("name", "type", "score", "passed", "threshold", "status", "code")
_formula: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def report_csv(found: Findings) -> str:
    """Comma-separated values with a header, lines end as RFC 4180 has it; nothing is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    manifest = found.manifest
    run = (
        manifest["run_id"],
        manifest["suite"]["id"],
        manifest["target"]["target_id"],
        manifest["target"]["model_id"],
    )
    for row in result_rows(found):
        head = (*run, row["case_id"], row["repeat"], row["status"], row["passed"])
        tail = (row["input"], row["expected"], row["output"])
        marks: Sequence[Mapping[str, Json]] = row["metrics"] or ({},)
        for one in marks:
            middle = (one.get(word) for word in words)
            writer.writerow([_cell(value) for value in (*head, *middle, *tail)])
    return out.getvalue()


def _cell(value: Json) -> Json:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            shown = visible(value)
            return f"'{shown}" if shown.startswith(_formula) else shown
        case _:
            return value
