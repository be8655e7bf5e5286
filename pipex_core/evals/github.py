"""A report for GitHub Actions: the summary of a step, and lines that become annotations.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions describes both.
"""

from collections.abc import Iterator
from typing import Final, Literal

from pipex_core.evals.findings import Findings, warning_lines
from pipex_core.evals.rendering import most_characters, plain, report_markdown
from pipex_core.evals.report import failing_first, verdict_report
from pipex_core.evals.verdict import RuleResult

summary_limit_bytes: Final = 1024 * 1024
most_annotations: Final = 10  # of each level in a step; GitHub drops the others
_longest_sign: Final = 4  # bytes of a character in UTF-8

Level = Literal["error", "warning"]


def step_summary(found: Findings, *, room_bytes: int = summary_limit_bytes) -> str:
    """The report in Markdown, in at most ``room_bytes`` of UTF-8; empty when not even the verdict fits.

    A summary over the limit would not be shown at all, so less is said instead.
    """
    report = verdict_report(found)
    for limit in (most_characters, min(most_characters, room_bytes // _longest_sign)):
        text = f"{report_markdown(report, limit=limit)}\n"
        if len(text.encode()) <= room_bytes:
            return text
    return ""


def annotations(found: Findings) -> list[str]:
    """Workflow commands, at most ten of each level: the verdict, rules that do not hold, warnings."""
    counts: dict[Level, int] = {"error": 0, "warning": 0}
    lines = []
    for level, title, message in _said(found):
        counts[level] += 1
        if counts[level] <= most_annotations:
            lines.append(f"::{level} title={_property(title)}::{_data(message)}")
    return lines


def _said(found: Findings) -> Iterator[tuple[Level, str, str]]:
    suite = found.manifest["suite"]["id"]
    verdict, outcome = found.judgement.verdict, found.judgement.outcome
    headline = verdict_report(found).headline
    if verdict is None:
        if outcome.status != "completed":
            yield "error" if outcome.status == "failed" else "warning", suite, headline
    elif verdict.verdict != "PASS":
        yield "error" if verdict.verdict == "FAIL" else "warning", suite, headline
    for rule in failing_first(verdict.rules if verdict else ()):
        if rule.outcome != "PASS":
            yield _level(rule), f"{suite}: {rule.row.rule_id}", _told(rule)
    for line in warning_lines(found):
        yield "warning", suite, line


def _level(rule: RuleResult) -> Level:
    return "error" if rule.outcome == "FAIL" and rule.row.tier != "advisory" else "warning"


def _told(rule: RuleResult) -> str:
    place = f" on {rule.slice}" if rule.slice else ""
    why = f" ({rule.reason})" if rule.reason else ""
    return f"{rule.outcome}{why}: {rule.row.metric}{place}, {rule.row.kind}, {rule.row.tier}"


def _data(text: str) -> str:
    """One line that ends no command and begins none."""
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
