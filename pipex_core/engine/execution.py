"""One run in progress: what all of its steps share, and the limits that they count against."""

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pipex_core.engine.fold import Unit
from pipex_core.engine.journal import Journal
from pipex_core.engine.records import RunWarning, StepRecord
from pipex_core.engine.recovery import OnFailure
from pipex_core.engine.services import Places, Services
from pipex_core.engine.undo import Transaction
from pipex_core.engine.view import View
from pipex_core.errors import ErrorRecord, StepError, StoreError
from pipex_core.expressions.evaluate import Mode
from pipex_core.jsonvalue import Json
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.session import SessionStore
from pipex_core.ports import BlobStore, Workspace
from pipex_core.spec.model import StepSpec
from pipex_core.spec.options import effective, of_every_step
from pipex_core.spec.plan import Plan
from pipex_core.telemetry import EventSink

# Fields in which a step without a model says how it is executed.
_says = frozenset({*of_every_step, "config", "preset", "pin_model"})

most_steps = 100_000
deepest = 10


@dataclass(slots=True)
class StepLimit:
    """How many steps may be executed in a run or below one of its steps.

    Attributes:
        most: The limit.
        is_of_run: Whether it is the limit of the whole run.
        count: Steps executed so far.
    """

    most: int
    is_of_run: bool = False
    count: int = 0

    def add(self) -> None:
        """Count one more.

        Raises:
            StepError: ``limit_exceeded``.
        """
        if self.count >= self.most:
            raise StepError(
                f"more than {self.most} steps would be executed; raise max_total_steps",
                code="limit_exceeded",
                detail="run" if self.is_of_run else "",
            )
        self.count += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """How one step is executed.

    Attributes:
        values: Effective options by name; templates in them are not expanded yet.
        timeout_s: Of the whole step, retries included, or None.
    """

    values: Mapping[str, Json]
    retry: RetryPolicy
    on_failure: OnFailure = "fail"
    templates: Mode = "strict"
    timeout_s: float | None = None


def step_options(step: StepSpec, values: Mapping[str, Json]) -> StepOptions:
    """The options that the executor acts on, from the effective ones of a step."""
    config = step.get("config") or {}
    retry = dict(values["retry"])
    if "max_retries" in config and "retry" not in step.fields:
        retry["max_retries"] = config["max_retries"]
    continues = config.get("continue_on_error") is True and "on_failure" not in step.fields
    return StepOptions(
        values=values,
        retry=retry_policy(retry),
        on_failure="continue" if continues else values["on_failure"],
        templates=values["templates"],
        timeout_s=values.get("timeout_seconds"),
    )


def retry_policy(retry: Mapping[str, Json]) -> RetryPolicy:
    """The policy of the effective option ``retry`` (section 18.2)."""
    words = retry.get("retry_on")
    return RetryPolicy(
        max_retries=retry["max_retries"],
        backoff=retry["backoff_strategy"],
        base_delay_s=retry["base_delay_ms"] / 1000,
        max_delay_s=retry["max_delay_ms"] / 1000,
        jitter=retry["jitter"],
        retry_on=None if words is None else tuple(words),
    )


@dataclass(slots=True, kw_only=True)
class Ran:
    """What became of the steps of a plan.

    Attributes:
        records: Of the steps that were reached, in file order.
        order: Their names in the order in which they started.
        view: What a step after the last one would see.
        failed: The record that ended the run, or None.
        stopped: Why the run was stopped from outside, or None.
        undo_open: Actions of its transaction that could not be undone.
    """

    records: Mapping[str, StepRecord]
    order: Sequence[str]
    view: View
    failed: StepRecord | None = None
    stopped: ErrorRecord | None = None
    undo_open: Sequence[Json] = ()


async def no_checkpoint(path: str, label: str | None) -> None:
    """Nothing is saved: the steps are part of something that keeps its own state."""
    del path, label


