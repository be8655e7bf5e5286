"""Resampling at its edges; its values are checked against scipy in the oracles."""

import numpy as np
import pytest
from scipy.special import ndtr

from pipex_core.stats.resampling import Indices, bca, bca_mean, percentiles, sign_flip
from pipex_core.stats.units import Floats, units_of


def test_a_statistic_is_asked_for_a_million_indices_at_most() -> None:
    asked = []

    def statistic(rows: Indices) -> Floats:
        asked.append(rows.size)
        return rows[:, 0] / 1.0

    bca(3_000, statistic, seed=0)
    assert max(asked) <= 2**20
    assert len(asked) > 2


def test_the_jackknife_leaves_each_unit_out_once() -> None:
    values = np.random.default_rng(0).exponential(1, 25)
    given = (values.sum() - values) / 24
    computed = bca(25, lambda rows: values[rows].mean(axis=1), seed=1)
    helped = bca(25, lambda rows: values[rows].mean(axis=1), seed=1, jackknife=given)
    assert computed.acceleration == pytest.approx(helped.acceleration, rel=1e-9)


def test_a_statistic_outside_of_its_resamples_keeps_the_plain_percentiles() -> None:
    # The number of different cases is largest in the sample itself.
    found = bca(30, lambda rows: np.array([len(set(row)) for row in rows.tolist()]) * 1.0, seed=0)
    assert (found.bias, found.acceleration) == (0.0, 0.0)
    low, high = found.ends(0.05)
    assert [low, high] == np.quantile(found.distribution, [0.05, 0.95]).tolist()


def test_a_large_sample_is_drawn_once_without_repetition() -> None:
    seen: set[int] = set()

    def statistic(rows: Indices) -> Floats:
        seen.update(np.unique(rows).tolist())
        return rows[:, 0] / 1.0

    percentiles(1_000, statistic, seed=0, resamples=200, at_most=50)
    assert len(seen) == 50
    assert max(seen) > 500


def test_weights_are_drawn_with_their_units() -> None:
    # A unit's mean is 1 whatever its weight, so that every resample has mean 1.
    units = units_of(np.ones(20), weights=np.arange(1.0, 21))
    assert bca_mean(units, seed=0).distribution == pytest.approx(np.ones(9_999))


def test_an_exact_permutation_ignores_units_that_do_not_differ() -> None:
    # Of the 4 patterns of ±1, ±2 only the one seen reaches 3.
    assert sign_flip([1.0, 2.0, 0.0, 0.0], seed=0).better == 0.25
    assert sign_flip([1.0, 2.0] + [0.0] * 100, seed=0).better == 0.25


def test_without_any_difference_a_permutation_finds_nothing() -> None:
    tails = sign_flip([0.0, 0.0], seed=0)
    assert (tails.worse, tails.better) == (1.0, 1.0)


def test_patterns_that_tie_count_whatever_the_order_of_their_sums() -> None:
    # All 8 patterns of three equal units: one, three, three and one of each sum.
    assert sign_flip([0.1, 0.1, -0.1], seed=0).better == 4 / 8
    assert sign_flip([0.1, 0.1, -0.1], seed=0).worse == 7 / 8


def test_the_seed_decides_the_patterns() -> None:
    d = np.random.default_rng(1).normal(0.1, 1, 60)
    assert sign_flip(d, seed=1) == sign_flip(d, seed=1)
    assert sign_flip(d, seed=1) != sign_flip(d, seed=2)


def test_many_units_are_flipped_block_by_block() -> None:
    d = np.random.default_rng(2).normal(0, 1, 3_000)
    p = sign_flip(d, seed=0).better
    z = d.sum() / np.sqrt((d**2).sum())
    # Φ(-z) by the normal limit, within four Monte-Carlo errors of 9 999 draws.
    assert p == pytest.approx(float(ndtr(-z)), abs=0.02)
