"""A report as PDF: the parts of every other format in their order, without raw outputs, for paper and files.

The document is described to a typesetter as a fixed source and data; no text of a case is ever part of
the source. It is tagged (PDF/UA-1), has bookmarks, page numbers, a title and a language, and its fonts
are embedded. A sign that no font has is written as its code point, and a warning in the document says so.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from pipex_core.evals.figures import comparison_figure, metric_figure, rule_figure
from pipex_core.evals.findings import Findings
from pipex_core.evals.htmlparts import look_of
from pipex_core.evals.markup import Markup, visible
from pipex_core.evals.rendering import Section
from pipex_core.evals.report import (
    displayed,
    failing_first,
    most_flips,
    most_moved,
    verdict_report,
    worse_first,
)
from pipex_core.evals.reportparts import missed_first
from pipex_core.evals.stylesheet import chart_style, light
from pipex_core.evals.typstsource import source
from pipex_core.jsonvalue import Json

longest_word: Final = 60  # what has no space cannot be broken at one
_name_space: Final = '<svg xmlns="http://www.w3.org/2000/svg" '


class Typesetter(Protocol):
    """Makes PDF of a source and of data that the source reads."""

    def pages(self, source: str, data: str, *, at: datetime) -> bytes:
        """The document; equal for equal arguments.

        Raises:
            ConfigError: ``dependency_missing``.
        """
        ...

    def unwritable(self, signs: str) -> frozenset[str]:
        """The signs that no font has."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Typeset:
    """A document, and what was not put into it as it was.

    Attributes:
        data: PDF.
        warnings: Sentences; they stand in the document too.
    """

    data: bytes
    warnings: Sequence[str] = ()


def report_pdf(found: Findings, typesetter: Typesetter) -> Typeset:
    """The report as PDF.

    Raises:
        ConfigError: ``dependency_missing``.
    """
    document = pdf_document(found)
    lost = typesetter.unwritable("".join(sorted(set(_texts(document)))))
    warnings = [_lost(lost)] if lost else []
    written = _written({**document, "warnings": warnings}, lost)
    at = datetime.fromisoformat(found.made_at or found.manifest["run"]["finished_at"])
    data = json.dumps(written, ensure_ascii=False)
    return Typeset(
        data=typesetter.pages(source, data, at=at.replace(microsecond=0)), warnings=warnings
    )


def pdf_document(found: Findings) -> dict[str, Json]:
    """What the source reads: title, verdict, and parts with lines, a table and charts."""
    report = verdict_report(found)
    word, _, why = report.headline.partition(": ")
    look, _ = look_of(word)
    run = found.manifest["run"]
    made = f", report made {found.made_at}" if found.made_at else ""
    return {
        "title": f"{word}: {report.subject}",
        "verdict": word,
        "why": why,
        "reasons": list(report.reasons),
        "ink": light[look],
        "ground": light[f"{look}-panel"],
        "rule": light["rule"],
        "soft": light["soft"],
        "subject": report.subject,
        "footer": f"Run {report.run_id}, finished {run['finished_at']}{made}",
        "parts": [_part(section, found) for section in report.sections],
    }


def _part(section: Section, found: Findings) -> dict[str, Json]:
    grid = section.grid
    return {
        "title": section.title,
        "lines": [*section.lines, *_flipped(section, found)],
        "header": [] if grid is None else [name for name, _ in grid.header],
        "align": [] if grid is None else [align for _, align in grid.header],
        "rows": [] if grid is None else [list(row) for row in grid.rows],
        "charts": [
            {"svg": chart, "title": title, "told": told}
            for chart, title, told in _charts(section, found)
        ],
    }


def _flipped(section: Section, found: Findings) -> Iterator[str]:
    """One line per case that changed sides; the outputs are left to the other formats."""
    if section.part == "flips":
        for flip in found.flips[:most_flips]:
            word = "fixed" if flip.passed_now else "broken"
            yield f"{flip.case_id}: {word} ({flip.metric} {flip.change:+.3g})"


def _charts(section: Section, found: Findings) -> Iterator[tuple[str, str, str]]:
    """SVG, title and description of the charts of a part."""
    metrics = found.judgement.summary.metrics
    verdict = found.judgement.verdict
    figures: Iterable[tuple[str, Markup | None]] = ()
    match section.part:
        case "rules" if verdict is not None:
            figures = (
                (f"{rule.row.rule_id}{f' on {rule.slice}' if rule.slice else ''}: {rule.outcome}",
                 rule_figure(f"r{i}", rule, metrics))
                for i, rule in enumerate(failing_first(verdict.rules))
            )  # fmt: skip
        case "comparison":
            rows = worse_first(displayed(found.judgement.comparisons))
            figures = ((row.metric, comparison_figure(f"c{i}", row)) for i, row in enumerate(rows))
        case "moved":
            figures = (
                (f"{row.metric} on {row.slice_by}={row.slice}", comparison_figure(f"s{i}", row))
                for i, row in enumerate(found.moved[:most_moved])
            )
        case "metrics":
            figures = (
                (one.facts.name, metric_figure(f"m{i}", one))
                for i, one in enumerate(missed_first(metrics.values()))
            )
        case _:
            pass
    for title, figure in figures:
        if figure is not None:
            yield _drawn(figure), title, _described(figure)


def _drawn(figure: Markup) -> str:
    """The chart as a document of its own, with its style inside."""
    named = figure.text.replace("<svg ", _name_space, 1)
    head, end, rest = named.partition(">")
    return f"{head}{end}<style>{chart_style(light)}</style>{rest}"


def _described(figure: Markup) -> str:
    _, _, rest = figure.text.partition("<desc")
    return rest.partition(">")[2].partition("</desc>")[0]


def _texts(value: Json) -> Iterator[str]:
    """Every text of a document, which is made of texts, maps and lists; charts hold none of a case's."""
    match value:
        case str():
            yield visible(value)
        case Mapping():
            for name, inner in value.items():
                if name != "svg":
                    yield from _texts(inner)
        case _:
            for inner in value:
                yield from _texts(inner)


def _written(value: Json, lost: frozenset[str]) -> Json:
    """The value with every text as it can be set."""
    match value:
        case str():
            shown = "".join(f"⟨U+{ord(x):04X}⟩" if x in lost else x for x in visible(value))
            return " ".join(map(_breakable, shown.split(" ")))
        case Mapping():
            return {k: v if k == "svg" else _written(v, lost) for k, v in value.items()}
        case _:
            return [_written(inner, lost) for inner in value]


def _breakable(word: str) -> str:
    """A word that a line can hold, with places to break in a longer one."""
    if len(word) <= longest_word:
        return word
    step = longest_word // 2
    return "\u200b".join(word[i : i + step] for i in range(0, len(word), step))


def _lost(lost: frozenset[str]) -> str:
    codes = ", ".join(f"U+{ord(sign):04X}" for sign in sorted(lost)[:5])
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""  # noqa: PLR2004 - as many as shown
    return (
        f"The fonts have no {codes}{more}; these signs stand as their code points."
        " Name a font that has them with --font FILE."
    )
