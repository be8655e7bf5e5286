"""Edges of the tests; their values are checked against other implementations in the oracles."""

import math

import pytest

from pipex_core.stats.pvalues import (
    Tails,
    benjamini_hochberg,
    fisher_exact,
    holm,
    mcnemar_exact,
    mcnemar_mid_p,
    score_test,
    wilcoxon,
)


def test_the_two_sided_p_is_twice_the_smaller_and_at_most_1() -> None:
    assert Tails(worse=0.02, better=0.98).two_sided == 0.04
    assert Tails(worse=0.7, better=0.6).two_sided == 1.0


def test_without_discordant_pairs_nothing_is_surprising() -> None:
    assert mcnemar_mid_p(worse=0, better=0) == Tails(worse=1.0, better=1.0)
    assert mcnemar_exact(worse=0, better=0) == 1.0


def test_mid_p_by_hand() -> None:
    # X ~ Bin(3, ½): P(X ≥ 3) - ½P(X = 3) = 1/16; P(X ≥ 0) - ½P(X = 0) = 15/16.
    assert mcnemar_mid_p(worse=3, better=0) == Tails(worse=1 / 16, better=15 / 16)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        mcnemar_mid_p(worse=-1, better=2)
    with pytest.raises(ValueError, match="not negative"):
        mcnemar_exact(worse=1, better=-2)


@pytest.mark.parametrize(
    ("passed", "value", "worse"),
    [(5, 1.0, 0.0), (5, 0.0, 1.0), (10, 1.0, 0.5), (0, 0.0, 0.5), (5, 1.5, 0.0), (5, 0.5, 0.5)],
)
def test_the_score_test_at_impossible_and_certain_rates(
    passed: int, value: float, worse: float
) -> None:
    tails = score_test(passed=passed, total=10, value=value)
    assert (tails.worse, tails.better) == (worse, 1 - worse)


def test_what_is_no_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="not a pass rate"):
        score_test(passed=3, total=2, value=0.5)
    with pytest.raises(ValueError, match="not shares"):
        fisher_exact(hits_a=1, total_a=0, hits_b=0, total_b=5)


def test_empty_arms_miss_equally_much() -> None:
    assert fisher_exact(hits_a=0, total_a=0, hits_b=0, total_b=0) == 1.0


def test_differences_of_zero_rank_nobody() -> None:
    assert wilcoxon([0.0, 0.0]) == 1.0


def test_holm_steps_down_by_hand() -> None:
    # Sorted .01, .03, .04: 3·.01, 2·.03, and .04 may not fall below .06.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_benjamini_and_hochberg_step_up_by_hand() -> None:
    # Sorted .01, .03, .04: .04·3/3, min(.03·3/2, .04), .01·3/1.
    assert benjamini_hochberg([0.04, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])


def test_no_tests_need_no_adjustment() -> None:
    assert holm([]) == []
    assert benjamini_hochberg([]) == []


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        holm([p])
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        benjamini_hochberg([p])
