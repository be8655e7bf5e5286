"""How long an answer is."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from pipex_core.metrics.scoring import passed
from tests.fakes.metrics import answer, entry_of, score, value


@pytest.mark.parametrize(
    ("raw", "output", "expected"),
    [
        ("output_length", "cafe\u0301", 4.0),
        ({"type": "output_length", "normalize": "none"}, "cafe\u0301", 5.0),
        ({"type": "output_length", "unit": "word"}, " the  black\ncat ", 3.0),
        ("output_length", "", 0.0),
        ({"type": "output_length", "max": 3}, "abc", 1.0),
        ({"type": "output_length", "max": 3}, "abcd", 0.0),
        ({"type": "output_length", "min": 2, "unit": "word"}, "one", 0.0),
        ({"type": "output_length", "min": 0}, "", 1.0),
        ({"type": "output_length", "min": 2, "max": 4}, "abcd", 1.0),
    ],
)
def test_output_length(raw: Json, output: str, expected: float) -> None:
    assert value(raw, output) == expected


def test_bounds_make_it_a_metric_that_can_be_passed() -> None:
    free, bounded = entry_of("output_length"), entry_of({"type": "output_length", "max": 3})
    assert (free.info.direction, free.threshold) == ("none", None)
    assert (bounded.info.direction, bounded.info.range, bounded.threshold) == (
        "higher",
        (0.0, 1.0),
        1.0,
    )
    assert passed(bounded, Scored(value=0.0)) is False
    assert score(bounded.document(), "abcd") == Scored(value=0.0, details={"length": 4})
    assert entry_of({"type": "output_length", "max": 3, "negate": True}).negate is True


def test_bounds_must_leave_room() -> None:
    with pytest.raises(SpecError, match="min 3 is above max 2"):
        entry_of({"type": "output_length", "min": 3, "max": 2})
    with pytest.raises(SpecError, match="at least 0"):
        entry_of({"type": "output_length", "min": -1})


@pytest.mark.parametrize(
    ("raw", "output", "reference", "expected"),
    [
        ("length_ratio", "abc", "abcd", 0.75),
        ("length_ratio", "abcd", "abc", 0.75),
        ({"type": "length_ratio", "unit": "word"}, "a b", "a b c", 2 / 3),
    ],
)
def test_length_ratio(raw: Json, output: str, reference: str, expected: float) -> None:
    assert value(raw, output, reference) == expected


def test_the_reference_of_the_nearest_length_counts() -> None:
    assert answer("abc", "a", "abcd").references == ("a", "abcd")
    assert score("length_ratio", "abc", "a", "abcd") == Scored(
        value=0.75, details={"reference_index": 1}
    )
