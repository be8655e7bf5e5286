"""What a step is given and what it gives back.

A step is a class with a ``shape`` and one method. It never sees the engine: nested steps run through
``ctx.run_block``, child pipelines through ``ctx.run_child``, models through ``ctx.call``. So loops and
nesting need no executor, and a step can be tested with a context made by hand. Money, tokens and
attempts are counted by whoever made the context; a step has no account to keep.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from pipex_core.errors import ErrorRecord, ExpressionError
from pipex_core.expressions.evaluate import Mode, Scope
from pipex_core.expressions.source import resolve
from pipex_core.expressions.template import render
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import Reply
from pipex_core.llm.conversation import no_tool_log
from pipex_core.llm.provider import Request
from pipex_core.llm.session import Session
from pipex_core.llm.tools import ToolLog
from pipex_core.ports import Clock, Commands, Workspace
from pipex_core.spec.model import StepShape, StepSpec
from pipex_core.steps.blocks import (
    BlockResult,
    Inside,
    Record,
    Signal,
    Written,
    nothing_written,
    outermost,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of a step and everything below it."""

    input: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(input=self.input + other.input, output=self.output + other.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a step took that went through no call of its own, such as that of a whole evaluation."""

    nanousd: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    calls: int = 0

    @property
    def is_something(self) -> bool:
        """Whether anything was paid or asked."""
        return self != nothing_paid


nothing_paid: Final = Paid()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step returned, in memory.

    Attributes:
        text: Reply or text value; None when the step has none.
        data: JSON value; None when there is none.
        model: Model that answered; None for steps without one.
        aliases: Names that now stand for this step's result (``output_field``).
        signal: What it does to the loop around it, or None.
        skipped: Why the step counts as skipped although it began, or None.
        failure: Why a composite step failed although it gathered ``data``; None when it succeeded.
        paid: What was paid elsewhere for it; counts in its record and against the run's budget.
    """

    text: str | None = None
    data: Json = None
    model: str | None = None
    degraded: bool = False
    written: Written = nothing_written
    aliases: Sequence[str] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    signal: Signal | None = None
    skipped: str | None = None
    failure: ErrorRecord | None = None
    paid: Paid = nothing_paid


child_timeout_s: Final = 300.0  # of a child whose step names no other


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRun:
    """What a child pipeline is to run.

    Attributes:
        file: Path of its file as written, or None for the pipeline that stands inside the step.
        inputs: Values given by the parent, types kept.
        inherit: Whether the child sees the parent's ``global_vars`` and, where the parent gives no
            value, its inputs.
        max_depth: Deepest nesting allowed below this step, or None for what is inherited.
        max_total_steps: Steps that may be executed below this step, or None.
        timeout_s: Wall deadline of the child.
        workspace_dir: Folder of the workspace that the child is confined to, or None.
    """

    file: str | None
    inputs: Mapping[str, Json]
    inherit: bool = False
    max_depth: int | None = None
    max_total_steps: int | None = None
    timeout_s: float = child_timeout_s
    workspace_dir: str | None = None

    @classmethod
    def of(cls, step: StepSpec, *, file: str | None, inputs: Mapping[str, Json]) -> "ChildRun":
        """What a step asks for in its ``config``, with what its templates gave."""
        config = step.get("config", {})
        return cls(
            file=file,
            inputs=inputs,
            inherit=config.get("inherit_context", False),
            max_depth=config.get("max_depth"),
            max_total_steps=config.get("max_total_steps"),
            timeout_s=config.get("timeout_seconds", child_timeout_s),
            workspace_dir=config.get("workspace_dir"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildResult:
    """How a child pipeline ended.

    Attributes:
        steps: Records of its top-level steps, in file order.
        scope: What its own ``outputs`` could name when it ended.
        outputs: Its workflow's ``outputs``; None when it declares none.
        error: Why it failed, with the step path below the parent; None when it succeeded.
    """

    steps: Mapping[str, Record]
    scope: Scope
    outputs: Mapping[str, Json] | None
    error: ErrorRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply to a step's call.

    Attributes:
        model: Model that was asked: the first one, or the one that stood in for it.
        provider: Of that model; empty for the one that was asked at first.
        fallback_from: The model that failed before, or None.
    """

    reply: Reply
    model: str
    provider: str = ""
    fallback_from: str | None = None


class Call(Protocol):
    """Sends one request; retries, limits, budget, journal and cache are done inside."""

    async def __call__(
        self, request: Request, *, fallback_model: str | None = None, retries: int | None = None
    ) -> Answer:
        """The reply.

        Args:
            request: What is asked.
            fallback_model: Asked once when its own model is given up.
            retries: Replaces the number of the step's retry rule; such a call counts as a further attempt.

        Raises:
            ProviderError: The last failure.
            BudgetExceeded: The call does not fit in a budget.
        """
        ...


class OpenSession(Protocol):
    """Sessions of the run by name."""

    def __call__(self, name: str, *, fresh: bool = False) -> Session:
        """The turns so far: those that earlier runs kept, unless it is to start ``fresh``, and this run's.

        Raises:
            StoreError: What earlier runs kept cannot be read.
        """
        ...


def new_session(name: str, *, fresh: bool = False) -> Session:
    """A session in which nothing was said yet."""
    del fresh
    return Session(name=name)


def never_cached(request: Request) -> str | None:
    """Nothing is in the cache."""
    del request
    return None


def unaudited(action: str, facts: Mapping[str, Json]) -> None:
    """Nobody keeps an audit log."""
    del action, facts


class RunBlock(Protocol):
    """Runs nested steps in the order of their list."""

    async def __call__(
        self, steps: Sequence[StepSpec], prefix: str, inside: Inside = outermost
    ) -> BlockResult:
        """Their records.

        Args:
            steps: The list.
            prefix: Step path in front of their names, such as ``each[0]/``.
            inside: What they see beyond the step around them.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Everything one execution of one step may use.

    Attributes:
        step: The step as written.
        path: Step path, such as ``loop[0]/draft``.
        scope: Names that expressions of this step may use.
        options: Effective model options by name (section 13).
        mode: How undefined names in templates are taken.
        attempt: Number of this try, from 1.
        vendors: Vendor of a step family (``anthropic``, ``gemini``) to the provider that answers here.
        run_child: Runs a child pipeline.
        scope_of: The names that expressions may use at a place inside of the step.
        gather: Told how to make the outcome so far, for the record of a composite step that is ended by
            an error or a deadline.
        checkpoint: Saves a checkpoint now, pinned under the label if there is one.
        warn: Adds a warning (code, message) to the run.
        extensions: What the wiring adds for steps outside of this package, by name.
        tools: Journal of the tool calls of this try.
        commands: Runs what the tool ``Bash`` is asked for; None where the deployment does not allow it.
        session: Opens a session of the run.
        answers: Texts that steps of the run keep for their later executions, by document path and prompt.
        cached: Text that the reply cache has for a request, or None.
        functions: Functions that the workflow declares for Gemini, by name.
        redact: Takes secrets out of a message before it is kept.
        hooks: Of the workflow, around the tool calls of its models.
        audit: Writes to the audit log what a hook says of a tool call.
    """

    step: StepSpec
    path: str
    scope: Scope
    options: Mapping[str, Json]
    clock: Clock
    workspace: Workspace
    call: Call
    run_block: RunBlock
    run_child: Callable[[ChildRun], Awaitable[ChildResult]]
    scope_of: Callable[[Inside], Scope]
    gather: Callable[[Callable[[], Outcome]], None]
    checkpoint: Callable[[str | None], Awaitable[None]]
    warn: Callable[[str, str], None]
    mode: Mode = "strict"
    attempt: int = 1
    vendors: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, object] = field(default_factory=dict)
    tools: ToolLog = no_tool_log
    commands: Commands | None = None
    session: OpenSession = new_session
    answers: MutableMapping[tuple[str, str], str] = field(default_factory=dict)
    cached: Callable[[Request], str | None] = never_cached
    functions: Mapping[str, Json] = field(default_factory=dict)
    redact: Callable[[str], str] = str
    hooks: Mapping[str, Json] = field(default_factory=dict)
    audit: Callable[[str, Mapping[str, Json]], None] = unaudited

    def rendered(self, name: str, default: Json = None) -> Json:
        """A field's value with its templates expanded; ``default`` when the field is not given.

        Raises:
            ExpressionError: The message names step and field.
        """
        value = self.step.get(name)
        return default if value is None else self.expand(value, name)

    def expand(self, value: Json, name: str) -> Json:
        """A value with its templates expanded, as part of the field ``name``.

        Raises:
            ExpressionError: The message names step and field.
        """
        return self._named(name, lambda: render(value, self.scope, mode=self.mode, warn=self._soft))

    def source(self, name: str) -> Json:
        """What a source field (a value, an expression or a template) stands for.

        Raises:
            ExpressionError: The message names step and field.
        """
        return self._named(name, lambda: resolve(self.step.get(name), self.scope))

    def _soft(self, error: ExpressionError) -> None:
        self.warn(error.code, error.message)

    def _named(self, name: str, make: Callable[[], Json]) -> Json:
        try:
            return make()
        except ExpressionError as exc:
            raise ExpressionError(
                f"step {self.step.name!r}, field {name!r}: {exc.message}",
                code=exc.code,
                position=exc.position,
            ) from exc


class Step(Protocol):
    """One type of step."""

    shape: StepShape

    async def run(self, ctx: StepContext) -> Outcome:
        """Do the step's work once.

        Raises:
            PipexError: The step failed; the executor retries, goes on or stops by rule.
        """
        ...
