"""Texts as vectors of their words and pairs of words, weighed by how rare these are (TF-IDF).

Term frequencies count as they are, a term in ``d`` of ``n`` texts weighs ``ln((1 + n) / (1 + d)) + 1``,
and every vector has length 1.

Source: Salton and Buckley 1988, https://doi.org/10.1016/0306-4573(88)90021-0, with the smoothed weight
that scikit-learn uses, so that a term of every text still counts.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float64]
most_terms: Final = 20_000
# Characters of scripts without spaces are words of their own.
_unspaced: Final = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_word: Final = re.compile(f"[{_unspaced}]|[^\\W{_unspaced}]+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TermVectors:
    """The vectors of some texts, as rows of entries: most terms are absent from most texts.

    Attributes:
        terms: Sorted.
        starts: Where the entries of each text begin, and the end of the last, [texts + 1].
        columns: Position of an entry's term in ``terms``, [entries]; ascending within a text.
        weights: [entries]; the squares of a text sum up to 1, or to 0 when it has none of the terms.
    """

    terms: tuple[str, ...]
    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: Vectors

    @property
    def count(self) -> int:
        """Number of texts."""
        return len(self.starts) - 1

    def times(self, matrix: Vectors) -> Vectors:
        """The product with a matrix [terms, m]: [texts, m]."""
        product = np.zeros((self.count, matrix.shape[1]))
        for row in range(self.count):
            part = slice(self.starts[row], self.starts[row + 1])
            product[row] = self.weights[part] @ matrix[self.columns[part]]
        return product

    def transposed_times(self, matrix: Vectors) -> Vectors:
        """The product of the transpose with a matrix [texts, m]: [terms, m]."""
        product = np.zeros((len(self.terms), matrix.shape[1]))
        for row in range(self.count):
            part = slice(self.starts[row], self.starts[row + 1])
            # A term stands in a text's entries once, so no sum is lost here.
            product[self.columns[part]] += self.weights[part, None] * matrix[row]
        return product


def term_vectors(texts: Sequence[str], *, least_texts: int = 1) -> TermVectors:
    """The vectors of some texts.

    Args:
        texts: In any language; words are case folded.
        least_texts: Terms of fewer texts are left out; of what is left the ``most_terms`` most frequent
            are used.
    """
    counts = [terms_of(text) for text in texts]
    found = Counter(term for count in counts for term in count)
    frequent = sorted(
        (term for term, number in found.items() if number >= least_texts),
        key=lambda term: (-found[term], term),
    )
    terms = tuple(sorted(frequent[:most_terms]))
    place = {term: column for column, term in enumerate(terms)}
    rarity = np.array([np.log((1 + len(texts)) / (1 + found[term])) + 1 for term in terms])
    starts, columns, weights = [0], [], []
    for count in counts:
        own = sorted((place[term], number) for term, number in count.items() if term in place)
        chosen = np.array([column for column, _ in own], dtype=np.int64)
        values = np.array([number for _, number in own], dtype=np.float64)
        values = values * rarity[chosen] if own else values
        length = np.sqrt((values**2).sum())
        columns.append(chosen)
        weights.append(values / length if length else values)
        starts.append(starts[-1] + len(own))
    return TermVectors(
        terms=terms,
        starts=np.array(starts, dtype=np.int64),
        columns=np.concatenate(columns) if columns else np.empty(0, dtype=np.int64),
        weights=np.concatenate(weights) if weights else np.empty(0),
    )


def terms_of(text: str) -> Counter[str]:
    """How often each word and each pair of neighbouring words occurs."""
    words = _word.findall(text.casefold())
    pairs = [f"{one} {other}" for one, other in pairwise(words)]
    return Counter([*words, *pairs])


def reduced(vectors: TermVectors, *, dimensions: int, seed: int) -> Vectors:
    """The texts in the few directions in which they differ most, each of length 1: [texts, dimensions].

    The directions are the leading singular vectors, found by a randomized range finder with four power
    iterations. A text without terms stays at the origin.

    Source: Halko, Martinsson and Tropp 2011, https://doi.org/10.1137/090771806, algorithm 4.4.
    """
    wanted = min(dimensions, vectors.count, len(vectors.terms))
    if wanted == 0:
        return np.zeros((vectors.count, 1))
    drawn = np.random.default_rng(seed).standard_normal((len(vectors.terms), wanted + 10))
    basis, _ = np.linalg.qr(vectors.times(drawn))
    for _ in range(4):
        across, _ = np.linalg.qr(vectors.transposed_times(basis))
        basis, _ = np.linalg.qr(vectors.times(across))
    small = vectors.transposed_times(basis).T
    left, strength, _ = np.linalg.svd(small, full_matrices=False)
    return unit((basis @ left)[:, :wanted] * strength[:wanted])


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return found
