"""Charts: where things stand, and what is told to those who do not see them."""

import re

from pipex_core.evals.charts import (
    IntervalBar,
    Mark,
    bin_rows,
    histogram_chart,
    interval_chart,
)
from pipex_core.stats.estimates import Histogram


def told(svg: str) -> list[str]:
    return re.findall("<(?:title|desc)[^>]*>(.*?)</", svg)


def places(svg: str, style: str) -> list[float]:
    return [float(x) for x in re.findall(rf'<line x1="([^"]+)"[^>]*class="{style}"', svg)]


def test_an_interval_stands_in_the_order_of_its_numbers() -> None:
    bar = IntervalBar(
        name="b", title="Rule <r>", says="PASS", point=0.02, low=-0.01, high=0.05, zero=True,
        marks=[Mark(value=-0.05, label="-0.05 allowed")], good=(-0.05, None),
    )  # fmt: skip
    svg = interval_chart(bar).text
    assert told(svg) == ["Rule &lt;r&gt;", "0.02 [-0.01, 0.05]; -0.05 allowed: PASS."]
    (margin,), (zero,), (low, high) = (places(svg, s) for s in ("mark", "zero", "cap"))
    assert 8 < margin < low < zero < high < 252
    (good,) = re.findall(r'<rect x="([^"]+)"[^>]*class="good"', svg)
    assert float(good) == margin
    assert 'aria-labelledby="b-title b-desc"' in svg


def test_the_axis_is_linear_with_room_at_both_ends() -> None:
    # From 0 to 1 with 12 % of room at each end, on 260 less 8 at each rim.
    svg = interval_chart(
        IntervalBar(name="b", title="t", says="s", point=0.5, low=0.0, high=1.0)
    ).text
    assert places(svg, "cap") == [round(8 + 0.12 / 1.24 * 244, 1), round(8 + 1.12 / 1.24 * 244, 1)]
    assert 'points="130,21 136,27 130,33 124,27"' in svg


def test_a_number_alone_stands_in_the_middle() -> None:
    svg = interval_chart(IntervalBar(name="b", title="t", says="s", point=0.0)).text
    assert 'points="130,21' in svg
    assert told(svg)[1] == "0: s."
    assert "good" not in svg


def test_a_demand_may_be_open_below() -> None:
    bar = IntervalBar(
        name="b", title="t", says="s", point=1.0, marks=[Mark(value=2.0, label="2")],
        good=(None, 2.0),
    )  # fmt: skip
    assert '<rect x="8" y="15"' in interval_chart(bar).text


def test_columns_are_as_high_as_their_counts() -> None:
    bins = Histogram(low=0.0, high=1.0, counts=(1, 0, 4, 2))
    svg = histogram_chart("h", "Distribution", bins, mean=0.5, threshold=0.75).text
    heights = [float(h) for h in re.findall(r'height="([^"]+)" class="column"', svg)]
    assert heights == [20.0, 0.0, 80.0, 40.0]
    assert re.findall(r'class="count">(\d+)', svg) == ["1", "4", "2"]
    assert places(svg, "mean") == [160.0]
    assert places(svg, "mark") == [8 + 0.75 * 304]
    assert told(svg)[1] == "7 cases from 0 to 1, mean 0.5, threshold 0.75."


def test_lines_beyond_the_range_are_told_and_not_drawn() -> None:
    bins = Histogram(low=3.0, high=3.0, counts=(2,))
    svg = histogram_chart("h", "t", bins, mean=None, threshold=9.0).text
    assert places(svg, "mark") == places(svg, "mean") == []
    assert told(svg)[1] == "2 cases from 3 to 3, threshold 9."


def test_the_table_of_a_histogram_has_every_bin() -> None:
    bins = Histogram(low=0.0, high=1.0, counts=(1, 2, 3, 4))
    assert bin_rows(bins) == [
        ["0", "0.25", "1"],
        ["0.25", "0.5", "2"],
        ["0.5", "0.75", "3"],
        ["0.75", "1", "4"],
    ]
