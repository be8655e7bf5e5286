"""The ``pipex-dagster`` command: evaluate a whole project, and repeat a run; apart because ``pipex`` is fast."""

import sys
from collections.abc import Sequence
from itertools import groupby

import click
import dagster as dg

from pipex_core.app.project import open_project
from pipex_core.app.settings import read_settings
from pipex_core.app.wiring import results_store
from pipex_core.errors import ConfigError, PipexError
from pipex_core.evals.archive import Archive
from pipex_dagster.building import build_definitions
from pipex_dagster.reexecution import reexecuted
from pipex_dagster.resources import project_settings
from pipex_dagster.sweep import Evaluated, comparison, evaluate_all

exit_failed = 1
exit_invalid = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="pipex", message="pipex %(version)s")
def pipex_dagster() -> None:
    """Evaluate a project through Dagster, and repeat runs of it."""


@pipex_dagster.command()
@click.option("--project", default=None, metavar="DIR", help="Folder with test_suites/; default: .")
def demo(project: str | None) -> int:
    """Evaluate every suite on every target of test_suites/models.yaml, and compare them.

    What is known already is not asked again, so a second call costs nothing.
    """
    root = project or read_settings().text("project_dir")
    known = open_project(root)
    if not known.models or not known.suites:
        raise ConfigError(
            f"{root} has no test_suites/models.yaml with targets",
            code="nothing_to_evaluate",
            next_step="cd into a pipex project, or give --project DIR",
        )
    found: list[Evaluated] = []
    with open_instance() as instance:
        for one in evaluate_all(known, build_definitions(root), instance):
            click.echo(progress_line(one))
            found.append(one)
    results = project_settings(root).text("results_dir")
    archive = Archive(results_store(results))
    for suite_id, group in groupby(found, key=lambda one: one.suite_id):
        champion = known.champion(suite_id)
        name = champion.name if champion else None
        click.echo(f"\n{suite_id}" + (f" (* champion: {name})" if name else ""))
        click.echo(comparison(list(group), archive, champion=name))
    click.echo(f"\n{money_line(found)}\n{next_lines(found, results)}")
    return exit_failed if any(one.failure for one in found) else 0


@pipex_dagster.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--all-steps", is_flag=True, help="Repeat finished steps too; the journal still knows them."
)
@click.option("--project", default=None, metavar="DIR", help="Folder of the project; default: .")
def reexecute(run_id: str, *, all_steps: bool, project: str | None) -> int:
    """Repeat a Dagster run from where it failed; answers that are in its journal are not bought again."""
    root = project or read_settings().text("project_dir")
    with open_instance() as instance:
        result = reexecuted(instance, run_id, project_dir=root, all_steps=all_steps)
    click.echo(f"{'succeeded' if result.success else 'failed'}: run {result.run_id}")
    for line in result.failures:
        click.echo(line, err=True)
    return 0 if result.success else exit_failed


def open_instance() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME.

    Raises:
        ConfigError: ``no_instance``, the variable is not set or names no folder.
    """
    try:
        return dg.DagsterInstance.get()
    except dg.DagsterError as exc:
        raise ConfigError(
            f"there is no Dagster instance: {str(exc).strip().splitlines()[0]}",
            code="no_instance",
            next_step="export DAGSTER_HOME=$PWD/.dagster_home; make demo does it for you",
        ) from exc


def progress_line(one: Evaluated) -> str:
    """One evaluated target as one line."""
    name = f"{one.suite_id:<18} {one.target:<20}"
    if one.failure:
        return f"{name} failed: {one.failure.splitlines()[0]}"
    passed = "-" if one.pass_rate is None else f"{100 * one.pass_rate:.1f} %"
    return f"{name} {one.cases:>6} cases  {one.calls:>5} calls  {one.carried:>6} carried  {passed:>8}  {one.verdict}"


def money_line(found: Sequence[Evaluated]) -> str:
    """How much was asked anew and how much was known."""
    calls, carried = sum(one.calls for one in found), sum(one.carried for one in found)
    cases = sum(one.cases for one in found)
    if cases and carried == cases:
        return f"Nothing was computed again: 0 calls, {carried:,} answers carried."
    return f"{calls:,} model calls, {cases - carried:,} answers made, {carried:,} carried."


def next_lines(found: Sequence[Evaluated], results: str) -> str:
    """Where everything lies, and what to look at next."""
    reports = [one.report for one in found if one.report]
    lines = [f"tables    {results}/{{runs,responses,scores,comparisons}}/... (Parquet)"]
    lines += [f"reports   {reports[-1]} and {len(reports) - 1} more"] if reports else []
    return "\n".join(
        [
            *lines,
            "browser   make dev, then http://127.0.0.1:3000",
            "notebook  notebooks/first_look.ipynb",
            "shell     pipex eval list; pipex compare RUN_A RUN_B",
        ]
    )


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """The exit code of a command line: 0 done, 1 a run failed, 2 nothing could be run."""
    try:
        code = pipex_dagster.main(list(arguments), prog_name="pipex-dagster", standalone_mode=False)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return exit_invalid
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the next call goes on from the journal", err=True)
        return 130
    except PipexError as exc:
        click.echo(f"error: {exc.message} [{exc.code}]", err=True)
        if isinstance(exc, ConfigError) and exc.next_step:
            click.echo(f"next: {exc.next_step}", err=True)
        return exit_invalid
    return code if isinstance(code, int) else 0
