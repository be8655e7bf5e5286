"""What a step is given and what it gives back.

A step is a class with a ``shape`` and one method. It never sees the engine: nested steps run through
``ctx.run_block``, child pipelines through ``ctx.run_child``, models through ``ctx.call``. So loops and
nesting need no executor, and a step can be tested with a context made by hand. Money, tokens and
attempts are counted by whoever made the context; a step has no account to keep.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipex_core.errors import ErrorRecord, ExpressionError
from pipex_core.expressions.evaluate import Mode, Scope
from pipex_core.expressions.source import resolve
from pipex_core.expressions.template import render
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import Reply
from pipex_core.llm.provider import Request
from pipex_core.ports import Clock, Workspace
from pipex_core.spec.model import StepShape, StepSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of a step and everything below it."""

    input: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(input=self.input + other.input, output=self.output + other.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step returned, in memory.

    Attributes:
        text: Reply or text value; None when the step has none.
        data: JSON value; None when there is none.
        model: Model that answered; None for steps without one.
        variables: Global variables written, in order of writing.
        aliases: Names that now stand for this step's result (``output_field``).
        failure: Why a composite step failed although it gathered ``data``; None when it succeeded.
    """

    text: str | None = None
    data: Json = None
    model: str | None = None
    degraded: bool = False
    variables: Mapping[str, Json] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    failure: ErrorRecord | None = None


Record = Mapping[str, Json]  # a step record as JSON, section 16.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What a nested list of steps did.

    Attributes:
        records: Step name to record, in file order; absent steps were not reached.
        error: Record of the step that ended the block, or None.
        variables: Global variables that the block wrote, in order of writing.
    """

    records: Mapping[str, Record]
    error: Record | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)


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
    """

    file: str | None
    inputs: Mapping[str, Json]
    inherit: bool = False
    max_depth: int | None = None
    max_total_steps: int | None = None
    timeout_s: float = 300.0


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
        model: Model that was asked: the first one or the fallback.
        fallback_from: The model that failed before, or None.
    """

    reply: Reply
    model: str
    fallback_from: str | None = None


class Call(Protocol):
    """Sends one request; retries, limits, budget, journal and cache are done inside."""

    async def __call__(self, request: Request, *, fallback_model: str | None = None) -> Answer:
        """The reply. Raises ``ProviderError`` or ``BudgetExceeded``."""
        ...


class RunBlock(Protocol):
    """Runs nested steps in the order of their list."""

    async def __call__(
        self,
        steps: Sequence[StepSpec],
        prefix: str,
        *,
        local: Mapping[str, Json] | None = None,
        loop: Mapping[str, Json] | None = None,
    ) -> BlockResult:
        """Their records.

        Args:
            steps: The list.
            prefix: Step path in front of their names, such as ``each[0]/``.
            local: Names that the block sees beside those of the step.
            loop: What ``loop`` means inside; None keeps what the step sees.
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
        warn: Adds a warning (code, message) to the run.
        extensions: What the wiring adds for steps outside of this package, by name.
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
    warn: Callable[[str, str], None]
    mode: Mode = "strict"
    attempt: int = 1
    vendors: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, object] = field(default_factory=dict)

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
