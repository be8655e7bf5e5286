"""What a plain scalar of YAML means: the core schema of YAML 1.2, and nothing of YAML 1.1.

Source: section 10.3.2 of https://yaml.org/spec/1.2.2/, without infinities and NaN, which are no JSON
values.
"""

import math
import re
from typing import Final

from pipex_core.jsonvalue import Json

_words: Final[dict[str, Json]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Pattern, where the digits start, base.
_integers: Final = (
    (re.compile(r"[-+]?[0-9]+"), 0, 10),
    (re.compile(r"0o[0-7]+"), 2, 8),
    (re.compile(r"0x[0-9a-fA-F]+"), 2, 16),
)
_float: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_no_number: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_most_digits: Final = 4_200  # Python reads no more than 4 300 digits
_numeric_start: Final = frozenset("0123456789+-.")


def read_scalar(text: str) -> Json:
    """The value of a plain scalar: null, boolean, number or text.

    Raises:
        ValueError: A number that is no JSON value: infinite, NaN, or of more than 4 200 digits.
    """
    if text in _words:
        return _words[text]
    if text[0] not in _numeric_start:
        return text
    for pattern, start, base in _integers:
        if pattern.fullmatch(text):
            return _int(text[start:], base)
    value = float(text) if _float.fullmatch(text) else text
    if _no_number.fullmatch(text) or (isinstance(value, float) and math.isinf(value)):
        raise ValueError(f"{text[:20]} is no number that JSON can hold; quote it to mean the text")
    return value


def is_merge_key(value: Json, *, plain: bool) -> bool:
    """Whether a key is ``<<`` without quotes."""
    return plain and value == "<<"


def _int(digits: str, base: int) -> int:
    if len(digits) > _most_digits:
        raise ValueError(f"a number of more than {_most_digits} digits; quote it to mean the text")
    return int(digits, base)
