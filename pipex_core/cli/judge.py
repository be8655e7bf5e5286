"""``pipex judge``: what judges ask, whether they agree with people, and which thresholds fit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipex_core.cli.main import (
    LazyGroup,
    emit,
    exit_failed,
    exit_incomplete,
    exit_ok,
    say_error,
)
from pipex_core.cli.requests import budget_of
from pipex_core.cli.run import provider_options
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.app.evaluations import Desk
    from pipex_core.app.hearings import Calibrated, Issued, Summons

TABLE: Mapping[str, tuple[str, str]] = {
    "show": ("pipex_core.cli.judge:show", "Show what a metric asks its judge, and who judges."),
    "calibrate": ("pipex_core.cli.judge:calibrate", "Propose thresholds from labelled cases."),
    "certify": ("pipex_core.cli.judge:certify", "Measure a judge against people."),
    "list": ("pipex_core.cli.judge:list_", "List the certificates."),
}

Found = TypeVar("Found")
Command = Callable[..., Any]


@click.group("judge", cls=LazyGroup, table=TABLE)
def judge() -> None:
    """Show, calibrate and certify judges; list their certificates."""


def _words_of_judges(command: Command) -> Command:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object."),
        click.option(
            "--judge",
            metavar="FILE",
            help="Judges, or a model that judges.  [default: the suite's]",
        ),
        click.option("--metrics", "metrics_file", metavar="FILE", help="Metric entries in a file."),
    ):
        command = option(command)
    return command


def _words_of_cases(command: Command) -> Command:
    for option in (
        click.option(
            "--max-tokens", type=click.IntRange(1), metavar="N", help="Cap on the tokens."
        ),
        click.option("--max-calls", type=click.IntRange(1), metavar="N", help="Cap on the calls."),
        click.option("--max-cost", type=float, metavar="USD", help="Stop before spending more."),
        click.option(
            "-j",
            "--max-concurrency",
            type=click.IntRange(1, 256),
            metavar="N",
            default=20,
            show_default=True,
            help="Verdicts in flight.",
        ),
        click.option(
            "--recorded",
            metavar="FILE",
            help="Answers to be judged, in place of those of the cases.",
        ),
        click.option(
            "--output-field",
            metavar="PATH",
            default="metadata.output",
            show_default=True,
            help="Place of the answer in a case.",
        ),
        click.option(
            "--human-field",
            metavar="PATH",
            default="metadata.human",
            show_default=True,
            help="Place of people's labels in a case: a number, a word, true or false, or a list.",
        ),
        click.option(
            "-m",
            "--metric",
            "metrics",
            multiple=True,
            metavar="NAME[:THRESHOLD]",
            help="A judged metric; repeatable.  [default: the suite's]",
        ),
        click.option("--suite", required=True, metavar="PATH", help="The labelled suite."),
    ):
        command = option(command)
    decorated: Command = provider_options(command)
    return decorated


@click.command(short_help="Show what a metric asks its judge, and who judges.")
@click.argument("metrics", nargs=-1, metavar="[METRIC]...")
@click.option("--suite", metavar="PATH", help="A suite whose metrics and judges count.")
@_words_of_judges
@provider_options
def show(metrics: Sequence[str], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Show the words that METRIC asks with, the judge, his fingerprint and his certificate.

    Without METRIC all metrics of the suite that need a judge are shown, or all that need no option.
    With --json the templates are complete, to be kept or compared.
    """
    from pipex_core.app.hearings import shown_judges
    from pipex_core.app.judges import judges_of

    found = shown_judges(
        _desk(given),
        [*metrics, *_entries(given)],
        judges=judges_of(given["judge"]),
        suite=given["suite"],
    )
    payload = {"schema": "pipex.judge/1", "judges": found}
    emit(payload, as_json=given["as_json"], text=lambda: "\n\n".join(map(_shown, found)))
    return exit_ok


