"""``pipex suite from-logs | generate | dedup | cluster``: proposals for a suite, which ``suite apply`` takes."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipex_core.cli.main import counted, emit, exit_incomplete, exit_ok, note
from pipex_core.cli.run import provider_options
from pipex_core.errors import ConfigError, GenerationIncomplete

if TYPE_CHECKING:
    from pipex_core.evals.proposal import Proposal
    from pipex_core.evals.suite import Suite

shown_rejected = 5
shown_groups = 20
Command = Callable[..., int]


def _suite_options(command: Command) -> Command:
    for option in (
        click.option("--propose", metavar="FILE", help="Write the proposal into a file."),
        click.option("--new", metavar="ID", help="Id of a suite that the cases begin."),
        click.option("--suite", metavar="PATH", help="The suite that the cases are for."),
    ):
        command = option(command)
    return command


@click.command("from-logs")
@click.argument("files", metavar="FILES", nargs=-1, required=True)
@_suite_options
@click.option("--preset", metavar="NAME", help="openai, anthropic, otel or pipex.")
@click.option(
    "--map", "pairs", multiple=True, metavar="FIELD=EXPR", help="A case field; repeatable."
)
@click.option("--where", metavar="EXPR", help="Take records only for which it is true.")
@click.option(
    "--pii",
    type=click.Choice(["redact", "hash", "drop"]),
    help="What becomes of personal data.  [default: the suite's privacy, else redact]",
)
@click.option("--pii-key", metavar="FILE", help="Key of the hash: a file of at least 16 bytes.")
@click.option(
    "--pii-pattern",
    "patterns",
    multiple=True,
    metavar="NAME=REGEX",
    help="A further kind of personal data; repeatable.",
)
@click.option(
    "--dedup",
    default="0.8",
    show_default=True,
    metavar="SHARE",
    help="Least share of common words of near duplicates, or off.",
)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Most new cases.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def from_logs(files: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Propose cases from the logs in FILES for a suite; personal data is taken out first.

    Logs are JSON lines, JSON, CSV, Parquet or spans of OpenTelemetry, packed or
    not. A reference that a mapping takes from a log is unverified: its case is
    left out of gates until pipex suite accept.

    \b
    Examples:
      pipex suite from-logs calls.jsonl.gz --preset openai --suite qa --propose qa.json
      pipex suite from-logs log.csv --map input=question --where 'rating > 3' --new support
      pipex suite from-logs calls.jsonl --preset openai --map expected_output=output --suite qa
    """
    from pipex_core.app.files import read_bytes
    from pipex_core.app.sourcing import from_production_logs
    from pipex_core.app.suites import check_expressions

    mapping = check_expressions("--map", dict(_pair("--map", word) for word in given["pairs"]))
    if given["where"] is not None:
        check_expressions("--where", {"EXPR": given["where"]})
    proposal = from_production_logs(
        files,
        mapping,
        suite=_suite_of(given),
        preset=given["preset"],
        where=given["where"],
        pii=given["pii"],
        pii_key=_key(read_bytes(given["pii_key"])) if given["pii_key"] else b"",
        pii_patterns=dict(_pair("--pii-pattern", word) for word in given["patterns"]),
        threshold=_threshold("--dedup", given["dedup"]),
        sample=given["sample"],
        seed=given["seed"],
    )
    return _propose(proposal, given, _lost(proposal))


