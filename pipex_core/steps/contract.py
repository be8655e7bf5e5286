"""What a step is given and what it gives back.

A step is a class with a ``shape`` and one method. It never sees the engine: nested steps run through
``ctx.run_block``, child pipelines through ``ctx.run_child``, models through ``ctx.call``. So loops and
nesting need no executor, and a step can be tested with a context made by hand.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipex_core.expressions.evaluate import Scope
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import Reply
from pipex_core.llm.provider import Request
from pipex_core.ports import Clock, Workspace
from pipex_core.spec.model import PipelineSpec, StepShape, StepSpec


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
        variables: Global variables written, in order of writing.
        aliases: Names that now stand for this step's result (``output_field``).
        children: Records of nested steps whose cost and tokens count for this step.
        cost_nanousd: Of the step's own calls and of everything below it.
        attempts: Tries of the step's own work.
    """

    text: str | None = None
    data: Json = None
    model: str | None = None
    cost_nanousd: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    attempts: int = 1
    degraded: bool = False
    variables: Mapping[str, Json] = field(default_factory=dict)
    session_variables: Mapping[str, Json] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)


Record = Mapping[str, Json]  # the dict form of engine.journal.StepRecord, section 16.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What a nested list of steps did.

    Attributes:
        records: Step name to record, in file order; absent steps were not reached.
        error: Record of the step that ended the block, or None.
    """

    records: Mapping[str, Record]
    error: Record | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Everything one execution of one step may use.

    Attributes:
        step: The step as written.
        path: Step path, such as ``loop[0]/draft``.
        scope: Names that expressions of this step may use.
        options: Effective options by name, defaults and presets merged in (section 13).
        templates: ``strict`` or ``lenient``, for this step.
        call: Sends one model request: retries, limits, budget, journal and cache are done inside.
        run_block: Runs nested steps: (steps, path prefix, local names) -> their records.
        run_child: Runs a child pipeline: (spec, inputs, path prefix) -> its run result as JSON.
        load_child: Loads the file of a nested pipeline, relative to the file that names it.
        run_eval: Runs an evaluation; set where the evaluation engine is wired in, else None.
        warn: Adds a warning (code, message) to the run.
    """

    step: StepSpec
    path: str
    scope: Scope
    options: Mapping[str, Json]
    templates: str
    clock: Clock
    workspace: Workspace
    call: Callable[[Request], Awaitable[Reply]]
    run_block: Callable[[Sequence[StepSpec], str, Mapping[str, Json]], Awaitable[BlockResult]]
    run_child: Callable[[PipelineSpec, Mapping[str, Json], str], Awaitable[Mapping[str, Json]]]
    load_child: Callable[[str], PipelineSpec]
    warn: Callable[[str, str], None]


class Step(Protocol):
    """One type of step."""

    shape: StepShape

    async def run(self, ctx: StepContext) -> Outcome:
        """Do the step's work once.

        Raises:
            PipexError: The step failed; the executor retries, goes on or stops by rule.
        """
        ...
