"""Labels: one answer, and the whole suite; the numbers of the suite are worked out by hand."""

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, Scored
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, code, entry_of, score, value

# reference: prediction, as in a matrix of three classes and something else
pairs = [
    *[("cat", "cat")] * 3,
    ("cat", "dog"),
    *[("dog", "dog")] * 2,
    ("dog", "no idea"),
    ("cow", "cow"),
    ("cow", "cat"),
    ("cow", "cat"),
]


def corpus(raw: Json, rows: list[tuple[str, str]]) -> Corpus:
    entry = entry_of(raw)
    items = [answer(predicted, reference) for reference, predicted in rows]
    found = corpus_value(entry, [(item, score_item(entry, item)) for item in items])
    assert isinstance(found, Corpus), found
    return found


def test_a_label_is_right_or_wrong_with_blanks_around_it() -> None:
    assert value("accuracy", " yes\n", "yes") == 1.0
    assert value("accuracy", "no", "yes") == 0.0
    assert value("accuracy", "Yes", "yes") == 0.0
    assert value({"type": "accuracy", "ignore_case": True}, "Yes", "yes") == 1.0
    assert value("accuracy", "b", "a", "b") == 1.0


def test_an_answer_that_is_no_label_is_wrong_and_marked() -> None:
    raw: Json = {"type": "accuracy", "labels": ["yes", "no"]}
    found = score(raw, "perhaps", "yes")
    assert isinstance(found, Scored)
    assert (found.value, found.label) == (0.0, "invalid")
    assert code(raw, "yes", "perhaps") == "bad_reference"


def test_other_words_stand_for_labels() -> None:
    raw: Json = {
        "type": "accuracy",
        "labels": ["positive", "negative"],
        "aliases": {"Pos": "positive", "1": "positive"},
        "ignore_case": True,
    }
    assert [value(raw, word, "positive") for word in ("POS", "1", "Positive", "0")] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["a", "a"]}, "differ"),
        ({"labels": ["a"], "aliases": {"b": "c"}}, "no label"),
        ({"aliases": {"b": 3}}, "no label"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(options: dict[str, Json], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        entry_of({"type": "accuracy", **options})


def test_accuracy_of_a_suite_has_its_balanced_form_and_the_matrix() -> None:
    found = corpus("accuracy", pairs)
    assert found.value == pytest.approx(6 / 10)
    # recalls: cat 3/4, cow 1/3, dog 2/3
    assert found.submetrics["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 3 + 2 / 3) / 3)
    assert found.details["confusion"] == {
        "labels": ["cat", "cow", "dog", "invalid"],
        "matrix": [[3, 0, 1, 0], [2, 1, 0, 0], [0, 0, 2, 1], [0, 0, 0, 0]],
    }


def test_macro_f1_has_a_class_for_what_is_no_label() -> None:
    found = corpus("classification_f1", pairs)
    f1 = {"cat": 2 * 3 / (5 + 4), "cow": 2 * 1 / (1 + 3), "dog": 2 * 2 / (3 + 3), "invalid": 0.0}
    assert found.value == pytest.approx(sum(f1.values()) / 4)
    assert found.submetrics["f1[cow]"] == pytest.approx(f1["cow"])
    assert found.submetrics["precision[cat]"] == pytest.approx(3 / 5)
    assert found.details["classes"]["dog"] == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
        "support": 3,
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"average": "micro"}, 6 / 10),
        ({"average": "weighted"}, (4 * 2 / 3 + 3 * 0.5 + 3 * 2 / 3) / 10),
        ({"average": "binary", "positive": "cow"}, 0.5),
        ({"average": "binary", "positive": "bat"}, 0.0),
    ],
)
def test_f1_is_averaged_as_asked(options: dict[str, Json], expected: float) -> None:
    found = corpus({"type": "classification_f1", **options}, pairs)
    assert found.value == pytest.approx(expected)


@pytest.mark.parametrize(
    "options",
    [
        {"average": "binary"},
        {"positive": "cat"},
        {"average": "binary", "positive": "cat", "labels": ["dog"]},
    ],
)
def test_the_positive_label_belongs_to_the_binary_average(options: dict[str, Json]) -> None:
    with pytest.raises(SpecError, match="positive"):
        entry_of({"type": "classification_f1", **options})


def test_matthews_correlation_by_its_formula_for_two_classes() -> None:
    rows = [*[("p", "p")] * 6, ("p", "n"), ("p", "n"), *[("n", "n")] * 3, ("n", "p")]
    # tp 6, fn 2, tn 3, fp 1
    expected = (6 * 3 - 1 * 2) / ((7 * 8 * 4 * 5) ** 0.5)
    assert corpus("matthews", rows).value == pytest.approx(expected)
    assert value("mcc", "p", "p") == 1.0
    assert value("mcc", "n", "p") == -1.0


def test_matthews_correlation_is_0_where_nothing_varies() -> None:
    assert corpus("mcc", [("p", "p"), ("p", "n")]).value == 0.0


@pytest.mark.parametrize("name", ["accuracy", "classification_f1", "mcc"])
def test_a_suite_without_a_score_has_no_value(name: str) -> None:
    assert corpus_value(entry_of(name), []) is None


def test_a_label_may_be_called_invalid_itself() -> None:
    found = corpus("accuracy", [("invalid", "invalid"), ("invalid", "?"), ("valid", "?")])
    assert found.value == pytest.approx(1 / 3)
    assert found.details["confusion"] == {
        "labels": ["invalid", "valid", "(invalid)"],
        "matrix": [[1, 0, 1], [0, 0, 1], [0, 0, 0]],
    }
