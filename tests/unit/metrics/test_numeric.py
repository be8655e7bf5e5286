"""The number of an answer against the number of the reference."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, Scored
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, code, entry_of, score, value


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


@pytest.mark.parametrize(
    ("kind", "output", "expected"),
    [
        ("abs", "about 12", 2.0),
        ("abs", "minus: -5", 15.0),
        ("rel", "it is 12.5", 0.25),
        ("squared", "7", 9.0),
        ("abs", "10", 0.0),
    ],
)
def test_the_error_is_the_distance_from_the_reference(
    kind: str, output: str, expected: float
) -> None:
    assert value({"type": "numeric_error", "kind": kind}, output, "10") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [("50%", "0.5", 0.0), ("0.5", "50 %", 0.0), ("50%", "49", 1.0), ("50%", "40%", 10.0)],
)
def test_a_percentage_is_read_in_the_nearer_of_two_ways(
    output: str, reference: str, expected: float
) -> None:
    assert value("numeric_error", output, reference) == pytest.approx(expected)


def test_the_nearest_reference_and_the_number_asked_for_count() -> None:
    assert value("numeric_error", "9", "1", "10", "no number") == 1.0
    assert value({"type": "numeric_error", "which": "first"}, "3 of 9", "10") == 7.0


def test_where_there_is_no_number_there_is_no_distance() -> None:
    assert code("numeric_error", "no idea", "10") == "not_applicable"
    assert code("numeric_error", "10", "no number") == "bad_reference"
    assert code({"type": "numeric_error", "kind": "rel"}, "1", "0") == "not_applicable"


@pytest.mark.parametrize(("kind", "name"), [("abs", "mae"), ("rel", "mape"), ("squared", "rmse")])
def test_over_a_suite_the_mean_errors_stand_side_by_side(kind: str, name: str) -> None:
    entry = entry_of({"type": "numeric_error", "kind": kind})
    items = [answer("12", "10"), answer("16", "20"), answer("none", "5")]
    found = corpus_value(entry, [(item, score_item(entry, item)) for item in items])
    assert isinstance(found, Corpus)
    # errors 2 and 4: mean 3, root of the mean square sqrt(10), shares 0.2 and 0.2
    assert found.submetrics == {
        "mae": 3.0,
        "rmse": pytest.approx(10**0.5),
        "mape": pytest.approx(0.2),
    }
    assert found.value == found.submetrics[name]
    assert corpus_value(entry, []) is None


def test_references_of_0_have_no_share_of_error() -> None:
    entry = entry_of("numeric_error")
    item = answer("2", "0")
    found = corpus_value(entry, [(item, score_item(entry, item))])
    assert found == Corpus(value=2.0, submetrics={"mae": 2.0, "rmse": 2.0})
