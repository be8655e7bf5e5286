"""Every error that pipex raises, cut by who has to act, and the problem record that editors show.

The tree, and what each error brings along:

    PipexError            code, retryable
      SpecError           the author edits a file        .problems: file, line, column, path, suggestion
      ExpressionError     the author edits an expression .position
      TransformError      the author edits an operation
      StepError           a step of a pipeline failed for its own reasons
      ConfigError         the operator changes a setting or a secret
      ProviderError       a model service failed         RateLimited, ProviderTimeout, Overloaded, ...
      StoreError          a store failed or holds damaged data
      WorkerError         a call in a worker process gave no value
      BudgetExceeded      someone raises a limit
      GenerationIncomplete  a model wrote fewer cases than were asked for
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding in a file that somebody wrote.

    Attributes:
        file: Path as the user gave it; empty for text without a file.
        line: 1-based; 0 when no place is known.
        column: 1-based; 0 when no place is known.
        path: Where in the document, such as ``workflow.steps[2].prompt[0].step``.
        suggestion: The nearest known word, or None.
    """

    code: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""
    severity: Severity = "error"
    suggestion: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file and self.line else ""
        place = place or (f"{self.file}: " if self.file else "")
        hint = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{place}{self.severity}: {self.message}{hint} [{self.code}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRecord:
    """An error as a value: what a step record, a journal line and a crash report keep of it.

    Attributes:
        path: Step path of the place that failed, such as ``loop[0]/draft``; None for run-level errors.
    """

    code: str
    message: str
    retryable: bool = False
    path: str | None = None


class PipexError(Exception):
    """Base of all errors of pipex.

    Attributes:
        code: Stable snake_case word, written to journals and JSON.
        retryable: Whether the same call may succeed later without anybody acting.
        detail: A finer word within the code, or an empty string.
    """

    code: str = "internal_error"
    retryable: bool = False

    def __init__(self, message: str, *, code: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        if code is not None:
            self.code = code

    def record(self, path: str | None = None) -> ErrorRecord:
        """The error as a value, with the step path where it happened."""
        return ErrorRecord(
            code=self.code, message=self.message, retryable=self.retryable, path=path
        )


class SpecError(PipexError):
    """A file cannot be used as it stands.

    Attributes:
        problems: All findings, sorted by place; warnings included.
    """

    code = "invalid_spec"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = next((p for p in self.problems if p.severity == "error"), None)
        super().__init__(
            "\n".join(str(problem) for problem in self.problems) or "invalid file",
            code=first.code if first else None,
        )


class ExpressionError(PipexError):
    """An expression or template cannot be parsed or has no value.

    Attributes:
        position: 0-based character offset in the text of the expression or template.
    """

    code = "expression_syntax"

    def __init__(self, message: str, *, code: str | None = None, position: int = 0) -> None:
        super().__init__(message, code=code)
        self.position = position


class TransformError(PipexError):
    """An operation of a data transform cannot be applied."""

    code = "type_error"


class StepError(PipexError):
    """A step failed for its own reasons; ``code`` says which, such as ``echo_failed``."""

    code = "step_failed"


class ConfigError(PipexError):
    """A setting, an option or a secret is missing or wrong; nothing was executed.

    Attributes:
        next_step: What to type or change, or an empty string.
    """

    code = "invalid_option"

    def __init__(self, message: str, *, code: str | None = None, next_step: str = "") -> None:
        super().__init__(message, code=code)
        self.next_step = next_step


class ProviderError(PipexError):
    """A model service did not give a usable answer.

    Attributes:
        provider: Name of the provider, such as ``anthropic``.
        model: Model as sent.
        status: HTTP status, or None when there was none.
        retry_after_s: Lower bound of the wait before the next try, or None.
        maybe_billed: Whether the vendor may charge for the call all the same.
        request_id: The vendor's id of the request, or None.
        drawn: Which of its prepared failures a scripted provider gave (list, number), or None.
    """

    code = "server_error"
    retryable = True
    drawn: tuple[str, int] | None = None

    def __init__(  # noqa: PLR0913 - the facts of a failed call, all optional and named
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        maybe_billed: bool = False,
        request_id: str | None = None,
        code: str | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message, code=code, detail=detail)
        self.provider = provider
        self.model = model
        self.status = status
        self.retry_after_s = retry_after_s
        self.maybe_billed = maybe_billed
        self.request_id = request_id


class RateLimited(ProviderError):
    """429: too many requests or tokens for now."""

    code = "rate_limit"


class Overloaded(ProviderError):
    """529 or 503: the service is overloaded."""

    code = "overloaded"


class ServerFailed(ProviderError):
    """5xx, or an answer that is not an answer."""

    code = "server_error"


class ConnectionFailed(ProviderError):
    """The connection failed or was cut."""

    code = "connection"


class ProviderTimeout(ProviderError):
    """The wall deadline of the call passed; it may have been billed."""

    code = "timeout"


class ApiError(ProviderError):
    """Another HTTP failure that a later try may cure (408, 409)."""

    code = "api_error"


class CircuitOpen(ProviderError):
    """The breaker of this provider and model is open; nothing was sent."""

    code = "circuit_open"


class AuthFailed(ProviderError):
    """401 or 403, or no key: the operator must act."""

    code = "auth"
    retryable = False


class SpendLimit(ProviderError):
    """The account's spend limit is reached: the operator must act."""

    code = "spend_limit"
    retryable = False


class InvalidRequest(ProviderError):
    """The service refuses the request as it is written."""

    code = "invalid_request"
    retryable = False


class ModelNotFound(ProviderError):
    """The service does not know the model."""

    code = "not_found"
    retryable = False


class Refused(ProviderError):
    """The service's content filter refused to answer."""

    code = "content_filter"
    retryable = False


class EmptyReply(ProviderError):
    """The model answered with nothing."""

    code = "empty_reply"
    retryable = False


class InvalidReply(ProviderError):
    """The model's answer does not have the form that was asked for."""

    code = "invalid_reply"
    retryable = False


class ReplayMiss(ProviderError):
    """The cassette holds no answer for this call; nothing was sent."""

    code = "replay_miss"
    retryable = False


class StoreError(PipexError):
    """A store failed or holds damaged data; ``code`` says which, such as ``journal_damaged``."""

    code = "storage_error"


class RunLocked(StoreError):
    """Another live process writes this run."""

    code = "run_locked"
    retryable = True


class WorkerError(PipexError):
    """A call in a worker process gave no value; ``code`` says why, such as ``worker_timeout``."""

    code = "worker_died"


class BudgetExceeded(PipexError):
    """A reservation does not fit in a budget; nothing was sent."""

    code = "budget_exceeded"


class GenerationIncomplete(PipexError):
    """A model wrote fewer cases than were asked for; ``kept`` is the proposal with those that it wrote."""

    code = "generation_incomplete"

    def __init__(self, message: str, *, kept: Any) -> None:  # noqa: ANN401 - what it is lies above this module
        super().__init__(message)
        self.kept = kept


class Cancelled(PipexError):
    """The run was interrupted."""

    code = "cancelled"
