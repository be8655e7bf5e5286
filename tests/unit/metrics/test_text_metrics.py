"""Equality, patterns, choices and shared words."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import code, entry_of, score, value


@pytest.mark.parametrize(
    ("options", "output", "reference", "equal"),
    [
        ({}, " yes\n", "yes", True),
        ({"strip": False}, " yes", "yes", False),
        ({}, "Yes", "yes", False),
        ({"ignore_case": True}, "STRASSE", "straße", True),
        ({}, "cafe\u0301", "caf\u00e9", True),
        ({"normalize": "none"}, "cafe\u0301", "caf\u00e9", False),
        ({"normalize": "nfkc"}, "\ufb01ne", "fine", True),
        ({}, "yes.", "yes", False),
        ({"ignore_punctuation": True}, "«yes, sir!»", "yes sir", True),
        ({"ignore_punctuation": True}, "yes …", "yes", True),
        ({"ignore_punctuation": True, "strip": False}, "yes …", "yes", False),
        ({"ignore_whitespace": True}, "a\tb c", "ab\u00a0c", True),
        ({"regexes_to_ignore": [r"\.$"]}, "yes.\n", "yes", True),
        ({"regexes_to_ignore": [r"\(.*?\)", "of course"]}, "yes (really) of course", "yes", True),
        ({"regexes_to_ignore": ["OF"], "ignore_case": True}, "of yes", "yes", False),
        ({}, "", "", True),
        ({}, "", "x", False),
        ({}, "x", "", False),
    ],
)
def test_exact_match(options: dict[str, Json], output: str, reference: str, *, equal: bool) -> None:
    assert value({"type": "exact_match", **options}, output, reference) == float(equal)


def test_any_of_several_references_may_match() -> None:
    assert score("exact_match", "two", "one", "two", "two") == Scored(
        value=1.0, details={"reference_index": 1}
    )
    assert score("exact_match", "three", "one", "two") == Scored(
        value=0.0, details={"reference_index": 0}
    )


@pytest.mark.parametrize(
    ("output", "reference", "found"),
    [
        ('{"b": [1, 2.0], "a": null}', {"a": None, "b": [1.0, 2]}, Scored(value=1.0)),
        ("```json\n42\n```", 42, Scored(value=1.0)),
        ("42.0", 42, Scored(value=1.0)),
        ("1", True, Scored(value=0.0)),
        ('"42"', 42, Scored(value=0.0)),
        ("true", True, Scored(value=1.0)),
        ("forty-two", 42, Scored(value=0.0, label="not_json")),
        ('{"a": 1, "a": 2}', {"a": 2}, Scored(value=0.0, label="not_json")),
    ],
)
def test_a_structured_reference_is_compared_as_json(
    output: str, reference: Json, found: Scored
) -> None:
    facts = {"reference_json": reference, "has_reference_json": True}
    assert score("exact_match", output, "its text", **facts) == found


def test_the_json_value_of_the_answer_is_preferred_to_its_text() -> None:
    facts = {"reference_json": None, "has_reference_json": True}
    facts |= {"output_json": None, "has_output_json": True}
    assert value("exact_match", "prose", "", **facts) == 1.0


@pytest.mark.parametrize(
    ("options", "output", "reference", "equal"),
    [
        ({}, "The Eiffel-Tower.", "eiffeltower", True),
        ({}, "the", "a", True),
        ({}, "crème", "creme", False),
        ({"strip_accents": True}, "crème", "Creme!", True),
        ({"strip_accents": True}, "Plain", "plain", True),
        ({}, "two towers", "one tower", False),
    ],
)
def test_normalized_match(
    options: dict[str, Json], output: str, reference: str, *, equal: bool
) -> None:
    assert value({"type": "normalized_match", **options}, output, reference) == float(equal)


@pytest.mark.parametrize(
    ("options", "output", "matches"),
    [
        ({"pattern": r"\d{3}"}, "call 555 now", True),
        ({"pattern": r"\d{3}", "mode": "fullmatch"}, "call 555 now", False),
        ({"pattern": r"\d{3}", "mode": "fullmatch"}, "555", True),
        ({"pattern": "yes"}, "YES", False),
        ({"pattern": "yes", "flags": "i"}, "YES", True),
        ({"pattern": "^b$", "flags": "m"}, "a\nb", True),
        ({"pattern": "a.b", "flags": "is"}, "A\nB", True),
        ({"pattern": "a b # comment", "flags": "x"}, "ab", True),
        ({"pattern": "^$"}, "", True),
    ],
)
def test_regex_match(options: dict[str, Json], output: str, *, matches: bool) -> None:
    assert value({"type": "regex_match", **options}, output) == float(matches)


def test_a_pattern_that_explodes_is_stopped_and_is_no_zero() -> None:
    assert code({"type": "regex_match", "pattern": "(a|aa)+$"}, "a" * 60 + "b") == "metric_timeout"


@pytest.mark.parametrize(
    "options",
    [
        {"type": "regex_match"},
        {"type": "regex_match", "pattern": "["},
        {"type": "regex_match", "pattern": "a", "flags": "ig"},
        {"type": "exact_match", "regexes_to_ignore": ["["]},
        {"type": "choice_match", "letters": "AA"},
        {"type": "choice_match", "letters": "A B"},
    ],
)
def test_options_that_mean_nothing_are_refused_before_any_answer(options: Json) -> None:
    with pytest.raises(SpecError) as caught:
        entry_of(options)
    assert [problem.code for problem in caught.value.problems] == ["bad_option"]


cities = ("Rome", "Paris", "Oslo")


@pytest.mark.parametrize(
    ("output", "reference", "found"),
    [
        ("Answer: B", "B", Scored(value=1.0, details={"chosen": "B"})),
        ("Answer: B", "Paris", Scored(value=1.0, details={"chosen": "B"})),
        ("It is Paris.", "(b)", Scored(value=1.0, details={"chosen": "B"})),
        ("Answer: A", "Paris", Scored(value=0.0, details={"chosen": "A"})),
        ("Rome or Oslo", "A", Scored(value=0.0, label="no_match")),
        ("", "A", Scored(value=0.0, label="no_match")),
    ],
)
def test_choice_match(output: str, reference: str, found: Scored) -> None:
    assert score("choice_match", output, reference, choices=cities) == found


def test_a_reference_outside_of_the_choices_is_a_bad_one() -> None:
    assert code("choice_match", "Answer: B", "Berlin", choices=cities) == "bad_reference"
    assert code("choice_match", "Answer: B", "D", choices=cities) == "bad_reference"
    assert code("choice_match", "Answer: B", "B") == "missing_input"


def test_choices_may_have_other_letters() -> None:
    raw = {"type": "choice_match", "letters": "xyz"}
    assert value(raw, "answer: Y", "Paris", choices=cities) == 1.0


@pytest.mark.parametrize(
    ("output", "reference", "f1", "precision", "recall"),
    [
        # Two words of three shared with a reference of two: 2 * 2/3 * 1 / (2/3 + 1).
        ("the big black cat", "black cat", 0.8, 2 / 3, 1.0),
        ("cat cat", "cat", 2 / 3, 0.5, 1.0),
        ("dog", "cat", 0.0, 0.0, 0.0),
        ("", "", 1.0, 1.0, 1.0),
        ("the", "a", 1.0, 1.0, 1.0),
        ("", "cat", 0.0, 0.0, 0.0),
        ("cat", "", 0.0, 0.0, 0.0),
    ],
)
def test_token_f1(output: str, reference: str, f1: float, precision: float, recall: float) -> None:
    found = score("token_f1", output, reference)
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(f1, abs=1e-15)
    assert found.submetrics == {"precision": precision, "recall": recall}


def test_token_f1_reads_other_scripts_with_the_unicode_tokenizer() -> None:
    raw = {"type": "token_f1", "tokenizer": "unicode"}
    assert value("token_f1", "東京は雨です", "東京は晴れです") == 0.0
    # Five of six and of seven characters: 2 * 5 / (6 + 7).
    assert value(raw, "東京は雨です", "東京は晴れです") == pytest.approx(10 / 13)
    assert value(raw, "the cat", "cat") == pytest.approx(2 / 3)


def test_the_best_reference_counts_for_token_f1() -> None:
    found = score("token_f1", "black cat", "dog", "cat", "black cat")
    assert isinstance(found, Scored)
    assert (found.value, found.details) == (1.0, {"reference_index": 2})
