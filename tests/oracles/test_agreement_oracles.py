"""Kappa and alpha against scikit-learn and krippendorff, and the coverage of their intervals (S9)."""

from typing import Any

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from pipex_core.stats.agreement import Level, Weights, cohen_kappa, krippendorff_alpha


def noisy(seed: int, *, cases: int, raters: int, holes: float = 0.0) -> list[list[int | None]]:
    """Ratings 1-5 of raters that are one step off now and then; some are missing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, cases)
    ratings = np.clip(truth[:, None] + rng.integers(-1, 2, (cases, raters)), 1, 5)
    missing = rng.random(ratings.shape) < holes
    return [
        [None if hole else int(value) for value, hole in zip(row, gaps, strict=True)]
        for row, gaps in zip(ratings, missing, strict=True)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_is_that_of_scikit_learn(seed: int, weights: Weights) -> None:
    first, second = zip(*noisy(seed, cases=80, raters=2), strict=True)
    found = cohen_kappa(first, second, weights=weights, labels=[1, 2, 3, 4, 5])
    expected = cohen_kappa_score(
        first, second, weights=None if weights == "none" else weights, labels=[1, 2, 3, 4, 5]
    )
    assert found is not None
    assert found.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_that_of_krippendorff(seed: int, level: Level) -> None:
    cases = noisy(seed, cases=60, raters=4, holes=0.25)
    found = krippendorff_alpha(cases, level_of_measurement=level)
    table: Any = [
        [np.nan if one is None else one for one in rater] for rater in zip(*cases, strict=True)
    ]
    expected = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
    assert found is not None
    assert found.value == pytest.approx(expected, abs=1e-9)


confusion = np.array([[0.42, 0.08], [0.12, 0.38]])  # judge says, people say
agreed = 0.42 + 0.38
chance = 0.5 * 0.54 + 0.5 * 0.46
true_kappa = (agreed - chance) / (1 - chance)


def test_the_interval_of_kappa_covers_the_truth_of_a_simulated_judge() -> None:
    rng = np.random.default_rng(20261124)
    trials, inside = 150, 0
    for _ in range(trials):
        cells = rng.choice(4, size=80, p=confusion.ravel())
        found = cohen_kappa((cells // 2).tolist(), (cells % 2).tolist())
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= true_kappa <= found.high
    # at least .92, with two standard errors
    assert inside / trials >= 0.92 - 2 * (0.92 * 0.08 / trials) ** 0.5
    assert inside < trials


def test_the_interval_of_alpha_covers_the_truth_of_a_simulated_judge() -> None:
    # Of two raters and many cases alpha is 1 - D_o/D_e with pooled margins.
    pooled = (confusion.sum(axis=0) + confusion.sum(axis=1)) / 2
    true_alpha = 1 - (1 - agreed) / (1 - float((pooled**2).sum()))
    rng = np.random.default_rng(7)
    trials, inside = 150, 0
    for _ in range(trials):
        cells = rng.choice(4, size=80, p=confusion.ravel())
        found = krippendorff_alpha(np.stack([cells // 2, cells % 2], axis=1).tolist())
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= true_alpha <= found.high
    assert inside / trials >= 0.92 - 2 * (0.92 * 0.08 / trials) ** 0.5
