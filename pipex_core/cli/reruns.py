"""``pipex eval resume``, ``retry`` and ``score``: go on with an evaluation, or measure its answers anew."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from pipex_core.cli.evalruns import Heard, run_all
from pipex_core.cli.evals import report_formats
from pipex_core.cli.requests import budget_of, metrics_of

statuses = ("infra_error", "rate_limited", "timeout", "not_run_budget", "cancelled", "skipped")
_limits = (
    click.option("--max-cost", type=float, metavar="USD", help="The new budget."),
    click.option(
        "--max-calls", type=click.IntRange(1), metavar="N", help="Stop before calling more often."
    ),
    click.option(
        "--max-tokens", type=click.IntRange(1), metavar="N", help="Stop before using more tokens."
    ),
    click.option(
        "--max-time", type=float, metavar="SECONDS", help="Start no case later than this."
    ),
)
_outputs = (
    click.option(
        "--report",
        "reports",
        multiple=True,
        type=click.Choice(report_formats),
        help="Also write a report; repeatable.",
    ),
    click.option("--events", metavar="FILE", help="Write the events of the run as JSON lines."),
    click.option("--quiet", is_flag=True, help="Say nothing while running."),
    click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object."),
)


Command = Callable[..., int]


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """The options, shown in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(short_help="Go on with an evaluation that stopped.")
@click.argument("run_id", metavar="RUN")
@_with(*_limits, *_outputs)
def resume(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Go on with the evaluation RUN: exactly the open rows are computed.

    The word latest stands for the newest one. Exit codes are those of pipex eval run.
    """
    return _gone_on_with(run_id, given, again=None)


@click.command(short_help="Ask open rows of an evaluation again.")
@click.argument("run_id", metavar="RUN")
@click.option(
    "--status",
    "wanted",
    multiple=True,
    type=click.Choice(statuses),
    help="Only rows that ended so; repeatable.  [default: all that are open]",
)
@_with(*_limits, *_outputs)
def retry(run_id: str, wanted: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Ask the open rows of RUN again, or those with a status; rows that are final stay as they are.

    Exit codes are those of pipex eval run. To ask final rows anew, start a run with --reroll.
    """
    return _gone_on_with(run_id, given, again=list(wanted) or None)


def _gone_on_with(run_id: str, given: dict[str, Any], *, again: list[str] | None) -> int:
    from pipex_core.app.evaluations import reopened

    heard = Heard(quiet=given["quiet"] or given["as_json"])
    desk, request = reopened(run_id, listener=heard)
    options = replace(request.options, again=again)
    budget = budget_of(given)
    if budget is not None:
        options = replace(options, budget=budget)
    if given["max_time"] is not None:
        options = replace(options, max_time_s=given["max_time"])
    request = replace(request, options=options)
    heard.write_events(given["events"], desk)
    return run_all(desk, [request], heard, reports=given["reports"], as_json=given["as_json"])


@click.command(short_help="Measure the answers of an evaluation anew.")
@click.argument("run_id", metavar="RUN")
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME[:THRESHOLD]",
    help="A metric; repeatable.  [default: those of RUN]",
)
@click.option("--metrics", "metrics_file", metavar="FILE", help="Metric entries in a YAML file.")
@click.option("--judge", metavar="FILE", help="Judges, or a model that judges.")
@click.option("--gate", metavar="FILE", help="Gate in place of that of RUN.")
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@_with(*_outputs)
def score(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Measure the stored answers of RUN with other metrics or judges, as a new run that asks no target.

    Exit codes are those of pipex eval run.
    """
    from pipex_core.app.remeasuring import rescored

    heard = Heard(quiet=given["quiet"] or given["as_json"])
    desk, request = rescored(
        run_id,
        results=given["results"],
        metrics=metrics_of(given),
        judge=given["judge"],
        gate=given["gate"],
        listener=heard,
    )
    heard.write_events(given["events"], desk)
    return run_all(desk, [request], heard, reports=given["reports"], as_json=given["as_json"])
