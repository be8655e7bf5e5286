"""Groups of texts that say nearly the same: MinHash finds candidates, the exact Jaccard index confirms.

A text is the set of its word 3-shingles (three words in a row, case folded; characters of scripts
without spaces count as words). 128 hash functions with a fixed seed give every set a signature; sets
that agree in all rows of one band of it are compared exactly. The bands are chosen for the threshold so
that a pair just above it is missed less than once in a thousand.

Source: Broder 1997, On the resemblance and containment of documents; banding as in Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, section 3.4.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipex_core.evals.suite import Case
from pipex_core.jsonvalue import compact, digest

permutations: Final = 128
default_threshold: Final = 0.8
_seed: Final = b"pipex near duplicates 1"
_shingle_words: Final = 3
_missed: Final = 0.001
_rows: Final = (16, 8, 4, 2, 1)
_window: Final = 32  # candidates of one band that a text is compared with: its neighbours in it
_remembered: Final = 500_000  # pairs that were compared and are not alike; they may come again
_doubt: Final = 3.5  # standard errors of the estimated index below which a pair is not looked at
_unspaced: Final = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_word: Final = re.compile(f"[{_unspaced}]|[^\\W{_unspaced}]+")

Hashes: TypeAlias = NDArray[np.uint64]
Marks: TypeAlias = NDArray[np.uint16]
Shingles: TypeAlias = frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """Cases that say nearly the same.

    Attributes:
        keep: The case that stays: the smallest by time of creation (none counts last) and id.
        others: The rest, sorted by id.
        similarity: Jaccard index of each of the others with the text it was found by.
    """

    keep: str
    others: tuple[str, ...]
    similarity: tuple[float, ...]


def near_duplicates(
    cases: Sequence[Case], *, threshold: float = default_threshold
) -> list[Similar]:
    """Groups of cases whose inputs are nearly equal, sorted by the case that stays.

    Args:
        cases: In any order.
        threshold: Least Jaccard index, above 0 and at most 1.
    """
    ordered = sorted(cases, key=age)
    found = []
    for group in alike(ordered, threshold=threshold):
        keep, *others = group.members
        named = sorted((ordered[i].id, group.similarity[i]) for i in others)
        found.append(
            Similar(
                keep=ordered[keep].id,
                others=tuple(name for name, _ in named),
                similarity=tuple(value for _, value in named),
            )
        )
    return sorted(found, key=lambda one: one.keep)


def age(case: Case) -> tuple[bool, str, str]:
    """What orders cases by who stays: time of creation, none last, then id."""
    return (case.created_at is None, case.created_at or "", case.id)


def alike(cases: Sequence[Case], *, threshold: float = default_threshold) -> list["TextGroup"]:
    """Positions of cases that ask nearly the same of the same context, choices and attachments.

    Two questions about one text are no duplicates, however long the text is: only inputs are compared.

    Raises:
        ValueError: The threshold is not above 0 and at most 1.
    """
    around: dict[str, list[int]] = {}
    for position, case in enumerate(cases):
        around.setdefault(_surroundings(case), []).append(position)
    found = []
    for positions in around.values():
        texts = [text_of_input(cases[position]) for position in positions]
        for group in similar_texts(texts, threshold=threshold):
            similarity = {positions[one]: value for one, value in group.similarity.items()}
            members = tuple(positions[one] for one in group.members)
            found.append(TextGroup(members=members, similarity=similarity))
    return sorted(found, key=lambda group: group.members)


def _surroundings(case: Case) -> str:
    if case.context is None and case.choices is None and not case.attachments:
        return ""
    attached = [one["sha256"] for one in case.attachments or ()]
    return digest([case.context, case.choices, attached])


def text_of_input(case: Case) -> str:
    """What is compared of a case: its input, a structured one as JSON text."""
    return case.input if isinstance(case.input, str) else compact(case.input)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextGroup:
    """Positions of similar texts.

    Attributes:
        members: Ascending, at least two.
        similarity: Member to the highest Jaccard index found with another member.
    """

    members: tuple[int, ...]
    similarity: dict[int, float]


def similar_texts(texts: Sequence[str], *, threshold: float = default_threshold) -> list[TextGroup]:
    """Groups of texts that are linked by pairs at or above the threshold, by their first member.

    Texts without any word are like nothing.

    Raises:
        ValueError: The threshold is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must be above 0 and at most 1, got {threshold}")
    if len(texts) < 2:  # noqa: PLR2004 - one text is like no other
        return []
    by_set: dict[Shingles, list[int]] = {}
    for position, text in enumerate(texts):
        found = shingles(text)
        if found:
            by_set.setdefault(found, []).append(position)
    sets = list(by_set)
    links = _Links(len(sets))
    refuted: set[tuple[int, int]] = set()
    for one, other in _candidates(sets, threshold=threshold):
        if links.joined(one, other) or (one, other) in refuted:
            continue
        similarity = jaccard(sets[one], sets[other])
        if similarity >= threshold:
            links.join(one, other, similarity)
        elif len(refuted) < _remembered:
            refuted.add((one, other))
    return _groups(by_set, sets, links)


