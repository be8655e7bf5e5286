"""``pipex suite import`` and ``pipex suite export``: suites of other tools, with loss reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import emit, exit_invalid, exit_ok, note
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.evals.foreign import Imported


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option("--out", metavar="DIR", help="Folder of the new suite.  [default: test_suites/<id>]")
@click.option("--id", "suite_id", metavar="ID", help="Id of the suite.  [default: the file's stem]")
@click.option(
    "--format",
    "form",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="promptfoo, deepeval, inspect, lm-eval, openai-evals, pydantic-evals, ragas or records.",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="Records of gsm8k, squad, mlflow, langsmith, langfuse or braintrust.",
)
@click.option(
    "--map", "pairs", multiple=True, metavar="FIELD=EXPR", help="A case field; repeatable."
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="NAME=EXPR",
    help="Answers of a model in the same records; becomes a recorded target. Repeatable.",
)
@click.option("--id-prefix", default="case", metavar="TEXT", help="Of ids made from content.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Most cases.")
@click.option("--strict", is_flag=True, help="Exit 2 when anything was lost; nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def import_(**given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Make a suite from FILE, and say what could not be carried over.

    Suites of other tools are told by their content; records (JSON, JSON lines,
    CSV, Parquet) need a preset or a mapping. Nothing in the file is executed.

    \b
    Examples:
      pipex suite import promptfooconfig.yaml --id greetings
      pipex suite import test.jsonl --preset gsm8k --id gsm8k
      pipex suite import logs.csv --map input=question --map expected_output=answer
      pipex suite import runs.jsonl --map input=question --answer small='record["small-model"].text'
    """
    from pipex_core.app.interchanging import (
        import_file,
        recorded_answers,
        write_answers,
        write_targets,
    )
    from pipex_core.app.suites import check_expressions, write_directory

    answers = check_expressions("--answer", dict(map(_pair, given["answers"])))
    reading = {
        "preset": given["preset"],
        "mapping": check_expressions("--map", dict(map(_pair, given["pairs"]))),
        "id_prefix": given["id_prefix"],
        "limit": given["limit"],
    }
    suite_id = given["suite_id"] or _stem(given["file"])
    form = "records" if answers else given["form"]
    found = import_file(given["file"], suite_id=suite_id, form=form, **reading)
    report = found.report
    if given["strict"] and not report.is_strict:
        document = _import_document(report.as_json(), [])
        emit(document, as_json=given["as_json"], text=report.as_text())
        return exit_invalid
    folder = Path(given["out"] or Path("test_suites") / suite_id)
    files = [*write_directory(found.suite, folder), *write_targets(found, folder)]
    for name, expression in answers.items():
        records = [*recorded_answers(given["file"], expression, suite=found.suite, **reading)]
        if not records:
            note(f"warning: no record gave an answer for {name}.jsonl")
        files.append(write_answers(folder / "recorded" / f"{name}.jsonl", records))
    written = [str(path) for path in files]
    text = "\n".join(
        [report.as_text(), *(f"wrote {path}" for path in written), _next(found, folder, files)]
    )
    emit(_import_document(report.as_json(), written), as_json=given["as_json"], text=text)
    return exit_ok


@click.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--format",
    "form",
    required=True,
    metavar="NAME",
    help="jsonl, json, yaml, parquet, csv, promptfoo, deepeval, inspect, openai-evals or ragas.",
)
@click.option("--out", required=True, metavar="FILE", help="File to write.")
@click.option("--strict", is_flag=True, help="Exit 2 when anything would be lost; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def export(path: str, *, form: str, out: str, strict: bool, as_json: bool) -> int:
    r"""Write the suite at PATH for another tool, and say what could not be carried over.

    \b
    Examples:
      pipex suite export ticket_triage --format promptfoo --out promptfooconfig.yaml
      pipex suite export ticket_triage --format csv --out triage.csv --strict
    """
    from pipex_core.app.interchanging import export_bytes
    from pipex_core.app.suitefiles import write_whole

    data, report = export_bytes(path, form)
    if strict and not report.is_strict:
        emit(_import_document(report.as_json(), []), as_json=as_json, text=report.as_text())
        return exit_invalid
    written = str(write_whole(Path(out), data))
    text = f"{report.as_text()}\nwrote {written}"
    emit(_import_document(report.as_json(), [written]), as_json=as_json, text=text)
    return exit_ok


def _pair(word: str) -> tuple[str, str]:
    name, separator, expression = word.partition("=")
    if not separator or not name or not expression:
        raise ConfigError(f"a mapping is written NAME=EXPRESSION, not {word!r}")
    return name, expression


def _stem(file: str) -> str:
    """The file's stem with what an id may hold."""
    stem = "".join(
        one if one.isascii() and (one.isalnum() or one in "._-") else "-" for one in Path(file).stem
    )
    return stem.lstrip("._-") or "suite"


def _import_document(report: Mapping[str, Any], files: Sequence[str]) -> dict[str, Any]:
    return {"schema": "pipex.import/1", **report, "files": list(files)}


def _next(found: "Imported", folder: Path, files: Sequence[Path]) -> str:
    recorded = next((path for path in files if path.parent.name == "recorded"), None)
    prompt = next((path for path in files if path.parent.name == "targets"), None)
    if recorded is not None:
        target = f"--recorded {recorded}"
    elif prompt is not None:
        target = f"--target {prompt} --model MODEL"
    else:
        target = "--target pipelines/<file>.yaml"
    judged = found.suite.defaults.metrics or all(case.metrics for case in found.suite.cases)
    return f"next: pipex eval run {folder} {target}{'' if judged else ' -m exact_match'}"
