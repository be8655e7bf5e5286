"""All cases of a run as a table that works without script, and as data for the script that filters it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.evals.findings import Findings
from pipex_core.evals.htmlparts import badge, scrolling
from pipex_core.evals.markup import Child, Markup, element, visible
from pipex_core.evals.rendering import cut, number
from pipex_core.jsonvalue import Json

most_rows: Final = 200
most_metrics: Final = 6
most_data_bytes: Final = 10_000_000
short_text: Final = 90
_first: Final = {"failed": 0, "undetermined": 1, "quarantined": 2, "passed": 3}
# What could end the script element or, in old readers, a line of script.
_acting: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: ``head`` names the row, ``result`` is a badge, ``text`` may be long."""

    name: str
    kind: Literal["head", "result", "number", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """Every answer of a run, failed ones first, then by case."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Json]]


def case_table(found: Findings) -> CaseTable:
    """One row per answer: case, result, scores of at most six metrics, time, and the three texts."""
    names = list(found.judgement.summary.metrics)[:most_metrics]
    scores = _scores(found)
    repeats = max(found.responses["repeat"].to_pylist(), default=0) > 0
    kept = ("case_id", "repeat", "passed", "class", "quarantined", "latency_ms")
    texts = ("input", "output", "expected")
    rows = []
    for row in found.responses.select((*kept, *texts)).to_pylist():
        key = row["case_id"], row["repeat"]
        name = f"{row['case_id']} #{row['repeat'] + 1}" if repeats else row["case_id"]
        own = [scores.get((*key, metric)) for metric in names]
        said = [None if row[text] is None else cut(row[text]) for text in texts]
        rows.append([name, _result(row), *own, row["latency_ms"], *said])
    rows.sort(key=lambda row: (_first[row[1]], row[0]))
    columns = [
        Column(name="case", kind="head"),
        Column(name="result", kind="result"),
        *(Column(name=name, kind="number") for name in names),
        Column(name="ms", kind="number"),
        *(Column(name=name, kind="text") for name in texts),
    ]
    return CaseTable(columns=columns, rows=rows)


def cases_html(found: Findings) -> Iterator[Markup]:
    """Table, tools of the script, and its data; a note where not all is here."""
    table = case_table(found)
    data, held = _data(table)
    count, shown = len(table.rows), min(len(table.rows), most_rows)
    paths = ", ".join(path for path in found.files if "responses" in path) or "the result tables"
    notes = []
    if shown < count:
        notes.append(f"The first {shown} of {count:,} answers; with script the table has more.")
    if held < count:
        notes.append(f"This file holds {held:,} answers of {count:,}; all are in {paths}.")
    yield from (element("p", note, class_="hint") for note in notes)
    yield element("div", id="case-tools", class_="tools", hidden="")
    yield scrolling("All cases", _table(table))
    yield Markup(f'<script type="application/json" id="case-data">{data}</script>')


def _scores(found: Findings) -> Mapping[tuple[str, int, str], float]:
    names = ("case_id", "repeat", "metric", "score", "level", "submetric", "fallback_of")
    return {
        (row["case_id"], row["repeat"], row["metric"]): row["score"]
        for row in found.scores.select(names).to_pylist()
        if row["level"] == "case" and row["submetric"] is None and row["fallback_of"] is None
    }


def _result(row: Mapping[str, Json]) -> str:
    if row["quarantined"]:
        return "quarantined"
    return {True: "passed", False: "failed", None: "undetermined"}[row["passed"]]


def _data(table: CaseTable) -> tuple[str, int]:
    """The rows as JSON that no reader takes for markup, and how many of them there is room for."""
    room = most_data_bytes
    rows = []
    for row in table.rows:
        text = json.dumps([visible(x) if isinstance(x, str) else x for x in row], allow_nan=False)
        room -= len(text)
        if room < 0:
            break
        rows.append(text)
    columns = json.dumps([[visible(one.name), one.kind] for one in table.columns])
    text = f'{{"columns":{columns},"rows":[{",".join(rows)}]}}'
    return text.translate(_acting), len(rows)


def _table(table: CaseTable) -> Markup:
    heads = [
        element("th", one.name, scope="col", **_numeric(one.kind == "number"))
        for one in table.columns
    ]
    rows = [element("tr", *map(_cell, table.columns, row)) for row in table.rows[:most_rows]]
    return element(
        "table",
        element("caption", "All cases"),
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        id="cases",
        class_="wide",
    )


def _cell(column: Column, value: Json) -> Markup:
    match column.kind:
        case "head":
            return element("th", str(value), scope="row")
        case "result":
            return element("td", badge(str(value)))
        case "number":
            return element("td", number(value), class_="num")
        case _:
            return element("td", _text(value), class_="text")


def _text(value: str | None) -> Child:
    """A short text as it is, a long one behind its beginning."""
    if value is None:
        return "-"
    if len(value) <= short_text:
        return value
    return element(
        "details",
        element("summary", f"{visible(value)[:short_text]}…"),
        element("pre", value),
        class_="plain",
    )


def _numeric(is_number: bool) -> dict[str, str]:  # noqa: FBT001 - one caller, here
    return {"class_": "num"} if is_number else {}
