"""``pipex cost``, ``history``, ``results`` and ``cache``: accounts and upkeep of what evaluations leave behind."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import LazyGroup, counted, emit, exit_failed, exit_ok

if TYPE_CHECKING:
    from pipex_core.evals.histories import Point
    from pipex_core.evals.rendering import Grid
    from pipex_core.evals.upkeep import Finding

by_words = ("run", "suite", "model", "day", "step", "metric")
results_option = click.option(
    "--results", metavar="DIR", help="Folder of the result tables.  [default: results]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")

RESULTS: Mapping[str, tuple[str, str]] = {
    "verify": ("pipex_core.cli.upkeep:verify", "Check every file and row against the manifests."),
    "compact": ("pipex_core.cli.upkeep:compact", "Write runs of many files as few."),
    "migrate": ("pipex_core.cli.upkeep:migrate", "Write runs of earlier versions in today's form."),
    "prune": ("pipex_core.cli.upkeep:prune", "Remove old runs that no baseline needs."),
    "erase": ("pipex_core.cli.upkeep:erase", "Take the texts about a person out of all runs."),
}
CACHE: Mapping[str, tuple[str, str]] = {
    "stats": ("pipex_core.cli.upkeep:stats", "Say how much the cache of model calls holds."),
    "verify": ("pipex_core.cli.upkeep:verify_cache", "Check every entry against its digest."),
    "prune": ("pipex_core.cli.upkeep:prune_cache", "Remove old and damaged entries."),
}


@click.group("results", cls=LazyGroup, table=RESULTS)
def results() -> None:
    """Verify, compact, prune and erase result tables."""


@click.group("cache", cls=LazyGroup, table=CACHE)
def cache() -> None:
    """Look at, verify and prune the cache of model calls."""


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--by", type=click.Choice(by_words), default="run", show_default=True, help="A line for each."
)
@click.option("--reprice", is_flag=True, help="Also at today's prices, from the stored tokens.")
@results_option
@json_option
def cost(run: str | None, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Say what evaluations cost: all of them, or RUN.

    Step and metric look at single calls. What carried answers cost when they
    were made is saved money. A new run is estimated by pipex eval run --dry-run.

    \b
    Examples:
      pipex cost --by model
      pipex cost latest --by step
      pipex cost --by suite --reprice
    """  # fmt: skip
    from pipex_core.app.upkeep import costs
    from pipex_core.evals.costs import totals

    lines = costs(run, given["by"], results=given["results"], reprice=given["reprice"])
    total = totals(lines)
    document = {
        "schema": "pipex.cost/1",
        "by": given["by"],
        "lines": [line.as_json() for line in lines],
        "total": {name: value for name, value in total.as_json().items() if name != "name"},
    }
    rows = [line.as_json() for line in (*lines, total)]
    emit(document, as_json=given["as_json"], text=lambda: _cost_text(given["by"], rows))
    return exit_ok


