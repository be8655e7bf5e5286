"""The taxonomy of errors row by row: who has to act, whether a try can help, what a case becomes.

The rows are those of the reliability specification, section 3.1.
"""

import pytest

from pipex_core.engine.recovery import class_of
from pipex_core.errors import BudgetExceeded, Cancelled, ProviderError, ReplayMiss, RunLocked
from pipex_core.evals.answers import status_of
from pipex_core.evals.results import classes
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.mock_rules import kinds

missing, target_failure = "missing", "target_failure"
rows = [
    ("author", ("undefined_reference type_error invalid_input missing_input unknown_input"
     " validation_failed file_not_found echo_failed session_limit gate_failed"), target_failure),
    ("request", "invalid_request", target_failure),
    ("model", "empty_reply invalid_reply output_schema_failed max_turns", "observed"),
    ("throttle", "rate_limit overloaded", missing),
    ("transient", "server_error connection api_error", missing),
    ("ambiguous", "timeout", missing),
    ("account", "auth spend_limit", missing),
    ("breaker", "circuit_open", missing),
    ("limits", "budget_exceeded", missing),
    ("limits", "limit_exceeded", target_failure),
    ("storage", "storage_error storage_full checkpoint_not_saved", missing),
    ("state", ("journal_damaged journal_tampered checkpoint_damaged checkpoint_conflict schema_too_new"
     " state_lost checkpoint_mismatch resume_mismatch unknown_run run_finished"), missing),
    ("ownership", "run_locked fenced cancelled", missing),
    ("worker", "worker_died worker_timeout worker_memory", missing),
    ("confinement", "path_denied tool_denied blocked_address", target_failure),
    ("access", "unauthenticated permission_denied", missing),
    ("internal", "internal_error", missing),
]  # fmt: skip
codes = [(code, kind, case) for kind, listed, case in rows for code in listed.split()]
tried_again = {"rate_limit", "overloaded", "server_error", "connection", "api_error", "timeout"}


@pytest.mark.parametrize(("code", "kind", "case"), codes)
def test_every_code_has_its_class_and_its_case(code: str, kind: str, case: str) -> None:
    assert class_of(code) == kind
    found = classes[status_of(code)]
    # an answer without the form that was asked for is a finding about the model: observed, or its failure
    assert found in ({"observed", target_failure} if case == "observed" else {case})


def test_a_refusal_is_seen_and_a_model_that_is_not_there_is_no_failure_of_the_target() -> None:
    assert (class_of("content_filter"), status_of("content_filter")) == ("model", "model_refusal")
    assert classes[status_of("not_found")] == missing
    assert classes[status_of("replay_miss")] == missing


@pytest.mark.parametrize("kind", sorted(kinds))
def test_a_provider_error_is_tried_again_exactly_where_that_can_help(kind: str) -> None:
    error: ProviderError = kinds[kind]("x", code=kind)
    assert RetryPolicy().covers(error) == (kind in tried_again)
    # An open breaker is waited for before the call, so it is no try; a later run may find it closed.
    assert error.retryable == (kind in {*tried_again, "circuit_open"})


def test_nobody_but_the_owner_helps_a_budget_and_a_lock_is_for_later() -> None:
    assert not BudgetExceeded("x").retryable
    assert not ReplayMiss("x").retryable
    assert not Cancelled("x").retryable
    assert RunLocked("x").retryable
