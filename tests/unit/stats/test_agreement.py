"""Agreement of raters: hand calculations, the edges at which nothing is defined, and intervals."""

import math

import pytest

from pipex_core.stats.agreement import (
    cohen_kappa,
    krippendorff_alpha,
    partial_spearman,
    partial_spearman_interval,
    spearman,
)

# 50 applications judged by two readers: 20 both yes, 15 both no, 5 and 10 apart.
yes_no = ([True] * 20 + [True] * 5 + [False] * 10 + [False] * 15,
          [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)  # fmt: skip


def test_kappa_of_two_readers_is_the_one_computed_by_hand() -> None:
    # p_o = 35/50, p_e = .5*.6 + .5*.4 = .5, kappa = .2/.5
    found = cohen_kappa(*yes_no)
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert found.n == 50
    assert found.low is not None
    assert found.high is not None
    assert 0.1 < found.low < 0.4 < found.high < 0.7


def test_quadratic_weights_forgive_the_near_miss() -> None:
    # Rows 1, 2, 3 of one rater against 1, 3, 3: one of three is a step apart.
    found = cohen_kappa([1, 2, 3], [1, 3, 3], weights="quadratic")
    # sum of squares seen 1; expected (0+4+4+1+1+1+4+0+0)/3 = 5; 1 - 1/5
    assert found is not None
    assert found.value == pytest.approx(0.8)


def test_labels_give_the_distance_that_the_ratings_alone_do_not_show() -> None:
    narrow = cohen_kappa([1, 3, 1, 3], [1, 3, 3, 3], weights="quadratic")
    wide = cohen_kappa([1, 3, 1, 3], [1, 3, 3, 3], weights="quadratic", labels=[1, 2, 3])
    assert narrow is not None
    assert wide is not None
    assert narrow.value == pytest.approx(wide.value)  # one step or two: the ratio is the same


@pytest.mark.parametrize(("first", "second"), [([], []), (["a", "a"], ["a", "a"])])
def test_kappa_without_anything_to_disagree_about_is_not_defined(
    first: list[str], second: list[str]
) -> None:
    assert cohen_kappa(first, second) is None


def test_kappa_is_not_defined_when_both_always_say_the_same_of_two_labels() -> None:
    assert cohen_kappa(["a", "a"], ["a", "a"], labels=["a", "b"]) is None


def test_ratings_of_different_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="not of the same cases"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="none of the labels"):
        cohen_kappa(["a"], ["c"], labels=["a", "b"])


def test_two_cases_have_a_coefficient_and_no_interval() -> None:
    found = cohen_kappa(["a", "b"], ["a", "b"])
    assert found is not None
    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_alpha_is_the_one_of_krippendorffs_worked_example() -> None:
    # Krippendorff 2011, example B: nominal, two observers, twelve units: .692 with 4 categories.
    meg = ["a", "a", "b", "b", "d", "c", "c", "c", "e", "d", "d", "a"]
    owen = ["b", "a", "b", "b", "b", "c", "c", "c", "e", "d", "d", "d"]
    found = krippendorff_alpha(list(zip(meg, owen, strict=True)))
    assert found is not None
    assert found.value == pytest.approx(0.692, abs=5e-4)


def test_alpha_of_many_observers_with_holes_is_the_published_one() -> None:
    # Krippendorff 2011, examples C and D: four observers, missing data.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    cases = [list(case) for case in zip(*observers, strict=True)]
    values = {
        level: found.value
        for level in ("nominal", "ordinal", "interval")
        if (found := krippendorff_alpha(cases, level_of_measurement=level)) is not None
    }
    assert values == pytest.approx(
        {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}, abs=5e-4
    )


def test_alpha_needs_two_values_of_a_case_and_something_that_varies() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a", None], [None, "b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None


def test_raters_that_agree_fully_have_an_interval_of_one_point() -> None:
    found = krippendorff_alpha([["a", "a"], ["b", "b"]] * 10)
    assert found is not None
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_spearman_uses_mid_ranks_for_ties() -> None:
    # ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5/sqrt(4.5*5)
    assert spearman([10, 20, 20, 30], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(22.5))


def test_rank_correlation_needs_three_cases_and_spread() -> None:
    assert spearman([1, 2], [2, 1]) is None
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert partial_spearman([1, 2], [1, 2], [1, 2]) is None
    assert partial_spearman([1, 1, 1], [1, 2, 3], [3, 1, 2]) is None


def test_partial_correlation_is_what_the_textbook_formula_gives() -> None:
    # r12 = .8, r13 = .4, r23 = .2 for these ranks; (.8 - .08)/sqrt(.84*.96)
    a, b, c = [1, 2, 3, 4], [1, 2, 4, 3], [2, 3, 1, 4]
    assert spearman(a, b) == pytest.approx(0.8)
    assert spearman(a, c) == pytest.approx(0.4)
    assert spearman(b, c) == pytest.approx(-0.2)
    assert partial_spearman(a, b, c) == pytest.approx((0.8 + 0.08) / math.sqrt(0.84 * 0.96))


def test_a_third_that_is_the_same_for_all_leaves_the_plain_correlation() -> None:
    assert partial_spearman([1, 2, 3, 4], [1, 2, 4, 3], [7, 7, 7, 7]) == pytest.approx(0.8)


def test_what_the_third_explains_fully_has_no_partial_correlation() -> None:
    assert partial_spearman([1, 2, 3], [1, 3, 2], [1, 2, 3]) is None


def test_the_interval_of_a_partial_correlation_is_fishers() -> None:
    a, b, c = [1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 4, 3, 6, 5, 8, 7], [1] * 8
    rho = spearman(a, b)
    assert rho is not None
    half = 1.959963984540054 * math.sqrt((1 + rho**2 / 2) / 4)
    found = partial_spearman_interval(a, b, c)
    assert found is not None
    assert tuple(found) == pytest.approx(
        (math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half))
    )


def test_no_interval_below_five_cases_or_at_a_perfect_correlation() -> None:
    assert partial_spearman_interval([1, 2, 3, 4], [1, 2, 4, 3], [7, 7, 7, 7]) is None
    assert partial_spearman_interval([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [7] * 5) is None
