"""Tables and badges of an HTML report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipex_core.evals.markup import Child, Markup, element
from pipex_core.evals.rendering import Grid

# The class of a word decides its colour; the sign before it says the same without one.
_looks: Mapping[str, tuple[str, str]] = {
    "PASS": ("pass", "✓"),
    "COMPLETED": ("pass", "✓"),
    "passed": ("pass", "✓"),
    "better": ("pass", "▲"),
    "fixed": ("pass", "▲"),
    "FAIL": ("fail", "✗"),
    "FAILED": ("fail", "✗"),
    "failed": ("fail", "✗"),
    "worse": ("fail", "▼"),
    "broken": ("fail", "▼"),
}
_undecided = ("open", "?")
most_narrow = 4  # columns that a phone can show


def look_of(text: str) -> tuple[str, str]:
    """Class and sign of a text that begins with an outcome."""
    return _looks.get(text.split(" ", maxsplit=1)[0], _undecided)


def badge(text: str) -> Markup:
    """An outcome with its sign, which screen readers pass over."""
    style, sign = look_of(text)
    return element(
        "span", element("span", f"{sign} ", aria_hidden="true"), text, class_=f"badge {style}"
    )


@dataclass(frozen=True, slots=True)
class TableLook:
    """How a table is shown: its caption, and the columns of row headers and of outcomes."""

    caption: str
    head: int = 0
    badge: int | None = None


def table(grid: Grid, look: TableLook, charts: Sequence[Markup | None] = ()) -> Markup:
    """A table in a region that scrolls; with charts there is a column for them, one per row."""
    heads = [element("th", name, scope="col", **_aligned(align)) for name, align in grid.header]
    if charts:
        heads.append(element("th", "chart", scope="col"))
    rows = [
        element("tr", *_cells(grid, look, row), *_chart_cell(charts, i))
        for i, row in enumerate(grid.rows)
    ]
    wide = {"class_": "wide"} if len(heads) > most_narrow else {}
    return scrolling(
        look.caption,
        element(
            "table",
            element("caption", look.caption),
            element("thead", element("tr", *heads)),
            element("tbody", *rows),
            **wide,
        ),
    )


def scrolling(caption: str, content: Markup) -> Markup:
    """Content that may be wider than the page; a region that scrolls is reachable by keyboard and named."""
    return element(
        "div", content, class_="scroll", tabindex="0", role="region", aria_label=f"Table: {caption}"
    )


def _cells(grid: Grid, look: TableLook, row: Sequence[str]) -> Iterator[Markup]:
    for i, (cell, (_, align)) in enumerate(zip(row, grid.header, strict=True)):
        content: Child = badge(cell) if i == look.badge else cell
        if i == look.head:
            yield element("th", content, scope="row", **_aligned(align))
        else:
            yield element("td", content, **_aligned(align))


def _chart_cell(charts: Sequence[Markup | None], place: int) -> Iterator[Markup]:
    if charts:
        yield element("td", charts[place] or "no chart", class_="chart")


def _aligned(align: str) -> dict[str, str]:
    return {"class_": "num"} if align == "right" else {}
