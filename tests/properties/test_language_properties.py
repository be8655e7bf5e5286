"""What holds for every pattern, depth and spelling of the language, and for every split of the data."""

import re
import warnings
from itertools import chain
from random import Random

from hypothesis import assume, given, settings, strategies as st

from pipex_core.errors import ExpressionError, PipexError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.template import render
from pipex_core.expressions.transform import transform
from pipex_core.jsonvalue import Json, equal
from tests.properties.test_expressions import is_json, tried, values

deep: Json = {"a": [[1]], "b": 1}

pieces = st.sampled_from(
    [
        *"ab01(){}[]|*+?.^$\\-,:=!<>#&~é \n",
        *("(?", "(?i)", "(?x)", "(?P<a>", "(?P=a)", "(?<=", "(?!", "(?#", "(?a)", "(?u)", "(?L)"),
        *(r"\d", r"\w", r"\b", r"\1", r"\Z", r"\x41", r"\N{DASH}", r"\p{L}", r"\X", r"\K", "(?R)"),
        *("[[:alpha:]]", "[^]", "{2,3}", "{,5}", "{1000}", "(?:", "(?>", "*+", "(?(1)a|b)"),
        *("{e<=1}", "(?V1)", "--", "||", "&&", "[a--b]", "(*FAIL)", "(?|a|b)", "(?e)"),
    ]
)


def found_by_python(pattern: str, text: str) -> bool:
    """Whether ``re`` finds the pattern; a pattern that is none occurs nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sets, of which the language has no other reading
        try:
            return re.search(pattern, text) is not None
        except (re.error, ValueError, OverflowError):
            return False


@given(
    pattern=st.lists(pieces, max_size=12).map("".join),
    text=st.sampled_from(["aab01", "", "a-[x] {1} é"]),
)
@settings(max_examples=500)
def test_any_pattern_means_what_it_means_to_python(pattern: str, text: str) -> None:
    found = tried(evaluate, "text matches pattern", {"text": text, "pattern": pattern})
    assume(not isinstance(found, PipexError) or found.code != "expression_too_complex")
    assert found is found_by_python(pattern, text)


@given(
    depth=st.integers(1, 800),
    opening=st.sampled_from(
        [
            *("(", "[", "{{ ", "not ", "-", "!", "f(", "a[", "a ? ", "a | ", "1 + (", "'", "@."),
            "a.b ",
        ]
    ),
)
@settings(max_examples=60)
def test_any_depth_gives_a_value_or_a_clean_error(depth: int, opening: str) -> None:
    closing = {"(": ")", "[": "]", "{{ ": "}}", "f(": ")", "a[": "]", "a ? ": ": 1", "1 + (": ")"}
    text = opening * depth + "1" + closing.get(opening, "") * depth
    for given_text in (text, f"{{{{ {text} }}}}"):
        for result in (tried(evaluate, given_text, deep), tried(render, given_text, deep)):
            position = result.position if isinstance(result, ExpressionError) else 0
            assert isinstance(result, ExpressionError) or is_json(result)
            assert 0 <= position <= len(given_text)


@given(
    condition=st.recursive(
        st.sampled_from(["true", "a >", "", None, 1]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["and", "or", "not", "x"]), inner, max_size=2)
        ),
    ),
    depth=st.integers(0, 100),
)
def test_a_structured_condition_of_any_depth_is_a_verdict_or_a_clean_error(
    condition: Json, depth: int
) -> None:
    for _ in range(depth):
        condition = {"not": condition}
    result = tried(evaluate, condition, {})
    code = result.code if isinstance(result, ExpressionError) else None
    assert code in {None, "expression_syntax", "bad_condition", "expression_too_complex"}
    assert code or is_json(result)


# -- data of any size, in any pieces

rows = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.none() | st.sampled_from("abc"),
            "n": st.none() | st.integers(-9, 9) | st.sampled_from([0.5, 2.0]),
        },
        optional={"tags": st.lists(st.integers(0, 2), max_size=3)},
    ),
    max_size=12,
)
row_wise = st.sampled_from(
    [
        {"operation": "filter", "condition": "n > 0 or k == 'a'"},
        {"operation": "filter", "field": "tags", "condition": "value contains 1"},
        {"operation": "map", "expression": "n | default(0)", "into": "m"},
        {"operation": "map", "mapping": {"a": 1, "": 2}, "field": "k"},
        {"operation": "map", "mapping": {"z": 1}},
        {"operation": "map", "fields": {"k": "k", "n": "n", "t": "tags | default([])"}},
        {
            "operation": "join",
            "right_source": [{"k": "a", "r": 1}, {"k": "b", "r": 2}],
            "join_key": "k",
        },
        {"operation": "select", "fields": ["k", "n"]},
        {"operation": "flatten", "field": "tags"},
    ]
)


@given(rows, st.lists(row_wise, max_size=3), st.integers(1, 5))
def test_operations_on_rows_give_the_same_for_any_chunks(
    data: Json, operations: Json, size: int
) -> None:
    whole = tried(transform, data, operations, {})
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    parts: list[Json] = [tried(transform, chunk, operations, {}) for chunk in chunks]
    if any(isinstance(part, PipexError) for part in parts):
        assert isinstance(whole, PipexError)
    else:
        assert equal(whole, list(chain.from_iterable(parts)))


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_keys_inside_rows_means_nothing(data: Json, rng: Random) -> None:
    shuffled = []
    for row in data:
        keys = list(row)
        rng.shuffle(keys)
        shuffled.append({key: row[key] for key in keys})
    for operation in (
        {"operation": "sort", "by": "n", "order": "desc"},
        {"operation": "unique"},
        {"operation": "group_by", "field": "k"},
        {"operation": "unique", "field": "tags"},
    ):
        assert equal(transform(data, [operation], {}), transform(shuffled, [operation], {}))


@given(rows, st.randoms(use_true_random=False))
def test_aggregates_do_not_depend_on_the_order_of_rows(data: Json, rng: Random) -> None:
    mixed = list(data)
    rng.shuffle(mixed)
    for function in ("sum", "average", "count", "count_distinct", "min", "max", "variance"):
        operation = {"operation": "aggregate", "field": "n", "function": function}
        assert equal(transform(data, [operation], {}), transform(mixed, [operation], {}))


@given(rows)
def test_a_sorted_list_is_the_same_however_it_came(data: Json) -> None:
    up = transform(data, [{"operation": "sort", "by": "n"}], {})
    again = transform(up, [{"operation": "sort", "by": "n"}], {})
    assert up == again
    keys = [row["n"] for row in up if row["n"] is not None]
    assert keys == sorted(keys)
    assert [row for row in up if row["n"] is None] == [row for row in data if row["n"] is None]


@given(st.lists(values, max_size=6))
def test_distinct_values_are_those_that_are_equal_to_no_earlier_one(data: Json) -> None:
    distinct = transform(data, [{"operation": "unique"}], {})
    assert distinct == [
        one for at, one in enumerate(data) if not any(equal(one, e) for e in data[:at])
    ]
