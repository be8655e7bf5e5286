"""A report as one HTML file that needs no network, no script and no other file.

The policy in its head forbids everything but the one style sheet and the one script, each named by its
hash. The parts, their order and their words are those of every other format; this one adds charts, a
diff of what changed, a table of all cases, and the proof from which the report can be made again.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipex_core.evals.casetable import cases_html
from pipex_core.evals.charts import bin_rows
from pipex_core.evals.figures import comparison_figure, metric_figure, rule_figure
from pipex_core.evals.findings import Findings, FlipText, failure_rows
from pipex_core.evals.htmlparts import TableLook, badge, look_of, table
from pipex_core.evals.markup import Child, Markup, element, joined
from pipex_core.evals.pagescript import page_script
from pipex_core.evals.proof import packed, proof_document, table_of
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
    most_flips,
    most_moved,
    verdict_report,
    worse_first,
)
from pipex_core.evals.reportparts import missed_first, most_failures
from pipex_core.evals.stylesheet import stylesheet
from pipex_core.evals.summary import MetricSummary
from pipex_core.evals.worddiff import Piece, word_diff
from pipex_core.jsonvalue import Json, canonical, parse

flips_open = 2  # as a sight of what is inside the others
proof_begins: Final = '<script type="application/octet-stream" id="pipex-proof">'
seal_begins: Final = '<meta name="pipex-page" content="'


def report_html(found: Findings) -> str:
    """The whole document; the same findings give the same bytes."""
    document = proof_document(found)
    return page_of(_as_kept(found, document), packed(document))


def page_of(found: Findings, proof: str) -> str:
    """The page that says what was found, around a packed proof of it."""
    report = verdict_report(found)
    style, script = stylesheet(), page_script()
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"pipex {found.made_by}".rstrip()),
        Markup(f'{seal_begins}">'),
        element("title", f"{_word(report.headline)}: {report.subject}"),
        # Style and script are raw text: escapes would stand in them as they are.
        Markup(f"<style>{style}</style>"),
    )
    end = Markup(f"{proof_begins}</script><script>{script}</script>")
    page = element("html", head, element("body", *_body(report, found), end), lang="en")
    text = f"<!DOCTYPE html>\n{page.text}\n"
    sealed = text.replace(seal_begins, f"{seal_begins}{seal_of(text)}", 1)
    return sealed.replace(f"{proof_begins}</script>", f"{proof_begins}{proof}</script>", 1)


def seal_of(text: str) -> str:
    """The hash of a page without its proof and its seal."""
    return f"sha256-{hashlib.sha256(text.encode()).hexdigest()}"


def _as_kept(found: Findings, document: Mapping[str, Json]) -> Findings:
    """The findings as they come back from the proof, without computing anything again."""
    return replace(
        found,
        manifest=parse(canonical(document["manifest"])),
        responses=table_of("responses", document["responses"]),
        scores=table_of("scores", document["scores"]),
        flips=[FlipText(**flip) for flip in document["flips"]],
    )


def _policy(style: str, script: str) -> str:
    digests = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    )
    style_src, script_src = digests
    return (
        f"default-src 'none'; style-src 'sha256-{style_src}'; script-src 'sha256-{script_src}';"
        " base-uri 'none'; form-action 'none'"
    )


def _body(report: Report, found: Findings) -> Iterator[Markup]:
    yield element("a", "Skip to the report", href="#report", class_="skip")
    yield element("header", _verdict(report), element("p", report.subject, class_="subject"))
    last = report.sections[-1]
    cases = Section(title="All cases", part="cases")
    sections = [*report.sections[:-1], cases, last]
    links = (
        element("li", element("a", section.title, href=f"#part-{i}"))
        for i, section in enumerate(sections, 1)
    )
    yield element("nav", element("ul", *links), aria_label="Parts of the report")
    parts = (_section(i, section, found) for i, section in enumerate(sections, 1))
    yield element("main", _tiles(found), *parts, id="report")
    yield element("footer", element("p", _origin(report, found)), element("p", _proof_hint))


_proof_hint = (
    "This file carries the values behind its numbers: pipex report verify FILE computes summary,"
    " comparisons and verdict again and tells any number, row or word that was changed."
)


def _origin(report: Report, found: Findings) -> str:
    made = f", report made {found.made_at}" if found.made_at else ""
    by = f" by pipex {found.made_by}" if found.made_by else ""
    return f"Run {report.run_id}, finished {found.manifest['run']['finished_at']}{made}{by}."


def _verdict(report: Report) -> Markup:
    word, _, why = report.headline.partition(": ")
    look, sign = look_of(word)
    lines = [element("li", line) for line in report.reasons]
    reasons = [element("ul", *lines, class_="reasons")] if lines else []
    return element(
        "div",
        element("h1", element("span", sign, aria_hidden="true"), f" {word}"),
        element("p", why),
        *reasons,
        class_=f"verdict {look}",
    )


def _word(headline: str) -> str:
    return headline.partition(":")[0]


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
            yield table(section.grid, TableLook(section.title, head=1, badge=0), charts)
        case "comparison" if section.grid is not None:
            rows = worse_first(displayed(found.judgement.comparisons))
            charts = [comparison_figure(f"{name}-{i}", row) for i, row in enumerate(rows)]
            last = len(section.grid.header) - 1
            yield table(section.grid, TableLook(section.title, badge=last), charts)
        case "moved" if section.grid is not None:
            moved = enumerate(found.moved[:most_moved])
            charts = [comparison_figure(f"{name}-{i}", row) for i, row in moved]
            last = len(section.grid.header) - 1
            yield table(section.grid, TableLook(section.title, badge=last), charts)
        case "cases":
            yield from cases_html(found)
        case "judges" | "origin" if section.grid is not None:
            yield table(section.grid, TableLook(section.title))
        case "metrics" if section.grid is not None:
            yield table(section.grid, TableLook(section.title))
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
        numbers = table(grid, TableLook(f"Distribution of {one.facts.name}"))
        parts.append(chart)
        parts.append(
            element("details", element("summary", "Numbers of the chart"), element("div", numbers))
        )
    return element("figure", *parts)


def _flip(flip: FlipText, *, is_open: bool) -> Markup:
    word = badge("fixed" if flip.passed_now else "broken")
    summary = element("summary", word, f" {flip.case_id} ({flip.metric} {flip.change:+.3g})")
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
