"""The decision table row by row, classes of codes, and the crash report."""

from typing import Any

import pytest

from pipex_core.engine.recovery import (
    CrashFacts,
    FailPipeline,
    Failure,
    RetryStep,
    SkipStep,
    class_of,
    crash_report,
    decide,
    strategy_of,
)
from pipex_core.errors import ErrorRecord

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


def test_a_crash_report_names_the_error_the_state_and_the_command() -> None:
    facts = CrashFacts(
        run_id="r1",
        root_run_id="r0",
        scope="main",
        workflow="w",
        plan_digest="p",
        inputs_digest="i",
        host="h",
        version="0.1.0",
        at="2026-11-23T12:00:00+00:00",
        unit="a",
        attempt=2,
        action=FailPipeline(4, parked=True),
        in_doubt=[{"unit": "a", "reserved_nanousd": 7, "t": "begin"}],
        journal={"n": 12},
        checkpoints=[{"seq": 1, "verdict": "ok"}],
        budget={"spent_nanousd": 5},
    )
    error = ErrorRecord(code="rate_limit", message="slow", retryable=True, path="a")
    assert crash_report(error, facts) == {
        "schema": "pipex.crash/1",
        "run_id": "r1",
        "root_run_id": "r0",
        "scope": "main",
        "workflow": "w",
        "unit": "a",
        "attempt": 2,
        "at": "2026-11-23T12:00:00+00:00",
        "error": {
            "code": "rate_limit",
            "class": "throttle",
            "message": "slow",
            "retryable": True,
            "path": "a",
        },
        "decision": {"row": 4, "strategy": "fail_pipeline"},
        "in_doubt": [{"unit": "a", "reserved_nanousd": 7}],
        "journal": {"n": 12},
        "checkpoints": [{"seq": 1, "verdict": "ok"}],
        "budget": {"spent_nanousd": 5},
        "plan_digest": "p",
        "inputs_digest": "i",
        "versions": {"pipex": "0.1.0"},
        "host": "h",
        "command": "pipex resume r1",
        "written_by": "process",
    }
