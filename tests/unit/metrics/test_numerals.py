"""Numbers as people write them."""

import pytest

from pipex_core.metrics.numerals import Numeral, numerals, whole_numeral


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234,567.89 people", [1234567.89]),
        ("1\u202f234\u202f567", [1234567.0]),
        ("1\u00a0234", [1234.0]),
        ("1, 2,3", [1.0, 2.0, 3.0]),
        ("1,2345", [1.0, 2345.0]),
        ("1,234,56", [1234.0, 56.0]),
        ("It is 5.", [5.0]),
        (".5 and 0.25", [0.5, 0.25]),
        ("-5, \u22126, +7", [-5.0, -6.0, 7.0]),
        ("3-5", [3.0, 5.0]),
        ("-$5, $-6.50, €7, 8€", [-5.0, -6.5, 7.0, 8.0]),
        ("US$5", [5.0]),
        ("1.5e-3, 2E3", [0.0015, 2000.0]),
        ("2 x 10^3, 2 \u00d7 10^{-3}, 3*10**2, 2 \\times 10^4", [2000.0, 0.002, 300.0, 20000.0]),
        ("10^6", [1e6]),
        ("3/4, 1 1/2, 3.5/2, -1/4", [0.75, 1.5, 1.75, -0.25]),
        ("½, 2½, 2 ¾", [0.5, 2.5, 2.75]),
        ("\\frac{3}{4} \\dfrac{1}{2}", [0.75, 0.5]),
        ("10:30", [10.0, 30.0]),
        ("GPT-4o needs 5kg of H2O", [4.0, 5.0]),
        ("<<3+4=7>>7", [3.0, 4.0, 7.0, 7.0]),
        ("共5个, \u0661\u0662", [5.0, 12.0]),
        ("3.11.2", []),
        ("1/2/2020", []),
        ("5/0", []),
        ("1e999", []),
        ("9" * 400, []),
        ("none at all", []),
        ("", []),
    ],
)
def test_numbers_are_read_as_written(text: str, values: list[float]) -> None:
    assert [numeral.value for numeral in numerals(text)] == values


@pytest.mark.parametrize("text", ["50%", "50 %", "50\\%", "50 percent", "50 per cent"])
def test_a_percent_sign_is_kept_apart(text: str) -> None:
    assert numerals(text) == [Numeral(value=50.0, percent=True, text=text)]


def test_the_text_of_a_number_has_no_currency() -> None:
    assert [numeral.text for numeral in numerals("-$1,200.50 or ½")] == ["-1,200.50", "½"]


@pytest.mark.parametrize(
    ("text", "value"),
    [(" 5 ", 5.0), ("$5", 5.0), ("5 €", 5.0), ("-3/4", -0.75), ("5%", 5.0), ("1,000", 1000.0)],
)
def test_a_text_may_be_a_number_and_nothing_else(text: str, value: float) -> None:
    found = whole_numeral(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("text", ["5kg", "5 6", "five", "", "1e999", "A: 5"])
def test_a_number_with_anything_around_it_is_none(text: str) -> None:
    assert whole_numeral(text) is None