def unheard(record: StepRecord) -> None:
    """Nobody listens."""
    del record


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A plan that is being executed, or a child of one.

    Attributes:
        run_id: Of the root run.
        unit_prefix: What stands in front of step paths in the journal, such as ``case:q17#0/``.
        journal: Where every step and call is written.
        ledger: Budget that every call must fit in.
        options: Strongest layer of options, by name.
        depth: 0 at the root; a child is one deeper.
        max_depth: The smallest one on the way here.
        max_memory_mb: Above which no further step starts, or None.
        chain: Files on the way here, the root's first.
        limits: Step limits that a step counts against, the nearest first.
        deadline: Monotonic time at which the run ends, or None.
        run_steps: Executes the steps of a plan; made by the scheduler.
        warnings: Of the whole run, in order; shared by all its parts.
        top: Name of the top-level step that this belongs to, or None at the top.
        since: Where the interrupted try of the step around these begins in the journal: what failed
            after it had been dealt with, so it is not tried again. None in a new try.
        is_kept: Whoever takes the records of these steps makes them durable before they are used.
        checkpoint: Saves a checkpoint of the run for the step at a path, pinned under the label if any.
        stops: What stops the run as soon as one of them is done, with the reason.
        known_options: Options of the steps that were executed, by document path or by type; of this
            plan only.
        answers: Texts that steps keep for their later executions, by document path and prompt; of this
            process only.
        transaction: What these steps do is undone with, or None.
        folder: Part of the workspace that these steps are confined to; empty for the whole.
        is_forced: Whether the run goes on although an earlier undo was not complete.
        told: Hears of each step of this plan that has ended.
        may_fall_back: Whether another model may stand in for one that was given up.
    """

    services: Services
    run_id: str
    plan: Plan
    ledger: Ledger
    sink: EventSink
    workspace: Workspace
    run_steps: "Callable[[Execution, View, str], Coroutine[Any, Any, Ran]]"
    journal: Journal
    unit_prefix: str = ""
    options: Mapping[str, Json] = field(default_factory=dict)
    depth: int = 0
    max_depth: int = deepest
    max_memory_mb: float | None = None
    chain: tuple[str, ...] = ()
    limits: tuple[StepLimit, ...] = ()
    deadline: float | None = None
    max_concurrency: int = 1
    warnings: list[RunWarning] = field(default_factory=list)
    top: str | None = None
    since: int | None = None
    is_kept: bool = False
    checkpoint: "Callable[[str, str | None], Awaitable[None]]" = no_checkpoint
    stops: "tuple[asyncio.Future[ErrorRecord], ...]" = ()
    known_options: dict[str, StepOptions] = field(default_factory=dict)
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    transaction: Transaction | None = None
    folder: str = ""
    is_forced: bool = False
    told: Callable[[StepRecord], None] = unheard
    may_fall_back: bool = True

    @property
    def is_nested(self) -> bool:
        """Whether somebody around these steps waits until they are durable."""
        return self.is_kept or self.depth > 0 or self.top is not None or bool(self.unit_prefix)

    @property
    def session_variables(self) -> BlobStore | None:
        """Where variables of sessions outlive the run; None as for ``sessions``."""
        return None if self.unit_prefix else self.services.session_variables

    @property
    def sessions(self) -> SessionStore | None:
        """Where sessions outlive the run; None for a case of an evaluation, which leaves none behind."""
        return None if self.unit_prefix else self.services.sessions

    def options_of(self, step: StepSpec) -> StepOptions:
        """How a step of this plan is to be executed.

        A step has the same options in every iteration; so have all steps of a type without options.
        """
        is_plain = not self.services.shapes[step.type].family and _says.isdisjoint(step.fields)
        key = step.type if is_plain else step.path
        known = self.known_options.get(key)
        if known is None:
            known = self.known_options[key] = self._options_of(step)
        return known

    def below(self, path: str, *, since: int | None) -> "Execution":
        """The execution of the steps inside the step at ``path``."""
        return replace(self, top=self.top or path, since=since)

    def has_ended(self, unit: Unit) -> bool:
        """Whether a step is not to be executed, because the journal has its last word."""
        if unit.end is None or unit.is_finished:
            return unit.is_finished
        return self.since is not None and unit.ended > self.since

    def _options_of(self, step: StepSpec) -> StepOptions:
        services = self.services
        found = effective(
            step,
            self.plan.spec,
            services.shapes[step.type],
            run_options=self.options,
            environment=services.settings,
        )
        return step_options(step, found.values)

    def unit(self, path: str) -> Unit:
        """What the journal knows of a step now; an empty one when nothing."""
        known = self.journal.state.units.get(self.unit_prefix + path)
        return Unit() if known is None else known.copy()

    def warn(self, code: str, message: str, *, step: str | None) -> None:
        """Add a warning of a step to the run, and to its journal for a process that goes on."""
        top = self.top or step
        self.warnings.append(RunWarning(code=code, message=message, step=top))
        if step is not None:
            facts = {"t": "warning", "unit": self.unit_prefix + step, "code": code}
            with suppress(StoreError):  # the next record that is waited for says so
                self.journal.append_soon({**facts, "reason": message})
        self.sink.emit("warning", step=step or "", data={"code": code, "message": message})

    def warn_again(self, path: str, unit: Unit) -> None:
        """Add the warnings of a step that had ended before a restart, and of those inside of it."""
        for one in unit.warnings:
            found = RunWarning(code=one["code"], message=one["reason"], step=self.top or path)
            self.warnings.append(found)

    def count_step(self) -> None:
        """Count a step against every limit around it.

        Raises:
            StepError: ``limit_exceeded``.
        """
        for limit in self.limits:
            limit.add()
        self._check_memory()

    def _check_memory(self) -> None:
        """Refuse another step of a run whose process holds more than the run allows.

        Raises:
            StepError: ``limit_exceeded``; it ends the run, which a new process may go on with.
        """
        if self.max_memory_mb is None:
            return
        held = self.services.memory_mb()
        if held > self.max_memory_mb:
            raise StepError(
                f"the process holds {held:.0f} MB, more than max_memory_mb, {self.max_memory_mb:g}",
                code="limit_exceeded",
                detail="run",
            )

    def child(self, plan: Plan, *, file: str | None, top: str) -> "Execution":
        """The execution of a plan one level deeper."""
        return replace(
            self,
            plan=plan,
            depth=self.depth + 1,
            chain=self.chain if file is None else (*self.chain, file),
            top=self.top or top,
            known_options={},
            answers={},
        )


def places_of(
    plan: Plan,
    *,
    options: Mapping[str, Json],
    settings: Mapping[str, Json],
    allowed: Sequence[str] = (),
) -> Places:
    """The folders of a run of a root plan: from its options, the workflow, its defaults, the settings."""
    spec = plan.spec
    file = spec.source.file

    def folder(name: str) -> str:
        layers = (options, spec.fields, spec.get("defaults", {}), settings)
        return str(next((layer[name] for layer in layers if layer.get(name)), "."))

    return Places(
        workspace=folder("workspace_dir"),
        output=folder("output_dir"),
        beside=(posixpath.dirname(file) or ".") if file else None,
        allowed=tuple(allowed),
    )


def execution_of(  # noqa: PLR0913 - a plan, what it runs with, and what it is part of
    plan: Plan,
    *,
    services: Services,
    run_id: str,
    journal: Journal,
    ledger: Ledger,
    sink: EventSink,
    run_steps: "Callable[[Execution, View, str], Coroutine[Any, Any, Ran]]",
    options: Mapping[str, Json],
    unit_prefix: str = "",
    allow_paths: Sequence[str] = (),
    max_concurrency: int | None = None,
    may_fall_back: bool = True,
) -> Execution:
    """The execution of a root plan: its folders, its limits, its options.

    The arguments are those of ``Execution``; ``max_concurrency`` is the workflow's own when None.
    """
    spec = plan.spec
    limits = spec.get("resource_limits", {})
    file = spec.source.file
    places = places_of(plan, options=options, settings=services.settings, allowed=allow_paths)
    most = StepLimit(limits.get("max_total_steps", most_steps), is_of_run=True)
    return Execution(
        services=services,
        run_id=run_id,
        plan=plan,
        ledger=ledger,
        sink=sink,
        workspace=services.workspace(places),
        run_steps=run_steps,
        journal=journal,
        unit_prefix=unit_prefix,
        options=options,
        max_depth=limits.get("max_depth", deepest),
        max_memory_mb=limits.get("max_memory_mb"),
        chain=(file,) if file else (),
        limits=(most,),
        max_concurrency=max_concurrency or plan.max_concurrency,
        may_fall_back=may_fall_back,
    )
