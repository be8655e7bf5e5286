"""The number of an answer against the number of the reference."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, score, value


@pytest.mark.parametrize(
    ("options", "output", "reference", "same"),
    [
        ({}, "3 + 4 = 7", "7", True),
        ({}, "It costs $1,234.50.", "1234.5", True),
        ({}, "7 apples for 3 people", "7", False),
        ({"which": "first"}, "7 apples for 3 people", "7", True),
        ({"which": "first"}, "7 apples", "#### 7", True),
        ({}, "42", "so 40 + 2 = 42", True),
        ({}, "1e3", "1000", True),
        ({}, "3/4", "0.75", True),
        ({}, "½", "50%", True),
        ({}, "50%", "50", True),
        ({}, "50%", "0.5", True),
        ({}, "50", "0.5", False),
        ({}, "50%", "5", False),
        ({}, "0.5", "50%", True),
        ({}, "50%", "50 percent", True),
        ({}, "0.5%", "50%", False),
        ({}, "1000000.9", "1000000", True),
        ({}, "1000001.1", "1000000", False),
        ({"rel_tol": 0}, "1000000.1", "1000000", False),
        ({}, "0.0000001", "0", False),
        ({"abs_tol": 1e-6}, "0.0000001", "0", True),
        ({"rel_tol": 0.1}, "3.3", "3", True),
        ({"strict_format": True}, " $1,000 ", "1000", True),
        ({"strict_format": True}, "-0", "0", True),
    ],
)
def test_numeric_match(
    options: dict[str, Json], output: str, reference: str, *, same: bool
) -> None:
    assert value({"type": "numeric_match", **options}, output, reference) == float(same)


@pytest.mark.parametrize("output", ["no number", "", "version 3.11.2"])
def test_an_answer_without_a_number_is_wrong(output: str) -> None:
    assert score("numeric_match", output, "7") == Scored(value=0.0, label="no_match")


def test_strict_format_takes_the_number_alone() -> None:
    raw = {"type": "numeric_match", "strict_format": True}
    assert score(raw, "It is 7", "7") == Scored(value=0.0, label="no_match")


def test_a_reference_without_a_number_is_a_bad_one() -> None:
    assert code("numeric_match", "7", "seven") == "bad_reference"
    assert code("numeric_match", "7", "", "seven") == "bad_reference"
    assert score("numeric_match", "7", "seven", "7") == Scored(
        value=1.0, details={"reference_index": 1}
    )
