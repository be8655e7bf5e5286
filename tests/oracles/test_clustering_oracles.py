"""Term vectors and silhouettes against scikit-learn."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import silhouette_score

from pipex_core.evals.kmeans import kmeans, silhouette
from pipex_core.evals.termvectors import term_vectors

texts = [
    "the cat sat on the mat",
    "a cat and another cat",
    "dogs bark at the mat",
    "nothing in common here",
    "the the the cat",
    "",
]


def test_term_vectors_agree_with_scikit_learn() -> None:
    reference = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+")  # noqa: S106 - words, no secret
    expected = reference.fit_transform(texts).toarray()
    found = term_vectors(texts)
    assert list(found.terms) == list(reference.get_feature_names_out())
    assert found.times(np.eye(len(found.terms))) == pytest.approx(expected, abs=1e-12)
    assert found.transposed_times(np.eye(len(texts))) == pytest.approx(expected.T, abs=1e-12)


@pytest.mark.parametrize("k", [2, 3, 7])
def test_silhouettes_agree_with_scikit_learn(k: int) -> None:
    points = np.random.default_rng(4).normal(size=(60, 5))
    labels = kmeans(points, k, seed=1).labels
    expected = silhouette_score(points, labels)
    assert silhouette(points, labels, seed=0) == pytest.approx(expected, abs=1e-12)


def test_a_silhouette_of_many_points_is_near_that_of_all() -> None:
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(size=(1200, 2)), rng.normal(loc=6, size=(1200, 2))])
    labels = np.repeat([0, 1], 1200)
    expected = silhouette_score(points, labels)
    assert silhouette(points, labels, seed=0) == pytest.approx(expected, abs=0.02)
