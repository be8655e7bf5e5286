"""Labels and rankings against scikit-learn."""

import random

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    ndcg_score,
    precision_recall_fscore_support,
)

from pipex_core.jsonvalue import Json, compact
from pipex_core.metrics.contract import Corpus, Scored
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.scoring import corpus_value, score_item
from tests.fakes.metrics import answer, entry_of, score

# scikit-learn warns of suites with one label and of predictions that no reference has; both are meant.
pytestmark = pytest.mark.filterwarnings(
    "ignore:A single label was found", "ignore:y_pred contains classes"
)
labels = ["ant", "bee", "cat", "dog"]
trials = 100  # suites, of 12 pairs on average


def draws(seed: int) -> list[list[tuple[str, str]]]:
    """Suites of pairs (reference, prediction), some with words that are no label."""
    rng = random.Random(seed)
    found = []
    for _ in range(trials):
        known = labels[: rng.randrange(1, 5)]
        said = [*known, "invalid"] if rng.random() < 0.5 else known
        found.append([(rng.choice(known), rng.choice(said)) for _ in range(rng.randrange(1, 25))])
    return found


def corpus(entry: Entry, rows: list[tuple[str, str]]) -> Corpus:
    items = [
        answer(predicted if predicted != "invalid" else "no label", reference)
        for reference, predicted in rows
    ]
    found = corpus_value(entry, [(item, score_item(entry, item)) for item in items])
    assert isinstance(found, Corpus)
    return found


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_f1_equals_scikit_learn(average: str) -> None:
    entry = entry_of({"type": "classification_f1", "average": average, "labels": labels})
    for rows in draws(1):
        truth, said = zip(*rows, strict=True)
        expected = f1_score(truth, said, average=average, zero_division=0)
        assert corpus(entry, rows).value == pytest.approx(expected, abs=1e-9)


def test_the_numbers_of_each_class_equal_scikit_learn() -> None:
    entry = entry_of({"type": "classification_f1", "labels": labels})
    for rows in draws(2):
        truth, said = zip(*rows, strict=True)
        found = corpus(entry, rows).details["classes"]
        expected = precision_recall_fscore_support(truth, said, labels=list(found), zero_division=0)
        for at, one in enumerate(found.values()):
            numbers = [one["precision"], one["recall"], one["f1"], one["support"]]
            assert numbers == pytest.approx([column[at] for column in expected], abs=1e-9)


def test_binary_f1_equals_scikit_learn() -> None:
    raw: Json = {"type": "classification_f1", "average": "binary", "positive": "bee"}
    rng = random.Random(3)
    for _ in range(trials):
        rows = [
            (rng.choice(labels[:2]), rng.choice(labels[:2])) for _ in range(rng.randrange(1, 20))
        ]
        truth, said = zip(*rows, strict=True)
        expected = (
            f1_score(truth, said, pos_label="bee", zero_division=0, average="binary")
            if ("bee" in {*truth, *said})
            else 0.0
        )
        assert corpus(entry_of(raw), rows).value == pytest.approx(expected, abs=1e-9)


def test_matthews_correlation_equals_scikit_learn() -> None:
    entry = entry_of({"type": "mcc", "labels": labels})
    for rows in draws(4):
        truth, said = zip(*rows, strict=True)
        assert corpus(entry, rows).value == pytest.approx(matthews_corrcoef(truth, said), abs=1e-9)


def test_balanced_accuracy_and_the_matrix_equal_scikit_learn() -> None:
    entry = entry_of({"type": "accuracy", "labels": labels})
    for rows in draws(5):
        truth, said = zip(*rows, strict=True)
        found = corpus(entry, rows)
        expected = balanced_accuracy_score(truth, said)
        assert found.submetrics["balanced_accuracy"] == pytest.approx(expected, abs=1e-9)
        known = found.details["confusion"]
        matrix = confusion_matrix(truth, said, labels=known["labels"])
        assert np.array_equal(matrix, np.array(known["matrix"]))


def test_ndcg_equals_scikit_learn() -> None:
    rng = random.Random(6)
    for _ in range(500):
        n = rng.randrange(2, 15)
        k = rng.randrange(1, n + 1)
        ids = [f"d{at}" for at in range(n)]
        ranking = rng.sample(ids, n)
        relevant = rng.sample(ids, rng.randrange(1, n + 1))
        found = score({"type": "retrieval", "k": k}, compact(ranking), relevant_ids=tuple(relevant))
        assert isinstance(found, Scored)
        truth = [[float(one in relevant) for one in ranking]]
        expected = ndcg_score(truth, [[float(n - at) for at in range(n)]], k=k)
        assert found.value == pytest.approx(expected, abs=1e-9)
