"""What ``extract`` takes from an answer, and what it says of a rule that is none."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.extraction import (
    Found,
    chosen_letter,
    code_blocks,
    extracted,
    read_extract,
    searcher,
    unfenced,
)


def taken(raw: Json, text: str, **facts: Json) -> str | None:
    found = extracted(read_extract(raw), text, **facts)
    return None if found is None else found.text


@pytest.mark.parametrize(
    ("raw", "text", "found"),
    [
        ({"regex": r"\d+"}, "1 or 2", "1"),
        ({"regex": r"\d+", "which": "last"}, "1 or 2", "2"),
        ({"regex": r"\d+", "which": "last"}, "none", None),
        ({"regex": r"is (\w+)"}, "it is red", "red"),
        ({"regex": r"is (\w+)", "group": 0}, "it is red", "is red"),
        ({"regex": r"(\w+) is (\w+)", "group": 2}, "it is red", "red"),
        ({"regex": r"is (?P<colour>\w+)", "group": "colour"}, "it is red", "red"),
        ({"regex": r"a(b)?c"}, "ac", None),
        ({"regex": r"(?i)YES|no"}, "yes", "yes"),
        ({"after": "answer is"}, "The answer is (B). No, the answer is (C).", " (B). No, the answer is (C)."),
        ({"after": "answer is", "which": "last"}, "The answer is (B). No, the answer is (C).", " (C)."),
        ({"after": "answer is"}, "I do not know", None),
        ({"after": "?"}, "Really?", ""),
        ({"code_block": True}, "x\n```\na\n```\n```python\nb\n```", "b"),
        ({"code_block": "JSON"}, "```json\n{}\n```\n```python\nb\n```", "{}"),
        ({"code_block": "sql"}, "```json\n{}\n```", None),
        ({"code_block": True}, "no block", None),
        ({"last_number": True}, "from $1,200 to $1,350.", "1,350"),
        ({"last_number": True}, "nothing", None),
        ({"choice": True}, "The answer is (B).", "B"),
        ({"choice": True}, "no idea", None),
    ],
)  # fmt: skip
def test_a_rule_takes_the_part_it_names(raw: Json, text: str, found: str | None) -> None:
    assert taken(raw, text) == found


@pytest.mark.parametrize(
    ("pointer", "text", "found"),
    [
        ("/answer", '{"answer": 42}', Found(text="42", value=42, is_json=True)),
        ("/answer", '```json\n{"answer": "x"}\n```', Found(text="x", value="x", is_json=True)),
        ("/a~1b/m~0n/1", '{"a/b": {"m~n": [0, null]}}', Found(text="", value=None, is_json=True)),
        ("", "[1, 2]", Found(text="[1,2]", value=[1, 2], is_json=True)),
        ("/2", "[1, 2]", None),
        ("/01", "[1, 2]", None),
        ("/x", "[1, 2]", None),
        ("/answer/deeper", '{"answer": 42}', None),
        ("/answer", "no JSON", None),
    ],
)
def test_a_pointer_reads_json_by_rfc_6901(pointer: str, text: str, found: Found | None) -> None:
    assert extracted(read_extract({"json_pointer": pointer}), text) == found


def test_a_pointer_prefers_the_value_that_the_target_returned() -> None:
    assert taken({"json_pointer": "/a"}, "prose", value=({"a": "kept"},)) == "kept"


def test_a_choice_is_found_by_its_text() -> None:
    assert taken({"choice": True}, "I would say Paris.", choices=("Rome", "Paris")) == "B"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("after", "must be a map"),
        ({}, "exactly one of"),
        ({"after": "x", "regex": "y"}, "exactly one of"),
        ({"after": "x", "group": 1}, "takes no 'group'"),
        ({"after": ""}, "must not be empty"),
        ({"after": 3}, "must be text, got integer"),
        ({"after": "x", "which": "middle"}, "must be first or last"),
        ({"json_pointer": "answer"}, "must be empty or start with '/'"),
        ({"regex": 3}, "must be text, got integer"),
        ({"regex": "("}, "is no regular expression"),
        ({"regex": "(a{1000}){1000}"}, "repeats more than"),
        ({"regex": "(a)", "group": 2}, "has no group 2"),
        ({"regex": "(a)", "group": "x"}, "has no group 'x'"),
        ({"regex": "(a)", "group": True}, "must be a number or a name"),
        ({"last_number": 1}, "switched on with true"),
        ({"choice": "A"}, "switched on with true"),
        ({"code_block": False}, "switched on with true"),
    ],
)
def test_a_rule_that_is_none_says_why(raw: Json, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        read_extract(raw)


def test_equal_rules_have_equal_specs() -> None:
    short, full = {"regex": "(a)"}, {"regex": "(a)", "group": 1, "which": "first"}
    assert read_extract(short) == read_extract(full)
    assert read_extract({"regex": "a"}).spec["group"] == 0


def test_code_blocks_follow_commonmark() -> None:
    text = "```Python\nx = '```'\n```\n\n~~~\nb\n```\n~~~\n````\n```\n````\n  ```sql\nopen"
    assert code_blocks(text) == [
        ("python", "x = '```'"),
        ("", "b\n```"),
        ("", "```"),
        ("sql", "open"),
    ]
    assert code_blocks("`a` and ```b```") == []


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("```json\n{}\n```", "{}"),
        ("\n```\n1\n```\n", "1"),
        ("```{}```", "{}"),
        ("```json {}```", "{}"),
        ("~~~\n1\n~~~", "1"),
        ("```\n1\n```\n```\n2\n```", "```\n1\n```\n```\n2\n```"),
        ("Here:\n```\n1\n```", "Here:\n```\n1\n```"),
        ("```\n1\n```\nDone.", "```\n1\n```\nDone."),
        ("1", "1"),
    ],
)
def test_one_fence_around_everything_is_taken_off(text: str, inside: str) -> None:
    assert unfenced(text) == inside


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: A. On reflection, answer: B", "B"),
        ("The answer is **C**.", "C"),
        ("the answer is (d)", "D"),
        ("answer: b\nbecause it is a dog", "B"),
        ("the answer is a dog", None),
        ("so \\boxed{B} and \\boxed{\\text{C}}", "C"),
        ("(B)", "B"),
        (" b. ", "B"),
        ("B) Paris", "B"),
        ("Paris", "B"),
        ("Rome, not Paris", None),
        ("parisian", None),
        ("answer: E", None),
        ("", None),
    ],
)
def test_the_letter_of_a_choice(text: str, letter: str | None) -> None:
    assert chosen_letter(text, ("Rome", "Paris", "Oslo", "Bern")) == letter


def test_a_blank_choice_occurs_nowhere() -> None:
    assert chosen_letter("anything", ("", " ")) is None


def test_letters_may_be_named_otherwise() -> None:
    assert chosen_letter("answer: X", ("Rome", "Paris"), letters="XY") == "X"
    assert chosen_letter("Paris", ("Rome", "Paris"), letters="XY") == "Y"


def test_a_pattern_that_needs_too_long_is_a_time_out() -> None:
    rule = searcher(r"(a|aa)+$")
    with pytest.raises(TimeoutError):
        rule.search("a" * 60 + "b", timeout=0.001)
