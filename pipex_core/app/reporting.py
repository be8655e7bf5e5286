"""Reports of stored runs as files: what they are made from, in which forms, and whether a file is true."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipex_core.app import wiring
from pipex_core.app.commandline import command_of
from pipex_core.app.pipelines import kept_run
from pipex_core.app.requests import request_of_document
from pipex_core.app.settings import Settings, read_settings
from pipex_core.app.stored import open_archive
from pipex_core.errors import ConfigError
from pipex_core.evals.archive import Archive
from pipex_core.evals.csvtable import report_csv
from pipex_core.evals.findings import Findings, result_document
from pipex_core.evals.github import annotations, step_summary, summary_limit_bytes
from pipex_core.evals.html import report_html
from pipex_core.evals.junit import report_junit
from pipex_core.evals.pdf import report_pdf
from pipex_core.evals.publication import Place
from pipex_core.evals.rendering import report_markdown, report_text
from pipex_core.evals.report import verdict_report
from pipex_core.evals.retelling import Made, stored_findings
from pipex_core.evals.runner import EvalRun, place_of_job
from pipex_core.evals.verifying import Verification, verify_report
from pipex_core.jsonvalue import parse

if TYPE_CHECKING:
    from pipex_core.app.evaluations import Desk

request_key = "eval.json"
suffixes = {
    "markdown": "md",
    "json": "json",
    "html": "html",
    "pdf": "pdf",
    "junit": "xml",
    "csv": "csv",
    "github": "github.md",
}
text_suffixes = {form: end for form, end in suffixes.items() if form != "pdf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Which reports of a run somebody wants.

    Attributes:
        formats: At least one.
        out: File of a single report, or folder of several; None for ``reports`` below the results.
        is_reproducible: The report's date is the end of the run, so that equal runs give equal bytes.
        font: File of a font for what the shipped fonts cannot write in a PDF.
    """

    results: str
    formats: Sequence[str]
    out: str | None = None
    is_reproducible: bool = False
    font: str | None = None


def findings_for(
    archive: Archive, place: Place, *, settings: Settings, results: str, made_at: str = ""
) -> Findings:
    """Everything a report says of a stored run, with the command that repeats it when that is known."""
    command = _command(place.run_id, settings, results)
    made = Made(by=version("pipex"), at=made_at, command=command)
    return stored_findings(archive, place, made=made)


def shown_findings(archive: Archive, place: Place) -> Findings:
    """A stored run as a report sees it, to be shown at once."""
    settings = read_settings()
    return findings_for(archive, place, settings=settings, results=settings.text("results_dir"))


def write_reports(
    desk: "Desk", found: EvalRun, formats: Sequence[str], *, tell: Callable[[str], None]
) -> list[str]:
    """Write the reports of a run beside the results, and name the files with the manifest first.

    The format ``github`` goes to the summary file of the job where there is one, and tells the lines
    that become annotations.
    """
    place = place_of_job(found.job)
    files = [desk.blobs.url(place.manifest)]
    if not formats:
        return files
    wanted = ReportRequest(results=desk.results, formats=formats, is_reproducible=True)
    findings = findings_for(desk.archive, place, settings=desk.settings, results=desk.results)
    return files + _written(findings, wanted, desk.settings, tell)


def report_stored(place: Place, wanted: ReportRequest, *, tell: Callable[[str], None]) -> list[str]:
    """Write reports of a stored run, and name their files.

    Raises:
        ConfigError: ``dependency_missing``, a PDF needs the extra ``pdf``; ``folder_not_writable``.
        StoreError: A table of the run is damaged.
    """
    settings = read_settings()
    archive = open_archive(wanted.results)
    now = wiring.now().isoformat(timespec="seconds")
    findings = findings_for(
        archive,
        place,
        settings=settings,
        results=wanted.results,
        made_at="" if wanted.is_reproducible else now,
    )
    return _written(findings, wanted, settings, tell)


def rendered(findings: Findings, form: str) -> str:
    """A report as ``text``, ``markdown``, ``json``, ``html``, ``junit``, ``csv`` or ``github``."""
    return _forms[form](findings)


def verify_file(path: str, *, results: str | None = None) -> Verification:
    """What became of a report in HTML; with a results folder its rows are held against the tables.

    Raises:
        ConfigError: ``file_not_found``, or ``no_results``.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8", errors="replace")
    except OSError as exc:
        raise ConfigError(
            f"cannot read {path}: {exc.strerror}",
            code="file_not_found",
            next_step="pipex report RUN --format html writes a report that can be verified",
        ) from exc
    archive = open_archive(results) if results else None
    return verify_report(text, made_by=version("pipex"), archive=archive)


def _written(
    findings: Findings, wanted: ReportRequest, settings: Settings, tell: Callable[[str], None]
) -> list[str]:
    files = []
    summary = settings.github_step_summary
    for form in wanted.formats:
        if form == "github":
            for line in annotations(findings):
                tell(line)
        if form == "github" and summary is not None and _added(Path(summary), findings, tell=tell):
            files.append(summary)
            continue
        path = _path(wanted, findings, form)
        data = _bytes(findings, form, wanted, tell)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as exc:
            message = f"cannot write {path}: {exc.strerror}"
            raise ConfigError(message, code="folder_not_writable") from exc
        files.append(str(path))
    return files


def _path(wanted: ReportRequest, findings: Findings, form: str) -> Path:
    name = f"{findings.manifest['run_id']}.{suffixes[form]}"
    if wanted.out is None:
        return Path(wanted.results) / "reports" / name
    out = Path(wanted.out)
    is_folder = len(wanted.formats) > 1 or wanted.out.endswith("/") or out.is_dir()
    return out / name if is_folder else out


def _bytes(
    findings: Findings, form: str, wanted: ReportRequest, tell: Callable[[str], None]
) -> bytes:
    if form != "pdf":
        # Lines end as the format has it, whatever the machine.
        return rendered(findings, form).encode()
    made = report_pdf(findings, wiring.typesetter(font=wanted.font))
    for warning in made.warnings:
        tell(f"warning: {warning}")
    return made.data


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


def _command(run_id: str, settings: Settings, results: str) -> str:
    """The command of a run whose request is still kept beside its journal."""
    try:
        path = kept_run("evaluation", run_id, request_key, settings)
    except ConfigError:
        return ""
    document: dict[str, Any] = parse(path.read_text(encoding="utf-8"))
    provider = document.pop("provider")
    del document["results"]
    return command_of(request_of_document(document), provider, results=results)


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
