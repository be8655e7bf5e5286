"""``pipex suite``: import, list, show, lint and schemas; versions and diffs have modules of their own."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import LazyGroup, counted, emit, exit_failed, exit_invalid, exit_ok, note
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.evals.suite import Suite

shown_cases = 5

TABLE: Mapping[str, tuple[str, str]] = {
    "import": ("pipex_core.cli.suites:import_", "Make a suite from records, with a loss report."),
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
}  # fmt: skip


@click.group("suite", cls=LazyGroup, table=TABLE)
def suite() -> None:
    """Import, show, check, version, compare and sample suites."""


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option("--out", metavar="DIR", help="Folder of the new suite.  [default: test_suites/<id>]")
@click.option("--id", "suite_id", metavar="ID", help="Id of the suite.  [default: the file's stem]")
@click.option("--preset", metavar="NAME", help="A known data set: gsm8k, squad.")
@click.option(
    "--map", "pairs", multiple=True, metavar="FIELD=EXPR", help="A case field; repeatable."
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="NAME=EXPR",
    help="Answers of a model in the same file; becomes a recorded target. Repeatable.",
)
@click.option("--id-prefix", default="case", metavar="TEXT", help="Of ids made from content.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Most cases.")
@click.option("--strict", is_flag=True, help="Exit 2 when anything was lost.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def import_(**given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Make a suite from the records in FILE (JSON, JSON lines, CSV or Parquet).

    \b
    Examples:
      pipex suite import test.jsonl --preset gsm8k --id gsm8k
      pipex suite import logs.csv --map input=question --map expected_output=answer
      pipex suite import runs.jsonl --map input=question --answer small='record["small-model"].text'
    """
    from pipex_core.app.suites import (
        check_expressions,
        import_suite,
        recorded_answers,
        write_directory,
    )

    answers = check_expressions("--answer", dict(map(_pair, given["answers"])))
    reading = {
        "preset": given["preset"],
        "mapping": check_expressions("--map", dict(map(_pair, given["pairs"]))),
        "id_prefix": given["id_prefix"],
        "limit": given["limit"],
    }
    suite_id = given["suite_id"] or Path(given["file"]).stem
    found = import_suite(given["file"], suite_id=suite_id, **reading)
    report = found.report
    if given["strict"] and not report.is_strict:
        emit(
            _import_document(report.as_json(), []), as_json=given["as_json"], text=report.as_text()
        )
        return exit_invalid
    folder = Path(given["out"] or Path("test_suites") / suite_id)
    files = write_directory(found.suite, folder)
    for name, expression in answers.items():
        records = recorded_answers(given["file"], expression, suite=found.suite, **reading)
        files.append(_write_answers(folder / "recorded" / f"{name}.jsonl", records))
    written = [str(path) for path in files]
    text = "\n".join(
        [report.as_text(), *(f"wrote {path}" for path in written), _next(folder, files)]
    )
    emit(_import_document(report.as_json(), written), as_json=given["as_json"], text=text)
    return exit_ok


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


def _pair(word: str) -> tuple[str, str]:
    name, separator, expression = word.partition("=")
    if not separator or not name or not expression:
        raise ConfigError(f"a mapping is written NAME=EXPRESSION, not {word!r}")
    return name, expression


def _write_answers(path: Path, records: Iterator[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    if not lines:
        note(f"warning: no record gave an answer for {path.name}")
    return path


def _import_document(report: Mapping[str, Any], files: Sequence[str]) -> dict[str, Any]:
    return {"schema": "pipex.import/1", **report, "files": list(files)}


def _next(folder: Path, files: Sequence[Path]) -> str:
    recorded = next((path for path in files if path.parent.name == "recorded"), None)
    target = f"--recorded {recorded}" if recorded else "--target pipelines/<file>.yaml"
    return f"next: pipex eval run {folder} {target} -m exact_match"


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