@click.command()
@click.argument("spec", metavar="SPEC")
@click.option("-n", "count", type=click.IntRange(1), required=True, metavar="N", help="How many.")
@_suite_options
@provider_options
@click.option("--model", metavar="MODEL", help="Who writes.  [default: the model of the settings]")
@click.option("--examples", metavar="PATH", help="Suite of examples.  [default: the suite itself]")
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, other cases.")
@click.option("--max-cost", type=float, metavar="USD", help="Most that the calls may cost.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def generate(spec: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Let a model write exactly N cases to SPEC, a file or a sentence, for a suite.

    Every case is checked and is unlike the others and those of the suite. When
    there are fewer in the end, those are proposed and the exit code is 4. What a
    model wrote as a reference is unverified, as in pipex suite from-logs.

    \b
    Examples:
      pipex suite generate spec.md -n 40 --suite qa --model claude-sonnet-4-5 --provider live
      pipex suite generate "questions about refunds" -n 5 --new refunds --propose refunds.json
    """
    from pipex_core.app.sourcing import generate_synthetic, read_case_spec

    wanted = read_case_spec(spec, examples=given["examples"])
    names = ("provider", "mock_responses", "cassette", "record", "model", "seed")
    try:
        proposal = generate_synthetic(
            wanted,
            given["count"],
            suite=_suite_of(given),
            max_cost_usd=given["max_cost"],
            **{name: given[name] for name in names},
        )
    except GenerationIncomplete as exc:
        note(f"error: {exc.message} [{exc.code}]")
        _propose(exc.kept, given, _lost(exc.kept))
        return exit_incomplete
    return _propose(proposal, given, _lost(proposal))


@click.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--threshold",
    default="0.8",
    show_default=True,
    metavar="SHARE",
    help="Least share of common words of near duplicates, or off.",
)
@click.option("--propose", metavar="FILE", help="Write the diff into a file.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def dedup(path: str, *, threshold: str, propose: str | None, as_json: bool) -> int:
    r"""Find cases of the suite at PATH that ask the same; nothing is changed.

    Of each group the oldest case stays, and a frozen one in any case. The result
    is a diff that leaves the others out.

    \b
    Examples:
      pipex suite dedup qa
      pipex suite dedup qa --threshold 0.9 --propose fewer.json
      pipex suite apply fewer.json
    """
    from pipex_core.app.sourcing import dedup_diff

    found = dedup_diff(path, threshold=_threshold("--threshold", threshold))
    lines = [_group_line(group) for group in found.groups[:shown_groups]]
    if len(found.groups) > shown_groups:
        lines.append(f"... and {counted(len(found.groups) - shown_groups, 'group')} more")
    lines.append(f"{found.facts['n_removed']:,} of {counted(found.facts['size'], 'case')} can go")
    return _show(found.as_json(), propose, lines, as_json=as_json)


@click.command()
@click.argument("path", metavar="PATH")
@click.option("-k", "k", default="auto", show_default=True, metavar="N", help="Clusters, or auto.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first centres.")
@click.option(
    "--vectors",
    type=click.Choice(["words", "sentence-transformers", "wordllama"]),
    default="words",
    show_default=True,
    help="What makes cases alike: their words, or a model that is installed.",
)
@click.option("--model", metavar="MODEL", help="Of the vectors: a folder, or a name.")
@click.option("--propose", metavar="FILE", help="Write the diff into a file.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def cluster(path: str, **given: Any) -> int:  # noqa: ANN401 - click's options
    r"""Group the cases of the suite at PATH by what they ask; nothing is changed.

    The result is a diff that writes cluster_id into every case: statistics then
    take clusters, and not cases, to be independent.

    \b
    Examples:
      pipex suite cluster qa
      pipex suite cluster qa -k 8 --propose clusters.json
      pipex suite apply clusters.json
    """
    from pipex_core.app.sourcing import cluster_diff

    k = None if given["k"] == "auto" else _whole("-k", given["k"])
    model = {"model": given["model"]} if given["model"] else {}
    found = cluster_diff(path, k=k, seed=given["seed"], vectors=given["vectors"], **model)
    lines = [_cluster_line(group) for group in found.groups]
    value = found.facts["silhouettes"][str(found.facts["k"])]
    lines.append(f"{counted(found.facts['k'], 'cluster')}, silhouette {value:.3f}")
    return _show(found.as_json(), given["propose"], lines, as_json=given["as_json"])


def _suite_of(given: Mapping[str, Any]) -> "Suite":
    from pipex_core.app.sourcing import new_suite
    from pipex_core.app.suites import load_suite

    if (given["suite"] is None) == (given["new"] is None):
        raise ConfigError(
            "name the suite that the cases are for with --suite PATH, or begin one with --new ID"
        )
    return load_suite(given["suite"]) if given["suite"] else new_suite(given["new"])


def _propose(proposal: "Proposal", given: Mapping[str, Any], lost: Sequence[str]) -> int:
    lines = [
        f"{stage['stage']:<12} {stage['n_in']:>9,} -> {stage['n_out']:,}{_kinds(stage)}"
        for stage in proposal.stages
    ]
    lines += lost
    lines.append(f"proposes {counted(proposal.added, 'case')} for {proposal.diff.start.id}")
    document = proposal.as_json()
    return _show(document, given["propose"], lines, as_json=given["as_json"])


def _kinds(stage: Mapping[str, Any]) -> str:
    kinds = [f"{name} {count:,}" for name, count in stage.get("kinds", {}).items()]
    return f"  ({', '.join(kinds)})" if kinds else ""


def _lost(proposal: "Proposal") -> list[str]:
    """The first records that made no case, each with its reason."""
    rejected = proposal.facts["rejected"]
    lines = [f"rejected {_place(one)}" for one in rejected[:shown_rejected]]
    if len(rejected) > shown_rejected:
        lines.append(f"rejected {len(rejected) - shown_rejected:,} more")
    return lines


def _place(one: Any) -> str:  # noqa: ANN401 - a record of a log, or a reason alone
    if isinstance(one, Mapping):
        return f"{one['file']}: {one['where']}: {one['reason']}"
    return str(one)


def _group_line(group: Mapping[str, Any]) -> str:
    others = ", ".join(
        f"{name} ({value:.2f})"
        for name, value in zip(group["others"], group["similarity"], strict=True)
    )
    return f"{group['kind']}: {group['keep']} stays, {others}"


def _cluster_line(group: Mapping[str, Any]) -> str:
    terms, central = ", ".join(group["terms"]), ", ".join(group["central"])
    return (
        f"{group['cluster_id']}: {counted(group['size'], 'case')}: {terms or '-'}; as in {central}"
    )


def _show(
    document: Mapping[str, Any], propose: str | None, lines: Sequence[str], *, as_json: bool
) -> int:
    lines = [*lines]
    if propose:
        _write(Path(propose), document)
        lines += [f"wrote {propose}", f"next: pipex suite apply {propose}"]
    else:
        lines.append("next: add --propose FILE, then pipex suite apply FILE")
    emit(document, as_json=as_json, text="\n".join(lines))
    return exit_ok


def _write(path: Path, document: Mapping[str, Any]) -> None:
    from pipex_core.app.suitefiles import write_whole

    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    write_whole(path, f"{text}\n".encode())


def _pair(option: str, word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator or not name or not value:
        raise ConfigError(f"{option} is written NAME=VALUE, not {word!r}")
    return name, value


def _threshold(option: str, word: str) -> float | None:
    if word == "off":
        return None
    try:
        return float(word)
    except ValueError as exc:
        raise ConfigError(f"{option} is a share such as 0.8, or off, not {word!r}") from exc


def _whole(option: str, word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise ConfigError(f"{option} is a whole number, or auto, not {word!r}")
    return int(word)


def _key(data: bytes) -> bytes:
    key = data.strip()
    if len(key) < least_key_bytes:
        raise ConfigError(f"--pii-key needs a file of at least {least_key_bytes} bytes")
    return key


least_key_bytes = 16
