"""Groups of cases that ask nearly the same."""

import random

import pytest

from pipex_core.evals.nearduplicates import (
    Similar,
    jaccard,
    near_duplicates,
    shingles,
    similar_texts,
)
from pipex_core.evals.suite import Case

long_text = "the quick brown fox jumps over the lazy dog near the old mill by the river today again and again"


def test_the_index_is_the_share_of_common_shingles() -> None:
    # abc bcd cde | abc bcd cdf: 2 in common of 4
    assert jaccard(shingles("a b c d e"), shingles("A b, c d f!")) == pytest.approx(0.5)
    assert len(shingles("one two")) == 1
    assert shingles(" ... ") == frozenset()
    assert jaccard(frozenset(), frozenset()) == 1.0
    assert len(shingles("東京の天気")) == 3  # five characters, three in a row


def test_case_and_punctuation_make_no_difference() -> None:
    (group,) = similar_texts(
        ["Where is it, then?", "something else entirely here", "where is it then"]
    )
    assert group.members == (0, 2)
    assert group.similarity == {0: 1.0, 2: 1.0}


def test_the_oldest_case_stays_and_one_without_time_is_the_youngest() -> None:
    cases = [
        Case(id="a", input=long_text),
        Case(id="b", input=f"{long_text} yes", created_at="2025-02-01T00:00:00Z"),
        Case(id="c", input={"q": long_text}),
        Case(id="d", input=f"so {long_text}", created_at="2025-01-01T00:00:00Z"),
        Case(id="z", input="Something that nobody else asks for in this suite"),
    ]
    assert [(one.keep, one.others) for one in near_duplicates(cases)] == [("d", ("a", "b", "c"))]
    assert near_duplicates(cases) == near_duplicates(cases[::-1])


def test_similarity_is_exact() -> None:
    texts = [long_text, f"{long_text} yes"]
    (found,) = near_duplicates([Case(id="a", input=texts[0]), Case(id="b", input=texts[1])])
    assert found == Similar(keep="a", others=("b",), similarity=(jaccard(*map(shingles, texts)),))
    # 20 words make 18 shingles, 21 words one more; "again and again" occurs once
    assert found.similarity[0] == pytest.approx(18 / 19)


def test_a_higher_threshold_finds_less() -> None:
    texts = ["a b c d e f g h i j", "a b c d e f g h i k"]  # 7 of 9
    assert similar_texts(texts) == []
    assert len(similar_texts(texts, threshold=0.7)) == 1
    assert len(similar_texts(["a b c d", "x y z", "a b c d"], threshold=1.0)) == 1
    assert len(similar_texts(["a b c d e f", "a b c x y z"], threshold=0.1)) == 1


@pytest.mark.parametrize("threshold", [0, -1, 1.1])
def test_a_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        similar_texts(["a"], threshold=threshold)


def test_planted_groups_are_found_and_nothing_else() -> None:
    rng = random.Random(7)
    words = [f"w{n}" for n in range(4000)]
    texts: list[str] = []
    planted: list[tuple[int, ...]] = []
    for _ in range(120):
        base = rng.choices(words, k=40)
        variants = [base, [*base, "tail"], ["head", *base], [*base[:-1], "other"]]
        planted.append(tuple(range(len(texts), len(texts) + len(variants))))
        texts += [" ".join(variant) for variant in variants]
    texts += [" ".join(rng.choices(words, k=40)) for _ in range(300)]
    assert [group.members for group in similar_texts(texts)] == planted


def test_many_texts_in_one_band_are_compared_with_their_neighbours() -> None:
    # One template with another number at the end: every pair is similar, so all are one group.
    texts = [f"{long_text} number {n}" for n in range(600)]
    (group,) = similar_texts(texts)
    assert group.members == tuple(range(600))


def test_groups_are_those_that_comparing_every_pair_gives() -> None:
    rng = random.Random(3)
    words = [f"w{n}" for n in range(300)]
    template = rng.choices(words, k=30)
    texts: list[str] = ["... !", "?"]
    for n in range(250):
        own = [word if n % 2 and rng.random() < 0.6 else rng.choice(words) for word in template]
        texts.append(" ".join(own))
        for _ in range(rng.randint(0, 2)):
            own[rng.randrange(30)] = rng.choice(words)
            texts.append(" ".join(own))
    rng.shuffle(texts)
    sets = [shingles(text) for text in texts]
    pairs = [
        (i, j)
        for i in range(len(texts))
        for j in range(i)
        if sets[i] and sets[j] and jaccard(sets[i], sets[j]) >= 0.8
    ]
    assert len(pairs) > 40
    groups = {member: group.members for group in similar_texts(texts) for member in group.members}
    assert all(groups.get(i) == groups.get(j, ()) for i, j in pairs)
    assert set(groups) == {member for pair in pairs for member in pair}
