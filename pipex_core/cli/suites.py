"""``pipex suite``: list, show, lint and schemas; versions, diffs and other tools' files have modules of their own."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import LazyGroup, counted, emit, exit_failed, exit_invalid, exit_ok

if TYPE_CHECKING:
    from pipex_core.evals.suite import Suite

shown_cases = 5

TABLE: Mapping[str, tuple[str, str]] = {
    "import": ("pipex_core.cli.interchange:import_", "Make a suite from another file, with a loss report."),
    "export": ("pipex_core.cli.interchange:export", "Write a suite for another tool, with a loss report."),
    "list": ("pipex_core.cli.suites:list_", "List the suites of the project."),
    "show": ("pipex_core.cli.suites:show", "Show what is in a suite, and its digest."),
    "lint": ("pipex_core.cli.suites:lint", "Find what is wrong or doubtful in a suite."),
    "schema": ("pipex_core.cli.suites:schema", "Print the JSON Schema of a kind of file."),
    "save": ("pipex_core.cli.suiteversions:save", "Keep a suite as a version."),
    "versions": ("pipex_core.cli.suiteversions:versions", "List the saved versions of a suite."),
    "revert": ("pipex_core.cli.suiteversions:revert", "Make a new version with the content of an old one."),
    "freeze": ("pipex_core.cli.suiteversions:freeze", "Let cases keep their input and reference."),
    "quarantine": ("pipex_core.cli.suiteversions:quarantine", "Leave cases out of summaries and gates."),
    "accept": ("pipex_core.cli.suiteversions:accept", "Accept references that a log or a model wrote."),
    "diff": ("pipex_core.cli.suitediffs:diff", "Show what changed from one suite to another."),
    "apply": ("pipex_core.cli.suitediffs:apply", "Change a suite by a diff or a proposal."),
    "sample": ("pipex_core.cli.suitediffs:sample", "Choose cases, the same ones for the same seed."),
    "from-logs": ("pipex_core.cli.sourcing:from_logs", "Propose cases from the logs of a program."),
    "generate": ("pipex_core.cli.sourcing:generate", "Propose cases that a model writes."),
    "dedup": ("pipex_core.cli.sourcing:dedup", "Find cases that ask the same."),
    "cluster": ("pipex_core.cli.sourcing:cluster", "Group cases by what they ask."),
}  # fmt: skip


@click.group("suite", cls=LazyGroup, table=TABLE)
def suite() -> None:
    """Import, show, check, version, compare and sample suites."""


@click.command("list")
@click.argument("path", metavar="[DIR]", required=False, default="test_suites")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def list_(path: str, *, as_json: bool) -> int:
    """List the suites in a folder, test_suites by default: id, version, cases, digest.

    A suite that cannot be read is listed with its first problem; then the exit code is 2.
    """
    from pipex_core.app.suitelist import list_suites

    found = list_suites(path)
    document = {"schema": "pipex.suite/1", "suites": [one.as_json() for one in found]}
    lines = [one.as_text() for one in found] or [f"{path}: no suites"]
    emit(document, as_json=as_json, text="\n".join(lines))
    return exit_invalid if any(one.problem for one in found) else exit_ok


@click.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--version", metavar="V", default="latest", show_default=True,
    help="A label, @ and digits of a digest, or git:REVISION.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def show(path: str, *, version: str, as_json: bool) -> int:
    """Show the suite at PATH: its digest, defaults, gate, slices and first cases."""
    from pipex_core.app.suites import load_suite

    found = load_suite(path, version)
    document = _suite_document(found)
    emit(document, as_json=as_json, text=lambda: "\n".join(_suite_lines(found, document)))
    return exit_ok


@click.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--version", metavar="V", default="latest", show_default=True, help="A saved version."
)
@click.option("--strict", is_flag=True, help="Exit 1 when there are warnings.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def lint(path: str, *, version: str, strict: bool, as_json: bool) -> int:
    """Find what is wrong or doubtful in the suite at PATH; nothing is called."""
    from pipex_core.app.linting import lint_suite

    problems = lint_suite(path, version)
    counts = Counter(problem.code for problem in problems)
    bad = any(problem.severity == "error" for problem in problems)
    document = {
        "schema": "pipex.lint/1",
        "ok": not bad,
        "problems": [asdict(problem) for problem in problems],
        "counts": dict(sorted(counts.items())),
    }
    lines = [*map(str, problems), f"{path}: {counted(len(problems), 'problem')}"]
    emit(document, as_json=as_json, text="\n".join(lines))
    if bad:
        return exit_invalid
    return exit_failed if strict and problems else exit_ok


@click.command()
@click.option(
    "--kind",
    type=click.Choice(["suite", "case", "gate", "target"]),
    default="suite",
    show_default=True,
    help="Of which file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it in one line.")
def schema(kind: str, *, as_json: bool) -> int:
    """Print the JSON Schema (draft 2020-12) of suites, cases, gates or targets, for editors."""
    from pipex_core.evals.suiteschema import schema_of

    document = schema_of(kind)
    emit(document, as_json=as_json, text=lambda: json.dumps(document, indent=2))
    return exit_ok


def _suite_document(found: "Suite") -> dict[str, Any]:
    from pipex_core.evals.suite import suite_digest
    from pipex_core.evals.suiteshape import suite_data

    cases = [case for case in found.cases if case.status != "quarantined"]
    return {
        "schema": "pipex.suite/1",
        **{name: value for name, value in suite_data(found).items() if name != "schema"},
        "suite_digest": suite_digest(found),
        "n_cases": len(found.cases),
        "n_quarantined": len(found.cases) - len(cases),
        "n_references": sum(case.expected_output is not None for case in cases),
        "tags": dict(sorted(Counter(tag for case in cases for tag in case.tags).items())),
    }


def _suite_lines(found: "Suite", document: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found.name or found.id}  version {found.version}  {document['suite_digest'][:12]}"
    if found.description:
        yield found.description
    yield f"{document['n_cases']} cases, {document['n_references']} with a reference"
    if document["tags"]:
        yield "tags: " + ", ".join(f"{tag} {n}" for tag, n in document["tags"].items())
    metrics = [
        entry if isinstance(entry, str) else entry.get("name", entry.get("type"))
        for entry in found.defaults.metrics
    ]
    yield "metrics: " + (", ".join(map(str, metrics)) or "none by default")
    for case in found.cases[:shown_cases]:
        asked = (
            case.input
            if isinstance(case.input, str)
            else json.dumps(case.input, ensure_ascii=False)
        )
        yield f"  {case.id}: {asked[:70]} -> {json.dumps(case.expected_output, ensure_ascii=False)}"
    if len(found.cases) > shown_cases:
        yield f"  ... and {len(found.cases) - shown_cases} more"