def shingles(text: str) -> Shingles:
    """The hashed word 3-shingles of a text; of a shorter text, all its words as one."""
    words = _word.findall(text.casefold())
    if not words:
        return frozenset()
    count = max(len(words) - _shingle_words + 1, 1)
    return frozenset(
        _hash64(" ".join(words[i : i + _shingle_words]).encode("utf-8", "surrogatepass"))
        for i in range(count)
    )


def jaccard(one: Shingles, other: Shingles) -> float:
    """Size of the common part over size of the whole; 1 for two empty sets."""
    whole = len(one | other)
    return len(one & other) / whole if whole else 1.0


class _Links:
    """Which sets belong together, and how alike each is to what it was linked by."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))
        self.similarity = [0.0] * size

    def root(self, one: int) -> int:
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one

    def joined(self, one: int, other: int) -> bool:
        return self.root(one) == self.root(other)

    def join(self, one: int, other: int, similarity: float) -> None:
        self._parent[max(self.root(one), self.root(other))] = min(self.root(one), self.root(other))
        for member in (one, other):
            self.similarity[member] = max(self.similarity[member], similarity)


def _groups(
    by_set: dict[Shingles, list[int]], sets: Sequence[Shingles], links: _Links
) -> list[TextGroup]:
    groups: dict[int, dict[int, float]] = {}
    for number, members in enumerate(sets):
        positions = by_set[members]
        own = 1.0 if len(positions) > 1 else links.similarity[number]
        groups.setdefault(links.root(number), {}).update(dict.fromkeys(positions, own))
    found = [
        TextGroup(members=tuple(sorted(group)), similarity=group)
        for group in groups.values()
        if len(group) > 1
    ]
    return sorted(found, key=lambda group: group.members)


def _rows_for(threshold: float) -> int:
    """Most rows per band at which a pair at the threshold is missed rarely enough."""
    return next(
        rows
        for rows in _rows
        if rows == 1 or (1 - threshold**rows) ** (permutations // rows) <= _missed
    )


def _candidates(sets: Sequence[Shingles], *, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs that agree in a band and whose signatures do not speak against them; some come again.

    Within a large band only neighbours are paired. They are ordered by the next band, so that texts
    which are alike there too, as similar ones are, stand side by side.
    """
    signatures, bands = _signatures(sets, rows=_rows_for(threshold))
    least = threshold - _doubt * math.sqrt(threshold * (1 - threshold) / permutations)
    count = bands.shape[1]
    for number in range(count):
        column = bands[:, number]
        order = np.lexsort((bands[:, (number + 1) % count], column))
        for step in range(1, _window + 1):
            left, right = order[:-step], order[step:]
            same = column[left] == column[right]
            if not same.any():
                break
            left, right = left[same], right[same]
            alike = (signatures[left] == signatures[right]).mean(axis=1) >= least
            yield from zip(left[alike].tolist(), right[alike].tolist(), strict=True)


def _signatures(sets: Sequence[Shingles], *, rows: int) -> tuple[Marks, Hashes]:
    """MinHash signatures, [sets, permutations], and a number for each of their bands, [sets, bands]."""
    factors = np.array([_hash64(_seed, b"a", i) | 1 for i in range(permutations)], dtype=np.uint64)
    offsets = np.array([_hash64(_seed, b"b", i) for i in range(permutations)], dtype=np.uint64)
    mixing = np.array([_hash64(_seed, b"c", i) | 1 for i in range(rows)], dtype=np.uint64)
    bands = np.empty((len(sets), permutations // rows), dtype=np.uint64)
    marks = np.empty((len(sets), permutations), dtype=np.uint16)
    for number, members in enumerate(sets):
        values = np.fromiter(members, dtype=np.uint64, count=len(members))
        # Multiply-shift hashing: the high half of a*x+b modulo 2**64.
        hashed = ((values[:, None] * factors + offsets) >> np.uint64(32)).min(axis=0)
        bands[number] = (hashed.reshape(-1, rows) * mixing).sum(axis=1)
        # Sixteen bits tell two minima apart well enough for an estimate, in a quarter of the memory.
        marks[number] = hashed.astype(np.uint16)
    return marks, bands


def _hash64(data: bytes, role: bytes = b"", index: int = 0) -> int:
    full = blake2b(data, digest_size=8, person=role, salt=index.to_bytes(2, "big"))
    return int.from_bytes(full.digest(), "big")
