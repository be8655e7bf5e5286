"""The ``pipex`` command: the table of commands, exit codes, and the one way to print.

Commands are imported when they are used, so ``pipex --help`` stays fast. Every command ends here: its
result is printed as text or as exactly one JSON object, and every error becomes words and an exit code.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any

import click

from pipex_core.errors import Cancelled, ConfigError, PipexError, SpecError

exit_ok = 0
exit_failed = 1
exit_invalid = 2
exit_inconclusive = 3
exit_incomplete = 4
exit_internal = 5
exit_later = 75
exit_interrupted = 130

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("pipex_core.cli.run:run", "Run a pipeline."),
    "resume": ("pipex_core.cli.run:resume", "Go on with a run that was interrupted or failed."),
    "validate": ("pipex_core.cli.check:validate", "Check pipeline files without running anything."),
    "graph": ("pipex_core.cli.check:graph", "Show the steps of a pipeline and what they wait for."),
    "eval": ("pipex_core.cli.evals:evaluation", "Evaluate targets on suites; list, show, resume runs."),
    "compare": ("pipex_core.cli.verdicts:compare", "Compare two runs case by case."),
    "gate": ("pipex_core.cli.verdicts:gate", "Say PASS, FAIL, INCONCLUSIVE or INCOMPLETE of a run."),
    "baseline": ("pipex_core.cli.baselines:baseline", "Name runs to compare with, and promote better ones."),
    "power": ("pipex_core.cli.power:power", "Say how many cases a comparison needs."),
    "explain": ("pipex_core.cli.verdicts:explain", "Say why a case was or would be computed again."),
    "cost": ("pipex_core.cli.upkeep:cost", "Say what evaluations cost, by model, suite, step or day."),
    "report": ("pipex_core.cli.reports:report", "Write reports of an evaluation, or verify one."),
    "history": ("pipex_core.cli.upkeep:history", "Show a metric of a suite over its runs."),
    "judge": ("pipex_core.cli.judge:judge", "Show, calibrate and certify judges."),
    "metric": ("pipex_core.cli.ops:metric", "List, show, try and test metrics."),
    "suite": ("pipex_core.cli.suites:suite", "Import, check, version and compare suites."),
    "results": ("pipex_core.cli.upkeep:results", "Verify, compact, prune and erase result tables."),
    "cache": ("pipex_core.cli.upkeep:cache", "Look at, verify and prune the cache of model calls."),
    "checkpoint": ("pipex_core.cli.runfiles:checkpoint", "List, verify, migrate and restore checkpoints of runs."),
    "journal": ("pipex_core.cli.runfiles:journal", "Show, verify and repair journals of runs."),
    "supervise": ("pipex_core.cli.supervise:supervise", "Go on with runs whose process died."),
    "doctor": ("pipex_core.cli.ops:doctor", "Check the settings and this machine."),
}  # fmt: skip

epilog = """\b
Start here:
  pipex validate pipelines/*.yaml
  pipex run pipelines/triage_rules.yaml --input ticket="I was charged twice"
  pipex eval run test_suites/ticket_triage --target pipelines/triage_rules.yaml
"""


class LazyGroup(click.Group):
    """A group whose commands are imported only when one of them is used."""

    def __init__(self, name: str, *, table: Mapping[str, tuple[str, str]], **rest: Any) -> None:  # noqa: ANN401 - click's own options
        super().__init__(name, **rest)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a wrong row of the table
        # click keeps the lines of a paragraph that begins with a backspace; raw docstrings have none.
        command.help = (command.help or "").replace("\\b\n", "\b\n")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._table and not name.startswith("-"):
            from pipex_core.registry import nearest

            near = nearest(name, self._table)
            hint = f" Did you mean {near!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in self._table.items()])


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    epilog=epilog,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(None, "--version", package_name="pipex", message="pipex %(version)s")
def pipex() -> None:
    """Write AI pipelines in YAML, evaluate them on versioned suites, and learn whether a change made
    them better, worse, or whether one cannot tell."""  # noqa: D205, D209 - shown by click as one paragraph


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command(pipex, sys.argv[1:]))


def run_command(command: click.Command, arguments: list[str]) -> int:  # noqa: PLR0911 - a table of ends
    """The exit code of a command line; everything it says is on the two standard streams."""
    as_json = "--json" in arguments
    try:
        code = command.main(arguments, prog_name="pipex", standalone_mode=False)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        return _say_usage(exc, as_json=as_json)
    except (KeyboardInterrupt, Cancelled, click.Abort):
        return say_interrupted("interrupted", as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe is gone; nobody is left to tell
        return exit_ok
    except PipexError as exc:
        return say_error(exc, as_json=as_json)
    except Exception as exc:  # noqa: BLE001 - the named edge of the command line
        return _say_crash(exc, as_json=as_json)
    return code if isinstance(code, int) else exit_ok


def emit(payload: Mapping[str, Any], *, as_json: bool, text: str | Callable[[], str]) -> None:
    """Print a result: one JSON object with ``--json``, else the text."""
    if as_json:
        click.echo(json.dumps(payload, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(text() if callable(text) else text)


def counted(count: int, noun: str) -> str:
    """A number with its noun: ``1 case``, ``2 cases``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def note(message: str) -> None:
    """Tell the person something beside the result, on standard error."""
    click.echo(message, err=True)


def exit_code_of(error: PipexError) -> int:
    """Exit code of an error that ended a command before it had a result."""
    # What happens to a run while it works is part of its result; here nothing has a result yet.
    return exit_later if error.code in {"run_locked", "fenced"} else exit_invalid


def say_error(error: PipexError, *, as_json: bool) -> int:
    """Print an error with its problems and the next step, and give the exit code."""
    problems = [asdict(p) for p in error.problems] if isinstance(error, SpecError) else []
    next_step = error.next_step if isinstance(error, ConfigError) else ""
    return _say_error(
        error.code,
        error.message,
        as_json=as_json,
        code=exit_code_of(error),
        problems=problems,
        next_step=next_step,
    )


def say_interrupted(message: str, *, as_json: bool, next_step: str = "") -> int:
    """Print that somebody stopped the work, and how to go on; the exit code of that."""
    return _say_error(
        "cancelled", message, as_json=as_json, code=exit_interrupted, next_step=next_step
    )


def _say_error(
    word: str,
    message: str,
    *,
    as_json: bool,
    code: int,
    problems: list[dict[str, Any]] | None = None,
    next_step: str = "",
) -> int:
    if as_json:
        document = {
            "schema": "pipex.error/1",
            "code": word,
            "message": message,
            "problems": problems or [],
            "next": next_step or None,
        }
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        click.echo(message if problems else f"error: {message} [{word}]", err=True)
        if next_step:
            click.echo(f"next: {next_step}", err=True)
    return code


def _say_usage(error: click.ClickException, *, as_json: bool) -> int:
    if not as_json:
        error.show()
        return exit_invalid
    return _say_error("usage", error.format_message(), as_json=True, code=exit_invalid)


def _say_crash(error: Exception, *, as_json: bool) -> int:
    from pipex_core.app.crash import write_crash_report

    path = write_crash_report(error)
    return _say_error(
        "internal_error",
        f"internal error, this is a bug in pipex: {type(error).__name__}: {error}",
        as_json=as_json,
        code=exit_internal,
        next_step=f"please report it with {path}",
    )


if __name__ == "__main__":
    main()
