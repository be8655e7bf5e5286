"""What a text refers to and what is wrong with it, without evaluating it."""

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.reading import (
    Finding,
    Reading,
    Reference,
    checked,
    read_condition,
    read_expression,
    require,
)


def test_every_reference_is_found_with_its_constant_steps() -> None:
    text = "a.b[0]['c d'].e[x.y].z + previous_response:s:f + f.g + -h"
    assert read_expression(text).references == (
        Reference(root="a", keys=("b", 0, "c d", "e"), computed=True),
        Reference(root="x", keys=("y",), position=16),
        Reference(root="previous_response", keys=("s", "f"), position=25),
        Reference(root="f", keys=("g",), position=49),
        Reference(root="h", position=56),
    )


def test_arguments_of_the_guards_may_be_undefined() -> None:
    text = "default(a, b) + (c exists) + coalesce(upper(d), e[f]) + (g | default(h)) + i"
    guarded = {use.root: use.guarded for use in read_expression(text).references}
    assert guarded == {
        **dict.fromkeys("abcegh", True),
        **dict.fromkeys("dfi", False),
    }


def test_names_of_a_predicate_may_be_fields_of_the_item() -> None:
    uses = read_expression("any(rows, '@.n > lim')").references
    assert uses == (
        Reference(root="rows", position=4),
        Reference(root="@", keys=("n",), in_item=True, position=11),
        Reference(root="lim", in_item=True, position=17),
    )


def test_a_path_into_a_result_is_no_reference_but_what_made_it_is() -> None:
    assert [use.root for use in read_expression("first(rows).k[i]").references] == ["rows", "i"]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "1 + lenth(a)",
            Finding(
                code="unknown_function",
                message="unknown function 'lenth'",
                suggestion="length",
                position=4,
            ),
        ),
        (
            "upper()",
            Finding(code="bad_arguments", message="upper takes 1 argument, got 0"),
        ),
        (
            "a | round(1, 2)",
            Finding(
                code="bad_arguments", message="round takes 1 to 2 arguments, got 3", position=4
            ),
        ),
        (
            "modulo(1)",
            Finding(code="bad_arguments", message="modulo takes 2 arguments, got 1"),
        ),
        (
            "coalesce()",
            Finding(code="bad_arguments", message="coalesce takes at least 1 argument, got 0"),
        ),
        (
            "any(l, 'a <')",
            Finding(
                code="expression_syntax",
                message="unexpected end of the expression",
                position=11,
            ),
        ),
        (
            "a matches '('",
            Finding(
                code="bad_pattern",
                message="'(' is no regular expression",
                severity="warning",
                position=10,
            ),
        ),
        (
            "matches(a, '(')",
            Finding(
                code="bad_pattern",
                message="'(' is no regular expression",
                severity="warning",
                position=11,
            ),
        ),
        (
            "a <",
            Finding(
                code="expression_syntax",
                message="unexpected end of the expression",
                position=3,
            ),
        ),
    ],
)
def test_a_finding_has_code_message_and_place(text: str, finding: Finding) -> None:
    assert read_expression(text).findings == (finding,)


@pytest.mark.parametrize("text", ["any(l, p)", "matches(a, p)", "a matches '^b'", "count(l)"])
def test_nothing_is_wrong_with_what_is_right_or_known_later(text: str) -> None:
    assert read_expression(text).findings == ()


def test_a_pattern_beyond_the_limits_is_an_error() -> None:
    (finding,) = read_expression(f"a matches '{'b' * 1001}'").findings
    assert (finding.code, finding.severity) == ("expression_too_complex", "error")


def test_the_places_of_a_condition_are_paths() -> None:
    reading = read_condition({"and": ["a", {"not": ["b", "c d"]}, {}]})
    assert [(use.root, use.path) for use in reading.references] == [
        ("a", ".and[0]"),
        ("b", ".and[1].not[0]"),
    ]
    assert [(found.code, found.path) for found in reading.findings] == [
        ("expression_syntax", ".and[1].not[1]"),
        ("bad_condition", ".and[2]"),
    ]


def test_what_is_no_expression_in_a_condition_needs_no_reading() -> None:
    assert read_condition([None, True, 0, 1.5]) == Reading()


def test_only_an_error_stops_an_evaluation() -> None:
    assert checked("a matches '('") is checked("a matches '('")
    with pytest.raises(ExpressionError) as caught:
        checked("1 + lenth(a)")
    assert caught.value.message == "unknown function 'lenth'; did you mean 'length'?"
    assert (caught.value.code, caught.value.position) == ("unknown_function", 4)
    require(Reading())
