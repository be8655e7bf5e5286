"""Perplexity: the trigram model worked out by hand, and probabilities that somebody reports."""

import math

import pytest

from pipex_core.errors import ConfigError, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Corpus, MetricInput, Scored, Unscored
from pipex_core.metrics.perplexity import Perplexity, Trigrams
from pipex_core.metrics.scoring import corpus_value, passed, score_item
from tests.fakes.metrics import answer, code, entry_of, score, value

# Two texts: "a b" and "a c". With the end of a text the words are a b </s> a c </s>; with <unk> the
# vocabulary has five, so that a unigram has (count + 0.1) / (6 + 0.5).
texts = ["a b", "a c"]
unigram = {"a": 2.1 / 6.5, "b": 1.1 / 6.5, "c": 1.1 / 6.5, "</s>": 2.1 / 6.5, "<unk>": 0.1 / 6.5}


def test_every_context_gives_a_proper_distribution() -> None:
    model = Trigrams(texts)
    for context in (("<s>", "<s>"), ("<s>", "a"), ("a", "b"), ("x", "a"), ("x", "y")):
        total = sum(model.probability(word, context) for word in unigram)
        assert total == pytest.approx(1.0), context


@pytest.mark.parametrize(
    ("word", "context", "expected"),
    [
        ("a", ("<s>", "<s>"), 0.6 * 1 + 0.3 * 1 + 0.1 * unigram["a"]),
        ("b", ("<s>", "a"), 0.6 / 2 + 0.3 / 2 + 0.1 * unigram["b"]),
        ("<unk>", ("<s>", "a"), 0.1 * unigram["<unk>"]),
        # the pair never occurred: its weight goes to the single word
        ("b", ("x", "a"), 0.9 / 2 + 0.1 * unigram["b"]),
        # nor did the word: all weight goes to the unigram
        ("b", ("x", "y"), unigram["b"]),
    ],
)
def test_the_weights_are_those_of_jelinek_and_mercer(
    word: str, context: tuple[str, str], expected: float
) -> None:
    assert Trigrams(texts).probability(word, context) == pytest.approx(expected)


def test_perplexity_of_a_text_by_hand() -> None:
    first = 0.9 + 0.1 * unigram["a"]
    second = 0.45 + 0.1 * unigram["b"]
    third = 0.9 + 0.1 * unigram["</s>"]
    raw: Json = {"type": "perplexity", "corpus": texts}
    nats = -math.log(first * second * third)
    assert value(raw, "A b") == pytest.approx(math.exp(nats / 3))
    assert value({**raw, "base": "word"}, "A b") == pytest.approx(math.exp(nats / 2))
    # three bytes of text
    assert value({**raw, "base": "byte"}, "A b") == pytest.approx(math.exp(nats / 3))


def test_a_lower_perplexity_is_better() -> None:
    entry = entry_of({"type": "perplexity", "corpus": texts, "threshold": 5})
    near, far = (score_item(entry, answer(text)) for text in ("a b", "q r s t u v"))
    assert passed(entry, near) is True
    assert passed(entry, far) is False


def test_over_a_suite_all_tokens_are_pooled() -> None:
    entry = entry_of({"type": "perplexity", "corpus": texts})
    items = [answer("a b"), answer("z z z z")]
    scores = [score_item(entry, item) for item in items]
    found = corpus_value(entry, list(zip(items, scores, strict=True)))
    nats = [
        math.log(one.value) * n
        for one, n in zip(scores, (3, 5), strict=True)
        if isinstance(one, Scored)
    ]
    assert isinstance(found, Corpus)
    assert found.value == pytest.approx(math.exp(sum(nats) / 8))
    assert found.submetrics["mean"] == pytest.approx(
        sum(one.value for one in scores if isinstance(one, Scored)) / 2
    )
    assert corpus_value(entry, []) is None


def test_an_empty_answer_has_no_perplexity() -> None:
    assert code({"type": "perplexity", "corpus": texts}, " ") == "not_applicable"


def test_probabilities_of_the_reply_are_taken_as_they_are() -> None:
    raw: Json = {"type": "perplexity", "backend": "logprobs"}
    found = score(raw, "a b", logprobs=(math.log(0.5), math.log(0.125)))
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(4.0)
    assert code(raw, "a b") == "missing_input"
    assert code(raw, "a b", logprobs=()) == "not_applicable"


@pytest.mark.parametrize(
    "options",
    [{}, {"corpus": []}, {"backend": "transformers"}, {"backend": "transformers", "model": "no"}],
)
def test_without_a_scorer_nothing_begins(options: dict[str, Json]) -> None:
    with pytest.raises(ConfigError) as caught:
        entry_of({"type": "perplexity", **options})
    assert caught.value.code == "dependency_missing"


def test_a_model_belongs_to_its_backend() -> None:
    with pytest.raises(SpecError, match="transformers"):
        entry_of({"type": "perplexity", "corpus": "x", "model": "folder"})
    with pytest.raises(ValueError, match="somebody to read"):
        Perplexity(file="x.txt")


class Even:
    """A scorer to which every letter is as likely as the toss of a coin."""

    fingerprint: Json = "even"

    def logprobs(self, text: str) -> list[float]:
        return [math.log(0.5)] * sum(letter.isalpha() for letter in text)


def test_any_scorer_may_give_the_probabilities() -> None:
    metric = Perplexity(backend="transformers", model="x", scorer=Even())
    assert metric.info.identity == "even"
    found = metric.score(MetricInput(output="abc"))
    assert isinstance(found, Scored)
    assert found.value == pytest.approx(2.0)
    assert isinstance(metric.score(MetricInput(output="12")), Unscored)


def test_other_texts_are_another_ruler() -> None:
    one, other = (entry_of({"type": "perplexity", "corpus": text}) for text in ("a b", "a c"))
    assert one.info.identity != other.info.identity


def test_a_text_without_words_has_no_tokens() -> None:
    assert Trigrams(texts).logprobs(" ") == []
