"""Cases that ask the same: the oldest stays, known and frozen ones in any case."""

import random

import pytest

from pipex_core.evals.deduplication import distinct, distinct_suite
from pipex_core.evals.nearduplicates import Similar
from pipex_core.evals.suite import Case, Suite

long = "please tell me how I can change the address of my order before it leaves the house"


def similar(keep: str, *others: str) -> Similar:
    return Similar(keep=keep, others=others, similarity=(1.0,) * len(others))


def test_of_equal_inputs_the_oldest_stays() -> None:
    cases = [
        Case(id="c", input="same", created_at="2020-01-01T00:00:00Z"),
        Case(id="a", input="same", expected_output="other reference"),
        Case(id="b", input="same", created_at="2021-01-01T00:00:00Z"),
        Case(id="d", input="!?"),
        Case(id="e", input="!?"),
    ]
    found = distinct(cases, threshold=None)
    assert [case.id for case in found.cases] == ["c", "d"]
    assert found.exact == (similar("c", "a", "b"), similar("d", "e"))
    assert found.removed == {"a", "b", "e"}


def test_of_nearly_equal_inputs_the_oldest_stays_and_says_how_near_they_are() -> None:
    cases = [Case(id=name, input=f"{long} {name}") for name in "xyz"] + [Case(id="q", input="no")]
    found = distinct(cases, threshold=0.8)
    assert [case.id for case in found.cases] == ["q", "x"]
    (group,) = found.near
    assert (group.keep, group.others) == ("x", ("y", "z"))
    # 16 shingles each, 15 of them the same: 15 of 17.
    assert group.similarity == pytest.approx((15 / 17, 15 / 17))


def test_known_cases_stay_whatever_they_are_like() -> None:
    known = [Case(id="k1", input=f"{long} a"), Case(id="k2", input=f"{long} b")]
    found = distinct([Case(id="a", input=f"{long} c")], known=known, threshold=0.8)
    assert found.cases == ()
    assert found.removed == {"a"}
    assert distinct([], known=known, threshold=0.8).near == ()


def test_two_questions_about_one_text_are_no_duplicates() -> None:
    text = f"{long} again"
    apart = [Case(id="a", input=text, context="one"), Case(id="b", input=text, context="two")]
    assert len(distinct(apart, threshold=0.8).cases) == 2
    chosen = [Case(id="a", input=text, choices=("x",)), Case(id="b", input=text, choices=("y",))]
    assert len(distinct(chosen, threshold=0.8).cases) == 2
    near = [
        Case(id="a", input=text, context="one"),
        Case(id="b", input=f"{text} please", context="one"),
    ]
    assert len(distinct(near, threshold=0.8).cases) == 1


def test_a_frozen_case_stays() -> None:
    suite = Suite(
        id="s",
        cases=(
            Case(id="a", input="same"),
            Case(id="b", input="same", status="frozen"),
            Case(id="c", input="same", status="frozen"),
        ),
    )
    assert distinct_suite(suite, threshold=0.8).removed == {"a"}


def test_planted_groups_are_found_and_nothing_else() -> None:
    rng = random.Random(5)
    words = [f"w{i}" for i in range(400)]
    cases, planted = [], set()
    for number in range(300):
        text = rng.choices(words, k=40)
        copies = rng.choice((1, 1, 1, 2, 4))
        for copy in range(copies):
            changed = list(text)
            changed[-1 - copy % 2] = f"v{copy}"
            cases.append(Case(id=f"{number:03}-{copy}", input=" ".join(changed)))
            planted |= {f"{number:03}-{copy}"} if copy else set()
    rng.shuffle(cases)
    removed = distinct(cases, threshold=0.8).removed
    assert len(planted) > 100
    assert len(removed & planted) / len(removed) >= 0.95
    assert len(removed & planted) / len(planted) >= 0.95


def test_a_threshold_is_a_share() -> None:
    with pytest.raises(ValueError, match="above 0"):
        distinct([Case(id="a", input="x"), Case(id="b", input="y")], threshold=0.0)
