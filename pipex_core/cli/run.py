"""``pipex run``, ``resume``, ``validate`` and ``graph``."""

import json
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


@click.command(short_help="Run a pipeline.")
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
@click.option("--resume", "run_id", metavar="RUN_ID", help="Go on with a run.")
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
            resume=given["run_id"],
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


@click.command(short_help="Go on with a run that was interrupted or failed.")
@click.argument("run_id", metavar="RUN_ID")
@click.option("--checkpoint-dir", metavar="DIR", help="Where journals and checkpoints are kept.")
@click.option("--force", is_flag=True, help="Resume although the pipeline or the inputs changed.")
@click.option("--quiet", is_flag=True, help="Say nothing while running.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def resume(
    run_id: str, checkpoint_dir: str | None, *, force: bool, quiet: bool, as_json: bool
) -> int:
    """Go on with the run RUN_ID, or with the latest one, with the file, inputs and options that it was started with.

    Finished steps and paid calls are not done again.
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


@click.command(short_help="Check pipeline files without running anything.")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--strict", is_flag=True, help="Unknown fields are errors.")
@click.option("--explain", is_flag=True, help="Show where every option of a step comes from.")
@click.option(
    "--schema",
    is_flag=True,
    help="Check nothing; print the JSON Schema of pipeline files, for editors.",
)
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def validate(
    files: Sequence[str], *, strict: bool, explain: bool, schema: bool, as_json: bool
) -> int:
    """Check pipeline files: syntax, fields, names, expressions, nested files.

    Every problem is shown with file, line, column, code and the nearest known word. Exit code 0 when
    every file is ok, else 2.
    """
    from pipex_core.app.pipelines import check_file

    if schema:
        return _print_schema(as_json=as_json)
    if not files:
        raise click.MissingParameter(param_type="argument", param_hint="'FILE...'")
    found = {file: check_file(file, strict=strict) for file in files}
    shown = [_file_document(file, problems, explain=explain) for file, problems in found.items()]
    ok = all(document["ok"] for document in shown)
    payload = {"schema": "pipex.validate/1", "ok": ok, "files": shown}
    emit(payload, as_json=as_json, text=lambda: "\n".join(_validate_lines(found, shown)))
    return exit_ok if ok else exit_invalid


def _print_schema(*, as_json: bool) -> int:
    from pipex_core.app.wiring import shapes
    from pipex_core.spec.export import json_schema

    document = json_schema(shapes())
    emit(document, as_json=as_json, text=lambda: json.dumps(document, indent=2))
    return exit_ok


@click.command(short_help="Show the steps of a pipeline and what they wait for.")
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def graph(file: str, *, as_json: bool) -> int:
    """Show the steps of a pipeline and what each waits for, as Mermaid text or JSON."""
    from pipex_core.app.pipelines import load_pipeline

    plan = load_pipeline(file)
    steps = [
        {"name": step.name, "type": step.type, "depends_on": list(step.depends_on)}
        for step in plan.steps
    ]
    payload = {
        "schema": "pipex.graph/1",
        "workflow": plan.name,
        "order": [step.name for step in plan.steps],
        "steps": steps,
    }
    emit(payload, as_json=as_json, text=lambda: "\n".join(_mermaid(steps)))
    return exit_ok


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
    emit(result.as_json(), as_json=as_json, text=lambda: "\n".join(_run_lines(result)))
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
    if not quiet and event.kind == "step_finished" and "/" not in event.step:
        status = str(event.data.get("status", ""))
        note(f"  {marks.get(status, status):8} {event.step}")


def _run_lines(result: "RunResult") -> Iterator[str]:
    document = result.as_json()
    shown = document["outputs"]
    if not shown and result.success:
        last = list(result.steps.values())[-1]
        shown = {last.name: last.text if last.text is not None else last.data}
    for name, value in shown.items():
        yield f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
    for warning in result.warnings:
        yield f"warning: {warning.message} [{warning.code}]"
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
        yield f"next: pipex resume {result.run_id}"


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


def _file_document(file: str, problems: Sequence[Problem], *, explain: bool) -> dict[str, Any]:
    ok = all(problem.severity != "error" for problem in problems)
    document: dict[str, Any] = {
        "file": file,
        "ok": ok,
        "problems": [asdict(problem) for problem in problems],
    }
    if explain and ok:
        document["effective"] = _effective(file)
    return document


def _effective(file: str) -> dict[str, Any]:
    from pipex_core.app.pipelines import load_pipeline
    from pipex_core.app.settings import read_settings
    from pipex_core.app.wiring import run_settings, shapes
    from pipex_core.spec.options import effective

    plan, environment = load_pipeline(file), run_settings(read_settings())
    found = {}
    for step in plan.steps:
        shape = shapes()[step.type]
        options = effective(step.spec, plan.spec, shape, environment=environment)
        found[step.name] = {
            name: {"value": value, "layer": _layer(options.origins, name)}
            for name, value in options.values.items()
        }
    return found


def _layer(origins: Mapping[str, str], name: str) -> str | dict[str, str]:
    """Where an option comes from; of a map, where each of its entries does."""
    if name in origins:
        return origins[name]
    inner = {key: layer for key, layer in origins.items() if key.startswith(f"{name}.")}
    return {key.removeprefix(f"{name}."): layer for key, layer in inner.items()} or "built_in"


def _validate_lines(
    found: Mapping[str, Sequence[Problem]], shown: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for document in shown:
        problems = found[document["file"]]
        yield from map(str, problems)
        errors = sum(problem.severity == "error" for problem in problems)
        word = "ok" if document["ok"] else counted(errors, "error")
        warnings = len(problems) - errors
        more = f", {counted(warnings, 'warning')}" if warnings else ""
        yield f"{document['file']}: {word}{more}"
        for step, options in document.get("effective", {}).items():
            for name, entry in options.items():
                yield f"  {step}.{name} = {json.dumps(entry['value'])}  ({entry['layer']})"


def _mermaid(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "graph TD"
    numbers = {step["name"]: f"s{i}" for i, step in enumerate(steps)}
    for step in steps:
        label = f"{step['name']}<br/><i>{step['type']}</i>".replace('"', "&quot;")
        yield f'  {numbers[step["name"]]}["{label}"]'
    for step in steps:
        for name in _nearest_only(step, steps):
            yield f"  {numbers[name]} --> {numbers[step['name']]}"


def _nearest_only(step: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Dependencies that no other dependency already waits for: what a reader needs to see."""
    by_name = {other["name"]: set(other["depends_on"]) for other in steps}
    direct = step["depends_on"]
    implied = set().union(*(by_name[name] for name in direct)) if direct else set()
    return [name for name in direct if name not in implied]
