"""Loops: ``for_loop`` over items, ``while_loop`` as long as a condition holds, and what ends them early.

An iteration is a block with names of its own. What it writes into variables goes on to the next one;
nothing else does, so iterations that run at the same time may write none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.errors import ErrorRecord, StepError
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.values import truth
from pipex_core.jsonvalue import Json, type_name
from pipex_core.spec.model import FieldShape, Finding, StepShape, StepSpec
from pipex_core.spec.option_fields import flag, integer, text
from pipex_core.steps.blocks import (
    BlockResult,
    Inside,
    Written,
    error_of,
    in_order,
    nothing_written,
)
from pipex_core.steps.contract import Outcome, StepContext

most_items: Final = 100_000
most_rounds: Final = 1_000
default_rounds: Final = 100
default_parallel: Final = 5

_body: Final = FieldShape(
    kind="steps", types=("list",), required=True, description="What is done each time."
)
_breaks: Final = FieldShape(kind="condition", sees="body", description="True ends the loop.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Iteration:
    """One round of a loop.

    Attributes:
        block: What its body did; None when the item was skipped.
        breaks: Whether the loop's own condition ends it here.
    """

    index: int
    item: Json
    block: BlockResult | None = None
    breaks: bool = False

    @property
    def failed(self) -> bool:
        return self.block is not None and self.block.error is not None

    @property
    def ends_loop(self) -> bool:
        return self.breaks or (self.block is not None and self.block.signal == "break")

    @property
    def output(self) -> Json:
        return None if self.block is None else self.block.output

    def as_json(self) -> dict[str, Json]:
        """As ``iterations`` of the loop's data shows it."""
        error = self.block.error["error"] if self.block is not None and self.block.error else None
        return {
            "index": self.index,
            "item": self.item,
            "success": not self.failed,
            "skipped": self.block is None,
            "results": {} if self.block is None else dict(self.block.records),
            "error": error,
        }


@dataclass(slots=True, kw_only=True)
class _Rounds:
    """The rounds of a loop so far.

    Attributes:
        written: Variables that they wrote and that outlive them.
        stopped: Why there were no more, or None.
    """

    done: list[_Iteration] = field(default_factory=list)
    written: Written = nothing_written
    stopped: str | None = None

    def add(self, one: _Iteration) -> None:
        """Take in the round that follows."""
        self.done.append(one)
        if one.block is not None:
            self.written = self.written.then(one.block.written.kept())

    @property
    def failures(self) -> Sequence[_Iteration]:
        return [one for one in self.done if one.failed]

    def data(self) -> dict[str, Json]:
        """What data of all loops have in common."""
        return {
            "iterations": [one.as_json() for one in self.done],
            "outputs": [one.output for one in self.done],
            "stopped": self.stopped,
        }

    def failure(self) -> ErrorRecord | None:
        """Why the loop failed: its first failed round."""
        first = next(iter(self.failures), None)
        if first is None or first.block is None or first.block.error is None:
            return None
        inner = error_of(first.block.error)
        message = f"iteration {first.index} failed: {inner.message}"
        return replace(inner, code="iteration_failed", message=message, retryable=False)


def _serial_only(step: StepSpec) -> Iterable[Finding]:
    """Conditions that have no meaning where all rounds run at the same time."""
    if step.get("parallel") is not True:
        return
    for name in ("break_condition", "continue_condition"):
        if name in step.fields:
            yield Finding(
                code="conflicting_fields",
                message=f"`{name}` has no meaning in a loop with `parallel`",
                path=name,
            )


