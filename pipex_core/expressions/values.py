"""What expressions compute with: undefined, truth, text, order and arithmetic of JSON values.

The pipeline language is strict where Python is kind: a boolean is no number, text never turns into
a number, and two values of different kinds have no order. Every result is a JSON value again, so
infinities and NaN cannot arise.
"""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, assert_never

from pipex_core.errors import ExpressionError
from pipex_core.jsonvalue import Json, compact, equal, type_name

max_text = 10_000_000  # bytes of a template result; characters of any text made on the way
max_integer_bits = 14_000  # Python's own JSON reader and writer stop at 4 300 digits

Order = Literal["<", "<=", ">", ">="]
Arithmetic = Literal["+", "-", "*", "/", "%"]


class Undefined(Enum):
    """The one thing that is not a value: a name or path that leads nowhere."""

    ONLY = "undefined"


undefined: Final = Undefined.ONLY


def type_error(message: str) -> ExpressionError:
    """The error of an operand or argument of a wrong type, without its place."""
    return ExpressionError(message, code="type_error")


def too_complex(message: str) -> ExpressionError:
    """The error of an expression that exceeds a limit, without its place."""
    return ExpressionError(message, code="expression_too_complex")


def truth(value: Json) -> bool:
    """False for null, false, and empty text, lists and maps; true for all else, 0 included."""
    if value is None or value is False:
        return False
    if isinstance(value, str | list | tuple | Mapping):
        return len(value) > 0
    return True


def is_empty(value: Json) -> bool:
    """Undefined, null, or of length 0."""
    return value is undefined or value is None or (value is not False and not truth(value))


def exists(value: Json) -> bool:
    """Defined and not null."""
    return value is not undefined and value is not None


def is_number(value: Json) -> bool:
    """Whether ``value`` is an integer or a finite float; booleans are not."""
    kind = type(value)
    return kind is int or (kind is float and math.isfinite(value))


def to_text(value: Json) -> str:
    """The text of a value: text as is, null empty, floats as ``repr``, lists and maps compact JSON.

    Raises:
        ExpressionError: ``type_error``, ``value`` is no JSON value.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return repr(value) if isinstance(value, float | int) else compact(value)
    except (TypeError, ValueError) as exc:
        raise type_error(f"a {type(value).__name__} has no text: {exc}") from exc


def check_growth(characters: int) -> None:
    """Refuse to make a text of so many characters.

    Raises:
        ExpressionError: ``expression_too_complex``, above 10 million.
    """
    if characters > max_text:
        raise too_complex(f"a text of {characters} characters exceeds the limit of {max_text}")


def in_order(operator: Order, left: Json, right: Json) -> bool:
    """Whether the order holds; false for any pair but two numbers or two texts (code points)."""
    both_numbers = is_number(left) and is_number(right)
    if not both_numbers and not (isinstance(left, str) and isinstance(right, str)):
        return False
    match operator:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case _:
            assert_never(operator)


def holds(container: Json, member: Json) -> bool:
    """Whether a text holds a text, a list an equal member, or a map a key; otherwise false."""
    if isinstance(container, str):
        return isinstance(member, str) and member in container
    if isinstance(container, list | tuple):
        return any(equal(item, member) for item in container)
    if isinstance(container, Mapping):
        return isinstance(member, str) and member in container
    return False


def between(value: Json, low: Json, high: Json) -> bool:
    """Whether ``low <= value <= high`` in the order of the language."""
    return in_order("<=", low, value) and in_order("<=", value, high)


def calculate(operator: Arithmetic, left: Json, right: Json) -> Json:
    """The result of one arithmetic operation.

    ``/`` gives a float, division and remainder by zero give 0, ``%`` takes the sign of the left
    operand, ``+`` also joins two texts.

    Raises:
        ExpressionError: ``type_error`` for other operands or a result beyond the floats,
            ``expression_too_complex`` for an integer or text beyond the limits.
    """
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        check_growth(len(left) + len(right))
        return left + right
    if not is_number(left) or not is_number(right):
        raise type_error(
            f"{operator!r} needs two numbers, got {type_name(left)} and {type_name(right)}"
        )
    _check_integers(operator, left, right)
    try:
        result = _apply(operator, left, right)
    except OverflowError as exc:
        raise type_error(f"the result of {operator!r} is beyond the floats") from exc
    return representable(result)


def negate(value: Json) -> Json:
    """The number with the other sign.

    Raises:
        ExpressionError: ``type_error``, not a number.
    """
    if not is_number(value):
        raise type_error(f"'-' needs a number, got {type_name(value)}")
    return -value


def representable(number: float) -> float:
    """The number itself.

    Raises:
        ExpressionError: ``type_error``, it is infinite or not a number.
    """
    if type(number) is float and not math.isfinite(number):
        raise type_error("the result is beyond the floats")
    return number


def _check_integers(operator: Arithmetic, left: float, right: float) -> None:
    if isinstance(left, int) and isinstance(right, int):
        bits = (left.bit_length(), right.bit_length())
        grown = sum(bits) if operator == "*" else max(bits)
        if grown > max_integer_bits:
            raise too_complex("an integer of more than 4200 digits")


def _apply(operator: Arithmetic, left: float, right: float) -> float:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right if right else 0
        case "%":
            return _remainder(left, right)
        case _:
            assert_never(operator)


def _remainder(left: float, right: float) -> float:
    if not right:
        return 0
    if isinstance(left, int) and isinstance(right, int):
        size = abs(left) % abs(right)
        return -size if left < 0 else size
    return math.fmod(left, right)
