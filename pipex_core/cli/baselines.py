"""``pipex baseline``: the run that others are compared with, under a name, and who moved it when and why."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import LazyGroup, counted, emit, exit_failed, exit_ok, note
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.app.baselines import Moved, Wish
    from pipex_core.jsonvalue import Json

Command = Callable[..., Any]
schema = "pipex.baseline/1"
id_digits = 12  # of a hash, as people see it

TABLE: Mapping[str, tuple[str, str]] = {
    "set": ("pipex_core.cli.baselines:set_", "Let a name stand for a run."),
    "promote": ("pipex_core.cli.baselines:promote", "Let a name stand for a run that passes its gate."),
    "rollback": ("pipex_core.cli.baselines:rollback", "Go back to the run before."),
    "show": ("pipex_core.cli.baselines:show", "Show what a name stands for."),
    "list": ("pipex_core.cli.baselines:list_", "List all baselines."),
    "log": ("pipex_core.cli.baselines:log", "Show who moved a baseline, when and why."),
    "verify": ("pipex_core.cli.baselines:verify", "Check the log and the pointers against each other."),
}  # fmt: skip


@click.group("baseline", cls=LazyGroup, table=TABLE)
def baseline() -> None:
    """Name the run that others are compared with; only set, promote and rollback move a name."""


def _wishes(command: Command) -> Command:
    """The options of what moves a name."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object."),
        click.option(
            "--results", metavar="DIR", help="Folder of the result tables.  [default: results]"
        ),
        click.option("--reason", metavar="TEXT", default="", help="Why, for the log."),
        click.option("--name", default="champion", show_default=True, help="Name of the baseline."),
    ):
        command = option(command)
    return command


def _worthiness(command: Command) -> Command:
    """The options that let in a run that others are usually not measured by."""
    for option in (
        click.option("--allow-subset", is_flag=True, help="Take a run of some cases only."),
        click.option("--allow-incomplete", is_flag=True, help="Take a run that was not completed."),
    ):
        command = option(command)
    return command


