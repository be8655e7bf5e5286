"""How text becomes words under each of the rules."""

import pytest

from pipex_core.metrics.words import (
    normalized,
    rouge_words,
    squad_normalized,
    squad_words,
    stemmed,
    unicode_words,
    without_accents,
    without_punctuation,
)


@pytest.mark.parametrize(
    ("form", "text", "result"),
    [
        ("nfc", "cafe\u0301", "caf\u00e9"),
        ("nfc", "\ufb01", "\ufb01"),
        ("nfkc", "\ufb01\u00b2", "fi2"),
        ("none", "cafe\u0301", "cafe\u0301"),
        ("nfc", "plain", "plain"),
    ],
)
def test_unicode_forms(form: str, text: str, result: str) -> None:
    assert normalized(text, form) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("an apple, a pear", "apple pear"),
        ("Theatre", "theatre"),
        ("don't", "dont"),
        ("«quoted»", "«quoted»"),
        ("the", ""),
    ],
)
def test_squad_drops_case_ascii_punctuation_articles_and_blanks(text: str, result: str) -> None:
    assert squad_normalized(text) == result
    assert squad_words(text) == result.split()


def test_rouge_reads_only_latin_letters_without_accents_and_digits() -> None:
    assert rouge_words("Don't na\u00efve_B2B — 漢字") == ["don", "t", "na", "ve", "b2b"]
    assert rouge_words("") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't Stop", ["don", "t", "stop"]),
        ("Straße NAÏVE", ["strasse", "naïve"]),
        ("東京タワー2020", ["東", "京", "タ", "ワ", "ー", "2020"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("👍 …", []),
    ],
)
def test_unicode_words_of_any_script(text: str, words: list[str]) -> None:
    assert unicode_words(text) == words


def test_punctuation_of_every_script_goes_and_symbols_stay() -> None:
    assert without_punctuation("«¿Qué? $5°»、…") == "Qué 5°"
    assert without_punctuation("a-b") == "ab"


def test_accents_go_and_letters_stay() -> None:
    assert without_accents("Ångström crème ﬁ") == "Angstrom creme ﬁ"


def test_only_words_of_more_than_three_ascii_letters_are_stemmed() -> None:

    assert stemmed(["running", "dies", "was", "ponies", "größere"]) == [
        "run",
        "die",
        "was",
        "poni",
        "größere",
    ]
