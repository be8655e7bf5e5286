"""How surprised a model is by an answer: perplexity under a trigram model, or from reported probabilities."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from pipex_core.jsonvalue import Json, digest
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
)
from pipex_core.metrics.options import normalize_option
from pipex_core.metrics.words import normalized

weights: Final = (0.6, 0.3, 0.1)  # of trigram, bigram and unigram
added: Final = 0.1  # to the count of every word
unknown: Final = "<unk>"
start: Final = "<s>"
end: Final = "</s>"


class Scorer(Protocol):
    """What gives a probability to each token of a text.

    Attributes:
        fingerprint: Identity of the weights, part of the metric's.
    """

    fingerprint: Json

    def logprobs(self, text: str) -> Sequence[float]:
        """Natural logarithm of the probability of each token; empty for a text without tokens."""
        ...


class Perplexity:
    """exp of the mean negative log probability per token; 1 is certainty.

    ``ngram`` asks a trigram model of the words of ``corpus``, whose end of text is a token too;
    ``logprobs`` takes what the target's reply tells. ``base`` divides by tokens of the scorer, by words
    between blanks, or by bytes of UTF-8. The corpus value pools all tokens; the mean of the cases stands
    beside it as ``mean``.

    Args:
        scorer: Of another backend.
    """

    info = MetricInfo(
        name="perplexity",
        summary="perplexity of the answer, 1 is best",
        range=(1.0, math.inf),
        direction="lower",
        needs=frozenset({"output", "scorer"}),
        levels=("case", "corpus"),
        cost_class="pool",
        options={
            "backend": OptionInfo(
                kind="str", default="ngram", choices=("ngram", "logprobs", "transformers")
            ),
            "base": OptionInfo(kind="str", default="token", choices=("token", "word", "byte")),
            "corpus": OptionInfo(
                kind="str|list", description="texts that the trigram model learns from"
            ),
            "file": OptionInfo(kind="str", description="file of such texts, one a line"),
            "model": OptionInfo(
                kind="str", description="folder of the weights of a causal model, of `transformers`"
            ),
            "normalize": normalize_option,
        },
        skewed=True,
    )

    def __init__(  # noqa: PLR0913 - the options of the specification, all named
        self,
        *,
        backend: str = "ngram",
        base: str = "token",
        corpus: str | Sequence[str] | None = None,
        file: str | None = None,
        model: str | None = None,
        normalize: str = "nfc",
        scorer: Scorer | None = None,
    ) -> None:
        if file is not None:
            raise ValueError("a file of texts needs somebody to read it; give the texts themselves")
        if model is not None and backend != "transformers":
            raise ValueError("`model` is the model of the backend `transformers`")
        self._base = base
        self._normalize = normalize
        self._scorer: Scorer | None = None
        if backend == "logprobs":
            needs = frozenset({"output", "logprobs"})
            self.info = _with(needs=needs, identity=None)
            return
        if backend == "ngram" and corpus:
            texts = [corpus] if isinstance(corpus, str) else corpus
            self._scorer = Trigrams(normalized(text, normalize) for text in texts)
        elif backend != "ngram":
            self._scorer = scorer
        if self._scorer is None:
            lacking = "a `corpus` to learn from" if backend == "ngram" else "its model"
            raise ImportError(f"the scorer {backend!r} lacks {lacking}")
        self.info = _with(identity=self._scorer.fingerprint)

    def score(self, item: MetricInput) -> Score:
        output = normalized(item.output or "", self._normalize)
        if not output.strip():
            return Unscored(code="not_applicable", reason="an empty answer has no perplexity")
        if self._scorer is None:
            logprobs: Sequence[float] = item.logprobs or ()
        else:
            logprobs = self._scorer.logprobs(output)
        if not logprobs:
            return Unscored(code="not_applicable", reason="the answer has no tokens")
        units = {
            "token": len(logprobs),
            "word": len(output.split()),
            "byte": len(output.encode("utf-8", "surrogatepass")),
        }[self._base]
        nats = -math.fsum(logprobs)
        return Scored(value=_perplexity(nats, units), details={"nats": nats, "units": units})

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        if not items:
            return None
        nats = math.fsum(score.details["nats"] for _, score in items)
        units = sum(score.details["units"] for _, score in items)
        mean = math.fsum(score.value for _, score in items) / len(items)
        return Corpus(value=_perplexity(nats, units), submetrics={"mean": mean})


class Trigrams:
    """A trigram model of words with linear interpolation: a proper distribution, computable by hand.

    p(w | u v) = .6 p(w | u v) + .3 p(w | v) + .1 p(w), each from counts; a context that never occurred
    passes its weight down. Unigrams have 0.1 added to every count; the vocabulary is the words of the
    texts, ``<unk>`` for all others, and the end of a text.

    Source: Jelinek and Mercer 1980, Interpolated estimation of Markov source parameters from sparse data.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        sentences = [_tokens(text) for text in texts]
        self._unigrams: Counter[str] = Counter()
        self._bigrams: Counter[tuple[str, str]] = Counter()
        self._trigrams: Counter[tuple[str, str, str]] = Counter()
        self._after_one: Counter[str] = Counter()
        self._after_two: Counter[tuple[str, str]] = Counter()
        for words in sentences:
            padded = [start, start, *words, end]
            for first, second, word in zip(padded, padded[1:], padded[2:], strict=False):
                self._unigrams[word] += 1
                self._bigrams[second, word] += 1
                self._trigrams[first, second, word] += 1
                self._after_one[second] += 1
                self._after_two[first, second] += 1
        self._unigrams[end] += 0
        self._unigrams[unknown] += 0
        self._total = self._unigrams.total() + added * len(self._unigrams)
        self.fingerprint: Json = {"ngram": digest(sentences)}

    def logprobs(self, text: str) -> Sequence[float]:
        """Of each word and of the end of the text; empty for a text without words."""
        words = [word if word in self._unigrams else unknown for word in _tokens(text)]
        if not words:
            return []
        padded = [start, start, *words, end]
        triples = zip(padded, padded[1:], padded[2:], strict=False)
        return [math.log(self.probability(word, (one, two))) for one, two, word in triples]

    def probability(self, word: str, context: tuple[str, str]) -> float:
        """Of a word of the vocabulary after two others."""
        by_three, by_two, by_one = weights
        chance = (self._unigrams[word] + added) / self._total
        seen_two, seen_one = self._after_two[context], self._after_one[context[1]]
        if not seen_two:
            by_two, by_three = by_two + by_three, 0.0
        if not seen_one:
            by_one, by_two = by_one + by_two, 0.0
        return (
            by_one * chance
            + (by_two * self._bigrams[context[1], word] / seen_one if seen_one else 0.0)
            + (by_three * self._trigrams[*context, word] / seen_two if seen_two else 0.0)
        )


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


def _with(**facts: Json) -> MetricInfo:
    return replace(Perplexity.info, **facts)


def _perplexity(nats: float, units: int) -> float:
    return max(math.exp(nats / units), 1.0)  # a sum of logarithms may round to just above 0
