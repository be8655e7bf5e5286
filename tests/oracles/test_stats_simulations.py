"""Seeded simulations: intervals hold what they promise, and bounds err as rarely as they say.

Tolerances are two Monte-Carlo standard errors.
"""

import math

import numpy as np
import pytest

from pipex_core.stats.bounds import bonett_price, t_hall
from pipex_core.stats.estimates import wilson
from pipex_core.stats.pvalues import mcnemar_mid_p
from pipex_core.stats.units import units_of

trials = 2_000
noise = 2 * math.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("rate", [0.5, 0.9])
@pytest.mark.parametrize("total", [30, 200])
def test_wilson_holds_the_true_rate_in_94_of_100_samples(rate: float, total: int) -> None:
    drawn = np.random.default_rng(1).binomial(total, rate, trials).tolist()
    intervals = [wilson(passed=passed, total=total) for passed in drawn]
    held = sum(one.low <= rate <= one.high for one in intervals)
    assert held / trials >= 0.94 - noise


@pytest.mark.parametrize("discordance", [0.1, 0.2])
@pytest.mark.parametrize("n", [50, 200, 1000])
def test_equal_pass_rates_are_called_worse_in_at_most_5_of_100_samples(
    discordance: float, n: int
) -> None:
    half = discordance / 2
    drawn = np.random.default_rng(2).multinomial(n, [half, half, 1 - discordance], trials)
    alarms = sum(
        mcnemar_mid_p(worse=worse, better=better).worse <= 0.05
        for worse, better, _ in drawn.tolist()
    )
    assert alarms / trials <= 0.05 + noise


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_pass_rates_at_the_margin_pass_in_at_most_5_of_100_samples(n: int) -> None:
    # Worse by exactly .03 with discordance .2.
    drawn = np.random.default_rng(3).multinomial(n, [0.115, 0.085, 0.8], trials)
    passed = sum(
        bonett_price(worse=worse, better=better, n=n).ends(0.05).low > -0.03
        for worse, better, _ in drawn.tolist()
    )
    assert passed / trials <= 0.05 + noise


@pytest.mark.parametrize(("n", "at_most"), [(50, 0.09), (200, 0.06), (1000, 0.05)])
def test_rare_large_losses_rarely_pass_at_the_margin(n: int, at_most: float) -> None:
    # 5 % of the cases lose 1, 12 % gain .25: true difference -.02, tested at exactly that margin.
    drawn = np.random.default_rng(4).choice(
        [-1.0, 0.25, 0.0], p=[0.05, 0.12, 0.83], size=(trials, n)
    )
    transformed = plain = 0
    for d in drawn:
        # No loss at all can be a sample of equal differences, which t_hall is never given.
        if (d == d[0]).all():
            continue
        transformed += t_hall(units_of(d)).ends(0.05).low > -0.02
        plain += d.mean() - 1.6766 * d.std(ddof=1) / math.sqrt(n) > -0.02  # t(49, .95)
    assert transformed / trials <= at_most + noise
    if n == 50:
        assert plain / trials > 0.11  # why the transformation is there
