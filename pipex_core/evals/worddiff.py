"""Two texts side by side: which words of the one are not in the other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

# A diff takes time with the square of the words in the worst case; longer texts are shown without one.
most_words = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a text; ``is_changed`` says that the other text does not have it there."""

    text: str
    is_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Both texts in pieces; the pieces of a side, joined, are its text."""

    before: Sequence[Piece]
    now: Sequence[Piece]


def word_diff(before: str, now: str) -> SideBySide:
    """The words that went and the words that came; texts of very many words count as one change."""
    old, new = _words(before), _words(now)
    if max(len(old), len(new)) > most_words:
        same = before == now
        return SideBySide(before=_piece([before], not same), now=_piece([now], not same))
    left: list[Piece] = []
    right: list[Piece] = []
    # Without autojunk: frequent words are words too.
    for word, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left += _piece(old[i:j], word != "equal")
        right += _piece(new[k:m], word != "equal")
    return SideBySide(before=left, now=right)


def _words(text: str) -> list[str]:
    """Words, spaces and single signs; joined they are the text."""
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _piece(words: Sequence[str], is_changed: bool) -> list[Piece]:  # noqa: FBT001 - two callers, here
    return [Piece(text="".join(words), is_changed=is_changed)] if words else []
