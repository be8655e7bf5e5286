"""The grammar of section 5.1: what parses to what, and where a slip is reported."""

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions import tree
from pipex_core.expressions.syntax import parse
from pipex_core.expressions.tree import (
    Dot,
    Index,
    Node,
    Path,
    Previous,
    children,
    key_word,
    written,
)


def shape(node: Node) -> object:  # noqa: PLR0911 - one line per kind of node
    """The tree as nested tuples, without positions; readable beside an expression."""
    match node:
        case tree.Constant(value=value):
            return value
        case tree.Name(name=name):
            return f"${name}"
        case tree.Call(name=name, arguments=arguments):
            return (name, *map(shape, arguments))
        case tree.Chain(first=first, terms=terms):
            return [shape(first), *((term.operator, shape(term.operand)) for term in terms)]
        case tree.Compare(relation=relation, left=left, right=right):
            return (relation, shape(left), shape(right))
        case tree.Logic(word=word, operands=operands):
            return (word, *map(shape, operands))
        case tree.Presence(word=word, negated=negated, operand=operand):
            return ("not " * negated + word, shape(operand))
        case tree.Path():
            return written(node)
        case _:
            return (type(node).__name__, *map(shape, children(node)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", [1, ("+", [2, ("*", 3)])]),
        ("1 - 2 - 3", [1, ("-", 2), ("-", 3)]),
        ("(1 - 2) * 3", [[1, ("-", 2)], ("*", 3)]),
        ("a or b and not c", ("or", "$a", ("and", "$b", ("Not", "$c")))),
        ("a || b && !c", ("or", "$a", ("and", "$b", ("Not", "$c")))),
        ("not a == b", ("Not", ("==", "$a", "$b"))),
        ("not a and b", ("and", ("Not", "$a"), "$b")),
        ("-a | abs", ("Negate", ("abs", "$a"))),
        ("a | default(1) | upper", ("upper", ("default", "$a", 1))),
        ("a + 1 > b * 2", (">", ["$a", ("+", 1)], ["$b", ("*", 2)])),
        ("a not in b", ("Not", ("in", "$a", "$b"))),
        ("a between 1 and 2 and b", ("and", ("Between", "$a", 1, 2), "$b")),
        ("a exists and b not empty", ("and", ("exists", "$a"), ("not empty", "$b"))),
        ("a exists == true", ("==", ("exists", "$a"), True)),
        ("a ? 1 : b ? 2 : 3", ("Choice", "$a", 1, ("Choice", "$b", 2, 3))),
        ("{{ a }} > 3", (">", "$a", 3)),
        ("contains(a, 2)", ("contains", "$a", 2)),
        ("empty (a)", ("empty", "$a")),
        ("not (a)", ("Not", "$a")),
        ("[1, [], 'x']", ("ListOf", 1, ("ListOf",), "x")),
        ("a.and.true", "a.and.true"),
        ("a . b", "a.b"),
        ("a.0.1[-1]['k'][b]", "a.0.1[...]['k'][...]"),
        ("@.x", "@.x"),
        ("f(1).x", "(...).x"),
        ("previous_response:a:b.c", "previous_response:a.b.c"),
        ("previous_response : a", ("Previous",)),
        ("c ? previous_response:a : b", ("Choice", "$c", ("Previous",), "$b")),
        ("previous_response", "$previous_response"),
        ("true", True),
        ("null", None),
        ("1e3", 1000.0),
        ("1.5E-1", 0.15),
        (r"'\.ex$'", r"\.ex$"),
        (r"""'\'\"\\\n\t\u00e9\ud83d\ude00'""", "'\"\\\n\té😀"),
        (r"'\u12'", r"\u12"),
        ('"it\'s"', "it's"),
    ],
)
def test_an_expression_parses_by_the_grammar(text: str, expected: object) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("  ", 0),
        ("a <", 3),
        ("a < b < c", 6),
        ("a == b exists", 7),
        ("a == not b", 5),
        ("a > > 3", 4),
        ("a not b", 2),
        ("a not", 2),
        ("(a", 2),
        ("a)", 1),
        ("{{ a )", 5),
        ("[1, 2", 5),
        ("[1,]", 3),
        ("f(1", 3),
        ("a.", 2),
        ("a.'x'", 2),
        ("a[1", 3),
        ("a | 3", 4),
        ("a ? 1", 5),
        ("1 2", 2),
        ("in", 0),
        ("  #", 2),
        ("a + 'x", 4),
        ("'\\ud83d'", 0),
        ("1e999", 0),
        ("previous_response:", 18),
        ("previous_response:3", 18),
        ("* 3", 0),
    ],
)
def test_a_slip_is_reported_at_its_character(text: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.position) == ("expression_syntax", position)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 65 + "1" + ")" * 65,
        "not " * 65 + "a",
        "-" * 65 + "1",
        "a" + " | abs" * 65,
        "a" + " exists" * 65,
        "[" * 65 + "]" * 65,
        "a ? " * 65 + "1" + " : 2" * 65,
        "1" * 4201,
        "a" * 10_001,
    ],
)
def test_an_expression_beyond_the_limits_is_too_complex(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.code == "expression_too_complex"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 64 + "1" + ")" * 64,
        "not " * 64 + "a",
        "+".join("1" * 5000),
        "a" * 10_000,
        "1" * 4200,
    ],
)
def test_an_expression_at_the_limits_parses(text: str) -> None:
    assert parse(text) == parse(text)


def test_every_level_of_binding_nested_64_times_is_too_complex_for_the_stack() -> None:
    text = "a or b and c == d + 1 * (" * 64 + "1" + ")" * 64
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.code == "expression_too_complex"


def test_a_tree_is_kept_for_the_next_call() -> None:
    assert parse("kept.for.later") is parse("kept.for.later")


def test_the_words_of_a_path_are_its_constant_steps() -> None:
    path = parse("a.b['c d'][x]")
    assert isinstance(path, Path)
    assert [key_word(key) for key in path.keys] == ["b", "c d", "..."]


def test_an_index_of_more_digits_than_any_list_is_only_a_name() -> None:
    path = parse("a." + "9" * 19)
    assert isinstance(path, Path)
    assert path.keys == (Dot(name="9" * 19),)


def test_a_previous_response_is_written_as_it_was() -> None:
    assert written(Previous(step="s", position=0)) == "previous_response:s"
    assert list(children(parse("a[b][c]")))[1:] == [parse_name("b", 2), parse_name("c", 5)]
    assert isinstance(Index(key=parse_name("b", 0)).key, tree.Name)


def parse_name(name: str, position: int) -> tree.Name:
    return tree.Name(name=name, position=position)