class ForLoop:
    """Run steps once for each item of a list, one after another or several at the same time."""

    shape = StepShape(
        type="for_loop",
        summary="Run steps for each item of a list.",
        is_loop=True,
        fields={
            "steps": _body,
            "data_source": FieldShape(
                kind="source",
                types=("list", "str"),
                required=True,
                description="The items: a list, an expression or a template.",
            ),
            "items": FieldShape(kind="plain", alias_of="data_source"),
            "iterator": text(kind="plain", default="item", description="Name of the item."),
            "parallel": flag(kind="plain", description="Iterations run at the same time."),
            "max_parallel": integer(
                1, 64, kind="plain", default=default_parallel, description="Iterations in flight."
            ),
            "break_on_error": flag(
                kind="plain", default=True, description="End after a failed one."
            ),
            "continue_condition": FieldShape(
                kind="condition", sees="iteration", description="True skips the item."
            ),
            "break_condition": _breaks,
            "batch_size": FieldShape(kind="plain", ignored=True),
            "max_items": integer(
                1,
                most_items,
                kind="plain",
                default=most_items,
                description="More items are an error.",
            ),
        },
        check=_serial_only,
        opens=lambda step: [step.get("iterator", "item")],
        parallel=lambda step: step.get("parallel") is True,
    )

    async def run(self, ctx: StepContext) -> Outcome:
        items = _items(ctx)
        rounds = _Rounds()
        ctx.gather(lambda: Outcome(data=_for_data(items, rounds), written=rounds.written))
        if ctx.step.get("parallel") is True:
            await _at_once(ctx, items, rounds)
        else:
            await _one_by_one(ctx, items, rounds)
        outcome = Outcome(data=_for_data(items, rounds), written=rounds.written)
        failure = rounds.failure()
        if failure is None:
            return outcome
        if ctx.step.get("break_on_error", True) or ctx.options.get("on_failure", "fail") == "fail":
            return replace(outcome, failure=failure)
        ctx.warn(
            failure.code,
            f"{len(rounds.failures)} of {len(items)} iterations failed; {failure.message}",
        )
        return replace(outcome, degraded=True)


def _items(ctx: StepContext) -> Sequence[Json]:
    items = ctx.source("data_source")
    where = f"step {ctx.step.name!r}, field 'data_source'"
    if not isinstance(items, list | tuple):
        raise StepError(f"{where}: a list is needed, got {type_name(items)}", code="type_error")
    most = ctx.step.get("max_items", most_items)
    if len(items) > most:
        message = f"{where}: {len(items)} items, and max_items is {most}"
        raise StepError(message, code="limit_exceeded")
    return items


def _for_data(items: Sequence[Json], rounds: _Rounds) -> dict[str, Json]:
    ended_well = sum(1 for one in rounds.done if one.block is not None and not one.failed)
    return {
        **rounds.data(),
        "total_items": len(items),
        "completed_items": ended_well,
        "failed_items": len(rounds.failures),
    }


def _for_names(ctx: StepContext, items: Sequence[Json], index: int) -> Inside:
    """The names of one round: its iterator and ``loop``."""
    name, item, total = ctx.step.get("iterator", "item"), items[index], len(items)
    is_first, is_last = index == 0, index == total - 1
    return Inside(
        local={name: item},
        loop={
            name: item,
            "item": item,
            "index": index,
            "number": index + 1,
            "total": total,
            "length": total,
            "first": is_first,
            "is_first": is_first,
            "last": is_last,
            "is_last": is_last,
            **_nesting(ctx),
        },
    )


def _nesting(ctx: StepContext) -> dict[str, Json]:
    outer = ctx.scope.loop
    return {"level": 1 if outer is None else outer["level"] + 1, "parent": outer}


async def _one_by_one(ctx: StepContext, items: Sequence[Json], rounds: _Rounds) -> None:
    for index, item in enumerate(items):
        inside = replace(_for_names(ctx, items, index), written=rounds.written)
        if _holds(ctx, "continue_condition", inside):
            rounds.add(_Iteration(index=index, item=item))
            continue
        block = await _run_body(ctx, index, inside)
        breaks = _holds(ctx, "break_condition", _after(inside, block))
        one = _Iteration(index=index, item=item, block=block, breaks=breaks)
        rounds.add(one)
        if one.failed and (block.ends_run or ctx.step.get("break_on_error", True)):
            rounds.stopped = "error"
        elif one.ends_loop:
            rounds.stopped = "break"
        if rounds.stopped is not None:
            return


async def _at_once(ctx: StepContext, items: Sequence[Json], rounds: _Rounds) -> None:
    stops = ctx.step.get("break_on_error", True)
    early: dict[int, _Iteration] = {}

    def so_far() -> Outcome:
        done = _Rounds(done=[early[index] for index in sorted(early)])
        return Outcome(data=_for_data(items, done))

    async def work(index: int, item: Json) -> _Iteration:
        block = await _run_body(ctx, index, _for_names(ctx, items, index))
        early[index] = _Iteration(index=index, item=item, block=block)
        return early[index]

    def is_last(one: _Iteration) -> bool:
        return one.failed and (stops or (one.block is not None and one.block.ends_run))

    ctx.gather(so_far)
    at_once = ctx.step.get("max_parallel", default_parallel)
    rounds.done = await in_order(items, work, at_once=at_once, is_last=is_last)
    if any(map(is_last, rounds.done)):
        rounds.stopped = "error"


