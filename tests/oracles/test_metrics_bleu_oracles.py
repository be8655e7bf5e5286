"""BLEU, chrF and TER against sacrebleu: sentences, several references, and the corpus."""

import random
from typing import Any

import pytest
import sacrebleu

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, Scored
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, entry_of

words = [
    "The",
    "the",
    "cat,",
    "cat",
    "sat",
    "on",
    "mat.",
    "a",
    "big",
    "(red)",
    "dog's",
    "3.5",
    "U.S.",
    "naïve",
    "—",
    "猫",
    "end!",
]


def sentence(rng: random.Random, longest: int = 20) -> str:
    return " ".join(rng.choices(words, k=rng.randrange(1, longest)))


def pairs(count: int, *, references: int = 1) -> list[tuple[str, list[str]]]:
    rng = random.Random(20)
    made = []
    for _ in range(count):
        output = sentence(rng)
        near = output.split()
        rng.shuffle(near[: len(near) // 2])
        others = [sentence(rng) for _ in range(references - 1)]
        made.append((output, [" ".join(near[rng.randrange(3) :]) or "end", *others]))
    return made


settings: list[tuple[dict[str, Json], dict[str, Any]]] = [
    ({}, {}),
    ({"n_gram": 2}, {"max_ngram_order": 2}),
    ({"n_gram": 6, "lowercase": True}, {"max_ngram_order": 6, "lowercase": True}),
    ({"tokenize": "intl"}, {"tokenize": "intl"}),
    ({"tokenize": "char"}, {"tokenize": "char"}),
    ({"tokenize": "zh"}, {"tokenize": "zh"}),
    ({"tokenize": "none"}, {"tokenize": "none"}),
    ({"smooth_method": "none"}, {"smooth_method": "none"}),
    ({"smooth_method": "floor"}, {"smooth_method": "floor"}),
    (
        {"smooth_method": "floor", "smooth_value": 0.25},
        {"smooth_method": "floor", "smooth_value": 0.25},
    ),
    ({"smooth_method": "add-k"}, {"smooth_method": "add-k"}),
    (
        {"smooth_method": "add-k", "smooth_value": 2},
        {"smooth_method": "add-k", "smooth_value": 2},
    ),
]


@pytest.mark.parametrize(("options", "theirs"), settings)
def test_sentences_and_corpus_equal_sacrebleu(
    options: dict[str, Json], theirs: dict[str, Any]
) -> None:
    entry = entry_of({"type": "bleu", **options})
    by_sentence = sacrebleu.BLEU(**theirs, effective_order=True)
    items = [(answer(output, *references), output, references) for output, references in pairs(500)]
    scored = []
    for item, output, references in items:
        found = score_item(entry, item)
        assert isinstance(found, Scored)
        expected = by_sentence.sentence_score(output, references).score / 100
        assert found.value == pytest.approx(expected, abs=1e-12)
        scored.append((item, found))
    whole = corpus_value(entry, scored)
    assert isinstance(whole, Corpus)
    named = sacrebleu.BLEU(**theirs)
    expected = named.corpus_score(
        [output for _, output, _ in items], [[references[0] for _, _, references in items]]
    )
    assert whole.value == pytest.approx(expected.score / 100, abs=1e-12)
    assert whole.details["signature"] == str(named.get_signature())


def test_several_references_follow_the_rule_of_sacrebleu() -> None:
    entry, theirs = entry_of("bleu"), sacrebleu.BLEU(effective_order=True)
    scored, made = [], pairs(300, references=3)
    for output, references in made:
        item = answer(output, *references)
        found = score_item(entry, item)
        assert isinstance(found, Scored)
        expected = theirs.sentence_score(output, references).score / 100
        assert found.value == pytest.approx(expected, abs=1e-12)
        scored.append((item, found))
    whole = corpus_value(entry, scored)
    assert isinstance(whole, Corpus)
    streams = [[references[at] for _, references in made] for at in range(3)]
    expected = sacrebleu.corpus_bleu([output for output, _ in made], streams).score / 100
    assert whole.value == pytest.approx(expected, abs=1e-12)


others: list[tuple[Json, Any]] = [
    ("chrf", sacrebleu.CHRF()),
    ({"type": "chrf", "word_order": 2}, sacrebleu.CHRF(word_order=2)),
    ({"type": "chrf", "char_order": 4, "beta": 1}, sacrebleu.CHRF(char_order=4, beta=1)),
    ("ter", sacrebleu.TER()),
    (
        {"type": "ter", "normalized": True, "no_punct": True, "case_sensitive": True},
        sacrebleu.TER(normalized=True, no_punct=True, case_sensitive=True),
    ),
]


@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize(("raw", "theirs"), others)
def test_chrf_and_ter_equal_sacrebleu(raw: Json, theirs: Any, references: int) -> None:
    entry = entry_of(raw)
    made = pairs(500 if references == 1 else 100, references=references)
    scored = []
    for output, wanted in made:
        item = answer(output, *wanted)
        found = score_item(entry, item)
        assert isinstance(found, Scored)
        expected = theirs.sentence_score(output, wanted).score / 100
        assert found.value == pytest.approx(expected, abs=1e-12)
        scored.append((item, found))
    whole = corpus_value(entry, scored)
    assert isinstance(whole, Corpus)
    streams = [[wanted[at] for _, wanted in made] for at in range(references)]
    expected = theirs.corpus_score([output for output, _ in made], streams).score / 100
    assert whole.value == pytest.approx(expected, abs=1e-12)
    mean = sum(found.value for _, found in scored) / len(scored)
    assert whole.submetrics["mean"] == pytest.approx(mean, abs=1e-12)
