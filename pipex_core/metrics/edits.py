"""Judgements by how many edits lie between the answer and the reference."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    best,
    too_many_tokens,
)
from pipex_core.metrics.options import ignore_case_option, library_normalize_option
from pipex_core.metrics.words import normalized

# rapidfuzz is imported by the constructors: naming a metric must not load it.


class FuzzyMatch:
    """Similarity of two texts by insertions and deletions, as rapidfuzz defines it, divided by 100.

    Two empty texts are equal in every variant, and one alone is worth 0, which overrides rapidfuzz.
    """

    info = MetricInfo(
        name="fuzzy_match",
        summary="similarity of the characters of answer and reference",
        needs=frozenset({"output", "reference"}),
        default_threshold=0.8,
        options={
            "variant": OptionInfo(
                kind="str",
                default="ratio",
                choices=("ratio", "partial", "token_sort", "token_set"),
            ),
            "ignore_case": ignore_case_option,
            "normalize": library_normalize_option,
        },
        libraries=("rapidfuzz",),
    )

    def __init__(
        self, *, variant: str = "ratio", ignore_case: bool = False, normalize: str = "none"
    ) -> None:
        from rapidfuzz import fuzz

        self._ratio: Callable[[str, str], float] = {
            "ratio": fuzz.ratio,
            "partial": fuzz.partial_ratio,
            "token_sort": fuzz.token_sort_ratio,
            "token_set": fuzz.token_set_ratio,
        }[variant]
        self._ignore_case = ignore_case
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = self._plain(item.output or "")
        references = [self._plain(one) for one in item.references]
        return _too_long(output, *references) or best(
            [self._one(output, one) for one in references]
        )

    def _one(self, output: str, reference: str) -> Scored:
        if not output or not reference:
            return Scored(value=float(output == reference))
        return Scored(value=self._ratio(output, reference) / 100)

    def _plain(self, text: str) -> str:
        text = normalized(text, self._normalize)
        return text.casefold() if self._ignore_case else text


class Levenshtein:
    """1 - distance / length of the longer text, where a distance is insertions, deletions, replacements."""

    info = MetricInfo(
        name="levenshtein",
        summary="1 minus the edit distance by the longer length",
        needs=frozenset({"output", "reference"}),
        default_threshold=0.8,
        options={
            "unit": OptionInfo(kind="str", default="char", choices=("char", "word")),
            "normalize": library_normalize_option,
        },
        libraries=("rapidfuzz",),
    )

    def __init__(self, *, unit: str = "char", normalize: str = "none") -> None:
        from rapidfuzz.distance import Levenshtein as Distance

        self._distance: Callable[[Sequence[str], Sequence[str]], int] = Distance.distance
        self._by_word = unit == "word"
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = normalized(item.output or "", self._normalize)
        references = [normalized(one, self._normalize) for one in item.references]
        return _too_long(output, *references) or best(
            [self._one(output, one) for one in references]
        )

    def _one(self, output: str, reference: str) -> Scored:
        left, right = (output.split(), reference.split()) if self._by_word else (output, reference)
        longest = max(len(left), len(right))
        if not longest:
            return Scored(value=1.0)
        distance = self._distance(left, right)
        return Scored(value=1 - distance / longest, details={"distance": distance})


class JaroWinkler:
    """Jaro-Winkler similarity with prefix weight 0.1; two empty texts are equal, one alone is worth 0."""

    info = MetricInfo(
        name="jaro_winkler",
        summary="Jaro-Winkler similarity, made for names",
        needs=frozenset({"output", "reference"}),
        default_threshold=0.9,
        options={"normalize": library_normalize_option},
        libraries=("rapidfuzz",),
    )

    def __init__(self, *, normalize: str = "none") -> None:
        from rapidfuzz.distance import JaroWinkler as Similarity

        self._similarity: Callable[[str, str], float] = Similarity.similarity
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = normalized(item.output or "", self._normalize)
        references = [normalized(one, self._normalize) for one in item.references]
        return _too_long(output, *references) or best(
            [self._one(output, one) for one in references]
        )

    def _one(self, output: str, reference: str) -> Scored:
        if not output or not reference:
            return Scored(value=float(output == reference))
        return Scored(value=self._similarity(output, reference))


class WordErrorRate:
    """Edits by words of the reference, as in speech recognition; the reference with the lowest rate counts.

    Any answer to an empty reference is 1, as in TER. The corpus value is all edits by all lengths; the
    mean of the cases stands beside it as ``mean``.
    """

    info = MetricInfo(
        name="wer",
        summary="word error rate, 0 is best",
        range=(0.0, math.inf),
        direction="lower",
        needs=frozenset({"output", "reference"}),
        levels=("case", "corpus"),
        options={"normalize": library_normalize_option},
        skewed=True,
        libraries=("rapidfuzz",),
    )

    def __init__(self, *, normalize: str = "none") -> None:
        from rapidfuzz.distance import Levenshtein as Distance

        self._distance: Callable[[Sequence[str], Sequence[str]], int] = Distance.distance
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = normalized(item.output or "", self._normalize)
        references = [normalized(one, self._normalize) for one in item.references]
        refused = _too_long(output, *references)
        return refused or best([self._one(output, one) for one in references], lowest=True)

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        if not items:
            return None
        edits = sum(score.details["edits"] for _, score in items)
        length = sum(score.details["ref_length"] for _, score in items)
        mean = math.fsum(score.value for _, score in items) / len(items)
        return Corpus(value=_rate(edits, length), submetrics={"mean": mean})

    def _one(self, output: str, reference: str) -> Scored:
        given, wanted = self._units(output), self._units(reference)
        edits = self._distance(given, wanted)
        return Scored(
            value=_rate(edits, len(wanted)), details={"edits": edits, "ref_length": len(wanted)}
        )

    def _units(self, text: str) -> Sequence[str]:
        return text.split()


class CharacterErrorRate(WordErrorRate):
    """Edits by characters of the reference; otherwise as the word error rate."""

    info = replace(WordErrorRate.info, name="cer", summary="character error rate, 0 is best")

    def _units(self, text: str) -> Sequence[str]:
        return text


def _rate(edits: int, length: int) -> float:
    return edits / length if length else float(edits > 0)


most_characters = 200_000  # 20 000 words of ten characters: a bound for scripts without blanks


def _too_long(*texts: str) -> Unscored | None:
    longest = max(map(len, texts))
    if longest > most_characters:
        reason = f"a text of {longest} characters; this metric takes at most {most_characters}"
        return Unscored(code="too_large", reason=reason)
    # Splitting costs more than most comparisons, and n words have at least 2n - 1 characters.
    return too_many_tokens(*(len(text.split()) for text in texts)) if longest > most_words else None


most_words = 39_998
