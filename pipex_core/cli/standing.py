"""``pipex eval status`` and ``cancel``: evaluations that are running, or stopped before their end."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pipex_core.cli.main import emit, exit_incomplete, exit_ok


@click.command(short_help="Say how far an evaluation is.")
@click.argument("run_id", metavar="RUN", default="latest")
@click.option("--check", is_flag=True, help="Exit 4 unless the evaluation is complete.")
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def status(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Say how far the evaluation RUN is: rows, money, and the numbers of what is durable so far.

    Exit codes: 0 whatever the status is, or with --check 4 for a run that is not completed.
    """
    from pipex_core.app.settings import read_settings
    from pipex_core.app.standing import standing
    from pipex_core.app.stored import open_archive

    folder = given["results"] or read_settings().text("results_dir")
    archive = open_archive(folder) if Path(folder).is_dir() else None
    found = standing(run_id, archive=archive)
    payload = {"schema": "pipex.runs/1", "runs": [found]}
    emit(payload, as_json=given["as_json"], text=lambda: "\n".join(_lines(found)))
    return exit_incomplete if given["check"] and found["status"] != "completed" else exit_ok


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    from pipex_core.evals.rendering import number

    reason = f" ({found['reason']})" if found["reason"] else ""
    yield f"{found['suite_id']} on {found['target_id']}: {found['status']}{reason}"
    yield f"  {found['done']} of {found['rows']} rows, {found['cost_usd']:.4f} USD"
    words = "so far" if found["partial"] else "in all"
    for name, one in found["metrics"].items():
        yield f"  {name} {number(one['mean'])} {words}"
    run_id = found["run_id"]
    is_open = found["status"] in ("incomplete", "failed")
    yield f"run {run_id}; next: pipex eval {'resume' if is_open else 'show'} {run_id}"


@click.command(short_help="Stop an evaluation that is running.")
@click.argument("run_id", metavar="RUN", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def cancel(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Stop the evaluation RUN, which another process on this machine runs, as Ctrl-C does there.

    Its rows so far are kept; pipex eval resume goes on with it.
    """
    from pipex_core.app.standing import cancel as cancelled

    found = cancelled(run_id)
    payload = {"schema": "pipex.runs/1", "runs": [found]}
    text = f"asked run {found['run_id']} to stop; next: pipex eval resume {found['run_id']}"
    emit(payload, as_json=given["as_json"], text=text)
    return exit_ok