async def _run_body(ctx: StepContext, index: int, inside: Inside) -> BlockResult:
    return await ctx.run_block(ctx.step.blocks["steps"], f"{ctx.path}[{index}]/", inside)


def _after(inside: Inside, block: BlockResult) -> Inside:
    """What is seen behind the last step of a body."""
    return replace(
        inside,
        written=inside.written.then(block.written),
        records=block.records,
        aliases=block.aliases,
    )


def _holds(ctx: StepContext, name: str, inside: Inside) -> bool:
    condition = ctx.step.get(name)
    return condition is not None and truth(evaluate(condition, ctx.scope_of(inside)))


class WhileLoop:
    """Run steps again and again as long as a condition holds."""

    shape = StepShape(
        type="while_loop",
        summary="Run steps as long as a condition holds.",
        is_loop=True,
        fields={
            "steps": _body,
            "condition": FieldShape(
                kind="condition",
                required=True,
                sees="body",
                description="Asked before each iteration; false ends the loop.",
            ),
            "max_iterations": integer(
                1,
                most_rounds,
                kind="plain",
                default=default_rounds,
                description="The loop ends here.",
            ),
            "break_condition": _breaks,
            "on_max_iterations": text(
                kind="plain",
                default="warn",
                choices=("warn", "fail"),
                description="What the end by number is.",
            ),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        rounds, most = _Rounds(), ctx.step.get("max_iterations", default_rounds)
        goes_on = True
        ctx.gather(lambda: _while_outcome(rounds))
        last: BlockResult | None = None
        while rounds.stopped is None:
            inside = _while_names(ctx, len(rounds.done), rounds, last)
            goes_on = _holds(ctx, "condition", inside)
            if not goes_on or len(rounds.done) == most:
                break
            last = await self._round(ctx, rounds, inside)
        is_over = rounds.stopped is None
        if is_over and goes_on:
            return self._at_limit(ctx, _while_outcome(rounds, at_limit=True), most)
        outcome = _while_outcome(rounds, condition_met=is_over)
        return replace(outcome, failure=rounds.failure())

    async def _round(self, ctx: StepContext, rounds: _Rounds, inside: Inside) -> BlockResult:
        index = len(rounds.done)
        body = replace(inside, records={}, aliases={})
        block = await _run_body(ctx, index, body)
        breaks = _holds(ctx, "break_condition", _after(body, block))
        one = _Iteration(index=index, item=None, block=block, breaks=breaks)
        rounds.add(one)
        if one.failed:
            rounds.stopped = "error"
        elif one.ends_loop:
            rounds.stopped = "break"
        return block

    def _at_limit(self, ctx: StepContext, outcome: Outcome, most: int) -> Outcome:
        message = f"step {ctx.step.name!r}: the condition still holds after {most} iterations"
        if ctx.step.get("on_max_iterations", "warn") == "warn":
            ctx.warn("limit_exceeded", message)
            return outcome
        failure = ErrorRecord(code="limit_exceeded", message=message, path=ctx.path)
        return replace(outcome, failure=failure)


def _while_names(ctx: StepContext, index: int, rounds: _Rounds, last: BlockResult | None) -> Inside:
    """The names of one round, and what the condition sees before it: the records of the one before."""
    number = index + 1
    return Inside(
        loop={
            "index": index,
            "number": number,
            "iteration": number,
            "count": number,
            **_nesting(ctx),
        },
        written=rounds.written,
        records={} if last is None else last.records,
        aliases={} if last is None else last.aliases,
    )


def _while_outcome(
    rounds: _Rounds, *, condition_met: bool = False, at_limit: bool = False
) -> Outcome:
    data = {
        **rounds.data(),
        "iteration_count": len(rounds.done),
        "condition_met": condition_met,
        "max_iterations_reached": at_limit,
    }
    return Outcome(data=data, written=rounds.written)