@click.command(short_help="Propose thresholds from labelled cases.")
@click.option(
    "--split",
    metavar="NAME",
    default="dev",
    show_default=True,
    help="Split of the suite that is tried on.",
)
@_words_of_judges
@_words_of_cases
def calibrate(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Try every threshold of every judged metric on labelled cases, and propose the best.

    Entries of --metrics with other criteria or judges are compared with one another. Nothing is
    certified: certify on cases that played no part here.
    """
    from pipex_core.app.hearings import calibrate_judges

    desk = _desk(given)
    summons = _summons(given, split=given["split"])
    found = _heard(desk, lambda: calibrate_judges(desk, summons))
    known = [one for one in found if one.found.best is not None]
    best = max(known, key=lambda one: one.found.best or 0.0, default=None)
    payload = {
        "schema": "pipex.judge/1",
        "suite": given["suite"],
        "split": given["split"],
        "metrics": [_calibration(one) for one in found],
        "proposed": best.entry.name if best else None,
    }
    emit(payload, as_json=given["as_json"], text=lambda: "\n".join(_calibration_lines(found, best)))
    return exit_ok


@click.command(short_help="Measure a judge against people.")
@click.option(
    "--repeats",
    type=click.IntRange(2, 20),
    metavar="N",
    default=3,
    show_default=True,
    help="Verdicts per case, for test-retest.",
)
@click.option("--limits", metavar="FILE", help="Limits in place of the usual ones, in a YAML file.")
@_words_of_judges
@_words_of_cases
def certify(**given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Let the judge of every judged metric judge a labelled suite, and write his certificate.

    \b
    Examples:
      pipex judge certify --suite labelled_answers -m relevance --judge judge.yaml
      pipex judge certify --suite labelled_answers --provider live --max-cost 2

    A case has the label of people in metadata.human and the answer in metadata.output. The
    certificate goes to judges/ID/FINGERPRINT.json. Exit codes: 0 every judge passes, 1 one fails, 2
    nothing was asked, 4 a judge gave too few verdicts.
    """
    from pipex_core.app.hearings import certify_judges, load_limits

    desk = _desk(given)
    summons = _summons(given, split=None)
    limits = load_limits(given["limits"])
    try:
        found = _heard(
            desk, lambda: certify_judges(desk, summons, samples=given["repeats"], limits=limits)
        )
    except ConfigError as error:
        if error.code != "judge_incomplete":
            raise
        say_error(error, as_json=given["as_json"])
        return exit_incomplete
    documents = [{**one.certificate.document(), "path": str(one.path)} for one in found]
    payload: Mapping[str, Any] = (
        documents[0]
        if len(documents) == 1
        else {"schema": "pipex.certificate/1", "certificates": documents}
    )
    emit(payload, as_json=given["as_json"], text=lambda: "\n".join(_certificate_lines(found)))
    return exit_ok if all(not one.certificate.failures for one in found) else exit_failed


@click.command("list", short_help="List the certificates.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def list_(*, as_json: bool) -> int:
    """List the certificates below judges/, and whether they hold today."""
    from pipex_core.app.evaluations import open_desk
    from pipex_core.app.hearings import listed_certificates
    from pipex_core.evals.rendering import Grid, text_table

    found = listed_certificates(open_desk(kind="mock"))
    grid = Grid(
        header=[(name, "left") for name in ("judge", "metric", "state", "expires", "file")],
        rows=[
            [str(one[name]) for name in ("judge", "metric", "state", "expires", "path")]
            for one in found
        ],
    )
    payload = {"schema": "pipex.judge/1", "certificates": found}
    text = (
        text_table(grid) if found else "there is no certificate; next: pipex judge certify --help"
    )
    emit(payload, as_json=as_json, text=text)
    return exit_ok


def _desk(given: Mapping[str, Any]) -> "Desk":
    from pipex_core.app.evaluations import open_desk

    names = ("mock_responses", "cassette", "record")
    return open_desk(kind=given["provider"], **{name: given[name] for name in names})


def _entries(given: Mapping[str, Any]) -> list[Any]:
    if not given["metrics_file"]:
        return []
    from pipex_core.app.suites import load_metrics

    return load_metrics(given["metrics_file"])


def _summons(given: Mapping[str, Any], *, split: str | None) -> "Summons":
    from pipex_core.app.files import suite_place
    from pipex_core.app.hearings import Summons
    from pipex_core.app.judges import judges_of
    from pipex_core.evals.job import RunOptions

    return Summons(
        suite=str(suite_place(given["suite"])),
        metrics=[*given["metrics"], *_entries(given)] or None,
        judges=judges_of(given["judge"]),
        recorded=given["recorded"],
        output=given["output_field"],
        human=given["human_field"],
        split=split,
        options=RunOptions(max_concurrency=given["max_concurrency"], budget=budget_of(given)),
    )


def _heard(desk: "Desk", hear: Callable[[], Awaitable[Found]]) -> Found:
    async def whole() -> Found:
        try:
            return await hear()
        finally:
            await desk.aclose()

    return asyncio.run(whole())


def _shown(one: Mapping[str, Any]) -> str:
    judge = one["judge"]
    lines = [f"{one['metric']} ({one['type']})"]
    if judge is None:
        lines.append("  judge: none is named; see --judge and PIPEX_JUDGE_MODEL")
    else:
        models = ", ".join(f"{m['model']} by {m['provider']}" for m in judge["members"])
        lines.append(f"  judge: {judge['id']}, {models}, votes {judge['votes']}")
        lines.append(f"  fingerprint: {judge['fingerprint'][:12]}")
        lines.append(f"  certificate: {one['certificate']['state']}, {one['certificate']['path']}")
    names = [f"{template['name']} version {template['version']}" for template in one["templates"]]
    lines.append(f"  asks: {', '.join(names)}")
    return "\n".join([*lines, "", *(f"    {line}" for line in one["example"].splitlines())])


def _calibration(one: "Calibrated") -> dict[str, Any]:
    judge = one.entry.judge
    best = one.found.proposed
    return {
        "metric": one.entry.name,
        "judge": judge.id if judge else None,
        "fingerprint": judge.fingerprint if judge else None,
        "n": one.found.n,
        "threshold": one.entry.threshold,
        "kappa": one.found.best,
        "proposed": best.document() if best else None,
        "trials": [trial.document() for trial in one.found.trials],
    }


def _calibration_lines(found: Sequence["Calibrated"], best: "Calibrated | None") -> Iterator[str]:
    from pipex_core.evals.rendering import number

    for one in found:
        trial = one.found.proposed
        yield f"{one.entry.name}: {one.found.n} labelled cases, kappa {number(one.found.best)}"
        if trial is not None:
            now = number(one.entry.threshold)
            yield (
                f"  threshold {number(trial.threshold)} (now {now}): passes {number(trial.tpr)} of what"
                f" people pass, fails {number(trial.tnr)} of what they fail"
            )
    if best is not None and len(found) > 1:
        yield f"agrees best: {best.entry.name}"
    yield "nothing is certified; next: pipex judge certify on other cases"


def _certificate_lines(found: Sequence["Issued"]) -> Iterator[str]:
    from pipex_core.evals.rendering import interval, number

    for one in found:
        certificate, figures = one.certificate, one.certificate.figures
        word = "fails" if certificate.failures else "passes"
        yield f"judge {certificate.judge_id} on {certificate.metric}: {word}, {figures.n} cases"
        for name, what in (("kappa", figures.kappa), ("alpha", figures.alpha)):
            if what is not None:
                ends = (
                    "" if what.low is None or what.high is None else interval(what.low, what.high)
                )
                yield f"  {name} {number(what.value)} {ends}"
        yield (
            f"  test-retest {number(figures.test_retest)}, position consistency"
            f" {number(figures.position_consistency)}, length bias {number(figures.length_bias)}"
        )
        yield from (f"  {failure}" for failure in certificate.failures)
        yield f"  wrote {one.path}, holds until {certificate.expires.isoformat()}"
