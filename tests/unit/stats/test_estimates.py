"""Which interval a summary takes, and what the numbers in it mean."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pipex_core.stats.estimates import (
    Histogram,
    Interval,
    Scale,
    corpus_interval,
    histogram,
    percentile,
    summarise,
    wilson,
)

share = Scale()
latency = Scale(low=0, high=math.inf, direction="lower", skewed=True)


def method(
    values: Sequence[float],
    scale: Scale,
    *,
    weights: Sequence[float] | None = None,
    clusters: Sequence[str] | None = None,
) -> str | None:
    interval = summarise(values, scale=scale, weights=weights, clusters=clusters).interval
    return interval.method if interval else None


def spread(size: int) -> list[float]:
    return [one / size for one in range(size)]


def test_pass_flags_take_wilson() -> None:
    assert method([0.0, 1.0, 1.0], share) == "wilson"


def test_flags_on_a_wider_range_are_ordinary_numbers() -> None:
    assert method([0.0, 1.0, 1.0], Scale(low=0, high=5)) == "t"


def test_weights_that_differ_and_clusters_come_before_wilson() -> None:
    assert method([0.0, 1.0, 1.0], share, weights=[1, 2, 1]) == "cluster_t"
    assert method([0.0, 1.0, 1.0], share, clusters=["a", "b", "b"]) == "cluster_t"


def test_equal_weights_weigh_nothing() -> None:
    assert method([0.0, 1.0, 1.0], share, weights=[2.0, 2.0, 2.0]) == "wilson"


@pytest.mark.parametrize(
    ("size", "expected"), [(19, "t"), (20, "bca"), (20_001, "t")], ids=["few", "enough", "many"]
)
def test_skewed_metrics_are_resampled_between_20_and_20_000(size: int, expected: str) -> None:
    assert method(spread(size), latency) == expected


def test_one_case_has_no_interval_and_no_spread() -> None:
    estimate = summarise([0.5], scale=share)
    assert estimate.interval is None
    assert estimate.sd is None
    assert estimate.mean == estimate.median == estimate.p99 == 0.5


def test_one_cluster_has_no_interval() -> None:
    assert method([0.1, 0.2, 0.3], share, clusters=["a", "a", "a"]) is None


def test_fewer_than_ten_clusters_are_flagged() -> None:
    values = spread(40)
    nine = [str(i % 9) for i in range(40)]
    ten = [str(i % 10) for i in range(40)]
    assert summarise(values, scale=share, clusters=nine).few_clusters
    assert not summarise(values, scale=share, clusters=ten).few_clusters
    assert not summarise(spread(5), scale=share).few_clusters


def test_an_interval_stays_inside_the_range() -> None:
    interval = summarise([0.0, 0.9, 1.0], scale=share).interval
    assert interval is not None
    assert (interval.low, interval.high) == (0.0, 1.0)


@pytest.mark.parametrize("scale", [latency, Scale(low=0, high=math.inf)])
def test_equal_values_have_an_interval_without_width(scale: Scale) -> None:
    interval = summarise([3.0] * 30, scale=scale).interval
    assert interval is not None
    assert (interval.low, interval.high) == (3.0, 3.0)


def test_the_seed_decides_the_resamples() -> None:
    values = np.random.default_rng(0).exponential(1, 50)
    first, again, other = (
        summarise(values, scale=latency, seed=seed).interval for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_value_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.5 to 1\.5 leave the range 0\.0 to 1\.0"):
        summarise([0.5, 1.5], scale=share)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one number"):
        summarise([], scale=share)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="level lies between 0 and 1"):
        summarise([0.5, 0.6], scale=share, level=level)
    with pytest.raises(ValueError, match="level lies between 0 and 1"):
        wilson(passed=1, total=2, level=level)
    with pytest.raises(ValueError, match="level lies between 0 and 1"):
        corpus_interval(30, lambda rows: rows.mean(axis=1), scale=share, level=level)


def test_a_range_goes_upwards() -> None:
    with pytest.raises(ValueError, match="range goes upwards"):
        Scale(low=1, high=1)


@pytest.mark.parametrize(("passed", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_is_no_rate(passed: int, total: int) -> None:
    with pytest.raises(ValueError, match="not a pass rate"):
        wilson(passed=passed, total=total)


def test_wilson_touches_the_end_when_none_or_all_passed() -> None:
    # z²/(n + z²) with z = 1.959964 and n = 10.
    assert wilson(passed=0, total=10).low == 0.0
    assert wilson(passed=0, total=10).high == pytest.approx(0.2775328, abs=1e-7)
    assert wilson(passed=10, total=10).high == 1.0


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share=0.5) == 2.5


def test_percentiles_interpolate_by_definition_7() -> None:
    # Position (n - 1)·share from 0: 0.9·4 = 3.6, between 40 and 50.
    assert percentile([10.0, 20.0, 30.0, 40.0, 50.0], share=0.9) == pytest.approx(46.0)


def test_weighted_percentiles_do_not_interpolate() -> None:
    assert percentile([10.0, 20.0, 30.0], share=0.5, weights=[1, 1, 3]) == 30.0
    assert percentile([10.0, 20.0, 30.0], share=0.4, weights=[1, 1, 3]) == 20.0


def test_a_percentile_is_asked_for_as_a_share() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        percentile([1.0], share=95)


def test_a_histogram_of_a_bounded_metric_spans_its_range() -> None:
    counts = [0] * 20
    counts[0], counts[19], counts[10] = 1, 2, 1
    assert histogram([0.0, 0.5, 0.96, 1.0], scale=share) == Histogram(
        low=0.0, high=1.0, counts=tuple(counts)
    )


def test_a_histogram_of_an_unbounded_metric_spans_its_values() -> None:
    bins = histogram([10.0, 30.0], scale=latency)
    assert (bins.low, bins.high, sum(bins.counts)) == (10.0, 30.0, 2)


def test_a_histogram_of_equal_values_has_them_in_one_bin() -> None:
    assert max(histogram([7.0, 7.0], scale=latency).counts) == 2


def test_a_corpus_value_of_one_unit_has_no_interval() -> None:
    assert corpus_interval(1, lambda rows: rows.mean(axis=1), scale=share) is None


def test_a_large_corpus_is_sampled_once() -> None:
    values = np.random.default_rng(1).uniform(0, 1, 20_001)
    interval = corpus_interval(20_001, lambda rows: values[rows].mean(axis=1), scale=share, seed=3)
    assert interval is not None
    assert interval.method == "percentile_sampled"
    # Normal theory for 20 000 uniform values: 0.5 ± 1.96·0.2887/141.4.
    assert interval.high - interval.low == pytest.approx(0.0080, rel=0.1)


def test_a_corpus_value_that_never_varies_has_an_interval_without_width() -> None:
    interval = corpus_interval(25, lambda rows: np.full(len(rows), 0.4), scale=share)
    assert interval == Interval(low=0.4, high=0.4, method="bca")
