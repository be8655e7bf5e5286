"""An embedder that anybody can check by hand, for the backend ``python``."""

from collections import Counter
from collections.abc import Sequence
from string import ascii_lowercase

encoded: list[str] = []


def letter_counts(texts: Sequence[str]) -> list[list[float]]:
    """How often each letter occurs, and one more number for everything else; texts are noted."""
    encoded.extend(texts)
    return [_counts(text) for text in texts]


def _counts(text: str) -> list[float]:
    counts = Counter(text.lower())
    letters = [float(counts[letter]) for letter in ascii_lowercase]
    return [*letters, float(len(text) - sum(letters))]
