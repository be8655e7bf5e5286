"""METEOR against nltk with a WordNet that knows no word, and one that knows a few."""

import random

import pytest
from nltk.stem.porter import PorterStemmer
from nltk.tokenize import wordpunct_tokenize
from nltk.translate.meteor_score import meteor_score

from pipex_core.metrics.contract import MetricInput, Scored
from pipex_core.metrics.meteor import Meteor
from pipex_core.metrics.stemming import stem
from tests.fakes.metrics import score

words = [
    *("The", "the", "a", "cat", "cats", "running", "runs", "ran", "happily", "happy", "happiness"),
    *("relational", "organization", "naïve", "façades", "Über", "caresses", "ponies", "dying"),
    *("news", "don't", "3.5", "x-ray", "U.S.", "猫", "skies", "troubled", "sky", "the", "of", ","),
]


class Lemma:
    """A word of a meaning."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


class Synset:
    """A meaning with its words."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def lemmas(self) -> list[Lemma]:
        return [Lemma(name) for name in self._names]


class Wordnet:
    """As much of nltk's reader as the metric asks."""

    def __init__(self, meanings: list[list[str]]) -> None:
        self._meanings = meanings

    def synsets(self, word: str) -> list[Synset]:
        return [Synset(names) for names in self._meanings if word in names]


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    return [
        (
            " ".join(rng.choices(words, k=rng.randrange(1, 16))),
            " ".join(rng.choices(words, k=rng.randrange(1, 12))),
        )
        for _ in range(count)
    ]


def test_meteor_equals_nltk_with_an_empty_wordnet() -> None:
    empty = Wordnet([])
    for output, reference in pairs(1_000, seed=1):
        expected = meteor_score(
            [wordpunct_tokenize(reference)], wordpunct_tokenize(output), wordnet=empty
        )
        found = score("meteor", output, reference)
        assert isinstance(found, Scored)
        assert found.value == pytest.approx(expected, abs=1e-9), (output, reference)


def test_the_best_of_several_references_equals_nltk() -> None:
    empty = Wordnet([])
    rows = pairs(500, seed=2)
    for (output, one), (_, other) in zip(rows, rows[1:] + rows[:1], strict=True):
        references = [one, other]
        expected = meteor_score(
            [wordpunct_tokenize(text) for text in references],
            wordpunct_tokenize(output),
            wordnet=empty,
        )
        found = score("meteor", output, *references)
        assert isinstance(found, Scored)
        assert found.value == pytest.approx(expected, abs=1e-9)


def test_synonyms_agree_as_in_nltk() -> None:
    meanings = [["cat", "run", "happi"], ["sky", "news", "naïv"], ["a", "of", "the_thing"]]
    known = Wordnet(meanings)

    def synonyms(word: str) -> set[str]:
        return {name for names in meanings if word in names for name in names if "_" not in name}

    metric = Meteor(wordnet_path="x", synonyms=synonyms)
    for output, reference in pairs(500, seed=3):
        expected = meteor_score(
            [wordpunct_tokenize(reference)], wordpunct_tokenize(output), wordnet=known
        )
        found = metric.score(MetricInput(output=output, references=(reference,)))
        assert isinstance(found, Scored)
        assert found.value == pytest.approx(expected, abs=1e-9), (output, reference)


def test_words_of_other_scripts_have_the_stems_of_nltk() -> None:
    theirs = PorterStemmer()
    letters = "abcdefghijklmnopqrstuvwxyzéüßñ猫"
    rng = random.Random(4)
    suffixes = ["ing", "ed", "ies", "ational", "fulli", "logi", "ness", "y", "ll", "ée", ""]
    for _ in range(3_000):
        word = "".join(rng.choices(letters, k=rng.randrange(1, 8))) + rng.choice(suffixes)
        assert stem(word) == theirs.stem(word), word
