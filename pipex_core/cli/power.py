"""``pipex power``: how many cases, answers and dollars a comparison needs, before it is made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import counted, emit, exit_ok

if TYPE_CHECKING:
    from pipex_core.evals.planning import PowerPlan


@click.command(short_help="Say how many cases a comparison needs, and what a suite can see.")
@click.option("--suite", metavar="PATH", help="The suite that is there.")
@click.option("-m", "--metric", metavar="NAME", help="The metric.  [default: the first of --from]")
@click.option(
    "--margin",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Difference that shall be told from nothing, in the metric's unit.",
)
@click.option(
    "--from",
    "runs",
    nargs=2,
    metavar="RUN_A RUN_B",
    help="Two earlier runs: how much do their differences vary?",
)
@click.option(
    "--discordance",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Without runs: share of cases that one passes and the other not.  [default: 0.2]",
)
@click.option("--repeats", type=click.IntRange(1, 100), metavar="N", help="Answers per case.")
@click.option(
    "--alpha",
    type=click.FloatRange(1e-6, 0.49),
    default=0.05,
    show_default=True,
    help="Error allowed.",
)
@click.option(
    "--power",
    type=click.FloatRange(0.01, 0.9999),
    default=0.8,
    show_default=True,
    help="Chance of seeing it.",
)
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def power(*, as_json: bool, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Say what a comparison needs: cases, answers per case and money; and what the suite can see now.

    \b
    Examples:
      pipex power --margin 0.03
      pipex power --suite test_suites/ticket_triage --margin 0.05 --discordance 0.1
      pipex power --from champion latest --metric semantic_similarity --margin 0.02
    """
    from pipex_core.app.planning import PowerQuestion, plan_comparison

    plan = plan_comparison(PowerQuestion(**{**given, "runs": given["runs"] or None}))
    payload = {"schema": "pipex.power/1", "suite": given["suite"], **plan.document()}
    emit(payload, as_json=as_json, text=lambda: "\n".join(_lines(plan)))
    return exit_ok


def _lines(plan: "PowerPlan") -> Iterator[str]:
    spread = plan.spread
    known = (
        f"from {counted(spread.n, 'pair')} of runs"
        if spread.n
        else f"assuming that {spread.sd**2:.3g} of the cases change sides"
    )
    yield f"{plan.metric}: differences vary by {spread.sd:.3g} per case, {known}"
    if spread.design_effect != 1:
        yield f"clusters inflate the variance by {spread.design_effect:.2g}"
    if plan.n_suite is not None and plan.mde is not None:
        yield (
            f"{counted(plan.n_suite, 'case')} find a true difference of {plan.mde:.3g}"
            f" with a chance of {plan.power:.0%} (alpha {plan.alpha:g}, one-sided)"
        )
    if plan.n_needed is not None:
        price = f", about {plan.cost_usd:.2f} USD a run" if plan.cost_usd else ""
        yield f"a margin of {plan.margin:g} needs {counted(plan.n_needed, 'case')}{price}"
    if plan.repeats_needed is not None:
        answers = counted(plan.repeats_needed, "answer")
        yield f"or {answers} per case over the {counted(plan.n_suite or 0, 'case')} that are there"
    elif plan.margin is not None and spread.between is not None and plan.n_suite is not None:
        yield "no number of answers per case makes up for the cases that are there"