@click.command("set")
@click.argument("run_id", metavar="RUN")
@_wishes
@_worthiness
def set_(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Let a name stand for RUN, without asking a gate; a reason is required.

    RUN must be completed and have seen its whole suite.
    """
    from pipex_core.app.baselines import set_baseline
    from pipex_core.app.stored import open_archive

    moved = set_baseline(open_archive(given["results"]), run_id, _wish(given))
    return _say(moved, as_json=given["as_json"])


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--gate", metavar="FILE", help="Gate file.  [default: the gate of the run's suite]")
@click.option("--force", is_flag=True, help="Promote whatever the verdict is; needs --reason.")
@_wishes
@_worthiness
def promote(run_id: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Let a name stand for RUN if RUN passes its gate against the run that it stands for now.

    The verdict is computed at this moment. Exit codes: 0 promoted, 1 refused, 2 the gate or the run
    cannot be used.
    """
    from pipex_core.app.baselines import promote as promoted
    from pipex_core.app.rulers import ruler
    from pipex_core.app.stored import open_archive

    archive = open_archive(given["results"])
    moved = promoted(
        archive,
        run_id,
        _wish(given),
        gate_file=given["gate"],
        ruled=ruler(given["results"], tell=note),
    )
    _say(moved, as_json=given["as_json"])
    is_refused = moved.entry is None and moved.verdict is not None
    return exit_failed if is_refused else exit_ok


@click.command()
@click.argument("suite", metavar="SUITE")
@_wishes
def rollback(suite: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Let a name stand again for the run that it stood for before; a reason is required."""
    from pipex_core.app.baselines import roll_back
    from pipex_core.app.stored import open_archive

    moved = roll_back(open_archive(given["results"]), suite, _wish(given))
    return _say(moved, as_json=given["as_json"])


@click.command()
@click.argument("suite", metavar="SUITE")
@click.option("--name", default="champion", show_default=True, help="Name of the baseline.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def show(suite: str, name: str, *, as_json: bool) -> int:
    """Show which run a baseline of SUITE stands for, since when, and its means."""
    from pipex_core.app.pointers import pointer

    found = pointer(suite, name)
    if found is None:
        raise ConfigError(
            f"{suite} has no baseline {name}",
            code="no_baseline",
            next_step=f"pipex baseline set RUN --name {name} --reason TEXT",
        )
    document = found.document()
    lines = [f"{name} of {suite}: {found.run_id}", *_pointer_lines(document)]
    payload = {"schema": schema, "suite": suite, "baseline": document}
    emit(payload, as_json=as_json, text="\n".join(lines))
    return exit_ok


@click.command("list")
@click.argument("suite", metavar="[SUITE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def list_(suite: str | None, *, as_json: bool) -> int:
    """List the baselines of SUITE, or of all suites."""
    from pipex_core.app.pointers import pointers, suites

    found = [
        {"suite": one, **known.document()}
        for one in ([suite] if suite else suites())
        for known in pointers(one).values()
    ]
    lines = [
        f"{one['suite']}  {one['name']}  {one['run_id']}  {one['target_id']}"
        f"  since {one['blessed_at'][:10] or 'unknown'}"
        for one in found
    ]
    payload = {"schema": schema, "baselines": found}
    emit(payload, as_json=as_json, text="\n".join(lines) or "no baselines yet")
    return exit_ok


@click.command()
@click.argument("suite", metavar="SUITE")
@click.option("--name", help="Only this baseline.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def log(suite: str, name: str | None, *, as_json: bool) -> int:
    """Show every move of the baselines of SUITE, oldest first."""
    from pipex_core.app.baselines import history

    lines = history(suite, name)
    payload = {"schema": schema, "suite": suite, "log": lines}
    emit(payload, as_json=as_json, text="\n".join(map(_log_line, lines)) or "nothing was moved yet")
    return exit_ok


@click.command()
@click.argument("suite", metavar="[SUITE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def verify(suite: str | None, *, as_json: bool) -> int:
    """Find edits, gaps and pointers that moved without a line; of SUITE, or of all suites.

    Exit codes: 0 all is as it was written, 1 something is not.
    """
    from pipex_core.app.baselines import verify as verified
    from pipex_core.app.pointers import suites

    found = {one: verified(one) for one in ([suite] if suite else suites())}
    problems = [
        {"suite": one, "message": message} for one, wrong in found.items() for message in wrong
    ]
    lines = [f"{one['suite']}: {one['message']}" for one in problems]
    payload = {"schema": schema, "ok": not problems, "suites": len(found), "problems": problems}
    whole = f"the logs and baselines of {counted(len(found), 'suite')} are as they were written"
    emit(payload, as_json=as_json, text="\n".join(lines) or whole)
    return exit_failed if problems else exit_ok


def _wish(given: Mapping[str, Any]) -> "Wish":
    from pipex_core.app.baselines import Wish

    words = ("name", "reason", "allow_incomplete", "allow_subset", "force")
    return Wish(**{word: given[word] for word in words if word in given})


def _say(moved: "Moved", *, as_json: bool) -> int:
    payload = {
        "schema": schema,
        "suite": moved.suite_id,
        "moved": moved.entry is not None,
        "baseline": None if moved.pointer is None else moved.pointer.document(),
        "entry": None if moved.entry is None else dict(moved.entry),
        "verdict": None if moved.verdict is None else moved.verdict.as_json(),
    }
    emit(payload, as_json=as_json, text=lambda: "\n".join(_moved_lines(moved)))
    return exit_ok


def _moved_lines(moved: "Moved") -> Iterator[str]:
    from pipex_core.evals.verdict import sentence

    if moved.verdict is not None:
        yield sentence(moved.verdict)
    if moved.entry is not None:
        before = moved.entry["from"] or "no run"
        yield f"{moved.entry['name']} of {moved.suite_id} now names {moved.entry['to']} (was {before})"
    elif moved.verdict is not None:
        stands = moved.pointer.run_id if moved.pointer else "no run"
        yield f"not promoted: the baseline still names {stands}"
        yield "next: mend what failed, or pipex baseline promote RUN --force --reason TEXT"
    elif moved.pointer is not None:
        yield f"{moved.pointer.name} of {moved.suite_id} already names {moved.pointer.run_id}"


def _pointer_lines(document: Mapping[str, "Json"]) -> Iterator[str]:
    yield f"  target {document['target_id']}, model {document['model_id']}"
    yield f"  by {document['blessed_by']} at {document['blessed_at']}: {document['reason']}"
    if document["previous"]:
        yield f"  before it {document['previous']}"
    for name, mean in document["summary"].items():
        yield f"  {name:28} {'-' if mean is None else f'{mean:.4g}'}"


def _log_line(entry: Mapping[str, "Json"]) -> str:
    verdict = f" after {entry['verdict']}" if entry["verdict"] else ""
    return (
        f"{entry['seq']}  {entry['at']}  {entry['actor']}  {entry['action']} {entry['name']}{verdict}:"
        f" {entry['from'] or 'no run'} -> {entry['to']}  {entry['reason']}"
        f"  [{entry['hash'][:id_digits]}]"
    )
