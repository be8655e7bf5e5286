"""A report as one HTML file that needs no network, no script and no other file.

The policy in its head forbids everything but the one style sheet, named by its hash. The parts, their
order and their words are those of every other format; this one adds charts, and a diff of what changed.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipex_core.evals.charts import bin_rows
from pipex_core.evals.figures import comparison_figure, metric_figure, rule_figure
from pipex_core.evals.findings import Findings, FlipText, failure_rows
from pipex_core.evals.markup import Child, Markup, element, joined
from pipex_core.evals.rendering import (
    Detail,
    Grid,
    Report,
    Section,
    cut,
    interval,
    number,
    percent,
)
from pipex_core.evals.report import (
    displayed,
    failing_first,
    missed_first,
    most_failures,
    most_flips,
    verdict_report,
    worse_first,
)
from pipex_core.evals.stylesheet import stylesheet
from pipex_core.evals.summary import MetricSummary
from pipex_core.evals.worddiff import Piece, word_diff

flips_open = 2  # as a sight of what is inside the others
# The class of a word decides its colour; the sign before it says the same without one.
_looks: Mapping[str, tuple[str, str]] = {
    "PASS": ("pass", "✓"),
    "COMPLETED": ("pass", "✓"),
    "better": ("pass", "▲"),
    "FAIL": ("fail", "✗"),
    "FAILED": ("fail", "✗"),
    "worse": ("fail", "▼"),
}
_undecided = ("open", "?")


def report_html(found: Findings) -> str:
    """The whole document; the same findings give the same bytes."""
    report = verdict_report(found)
    style = stylesheet()
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="referrer", content="no-referrer"),
            element("title", f"{_word(report.headline)}: {report.subject}"),
            # A style sheet is raw text: escapes would stand in it as they are.
            Markup(f"<style>{style}</style>"),
        ),
        element("body", *_body(report, found)),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page.text}\n"


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _body(report: Report, found: Findings) -> Iterator[Markup]:
    yield element("a", "Skip to the report", href="#report", class_="skip")
    yield element("header", _verdict(report), element("p", report.subject, class_="subject"))
    links = (
        element("li", element("a", section.title, href=f"#part-{i}"))
        for i, section in enumerate(report.sections, 1)
    )
    yield element("nav", element("ul", *links), aria_label="Parts of the report")
    sections = (_section(i, section, found) for i, section in enumerate(report.sections, 1))
    yield element("main", _tiles(found), *sections, id="report")
    run = found.manifest["run"]
    made = f"Run {report.run_id}, finished {run['finished_at']}. Made by pipex"
    version = f" {run['pipex_version']}" if run["pipex_version"] else ""
    yield element("footer", element("p", f"{made}{version}."))


def _verdict(report: Report) -> Markup:
    word, _, why = report.headline.partition(": ")
    look, sign = _look(word)
    return element(
        "div",
        element("h1", element("span", sign, aria_hidden="true"), f" {word}"),
        element("p", why),
        class_=f"verdict {look}",
    )


def _word(headline: str) -> str:
    return headline.partition(":")[0]


def _look(text: str) -> tuple[str, str]:
    return _looks.get(text.split(" ", maxsplit=1)[0], _undecided)


def _tiles(found: Findings) -> Markup:
    totals = found.judgement.summary.totals
    ci = totals.pass_interval
    shown = f"{percent(ci.low)} to {percent(ci.high)}" if ci else "no interval"
    decided = totals.n_passed + totals.n_case_failed
    facts = [
        ("Passed", percent(totals.pass_rate), f"{totals.n_passed} of {decided}; {shown}"),
        ("Cases", f"{totals.n_cases:,}", f"{totals.n_rows:,} answers"),
        ("Missing", f"{totals.n_missing:,}", f"{totals.n_failed:,} failures of the target"),
        ("Cost", f"{totals.cost_nanousd / 1e9:.4f} USD", f"{totals.calls:,} calls"),
    ]
    if totals.latency:
        median, p95 = (f"{number(totals.latency[word])} ms" for word in ("p50", "p95"))
        facts.append(("Latency, median", median, f"{p95} at the 95th percentile"))
    tiles = (
        element("div", element("dt", name), element("dd", value, element("small", more)))
        for name, value, more in facts
    )
    return element("dl", *tiles, class_="tiles")


# -- parts


def _section(place: int, section: Section, found: Findings) -> Markup:
    name = f"part-{place}"
    parts: list[Markup] = []
    if section.lines:
        style = "lines note" if section.part == "warnings" else "lines"
        parts.append(element("ul", *(element("li", line) for line in section.lines), class_=style))
    parts += _content(name, section, found)
    return element("section", element("h2", section.title, id=name), *parts, aria_labelledby=name)


def _content(name: str, section: Section, found: Findings) -> Iterator[Markup]:
    """Tables, charts and texts of a section, as its kind has them."""
    metrics = found.judgement.summary.metrics
    verdict = found.judgement.verdict
    match section.part:
        case "rules" if verdict is not None and section.grid is not None:
            rules = failing_first(verdict.rules)
            charts = [rule_figure(f"{name}-{i}", r, metrics) for i, r in enumerate(rules)]
            yield _table(section.grid, _TableLook(section.title, head=1, badge=0), charts)
        case "comparison" if section.grid is not None:
            rows = worse_first(displayed(found.judgement.comparisons))
            charts = [comparison_figure(f"{name}-{i}", row) for i, row in enumerate(rows)]
            last = len(section.grid.header) - 1
            yield _table(section.grid, _TableLook(section.title, badge=last), charts)
        case "metrics" if section.grid is not None:
            yield _table(section.grid, _TableLook(section.title))
            ordered = missed_first(metrics.values())
            cards = (_card(f"{name}-{i}", one) for i, one in enumerate(ordered))
            yield element("div", *cards, class_="cards")
        case "flips":
            yield from (
                _flip(flip, is_open=i < flips_open)
                for i, flip in enumerate(found.flips[:most_flips])
            )
            yield from _more(len(found.flips) - most_flips, "the report in JSON has them all")
        case "failures":
            yield from map(_detail, section.details)
            left = len(failure_rows(found.responses)) - most_failures
            yield from _more(left, f"pipex eval show {found.manifest['run_id']} --failed lists all")
        case _:
            yield from map(_detail, section.details)


def _more(count: int, where: str) -> Iterator[Markup]:
    if count > 0:
        yield element("p", f"{count} more; {where}.")


def _card(name: str, one: MetricSummary) -> Markup:
    chart = metric_figure(name, one)
    ci = one.estimate.interval if one.estimate else None
    told = f"Mean {number(one.mean)} {interval(ci.low, ci.high) if ci else ''}".rstrip()
    lines = [f"{told}, {one.n_scored} scored, {one.n_missing} missing."]
    if one.facts.threshold is not None:
        lines.append(f"Threshold {number(one.facts.threshold)} (broken line).")
    parts: list[Markup] = [element("h3", one.facts.name)]
    parts += [element("figcaption", " ".join(lines))]
    if chart is not None and one.histogram is not None:
        grid = Grid(
            header=[("from", "right"), ("to", "right"), ("cases", "right")],
            rows=bin_rows(one.histogram),
        )
        numbers = _table(grid, _TableLook(f"Distribution of {one.facts.name}"))
        parts.append(chart)
        parts.append(
            element("details", element("summary", "Numbers of the chart"), element("div", numbers))
        )
    return element("figure", *parts)


def _flip(flip: FlipText, *, is_open: bool) -> Markup:
    word = "better" if flip.passed_now else "worse"
    badge = _badge("fixed" if flip.passed_now else "broken", _looks[word])
    summary = element("summary", badge, f" {flip.case_id} ({flip.metric} {flip.change:+.3g})")
    parts = [_labelled("expected", flip.expected)] if flip.expected is not None else []
    before, now = flip.output_before, flip.output_now
    if before is not None and now is not None:
        both = word_diff(cut(before), cut(now))
        sides = (
            _labelled("before; struck through is gone", _pieces(both.before, "del")),
            _labelled("now; underlined is new", _pieces(both.now, "ins")),
        )
        parts.append(element("div", *sides, class_="sides"))
    else:
        known = (("before", before), ("now", now))
        parts += [_labelled(name, cut(text)) for name, text in known if text is not None]
    shown = {"open": ""} if is_open else {}
    return element("details", summary, element("div", *parts), **shown)


def _pieces(pieces: Sequence[Piece], name: str) -> Markup:
    return joined(element(name, one.text) if one.is_changed else one.text for one in pieces)


def _detail(detail: Detail) -> Markup:
    texts = (_labelled(name, cut(text)) for name, text in detail.texts)
    return element("details", element("summary", detail.summary), element("div", *texts))


def _labelled(name: str, text: Child) -> Markup:
    return element("div", element("p", name, class_="label"), element("pre", text))


# -- tables


@dataclass(frozen=True, slots=True)
class _TableLook:
    """How a table is shown: its caption, and the columns of row headers and of outcomes."""

    caption: str
    head: int = 0
    badge: int | None = None


def _table(grid: Grid, look: _TableLook, charts: Sequence[Markup | None] = ()) -> Markup:
    heads = [element("th", name, scope="col", **_aligned(align)) for name, align in grid.header]
    if charts:
        heads.append(element("th", "chart", scope="col"))
    rows = [
        element("tr", *_cells(grid, look, row), *_chart_cell(charts, i))
        for i, row in enumerate(grid.rows)
    ]
    table = element(
        "table",
        element("caption", look.caption),
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
    )
    # A region that scrolls must be reachable by keyboard, and so have a name.
    return element(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label=look.caption
    )


def _cells(grid: Grid, look: _TableLook, row: Sequence[str]) -> Iterator[Markup]:
    for i, (cell, (_, align)) in enumerate(zip(row, grid.header, strict=True)):
        content: Child = _badge(cell, _look(cell)) if i == look.badge else cell
        if i == look.head:
            yield element("th", content, scope="row", **_aligned(align))
        else:
            yield element("td", content, **_aligned(align))


def _chart_cell(charts: Sequence[Markup | None], place: int) -> Iterator[Markup]:
    if charts:
        yield element("td", charts[place] or "no chart")


def _badge(text: str, look: tuple[str, str]) -> Markup:
    style, sign = look
    return element(
        "span", element("span", f"{sign} ", aria_hidden="true"), text, class_=f"badge {style}"
    )


def _aligned(align: str) -> dict[str, str]:
    return {"class_": "num"} if align == "right" else {}
