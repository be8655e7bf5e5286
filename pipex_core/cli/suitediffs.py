"""``pipex suite diff | apply | sample``: what changed, and changes as files that can be looked at first."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipex_core.cli.main import counted, emit, exit_failed, exit_ok, note


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@click.option("--exit-code", is_flag=True, help="Exit 1 when there are changes.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def diff(before: str, after: str, *, form: str, exit_code: bool, as_json: bool) -> int:
    r"""Show what changed from suite A to suite B, and what a run would compute again.

    A version may stand behind @.

    \b
    Examples:
      pipex suite diff qa@2.1 qa
      pipex suite diff qa@git:HEAD qa --format markdown
      pipex suite diff qa qa_new --json > change.json
    """
    from pipex_core.app.suitediffs import diff_suites
    from pipex_core.evals.difftext import as_markdown, as_text

    found = diff_suites(before, after)
    render = as_markdown if form == "markdown" else as_text
    emit(found.as_json(), as_json=as_json or form == "json", text=lambda: render(found))
    return exit_failed if exit_code and not found.is_empty else exit_ok


@click.command()
@click.argument("file", metavar="DIFF")
@click.option("--to", metavar="PATH", help="The suite.  [default: the one that the diff names]")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def apply(file: str, *, to: str | None, as_json: bool) -> int:
    """Change the working file of a suite by DIFF, a JSON diff or a proposal; save it afterwards.

    A suite that is not what the diff was made from is left as it is.
    """
    from pipex_core.app.suitediffs import apply_diff_file
    from pipex_core.evals.difftext import as_text

    applied = apply_diff_file(file, to)
    files = [str(path) for path in applied.files]
    lines = [as_text(applied.diff), *(f"wrote {path}" for path in files)]
    if files:
        lines.append(f"next: pipex suite save {to or applied.suite.id}")
    emit({**applied.diff.as_json(), "files": files}, as_json=as_json, text="\n".join(lines))
    return exit_ok


@click.command()
@click.argument("path", metavar="PATH")
@click.option("-n", "count", type=click.IntRange(1), required=True, metavar="N", help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, other cases.")
@click.option("--stratify", metavar="FIELD", help="Keep the share of every value of a field.")
@click.option("--propose", metavar="FILE", help="Write the diff to the sample into a file.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def sample(path: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Choose N cases of the suite at PATH: the same for the same seed, 50 of them among its 100.

    Nothing is changed: the result is a diff that leaves the other cases out.

    \b
    Examples:
      pipex suite sample qa -n 50
      pipex suite sample qa -n 50 --stratify category --propose small.json
      pipex suite apply small.json
    """
    from pipex_core.app.suitediffs import sample_diff

    drawn = sample_diff(path, given["count"], seed=given["seed"], stratify_by=given["stratify"])
    for warning in drawn.warnings:
        note(str(warning))
    document = {**drawn.diff.as_json(), "groups": drawn.groups, "ids": list(drawn.ids)}
    propose = given["propose"]
    if propose:
        _write(Path(propose), document)
    lines = [*drawn.ids, *_group_lines(drawn.groups)]
    lines.append(f"{counted(len(drawn.ids), 'case')} of {drawn.size:,}")
    if propose:
        lines += [f"wrote {propose}", f"next: pipex suite apply {propose}"]
    emit(document, as_json=given["as_json"], text="\n".join(lines))
    return exit_ok


def _group_lines(groups: Mapping[str, int]) -> list[str]:
    return [f"{name or '(none)'}: {counted(count, 'case')}" for name, count in groups.items()]


def _write(path: Path, document: Mapping[str, Any]) -> None:
    from pipex_core.app.suitefiles import write_whole

    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    write_whole(path, f"{text}\n".encode())
