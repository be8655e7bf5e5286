"""How text becomes words: the published rules of SQuAD and ROUGE, and one rule for all scripts."""

import re
import string
import unicodedata
from functools import lru_cache
from typing import Final, Literal

from pipex_core.metrics.stemming import stem

Form = Literal["none", "nfc", "nfkc"]
forms: Final = ("none", "nfc", "nfkc")

_articles: Final = re.compile(r"\b(a|an|the)\b")
_no_punctuation: Final = str.maketrans("", "", string.punctuation)
_rouge_word: Final = re.compile(r"[a-z0-9]+")


def normalized(text: str, form: str) -> str:
    """``text`` in Unicode normalisation form ``nfc`` or ``nfkc``; untouched for ``none``."""
    if form == "none" or text.isascii():
        return text
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)


def squad_normalized(text: str) -> str:
    """``text`` as SQuAD compares answers: lower case, no ASCII punctuation, no articles, single blanks.

    Source: ``normalize_answer`` of the SQuAD v1.1 evaluation script,
    https://rajpurkar.github.io/SQuAD-explorer/.
    """
    lowered = text.lower().translate(_no_punctuation)
    return " ".join(_articles.sub(" ", lowered).split())


def squad_words(text: str) -> list[str]:
    """The words that SQuAD's F1 counts."""
    return squad_normalized(text).split()


def rouge_words(text: str) -> list[str]:
    """The words of rouge-score before stemming: runs of ``a-z`` and ``0-9``; other letters are lost."""
    return _rouge_word.findall(text.lower())


def unicode_words(text: str) -> list[str]:
    """Runs of letters, marks and digits of any script, without case.

    Scripts that write no blanks between words (Han, Kana, Thai, Lao, Khmer, Myanmar) give one word
    per character, so that two sentences can share a part.
    """
    if text.isascii():
        return _rouge_word.findall(text.lower())
    return _unicode_word().findall(text.casefold())


@lru_cache(maxsize=1)
def _unicode_word() -> "re.Pattern[str]":
    # `regex` knows scripts and marks; plain `re` ends a word at a combining vowel sign.
    import regex

    alone = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc"
    pattern: re.Pattern[str] = regex.compile(
        rf"[[{alone}]&&[\p{{L}}\p{{N}}]]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--[{alone}]]+", regex.V1
    )
    return pattern


def without_punctuation(text: str) -> str:
    """``text`` without Unicode punctuation and without the ASCII signs of ``string.punctuation``."""
    text = text.translate(_no_punctuation)
    if text.isascii():
        return text
    return "".join(sign for sign in text if not unicodedata.category(sign).startswith("P"))


def without_accents(text: str) -> str:
    """``text`` without the marks that combine with letters, in form NFC."""
    parts = unicodedata.normalize("NFD", text)
    bare = "".join(sign for sign in parts if unicodedata.category(sign) != "Mn")
    return unicodedata.normalize("NFC", bare)


def stemmed(words: list[str]) -> list[str]:
    """Words of more than three letters stemmed as rouge-score does; others, and other scripts, as they are."""
    return [stem(word) if len(word) > 3 and word.isascii() else word for word in words]  # noqa: PLR2004 - the rule of ROUGE-1.5.5
