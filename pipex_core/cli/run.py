"""``pipex run`` and ``pipex resume``."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import (
    counted,
    emit,
    exit_failed,
    exit_interrupted,
    exit_invalid,
    exit_later,
    exit_ok,
    note,
)
from pipex_core.errors import ConfigError, PipexError, Problem, SpecError, StoreError

if TYPE_CHECKING:
    from pipex_core.app.pipelines import RunRequest
    from pipex_core.engine.records import RunResult
    from pipex_core.spec.plan import Plan
    from pipex_core.telemetry import Event

marks = {"succeeded": "ok", "skipped": "skipped", "failed": "FAILED"}


def provider_options(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    """The options that say who answers model calls."""
    for option in (
        click.option("--record", metavar="FILE", help="Append every live call to a cassette."),
        click.option("--cassette", metavar="FILE", help="Cassette that --provider replay reads."),
        click.option("--mock-responses", metavar="FILE", help="Rules of the mock provider (YAML)."),
        click.option(
            "--provider",
            type=click.Choice(["mock", "live", "mixed", "replay"]),
            help="Who answers model calls.  [default: mock]",
        ),
    ):
        command = option(command)
    return command


class RunCommand(click.Command):
    """A command that answers with the document of a run, also where its own options are wrong."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        as_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as exc:
            if not as_json:
                raise
            error = ConfigError(exc.format_message(), code="usage")
            raise click.exceptions.Exit(_invalid(error, as_json=True)) from exc


