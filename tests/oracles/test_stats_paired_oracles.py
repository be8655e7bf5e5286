"""Comparisons against statsmodels, scipy, published numbers and calculations by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, TTestPower
from statsmodels.stats.weightstats import ttost_paired

from pipex_core.stats.bounds import Inference, bonett_price, bonett_price_se, t_hall
from pipex_core.stats.estimates import Scale
from pipex_core.stats.paired import FlagEffect, ShiftEffect, against, paired
from pipex_core.stats.power import mde, n_needed
from pipex_core.stats.pvalues import (
    benjamini_hochberg,
    fisher_exact,
    holm,
    mcnemar_exact,
    mcnemar_mid_p,
    score_test,
    wilcoxon,
)
from pipex_core.stats.resampling import sign_flip
from pipex_core.stats.units import Floats, units_of
from pipex_core.stats.unpaired import unpaired

unbounded = Scale(low=-math.inf, high=math.inf)
long_tail = Scale(low=0, high=math.inf, skewed=True)


def arms(seed: int, size: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    first = rng.lognormal(0, 1, size)
    return first, first + rng.normal(0.1, 0.5, size).clip(-first)


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (0, 5), (9, 2), (43, 43), (209, 152)])
def test_mcnemar_agrees_with_statsmodels(worse: int, better: int) -> None:
    exact = mcnemar([[10, worse], [better, 10]], exact=True).pvalue
    assert mcnemar_exact(worse=worse, better=better) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("worse", "better"), [(1, 0), (0, 5), (9, 2), (209, 152)])
def test_mid_p_counts_half_of_the_table_seen(worse: int, better: int) -> None:
    coin = stats.binom(worse + better, 0.5)
    tails = mcnemar_mid_p(worse=worse, better=better)
    assert tails.worse == pytest.approx(coin.sf(worse - 1) - coin.pmf(worse) / 2, rel=1e-9)
    assert tails.better == pytest.approx(coin.sf(better - 1) - coin.pmf(better) / 2, rel=1e-9)


def test_mid_p_agrees_with_fagerland_2013() -> None:
    # Table 1 there: airway hyper-responsiveness before and after stem cell transplantation,
    # 1 and 7 discordant pairs of 21; two-sided mid-p .039, exact .070.
    # https://doi.org/10.1186/1471-2288-13-91
    assert round(mcnemar_mid_p(worse=7, better=1).two_sided, 3) == 0.039
    assert round(mcnemar_exact(worse=7, better=1), 3) == 0.070


def test_bonett_price_agrees_with_statpsych() -> None:
    # Example of ci.prop.ps in the R package statpsych: 12, 4, 26, 6 pairs of 48.
    low, high = bonett_price(worse=4, better=26, n=48).ends(0.025)
    assert (round(low, 7), round(high, 7)) == (0.2548067, 0.6251933)
    assert bonett_price_se(worse=4, better=26, n=48) == pytest.approx(0.09448809, abs=5e-9)


def test_bonett_price_by_hand() -> None:
    # b = 4, c = 8, n = 48: p1 = 5/50, p2 = 9/50, diff .08, se sqrt((.28 - .0064)/50) = .0739730.
    low, high = bonett_price(worse=4, better=8, n=48).ends(0.05)
    assert low == pytest.approx(0.08 - 1.6448536269514722 * math.sqrt(0.2736 / 50), abs=1e-12)
    assert high == pytest.approx(0.08 + 1.6448536269514722 * math.sqrt(0.2736 / 50), abs=1e-12)


def test_gsm8k_has_209_and_152_discordant_pairs(shared_dir: Path) -> None:
    lines = (shared_dir / "data/gsm8k/example_model_solutions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    verified, tuned = (
        [float(row[model]["is_correct"]) for row in rows]
        for model in ("6b_verification", "175b_finetuning")
    )
    result = paired(verified, tuned, scale=Scale())
    assert (result.losses, result.wins, result.ties) == (209, 152, 1319 - 361)
    assert result.diff == pytest.approx((458 - 515) / 1319, abs=1e-12)
    assert isinstance(result.effect, FlagEffect)
    assert result.effect.odds_ratio == pytest.approx(152.5 / 209.5)
    assert result.effect.p_mcnemar == pytest.approx(
        mcnemar([[0, 209], [152, 0]], exact=True).pvalue, rel=1e-9
    )
    assert result.finding.method == "bonett_price"
    assert result.finding.u1 is not None
    assert result.finding.u1 < 0


@pytest.mark.parametrize("size", [5, 30, 400])
def test_t_hall_is_the_wider_of_t_and_the_transformed_bound(size: int) -> None:
    d = np.random.default_rng(size).exponential(1, size) - 0.8
    units = units_of(d)
    se, k = stats.sem(d), stats.skew(d) / math.sqrt(size)
    t = stats.t(size - 1)
    for tail in (0.05, 0.025):
        ends = []
        for q in (t.ppf(1 - tail), t.ppf(tail)):
            back = 3 / k * (np.cbrt(1 + k * (q - k / 6)) - 1)
            ends.append((d.mean() - se * q, d.mean() - se * back))
        low, high = t_hall(units).ends(tail)
        assert low == pytest.approx(min(ends[0]), rel=1e-9)
        assert high == pytest.approx(max(ends[1]), rel=1e-9)
    observed = d.mean() / se
    bent = observed + k * observed**2 / 3 + k**2 * observed**3 / 27 + k / 6
    assert t_hall(units).tails.worse == pytest.approx(max(t.cdf(observed), t.cdf(bent)), rel=1e-9)
    assert t_hall(units).tails.better == pytest.approx(max(t.sf(observed), t.sf(bent)), rel=1e-9)


def test_without_skewness_the_bounds_decide_as_two_one_sided_t_tests() -> None:
    a = np.zeros(40)
    b = np.concatenate([np.linspace(0.01, 1, 20), -np.linspace(0.01, 1, 20)]) + 0.05
    finding = paired(a, b, scale=unbounded).finding
    assert finding.l1 is not None
    assert finding.u1 is not None
    for margin in (0.15, 0.2, 0.25, 0.3):
        p, *_ = ttost_paired(b, a, -margin, margin)
        assert (-margin < finding.l1 and finding.u1 < margin) == (p < 0.05)
    # The margin at which the decision turns is the bound itself.
    edge = max(-finding.l1, finding.u1)
    assert ttost_paired(b, a, -edge, edge)[0] == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("size", [4, 9, 12])
def test_exact_sign_flips_agree_with_scipy(size: int) -> None:
    a, b = arms(size, size)
    less, greater = (
        stats.permutation_test(
            first,
            lambda x, y, axis: (x - y).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=2**size,
            alternative="greater",
        ).pvalue
        for first in ((a, b), (b, a))
    )
    tails = sign_flip(b - a, seed=0)
    assert tails.worse == pytest.approx(less, abs=1e-12)
    assert tails.better == pytest.approx(greater, abs=1e-12)


def test_random_sign_flips_agree_with_scipy_within_their_own_noise() -> None:
    a, b = arms(1, 60)
    expected = stats.permutation_test(
        (b, a),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        alternative="greater",
        rng=np.random.default_rng(3),
    ).pvalue
    noise = math.sqrt(2 * expected * (1 - expected) / 10_000)
    assert sign_flip(b - a, seed=7).better == pytest.approx(expected, abs=4 * noise)


def test_sixteen_units_are_flipped_exactly_and_seventeen_at_random() -> None:
    # All on one side: 1 pattern of 2^16, and the seen one of 10 000.
    assert sign_flip(np.arange(1.0, 17), seed=0).better == 2**-16
    assert sign_flip(np.arange(1.0, 18), seed=0).better == 1 / 10_000


def test_wilcoxon_agrees_with_scipy_with_ties_and_zeros() -> None:
    rng = np.random.default_rng(4)
    for d in (rng.normal(0.2, 1, 50).tolist(), rng.integers(-3, 5, 80).tolist(), [1, -2, 3, 4]):
        expected = stats.wilcoxon(
            np.array(d, dtype=float), zero_method="pratt", correction=False, method="approx"
        )
        assert wilcoxon(d) == pytest.approx(expected.pvalue, rel=1e-9)


def test_bca_bounds_agree_with_scipy_at_each_tail() -> None:
    a, b = arms(5, 80)
    seed, finding = 9, paired(a, b, scale=long_tail, inference=Inference(seed=9)).finding
    assert finding.method == "bca"
    assert finding.ci is not None
    one_sided, two_sided = (
        stats.bootstrap(
            (b - a,),
            np.mean,
            n_resamples=9_999,
            method="BCa",
            confidence_level=level,
            rng=np.random.Generator(np.random.PCG64(seed)),
        ).confidence_interval
        for level in (0.9, 0.95)
    )
    assert (finding.l1, finding.u1) == pytest.approx((one_sided.low, one_sided.high), rel=1e-9)
    assert finding.ci == pytest.approx((two_sided.low, two_sided.high), rel=1e-9)


def test_clusters_are_resampled_whole() -> None:
    # Every cluster three times as large: the ratio is the mean of the cluster means.
    a, b = arms(6, 30)
    once = paired(a, b, scale=long_tail).finding
    labels = np.repeat(np.arange(30), 3).tolist()
    thrice = paired(np.repeat(a, 3), np.repeat(b, 3), scale=long_tail, clusters=labels).finding
    assert thrice.method == "bca"
    assert thrice.ci == pytest.approx(once.ci, rel=1e-9)
    assert thrice.p_worse == once.p_worse


def test_uneven_clusters_agree_with_a_bootstrap_of_their_sums() -> None:
    a, b = arms(7, 100)
    groups = np.random.default_rng(7).integers(0, 25, 100)
    sums = np.array([(b - a)[groups == g].sum() for g in range(25)])
    sizes = np.array([(groups == g).sum() for g in range(25)])
    order = list(dict.fromkeys(groups.tolist()))  # units come in order of appearance
    expected = stats.bootstrap(
        (sums[order], sizes[order]),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        n_resamples=9_999,
        method="BCa",
        rng=np.random.Generator(np.random.PCG64(0)),
    ).confidence_interval
    finding = paired(a, b, scale=long_tail, clusters=groups.tolist()).finding
    assert finding.ci == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_adjusted_p_values_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(8)
    for size in (1, 2, 10, 57):
        p = np.round(rng.uniform(0, 1, size) ** 3, 2).tolist()
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
        assert benjamini_hochberg(p) == pytest.approx(
            multipletests(p, method="fdr_bh")[1], abs=1e-12
        )


@pytest.mark.parametrize(
    ("hits_a", "total_a", "hits_b", "total_b"),
    [(8, 10, 1, 6), (0, 50, 0, 50), (0, 1000, 9, 1000), (49, 1000, 49, 1000), (200, 1000, 0, 30)],
)
def test_fisher_agrees_with_scipy(hits_a: int, total_a: int, hits_b: int, total_b: int) -> None:
    table = np.array([[hits_a, total_a - hits_a], [hits_b, total_b - hits_b]])
    got = fisher_exact(hits_a=hits_a, total_a=total_a, hits_b=hits_b, total_b=total_b)
    assert got == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)


def test_fisher_tastes_tea() -> None:
    # The lady tells 3 of 4 cups: 34/70 two-sided.
    assert fisher_exact(hits_a=3, total_a=4, hits_b=1, total_b=4) == pytest.approx(34 / 70)


def test_the_detectable_difference_agrees_with_statsmodels() -> None:
    d = np.random.default_rng(9).normal(0, 0.3, 500)
    result = paired(np.zeros(500), d, scale=unbounded)
    assert result.sd is not None
    solved = TTestPower().solve_power(nobs=500, alpha=0.05, power=0.8, alternative="larger")
    assert result.mde == pytest.approx(solved * result.sd, rel=0.01)


@pytest.mark.parametrize(("sd", "margin"), [(0.3, 0.02), (math.sqrt(0.2), 0.03), (0.1, 0.01)])
def test_cases_needed_agree_with_statsmodels(sd: float, margin: float) -> None:
    # ratio=0 makes the test for two samples one for a single sample.
    solved = NormalIndPower(ddof=0).solve_power(
        effect_size=margin / sd, alpha=0.05, power=0.8, ratio=0, alternative="larger"
    )
    assert n_needed(margin=margin, sd=sd) == math.ceil(solved)


def test_with_clusters_the_detectable_difference_takes_t() -> None:
    t = stats.t(11)
    assert mde(se=0.02, units=12) == pytest.approx(0.02 * (t.ppf(0.95) + t.ppf(0.8)), rel=1e-9)


def test_a_mean_against_a_value_agrees_with_the_one_sample_t_test() -> None:
    # Symmetric around its mean, so that the transformed bound is t itself.
    values = np.concatenate([5 + np.linspace(0.1, 2, 15), 5 - np.linspace(0.1, 2, 15)])
    finding = against(values, 5.4, scale=unbounded).finding
    less = stats.ttest_1samp(values, 5.4, alternative="less")
    assert finding.p_worse == pytest.approx(less.pvalue, rel=1e-9)
    assert finding.u1 == pytest.approx(less.confidence_interval(0.95).high - 5.4, rel=1e-9)


def test_a_pass_rate_against_a_value_is_a_score_test() -> None:
    # 70 of 100 against .8: z = -.1/.04 = -2.5.
    assert score_test(passed=70, total=100, value=0.8).worse == pytest.approx(
        stats.norm.cdf(-2.5), rel=1e-9
    )


def test_unpaired_arms_agree_with_welch_and_a_count_of_pairs() -> None:
    rng = np.random.default_rng(10)
    a, b = rng.normal(0, 1, 30), rng.normal(0.5, 2, 45)
    result = unpaired(a, b, scale=unbounded)
    welch = stats.ttest_ind(b, a, equal_var=False)
    assert result.p == pytest.approx(welch.pvalue, rel=1e-9)
    assert result.ci == pytest.approx(tuple(welch.confidence_interval(0.95)), rel=1e-9)
    assert result.cliffs_delta == pytest.approx(np.sign(b[:, None] - a).mean(), abs=1e-12)


def test_a_shift_is_described_by_its_standardised_size() -> None:
    a, b = arms(11, 40)
    effect = paired(a, b, scale=unbounded).effect
    assert isinstance(effect, ShiftEffect)
    d = b - a
    assert effect.d_z == pytest.approx(d.mean() / d.std(ddof=1), rel=1e-9)
