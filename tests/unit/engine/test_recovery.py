"""The decision table row by row, and the classes of codes."""

from typing import Any

import pytest

from pipex_core.engine.recovery import (
    FailPipeline,
    Failure,
    RetryStep,
    SkipStep,
    class_of,
    decide,
    strategy_of,
)

retry_left: dict[str, Any] = {"repeatable": True, "attempt": 1, "attempts": 3}


@pytest.mark.parametrize(
    ("failure", "action"),
    [
        # 1: the run ends, whatever the step says
        (Failure(code="cancelled", on_failure="continue"), FailPipeline(1)),
        (Failure(code="fenced", on_failure="continue"), FailPipeline(1)),
        (Failure(code="budget_exceeded", on_failure="warn", **retry_left), FailPipeline(1)),
        (Failure(code="limit_exceeded", detail="run", on_failure="continue"), FailPipeline(1)),
        # 2: another try while tries and time are left
        (Failure(code="worker_died", **retry_left), RetryStep(2)),
        (Failure(code="echo_failed", on_failure="continue", **retry_left), RetryStep(2)),
        (Failure(code="echo_failed", repeatable=True, attempt=3, attempts=3), FailPipeline(8)),
        (Failure(code="echo_failed", is_in_time=False, **retry_left), FailPipeline(8)),
        (Failure(code="output_schema_failed", **retry_left), FailPipeline(8)),
        # 3: a lost worker, once
        (Failure(code="worker_died"), RetryStep(3)),
        (Failure(code="worker_died", losses=1), FailPipeline(8)),
        (Failure(code="worker_died", losses=1, on_failure="continue"), SkipStep(7)),
        # 4: a wait that is too long to be slept
        (
            Failure(code="rate_limit", detail="parked", on_failure="continue"),
            FailPipeline(4, parked=True),
        ),
        # 7: the step is optional
        (Failure(code="auth", on_failure="continue"), SkipStep(7)),
        (Failure(code="undefined_reference", on_failure="warn"), SkipStep(7)),
        (Failure(code="path_denied", on_failure="continue"), SkipStep(7)),
        (Failure(code="limit_exceeded", on_failure="continue"), SkipStep(7)),
        (Failure(code="circuit_open", on_failure="continue"), SkipStep(7)),
        # 8: everything else
        (Failure(code="undefined_reference"), FailPipeline(8)),
        (Failure(code="storage_full", on_failure="continue"), FailPipeline(8)),
        (Failure(code="journal_damaged", on_failure="continue"), FailPipeline(8)),
        (Failure(code="internal_error", on_failure="continue"), FailPipeline(8)),
        (Failure(code="never_heard_of", on_failure="continue"), FailPipeline(8)),
    ],
)
def test_the_first_row_that_matches_decides(failure: Failure, action: object) -> None:
    assert decide(failure) == action


def test_every_action_has_the_name_of_the_specification() -> None:
    named = [strategy_of(action) for action in (RetryStep(2), SkipStep(7), FailPipeline(8))]
    assert named == ["retry_step", "skip_step", "fail_pipeline"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("missing_input", "author"),
        ("not_found", "request"),
        ("empty_reply", "model"),
        ("overloaded", "throttle"),
        ("connection", "transient"),
        ("timeout", "ambiguous"),
        ("spend_limit", "account"),
        ("circuit_open", "breaker"),
        ("deadline", "limits"),
        ("checkpoint_not_saved", "storage"),
        ("state_lost", "state"),
        ("run_locked", "ownership"),
        ("worker_memory", "worker"),
        ("tool_denied", "confinement"),
        ("permission_denied", "access"),
        ("internal_error", "internal"),
        ("never_heard_of", "internal"),
    ],
)
def test_a_code_says_who_has_to_act(code: str, kind: str) -> None:
    assert class_of(code) == kind