@click.command(cls=RunCommand, short_help="Run a pipeline.")
@click.argument("file", metavar="FILE")
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--input", "pairs", multiple=True, metavar="KEY=VALUE", help="An input; repeatable.")
@click.option("--inputs", "inputs_file", metavar="FILE.json", help="Inputs as a JSON object.")
@provider_options
@click.option("--workspace", metavar="DIR", help="The only folder that steps may write in.")
@click.option("--output-dir", metavar="DIR", help="Where output_to_file goes.")
@click.option("--checkpoint-dir", metavar="DIR", help="Where journals and checkpoints are kept.")
@click.option("--allow-path", multiple=True, metavar="DIR", help="A further folder to read from.")
@click.option("--max-concurrency", type=click.IntRange(1, 64), metavar="N", help="Steps in flight.")
@click.option("--resume", "run_id", metavar="RUN_ID", help="Go on with a run, or with the latest.")
@click.option("--force", is_flag=True, help="Resume although the pipeline or the inputs changed.")
@click.option("--strict", is_flag=True, help="Unknown fields are errors.")
@click.option("--quiet", is_flag=True, help="Say nothing while running.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def run(**given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Run the pipeline FILE; words KEY=VALUE after it are inputs.

    \b
    Examples:
      pipex run pipelines/triage_rules.yaml --input ticket="I was charged twice"
      pipex run qa.yaml --inputs inputs.json --provider live --json
      pipex run qa.yaml --resume 3f8k0q...

    Without a choice the provider is mock: offline, deterministic, free.
    Exit codes: 0 success, 1 the run failed, 2 nothing was run, 75 try again later, 130 interrupted.
    """
    from pipex_core.app.pipelines import RunRequest

    as_json = given["as_json"]
    try:
        request = RunRequest(
            path=given["file"],
            inputs=_inputs_file(given["inputs_file"]),
            text_inputs=dict(_pair(word) for word in (*given["pairs"], *given["more"])),
            values=_values(given),
            allow_paths=given["allow_path"],
            max_concurrency=given["max_concurrency"],
            resume=_run_to_resume(given),
            force=given["force"],
            strict=given["strict"],
        )
    except PipexError as exc:
        return _invalid(exc, as_json=as_json)
    provider = {name: given[name] for name in ("mock_responses", "cassette", "record")}
    return _execute(
        request,
        {"kind": given["provider"], **provider},
        checkpoint_dir=given["checkpoint_dir"],
        quiet=given["quiet"],
        as_json=as_json,
    )


@click.command(cls=RunCommand, short_help="Go on with a run that was interrupted or failed.")
@click.argument("run_id", metavar="RUN_ID")
@click.option("--checkpoint-dir", metavar="DIR", help="Where journals and checkpoints are kept.")
@click.option("--force", is_flag=True, help="Resume although the pipeline or the inputs changed.")
@click.option("--quiet", is_flag=True, help="Say nothing while running.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def resume(
    run_id: str, checkpoint_dir: str | None, *, force: bool, quiet: bool, as_json: bool
) -> int:
    """Go on with the run RUN_ID, with the file, inputs and options that it was started with.

    The word latest stands for the newest run. Finished steps and paid calls are not done again.
    """
    from pipex_core.app.pipelines import request_of_run
    from pipex_core.app.settings import read_settings

    try:
        settings = read_settings(options={"checkpoint_dir": checkpoint_dir})
        request, provider = request_of_run(run_id, settings)
    except PipexError as exc:
        return _invalid(exc, as_json=as_json)
    request = replace(request, force=force)
    return _execute(request, provider, checkpoint_dir=checkpoint_dir, quiet=quiet, as_json=as_json)


def _execute(
    request: "RunRequest",
    provider: Mapping[str, str | None],
    *,
    checkpoint_dir: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    from pipex_core.app.pipelines import arun_pipeline, interruptible
    from pipex_core.app.providing import providing_of
    from pipex_core.app.settings import read_settings

    try:
        settings = read_settings(options={"checkpoint_dir": checkpoint_dir})
        providing = providing_of(settings, **provider)
        for warning in settings.warnings:
            note(f"warning: {warning}")
        if provider.get("record") and providing.kind in {"mock", "replay"}:
            note(f"warning: nothing is recorded, as the provider is {providing.kind}")
        listener = partial(_tell, is_chosen=providing.chosen, quiet=quiet or as_json)
        result = interruptible(
            lambda stop: arun_pipeline(
                request,
                settings=settings,
                providing=providing,
                listener=listener,
                stop=stop,
                planned=_warn,
            )
        )
    except PipexError as exc:
        return _invalid(exc, as_json=as_json, run_id=request.resume)
    lines = partial(_run_lines, result, checkpoint_dir)
    emit(result.as_json(), as_json=as_json, text=lambda: "\n".join(lines()))
    return _exit_of(result)


def _warn(plan: "Plan") -> None:
    for problem in plan.warnings:
        note(str(problem))


def _exit_of(result: "RunResult") -> int:
    if result.success:
        return exit_ok
    if result.status == "cancelled":
        return exit_interrupted
    parked = result.error is not None and result.error.retry_at is not None
    return exit_later if parked else exit_failed


def _tell(event: "Event", *, is_chosen: bool, quiet: bool) -> None:
    if event.kind == "run_started" and not is_chosen:
        note("provider: mock (offline); choose with --provider or PIPEX_PROVIDER")
    if not quiet and event.kind == "run_started" and event.data.get("resumed"):
        note(_resumed_line(event.data))
    if not quiet and event.kind == "step_finished" and "/" not in event.step:
        status = str(event.data.get("status", ""))
        note(f"  {marks.get(status, status):8} {event.step}")


def _resumed_line(facts: Mapping[str, Any]) -> str:
    """What is done, what is left, and what it may cost if the rest is like what is done."""
    done, steps, spent = len(facts["finished"]), facts["steps"], facts["spent_nanousd"] / 1e9
    line = f"resuming: {done} of {counted(steps, 'step')} finished, {spent:.4f} USD spent"
    if facts["in_doubt"]:
        line += f", {counted(facts['in_doubt'], 'call')} in doubt"
    if done and done < steps and spent:
        line += f", about {spent / done * (steps - done):.4f} USD to finish"
    return line


def _run_lines(result: "RunResult", checkpoint_dir: str | None) -> Iterator[str]:
    document = result.as_json()
    shown = document["outputs"]
    if not shown and result.success:
        last = list(result.steps.values())[-1]
        shown = {last.name: last.text if last.text is not None else last.data}
    for name, value in shown.items():
        yield f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
    for warning in result.warnings:
        where = f" in step {warning.step!r}" if warning.step else ""
        yield f"warning{where}: {warning.message} [{warning.code}]"
    if result.error is not None:
        where = f" in step {result.error.path!r}" if result.error.path else ""
        yield f"error{where}: {result.error.message} [{result.error.code}]"
    tokens = result.tokens.input + result.tokens.output
    yield (
        f"{result.status}: {counted(len(result.steps), 'step')}, {counted(result.calls, 'call')}, "
        f"{counted(tokens, 'token')}, "
        f"{document['cost_usd']:.4f} USD, {result.duration_ms / 1000:.2f} s, run {result.run_id}"
    )
    if not result.success:
        words = ["pipex", "resume", result.run_id]
        words += [] if checkpoint_dir is None else ["--checkpoint-dir", checkpoint_dir]
        if any(warning.code == "needs_operator" for warning in result.warnings):
            words.append("--force")  # for whoever has put right what could not be undone
        yield f"next: {shlex.join(words)}"


def _invalid(error: PipexError, *, as_json: bool, run_id: str | None = None) -> int:
    """The document of a run that was never started: all fields there, empty, with the problems."""
    if isinstance(error, StoreError) and error.code in {"run_locked", "fenced"}:
        code = exit_later
    else:
        code = exit_invalid
    problems = list(error.problems) if isinstance(error, SpecError) else []
    if not as_json:
        note(str(error) if problems else f"error: {error.message} [{error.code}]")
        if isinstance(error, ConfigError) and error.next_step:
            note(f"next: {error.next_step}")
        if error.code == "missing_input":
            note("next: give inputs with --input NAME=VALUE or --inputs FILE.json")
        return code
    from pipex_core.engine.records import RunError, RunResult

    document = RunResult(
        run_id=run_id or "",
        workflow="",
        status="invalid",
        error=RunError(code=error.code, message=_first_message(error, problems)),
    ).as_json()
    click.echo(json.dumps({**document, "problems": [asdict(p) for p in problems]}))
    return code


def _first_message(error: PipexError, problems: Sequence[Problem]) -> str:
    first = next((p for p in problems if p.severity == "error"), None)
    return error.message if first is None else first.message


def _run_to_resume(given: Mapping[str, Any]) -> str | None:
    """The run to go on with; of a checkpoint file of pipeline_ex, a run that is made of it."""
    word: str | None = given["run_id"]
    if word is None or not (word == "latest" or word.endswith(".json")):
        return word
    from pipex_core.app.pipelines import kept_run, run_key
    from pipex_core.app.runfiles import RunFiles
    from pipex_core.app.settings import read_settings

    settings = read_settings(options={"checkpoint_dir": given["checkpoint_dir"]})
    if word == "latest":
        return kept_run("run", word, run_key, settings).parent.name
    run_id, _ = RunFiles(settings).migrate(word, given["file"])
    note(f"run {run_id} holds what {word} held")
    return run_id


def _inputs_file(path: str | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    from pipex_core.app.files import json_problem, read_text
    from pipex_core.jsonvalue import parse

    try:
        value = parse(read_text(path))
    except ValueError as exc:
        raise SpecError([replace(json_problem(exc, path), code="invalid_input")]) from exc
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must hold a JSON object", code="invalid_input")
    return value


def _pair(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator or not name:
        raise ConfigError(f"an input is written KEY=VALUE, not {word!r}", code="invalid_input")
    return name, value


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    named = {"workspace_dir": given["workspace"], "output_dir": given["output_dir"]}
    return {name: value for name, value in named.items() if value is not None}
