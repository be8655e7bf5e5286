"""Power by hand."""

import pytest

from pipex_core.stats.power import (
    design_effect,
    mde,
    n_needed,
    repeats_needed,
    sd_of_discordance,
    sd_with_repeats,
)

# z(.95) + z(.8) = 1.644854 + 0.841621 = 2.486475; squared 6.182557.


def test_the_detectable_difference_is_2_49_standard_errors() -> None:
    assert mde(se=0.01) == pytest.approx(0.02486475, abs=1e-8)


def test_cases_needed_by_hand() -> None:
    # 6.182557·.2/.03² = 1373.9
    assert n_needed(margin=0.03, sd=sd_of_discordance(0.2)) == 1374


def test_clusters_need_more_cases() -> None:
    # 1 + (5 - 1)·.25 = 2
    assert design_effect(mean_cluster_size=5, icc=0.25) == 2.0
    assert n_needed(margin=0.03, sd=sd_of_discordance(0.2), effect=2.0) == 2748


def test_repeats_shrink_only_the_variance_within_cases() -> None:
    assert sd_with_repeats(between=0.02, within_a=0.04, within_b=0.04, repeats=4) == pytest.approx(
        0.2
    )


def test_repeats_needed_are_the_fewest_that_suffice() -> None:
    # Room for a variance of 400·.03²/6.182557 = .0582284 per case.
    needed = repeats_needed(margin=0.03, n=400, between=0.02, within=0.08)
    assert needed == 3
    for repeats, enough in ((2, False), (3, True)):
        sd = sd_with_repeats(between=0.02, within_a=0.04, within_b=0.04, repeats=repeats)
        assert (n_needed(margin=0.03, sd=sd) <= 400) == enough


def test_no_number_of_repeats_replaces_cases() -> None:
    assert repeats_needed(margin=0.03, n=400, between=0.06, within=0.01) is None


def test_answers_that_never_differ_need_one_repeat() -> None:
    assert repeats_needed(margin=0.03, n=400, between=0.02, within=0.0) == 1


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="margin is positive"):
        n_needed(margin=0, sd=1)
    with pytest.raises(ValueError, match="alpha and power"):
        mde(se=1, alpha=1.0)
    with pytest.raises(ValueError, match="alpha and power"):
        n_needed(margin=1, sd=1, power=80)
    with pytest.raises(ValueError, match="at least 2 clusters"):
        mde(se=1, units=1)
