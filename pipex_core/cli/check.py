"""``pipex validate`` and ``pipex graph``: what pipeline files mean, without running them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from pipex_core.cli.main import counted, emit, exit_invalid, exit_ok
from pipex_core.errors import Problem


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
