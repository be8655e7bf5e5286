"""Rounding, sums and powers; expected values by hand."""

from collections.abc import Callable

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.numbers import (
    as_float,
    as_integer,
    as_number,
    mean,
    power,
    rounded,
    square_root,
    total,
    variance,
)
from pipex_core.jsonvalue import Json


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.5, 3), (-2.5, -3), (-0.5, -1), (0.49, 0), (-0.4, 0), (7, 7), (1e15 + 0.5, 10**15 + 1)],
)
def test_rounding_goes_half_away_from_zero_to_an_integer(value: float, expected: int) -> None:
    result = rounded(value)
    assert result == expected
    assert isinstance(result, int)


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (1.005, 1, 1.0),
        (2.25, 1, 2.3),
        (-2.25, 1, -2.3),
        (1234, -2, 1200.0),
        (1250, -2, 1300.0),
        (49, -2, 0.0),
        (4, -2, 0.0),
        (-0.001, 1, 0.0),
        (1.5, 300, 1.5),
        (1.5, -10_000, 0.0),
        (10**30, 0, 1e30),
        (5e-324, 400, 5e-324),
    ],
)
def test_rounding_to_digits_gives_a_float(value: float, digits: int, expected: float) -> None:
    result = rounded(value, digits)
    assert result == expected
    assert isinstance(result, float)
    assert str(result) != "-0.0"


def test_sums_do_not_depend_on_the_order() -> None:
    assert total([0.1] * 10) == 1.0
    assert total([1e16, 1.0, -1e16]) == total([1e16, -1e16, 1.0]) == 1.0
    assert total([10**20, 1]) == 10**20 + 1
    assert total([]) == 0


def test_means_and_variances() -> None:
    assert mean([]) == 0
    assert mean([1, 2]) == 1.5
    assert variance([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx(32 / 7)
    assert variance([3]) == 0


def test_roots_and_powers_are_floats() -> None:
    assert square_root(9) == 3.0
    assert square_root(-1) is None
    assert power(2, 10) == 1024.0


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (total, [[1e308, 1e308]]),
        (variance, [[1e200, -1e200]]),
        (power, [10, 400]),
        (power, [-8, 0.5]),
        (power, [0, -1]),
        (as_float, [10**400]),
        (rounded, [10**400, 0]),
        (rounded, ["1"]),
        (rounded, [1.5, "2"]),
        (as_number, [True]),
        (as_integer, [1.0]),
        (as_integer, [True]),
        (square_root, [None]),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)[:20]),
)
def test_what_is_no_finite_number_is_a_type_error(
    call: Callable[..., Json], arguments: list[Json]
) -> None:
    with pytest.raises(ExpressionError) as caught:
        call(*arguments)
    assert caught.value.code == "type_error"
