"""METEOR by hand; tests/oracles holds it against nltk."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Scored
from pipex_core.metrics.meteor import Meteor
from tests.fakes.metrics import code, entry_of, score, value


def test_equal_texts_are_one_piece() -> None:
    # precision and recall 1, one piece of six words: 1 - 0.5 * (1/6)^3
    text = "the cat sat on the mat"
    assert value("meteor", text, text) == pytest.approx(1 - 0.5 / 6**3)


def test_recall_weighs_nine_times_as_much_as_precision() -> None:
    found = score("meteor", "a b c d", "a b")
    assert isinstance(found, Scored)
    mean = 0.5 * 1 / (0.9 * 0.5 + 0.1 * 1)
    assert found.value == pytest.approx(mean * (1 - 0.5 * (1 / 2) ** 3))
    assert found.submetrics == {"precision": 0.5, "recall": 1.0}


def test_words_agree_by_stem_after_they_agreed_exactly() -> None:
    # two pieces: "running" and "dogs bark" in other places
    assert value("meteor", "dogs bark running", "run dog bark") == pytest.approx(
        1 - 0.5 * (2 / 3) ** 3
    )
    raw: Json = {"type": "meteor", "stages": ["exact"]}
    assert value(raw, "dogs", "dog") == 0.0
    assert value({**raw, "stages": ["stem"]}, "dogs", "dog") == 0.5


def test_case_does_not_count_and_signs_are_words() -> None:
    assert value("meteor", "Yes!", "yes !") == pytest.approx(1 - 0.5 / 2**3)


def test_synonyms_agree_last_and_with_the_last_word_that_is_free() -> None:
    def synonyms(word: str) -> list[str]:
        return ["auto", "car"] if word == "vehicl" else []

    metric = Meteor(wordnet_path="x", synonyms=synonyms)
    found = metric.score(MetricInput(output="vehicle", references=("car auto",)))
    assert isinstance(found, Scored)
    assert found.submetrics == {"precision": 1.0, "recall": 0.5}
    without = Meteor().score(MetricInput(output="vehicle", references=("car auto",)))
    assert isinstance(without, Scored)
    assert without.value == 0.0


def test_two_texts_without_words_agree_and_one_alone_does_not() -> None:
    assert value("meteor", "", " ") == 1.0
    assert value("meteor", "x", "") == 0.0
    assert value("meteor", "", "x") == 0.0


def test_the_best_of_the_references_counts() -> None:
    found = score("meteor", "a b", "x y", "a b")
    assert isinstance(found, Scored)
    assert found.details == {"reference_index": 1}


def test_long_texts_are_too_large() -> None:
    assert code("meteor", "a " * 20_001, "a") == "too_large"


@pytest.mark.parametrize("options", [{"stages": []}, {"stages": ["meaning"]}])
def test_stages_are_those_that_exist(options: dict[str, Json]) -> None:
    with pytest.raises(SpecError, match="bad_option"):
        entry_of({"type": "meteor", **options})


def test_a_wordnet_needs_somebody_who_reads_it() -> None:
    with pytest.raises(ValueError, match="somebody to read"):
        Meteor(wordnet_path="x")
