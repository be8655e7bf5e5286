"""METEOR: words that agree exactly, by stem or by meaning, and in how few pieces they lie."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pipex_core.metrics import stemming
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    best,
    too_many_tokens,
)
from pipex_core.metrics.options import library_normalize_option
from pipex_core.metrics.words import normalized

if TYPE_CHECKING:
    import re

alpha: Final = 0.9  # weight of precision in the harmonic mean
beta: Final = 3.0  # shape of the penalty for pieces
gamma: Final = 0.5  # its weight

Word = tuple[int, str]
Synonyms = Callable[[str], Iterable[str]]


class Meteor:
    """Harmonic mean of precision and recall of words in favour of recall, less a penalty for pieces.

    Words are runs of letters and digits, or of other signs, in lower case. They agree exactly, then by
    their Porter stem, then (with ``wordnet_path``) as synonyms. Two texts without words are worth 1, one
    alone 0; otherwise equal to nltk 3.10, whose WordNet is empty where no path is given.

    Source: Lavie and Agarwal 2007, https://aclanthology.org/W07-0734, with the alignment of
    ``nltk.translate.meteor_score``.

    Args:
        synonyms: Word to its synonyms.
    """

    info = MetricInfo(
        name="meteor",
        summary="METEOR, 0 to 1",
        needs=frozenset({"output", "reference"}),
        cost_class="pool",
        options={
            "stages": OptionInfo(kind="list", default=("exact", "stem"), choices=("exact", "stem")),
            "wordnet_path": OptionInfo(
                kind="str", description="folder of WordNet's files, for synonyms"
            ),
            "normalize": library_normalize_option,
        },
        identity={"stemmer": stemming.version},
    )

    def __init__(
        self,
        *,
        stages: Sequence[str] = ("exact", "stem"),
        wordnet_path: str | None = None,
        normalize: str = "none",
        synonyms: Synonyms | None = None,
    ) -> None:
        if wordnet_path is not None and synonyms is None:
            raise ValueError("wordnet_path needs somebody to read it")
        if not stages:
            raise ValueError("stages names no stage")
        self._stages = frozenset(stages)
        self._synonyms = synonyms
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = self._words(item.output or "")
        references = [self._words(one) for one in item.references]
        refused = too_many_tokens(len(output), *map(len, references))
        return refused or best([self._one(output, one) for one in references])

    def _words(self, text: str) -> list[str]:
        return [word.lower() for word in _word().findall(normalized(text, self._normalize))]

    def _one(self, output: Sequence[str], reference: Sequence[str]) -> Scored:
        if not output or not reference:
            return Scored(value=float(len(output) == len(reference)))
        pairs = self._aligned(output, reference)
        if not pairs:
            return Scored(value=0.0, submetrics={"precision": 0.0, "recall": 0.0})
        precision, recall = len(pairs) / len(output), len(pairs) / len(reference)
        mean = precision * recall / (alpha * precision + (1 - alpha) * recall)
        penalty = gamma * (_pieces(pairs) / len(pairs)) ** beta
        return Scored(
            value=(1 - penalty) * mean, submetrics={"precision": precision, "recall": recall}
        )

    def _aligned(self, output: Sequence[str], reference: Sequence[str]) -> list[tuple[int, int]]:
        """Positions of words that agree, in the order of the output."""
        left, right = list(enumerate(output)), list(enumerate(reference))
        pairs: list[tuple[int, int]] = []
        if "exact" in self._stages:
            left, right = _matched(left, right, pairs)
        if "stem" in self._stages:
            # Stems stay in place of the words: nltk looks for their synonyms.
            left = [(at, stemming.stem(word)) for at, word in left]
            right = [(at, stemming.stem(word)) for at, word in right]
            left, right = _matched(left, right, pairs)
        if self._synonyms is not None:
            _matched(left, right, pairs, also=self._synonyms)
        return sorted(pairs)


def _matched(
    left: Sequence[Word],
    right: Sequence[Word],
    pairs: list[tuple[int, int]],
    *,
    also: Synonyms | None = None,
) -> tuple[list[Word], list[Word]]:
    """Pair equal words, the last with the last; add the pairs, give what is left of both."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, word in right:
        places[word].append(at)
    rest: list[Word] = []
    for at, word in reversed(left):
        known = {word, *also(word)} if also is not None else {word}
        open_places = [places[one] for one in known if places.get(one)]
        if open_places:
            pairs.append((at, max(open_places, key=lambda found: found[-1]).pop()))
        else:
            rest.append((at, word))
    still = {at for found in places.values() for at in found}
    return rest[::-1], [(at, word) for at, word in right if at in still]


def _pieces(pairs: Sequence[tuple[int, int]]) -> int:
    """Runs of pairs that are neighbours in both texts."""
    follows = (after == (before[0] + 1, before[1] + 1) for before, after in pairwise(pairs))
    return len(pairs) - sum(follows)


@lru_cache(maxsize=1)
def _word() -> "re.Pattern[str]":
    import re

    return re.compile(r"\w+|[^\w\s]+")
