"""``pipex report``: reports of stored evaluations in every format, and whether a report is true."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import emit, exit_failed, exit_ok, note
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.evals.verifying import Verification

formats = ("html", "pdf", "json", "markdown", "junit", "github", "csv")


class _RunOrCommand(click.Group):
    """A group whose first word is a command, or else the run that ``make`` is meant for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [word for word in args if not word.startswith("-")]
        if (words and args[0] not in self.commands) and "--help" not in args and "-h" not in args:
            args = ["make", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "RUN [OPTIONS] | verify FILE [OPTIONS]")


@click.group(
    "report", cls=_RunOrCommand, short_help="Write reports of an evaluation, or verify one."
)
def report() -> None:
    r"""Write reports of the stored evaluation RUN, or verify a report that somebody sent.

    RUN is an id, a unique prefix, latest, latest:SUITE, a baseline, or the name of a target or model.

    \b
    Examples:
      pipex report latest
      pipex report latest --format html --format pdf --out reports/
      pipex report verify reports/ev_20261124T163259_c1dfe721.html --results results
    """


@report.command("make", short_help="Write reports of an evaluation.")
@click.argument("run_id", metavar="RUN", default="latest")
@click.option(
    "--format",
    "forms",
    multiple=True,
    type=click.Choice(formats),
    help="A format; repeatable.  [default: html]",
)
@click.option(
    "--out",
    metavar="PATH",
    help="File, or folder of several.  [default: reports/ below the results]",
)
@click.option(
    "--reproducible",
    is_flag=True,
    help="Date the report with the end of the run: equal results give equal bytes.",
)
@click.option("--font", metavar="FILE", help="Font for scripts that the fonts of a PDF lack.")
@click.option("--results", metavar="DIR", help="Folder of the result tables.  [default: results]")
@click.option("--quiet", is_flag=True, help="Say nothing beside the result.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def make(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Write reports of the stored evaluation RUN."""
    from pipex_core.app.reporting import ReportRequest, report_stored
    from pipex_core.app.settings import read_settings
    from pipex_core.app.stored import find_run, open_archive

    results = given["results"] or read_settings().text("results_dir")
    place = find_run(open_archive(results), run_id)
    wanted = ReportRequest(
        results=results,
        formats=tuple(dict.fromkeys(given["forms"])) or ("html",),
        out=given["out"],
        is_reproducible=given["reproducible"],
        font=given["font"],
    )
    files = report_stored(place, wanted, tell=_silent if given["quiet"] else note)
    payload = {"schema": "pipex.report/1", "run_id": place.run_id, "files": files}
    html = next((path for path in files if path.endswith(".html")), None)
    lines = [f"wrote {path}" for path in files]
    follow = f"; next: pipex report verify {html}" if html else ""
    emit(payload, as_json=given["as_json"], text="\n".join([*lines, f"run {place.run_id}{follow}"]))
    return exit_ok


@report.command("verify", short_help="Compute a report again and tell what was changed.")
@click.argument("file", metavar="FILE")
@click.option("--results", metavar="DIR", help="Also hold its rows against these result tables.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def verify(file: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Compute the HTML report FILE again from the values that it carries, and compare.

    Summary, comparisons and verdict are computed offline from the rows in the file; every number, row
    or word that they do not give is named. Exit codes: 0 all is true, 1 something was changed, 2 no file.
    """
    from pipex_core.app.reporting import verify_file

    if not file.endswith((".html", ".htm")):
        raise ConfigError(
            f"{file} is no HTML report; the other formats carry no proof",
            next_step="pipex report RUN --format html",
        )
    found = verify_file(file, results=given["results"])
    payload = {
        "schema": "pipex.report/1",
        "run_id": found.run_id,
        "files": [file],
        "verified": not found.differences,
        "differences": [asdict(one) for one in found.differences],
        "notes": list(found.notes),
    }
    emit(payload, as_json=given["as_json"], text=lambda: "\n".join(_lines(file, found)))
    return exit_failed if found.differences else exit_ok


def _silent(message: str) -> None:
    del message


def _lines(file: str, found: "Verification") -> Iterator[str]:
    from pipex_core.evals.rendering import plain

    run = f" of run {found.run_id}" if found.run_id else ""
    if found.differences:
        yield f"{file}{run} is not what its rows give:"
    else:
        yield f"{file}{run} is true: summary, comparisons, verdict and words follow from its rows"
    for one in found.differences:
        yield f"  {one.part}: {plain(one.where)}"
        if one.said or one.computed:
            yield f"    it says    {plain(one.said)}"
            yield f"    rows give  {plain(one.computed)}"
    yield from (f"note: {line}" for line in found.notes)
    if found.run_id:
        yield f"run {found.run_id}; next: pipex eval show {found.run_id}"
