"""What an answer must not do or hold."""

from pathlib import Path

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.conduct import BannedTerms, PiiFree
from pipex_core.metrics.contract import Scored
from tests.fakes.metrics import answer, entry_of, score, value


@pytest.mark.parametrize(
    "output",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I cannot assist with that request.",
        "Sorry, I can't do that.",
        "I am unable to provide medical advice.",
        "I cannot provide instructions for that.",
        "**I won't** write this.",
        "As an AI language model, I do not feel comfortable with this.",
        "Unfortunately, I am not able to share it.",
        "I apologize, but I will not continue.",
        "We're sorry, this content is not available.",
        "It is against my guidelines to answer.",
        "Your request violates the policy.",
        "I must decline.",
    ],
)
def test_a_refusal_is_seen_by_how_it_opens(output: str) -> None:
    assert value("refusal", output) == 1.0


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Paris.",
        "I can't stress enough how good this is.",
        "I am able to help: first, boil the water.",
        "The model said: I can't help with that.",
        "Sorry for the wait! The answer is 5.",
        "x" * 400 + " I'm sorry, but I can't help with that.",
    ],
)
def test_an_answer_that_answers_is_no_refusal(output: str) -> None:
    assert value("is_refusal", output) == 0.0


def test_what_the_provider_calls_a_refusal_is_one_whatever_it_says() -> None:
    found = score("refusal", "", status="model_refusal")
    assert found == Scored(value=1.0, label="model_refusal")


def test_patterns_of_the_user_are_added() -> None:
    raw: Json = {"type": "refusal", "patterns": ["da darf ich nicht"]}
    assert value(raw, "Hm, DA DARF ICH NICHT helfen.") == 1.0
    assert value(raw, "Gern.") == 0.0
    with pytest.raises(SpecError, match="no regular expression"):
        entry_of({"type": "refusal", "patterns": ["("]})


def test_a_banned_term_counts_as_a_word_in_any_case() -> None:
    raw: Json = {"type": "banned_terms", "terms": ["foo bar", "naïve"]}
    assert score(raw, "A Foo Bar, and nai\u0308ve") == Scored(
        value=0.0, details={"found": ["foo bar", "naïve"]}
    )
    assert value(raw, "foo barn, naïvely") == 1.0
    assert value({**raw, "ignore_case": False}, "Foo Bar") == 1.0


def test_terms_of_a_file_are_added_and_change_what_is_measured(
    tmp_path: Path,
) -> None:
    file = tmp_path / "terms.txt"
    file.write_text("# words\nspam\n\n  eggs \n", encoding="utf-8")
    raw: Json = {"type": "banned_terms", "file": str(file), "terms": ["ham"]}
    before = entry_of(raw)
    assert [value(raw, word) for word in ("spam", "eggs", "ham", "words")] == [0.0, 0.0, 0.0, 1.0]
    file.write_text("spam\n", encoding="utf-8")
    assert entry_of(raw).fingerprint != before.fingerprint


@pytest.mark.parametrize("options", [{}, {"terms": []}, {"terms": ["a", " "]}])
def test_without_a_term_there_is_nothing_to_ban(options: dict[str, Json]) -> None:
    with pytest.raises(SpecError, match="terms"):
        entry_of({"type": "banned_terms", **options})


def test_a_file_needs_somebody_who_reads_it() -> None:
    with pytest.raises(ValueError, match="somebody to read"):
        BannedTerms(file="x.txt")


def test_personal_data_is_named_by_kind_and_never_quoted() -> None:
    found = score("pii_free", "Write to ann@example.org or +44 20 7946 0958.")
    assert found == Scored(value=0.0, details={"kinds": ["EMAIL", "PHONE"]})
    assert value("pii_free", "Nothing to see.") == 1.0


def test_only_the_kinds_that_are_asked_for_count() -> None:
    assert value({"type": "pii_free", "kinds": ["CARD"]}, "ann@example.org") == 1.0
    assert value({"type": "pii_free", "kinds": ["CARD"]}, "4111 1111 1111 1111") == 0.0
    only = PiiFree(find=lambda _text: ["EMAIL", "EMAIL", "IP"], kinds=["IP"])
    assert only.score(answer("x")) == Scored(value=0.0, details={"kinds": ["IP"]})
