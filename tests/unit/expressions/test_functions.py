"""The function table of section 5.5, row by row, in both modes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipex_core.errors import ExpressionError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.functions import FUNCTIONS
from pipex_core.expressions.scope import Scope
from pipex_core.jsonvalue import Json

noon = datetime(2025, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
scope = Scope.of(
    {
        "l": [3, 1, 2],
        "rows": [{"n": 1, "tag": "a"}, {"n": 2}, {"n": 3, "tag": "a"}],
        "m": {"a": 1, "b": None},
        "none": None,
        "limit": 2,
        "text": "Été",
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
    },
    now=lambda: noon,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exists(m.a)", True),
        ("exists(m.b)", False),
        ("exists(m.c)", False),
        ("isEmpty(m.c)", True),
        ("is_empty([])", True),
        ("empty(0)", False),
        ("default(m.c, 5)", 5),
        ("default(m.b, 5)", 5),
        ("default(m.a, 5)", 1),
        ("default(m.c, m.a)", 1),
        ("coalesce(m.c, m.b, m.a)", 1),
        ("coalesce(m.c)", None),
        ("type(none)", "null"),
        ("type(true)", "boolean"),
        ("type(1)", "integer"),
        ("type(1.0)", "number"),
        ("type('')", "string"),
        ("type([])", "list"),
        ("type(m)", "map"),
        ("length(none)", 0),
        ("length('été')", 3),
        ("length(m)", 2),
        ("count(l)", 3),
        ("count(none)", 0),
        ("count(rows, \"tag exists and tag == 'a'\")", 2),
        ("count(rows, 'n >= limit')", 2),
        ("any(l, '@ > 2')", True),
        ("any(none, 'true')", False),
        ("all(l, 'item > 0')", True),
        ("all([], 'false')", True),
        ("any(rows, 'any([1, 9], \"@ > n\")')", True),
        ("first(l)", 3),
        ("last(l)", 2),
        ("first(none)", None),
        ("last([])", None),
        ("unique([1, 1.0, '1', true, [1], [1.0], m, m])", [1, "1", True, [1], {"a": 1, "b": None}]),
        ("join(l)", "3,1,2"),
        ("join(['a', none, true], '; ')", "a; ; true"),
        ("join(none)", ""),
        ("range(3)", [0, 1, 2]),
        ("range(2, 5)", [2, 3, 4]),
        ("range(3, 0, -1)", [3, 2, 1]),
        ("range(0)", []),
        ("keys(m)", ["a", "b"]),
        ("values(m)", [1, None]),
        ("sum(l)", 6),
        ("sum(1, none, 2.5)", 3.5),
        ("sum([])", 0),
        ("average(l)", 2.0),
        ("avg(none)", 0),
        ("min(l)", 1),
        ("max(4, 2, 8)", 8),
        ("min([])", None),
        ("max([none])", None),
        ("abs(-4)", 4),
        ("round(2.5)", 3),
        ("round(2.25, 1)", 2.3),
        ("floor(-1.5)", -2),
        ("ceil(-1.5)", -1),
        ("sqrt(9)", 3.0),
        ("sqrt(-1)", None),
        ("pow(2, 10)", 1024.0),
        ("power(2, 0.5) > 1.41", True),
        ("add(1, 2)", 3),
        ("subtract(1, 2)", -1),
        ("multiply(2, 3)", 6),
        ("divide(5, 2)", 2.5),
        ("divide(5, 0)", 0),
        ("modulo(9, 4)", 1),
        ("between(5, 1, 5)", True),
        ("contains(l, 2)", True),
        ("contains(5, 2)", False),
        ("matches(text, '^É')", True),
        ("matches(5, '5')", False),
        ("matches(text, '(')", False),
        ("startsWith(text, 'É')", True),
        ("starts_with(text, 5)", False),
        ("endsWith(text, 'é')", True),
        ("ends_with(none, 'é')", False),
        ("toLowerCase(text)", "été"),
        ("lower('A')", "a"),
        ("toUpperCase('é')", "É"),
        ("upper('a')", "A"),
        ("trim(' a\n')", "a"),
        ("split('a,b')", ["a", "b"]),
        ("split('a--b', '--')", ["a", "b"]),
        ("split('ab', '')", ["a", "b"]),
        ("replace('aba', 'a', 'cc')", "ccbcc"),
        ("concat('n=', 5, none, [1])", "n=5[1]"),
        ("string(1.0)", "1.0"),
        ("string(r)", "reply"),
        ("string(m)", '{"a":1,"b":null}'),
        ("number('42')", 42),
        ("number(' -4.5 ')", -4.5),
        ("number('1e3')", 1000.0),
        ("number(7)", 7),
        ("to_json(m)", '{"a":1,"b":null}'),
        ("to_json(r)", '{"k":1}'),
        ("from_json('{\"a\": [1]}').a[0]", 1),
        ("now()", 1738324800),
        ("date()", "2025-01-31"),
        ("date('2025-01-31')", 1738281600),
        ("date('2025-01-31T01:00:00+01:00')", 1738281600),
        ("date('20250131T000000Z')", 1738281600),
        ("date('1970-01-01T00:00:00.5')", 0.5),
        ("date('soon')", None),
        ("days(1)", 86400),
        ("hours(2)", 7200),
        ("minutes(0.5)", 30.0),
        ("seconds(3)", 3),
    ],
)
def test_a_function_gives_the_same_in_both_modes(text: str, expected: Json) -> None:
    for result in (evaluate(text, scope), evaluate(text, scope, mode="strict")):
        assert result == expected
        assert type(result) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "length(5)",
        "count('x')",
        "count(l, 5)",
        "any(l, none)",
        "first('x')",
        "unique(5)",
        "join(5)",
        "join(l, 5)",
        "range('3')",
        "range(1.0)",
        "range(1, 2, 0)",
        "keys(l)",
        "values(none)",
        "sum(['x'])",
        "sum('x')",
        "max(l, 2)",
        "average([true])",
        "abs('1')",
        "round(none)",
        "round(1.5, 'x')",
        "floor('1')",
        "sqrt('4')",
        "pow(2, 'x')",
        "pow(0, -1)",
        "add(1, none)",
        "upper(5)",
        "trim(none)",
        "split(5)",
        "split('a', 5)",
        "replace('a', 'b', 5)",
        "number('x')",
        "number('')",
        "number(none)",
        "number('1e999')",
        "from_json('{')",
        "from_json('[NaN]')",
        "from_json(5)",
        "date(5)",
        "days('1')",
    ],
)
def test_a_wrong_argument_is_null_in_lenient_and_a_type_error_in_strict_mode(text: str) -> None:
    assert evaluate(text, scope) is None
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, scope, mode="strict")
    assert caught.value.code == "type_error"
    assert caught.value.message.startswith(text.split("(", maxsplit=1)[0] + ": ")


@pytest.mark.parametrize(
    "text",
    [
        "range(3000000)",
        "range(1, 99999999999999999999)",
        "any(range(1999900), 'any([1], \"false\")')",
        "replace(big, 'x', big)",
        "join([big, big, big])",
        "concat(big, big, big)",
        "count(l, endless)",
        "any(range(9), 'slow matches trap')",
    ],
)
def test_too_much_work_is_refused_also_in_lenient_mode(text: str) -> None:
    heavy = {
        "big": "x" * 4_000_000,
        "l": [1],
        "endless": "any(l, endless)",
        "trap": "a" * 1001,
        "slow": "a",
    }
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, heavy)
    assert caught.value.code == "expression_too_complex"


def test_a_predicate_has_the_mode_of_what_it_stands_in() -> None:
    text = "count(rows, \"tag == 'a'\")"
    assert evaluate(text, scope) == 2
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, scope, mode="strict")
    assert caught.value.code == "undefined_reference"


def test_what_no_json_can_hold_is_a_type_error() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("to_json(odd)", {"odd": [object()]}, mode="strict")
    assert caught.value.code == "type_error"


def test_the_wall_clock_is_in_utc_whatever_zone_it_shows() -> None:
    east = Scope(now=lambda: datetime(2025, 2, 1, 1, tzinfo=timezone(timedelta(hours=2))))
    assert evaluate("date()", east) == "2025-01-31"


def test_without_a_clock_there_is_no_now() -> None:
    assert evaluate("now()", {}) is None
    with pytest.raises(ExpressionError):
        evaluate("date()", {}, mode="strict")


def test_the_table_has_every_function_of_the_language_and_no_other() -> None:
    # The table of section 5.5, aliases included.
    words = """
        exists isEmpty is_empty empty default coalesce type
        length count any all first last unique join range keys values
        sum average avg min max abs round floor ceil sqrt pow power
        add subtract multiply divide modulo between
        contains matches startsWith starts_with endsWith ends_with toLowerCase lower toUpperCase
        upper trim split replace concat
        string number to_json from_json now date days hours minutes seconds
    """
    assert set(FUNCTIONS) == set(words.split())
