"""Stems of the published examples, and of the words that depart from them."""

import pytest

from pipex_core.metrics.stemming import stem


@pytest.mark.parametrize(
    ("given_word", "expected"),
    [
        # The examples of the paper's steps, taken to the end.
        *(("caresses", "caress"), ("ponies", "poni"), ("cats", "cat"), ("agreed", "agre")),
        *(("plastered", "plaster"), ("motoring", "motor"), ("sing", "sing"), ("hopping", "hop")),
        *(("falling", "fall"), ("filing", "file"), ("happy", "happi"), ("relational", "relat")),
        *(("hopefulness", "hope"), ("controll", "control"), ("roll", "roll"), ("cease", "ceas")),
        *(("troubled", "troubl"), ("sized", "size"), ("feed", "feed"), ("bled", "bled")),
        *(
            ("adoption", "adopt"),
            ("union", "union"),
            ("mystery", "mysteri"),
            ("rational", "ration"),
        ),
        # The departures.
        *(("dies", "die"), ("tied", "tie"), ("flies", "fli"), ("enjoy", "enjoy"), ("spy", "spi")),
        *(
            ("skies", "sky"),
            ("proceed", "proceed"),
            ("radically", "radic"),
            ("syzygies", "syzygi"),
            ("geology", "geolog"),
            ("is", "is"),
        ),
    ],
)
def test_published_examples(given_word: str, expected: str) -> None:
    assert stem(given_word) == expected
