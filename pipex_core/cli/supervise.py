"""``pipex supervise``: go on with the runs whose process died."""

import threading
from collections import Counter
from dataclasses import asdict

import click

from pipex_core.cli.main import counted, emit, exit_ok, note


@click.command(short_help="Go on with runs whose process died.")
@click.option("--once", is_flag=True, help="Look once, and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object; with --once.")
def supervise(*, once: bool, interval: float, as_json: bool) -> int:
    """Look after the runs of the checkpoint folder until somebody interrupts it.

    A run or evaluation whose process died is gone on with, as by pipex resume.
    One that dies three times in a row without finishing anything new is a dead
    letter: it is left alone until a person resumes it.
    """
    from pipex_core.app.settings import read_settings
    from pipex_core.app.supervising import supervise as looked_at

    if as_json and not once:
        raise click.UsageError("--json needs --once: a supervisor has no last word")
    settings = read_settings()
    told: set[tuple[str, str]] = set()
    while True:
        found = list(looked_at(settings))
        lines = []
        for one in found:
            is_news = one.act in ("resumed", "failed") or (one.run_id, one.act) not in told
            if is_news and one.act not in ("running", "ended"):
                more = f": {one.message}" if one.message else ""
                after = f"; next: {one.command}" if one.act != "resumed" and one.command else ""
                lines.append(f"{one.run_id} {one.act}{more}{after}")
            told.add((one.run_id, one.act))
        if once:
            counts = Counter(one.act for one in found)
            document = {
                "schema": "pipex.supervise/1",
                "counts": dict(sorted(counts.items())),
                "runs": [asdict(one) for one in found],
            }
            lines.append(f"{counted(len(found), 'run')} looked at")
            emit(document, as_json=as_json, text="\n".join(lines))
            return exit_ok
        for line in lines:
            note(line)
        threading.Event().wait(interval)
