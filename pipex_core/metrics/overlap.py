"""How much two sequences share: F1, order, and the kernels of ROUGE, equal to rouge-score bit for bit.

rouge-score fills a table of n x m cells in Python. Here a row of that table is one integer whose bit j
says whether column j repeats its left neighbour, and a whole row costs a few operations on it.

Source: Hyyrö 2004, bit-parallel LCS-length computation revisited; Lin 2004, ROUGE,
https://aclanthology.org/W04-1013; union LCS and clipping as in rouge-score 0.1.2, which follows
ROUGE-1.5.5.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pipex_core.metrics.contract import Scored


class Overlap(NamedTuple):
    """How much a candidate has of its reference."""

    precision: float
    recall: float

    @property
    def f_measure(self) -> float:
        """Harmonic mean; 0 when nothing is shared."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both > 0 else 0.0


nothing = Overlap(0.0, 0.0)


def f1_of(same: int, *, given: int, wanted: int, order: float | None = None) -> Scored:
    """F1 with precision and recall as submetrics; two empty lists agree, one alone does not."""
    if not given or not wanted:
        precision = recall = value = float(given == wanted)
    else:
        precision, recall = same / given, same / wanted
        value = 2 * same / (given + wanted)
    parts = {"precision": precision, "recall": recall}
    return Scored(value=value, submetrics=parts if order is None else {**parts, "order": order})


def order_of(given: Sequence[str], wanted: Sequence[str]) -> float:
    """Kendall's tau of the items that two lists share, as the share of pairs in the same order.

    An item that occurs several times is matched first with first, second with second. 1 when fewer than
    two items are shared.
    """
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, one in enumerate(wanted):
        places[one].append(place)
    shared = [places[one].popleft() for one in given if places.get(one)]
    pairs = len(shared) * (len(shared) - 1) // 2
    if not pairs:
        return 1.0
    before: list[int] = []
    agreeing = 0
    for place in shared:
        agreeing += bisect_left(before, place)
        insort(before, place)
    return agreeing / pairs


def shared_ngrams(reference: Sequence[str], candidate: Sequence[str], *, n: int) -> Overlap:
    """ROUGE-N: n-grams in common, each counted as often as it occurs in both."""
    wanted, given = _ngrams(reference, n), _ngrams(candidate, n)
    same = (wanted & given).total()
    return Overlap(same / max(given.total(), 1), same / max(wanted.total(), 1))


def shared_sequence(reference: Sequence[str], candidate: Sequence[str]) -> Overlap:
    """ROUGE-L: the longest common subsequence."""
    if not reference or not candidate:
        return nothing
    length = lcs_length(reference, candidate)
    return Overlap(length / len(candidate), length / len(reference))


def shared_sentences(
    reference: Sequence[Sequence[str]], candidate: Sequence[Sequence[str]]
) -> Overlap:
    """ROUGE-Lsum: per reference sentence the union of its common subsequences with all candidates.

    A word is counted at most as often as it occurs in either text.
    """
    left_in_reference = Counter(word for sentence in reference for word in sentence)
    left_in_candidate = Counter(word for sentence in candidate for word in sentence)
    of_reference, of_candidate = left_in_reference.total(), left_in_candidate.total()
    if not of_reference or not of_candidate:
        return nothing
    hits = 0
    for sentence in reference:
        union = set().union(*(_common_positions(sentence, other) for other in candidate))
        for word in (sentence[at] for at in sorted(union)):
            if left_in_candidate[word] > 0 and left_in_reference[word] > 0:
                hits += 1
                left_in_candidate[word] -= 1
                left_in_reference[word] -= 1
    return Overlap(hits / of_candidate, hits / of_reference)


def lcs_length(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    places = _places(right)
    full = (1 << len(right)) - 1
    row = full
    for word in left:
        if met := row & places.get(word, 0):
            row = (row + met | row - met) & full
    return len(right) - row.bit_count()


def _places(words: Iterable[str]) -> Mapping[str, int]:
    """Word -> integer with a bit at each of its positions."""
    places: dict[str, int] = {}
    bit = 1
    for word in words:
        places[word] = places.get(word, 0) | bit
        bit <<= 1
    return places


def _ngrams(words: Sequence[str], n: int) -> Counter[Sequence[str]]:
    if n == 1:
        return Counter(words)
    return Counter(zip(*(words[at:] for at in range(n)), strict=False))


def _common_positions(reference: Sequence[str], candidate: Sequence[str]) -> list[int]:
    """Positions in ``reference`` of the common subsequence that rouge-score reads out of its table.

    There are often several of the same length; which one is taken decides the union.
    """
    full = (1 << len(candidate)) - 1
    places = _places(candidate)
    rows = [full]
    for word in reference:
        row = rows[-1]
        met = row & places.get(word, 0)
        rows.append((row + met | row - met) & full)
    positions: list[int] = []
    i, j = len(reference), len(candidate)
    while i > 0 and j > 0:
        if reference[i - 1] == candidate[j - 1]:
            positions.append(i - 1)
            i, j = i - 1, j - 1
        elif _cell(rows[i], j - 1) > _cell(rows[i - 1], j):
            j -= 1
        else:
            i -= 1
    return positions


def _cell(row: int, columns: int) -> int:
    """Length of the subsequence in the first ``columns`` columns: its bits that are not set."""
    return columns - (row & ((1 << columns) - 1)).bit_count()
