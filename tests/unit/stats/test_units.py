"""Samples by independent units."""

import math

import numpy as np
import pytest

from pipex_core.stats.units import mean, standard_deviation, units_of


def test_a_mean_does_not_lose_small_values_beside_large_ones() -> None:
    # Added one by one in double precision the two ones would vanish: the answer would be 0.
    assert mean([1e16, 1.0, 1.0, -1e16]) == 0.5


def test_a_mean_does_not_depend_on_the_order() -> None:
    values = np.random.default_rng(0).normal(0, 1e8, 1000)
    assert mean(values) == mean(values[::-1]) == mean(np.sort(values))


def test_a_weighted_mean_counts_a_value_as_often_as_it_weighs() -> None:
    assert mean([1.0, 4.0], weights=[3, 1]) == 1.75


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        ([], None, "at least one number"),
        ([[1.0], [2.0]], None, "at least one number"),
        ([1.0, math.nan], None, "NaN or infinite"),
        ([1.0, math.inf], None, "NaN or infinite"),
        ([1.0, 2.0], [1.0], "2 values have 1 weights"),
        ([1.0, 2.0], [1.0, 0.0], "must be positive, got 0.0"),
        ([1.0, 2.0], [1.0, math.nan], "NaN or infinite"),
    ],
)
def test_what_is_no_sample_is_refused(
    values: list[float], weights: list[float] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mean(values, weights=weights)


def test_units_appear_in_the_order_of_their_first_case() -> None:
    units = units_of([1.0, 2.0, 3.0, 4.0], clusters=["b", "a", "b", None])
    assert units.sums.tolist() == [4.0, 2.0, 4.0]
    assert units.weights.tolist() == [2.0, 1.0, 1.0]
    assert units.count == 3
    assert units.size == 4


def test_cases_without_a_label_are_units_of_their_own() -> None:
    assert units_of([1.0, 2.0, 3.0], clusters=[None, None, None]).count == 3


def test_labels_of_another_number_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values have 1 cluster labels"):
        units_of([1.0, 2.0], clusters=["a"])


def test_the_standard_error_of_clusters_by_hand() -> None:
    # Mean 2.5; residual sums of a (1, 2) -2, of b (3, 4) +2: se = sqrt(2/1 * 8)/4 = 1.
    units = units_of([1.0, 2.0, 3.0, 4.0], clusters=["a", "a", "b", "b"])
    assert units.residuals.tolist() == [-2.0, 2.0]
    assert units.se == 1.0


def test_one_unit_has_no_finite_standard_error() -> None:
    assert units_of([1.0, 2.0], clusters=["a", "a"]).se == math.inf


def test_values_that_differ_by_rounding_are_constant() -> None:
    units = units_of([0.1 + 0.2, 0.3, 0.3])
    assert units.constant
    assert units.skewness == 0.0
    assert not units_of([0.3, 0.3, 0.3001]).constant


def test_clusters_of_equal_means_are_constant() -> None:
    assert units_of([0.0, 1.0, 1.0, 0.0], clusters=["a", "a", "b", "b"]).constant


def test_zeros_are_constant() -> None:
    assert units_of([0.0, 0.0]).constant


def test_the_skewness_of_tiny_values_does_not_underflow() -> None:
    # Of 0, 0, 0, 1: mean 1/4, m2 = 3/16, m3 = 3/32, skewness 2/sqrt(3).
    assert units_of([0.0, 0.0, 0.0, 1e-200]).skewness == pytest.approx(2 / math.sqrt(3))


def test_the_standard_error_of_tiny_values_does_not_underflow() -> None:
    assert units_of([0.0, 2e-200]).se == pytest.approx(1e-200)


def test_values_too_small_to_divide_by_are_constant() -> None:
    assert units_of([0.0, 2.3e-308]).constant


def test_the_standard_deviation_divides_by_one_less() -> None:
    assert standard_deviation(np.array([1.0, 3.0])) == pytest.approx(math.sqrt(2))
    assert standard_deviation(np.array([5.0])) is None
