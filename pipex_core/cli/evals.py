"""``pipex eval``: run, resume, list and show."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import (
    LazyGroup,
    emit,
    exit_failed,
    exit_incomplete,
    exit_inconclusive,
    exit_ok,
    note,
    say_interrupted,
)
from pipex_core.cli.progress import ProgressLine
from pipex_core.cli.requests import budget_of, requests_of
from pipex_core.cli.run import provider_options

if TYPE_CHECKING:
    from pipex_core.app.evaluations import Desk
    from pipex_core.app.requests import EvalRequest
    from pipex_core.evals.job import EvalJob
    from pipex_core.evals.runner import EvalRun

report_formats = ("html", "pdf", "json", "markdown", "junit", "github", "csv")
# Worst first: several targets end with the code of the worst.
severity = (exit_failed, exit_incomplete, exit_inconclusive, exit_ok)

TABLE: Mapping[str, tuple[str, str]] = {
    "run": ("pipex_core.cli.evals:run", "Evaluate targets on a suite."),
    "resume": ("pipex_core.cli.evals:resume", "Go on with an evaluation that stopped."),
    "list": ("pipex_core.cli.archive:list_", "List the finished evaluations."),
    "show": ("pipex_core.cli.archive:show", "Show one evaluation, or one case of it."),
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
@click.option("--no-cache", is_flag=True, help="Neither read nor write the call cache.")
@click.option("--refresh", is_flag=True, help="Write the call cache, do not read it.")
@click.option(
    "--carry",
    type=click.Choice(["auto", "none"]),
    default="auto",
    help="Use answers of earlier runs.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="A word to keep with the run."
)
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
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

    Answers that an earlier run has paid for are carried over. Exit codes: 0 pass or done, 1 gate FAIL,
    2 nothing was run, 3 INCONCLUSIVE, 4 INCOMPLETE, 130 interrupted.
    """
    from pipex_core.app.evaluations import open_desk

    line = ProgressLine(quiet=given["quiet"] or given["as_json"])
    desk = open_desk(
        results=given["results"],
        listener=line,
        kind=given["provider"],
        **{name: given[name] for name in ("mock_responses", "cassette", "record")},
    )
    for warning in desk.settings.warnings:
        note(f"warning: {warning}")
    requests = requests_of(given)
    if given["dry_run"]:
        return _dry_run(desk, requests, as_json=given["as_json"])
    return _run_all(desk, requests, line, reports=given["reports"], as_json=given["as_json"])


@click.command(short_help="Go on with an evaluation that stopped.")
@click.argument("run_id", metavar="RUN")
@click.option("--max-cost", type=float, metavar="USD", help="The new budget.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Choice(report_formats),
    help="Also write a report; repeatable.",
)
@click.option("--quiet", is_flag=True, help="Say nothing while running.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def resume(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Go on with the evaluation RUN, or with the latest one: exactly the open rows are computed.

    Exit codes are those of pipex eval run.
    """
    from pipex_core.app.evaluations import reopened

    line = ProgressLine(quiet=given["quiet"] or given["as_json"])
    desk, request = reopened(run_id, listener=line)
    if given["max_cost"] is not None:
        budget = budget_of({**given, "max_calls": None, "max_tokens": None})
        request = replace(request, options=replace(request.options, budget=budget))
    return _run_all(desk, [request], line, reports=given["reports"], as_json=given["as_json"])


def _run_all(
    desk: "Desk",
    requests: Sequence["EvalRequest"],
    line: ProgressLine,
    *,
    reports: Sequence[str],
    as_json: bool,
) -> int:
    jobs = [desk.job(request) for request in requests]
    desk.require_folders()
    for job, request in zip(jobs, requests, strict=True):
        desk.remember(job, request)
    found: list[EvalRun] = []
    try:
        asyncio.run(_evaluate(desk, jobs, requests, found))
    except KeyboardInterrupt:
        # The journal holds what was done.
        following = f"pipex eval resume {jobs[len(found)].run_id}"
        return say_interrupted("interrupted", as_json=as_json, next_step=following)
    finally:
        line.close()
    from pipex_core.app.reporting import write_reports

    for run in found:
        _promote(desk, run)
    shown = [
        (run, write_reports(desk, run, reports, tell=note), request)
        for run, request in zip(found, requests, strict=True)
    ]
    documents = [_document(*one) for one in shown]
    payload = documents[0] if len(shown) == 1 else {"schema": "pipex.evals/1", "runs": documents}
    blocks = ("\n".join(_lines(run, files)) for run, files, _ in shown)
    emit(payload, as_json=as_json, text=lambda: "\n\n".join(blocks))
    return min((_exit_of(run, request) for run, _, request in shown), key=severity.index)


def _promote(desk: "Desk", run: "EvalRun") -> None:
    """Let the rule ``promotion`` of the gate have its way."""
    gate = run.job.gate
    if gate is None or gate.promotion is None or run.verdict is None:
        return
    from pipex_core.app.baselines import promote_by_rule
    from pipex_core.evals.runner import place_of_job

    place = place_of_job(run.job)
    if promote_by_rule(desk.archive, place, run.verdict, gate.promotion) is not None:
        note(f"the champion of {place.suite_id} is now {run.run_id}, by the promotion rule")


async def _evaluate(
    desk: "Desk",
    jobs: Sequence["EvalJob"],
    requests: Sequence["EvalRequest"],
    found: list["EvalRun"],
) -> None:
    """Run the jobs one after another; ``found`` tells how far an interrupted call came."""
    try:
        for job, request in zip(jobs, requests, strict=True):
            found.append(await desk.run(job, carry=request.carry))
    finally:
        await desk.aclose()


def _exit_of(found: "EvalRun", request: "EvalRequest") -> int:
    from pipex_core.evals.outcome import exit_code

    return exit_code(
        found.summary,
        found.verdict,
        finished=found.judgement.outcome.finished,
        fail_on_threshold=request.fail_on_threshold,
        max_missing=request.options.max_missing,
    )


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


def _document(found: "EvalRun", files: Sequence[str], request: "EvalRequest") -> dict[str, Any]:
    from pipex_core.evals.summary import metric_document, totals_document

    totals = found.summary.totals
    verdict = found.verdict
    return {
        "schema": "pipex.eval/1",
        "run_id": found.run_id,
        "suite": request.suite,
        "target": found.job.target.target_id,
        "status": found.status,
        "counts": {
            "rows": totals.n_rows,
            "ok": totals.n_ok,
            "failed": totals.n_failed,
            "missing": totals.n_missing,
            "carried": totals.n_carried,
        },
        "summary": totals_document(found.summary),
        "metrics": {name: metric_document(one) for name, one in found.summary.metrics.items()},
        "cost": totals.cost_nanousd / 1e9,
        "judge_cost": totals.judge_cost_nanousd / 1e9,
        "calls": totals.calls,
        "carried": totals.n_carried,
        "row_digest": found.row_digest,
        "verdict": None if verdict is None else verdict.as_json(),
        "files": list(files),
        "next": f"pipex eval show {found.run_id}",
    }


def _lines(found: "EvalRun", files: Sequence[str]) -> Iterator[str]:
    from pipex_core.app.reports import run_block

    yield run_block(found)
    yield from (f"wrote {path}" for path in files)
    if found.status != "completed":
        yield f"next: pipex eval resume {found.run_id}"
    else:
        yield f"run {found.run_id}; next: pipex eval show {found.run_id}"
