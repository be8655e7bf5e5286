"""Templates of section 6: whole values, texts, braces, limits and modes."""

import copy

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.reading import Finding, Reference
from pipex_core.expressions.template import (
    Hole,
    has_template,
    read_template,
    render,
    template_parts,
)
from pipex_core.jsonvalue import Json

names: dict[str, Json] = {
    "n": 4,
    "s": "text",
    "l": [1, "é", None],
    "braces": "{{ n }}",
    "steps": {
        "r": {
            "name": "r",
            "type": "claude",
            "status": "succeeded",
            "success": True,
            "text": "reply",
            "data": {"k": 1},
        }
    },
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ n }}", 4),
        ("{{l}}", [1, "é", None]),
        ("{{ r }}", {"k": 1}),
        (" {{ n }}", " 4"),
        ("{{n}}{{n}}", "44"),
        ("a {{ l }} b", 'a [1,"é",null] b'),
        ("{{ r }}!", "reply!"),
        ("{{ r.result }}!", '{"k":1}!'),
        ("{{ '}}' }}", "}}"),
        ("{{ 'it\\'s }}' }}{{ \"}}\" }}", "it's }}}}"),
        ("\\{{ n }}", "{{ n }}"),
        ("a\\{{b {{ n }}\\{{", "a{{b 4{{"),
        ("\\\\{{ n }}", "\\{{ n }}"),
        ("{ {n} }", "{ {n} }"),
        ("}}", "}}"),
        ("{{ n }}}", "4}"),
        ("{{ braces }}", "{{ n }}"),
        ("{{ braces }} x", "{{ n }} x"),
        ({"{{n}}": ["{{n}}", {"k": "{{s}}!"}]}, {"{{n}}": [4, {"k": "text!"}]}),
        (5, 5),
        (None, None),
        (("{{n}}",), [4]),
    ],
    ids=str,
)
def test_a_template_is_expanded(template: Json, expected: Json) -> None:
    before = copy.deepcopy(template)
    assert render(template, names) == expected
    assert template == before


@pytest.mark.parametrize(
    ("template", "position"),
    [
        ("{{ }}", 0),
        ("ab {{", 3),
        ("{{ 'x }}", 0),
        ("{{{n}}}", 2),
        ("{{ {{n}} }}", 6),
        ("ab {{ n + }}", 10),
        ("{{ n }} {{ #}}", 11),
    ],
)
def test_a_slip_is_reported_at_its_character(template: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(template, names)
    assert (caught.value.code, caught.value.position) == ("expression_syntax", position)


@pytest.mark.parametrize(
    ("template", "code", "position"),
    [
        ("{{ nn }}", "undefined_reference", 3),
        ("{{ s }} {{ n + s }}", "type_error", 13),
        ("{{ lenth(s) }}", "unknown_function", 3),
    ],
)
def test_strict_mode_fails_at_the_place(template: str, code: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(template, names)
    assert (caught.value.code, caught.value.position) == (code, position)


def test_lenient_mode_uses_null_and_tells() -> None:
    told: list[ExpressionError] = []
    assert render("{{ nn }}-{{ n + s }}", names, mode="lenient", warn=told.append) == "-"
    assert [(error.code, error.position) for error in told] == [
        ("undefined_reference", 3),
        ("type_error", 14),
    ]
    assert render("{{ nn }}", names, mode="lenient") is None


@pytest.mark.parametrize(
    ("template", "scope"),
    [
        ("{{ big }}{{ big }}", {"big": "x" * 6_000_000}),
        ("{{ big }} é", {"big": "é" * 5_000_000}),
        ("{{ [big, big] }}", {"big": ["x" * 6_000_000]}),
        ("{{ big }}", {"big": {"x" * 6_000_000: 1, "y" * 6_000_000: 2}}),
    ],
    ids=["text", "bytes", "list", "map"],
)
def test_ten_megabytes_are_the_limit_of_a_field(template: str, scope: dict[str, Json]) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(template, scope)
    assert caught.value.code == "expression_too_complex"


def test_a_template_that_nests_beyond_the_stack_is_too_complex() -> None:
    deep: Json = "{{ n }}"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ExpressionError) as caught:
        render(deep, names)
    assert caught.value.code == "expression_too_complex"


def test_the_parts_of_a_text_have_places() -> None:
    assert template_parts("a{{ b }}c") == ("a", Hole(expression=" b ", position=3), "c")
    assert template_parts("") == ()
    assert has_template("a {{ b }}")
    assert not has_template("a { b }")


def test_reading_finds_references_and_findings_with_their_paths() -> None:
    reading = read_template({"a": ["x {{ b.c }}", {"d": "{{ lenth(e) }}"}], "f": "{{", "g": 5})
    assert reading.references == (
        Reference(root="b", keys=("c",), path=".a[0]", position=5),
        Reference(root="e", path=".a[1].d", position=9),
    )
    assert reading.findings == (
        Finding(
            code="unknown_function",
            message="unknown function 'lenth'",
            path=".a[1].d",
            suggestion="length",
            position=3,
        ),
        Finding(
            code="expression_syntax",
            message="a template has no end: '}}' is missing",
            path=".f",
        ),
    )
