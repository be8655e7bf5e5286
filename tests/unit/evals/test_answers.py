"""The status of an answer follows from the code of what failed; the stored form keeps everything."""

from datetime import UTC, datetime

import pytest

from pipex_core.errors import (
    AuthFailed,
    BudgetExceeded,
    ConnectionFailed,
    EmptyReply,
    PipexError,
    ProviderTimeout,
    RateLimited,
    Refused,
    StepError,
    StoreError,
)
from pipex_core.evals.answers import Answer, failed, status_of


@pytest.mark.parametrize(
    ("code", "status"),
    [
        # Table 5.4 of the evaluation specification, with the codes of the language's section 18.1.
        ("content_filter", "model_refusal"),
        ("empty_reply", "model_error"),
        ("invalid_reply", "model_error"),
        ("output_schema_failed", "model_error"),
        ("max_turns", "model_error"),
        ("undefined_reference", "target_error"),
        ("validation_failed", "target_error"),
        ("invalid_request", "target_error"),
        ("path_denied", "target_error"),
        ("limit_exceeded", "target_error"),
        ("server_error", "infra_error"),
        ("connection", "infra_error"),
        ("auth", "infra_error"),
        ("spend_limit", "infra_error"),
        ("circuit_open", "infra_error"),
        ("storage_full", "infra_error"),
        ("worker_died", "infra_error"),
        ("internal_error", "infra_error"),
        ("not_found", "infra_error"),
        ("replay_miss", "infra_error"),
        ("rate_limit", "rate_limited"),
        ("overloaded", "rate_limited"),
        ("timeout", "timeout"),
        ("deadline", "timeout"),
        ("budget_exceeded", "not_run_budget"),
        ("cancelled", "cancelled"),
    ],
)
def test_every_code_has_the_status_of_the_table(code: str, status: str) -> None:
    assert status_of(code) == status


def test_a_code_that_nobody_knows_is_the_targets_own_failure() -> None:
    assert status_of("my_plugin_failed") == "target_error"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RateLimited("slow down"), "rate_limited"),
        (ProviderTimeout("late"), "timeout"),
        (AuthFailed("no key"), "infra_error"),
        (ConnectionFailed("cut"), "infra_error"),
        (Refused("no"), "model_refusal"),
        (EmptyReply("nothing"), "model_error"),
        (BudgetExceeded("too much"), "not_run_budget"),
        (StoreError("full", code="storage_full"), "infra_error"),
        (StepError("mine"), "target_error"),
    ],
)
def test_an_error_becomes_an_answer_with_its_code_and_message(
    error: PipexError, status: str
) -> None:
    answer = failed(error, provider="mock")
    assert (answer.status, answer.error_code, answer.error, answer.provider) == (
        status,
        error.code,
        error.message,
        "mock",
    )


def test_the_message_of_an_error_says_nothing_about_its_status() -> None:
    assert failed(StepError("429 rate limit timeout")).status == "target_error"


def test_the_stored_form_leaves_defaults_out() -> None:
    assert Answer(status="ok", text="4").stored() == {"status": "ok", "text": "4"}


def test_an_empty_text_is_stored_and_is_not_no_text() -> None:
    assert Answer.from_stored(Answer(status="ok", text="").stored()).text == ""


def test_an_answer_comes_back_from_its_stored_form() -> None:
    at = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    answer = Answer(
        status="truncated",
        text="{",
        json={"a": [1]},
        has_json=True,
        tool_calls=[{"name": "Read", "arguments": {}}],
        latency_ms=1.5,
        input_tokens=0,
        started_at=at,
        finished_at=at,
    )
    assert Answer.from_stored(answer.stored()) == answer


def test_zero_tokens_are_not_unknown_tokens() -> None:
    answer = Answer.from_stored(Answer(status="ok", input_tokens=0).stored())
    assert (answer.input_tokens, answer.output_tokens) == (0, None)
