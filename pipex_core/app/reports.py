"""Runs for people: the block on the console, report files, and the leaderboard of a suite."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipex_core.evals.archive import Archive, Stored, flip_texts
from pipex_core.evals.csvtable import report_csv
from pipex_core.evals.findings import Findings, result_document
from pipex_core.evals.github import annotations, step_summary, summary_limit_bytes
from pipex_core.evals.html import report_html
from pipex_core.evals.judged import Judged
from pipex_core.evals.junit import report_junit
from pipex_core.evals.publication import Place
from pipex_core.evals.regressions import regressions
from pipex_core.evals.rendering import (
    Align,
    Grid,
    interval,
    number,
    percent,
    plain,
    report_markdown,
    report_text,
    text_table,
)
from pipex_core.evals.report import verdict_report
from pipex_core.evals.runner import EvalRun, place_of_job
from pipex_core.evals.summary import MetricSummary, Summary
from pipex_core.evals.verdict import sentence, uncertified

if TYPE_CHECKING:
    from pipex_core.app.evaluations import Desk

no_model = "none"
most_troubles = 5
most_text = 200
suffixes = {
    "markdown": "md",
    "json": "json",
    "html": "html",
    "junit": "xml",
    "csv": "csv",
    "github": "github.md",
}


def run_block(found: EvalRun) -> str:
    """What a finished run is worth on a console: one line per metric, money, and the verdict."""
    job, totals = found.job, found.summary.totals
    model = "" if job.target.model_id == no_model else f" with {job.target.model_id}"
    headline = (
        f"{job.suite.id} on {job.target.target_id}{model}: {found.status}, "
        f"{totals.n_cases} case{'' if totals.n_cases == 1 else 's'}, {totals.n_carried} carried, "
        f"{totals.calls} call{'' if totals.calls == 1 else 's'}, {totals.cost_nanousd / 1e9:.4f} USD"
    )
    if totals.judge_cost_nanousd:
        headline += f", judges {totals.judge_cost_nanousd / 1e9:.4f} USD"
    lines = [headline, text_table(metric_grid(found.summary)), *_troubles(found.responses)]
    if found.verdict is not None:
        lines.append(sentence(found.verdict))
        lines += [f"  {line}" for line in found.verdict.warnings if line.startswith(uncertified)]
    return "\n".join(lines)


def _troubles(responses: pa.Table) -> Iterator[str]:
    """One line for each kind of row that is no answer, the most frequent first, with one message."""
    columns = ["class", "status", "error_code", "error"]
    kinds: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for row in responses.select(columns).to_pylist():
        if row["class"] != "observed" or row["status"] != "ok":
            word = "missing" if row["class"] == "missing" else "failed"
            kinds[word, row["error_code"] or row["status"]].append(row["error"])
    ordered = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
    for (word, code), errors in ordered[:most_troubles]:
        told = next((f", such as: {plain(error)[:most_text]}" for error in errors if error), "")
        yield f"{word} {len(errors)}: {code}{told}"


def metric_grid(summary: Summary) -> Grid:
    """One row per metric: mean with interval, coverage, and the share that passed.

    Values over the suite that are no means stand in a column of their own, where there are any.
    """
    header: list[tuple[str, Align]] = [("metric", "left")]
    header += [("mean", "right"), ("95 % interval", "right")]
    header += [("scored", "right"), ("missing", "right"), ("passed", "right")]
    rows = [_metric_row(name, one) for name, one in summary.metrics.items()]
    corpora = [one.corpus for one in summary.metrics.values()]
    if any(corpora):
        header.append(("suite", "right"))
        for row, corpus in zip(rows, corpora, strict=True):
            row.append(number(corpus.value) if corpus else "-")
    return Grid(header=header, rows=rows)


def leaderboard_grid(runs: Iterable[Stored], *, metric: str, champion: str | None) -> Grid:
    """Targets side by side under one metric, the best first; the champion is marked."""
    rows = []
    for run in runs:
        one = run.judgement.summary.metrics.get(metric)
        totals = run.judgement.summary.totals
        name = run.manifest["target"]["target_id"]
        mean = one.mean if one else None
        found = one.estimate.interval if one and one.estimate else None
        verdict = (run.manifest["verdict"] or {}).get("verdict", "-")
        rows.append(
            (
                mean,
                [
                    f"{name} *" if name == champion else name,
                    number(mean),
                    interval(found.low, found.high) if found else "-",
                    percent(totals.pass_rate),
                    str(totals.n_missing),
                    f"{(totals.cost_nanousd + totals.saved_nanousd) / 1e9:.4f}",
                    verdict,
                ],
            )
        )
    rows.sort(key=lambda row: (row[0] is None, -(row[0] or 0.0), row[1][0]))
    return Grid(
        header=[
            ("target", "left"),
            (metric, "right"),
            ("95 % interval", "right"),
            ("passed", "right"),
            ("missing", "right"),
            ("USD", "right"),
            ("verdict", "left"),
        ],
        rows=[row for _, row in rows],
    )


def findings_of(
    found: EvalRun, archive: Archive, *, baseline: Place | None = None, command: str = ""
) -> Findings:
    """Everything a report says of a fresh run, with the flips against its baseline."""
    flipped = []
    if baseline is not None:
        before = archive.load(baseline)
        now = archive.load(place_of_job(found.job))
        flipped = flip_texts(before, now, _main_metric(found.summary))
    against = found.job.baseline
    fallen = regressions(against.arm, found.judgement.arm) if isinstance(against, Judged) else []
    return Findings(
        manifest=found.manifest,
        judgement=found.judgement,
        responses=found.responses,
        scores=found.scores,
        flips=flipped,
        regressions=fallen,
        files=[file["path"] for file in found.manifest["files"]],
        command=command,
    )


def write_reports(
    desk: "Desk", found: EvalRun, formats: Sequence[str], *, tell: Callable[[str], None]
) -> list[str]:
    """Write the reports of a run beside the results, and name the files with the manifest first.

    The format ``github`` goes to the summary file of the job where there is one, and tells the lines
    that become annotations.
    """
    files = [desk.blobs.url(place_of_job(found.job).manifest)]
    if not formats:
        return files
    baseline = None
    if isinstance(found.job.baseline, Judged):
        baseline = desk.archive.find(found.job.baseline.arm.run_id)
    findings = findings_of(found, desk.archive, baseline=baseline)
    folder = Path(desk.results) / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for form in formats:
        path = folder / f"{found.run_id}.{suffixes[form]}"
        summary = desk.settings.github_step_summary
        if form == "github":
            for line in annotations(findings):
                tell(line)
        if form == "github" and summary is not None and _added(Path(summary), findings, tell=tell):
            files.append(summary)
            continue
        # Lines end as the format has it, whatever the machine.
        path.write_bytes(rendered(findings, form).encode())
        files.append(str(path))
    return files


def _added(path: Path, findings: Findings, *, tell: Callable[[str], None]) -> bool:
    """Add the report to the summary of a job, which other steps may have begun; False says it is not there.

    A summary is no reason to lose the exit code of a run that was paid for.
    """
    try:
        used = path.stat().st_size if path.exists() else 0
        text = step_summary(findings, room_bytes=max(0, summary_limit_bytes - used))
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as exc:
        tell(f"warning: GITHUB_STEP_SUMMARY: cannot write {path}: {exc.strerror}")
        return False
    if not text:
        tell(f"warning: GITHUB_STEP_SUMMARY: {path} has no room for the report")
    return bool(text)


def rendered(findings: Findings, form: str) -> str:
    """A report as ``text``, ``markdown``, ``json``, ``html``, ``junit``, ``csv`` or ``github``."""
    return _forms[form](findings)


def _json(findings: Findings) -> str:
    return json.dumps(result_document(findings), ensure_ascii=False, indent=2) + "\n"


_forms: Mapping[str, Callable[[Findings], str]] = {
    "text": lambda findings: report_text(verdict_report(findings)),
    "markdown": lambda findings: report_markdown(verdict_report(findings)),
    "json": _json,
    "html": report_html,
    "junit": report_junit,
    "csv": report_csv,
    "github": step_summary,
}


def stored_findings(stored: Stored) -> Findings:
    """Everything a report says of a stored run."""
    return Findings(
        manifest=stored.manifest,
        judgement=stored.judgement,
        responses=stored.responses,
        scores=stored.scores,
        files=[file["path"] for file in stored.manifest["files"]],
    )


def _metric_row(name: str, one: MetricSummary) -> list[str]:
    found = one.estimate.interval if one.estimate else None
    return [
        name,
        number(one.mean),
        interval(found.low, found.high) if found else "-",
        f"{one.n_scored}/{one.n_planned - one.n_na}",
        str(one.n_missing),
        percent(one.pass_rate),
    ]


def _main_metric(summary: Summary) -> str:
    """The first metric whose cases pass or fail; else the first."""
    deciding = [name for name, one in summary.metrics.items() if one.pass_rate is not None]
    return (deciding or list(summary.metrics))[0]
