"""Numbers of the language: exact where they are whole, correctly rounded where they are not."""

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from pipex_core.expressions.values import calculate, is_number, representable, type_error
from pipex_core.jsonvalue import Json, type_name

double_digits = 20  # behind the first digit a double holds 16; no rounding there changes it


def as_number(value: Json) -> float:
    """The value, a number.

    Raises:
        ExpressionError: ``type_error``, it is none.
    """
    if is_number(value):
        return value  # type: ignore[no-any-return] # is_number says so
    raise type_error(f"works on numbers only, got {type_name(value)}")


def as_integer(value: Json) -> int:
    """The value, an integer.

    Raises:
        ExpressionError: ``type_error``, it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise type_error(f"needs an integer, got {type_name(value)}")


def total(numbers: Sequence[float]) -> float:
    """The sum, whole numbers exactly and floats correctly rounded, so their order is no matter.

    Raises:
        ExpressionError: ``type_error``, the sum is beyond the floats.
    """
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    try:
        return representable(math.fsum(numbers))
    except OverflowError as exc:
        raise type_error("the sum is beyond the floats") from exc


def mean(numbers: Sequence[float]) -> float:
    """The sum divided by the count; 0 of nothing.

    Raises:
        ExpressionError: ``type_error``, the mean is beyond the floats.
    """
    return as_number(calculate("/", total(numbers), len(numbers))) if numbers else 0


def variance(numbers: Sequence[float]) -> float:
    """The sample variance, divided by n - 1; 0 of fewer than two.

    Raises:
        ExpressionError: ``type_error``, it is beyond the floats.
    """
    if len(numbers) < 2:  # noqa: PLR2004 - a sample variance needs two
        return 0
    center = mean(numbers)
    try:
        return representable(math.fsum((x - center) ** 2 for x in numbers) / (len(numbers) - 1))
    except OverflowError as exc:
        raise type_error("the variance is beyond the floats") from exc


def rounded(value: Json, digits: Json = None) -> float:
    """Half away from zero: an integer, or a float when ``digits`` are given.

    Raises:
        ExpressionError: ``type_error``, an argument is no number or the result beyond the floats.
    """
    number = as_number(value)
    if digits is None:
        return _whole(number)
    places = as_integer(digits)
    exact = Decimal(number)
    if exact.adjusted() + places > double_digits:
        return as_float(number)
    if exact.adjusted() + places < -1:  # less than a tenth of a half of the last place
        return 0.0
    return as_float(exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _whole(number: float) -> int:
    if number % 1:
        return int(Decimal(number).quantize(Decimal(1), ROUND_HALF_UP))
    return int(number)


def as_float(number: float | Decimal) -> float:
    """The number as a double, never a negative zero.

    Raises:
        ExpressionError: ``type_error``, it is beyond the floats.
    """
    try:
        return representable(float(number)) + 0.0
    except OverflowError as exc:
        raise type_error("the result is beyond the floats") from exc


def square_root(value: Json) -> float | None:
    """The square root as a float; null of a negative number.

    Raises:
        ExpressionError: ``type_error``, not a number.
    """
    number = as_float(as_number(value))
    return math.sqrt(number) if number >= 0 else None


def power(base: Json, exponent: Json) -> float:
    """``base`` to the power of ``exponent`` as a float.

    Raises:
        ExpressionError: ``type_error``, an argument is no number or the power no finite real one.
    """
    try:
        return representable(math.pow(as_number(base), as_number(exponent)))
    except (OverflowError, ValueError) as exc:
        raise type_error(f"the power is no finite real number: {exc}") from exc
