"""What holds for every expression, template, transform and JSON value."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings, strategies as st

from pipex_core.errors import ExpressionError, PipexError
from pipex_core.expressions.evaluate import Mode, evaluate
from pipex_core.expressions.paths import get, put
from pipex_core.expressions.reading import read_condition, read_expression
from pipex_core.expressions.template import read_template, render, template_parts
from pipex_core.expressions.transform import transform
from pipex_core.expressions.values import to_text, truth
from pipex_core.jsonvalue import Json, canonical, compact, equal, identity, parse

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
scope: dict[str, Json] = {
    "steps": {"a": {"score": 9, "items": [1, "x", None], "deep": {"x": {"y": 4}}}},
    "vars": {"n": 4, "s": "text", "none": None, "rows": [{"k": "v", "n": 1}, {"n": 2.5}]},
    "inputs": {"k": True},
}

words = st.sampled_from(
    [
        *("a", "a.score", "n", "s", "none", "rows", "zz", "@", "item", "steps", "inputs.k"),
        *("'x'", '"n > 1"', "'k'", "'('", "1", "0", "2.5", "1e300", "true", "null", "[1, 'x']"),
    ]
)
operators = st.sampled_from(
    [
        *(
            " + ",
            " - ",
            " * ",
            " / ",
            " % ",
            " == ",
            " != ",
            " < ",
            " >= ",
            " and ",
            " or ",
            " in ",
        ),
        *(" contains ", " matches ", " starts_with ", " not in ", " ? ", " : ", " between "),
    ]
)
calls = st.sampled_from(
    [
        *("length", "count", "any", "sum", "min", "round", "sqrt", "pow", "join", "split", "range"),
        *(
            "upper",
            "string",
            "number",
            "to_json",
            "from_json",
            "date",
            "unique",
            "default",
            "concat",
        ),
    ]
)
expressions = st.recursive(
    words,
    lambda inner: st.one_of(
        st.tuples(inner, operators, inner).map("".join),
        st.tuples(calls, st.lists(inner, max_size=3)).map(lambda c: f"{c[0]}({', '.join(c[1])})"),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"-{text}"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
        inner.map(lambda text: f"{text} exists"),
        inner.map(lambda text: f"{text} | abs"),
    ),
    max_leaves=8,
)
signs = st.text(alphabet="ab.01 \"'\\{}()[]|&!?:,<>=+-*/%@#\nénot in exists", max_size=30)
modes: st.SearchStrategy[Mode] = st.sampled_from(["strict", "lenient"])


def tried(call: Callable[..., Json], *arguments: Json, **options: Any) -> Json | PipexError:
    """The result, or the error as a value; an error of any other kind is let through."""
    try:
        return call(*arguments, **options)
    except PipexError as exc:
        return exc


def is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


@given(text=expressions | signs, mode=modes)
@settings(max_examples=400)
def test_an_expression_gives_a_json_value_or_an_expression_error(text: str, mode: Mode) -> None:
    before = copy.deepcopy(scope)
    result = tried(evaluate, text, scope, mode=mode)
    assert scope == before
    if isinstance(result, PipexError):
        assert isinstance(result, ExpressionError)
        assert 0 <= result.position <= len(text)
        assert mode == "strict" or result.code not in {"undefined_reference", "type_error"}
    else:
        assert is_json(result)


@given(text=expressions | signs)
def test_what_reads_without_an_error_evaluates_in_lenient_mode(text: str) -> None:
    wrong = [found.code for found in read_expression(text).findings if found.severity == "error"]
    result = tried(evaluate, text, scope)
    if wrong:
        assert isinstance(result, ExpressionError)
        assert result.code == wrong[0]
    elif isinstance(result, PipexError):
        # Only a predicate or a pattern that is itself computed can still be wrong.
        assert result.code == "expression_syntax"


@given(
    template=st.recursive(
        st.lists(signs | expressions.map(lambda text: f"{{{{ {text} }}}}"), max_size=3).map(
            "".join
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
    mode=modes,
)
@settings(max_examples=300)
def test_a_template_gives_a_json_value_or_an_expression_error(template: Json, mode: Mode) -> None:
    before = copy.deepcopy(template)
    result = tried(render, template, scope, mode=mode)
    assert isinstance(result, ExpressionError) or is_json(result)
    assert template == before
    wrong = [found for found in read_template(template).findings if found.severity == "error"]
    assert isinstance(result, ExpressionError) or not wrong


@given(condition=values)
def test_any_value_is_a_condition_or_a_bad_one(condition: Json) -> None:
    wrong = [found.code for found in read_condition(condition).findings]
    result = tried(evaluate, condition, scope)
    assert isinstance(result, ExpressionError) == bool(wrong)
    assert not wrong or result.code == wrong[0]


@given(text=st.text(alphabet=st.characters(exclude_characters="{")))
def test_a_text_without_braces_stays_as_it_is(text: str) -> None:
    assert render(text, {}) == text
    assert "".join(str(part) for part in template_parts(text)) == text


@given(value=values)
def test_a_value_passes_through_a_template_unchanged(value: Json) -> None:
    assert render("{{ value }}", {"value": value}) == value
    assert render("<{{ value }}>", {"value": value}) == f"<{to_text(value)}>"
    assert evaluate("value", {"value": value}) == value
    assert evaluate("not not value", {"value": value}) is truth(value)


@given(left=values, right=values)
def test_equality_identity_and_canonical_text_agree(left: Json, right: Json) -> None:
    assert equal(left, left)
    assert equal(left, right) == equal(right, left) == (identity(left) == identity(right))
    assert equal(left, right) == evaluate("l == r", {"l": left, "r": right})
    if canonical(left) == canonical(right):
        assert equal(left, right)


@given(value=values)
def test_canonical_and_compact_text_are_json_of_the_same_value(value: Json) -> None:
    assert equal(parse(compact(value)), value)
    read_back = parse(canonical(value))
    assert canonical(read_back) == canonical(value)
    assert parse(json.dumps(read_back)) == read_back


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_canonical_number_is_the_same_double(number: float) -> None:
    assert float(canonical(number)) == number
    assert canonical([number]) == f"[{canonical(number)}]"


items = st.lists(
    st.fixed_dictionaries(
        {"k": st.none() | st.sampled_from("abc"), "n": st.none() | st.integers(-9, 9)}
    )
)
condition = "n >= 0 and k != 'b'"


@given(left=items, right=items)
def test_filter_and_map_do_not_depend_on_the_other_items(left: Json, right: Json) -> None:
    operations = [
        {"operation": "filter", "condition": condition},
        {"operation": "map", "expression": "[k, n]"},
    ]
    whole = transform(left + right, operations, {})
    assert whole == transform(left, operations, {}) + transform(right, operations, {})
    assert whole == [
        [i["k"], i["n"]]
        for i in left + right
        if (i["n"] or 0) >= 0 and i["n"] is not None and i["k"] != "b"
    ]


@given(rows=items)
def test_sorting_is_stable_and_aggregates_agree_with_their_groups(rows: Json) -> None:
    ranked = transform(rows, [{"operation": "sort", "by": "n"}], {})
    assert ranked == sorted(rows, key=lambda row: math.inf if row["n"] is None else row["n"])
    counts = transform(
        rows, [{"operation": "aggregate", "field": "n", "function": "count", "group_by": "k"}], {}
    )
    assert sum(counts.values()) == sum(row["n"] is not None for row in rows)
    total = transform(rows, [{"operation": "aggregate", "field": "n"}], {})
    assert total == sum(row["n"] or 0 for row in rows)


operations = st.lists(
    st.sampled_from(
        [
            {"operation": "filter", "condition": "value", "field": "n"},
            {"operation": "map", "expression": "@", "into": "copy"},
            {"operation": "map", "mapping": {"a": 1}, "field": "k"},
            {"operation": "map", "fields": {"k": "k | default(@)", "n": "1"}},
            {"operation": "aggregate", "field": "n", "function": "max"},
            {"operation": "join", "right_source": "rows", "join_key": "k"},
            {"operation": "group_by", "field": "k"},
            {"operation": "sort", "field": "n", "order": "desc"},
            {"operation": "limit", "count": 2},
            {"operation": "select", "fields": ["k"]},
            {"operation": "unique", "field": "k"},
            {"operation": "flatten", "field": "n"},
            {"operation": "flatten"},
        ]
    ),
    max_size=4,
)


@given(data=st.lists(values, max_size=4) | values, steps=operations)
def test_a_transform_gives_a_json_value_or_an_error_and_changes_nothing(
    data: Json, steps: Json
) -> None:
    before = copy.deepcopy((data, steps, scope))
    result = tried(transform, data, steps, scope)
    assert (data, steps, scope) == before
    if isinstance(result, PipexError):
        assert result.code in {"type_error", "undefined_reference"}
    else:
        assert is_json(result)


@given(value=st.dictionaries(st.text(max_size=3), values, max_size=3), new=values)
def test_what_was_put_at_a_path_is_found_there(value: Json, new: Json) -> None:
    for path in ("fresh", "fresh.deep.er", "fresh[0]"):
        changed = put({k: v for k, v in value.items() if k != "fresh"}, path, new)
        assert get(changed, path) == new
        assert {k: v for k, v in changed.items() if k != "fresh"} == {
            k: v for k, v in value.items() if k != "fresh"
        }
