"""``pipex eval run``, and the table of its sister commands."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.evalruns import Heard, run_all
from pipex_core.cli.main import LazyGroup, emit, exit_ok, note
from pipex_core.cli.requests import requests_of
from pipex_core.cli.run import provider_options

if TYPE_CHECKING:
    from pipex_core.app.evaluations import Desk
    from pipex_core.app.requests import EvalRequest

report_formats = ("html", "pdf", "json", "markdown", "junit", "github", "csv")

TABLE: Mapping[str, tuple[str, str]] = {
    "run": ("pipex_core.cli.evals:run", "Evaluate targets on a suite."),
    "resume": ("pipex_core.cli.reruns:resume", "Go on with an evaluation that stopped."),
    "retry": ("pipex_core.cli.reruns:retry", "Ask open rows of an evaluation again."),
    "score": ("pipex_core.cli.reruns:score", "Measure the answers of an evaluation anew."),
    "status": ("pipex_core.cli.standing:status", "Say how far an evaluation is."),
    "cancel": ("pipex_core.cli.standing:cancel", "Stop an evaluation that is running."),
    "list": ("pipex_core.cli.archive:list_", "List the finished evaluations."),
    "show": ("pipex_core.cli.archive:show", "Show one evaluation, or one case of it."),
    "report": ("pipex_core.cli.reports:make", "Write reports of an evaluation."),
}  # fmt: skip


@click.group("eval", cls=LazyGroup, table=TABLE)
def evaluation() -> None:
    """Evaluate targets on suites; list, show and resume evaluations."""


@click.command(short_help="Evaluate targets on a suite.")
@click.argument("suite", required=False, metavar="[SUITE]")
@click.argument("target", required=False, metavar="[TARGET]")
@click.option("--suite", "suite_option", metavar="PATH", help="The suite.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="FILE",
    help="A target, pipeline or recorded answers; repeatable.",
)
@click.option("--pipeline", metavar="FILE", help="A pipeline as the target.")
@click.option("--output-step", metavar="STEP", help="Step of the pipeline that answers.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Ask a model with the suite's prompt; or the model of a pipeline. Repeatable.",
)
@click.option("--prompt", metavar="TEMPLATE", help="Prompt in place of the suite's.")
@click.option(
    "--recorded", "recorded", multiple=True, metavar="FILE", help="Recorded answers; repeatable."
)
@click.option(
    "--bind",
    "binds",
    multiple=True,
    metavar="KEY=VALUE",
    help="An input that is the same for all cases.",
)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME[:THRESHOLD]",
    help="A metric; repeatable.  [default: the suite's]",
)
@click.option("--metrics", "metrics_file", metavar="FILE", help="Metric entries in a YAML file.")
@click.option(
    "--judge", metavar="FILE", help="Judges, or a model that judges.  [default: the suite's]"
)
@click.option(
    "--repeats", type=click.IntRange(1, 100), metavar="N", help="Independent answers per case."
)
@click.option(
    "--reducer", metavar="NAME", help="How repeats become one value, such as median or pass_at_3."
)
@click.option(
    "-j",
    "--max-concurrency",
    type=click.IntRange(1, 256),
    metavar="N",
    default=20,
    show_default=True,
    help="Cases in flight.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only cases with this field; repeatable.",
)
@click.option("--where", metavar="EXPR", help="Only cases for which this expression holds.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="A seeded sample of the cases.")
@click.option("--stratify", metavar="FIELD", help="Sample in equal shares of this field.")
@click.option(
    "--seed", type=int, metavar="N", default=0, show_default=True, help="Of samples and orders."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N cases.")
@provider_options
@click.option("--max-cost", type=float, metavar="USD", help="Stop before spending more.")
@click.option(
    "--max-calls", type=click.IntRange(1), metavar="N", help="Stop before calling more often."
)
@click.option(
    "--max-tokens", type=click.IntRange(1), metavar="N", help="Stop before using more tokens."
)
@click.option("--max-time", type=float, metavar="SECONDS", help="Start no case later than this.")
@click.option("--gate", metavar="FILE", help="Gate in place of the suite's.")
@click.option("--baseline", metavar="RUN", help="Run, target or champion to compare with.")
@click.option(
    "--allow-uncertified", is_flag=True, help="Let judges gate that have no valid certificate."
)
@click.option("--fail-on-threshold", is_flag=True, help="Exit 1 when a mean misses its threshold.")
@click.option(
    "--max-missing",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    default=0.0,
    show_default=True,
    help="Share of missing rows that is accepted; more is exit 4.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Choice(report_formats),
    help="Also write a report; repeatable.",
)
@click.option(
    "--allow-code",
    is_flag=True,
    help="Import metrics.py beside the suite, and python:MODULE:FUNCTION metrics.",
)
@click.option(
    "--allow-path",
    multiple=True,
    metavar="DIR",
    help="A further folder that pipelines may read; repeatable.",
)
@click.option("--no-cache", is_flag=True, help="Neither read nor write the call cache.")
@click.option("--refresh", is_flag=True, help="Write the call cache, do not read it.")
@click.option("--reroll", is_flag=True, help="Ask every case anew, whatever earlier runs know.")
@click.option(
    "--carry",
    type=click.Choice(["auto", "none"]),
    default="auto",
    help="Use answers of earlier runs.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="timeout_is, impute, accept_degraded, second_pass, max_attempts or reuse; repeatable.",
)
@click.option("--events", metavar="FILE", help="Write the events of the run as JSON lines.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A word to keep with the run."
)
@click.option(
    "--results",
    "--output",
    "results",
    metavar="DIR",
    help="Folder of the result tables.  [default: results]",
)
@click.option("--quiet", is_flag=True, help="Say nothing while running.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def run(**given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Evaluate one or more targets on SUITE and say how they did.

    SUITE is a folder, a file, or the id of a suite under test_suites/.

    \b
    Examples:
      pipex eval run ticket_triage --target pipelines/triage_rules.yaml
      pipex eval run ticket_triage --model claude-haiku-5-5 --provider live --max-cost 0.50
      pipex eval run gsm8k --recorded a.jsonl --recorded b.jsonl -m numeric_match

    Several targets are asked side by side, case by case, and each is compared with the first. Answers
    that an earlier run has paid for are carried over. Exit codes: 0 pass or done, 1 gate FAIL,
    2 nothing was run, 3 INCONCLUSIVE, 4 INCOMPLETE, 130 interrupted.
    """
    from pipex_core.app.evaluations import open_desk

    heard = Heard(quiet=given["quiet"] or given["as_json"])
    desk = open_desk(
        results=given["results"],
        listener=heard,
        kind=given["provider"],
        **{name: given[name] for name in ("mock_responses", "cassette", "record")},
    )
    for warning in desk.settings.warnings:
        note(f"warning: {warning}")
    requests = requests_of(given)
    if given["dry_run"]:
        return _dry_run(desk, requests, as_json=given["as_json"])
    heard.write_events(given["events"], desk)
    return run_all(desk, requests, heard, reports=given["reports"], as_json=given["as_json"])


def _dry_run(desk: "Desk", requests: Sequence["EvalRequest"], *, as_json: bool) -> int:
    plans = [desk.plan(desk.job(request), carry=request.carry).as_json() for request in requests]
    shown = [
        {"target": _name_of(request), **plan} for request, plan in zip(requests, plans, strict=True)
    ]
    emit(
        {"schema": "pipex.plan/1", "targets": shown},
        as_json=as_json,
        text=lambda: "\n".join(map(_plan_line, shown)),
    )
    return exit_ok


def _name_of(request: "EvalRequest") -> str:
    target = request.target
    if isinstance(target, str):
        return target
    return " ".join(str(target[name]) for name in ("path", "model") if name in target) or "prompt"


def _plan_line(plan: Mapping[str, Any]) -> str:
    counts = f"{plan['rows']} rows, {plan['carried']} carried, {plan['to_ask']} to ask"
    bound = plan["max_cost_usd"]
    cost = "" if bound is None else f", at most {bound:.4f} USD"
    return f"{plan['target']}: {counts}, {plan['scores']} scores{cost}"
