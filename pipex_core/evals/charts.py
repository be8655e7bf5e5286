"""Charts of a report as inline SVG, each with a title and a description for those who do not see it.

Lengths are in units of the view box, rounded to tenths, so that the same numbers give the same bytes.
Colours come from the style sheet by class; shape and label say the same as colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipex_core.evals.markup import Markup, element, joined
from pipex_core.evals.rendering import interval, number
from pipex_core.stats.estimates import Histogram

bar_width, bar_height, bar_middle = 260.0, 54.0, 27.0
plot_width, plot_height, plot_floor = 320.0, 130.0, 104.0
edge = 8.0
near_edge = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value to compare with, and the words for it."""

    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBar:
    """A number with its interval, beside what it is held against.

    Attributes:
        name: Unique in its document; ids of the title and the description begin with it.
        says: What the number came to, for the description.
        marks: Margins or a threshold.
        zero: Whether no difference is a value to show.
        good: Ends of the range in which the demand holds; None is open, both None draws nothing.
    """

    name: str
    title: str
    says: str
    point: float
    low: float | None = None
    high: float | None = None
    marks: Sequence[Mark] = ()
    zero: bool = False
    good: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values from ``low`` to ``high`` on ``width`` units."""

    low: float
    high: float
    width: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return edge + share * (self.width - 2 * edge)


def interval_chart(bar: IntervalBar) -> Markup:
    """The interval as a line with ends, the number as a diamond, the marks as broken lines."""
    axis = _axis_of(bar)
    parts = [*_good(bar, axis), _line(edge, bar_middle, bar_width - edge, bar_middle, "axis")]
    if bar.zero:
        parts += _mark(axis, Mark(value=0.0, label="0"), top=True)
    for mark in bar.marks:
        parts += _mark(axis, mark, top=False)
    if bar.low is not None and bar.high is not None:
        ends = axis.at(bar.low), axis.at(bar.high)
        parts.append(_line(ends[0], bar_middle, ends[1], bar_middle, "span"))
        parts += [_line(x, bar_middle - 5, x, bar_middle + 5, "cap") for x in ends]
    x = axis.at(bar.point)
    corners = ((x, bar_middle - 6), (x + 6, bar_middle), (x, bar_middle + 6), (x - 6, bar_middle))
    points = " ".join(f"{_n(a)},{_n(b)}" for a, b in corners)
    parts.append(element("polygon", points=points, class_="point"))
    return _svg(bar.name, bar.title, _bar_text(bar), (bar_width, bar_height), parts)


def histogram_chart(
    name: str, title: str, bins: Histogram, *, mean: float | None, threshold: float | None
) -> Markup:
    """Columns of cases by value; mean and threshold as lines where they lie within the range.

    Args:
        name: Unique in its document.
        title: For the reader.
        bins: At least one.
        mean: Drawn unbroken.
        threshold: Drawn broken.
    """
    most = max(*bins.counts, 1)
    span = bins.high - bins.low or 1.0
    axis = _Axis(bins.low, bins.low + span, plot_width)
    step = (plot_width - 2 * edge) / len(bins.counts)
    parts = []
    for i, count in enumerate(bins.counts):
        height = (plot_floor - 24) * count / most
        x, y = edge + i * step, plot_floor - height
        shape = {"x": _n(x + 1), "y": _n(y), "width": _n(step - 2), "height": _n(height)}
        parts.append(element("rect", **shape, class_="column"))
        if count:
            parts.append(_text(x + step / 2, y - 4, str(count), "middle", "count"))
    parts.append(_line(edge, plot_floor, plot_width - edge, plot_floor, "axis"))
    for value, style in ((threshold, "mark"), (mean, "mean")):
        if value is not None and bins.low <= value <= bins.low + span:
            parts.append(_line(axis.at(value), 12, axis.at(value), plot_floor, style))
    parts.append(_text(edge, plot_floor + 18, number(bins.low), "start", "tick"))
    parts.append(_text(plot_width - edge, plot_floor + 18, number(bins.high), "end", "tick"))
    told = f"{sum(bins.counts)} cases from {number(bins.low)} to {number(bins.high)}"
    told += f", mean {number(mean)}" if mean is not None else ""
    told += f", threshold {number(threshold)}" if threshold is not None else ""
    return _svg(name, title, f"{told}.", (plot_width, plot_height), parts)


def bin_rows(bins: Histogram) -> list[list[str]]:
    """The histogram as rows of a table: from, to, cases."""
    width = (bins.high - bins.low) / len(bins.counts)
    edges = [bins.low + i * width for i in range(len(bins.counts))] + [bins.high]
    return [
        [number(edges[i]), number(edges[i + 1]), str(count)] for i, count in enumerate(bins.counts)
    ]


def _axis_of(bar: IntervalBar) -> _Axis:
    known = [bar.point, *(mark.value for mark in bar.marks), *([0.0] if bar.zero else [])]
    known += [end for end in (bar.low, bar.high) if end is not None]
    low, high = min(known), max(known)
    room = 0.12 * (high - low) or max(abs(low), 1.0) * 0.1
    return _Axis(low - room, high + room, bar_width)


def _good(bar: IntervalBar, axis: _Axis) -> Iterator[Markup]:
    low, high = bar.good
    if (low, high) == (None, None):
        return
    left = edge if low is None else axis.at(low)
    right = bar_width - edge if high is None else axis.at(high)
    shape = {"x": _n(left), "y": "15", "width": _n(right - left), "height": "24"}
    yield element("rect", **shape, class_="good")


def _mark(axis: _Axis, mark: Mark, *, top: bool) -> Iterator[Markup]:
    x = axis.at(mark.value)
    yield _line(x, 13, x, 41, "zero" if top else "mark")
    # A label at the rim would be cut off.
    anchor = "start" if x < near_edge else "end" if x > axis.width - near_edge else "middle"
    yield _text(x, 10 if top else 52, mark.label, anchor, "tick")


def _bar_text(bar: IntervalBar) -> str:
    parts = [f"{number(bar.point)} {interval(bar.low, bar.high)}".removesuffix(" -")]
    parts += [f"{mark.label}" for mark in bar.marks]
    return f"{'; '.join(parts)}: {bar.says}."


def _svg(
    name: str, title: str, told: str, size: tuple[float, float], parts: Sequence[Markup]
) -> Markup:
    width, height = map(_n, size)
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", told, id=f"{name}-desc"),
        joined(parts),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return element("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=style)


def _text(x: float, y: float, text: str, anchor: str, style: str) -> Markup:
    return element("text", text, x=_n(x), y=_n(y), text_anchor=anchor, class_=style)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
