"""A step of a pipeline as an op: what it was given, the step executed by the core, what the run page shows."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from pipex_core.app.pipelines import capped_ledger
from pipex_core.engine.inside import paths_of
from pipex_core.engine.part import Before, Done, Finished, end_run, run_part
from pipex_core.engine.runner import effective_inputs
from pipex_core.engine.services import Services
from pipex_core.errors import ErrorRecord, PipexError, StepError
from pipex_core.spec.plan import Plan
from pipex_core.telemetry import Event, Listener
from pipex_dagster.envelopes import Envelope, envelope, finished_in, merged
from pipex_dagster.presentation import Metadata
from pipex_dagster.resources import PipexResource, core_key, root_of
from pipex_dagster.stepcards import ended_metadata, record_metadata
from pipex_dagster.translator import failure_of, is_worth_a_retry, slugs


@dataclass(frozen=True, slots=True)
class Book:
    """The plans of all jobs by name: an op in a shared graph finds the run that it belongs to in it."""

    plans: dict[str, Plan] = field(default_factory=dict)


@dataclass(slots=True)
class _Prompts:
    """The prompts that a step sends: the first one, of the step itself or inside of it."""

    redact: Any
    first: dict[str, str] = field(default_factory=dict)

    def __call__(self, path: str, prompt: str) -> None:
        self.first.setdefault(path, self.redact(prompt))


def executed_step(
    book: Book, context: dg.OpExecutionContext, inputs: Mapping[str, Any], *, closes: bool
) -> Iterator[dg.Output[Envelope]]:
    """Execute the step that an op stands for.

    Args:
        book: Plans of all jobs.
        context: Of the op.
        inputs: Envelopes of the ops before it.
        closes: Whether the op closes the nested pipeline that it is part of.

    Yields:
        The envelope with the step's record.

    Raises:
        dg.Failure: The run ends with this step.
        dg.RetryRequested: Another try can help, which is rare.
    """
    plan = book.plans[context.job_name]
    path = path_of(plan, context.op_handle.path, closes=closes)
    try:
        before = _before(plan, context, inputs)
        done, shown = _done(plan, path, before, context)
    except PipexError as error:
        raise _ended(error, {}) from error
    for warning in done.warnings:
        context.log.warning("%s: %s", warning.code, warning.message)
    record = done.record
    if record.ends_run and record.error is not None:
        raise _ended(_raised(record.error), shown)
    if record.status == "skipped":
        context.log.info("skipped: %s", record.metadata.get("reason", "the step says so"))
    state = done.provider_state
    yield dg.Output(envelope(before.finished, done.finished, provider_state=state), metadata=shown)


def run_outputs(
    book: Book, context: dg.OpExecutionContext, inputs: Mapping[str, Any]
) -> Iterator[dg.Output[Envelope]]:
    """What a run made whose last steps stand side by side.

    Yields:
        Their envelopes as one.

    Raises:
        dg.Failure: An output of the workflow has no value.
    """
    plan = book.plans[context.job_name]
    try:
        before = _before(plan, context, inputs)
        shown = ended_metadata(end_run(plan, before, services=_services(context)))
    except PipexError as error:
        raise failure_of(error) from error
    yield dg.Output(merged(_envelopes(inputs), order=paths_of(plan)), metadata=shown)


def path_of(plan: Plan, handle: Iterable[str], *, closes: bool = False) -> str:
    """The path of the step that a node stands for.

    Args:
        plan: Of the job.
        handle: Aliases on the way to the node.
        closes: Whether the last of them is the op that closes the graph around it.
    """
    *around, last = handle
    names = []
    for alias in around if closes else (*around, last):
        name = next(n for n, made in slugs(s.name for s in plan.steps).items() if made == alias)
        names.append(name)
        step = next(step for step in plan.steps if step.name == name)
        plan = plan.children.get(step.spec.path, plan)
    return "/".join(names)


def _before(plan: Plan, context: dg.OpExecutionContext, inputs: Mapping[str, Any]) -> Before:
    given = merged(_envelopes(inputs), order=paths_of(plan))
    root_run_id, started = root_of(context)
    return Before(
        run_id=root_run_id,
        started=started,
        inputs=effective_inputs(plan, context.op_config["inputs"]),
        finished=finished_in(given),
        provider_state=given["provider_state"],
    )


def _envelopes(inputs: Mapping[str, Any]) -> Iterator[Envelope]:
    """All envelopes given; the steps before a nested pipeline come as a list, or as None for none."""
    for value in inputs.values():
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def _done(
    plan: Plan, path: str, before: Before, context: dg.OpExecutionContext
) -> tuple[Done, Metadata]:
    pipex: PipexResource = getattr(context.resources, core_key)
    services = _services(context)
    prompts = _Prompts(services.redact)

    async def work() -> Done:
        try:
            return await run_part(
                plan,
                path,
                before,
                services=replace(services, asked=prompts),
                values=context.op_config["overrides"],
                ledger=capped_ledger(pipex.settings),
            )
        finally:
            await services.client.aclose()

    done = asyncio.run(work())
    shown = record_metadata(done, prompts.first)
    finished = [*before.finished, done.finished]
    if not done.record.ends_run and _is_whole(plan, finished):
        shown |= ended_metadata(
            end_run(plan, replace(before, finished=finished), services=services)
        )
    return done, shown


def _is_whole(plan: Plan, finished: Iterable[Finished]) -> bool:
    """Whether these are all steps of the run."""
    return {step.name for step in plan.steps}.issubset(one.path for one in finished)


def _services(context: dg.OpExecutionContext) -> Services:
    pipex: PipexResource = getattr(context.resources, core_key)
    config = context.op_config
    return pipex.desk(
        kind=config.get("provider"),
        mock_responses=config.get("mock_responses"),
        cassette=config.get("cassette"),
        listener=_log_to(context),
    ).services


def _ended(error: PipexError, shown: Metadata) -> Exception:
    """What an op raises: its failure, or the wish for the one more try that may help."""
    if is_worth_a_retry(error):
        return dg.RetryRequested(max_retries=1)
    return failure_of(error, shown=shown)


def _raised(error: ErrorRecord) -> StepError:
    raised = StepError(error.message, code=error.code)
    raised.retryable = error.retryable
    return raised


def _log_to(context: dg.OpExecutionContext) -> Listener:
    def listen(event: Event) -> None:
        if event.kind in ("attempt_failed", "call_retried"):
            facts = ", ".join(f"{key}={value}" for key, value in event.data.items())
            context.log.info("%s %s: %s", event.kind, event.step, facts)

    return listen
