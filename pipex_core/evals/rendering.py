"""A report as values, and its forms for Markdown and for a console.

Every text that came from a case, a target or a file is data. In Markdown it can start no table cell,
code, link, mention or tag; on a console it can move no cursor.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

most_characters = 60_000
details_shown = 10
text_shown = 2_000
note_room = 60  # of the mark that says how much was cut

Align = Literal["left", "right"]
Part = Literal[
    "rules",
    "comparison",
    "moved",
    "flips",
    "metrics",
    "failures",
    "warnings",
    "cases",
    "judges",
    "origin",
    "other",
]
thousands, millions_of_millions = 1e3, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of texts.

    Attributes:
        header: Name and alignment of each column.
    """

    header: Sequence[tuple[str, Align]]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Something to be opened: a line, and texts with their names."""

    summary: str
    texts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a report; at least one of its contents is there.

    Attributes:
        part: What it is about, for formats that draw more than its lines and table.
    """

    title: str
    part: Part = "other"
    lines: Sequence[str] = ()
    grid: Grid | None = None
    details: Sequence[Detail] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is to be said, in order.

    Attributes:
        headline: The verdict, or how the run ended, with the sentence why.
        reasons: What the rules that made the verdict demand, and what was found.
        subject: Suite, target and model.
        run_id: For the marker by which a bot finds its own comment.
    """

    headline: str
    subject: str
    run_id: str
    reasons: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)


def number(value: float | None) -> str:
    """Three significant digits, half to even; a dash for what could not be computed.

    Thousands are written out: ``1,270`` reads better than ``1.27e+03``.
    """
    if value is None:
        return "-"
    if thousands <= abs(value) < millions_of_millions:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share in percent with two decimals; a dash for what could not be computed."""
    return "-" if share is None else f"{100 * share:.2f} %"


def interval(low: float | None, high: float | None) -> str:
    """Both ends with three significant digits; a dash when there is none."""
    return "-" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def text_table(grid: Grid) -> str:
    """The grid for a console: aligned columns, two spaces between them."""
    cells = [[name for name, _ in grid.header], *([plain(c) for c in row] for row in grid.rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(grid.header))]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if align == "right" else cell.ljust(width)
            for cell, width, (_, align) in zip(row, widths, grid.header, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def plain(text: str) -> str:
    """One line without control characters, so that no text moves a cursor or starts a line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def report_text(report: Report) -> str:
    """The report for a console: headline, then each part with its table; details are left out."""
    reasons = (f"  {plain(line)}" for line in report.reasons)
    parts = ["\n".join([plain(report.headline), *reasons]), plain(report.subject)]
    for section in report.sections:
        lines = [section.title, *(f"  {plain(line)}" for line in section.lines)]
        if section.grid is not None:
            lines += [f"  {line}" for line in text_table(section.grid).splitlines()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def report_markdown(report: Report, *, limit: int = most_characters) -> str:
    """The report as GitHub Markdown of at most ``limit`` characters, the headline first.

    A hidden marker names the subject, so that a bot finds the comment of the run before. What does
    not fit is left out from the end, details before tables, and the last line says so.
    """
    reasons = "".join(f"- {inline(line)}\n" for line in report.reasons)
    text = f"**{inline(report.headline)}**\n\n{reasons}\n{inline(report.subject)}\n\n{marker(report)}\n"
    note = "\n*The rest is left out: the report is longer than a comment may be.*\n"
    for section in report.sections:
        whole = _markdown(section, details=True)
        if len(text) + len(whole) + len(note) > limit:
            whole = _markdown(section, details=False)
        if len(text) + len(whole) + len(note) > limit:
            return text + note
        text += whole
    return text


def marker(report: Report) -> str:
    """The hidden line by which a comment about the same subject is found again."""
    subject = re.sub(r"[^A-Za-z0-9._-]+", "_", report.subject)
    return f"<!-- pipex-report {subject.replace('--', '_')} -->"


_signs: Mapping[int, str] = {ord(sign): f"&#{ord(sign)};" for sign in "&<>\"'|`*_~[]()#!@\\${}"}


def inline(text: str) -> str:
    """Text on one line that means nothing to Markdown, HTML or a mention."""
    neutral = plain(text).translate(_signs)
    # A bare address would become a link by itself.
    return neutral.replace("://", "&#58;//").replace("www.", "www&#46;")


def block(text: str) -> str:
    """Text of several lines as preformatted HTML, cut in its middle when it is long."""
    lines = [inline(line) for line in cut(text).splitlines()]
    return f"<pre>{'&#10;'.join(lines)}</pre>"


def cut(text: str) -> str:
    """The text; a long one without its middle, which a visible mark stands for.

    What was cut is not cut again.
    """
    if len(text) <= text_shown + note_room:
        return text
    half = text_shown // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def _markdown(section: Section, *, details: bool) -> str:
    return "\n".join(
        ["", f"### {inline(section.title)}", "", *_lines(section, details=details), ""]
    )


def _lines(section: Section, *, details: bool) -> Iterator[str]:
    if section.lines:
        yield from (f"- {inline(line)}" for line in section.lines)
        yield ""
    if section.grid is not None:
        yield "| " + " | ".join(inline(name) for name, _ in section.grid.header) + " |"
        marks = ("---:" if align == "right" else "---" for _, align in section.grid.header)
        yield "| " + " | ".join(marks) + " |"
        for row in section.grid.rows:
            yield "| " + " | ".join(map(inline, row)) + " |"
        yield ""
    if not details:
        return
    for detail in section.details[:details_shown]:
        yield f"<details><summary>{inline(detail.summary)}</summary>"
        yield ""
        for name, text in detail.texts:
            yield f"{inline(name)}"
            yield block(text)
            yield ""
        yield "</details>"
    left = len(section.details) - details_shown
    if left > 0:
        yield f"... and {left} more."
