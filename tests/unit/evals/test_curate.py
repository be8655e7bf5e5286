"""Filters, samples, freeze and quarantine."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.curate import (
    accept,
    filter_cases,
    freeze,
    is_unverified,
    largest_remainders,
    quarantine,
    sample,
    strata_of,
    unexplained,
)
from pipex_core.evals.suite import Case, Suite

suite = Suite(
    id="s",
    cases=(
        Case(
            id="a", input={"question": "one"}, metadata={"category": "x", "n": 1}, tags=("t", "u")
        ),
        Case(id="b", input="two", metadata={"category": "y", "deep": {"k": True}}, split="dev"),
        Case(id="c", input="three", metadata={"difficulty": "hard"}, weight=2.0, status="frozen"),
    ),
)


def ids(found: Suite) -> str:
    return "".join(case.id for case in found.cases)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "abc"),
        ({"category": "x"}, "a"),
        ({"category": ["x", "y"]}, "ab"),
        ({"metadata.category": "y"}, "b"),
        ({"difficulty": "hard"}, "c"),
        ({"tags": "u"}, "a"),
        ({"tags": ["u", "v"]}, "a"),
        ({"tags": "v"}, ""),
        ({"metadata.n": 1.0}, "a"),
        ({"metadata.n": True}, ""),
        ({"metadata.deep.k": True}, "b"),
        ({"split": "dev", "category": "y"}, "b"),
        ({"split": "dev", "category": "x"}, ""),
        ({"status": "active"}, "ab"),
        ({"status": "frozen"}, "c"),
        ({"weight": 1}, "ab"),
        ({"input.question": "one"}, "a"),
        ({"cluster_id": "k"}, ""),
    ],
)
def test_a_filter_keeps_the_cases_that_match_all_fields(fields: Any, expected: str) -> None:
    assert ids(filter_cases(suite, fields)) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("metadata.category == 'x'", "a"),
        ("weight > 1 or split == 'dev'", "bc"),
        ("case.status == 'active' and tags contains 't'", "a"),
        ("expected_output not exists", "abc"),
        ("metadata.absent > 3", ""),
    ],
)
def test_a_filter_may_be_an_expression_over_the_case(where: str, expected: str) -> None:
    assert ids(filter_cases(suite, where=where)) == expected


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("metadata.categry", "metadata.category"),
        ("tag", "tags"),
        ("topic", None),
        ("splits.x", None),
    ],
)
def test_an_unknown_field_is_an_error_and_never_matches_all(field: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        filter_cases(suite, {field: "x"})
    assert caught.value.code == "unknown_field"
    assert (f"did you mean {hint!r}" in caught.value.message) == (hint is not None)


def test_an_expression_that_does_not_parse_is_an_error_even_without_cases() -> None:
    with pytest.raises(ExpressionError):
        filter_cases(replace(suite, cases=()), where="a ==")


def many(count: int) -> Suite:
    cases = [Case(id=f"c{i}", input=str(i), split="dev" if i % 4 else "test") for i in range(count)]
    return Suite(id="many", cases=tuple(cases))


def test_a_sample_is_the_first_by_sha256_of_seed_and_id() -> None:
    order = sorted(range(20), key=lambda i: hashlib.sha256(f"7c{i}".encode()).hexdigest())
    found = sample(many(20), 5, seed=7).suite
    assert {case.id for case in found.cases} == {f"c{i}" for i in order[:5]}


def test_samples_of_one_seed_are_nested_and_free_of_file_order() -> None:
    whole = many(200)
    turned = replace(whole, cases=whole.cases[::-1])
    small, large = sample(whole, 50).suite, sample(turned, 100).suite
    assert {case.id for case in small.cases} < {case.id for case in large.cases}
    assert sample(turned, 50).suite.cases == small.cases
    assert sample(whole, 50, seed=1).suite.cases != small.cases


def test_a_stratified_sample_keeps_exact_shares() -> None:
    found = sample(many(100), 20, stratify_by="split").suite
    assert sorted(case.split or "" for case in found.cases) == ["dev"] * 15 + ["test"] * 5


def test_a_sample_of_more_than_there_is_takes_all_and_says_so() -> None:
    found = sample(suite, 5)
    assert (found.suite, [warning.code for warning in found.warnings]) == (
        suite,
        ["sample_too_large"],
    )
    assert sample(suite, 3).warnings == ()


@pytest.mark.parametrize(
    ("n", "by", "code"), [(0, None, "out_of_range"), (2, "topic", "unknown_field")]
)
def test_a_sample_that_cannot_be_drawn_is_an_error(n: int, by: str | None, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sample(suite, n, stratify_by=by)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("sizes", "n", "expected"),
    [
        # The textbook example of the method: votes of six parties for 10 seats.
        (
            {"a": 47_000, "b": 16_000, "c": 15_800, "d": 12_000, "e": 6_100, "f": 3_100},
            10,
            {"a": 5, "b": 2, "c": 1, "d": 1, "e": 1, "f": 0},
        ),
        ({"a": 1, "b": 1, "c": 1}, 1, {"a": 1, "b": 0, "c": 0}),
        ({"b": 1, "a": 1, "c": 1}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"a": 3, "b": 5}, 8, {"a": 3, "b": 5}),
    ],
)
def test_seats_go_by_largest_remainder_and_ties_by_name(
    sizes: dict[str, int], n: int, expected: dict[str, int]
) -> None:
    assert largest_remainders(sizes, n) == expected


def test_freezing_and_thawing_leave_quarantined_cases_alone() -> None:
    held = quarantine(suite, ["a"], reason="the reference is wrong")
    assert [case.status for case in freeze(held).cases] == ["quarantined", "frozen", "frozen"]
    assert [case.status for case in freeze(held, thaw=True).cases] == [
        "quarantined",
        "active",
        "active",
    ]
    assert [case.status for case in freeze(suite, ["a"]).cases] == ["frozen", "active", "frozen"]


def test_a_quarantine_keeps_its_reason() -> None:
    held = quarantine(suite, ["b"], reason="ambiguous").cases[1]
    assert (held.status, held.metadata["quarantine"]) == ("quarantined", "ambiguous")
    assert held.metadata["category"] == "y"


@pytest.mark.parametrize(
    ("wanted", "reason", "code"),
    [(["zzzzz"], "why", "unknown_case"), (["a"], " ", "missing_reason")],
)
def test_a_quarantine_needs_a_case_and_a_reason(wanted: Any, reason: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        quarantine(suite, wanted, reason=reason)
    assert caught.value.code == code


def test_an_unknown_case_is_shown_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'c1'"):
        freeze(many(12), ["c1l"])


def test_an_expression_with_a_name_that_no_case_has_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match="no case has the field 'metdata'; did you mean 'meta"
    ) as caught:
        filter_cases(suite, where="metdata.topic == 'x'")
    assert caught.value.code == "unknown_field"
    with pytest.raises(ConfigError, match="'zzz'; a case has id, name, input"):
        filter_cases(suite, where="id == 'a' or zzz")


def test_category_and_difficulty_are_those_of_the_metadata_in_expressions_too() -> None:
    cases = tuple(
        Case(id=name, input=name, metadata={"category": name, "difficulty": n})
        for n, name in enumerate("ab")
    )
    found = filter_cases(Suite(id="s", cases=cases), where="category == 'b' and difficulty > 0")
    assert ids(found) == "b"


def test_items_of_lists_are_named_freely_in_expressions() -> None:
    cases = (
        Case(id="a", input="x", metadata={"pages": [{"n": 1}, {"n": 3}]}),
        Case(id="b", input="y", metadata={"pages": [{"n": 1}]}),
    )
    found = filter_cases(Suite(id="s", cases=cases), where="any(metadata.pages, 'n > 2')")
    assert ids(found) == "a"


def test_accepting_marks_unverified_references_only() -> None:
    cases = (
        Case(id="a", input="1", source={"reference": "log", "line": 3}),
        Case(id="b", input="2", source={"reference": "synthetic"}),
        Case(id="c", input="3", source={"format": "csv"}),
        Case(id="d", input="4"),
    )
    whole = Suite(id="s", cases=cases)
    assert [is_unverified(case) for case in cases] == [True, True, False, False]
    accepted = accept(whole).cases
    assert [case.source for case in accepted] == [
        {"reference": "accepted", "line": 3}, {"reference": "accepted"}, {"format": "csv"}, None,
    ]  # fmt: skip
    assert [is_unverified(case) for case in accept(whole, ["b", "d"]).cases] == [True, *[False] * 3]
    with pytest.raises(ConfigError) as caught:
        accept(whole, ["z"])
    assert caught.value.code == "unknown_case"


def test_a_quarantine_is_explained_by_a_text() -> None:
    cases = [
        Case(id="a", input="1", status="quarantined"),
        Case(id="b", input="2", status="quarantined", metadata={"quarantine": " "}),
        Case(id="c", input="3", status="quarantined", metadata={"quarantine": "wrong source"}),
        Case(id="d", input="4"),
    ]
    assert [case.id for case in unexplained(Suite(id="s", cases=cases))] == ["a", "b"]


def test_strata_are_the_cases_of_every_value() -> None:
    found = strata_of(many(5), "split")
    assert {name: [case.id for case in cases] for name, cases in found.items()} == {
        "dev": ["c1", "c2", "c3"], "test": ["c0", "c4"],
    }  # fmt: skip
