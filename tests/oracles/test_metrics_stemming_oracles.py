"""Our stemmer against nltk's ``PorterStemmer`` in its default mode."""

import re
from collections.abc import Iterator
from pathlib import Path

from hypothesis import example, given, settings, strategies as st
from nltk.stem.porter import PorterStemmer

from pipex_core.metrics.stemming import stem

reference = PorterStemmer()
word = re.compile(rb"[a-z0-9]+")
suffixes = (
    *("", "s", "es", "ies", "sses", "ss", "ed", "ied", "eed", "ing", "y", "ational", "tional"),
    *("enci", "anci", "izer", "abli", "bli", "alli", "entli", "eli", "ousli", "ization", "ation"),
    *("ator", "alism", "iveness", "fulness", "ousness", "aliti", "iviti", "biliti", "fulli"),
    *("logi", "icate", "ative", "alize", "iciti", "ical", "ful", "ness", "al", "ance", "ence"),
    *("er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "sion", "tion", "ou"),
    *("ism", "ate", "iti", "ous", "ive", "ize", "e", "ll", "le", "ating", "bled", "izing"),
)
letters = st.text("abcdefghijklmnopqrstuvwxyz0123456789", max_size=12)
vowelled = st.text("aeioybdhlnrstwxz", max_size=8)


def different(words: Iterator[str] | set[str]) -> list[tuple[str, str, str]]:
    """Words whose stems differ: (word, ours, nltk's)."""
    pairs = ((one, stem(one), reference.stem(one)) for one in words)
    return [found for found in pairs if found[1] != found[2]]


def test_all_words_of_the_shared_texts_have_the_stems_of_nltk(shared_dir: Path) -> None:
    words: set[bytes] = set()
    for path in sorted(shared_dir.rglob("*")):
        if path.suffix in {".jsonl", ".json", ".md", ".csv", ".txt"}:
            words.update(word.findall(path.read_bytes().lower()))
    assert len(words) > 20_000
    assert different({one.decode() for one in words}) == []


def test_every_suffix_after_every_short_beginning_has_the_stem_of_nltk() -> None:
    parts = ("", "a", "b", "y", "ab", "ba", "by", "yb", "bab", "aba", "byb", "bbb", "balab", "bl")
    doubled = ("all", "iss", "uzz", "apt", "ow", "ax", "oy", "babat", "babiz", "babybl")
    words = {first + last for first in (*parts, *doubled) for last in suffixes}
    twice = {f"{one}{last}" for one in words for last in ("s", "ed", "ing", "ly", "e")}
    assert different(words | twice | {first * 2 for first in suffixes}) == []


@settings(max_examples=1_000)
@given(first=letters | vowelled, last=st.sampled_from(suffixes))
@example(first="y" * 40, last="ing")
def test_any_word_has_the_stem_of_nltk(first: str, last: str) -> None:
    assert stem(first + last) == reference.stem(first + last)
