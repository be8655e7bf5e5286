"""The Porter stemmer with the departures that rouge-score uses, those of nltk.

Porter's steps take suffixes off a word while what is left keeps a *measure*: the number of times that a
vowel is followed by a consonant. The departures are a list of irregular words and small changes of the
steps 1, 2 and 5; each is marked where it stands.

Sources: Porter 1980, https://tartarus.org/martin/PorterStemmer/def.txt; mode ``NLTK_EXTENSIONS`` of
https://www.nltk.org/api/nltk.stem.porter.html.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

version: Final = "porter-nltk/1"  # raised whenever any word could get another stem

_irregular: Final[Mapping[str, str]] = {
    "skies": "sky", "sky": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news",
    "innings": "inning", "inning": "inning", "outings": "outing", "outing": "outing",
    "cannings": "canning", "canning": "canning", "howe": "howe", "proceed": "proceed",
    "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip
_shortest: Final = 3  # shorter words are left alone; a departure


class _Kinds(dict[int, str]):
    """Code point to ``v`` or ``c``; what is no letter of English is a consonant."""

    def __missing__(self, code: int) -> str:
        return "c"


_kinds: Final = _Kinds({code: "v" if chr(code) in "aeiou" else "c" for code in range(128)})
_y: Final = ord("y")

Rules = Mapping[str, tuple[tuple[str, str], ...]]


def _by_last_letter(text: str) -> Rules:
    """Rules ``suffix:replacement`` in the order in which they are tried, by the last letter."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for word in text.split():
        suffix, _, replacement = word.partition(":")
        found[suffix[-1]] = (*found.get(suffix[-1], ()), (suffix, replacement))
    return found


# "bli" and "fulli" are departures; "alli" and "logi" have rules of their own, see ``_step_2``.
_rules_2: Final = _by_last_letter(
    "ational:ate tional:tion enci:ence anci:ance izer:ize bli:ble entli:ent eli:e ousli:ous "
    "ization:ize ation:ate ator:ate alism:al iveness:ive fulness:ful ousness:ous aliti:al "
    "iviti:ive biliti:ble fulli:ful"
)
_rules_3: Final = _by_last_letter("icate:ic ative: alize:al iciti:ic ical:ic ful: ness:")
_rules_4: Final = _by_last_letter(
    "al: ance: ence: er: ic: able: ible: ant: ement: ment: ent: ion: ou: ism: ate: iti: ous: ive: "
    "ize:"
)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of a word in lower case; whatever is none of ``a-z`` counts as a consonant."""
    known = _irregular.get(word)
    if known is not None:
        return known
    if len(word) < _shortest:
        return word
    word = _step_1c(_step_1b(_step_1a(word)))
    return _step_5(_step_4(_step_3(_step_2(word))))


def _shape(word: str) -> str:
    """``c`` for each consonant and ``v`` for each vowel; a ``y`` after a consonant is a vowel."""
    if "y" not in word:
        return word.translate(_kinds)
    found = []
    kind = "v"
    for letter in word:
        kind = ("v" if kind == "c" else "c") if letter == "y" else _kinds[ord(letter)]
        found.append(kind)
    return "".join(found)


def _measure(word: str) -> int:
    return _shape(word).count("vc")


def _is_open(word: str) -> bool:
    """Whether the word ends consonant, vowel, consonant, the last none of ``w x y`` (*o of the paper).

    A word of a vowel and a consonant is one too: a departure.
    """
    end = _shape(word)[-3:]
    return (end == "cvc" and word[-1] not in "wxy") or (end == "vc" and len(word) == len(end))


def _step_1a(word: str) -> str:
    """Plurals."""
    if word[-1] != "s" or word[-2] == "s":
        return word
    if word.endswith("ies"):
        return word[:-1] if len(word) == len("dies") else word[:-2]  # "die", not "di": a departure
    return word[:-2] if word.endswith("sses") else word[:-1]


def _step_1b(word: str) -> str:
    """Pasts and participles."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == len("died") else word[:-2]  # "die", not "di": a departure
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            return _mended(rest) if "v" in _shape(rest) else word
    return word


def _mended(rest: str) -> str:
    """What a past or a participle leaves, made a word again."""
    if rest.endswith(("at", "bl", "iz")):
        return f"{rest}e"
    shape = _shape(rest)
    if rest[-1] == rest[-2:-1] and shape[-1] == "c":
        return rest if rest[-1] in "lsz" else rest[:-1]
    return f"{rest}e" if shape.count("vc") == 1 and _is_open(rest) else rest


def _step_1c(word: str) -> str:
    """Y after a consonant that is not the first letter; a departure."""
    rest = word[:-1]
    return f"{rest}i" if word[-1] == "y" and len(rest) > 1 and _shape(rest)[-1] == "c" else word


def _step_2(word: str) -> str:
    """Double suffixes to single ones."""
    if word.endswith("alli"):
        # Tried first, and the step done again: a departure.
        return _step_2(word[:-2]) if _measure(word[:-4]) else word
    if word.endswith("logi"):
        return (
            word[:-1] if _measure(word[:-3]) else word
        )  # the "l" counts with the stem: a departure
    return _replaced(word, _rules_2, above=0)


def _step_3(word: str) -> str:
    """-ic-, -full, -ness and their like."""
    return _replaced(word, _rules_3, above=0)


def _step_4(word: str) -> str:
    """Suffixes after two measures."""
    if word.endswith("ion") and word[-4:-3] not in ("s", "t"):
        return word
    return _replaced(word, _rules_4, above=1)


def _step_5(word: str) -> str:
    """A last -e, and one of two last l."""
    if word[-1] == "e":
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _is_open(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word


def _replaced(word: str, rules: Rules, *, above: int) -> str:
    """The word after the first rule whose suffix it has, if what stands before measures enough."""
    for suffix, replacement in rules.get(word[-1], ()):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            return rest + replacement if _measure(rest) > above else word
    return word