@click.command()
@click.argument("suite", metavar="SUITE")
@click.option("--metric", metavar="NAME", help="Column of a metric.  [default: the first one]")
@click.option("--model", metavar="ID", help="Only runs of this model.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N runs.")
@results_option
@json_option
def history(suite: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Show a metric of SUITE over its runs, oldest first.

    A mark tells where the metric measures differently than before, or where
    the questions changed: means on both sides of a mark do not compare.
    """
    from pipex_core.app.upkeep import suite_history
    from pipex_core.evals.histories import as_document

    options = {name: given[name] for name in ("results", "metric", "model", "last")}
    metric, points = suite_history(suite, **options)
    document = as_document(suite, metric, points)
    emit(document, as_json=given["as_json"], text=lambda: _history_text(suite, metric, points))
    return exit_ok


@click.command(short_help="Check every file and row against the manifests.")
@click.argument("run", metavar="[RUN]", required=False)
@results_option
@json_option
def verify(run: str | None, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Check every file and every row of RUN, or of all runs, against its manifest."""
    from pipex_core.app.upkeep import verify_results

    return _tell(verify_results(given["results"], run), as_json=given["as_json"])


@click.command()
@results_option
@json_option
def compact(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Write runs that consist of many files as few; rows and digests stay the same."""
    from pipex_core.app.upkeep import compact_results

    return _tell(compact_results(given["results"]), as_json=given["as_json"])


@click.command()
@results_option
@json_option
def migrate(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Write runs of earlier minor versions in today's form."""
    from pipex_core.app.upkeep import migrate_results

    return _tell(migrate_results(given["results"]), as_json=given["as_json"])


@click.command()
@click.option(
    "--older-than", type=click.FloatRange(0), metavar="DAYS", help="Only runs that are older."
)
@click.option(
    "--keep", type=click.IntRange(0), metavar="N", help="The newest N of each suite stay."
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@results_option
@json_option
def prune(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Remove runs, but never one that a baseline names or was compared with."""  # fmt: skip
    from pipex_core.app.upkeep import prune_results

    found = prune_results(
        given["results"],
        older_than_days=given["older_than"],
        keep=given["keep"],
        dry_run=given["dry_run"],
    )
    return _tell(found, as_json=given["as_json"])


@click.command()
@click.option(
    "--subject", required=True, metavar="PATTERN", help="Regular expression of the person's traces."
)
@click.option("--reason", default="", metavar="TEXT", help="Why, for the log.")
@results_option
@json_option
def erase(subject: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Take the texts of all rows that mention a person out of all runs.

    Numbers and hashes stay. Each run's manifest and erasures.jsonl keep that
    it was done, by whom and why, but not the pattern itself.
    """  # fmt: skip
    from pipex_core.app.upkeep import erase_subject

    found = erase_subject(subject, given["results"], reason=given["reason"])
    return _tell(found, as_json=given["as_json"])


@click.command()
@json_option
def stats(*, as_json: bool) -> int:
    """Say how many answers the cache of model calls holds, and how old they are."""
    from pipex_core.app.upkeep import cache_facts

    return _tell_cache(asdict(cache_facts()), as_json=as_json)


@click.command("verify")
@json_option
def verify_cache(*, as_json: bool) -> int:
    """Check every entry of the cache against its digest; exit 1 when one is damaged.

    A damaged entry is never served: the call is made again.
    """
    from pipex_core.app.upkeep import cache_facts

    found = asdict(cache_facts())
    _tell_cache(found, as_json=as_json)
    return exit_failed if found["damaged"] else exit_ok


@click.command("prune")
@click.option(
    "--older-than",
    type=click.FloatRange(0),
    required=True,
    metavar="DAYS",
    help="Only answers that are older.",
)
@json_option
def prune_cache(older_than: float, *, as_json: bool) -> int:
    """Remove answers that are older than DAYS, and damaged entries."""  # fmt: skip
    from pipex_core.app.upkeep import prune_cache as pruned

    return _tell_cache(asdict(pruned(older_than)), as_json=as_json)


def _tell(found: Sequence["Finding"], *, as_json: bool) -> int:
    ok = all(one.state != "damaged" for one in found)
    freed = sum(one.freed_bytes for one in found)
    document = {
        "schema": "pipex.results/1",
        "ok": ok,
        "runs": [asdict(one) for one in found],
        "freed_bytes": freed,
    }
    shown = [one for one in found if one.state not in ("ok", "kept")]
    told = counted(len(shown), "run") if shown else "nothing"
    said = f"{counted(len(found), 'run')} looked at, {told} to tell of"
    lines = [*map(_finding_line, shown), said + (f", {freed / 1e6:.1f} MB freed" if freed else "")]
    emit(document, as_json=as_json, text="\n".join(lines))
    return exit_ok if ok else exit_failed


def _finding_line(one: "Finding") -> str:
    more = [one.reason] if one.reason else []
    more += [counted(one.rows, "row")] if one.rows else []
    return f"{one.run_id}  {one.suite_id}: {', '.join([one.state, *more])}"


def _tell_cache(found: dict[str, Any], *, as_json: bool) -> int:
    lines = [
        f"{counted(found['entries'], 'answer')}, {found['size_bytes'] / 1e6:.1f} MB",
        *([f"from {found['oldest']} to {found['newest']}"] if found["oldest"] else []),
        *([f"removed {counted(found['removed'], 'answer')}"] if found["removed"] else []),
        *(f"damaged: {key}" for key in found["damaged"]),
    ]
    emit({"schema": "pipex.cache/1", **found}, as_json=as_json, text="\n".join(lines))
    return exit_ok


def _cost_text(by: str, rows: Sequence[Mapping[str, Any]]) -> str:
    from pipex_core.evals.rendering import text_table

    repriced = "repriced_usd" in rows[-1]
    names = ["runs", "calls", "input", "output", "judges USD", "saved USD", "USD"]
    grid = _grid(
        [by, *names, *(["today USD"] if repriced else [])],
        [
            [
                row["name"],
                *(f"{row[name]:,}" for name in ("runs", "calls", "input_tokens", "output_tokens")),
                *(f"{row[name]:.4f}" for name in ("judge_cost_usd", "saved_usd", "cost_usd")),
                *([f"{row.get('repriced_usd', 0):.4f}"] if repriced else []),
            ]
            for row in rows
        ],
    )
    return text_table(grid)


def _history_text(suite: str, metric: str, points: Sequence["Point"]) -> str:
    from pipex_core.evals.rendering import number, text_table

    grid = _grid(
        ["", "run", "target", "model", "mean", "95 % interval", "n", "missing"],
        [
            [
                "*" if point.ruler_changed or point.suite_changed else "",
                point.run_id,
                point.target_id,
                point.model_id,
                number(point.mean),
                f"[{number(point.ci_low)}, {number(point.ci_high)}]" if point.ci_low is not None else "-",
                str(point.n),
                str(point.n_missing),
            ]
            for point in points
        ],
        left=4,
    )  # fmt: skip
    marks = [
        *(["the metric measures differently"] if any(p.ruler_changed for p in points) else []),
        *(["the questions changed"] if any(p.suite_changed for p in points) else []),
    ]
    lines = [f"{metric} of {suite}, oldest first", text_table(grid)]
    if marks:
        lines.append(f"* {' or '.join(marks)}: means before and after do not compare")
    return "\n".join([*lines, f"next: pipex compare {points[0].run_id} {points[-1].run_id}"])


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> "Grid":
    from pipex_core.evals.rendering import Grid

    return Grid(
        header=[(name, "left" if at < left else "right") for at, name in enumerate(header)],
        rows=rows,
    )
