"""Judgements of the n-grams of an answer: how many differ, and how many its source has."""

from collections.abc import Sequence
from typing import Final

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
from pipex_core.metrics.words import normalized, unicode_words


class DistinctN:
    """Share of n-grams of words that differ from one another; 1 where nothing is said twice.

    Fewer than ``n`` words are ``not_applicable``. The corpus value is that of all answers together, no
    n-gram across two of them; the mean of the cases stands beside it as ``mean``.

    Source: Li 2016, https://aclanthology.org/N16-1014.
    """

    info = MetricInfo(
        name="distinct_n",
        summary="share of n-grams that differ",
        needs=frozenset({"output"}),
        levels=("case", "corpus"),
        options={
            "n": OptionInfo(kind="int", default=2, least=1),
            "normalize": normalize_option,
        },
    )

    def __init__(self, *, n: int = 2, normalize: str = "nfc") -> None:
        self._n = n
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        grams = self._grams(item)
        if not grams:
            return Unscored(code="not_applicable", reason=f"fewer than {self._n} words")
        return Scored(value=len(set(grams)) / len(grams))

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        pooled: set[tuple[str, ...]] = set()
        total = 0
        for item, _ in items:
            grams = self._grams(item)
            pooled.update(grams)
            total += len(grams)
        if not total:
            return None
        mean = sum(score.value for _, score in items) / len(items)
        return Corpus(value=len(pooled) / total, submetrics={"mean": mean})

    def _grams(self, item: MetricInput) -> list[tuple[str, ...]]:
        return _ngrams(unicode_words(normalized(item.output or "", self._normalize)), self._n)


class GroundedOverlap:
    """Share of the answer's n-grams of content words that occur in the context; English stop words are left out.

    An answer with fewer than ``n`` content words is compared by shorter n-grams, one without any is
    ``not_applicable``. It tells copied from added words and knows nothing of meaning.
    """

    info = MetricInfo(
        name="grounded_overlap",
        summary="share of the answer's phrases that the context has",
        needs=frozenset({"output", "context"}),
        options={
            "n": OptionInfo(kind="int", default=3, least=1),
            "normalize": normalize_option,
        },
    )

    def __init__(self, *, n: int = 3, normalize: str = "nfc") -> None:
        self._n = n
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        words = self._content(item.output or "")
        if not words:
            return Unscored(code="not_applicable", reason="the answer has no content words")
        n = min(self._n, len(words))
        known = {gram for text in item.context for gram in _ngrams(self._content(text), n)}
        grams = _ngrams(words, n)
        return Scored(value=sum(gram in known for gram in grams) / len(grams), details={"n": n})

    def _content(self, text: str) -> list[str]:
        words = unicode_words(normalized(text, self._normalize))
        return [word for word in words if word not in stop_words]


# Function words of English; a longer list would take content words with it.
stop_words: Final = frozenset(
    [
        "a", "about", "above", "after", "again", "against", "all", "am", "an", "and", "any",
        "are", "as", "at", "be", "because", "been", "before", "being", "below", "between",
        "both", "but", "by", "can", "cannot", "could", "did", "do", "does", "doing", "down",
        "during", "each", "few", "for", "from", "further", "had", "has", "have", "having", "he",
        "her", "here", "hers", "herself", "him", "himself", "his", "how", "i", "if", "in",
        "into", "is", "it", "its", "itself", "just", "me", "more", "most", "my", "myself", "no",
        "nor", "not", "now", "of", "off", "on", "once", "only", "or", "other", "our", "ours",
        "ourselves", "out", "over", "own", "same", "she", "should", "so", "some", "such", "than",
        "that", "the", "their", "theirs", "them", "themselves", "then", "there", "these", "they",
        "this", "those", "through", "to", "too", "under", "until", "up", "very", "was", "we",
        "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with",
        "would", "you", "your", "yours", "yourself", "yourselves", "s", "t", "d", "ll", "m", "o",
        "re", "ve",
    ]
)  # fmt: skip


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[at:] for at in range(n)), strict=False))
