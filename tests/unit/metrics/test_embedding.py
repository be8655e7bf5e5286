"""Similarity of vectors: of a model's, with one that counts letters, and of hashed characters."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest

from pipex_core.errors import ConfigError, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Scored
from pipex_core.metrics.embedding import EmbeddingSimilarity, Vectors, batch_size, cosine
from tests.fakes.metrics import answer, entry_of, score, value
from tests.fakes.vectors import letter_counts

counting: Json = {
    "type": "embedding_similarity",
    "backend": "python",
    "model": "tests.fakes.vectors:letter_counts",
}


class Letters:
    """An embedder that counts letters and remembers its batches."""

    name = "letters"
    fingerprint = "f"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.batches.append(list(texts))
        return letter_counts(texts)


class Signed(Letters):
    """Vectors that may point away from one another."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[-1.0, 0.5] if text.startswith("-") else [1.0, 0.0] for text in texts]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("ab", "ba", 1.0),
        ("a", "b", 0.0),
        ("a", "ab", 1 / math.sqrt(2)),
        ("", " ", 1.0),
        ("a", "", 0.0),
    ],
)
def test_the_value_is_the_cosine(left: str, right: str, expected: float) -> None:
    assert value(counting, left, right) == pytest.approx(expected)


def test_a_negative_cosine_is_0_unless_it_is_asked_for() -> None:
    item = MetricInput(output="x", references=("-x",))
    plain = EmbeddingSimilarity(embedder=Signed()).score(item)
    assert plain == Scored(value=0.0)
    raw = EmbeddingSimilarity(embedder=Signed(), raw=True)
    assert raw.info.range == (-1.0, 1.0)
    found = raw.score(item)
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(-1 / math.sqrt(1.25))


def test_the_nearest_reference_counts() -> None:
    found = score(counting, "abc", "xyz", "abc")
    assert isinstance(found, Scored)
    assert found.details == {"reference_index": 1}


def test_identical_texts_are_encoded_once_and_many_together() -> None:
    embedder = Letters()
    metric = EmbeddingSimilarity(embedder=embedder)
    items = [answer(f"text {n % 50}", "the reference") for n in range(200)]
    metric.prepare(items)
    assert [len(batch) for batch in embedder.batches] == [51]
    for item in items:
        metric.score(item)
    assert len(embedder.batches) == 1


def test_texts_go_in_batches() -> None:
    embedder = Letters()
    Vectors(embedder).load(str(n) for n in range(2 * batch_size + 1))
    assert [len(batch) for batch in embedder.batches] == [batch_size, batch_size, 1]
    assert batch_size >= 32


def test_old_vectors_are_forgotten_and_made_again() -> None:
    embedder = Letters()
    vectors = Vectors(embedder, most=4)
    vectors.load("abcde")
    vectors.load("e")
    assert list(vectors["a"]) == letter_counts(["a"])[0]
    assert embedder.batches[-1] == ["a"]


def test_the_model_is_part_of_what_is_measured() -> None:
    one = entry_of(counting)
    assert one.info.identity["embedder"] == "tests.fakes.vectors:letter_counts"
    other = EmbeddingSimilarity(embedder=Letters())
    assert other.info.identity == {"embedder": "letters", "weights": "f"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"backend": "python", "model": "tests.fakes.vectors:nothing"}, "nothing"),
        ({"backend": "python", "model": "nothing"}, "module:function"),
        ({"backend": "python", "model": "no_such_module:f"}, "no_such_module"),
        ({"model": "a-model-that-nobody-has"}, "nothing is downloaded"),
    ],
)
def test_a_model_that_is_not_there_ends_before_anything_begins(
    options: dict[str, Json], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        entry_of({"type": "embedding_similarity", **options})
    assert caught.value.code == "dependency_missing"
    assert "pipex[embeddings]" in caught.value.next_step


def test_vectors_without_length_are_like_nothing() -> None:
    assert cosine([0.0, 0.0], [1.0, 0.0]) == 0.0


def of_ngrams(text: str, lengths: range) -> Counter[str]:
    padded = f" {text} "
    return Counter(padded[at : at + n] for n in lengths for at in range(len(padded) - n + 1))


@pytest.mark.parametrize(
    ("left", "right"),
    [("hello world", "hello word"), ("naïve", "naive"), ("ab", "abc"), ("x", "y")],
)
def test_hashed_similarity_is_the_cosine_of_counts_of_ngrams(left: str, right: str) -> None:
    # 2^40 buckets: two different n-grams of these few never meet
    one, other = of_ngrams(left, range(3, 6)), of_ngrams(right, range(3, 6))
    dot = sum(count * other[gram] for gram, count in one.items())
    expected = dot / math.sqrt(
        sum(c * c for c in one.values()) * sum(c * c for c in other.values())
    )
    assert value({"type": "hashed_similarity", "bits": 40}, left, right) == pytest.approx(expected)


def test_hashed_similarity_needs_no_model_and_knows_the_ends() -> None:
    assert value("hashed_similarity", "", "") == 1.0
    assert value("hashed_similarity", "", "x") == 0.0
    assert value("hashed_similarity", "猫", "猫") == 1.0
    assert value({"type": "hashed_similarity", "n": 9}, "ab", "ab") == 1.0
    assert value("hashed_similarity", "cat", "dog") == 0.0
    assert value({"type": "hashed_similarity", "bits": 1}, "cat", "dog") > 0.5


def test_there_are_not_more_buckets_than_hashes() -> None:
    with pytest.raises(SpecError, match="bits"):
        entry_of({"type": "hashed_similarity", "bits": 65})
