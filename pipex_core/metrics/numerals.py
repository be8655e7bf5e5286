r"""Reading numbers out of prose, as people write them.

Understood are thousands separators (``1,234,567``; thin and no-break spaces), decimals (``.5``),
powers of ten (``1.5e-3``, ``1.5 x 10^3``, ``10^6``), fractions (``3/4``, ``1 1/2``, ``½``, LaTeX ``\frac{3}{4}``),
signs before or after a currency sign, and percent. Digits that belong to a word (``H2O``, ``GPT-4o``
keeps its 4) or to a version (``3.11.2``) are no numbers, and the hyphen of a range (``3-5``) is no sign.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeral:
    """A number found in a text.

    Attributes:
        value: Finite; of ``50%`` it is 50.
        percent: A percent sign follows.
        text: As written, without currency.
    """

    value: float
    percent: bool
    text: str


def numerals(text: str) -> list[Numeral]:
    """The numbers of ``text`` in their order; what overflows a double or divides by zero is none."""
    found = (_read(match) for match in _numeral.finditer(text))
    return [numeral for numeral in found if numeral is not None]


def whole_numeral(text: str) -> Numeral | None:
    """The number that ``text`` is, blanks and currency aside; None when there is anything else."""
    match = _alone.fullmatch(text.strip())
    return _read(match) if match else None


_space: Final = "\u00a0\u2009\u202f"  # the blanks that group digits without breaking a line
_currency: Final = "$€£¥₹₩₽¢"
_vulgar: Final = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_power: Final = r"10\s?(?:\^|\*\*)\s?\{?"
# Possessive and atomic throughout: a long row of digits and commas is read once, not once per digit.
_digits: Final = rf"""(?>
    \d{{1,3}}+(?:,\d{{3}}(?!\d))++ | \d{{1,3}}+(?:[{_space}]\d{{3}}(?!\d))++ | \d++
)(?:\.\d++)?+"""
_body: Final = rf"""
    (?P<sign>(?<![\w.)\]])[-+\u2212])?
    (?:[{_currency}]\s?)?
    (?P<late>(?<=[{_currency}])[-+\u2212])?
    (?:
        \\[dt]?frac\{{(?P<top>\d+)\}}\{{(?P<under>\d+)\}}
      | (?:(?P<mixed>\d{{1,3}})[ ]?)?(?P<vulgar>[{_vulgar}])
      | (?:(?P<whole>\d{{1,3}})[ ])?
        (?P<over>\d++(?:\.\d++)?+)/(?P<by>\d++(?:\.\d++)?+)(?!/\d|\.\d)
      | {_power}(?P<ten>[-+\u2212]?\d+)\}}?
      | (?P<digits>{_digits}|\.\d++)(?!\.\d|/\d)
        (?:[eE](?P<power>[-+]?\d+)(?!\w)|\s?(?:[x\u00d7*]|\\times)\s?{_power}(?P<times>[-+\u2212]?\d+)\}}?)?
    )
    (?:\s?(?P<percent>\\?%|per\s?cent\b))?
"""
# Neither after a Latin letter nor inside a longer dotted or slashed number.
_numeral: Final = re.compile(rf"(?<![A-Za-z_\d])(?<!\d[./]){_body}", re.VERBOSE)
_alone: Final = re.compile(rf"{_body}\s?[{_currency}]?", re.VERBOSE)
_separators: Final = str.maketrans("\u2212", "-", f",{_space}")
_no_currency: Final = str.maketrans("", "", _currency)


def _read(match: "re.Match[str]") -> Numeral | None:
    part = match.groupdict()
    fraction = _fraction(part)
    value = _decimal(part) if fraction is None else fraction
    if not math.isfinite(value):
        return None
    negative = (part["sign"] or part["late"] or "+") in "-\u2212"
    return Numeral(
        value=-value if negative else value,
        percent=part["percent"] is not None,
        text=match[0].translate(_no_currency).strip(),
    )


def _decimal(part: Mapping[str, str | None]) -> float:
    digits = part["digits"] or "1"  # of 10^6
    power = part["power"] or part["times"] or part["ten"] or "0"
    return float(f"{digits}e{power}".translate(_separators))


def _fraction(part: Mapping[str, str | None]) -> float | None:
    if part["vulgar"]:
        return float(part["mixed"] or 0) + unicodedata.numeric(part["vulgar"])
    over, by = part["top"] or part["over"], part["under"] or part["by"]
    if over is None or by is None:
        return None
    return float(part["whole"] or 0) + float(over) / float(by) if float(by) else math.inf
