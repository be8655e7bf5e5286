"""What adapters of vendors share: wording, keys, counts and quiet logs."""

import logging

import pytest

from pipex_core.errors import AuthFailed
from pipex_core.llm.vendor import (
    Place,
    counted_tokens,
    keep_quiet,
    require_key,
    vendor_message,
)

here = Place(provider="gemini", model="m")


def test_a_message_is_cut_and_a_missing_one_is_the_status() -> None:
    assert vendor_message("slow down", 429) == "slow down"
    assert vendor_message("", 429) == vendor_message(None, 429) == "HTTP status 429"
    assert vendor_message("x" * 301, 400) == "x" * 300 + "..."


def test_a_malformed_reply_is_named_without_quoting_it() -> None:
    ours = here.malformed(ValueError("usage is missing"))
    theirs = here.malformed(UnicodeDecodeError("utf-8", b"the whole reply", 0, 1, "bad"))
    assert ours.message == "the reply cannot be used: usage is missing"
    assert theirs.message == "the reply cannot be used: UnicodeDecodeError"
    assert (ours.code, ours.detail, ours.maybe_billed) == ("server_error", "malformed_reply", True)
    assert (ours.provider, ours.model) == ("gemini", "m")


def test_only_what_was_sent_may_be_billed() -> None:
    assert [here.cut("cut", sent=sent).maybe_billed for sent in (True, False)] == [True, False]
    assert here.silent("late").maybe_billed


def test_an_error_of_ours_learns_where_it_happened() -> None:
    error = AuthFailed("no")
    here.mark(error)
    assert (error.provider, error.model) == ("gemini", "m")


def test_a_missing_key_names_its_variable() -> None:
    assert require_key("k", provider="gemini", vendor="Gemini") == "k"
    with pytest.raises(AuthFailed, match="set GEMINI_API_KEY"):
        require_key("", provider="gemini", vendor="Gemini")


@pytest.mark.parametrize(
    ("said", "count"), [(40, 40), (0, None), (-1, None), (True, None), ("40", None), (None, None)]
)
def test_a_count_is_a_positive_whole_number(said: object, count: int | None) -> None:
    assert counted_tokens(said) == count


def test_loggers_are_quieted_and_never_made_to_talk() -> None:
    levels = {"pipex.test.debug": logging.DEBUG, "pipex.test.unset": 0, "pipex.test.error": 40}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    keep_quiet(levels)
    assert [logging.getLogger(name).level for name in levels] == [logging.INFO, logging.INFO, 40]
