"""Word and character metrics against the SQuAD script's definitions and against rapidfuzz."""

import collections
import random
import re
import string

import pytest
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import score, value

words = [
    "The",
    "the",
    "A",
    "an",
    "Theatre",
    "cat,",
    "cats;",
    "(mat)",
    "don't",
    "«mat»",
    "3.5",
    "$5",
    "U.S.",
    "naïve",
    "—",
    "猫",
    "x-ray",
    "_",
    "end!",
]


def pairs(count: int) -> list[tuple[str, str]]:
    rng = random.Random(1_234)
    return [
        (
            " ".join(rng.choices(words, k=rng.randrange(1, 12))),
            " ".join(rng.choices(words, k=rng.randrange(1, 8))),
        )
        for _ in range(count)
    ]


# The published script, evaluate-v2.0.py of https://rajpurkar.github.io/SQuAD-explorer/ (whose
# normalisation is that of v1.1), as it stands there.
def normalize_answer(s: str) -> str:
    def remove_articles(text: str) -> str:
        regex = re.compile(r"\b(a|an|the)\b", re.UNICODE)
        return re.sub(regex, " ", text)

    def white_space_fix(text: str) -> str:
        return " ".join(text.split())

    def remove_punc(text: str) -> str:
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def compute_f1(a_gold: str, a_pred: str) -> float:
    gold_toks, pred_toks = normalize_answer(a_gold).split(), normalize_answer(a_pred).split()
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(pred_toks)
    recall = 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def test_f1_and_exact_match_are_those_of_the_squad_script() -> None:
    for output, reference in pairs(1_000):
        assert value("token_f1", output, reference) == compute_f1(reference, output)
        same = normalize_answer(output) == normalize_answer(reference)
        assert value("normalized_match", output, reference) == float(same)


def test_some_of_the_pairs_are_worth_comparing() -> None:
    shares = [compute_f1(reference, output) for output, reference in pairs(1_000)]
    assert len({round(share, 6) for share in shares}) > 20
    assert any(normalize_answer(a) == normalize_answer(b) != "" for a, b in pairs(1_000))


@pytest.mark.parametrize(
    ("variant", "theirs"),
    [
        ("ratio", fuzz.ratio),
        ("partial", fuzz.partial_ratio),
        ("token_sort", fuzz.token_sort_ratio),
        ("token_set", fuzz.token_set_ratio),
    ],
)
def test_fuzzy_match_is_the_ratio_of_rapidfuzz(variant: str, theirs: object) -> None:
    assert callable(theirs)
    raw = {"type": "fuzzy_match", "variant": variant}
    for output, reference in pairs(500):
        expected = theirs(output, reference) / 100
        assert value(raw, output, reference) == pytest.approx(expected, abs=1e-12)


def test_levenshtein_is_that_of_rapidfuzz() -> None:
    for output, reference in pairs(500):
        found = score("levenshtein", output, reference)
        assert isinstance(found, Scored)
        assert found.value == pytest.approx(
            Levenshtein.normalized_similarity(output, reference), abs=1e-12
        )
        assert found.details["distance"] == Levenshtein.distance(output, reference)
