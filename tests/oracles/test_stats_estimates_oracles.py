"""Summaries and intervals against published tables, scipy, statsmodels and numpy."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.proportion import proportion_confint

from pipex_core.stats.estimates import (
    Scale,
    corpus_interval,
    percentile,
    summarise,
    wilson,
)
from pipex_core.stats.resampling import bca, percentiles
from pipex_core.stats.units import Floats, units_of

unbounded = Scale(low=-math.inf, high=math.inf)
positive_tail = Scale(low=0, high=math.inf, skewed=True)


def sample(seed: int, size: int) -> Floats:
    return np.random.default_rng(seed).lognormal(0, 1, size)


def test_wilson_agrees_with_newcombe_1998() -> None:
    # Table I of Newcombe 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E
    # method 3, score without continuity correction.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (passed, total), ends in published.items():
        interval = wilson(passed=passed, total=total)
        assert (round(interval.low, 4), round(interval.high, 4)) == ends


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("passed", "total"), [(0, 1), (1, 1), (3, 7), (50, 50), (286, 1319)])
def test_wilson_agrees_with_statsmodels(passed: int, total: int, level: float) -> None:
    low, high = proportion_confint(passed, total, alpha=1 - level, method="wilson")
    interval = wilson(passed=passed, total=total, level=level)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-12)


def test_one_end_of_wilson_at_level_90_is_the_5_percent_score_bound() -> None:
    # The bound is where the score test has p = alpha.
    bound = wilson(passed=70, total=100, level=0.9).low
    z = (0.7 - bound) / math.sqrt(bound * (1 - bound) / 100)
    assert stats.norm.sf(z) == pytest.approx(0.05, abs=1e-12)


def test_gsm8k_pass_rates_have_the_recorded_wilson_intervals(shared_dir: Path) -> None:
    recorded = {
        "6b_finetuning": (286, 0.1954, 0.2399),
        "6b_verification": (515, 0.3645, 0.4171),
        "175b_finetuning": (458, 0.3220, 0.3733),
        "175b_verification": (742, 0.5356, 0.5891),
    }
    lines = (shared_dir / "data/gsm8k/example_model_solutions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for model, (passed, low, high) in recorded.items():
        flags = [float(row[model]["is_correct"]) for row in rows]
        estimate = summarise(flags, scale=Scale())
        assert estimate.n == 1319
        assert round(estimate.mean * 1319) == passed
        assert estimate.interval is not None
        assert estimate.interval.method == "wilson"
        assert (round(estimate.interval.low, 4), round(estimate.interval.high, 4)) == (low, high)


def test_the_t_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).normal(5, 2, 37)
    interval = summarise(values, scale=unbounded, level=0.9).interval
    assert interval is not None
    expected = stats.t.interval(0.9, 36, loc=values.mean(), scale=stats.sem(values))
    assert interval.method == "t"
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_cluster_t_agrees_with_weighted_least_squares_on_a_constant(
    *, weighted: bool, clustered: bool
) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 60)
    weights = rng.uniform(0.5, 3, 60) if weighted else np.ones(60)
    groups = rng.integers(0, 12, 60) if clustered else np.arange(60)
    fit = WLS(values, np.ones(60), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}, use_t=True
    )
    estimate = summarise(values, scale=unbounded, weights=weights, clusters=groups.tolist())
    assert estimate.interval is not None
    assert estimate.interval.method == "cluster_t"
    assert estimate.mean == pytest.approx(fit.params[0], abs=1e-12)
    assert units_of(values, weights=weights, clusters=groups.tolist()).se == pytest.approx(
        fit.bse[0], abs=1e-12
    )
    expected = tuple(fit.conf_int()[0])
    assert (estimate.interval.low, estimate.interval.high) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [20, 100, 1500])
def test_bca_agrees_with_scipy_on_the_same_resamples(size: int) -> None:
    values = sample(3, size)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=9_999,
        batch=200,
        method="BCa",
        rng=np.random.Generator(np.random.PCG64(11)),
    ).confidence_interval
    interval = summarise(values, scale=positive_tail, seed=11).interval
    assert interval is not None
    assert interval.method == "bca"
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_bca_of_any_statistic_agrees_with_scipy() -> None:
    values = sample(4, 40)
    expected = stats.bootstrap(
        (values,),
        np.std,
        n_resamples=9_999,
        method="BCa",
        rng=np.random.Generator(np.random.PCG64(5)),
    ).confidence_interval
    ends = bca(40, lambda rows: values[rows].std(axis=1), seed=5).ends(0.025)
    assert ends == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_the_percentile_bootstrap_agrees_with_scipy() -> None:
    values = sample(5, 12)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=1_000,
        method="percentile",
        rng=np.random.Generator(np.random.PCG64(6)),
    ).confidence_interval
    ends = percentiles(12, lambda rows: values[rows].mean(axis=1), seed=6).ends(0.025)
    assert ends == pytest.approx((expected.low, expected.high), rel=1e-12)
    interval = corpus_interval(
        12, lambda rows: values[rows].mean(axis=1), scale=positive_tail, seed=6
    )
    assert interval is not None
    assert (interval.low, interval.high) == ends
    assert interval.method == "percentile"


def test_moments_and_percentiles_agree_with_numpy_and_scipy() -> None:
    values = sample(6, 101)
    estimate = summarise(values, scale=unbounded)
    assert estimate.mean == pytest.approx(values.mean(), rel=1e-12)
    assert estimate.sd == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert units_of(values).skewness == pytest.approx(stats.skew(values), rel=1e-9)
    expected = np.percentile(values, [5, 25, 50, 75, 90, 95, 99])
    got = (
        estimate.p5,
        estimate.p25,
        estimate.median,
        estimate.p75,
        estimate.p90,
        estimate.p95,
        estimate.p99,
    )
    assert got == pytest.approx(expected, rel=1e-12)


def test_the_skewness_of_clusters_is_that_of_their_residual_sums() -> None:
    rng = np.random.default_rng(7)
    values, groups = rng.exponential(1, 50), rng.integers(0, 9, 50)
    residuals = [(values[groups == g] - values.mean()).sum() for g in range(9)]
    assert units_of(values, clusters=groups.tolist()).skewness == pytest.approx(
        stats.skew(residuals), rel=1e-9
    )


def test_weighted_percentiles_repeat_each_value_as_often_as_it_weighs() -> None:
    values, weights = [3.0, 1.0, 2.0, 9.0], [1, 4, 2, 3]
    spread = np.repeat(values, weights)
    for share in (0.05, 0.4, 0.41, 0.6, 0.61, 0.99, 1.0):
        assert percentile(values, share=share, weights=weights) == np.quantile(
            spread, share, method="inverted_cdf"
        )


def test_the_weighted_sd_agrees_with_numpy_reliability_weights() -> None:
    values, weights = sample(8, 30), np.random.default_rng(8).uniform(1, 5, 30)
    estimate = summarise(values, scale=unbounded, weights=weights)
    assert estimate.sd == pytest.approx(math.sqrt(np.cov(values, aweights=weights)), rel=1e-12)
