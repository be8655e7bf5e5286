"""``pipex eval list`` and ``show``: the finished evaluations of a results folder."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import emit, exit_ok
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.evals.archive import Stored

listed = (
    "run_id", "suite_id", "target_id", "model_id", "status", "verdict", "n_cases", "pass_rate",
    "calls", "cost_usd", "n_carried", "started_at",
)  # fmt: skip


@click.command("list", short_help="List the finished evaluations.")
@click.option("--suite", metavar="ID", help="Only runs of this suite.")
@click.option("--model", metavar="ID", help="Only runs of this model.")
@click.option("--status", metavar="WORD", help="Only runs with this status.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    default=20,
    show_default=True,
    help="At most so many.",
)
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def list_(**given: Any) -> int:  # noqa: ANN401 - click's options
    """List the finished evaluations, the newest first."""
    from pipex_core.app.stored import open_archive
    from pipex_core.evals.rendering import Grid, percent, text_table

    archive = open_archive(given["results"])
    rows: list[dict[str, Any]] = []
    for place in archive.places(suite=given["suite"], model=given["model"]):
        manifest = archive.manifest(place)
        row = {**place.ids(), **manifest["run"]}
        if given["status"] in (None, row["status"]):
            rows.append({name: row.get(name) for name in listed})
        if len(rows) == given["limit"]:
            break
    grid = Grid(
        header=[("run", "left"), ("suite", "left"), ("target", "left"), ("status", "left"), ("verdict", "left"), ("cases", "right"), ("passed", "right"), ("calls", "right"), ("carried", "right"), ("USD", "right")],
        rows=[
            [r["run_id"], r["suite_id"], r["target_id"], r["status"], r["verdict"] or "-", str(r["n_cases"]), percent(r["pass_rate"]), str(r["calls"]), str(r["n_carried"]), f"{r['cost_usd']:.4f}"]
            for r in rows
        ],
    )  # fmt: skip
    text = text_table(grid) if rows else "no finished evaluation; next: pipex eval run SUITE TARGET"
    emit({"schema": "pipex.runs/1", "runs": rows}, as_json=given["as_json"], text=text)
    return exit_ok


@click.command(short_help="Show one evaluation, or one case of it.")
@click.argument("run_id", metavar="RUN", default="latest")
@click.option("--case", "case_id", metavar="ID", help="Show one case with its answer and scores.")
@click.option("--failed", is_flag=True, help="List the cases that did not pass.")
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def show(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Show the evaluation RUN, or one case of it.

    RUN is an id, a unique prefix, latest, latest:SUITE, or the name of a target or model.
    """
    from pipex_core.app.reporting import rendered, shown_findings
    from pipex_core.app.stored import find_run, open_archive

    archive = open_archive(given["results"])
    stored = archive.load(find_run(archive, run_id))
    if given["case_id"] is not None:
        document = _case_document(stored, given["case_id"])
        emit(document, as_json=given["as_json"], text=lambda: "\n".join(_case_lines(document)))
        return exit_ok
    if given["failed"]:
        rows = [row for row in _rows(stored) if row["passed"] is not True]
        payload = {"schema": "pipex.cases/1", "run_id": stored.place.run_id, "cases": rows}
        lines = list(map(_one_line, rows)) or ["every case passed"]
        emit(payload, as_json=given["as_json"], text="\n".join(lines))
        return exit_ok
    findings = shown_findings(archive, stored.place)
    payload = json.loads(rendered(findings, "json")) if given["as_json"] else {}
    emit(payload, as_json=given["as_json"], text=lambda: rendered(findings, "text").rstrip())
    return exit_ok


def _rows(stored: "Stored") -> list[dict[str, Any]]:
    names = ("case_id", "repeat", "status", "input", "expected", "output", "passed", "error")
    rows: list[dict[str, Any]] = stored.responses.select(list(names)).to_pylist()
    return rows


def _case_document(stored: "Stored", case_id: str) -> dict[str, Any]:
    from pipex_core.evals.columns import holds

    answers = [row for row in _rows(stored) if row["case_id"] == case_id]
    if not answers:
        from pipex_core.registry import similar

        near = similar(case_id, [row["case_id"] for row in _rows(stored)])
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise ConfigError(f"the run has no case {case_id!r}{hint}", code="unknown_case")
    chosen = holds(stored.scores["case_id"], case_id)
    names = [
        "metric",
        "submetric",
        "status",
        "score",
        "passed",
        "threshold",
        "label",
        "code",
        "reason",
    ]
    scores = stored.scores.filter(chosen).select(names).to_pylist()
    return {
        "schema": "pipex.case/1",
        "run_id": stored.place.run_id,
        "case_id": case_id,
        "responses": answers,
        "scores": scores,
    }


def _case_lines(document: Mapping[str, Any]) -> Iterator[str]:
    from pipex_core.evals.rendering import number

    for row in document["responses"]:
        yield f"case {row['case_id']} repeat {row['repeat']}: {row['status']}"
        yield f"  input     {row['input']}"
        yield f"  expected  {row['expected']}"
        yield f"  output    {row['output']}"
        if row["error"]:
            yield f"  error     {row['error']}"
    for one in document["scores"]:
        name = one["metric"] if one["submetric"] is None else f"{one['metric']}.{one['submetric']}"
        value = (
            number(one["score"]) if one["status"] == "scored" else f"{one['code']}: {one['reason']}"
        )
        passed = {True: "passed", False: "failed", None: ""}[one["passed"]]
        yield f"  {name:24} {value} {one['label'] or ''} {passed}".rstrip()


def _one_line(row: Mapping[str, Any]) -> str:
    from pipex_core.evals.rendering import plain

    return plain(f"{row['case_id']}: {row['status']}: {row['expected']!r} != {row['output']!r}")[
        :160
    ]
