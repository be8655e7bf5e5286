"""Which method decides, and the cases that no other implementation covers."""

import math

import numpy as np
import pytest

from pipex_core.stats.bounds import (
    Evidence,
    Inference,
    bonett_price,
    bonett_price_se,
    degenerate,
    evidence_of,
    pass_rate,
    t_hall,
)
from pipex_core.stats.estimates import Scale
from pipex_core.stats.pvalues import Tails
from pipex_core.stats.units import units_of


def no_skew() -> Tails:
    return Tails(worse=0.25, better=0.75)


def test_the_first_method_that_fits_decides() -> None:
    many = units_of(np.arange(30.0))
    for units, skewed, width, expected in (
        (units_of([1.0]), None, 1.0, "too_few_units"),
        (units_of([1.0, 2.0], clusters=["a", "a"]), None, 1.0, "too_few_units"),
        (units_of([1.0, 1.0]), no_skew, math.inf, "degenerate"),
    ):
        assert evidence_of(units, width=width, seed=0, skewed_tails=skewed) == expected
    for units, skewed, width, method in (
        (units_of([1.0, 1.0]), no_skew, 1.0, "degenerate"),
        (many, no_skew, 1.0, "bca"),
        (many, None, 1.0, "t_hall"),
        (units_of(np.arange(19.0)), no_skew, 1.0, "t_hall"),
        (units_of(np.arange(20_001.0)), no_skew, 1.0, "t_hall"),
    ):
        found = evidence_of(units, width=width, seed=0, skewed_tails=skewed)
        assert isinstance(found, Evidence)
        assert found.method == method


def test_units_are_counted_not_cases() -> None:
    labels = [str(i % 19) for i in range(200)]
    found = evidence_of(
        units_of(np.arange(200.0), clusters=labels), width=1, seed=0, skewed_tails=no_skew
    )
    assert isinstance(found, Evidence)
    assert found.method == "t_hall"


def test_a_resampled_bound_takes_the_p_values_it_is_given() -> None:
    found = evidence_of(units_of(np.arange(30.0)), width=1, seed=0, skewed_tails=no_skew)
    assert isinstance(found, Evidence)
    assert found.tails == no_skew()


def test_differences_without_skew_have_plain_t_bounds() -> None:
    # Mean 0, sd √2.5 of -2..2, se √.5, t(4, .95) = 2.131847.
    low, high = t_hall(units_of([-2.0, -1.0, 0.0, 1.0, 2.0])).ends(0.05)
    assert high == pytest.approx(2.131847 * math.sqrt(0.5), abs=1e-6)
    assert low == -high


def test_a_rare_large_loss_lowers_the_lower_bound_and_not_the_upper() -> None:
    d = np.array([0.1] * 48 + [-1.0] * 2)
    low, high = t_hall(units_of(d)).ends(0.05)
    reach = 1.676551 * d.std(ddof=1) / math.sqrt(50)  # t(49, .95)
    assert low < d.mean() - 1.2 * reach
    assert high == pytest.approx(d.mean() + reach, rel=1e-6)


def test_turning_all_differences_mirrors_the_bounds() -> None:
    d = np.random.default_rng(0).exponential(1, 25)
    there, back = t_hall(units_of(d)), t_hall(units_of(-d))
    low, high = there.ends(0.05)
    assert back.ends(0.05) == pytest.approx((-high, -low), rel=1e-12)
    assert back.tails.worse == pytest.approx(there.tails.better, rel=1e-9)


def test_equal_differences_leave_room_for_unseen_cases() -> None:
    # n = 59 is the fewest with .95^n < .05: the rule of three.
    found = degenerate(units_of([0.0] * 59), width=1.0)
    low, high = found.ends(0.05)
    assert high == pytest.approx(1 - 0.05 ** (1 / 59))
    assert high < 0.05
    assert low == -high
    assert found.tails == Tails(worse=1.0, better=1.0)


def test_equal_losses_are_as_unlikely_as_nobody_else_turning_up() -> None:
    found = degenerate(units_of([-0.1] * 30), width=1.0)
    assert found.tails.worse == pytest.approx(0.9**30)
    assert found.tails.better == 1.0
    assert degenerate(units_of([0.1] * 30), width=1.0).tails.better == pytest.approx(0.9**30)


def test_the_largest_possible_loss_of_all_has_p_0() -> None:
    assert degenerate(units_of([-1.0] * 3), width=1.0).tails.worse == 0.0


def test_pass_flags_that_all_tie_still_have_width() -> None:
    # p̃₁ = p̃₂ = 1/22: se = √(2/22/22) = .0642824; 1.644854·se = .105735.
    assert bonett_price_se(worse=0, better=0, n=20) == pytest.approx(0.0642824, abs=1e-7)
    low, high = bonett_price(worse=0, better=0, n=20).ends(0.05)
    assert (low, high) == pytest.approx((-0.105735, 0.105735), abs=1e-6)


def test_a_difference_of_pass_rates_stays_possible() -> None:
    assert bonett_price(worse=3, better=0, n=3).ends(0.001).low == -1.0
    assert bonett_price(worse=0, better=3, n=3).ends(0.001).high == 1.0


def test_more_discordant_pairs_than_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 3 pairs"):
        bonett_price(worse=2, better=2, n=3)


def test_where_lower_is_better_a_rate_is_turned() -> None:
    failures = Scale(direction="lower")
    up = pass_rate(passed=30, n=100, value=0.2, scale=Scale())
    down = pass_rate(passed=30, n=100, value=0.2, scale=failures)
    low, high = up.ends(0.05)
    assert down.ends(0.05) == pytest.approx((-high, -low))
    assert (down.tails.worse, down.tails.better) == (up.tails.better, up.tails.worse)
    assert down.tails.worse < 0.05


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_alpha_is_less_than_a_half(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha lies between 0 and 0\.5"):
        Inference(alpha=alpha)


def test_power_and_level_are_shares() -> None:
    with pytest.raises(ValueError, match="power and level"):
        Inference(power=80)
    with pytest.raises(ValueError, match="power and level"):
        Inference(level=1.0)
