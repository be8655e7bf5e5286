"""What to do after a failure: a table over codes.

The table reads codes and never messages. Order matters: an optional step is tried again first and
skipped then; what the operator or the owner of the budget must mend ends the run, resumable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pipex_core.engine.timing import TookTooLong
from pipex_core.errors import PipexError, ProviderError
from pipex_core.llm.limits import RetryPolicy

ErrorClass = Literal[
    "author",
    "request",
    "model",
    "throttle",
    "transient",
    "ambiguous",
    "account",
    "breaker",
    "limits",
    "storage",
    "state",
    "ownership",
    "worker",
    "confinement",
    "access",
    "internal",
]
OnFailure = Literal["fail", "continue", "warn"]

_classes: Final[Mapping[ErrorClass, str]] = {
    "author": "undefined_reference type_error invalid_input missing_input unknown_input"
    " validation_failed file_not_found echo_failed session_limit gate_failed replay_miss"
    " iteration_failed task_failed invalid_spec expression_syntax unknown_function bad_arguments"
    " bad_condition expression_too_complex circular_pipeline step_failed invalid_option"
    " file_unreadable yaml_syntax duplicate_key not_a_pipeline too_large missing_field wrong_type"
    " unknown_value out_of_range conflicting_fields unsupported_feature duplicate_step unknown_step"
    " forward_reference unknown_step_type unknown_gemini_function misplaced_step parallel_write"
    " invalid_schema unknown_operation",
    "request": "invalid_request not_found",
    "model": "content_filter empty_reply invalid_reply output_schema_failed max_turns",
    "throttle": "rate_limit overloaded",
    "transient": "server_error connection api_error",
    "ambiguous": "timeout",
    "account": "auth spend_limit",
    "breaker": "circuit_open",
    "limits": "budget_exceeded limit_exceeded deadline",
    "storage": "storage_error storage_full checkpoint_not_saved",
    "state": "journal_damaged journal_tampered checkpoint_damaged checkpoint_conflict"
    " schema_too_new state_lost checkpoint_mismatch resume_mismatch unknown_run run_finished"
    " needs_operator",
    "ownership": "run_locked fenced cancelled",
    "worker": "worker_died worker_timeout worker_memory",
    "confinement": "path_denied tool_denied blocked_address",
    "access": "unauthenticated permission_denied",
}
_class_of: Final = {code: name for name, codes in _classes.items() for code in codes.split()}

ends_the_run: Final = frozenset({"fenced", "cancelled", "budget_exceeded"})
may_be_skipped: Final = frozenset(
    {"author", "request", "model", "transient", "throttle", "ambiguous", "breaker", "worker"}
    | {"account", "confinement", "limits"}
)
# Each has its own further tries: repairs of the reply, retries of the tasks.
never_repeated: Final = frozenset({"output_schema_failed", "task_failed"})
of_the_run: Final = "run"  # detail of a limit that belongs to the whole run


def class_of(code: str) -> ErrorClass:
    """The class of an error by its code: who has to act. A code that is in no class is internal."""
    return _class_of.get(code, "internal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the table looks at.

    Attributes:
        detail: Finer word within the code: ``parked`` when a wait is too long to be slept, ``run``
            when a limit of the whole run was reached.
        repeatable: Whether the same work may succeed in another try: by its class or by the step's
            ``retry_on``, and not already tried again by the call layer.
        attempt: The try that failed, from 1.
        attempts: Tries that the step may have in all.
        is_in_time: Whether the wait before the next try ends before every deadline.
        on_failure: The step's own rule.
        losses: How often a worker or process of this unit died before.
    """

    code: str
    detail: str = ""
    repeatable: bool = False
    attempt: int = 1
    attempts: int = 1
    is_in_time: bool = True
    on_failure: OnFailure = "fail"
    losses: int = 0


@dataclass(frozen=True, slots=True)
class RetryStep:
    """The step starts over with the next attempt."""

    row: int


@dataclass(frozen=True, slots=True)
class SkipStep:
    """The record stays failed and the run goes on with a warning."""

    row: int


@dataclass(frozen=True, slots=True)
class FailPipeline:
    """The run ends; ``parked`` says that it should be resumed later by itself."""

    row: int
    parked: bool = False


Action = RetryStep | SkipStep | FailPipeline


def decide(failure: Failure) -> Action:
    """What follows a failure. The first row that matches wins; ``row`` is its number.

    Source: reliability specification, table 4.1, without the rows on fallbacks and rollback; an account
    error of an optional step is skipped, as section 18.3 of the language has it.
    """
    if failure.code in ends_the_run or failure.detail == of_the_run:
        return FailPipeline(1)
    if failure.detail == "parked":
        return FailPipeline(4, parked=True)
    if (
        failure.repeatable
        and failure.code not in never_repeated
        and failure.attempt < failure.attempts
        and failure.is_in_time
    ):
        return RetryStep(2)
    if failure.code == "worker_died" and failure.losses == 0:
        return RetryStep(3)
    if failure.on_failure != "fail" and class_of(failure.code) in may_be_skipped:
        return SkipStep(7)
    return FailPipeline(8)


def is_repeatable(error: PipexError, retry: RetryPolicy) -> bool:
    """Whether the step may try again; failed calls were tried again by the call layer already."""
    if isinstance(error, ProviderError):
        return False
    if retry.retry_on is None:
        return error.retryable and not isinstance(error, TookTooLong)
    words = [word.lower() for word in retry.retry_on]
    return any(word == error.code or word in error.message.lower() for word in words)


def strategy_of(action: Action) -> str:
    """The action by the name that journals and reports use."""
    return _strategies[type(action)]


_strategies: Final[Mapping[type[Action], str]] = {
    RetryStep: "retry_step",
    SkipStep: "skip_step",
    FailPipeline: "fail_pipeline",
}
