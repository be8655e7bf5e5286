"""``pipex metric run`` and ``test``: one metric on texts by hand, and whether it keeps its promises."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import emit, exit_failed, exit_incomplete, exit_ok
from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.metrics.contract import MetricType
    from pipex_core.registry import Registry

marks = {True: "ok", False: "FAILS", None: "-"}
code_options = (
    click.option("--suite", metavar="PATH", help="Also metrics that lie beside this suite."),
    click.option("--allow-code", is_flag=True, help="Run metrics.py of the suite, and python:... metrics."),
    click.option("--set", "pairs", multiple=True, metavar="OPTION=VALUE", help="An option of the metric, as JSON or text; repeatable."),
    click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object."),
)  # fmt: skip


def _with_code(command: Any) -> Any:  # noqa: ANN401 - as click's decorators
    for option in reversed(code_options):
        command = option(command)
    return command


@click.command(short_help="Measure texts with one metric.")
@click.argument("name", metavar="NAME[:THRESHOLD]")
@click.option("--output", metavar="TEXT", help="The answer.")
@click.option("--expected", metavar="TEXT", help="The reference.")
@click.option("--input", "asked", metavar="TEXT", help="What was asked.")
@click.option("--context", multiple=True, metavar="TEXT", help="A source text; repeatable.")
@_with_code
def run(name: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Measure an answer with the metric NAME, or the answers on standard input.

    Without --output, each line of standard input is a JSON object with output,
    and expected, input and context where the metric reads them. Exit codes:
    1 when a threshold was missed, 4 when something could not be measured.

    \b
    Examples:
      pipex metric run rouge --output "a cat" --expected "the cat"
      pipex metric run token_f1:0.8 < answers.jsonl
    """
    from pipex_core.app.judging import item_for, scored
    from pipex_core.app.scores import document

    raw, registry = _entry(name, given)
    found = []
    for one in _texts(given):
        item = item_for(
            str(one["output"]), one.get("expected"), input=one.get("input"), context=one.get("context")
        )  # fmt: skip
        entry, score = scored(raw, item, registry)
        found.append(document(entry.name, entry, score))
    emit(
        {"schema": "pipex.score/1", "scores": found},
        as_json=given["as_json"],
        text=lambda: "\n".join(_score_lines(found)),
    )
    if any(one["status"] == "unscored" for one in found):
        return exit_incomplete
    return exit_failed if any(one["passed"] is False for one in found) else exit_ok


@click.command("test", short_help="Check whether a metric keeps the promises of metrics.")
@click.argument("name", metavar="NAME")
@_with_code
def test(name: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Try the rules that every metric keeps on NAME; exit 1 when one is broken.

    The metric is given empty, foreign, huge and odd texts, on several threads:
    it must answer numbers within its range or reasons, and always the same.

    \b
    Example:
      pipex metric test custom:tone --suite test_suites/qa --allow-code
    """
    from pipex_core.app.metricchecks import check_metric, is_checkable
    from pipex_core.metrics.entries import resolve_entries

    raw, registry = _entry(name, given)
    (entry,) = resolve_entries([raw], registry)
    if not is_checkable(entry.metric):
        message = f"{entry.type} judges repeats or asks a model; the rules cannot be tried on texts"
        raise ConfigError(message, code="not_checkable")
    checks = check_metric(raw, registry)
    counts = Counter(marks[check.ok] for check in checks)
    document = {
        "schema": "pipex.metrics/1",
        "ok": not counts["FAILS"],
        "metric": entry.type,
        "checks": [asdict(check) for check in checks],
    }
    lines = [f"{marks[check.ok]:5}  {check.rule:4} {check.message}" for check in checks]
    lines.append(f"{entry.type}: {counts['ok']} kept, {counts['FAILS']} broken, {counts['-']} that say nothing of it")  # fmt: skip
    emit(document, as_json=given["as_json"], text="\n".join(lines))
    return exit_failed if counts["FAILS"] else exit_ok


def _entry(name: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], "Registry[MetricType]"]:
    from pipex_core.app.files import suite_place
    from pipex_core.app.known_metrics import metrics

    head, _, tail = name.rpartition(":")
    is_threshold = bool(head) and _is_number(tail)
    raw: dict[str, Any] = (
        {"type": head, "threshold": float(tail)} if is_threshold else {"type": name}
    )
    options = dict(map(_pair, given["pairs"]))
    if options:
        raw["opts"] = options
    beside = suite_place(given["suite"]) if given["suite"] else ""
    return raw, metrics(beside, allow_code=given["allow_code"])


def _texts(given: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if given["output"] is not None:
        yield {
            "output": given["output"],
            "expected": given["expected"],
            "input": given["asked"],
            "context": list(given["context"]) or None,
        }
        return
    if sys.stdin.isatty():
        raise ConfigError("give --output TEXT, or lines of JSON on standard input", code="missing_option")  # fmt: skip
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except ValueError as exc:
            raise ConfigError(f"line {number} is no JSON: {exc}", code="bad_json") from exc
        if not isinstance(one, dict) or not isinstance(one.get("output"), str):
            raise ConfigError(f"line {number} needs an object with an output", code="bad_json")
        yield one


def _score_lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in found:
        if one["status"] == "unscored":
            yield f"{one['name']}: no score, {one['code']}: {one['details'].get('reason', '')}"
        else:
            verdict = {True: ", passed", False: ", missed", None: ""}[one["passed"]]
            yield f"{one['name']}: {one['value']:.6g}{verdict}"


def _pair(word: str) -> tuple[str, Any]:
    name, separator, text = word.partition("=")
    if not separator or not name:
        raise ConfigError(f"an option is written OPTION=VALUE, not {word!r}")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
