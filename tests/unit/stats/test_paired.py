"""What a comparison reports, and which way is better."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from pipex_core.stats.bounds import Inference
from pipex_core.stats.estimates import Scale
from pipex_core.stats.paired import Finding, FlagEffect, ShiftEffect, against, paired, tails_at
from pipex_core.stats.power import n_needed
from pipex_core.stats.resampling import Ends, sign_flip

share = Scale()
latency = Scale(low=0, high=math.inf, direction="lower", skewed=True)
unbounded = Scale(low=-math.inf, high=math.inf)


def test_pass_flags_are_counted_by_hand() -> None:
    result = paired([1.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0, 1.0], scale=share)
    assert (result.wins, result.ties, result.losses) == (2, 2, 1)
    assert (result.mean_a, result.mean_b, result.n_pairs, result.units) == (0.6, 0.8, 5, 5)
    assert result.diff == pytest.approx(0.2)
    assert result.win_share == pytest.approx(0.6)
    assert result.finding.method == "bonett_price"
    # odds (2 + ½)/(1 + ½); exact McNemar of 1 against 2 is 1.
    assert result.effect == FlagEffect(odds_ratio=5 / 3, p_mcnemar=1.0)


def test_where_lower_is_better_a_rise_is_a_loss() -> None:
    result = paired([0.0, 0.0, 1.0], [1.0, 1.0, 1.0], scale=Scale(direction="lower"))
    assert (result.wins, result.losses) == (0, 2)
    assert result.diff == pytest.approx(-2 / 3)
    assert (result.mean_a, result.mean_b) == pytest.approx((1 / 3, 1.0))


def test_turning_the_direction_mirrors_the_result() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 1, 60), rng.uniform(0, 1, 60)
    up = paired(a, b, scale=share).finding
    down = paired(a, b, scale=Scale(direction="lower")).finding
    assert up.l1 is not None
    assert up.u1 is not None
    assert (down.l1, down.u1) == pytest.approx((-up.u1, -up.l1))
    assert down.p_worse == pytest.approx(up.p_better)


def test_clusters_and_weights_take_pass_flags_away_from_mcnemar() -> None:
    a, b = [1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]
    labels = ["x", "x", "y", "z"]
    assert paired(a, b, scale=share, clusters=labels).finding.method == "t_hall"
    assert paired(a, b, scale=share, weights=[1, 2, 1, 1]).finding.method == "t_hall"
    assert paired(a, b, scale=share, weights=[2, 2, 2, 2]).finding.method == "bonett_price"


def test_fewer_than_ten_clusters_are_flagged_and_few_cases_are_not() -> None:
    a, b = np.linspace(0, 0.5, 20), np.linspace(0.1, 1, 20)
    nine = [str(i % 9) for i in range(20)]
    assert paired(a, b, scale=share, clusters=nine).few_clusters
    assert against(a, 0.2, scale=share, clusters=nine).few_clusters
    assert not paired(a[:5], b[:5], scale=share).few_clusters


def test_the_permutation_that_decides_is_the_one_reported() -> None:
    rng = np.random.default_rng(1)
    a = rng.exponential(1, 40)
    result = paired(a, a * 1.1, scale=latency, inference=Inference(seed=4))
    flips = sign_flip(a - a * 1.1, seed=4)
    assert result.finding.method == "bca"
    assert result.finding.p_worse == flips.worse
    assert result.finding.p_two_sided == flips.two_sided
    assert isinstance(result.effect, ShiftEffect)
    assert result.effect.p_sign_flip == flips.two_sided


def test_a_permutation_of_more_than_20_000_units_is_left_out() -> None:
    values = np.random.default_rng(2).uniform(0, 1, 20_001)
    effect = paired(values, values[::-1], scale=share).effect
    assert isinstance(effect, ShiftEffect)
    assert effect.p_sign_flip is None
    assert effect.p_wilcoxon > 0.9


def test_equal_differences_of_a_bounded_metric_have_bounds() -> None:
    result = paired([0.5] * 30, [0.25] * 30, scale=share)
    assert result.finding.method == "degenerate"
    assert result.finding.p_worse == pytest.approx(0.75**30)
    assert result.finding.l1 == pytest.approx(-0.25 - (1 - 0.05 ** (1 / 30)))
    assert result.finding.ci is not None
    assert result.finding.ci.high == pytest.approx(-0.25 + (1 - 0.025 ** (1 / 30)))
    assert (result.se, result.mde, result.sd_per_case) == (None, None, None)
    assert isinstance(result.effect, ShiftEffect)
    assert result.effect.d_z is None


def test_equal_differences_of_an_unbounded_metric_say_so() -> None:
    result = paired([5.0] * 30, [4.0] * 30, scale=latency)
    assert result.finding == Finding(reason="degenerate")
    assert result.diff == 1.0


def test_differences_that_are_equal_but_for_rounding_are_equal() -> None:
    a = np.array([0.1, 0.2, 0.3, 0.7])
    assert paired(a, a + 0.1, scale=share).finding.method == "degenerate"


def test_a_difference_within_rounding_is_a_tie() -> None:
    result = paired([0.3, 0.5], [0.1 + 0.2, 0.6], scale=share)
    assert (result.wins, result.ties) == (1, 1)


def test_an_arm_compared_with_itself_ties_everywhere() -> None:
    result = paired([3.0, 1.0], [3.0, 1.0], scale=latency)
    assert (result.ties, result.win_share) == (2, 0.5)
    assert math.copysign(1, result.diff) == 1.0  # not the -0.0 that turning gives
    assert result.effect == ShiftEffect(d_z=None, p_sign_flip=1.0, p_wilcoxon=1.0)


@pytest.mark.parametrize("values", [[1.0], [0.5]], ids=["flag", "number"])
def test_one_pair_says_nothing(values: list[float]) -> None:
    result = paired(values, [0.0], scale=share)
    assert result.finding == Finding(reason="too_few_units")
    assert (result.se, result.mde) == (None, None)
    assert against(values, 0.5, scale=share).finding == Finding(reason="too_few_units")


def test_one_cluster_says_nothing() -> None:
    result = paired([0.1, 0.2], [0.3, 0.1], scale=share, clusters=["a", "a"])
    assert result.finding.reason == "too_few_units"
    assert result.se is None


def test_bounds_stay_inside_what_is_possible() -> None:
    finding = paired([0.0, 0.5, 1.0], [1.0, 0.0, 0.1], scale=share).finding
    assert (finding.l1, finding.u1) == (-1.0, 1.0)
    assert finding.ci == Ends(-1.0, 1.0)


def test_the_cases_needed_count_clusters_in() -> None:
    rng = np.random.default_rng(3)
    d = rng.normal(0, 0.1, 30)
    # Each case three times in its cluster: design effect 3, up to the n - 1 of the two spreads.
    labels = np.repeat(np.arange(30), 3).tolist()
    once = paired(np.zeros(30), d, scale=unbounded)
    thrice = paired(np.zeros(90), np.repeat(d, 3), scale=unbounded, clusters=labels)
    assert once.sd_per_case is not None
    assert thrice.sd_per_case is not None
    assert thrice.sd_per_case == pytest.approx(once.sd_per_case * math.sqrt(3))
    needed = n_needed(margin=0.02, sd=thrice.sd_per_case)
    assert needed == pytest.approx(3 * n_needed(margin=0.02, sd=once.sd_per_case), abs=3)


def test_the_detectable_difference_of_ties_is_not_zero() -> None:
    assert paired([1.0] * 20, [1.0] * 20, scale=share).mde == pytest.approx(0.0642824 * 2.486475)


def test_weighted_wins_weigh() -> None:
    result = paired([0.1, 0.1, 0.1], [0.2, 0.1, 0.0], scale=share, weights=[2, 1, 1])
    assert result.win_share == pytest.approx((2 + 0.5) / 4)
    assert result.diff == pytest.approx((0.2 - 0.1) / 4)


def test_arms_of_different_length_are_not_paired() -> None:
    with pytest.raises(ValueError, match="arms of 2 and 1 cases"):
        paired([0.1, 0.2], [0.1], scale=share)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one number"):
        paired([], [], scale=share)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="leave the range"):
        paired([0.1, 0.2], [0.1, 1.2], scale=share)
    with pytest.raises(ValueError, match="leave the range"):
        against([-0.1], 0.5, scale=share)


def test_a_pass_rate_meets_a_value_when_its_wilson_bound_does() -> None:
    # Wilson at 90 %, z² = 2.705543: (91.352772 ± 1.644854·√(9 + .676386))/102.705543.
    result = against([1.0] * 90 + [0.0] * 10, 0.8, scale=share)
    assert result.finding.method == "wilson"
    assert (result.mean, result.diff) == pytest.approx((0.9, 0.1))
    assert result.finding.l1 == pytest.approx(0.839645 - 0.8, abs=1e-6)
    assert result.finding.p_worse == pytest.approx(0.99379, abs=1e-5)  # z = 2.5


def test_a_cost_below_its_limit_is_positive() -> None:
    result = against([1.0, 1.1, 0.9, 1.0], 2.0, scale=latency)
    assert result.diff == pytest.approx(1.0)
    assert result.finding.l1 is not None
    assert result.finding.l1 > 0.8
    assert (result.mean, result.value) == (1.0, 2.0)


def test_a_skewed_metric_against_a_value_has_resampled_bounds_and_t_tails() -> None:
    values = np.random.default_rng(4).exponential(1, 50)
    skewed = against(values, 1.0, scale=latency).finding
    plain = against(values, 1.0, scale=Scale(low=0, high=math.inf, direction="lower")).finding
    assert (skewed.method, plain.method) == ("bca", "t_hall")
    assert skewed.p_worse == plain.p_worse
    assert skewed.l1 != plain.l1


def test_bounds_against_a_value_stay_inside_the_range() -> None:
    finding = against([0.0, 0.9, 1.0], 0.75, scale=share).finding
    assert (finding.l1, finding.u1) == (-0.75, 0.25)
    turned = against([0.0, 0.9, 1.0], 0.75, scale=Scale(direction="lower")).finding
    assert (turned.l1, turned.u1) == (-0.25, 0.75)


def test_equal_scores_against_a_value_leave_room_for_unseen_cases() -> None:
    finding = against([0.9] * 40, 0.8, scale=share).finding
    assert finding.method == "degenerate"
    assert finding.l1 == pytest.approx(0.1 - (1 - 0.05 ** (1 / 40)))


def test_flags_in_clusters_are_not_a_plain_rate() -> None:
    labels = [str(i // 2) for i in range(40)]
    values = [1.0, 0.0, 1.0, 1.0] * 10
    assert against(values, 0.5, scale=share, clusters=labels).finding.method == "t_hall"
    assert against(values, 0.5, scale=share, weights=range(1, 41)).finding.method == "t_hall"


def test_p_values_against_a_margin_are_those_of_the_shifted_differences() -> None:
    # Symmetric differences have no skewness, where t_hall is the t test.
    d = np.array([-0.4, -0.3, -0.3, -0.2, -0.2, -0.2, -0.1, -0.1, 0.0])
    found = tails_at(np.full(9, 0.5), 0.5 + d, -0.1, scale=share)
    assert found is not None
    assert found.worse == pytest.approx(ttest_1samp(d, -0.1, alternative="less").pvalue)
    assert found.better == pytest.approx(ttest_1samp(d, -0.1, alternative="greater").pvalue)
    slow = tails_at(100.0 - 100 * d, np.full(9, 100.0), 10.0, scale=replace(latency, skewed=False))
    assert slow is not None
    assert slow.worse == pytest.approx(ttest_1samp(-100 * d, 10.0, alternative="less").pvalue)


def test_p_values_of_pass_flags_agree_with_their_bound_at_the_margin() -> None:
    a = [1.0] * 30 + [0.0] * 10 + [1.0] * 60
    b = [0.0] * 30 + [1.0] * 10 + [1.0] * 60
    u1 = paired(a, b, scale=share).finding.u1
    assert u1 is not None
    at_bound = tails_at(a, b, u1, scale=share)
    assert at_bound is not None
    assert at_bound.worse == pytest.approx(0.05)
    assert at_bound.better == pytest.approx(0.95)


def test_resampled_and_equal_differences_are_shifted_too() -> None:
    rng = np.random.default_rng(3)
    a = rng.lognormal(3, 1, 40)
    shifted = tails_at(a, a + rng.normal(5, 1, 40), -5.0, scale=latency)
    assert shifted is not None
    assert shifted.worse > 0.05
    far = tails_at(a, a + rng.normal(5, 1, 40), -1.0, scale=latency)
    assert far is not None
    assert far.worse < 0.001
    # All lose .4, .3 beyond the margin: (1 - .3)^10.
    equal = tails_at([0.9] * 10, [0.5] * 10, -0.1, scale=share)
    assert equal is not None
    assert equal.worse == pytest.approx(0.7**10)
    assert tails_at([1.0] * 10, [2.0] * 10, -0.1, scale=latency) is None
