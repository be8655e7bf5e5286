"""Blocks of nested steps: what they see beyond the step around them, what they did, and many at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pipex_core.errors import ErrorRecord
from pipex_core.jsonvalue import Json
from pipex_core.llm.session import Said

Item = TypeVar("Item")
Made = TypeVar("Made")

Signal = Literal["break", "continue"]  # what ends a loop or one of its iterations
Record = Mapping[str, Json]  # a step record as JSON, section 16.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What steps wrote for later ones: variables by scope and in order of writing, and turns of sessions.

    Attributes:
        variables: Of the whole run.
        session: Kept across runs: name of the session to its variables.
        loop: Gone when the iteration ends.
        said: Exchanges that sessions gained, in order.
    """

    variables: Mapping[str, Json] = field(default_factory=dict)
    session: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    loop: Mapping[str, Json] = field(default_factory=dict)
    said: Sequence[Said] = ()

    def then(self, later: "Written") -> "Written":
        """What stands after ``later`` was written too."""
        return Written(
            variables={**self.variables, **later.variables},
            session=with_sessions(self.session, later.session),
            loop={**self.loop, **later.loop},
            said=(*self.said, *later.said),
        )

    def kept(self) -> "Written":
        """What is left when the iteration ends."""
        return Written(variables=self.variables, session=self.session, said=self.said)


def with_sessions(
    before: Mapping[str, Mapping[str, Json]], later: Mapping[str, Mapping[str, Json]]
) -> Mapping[str, Mapping[str, Json]]:
    """The variables of sessions after ``later`` was written over them."""
    if not later:
        return before
    merged = {name: {**before.get(name, {}), **values} for name, values in later.items()}
    return {**before, **merged}


nothing_written = Written()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a place inside a step sees beyond what the step itself sees.

    Attributes:
        local: Names of its own, such as the iterator of a loop.
        loop: What ``loop`` means; None keeps what the step sees.
        written: Variables written inside before.
        records: Records of nested steps that it may name.
        aliases: Further names of their results, by alias.
    """

    local: Mapping[str, Json] = field(default_factory=dict)
    loop: Mapping[str, Json] | None = None
    written: Written = nothing_written
    records: Mapping[str, Record] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


outermost = Inside()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What a nested list of steps did.

    Attributes:
        records: Step name to record, in file order; absent steps were not reached.
        error: Record of the step that ended the block, or None.
        ends_run: The error ends the run whatever the steps around it make of it.
        signal: The block was ended by a ``break`` or a ``continue``, or None.
        written: Variables that the block wrote.
        aliases: Further names of results, to the name of their step.
    """

    records: Mapping[str, Record]
    error: Record | None = None
    ends_run: bool = False
    signal: Signal | None = None
    written: Written = nothing_written
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Json:
        """Value of the last step that ran; None when none did."""
        ran = [record for record in self.records.values() if not record["skipped"]]
        return value_of(ran[-1]) if ran else None


def value_of(record: Record) -> Json:
    """What a step stands for: its data if not null, else its text."""
    return record["text"] if record["data"] is None else record["data"]


def error_of(record: Record) -> ErrorRecord:
    """Why the step of a failed record failed."""
    return ErrorRecord(**record["error"])


async def in_order(
    items: Sequence[Item],
    work: Callable[[int, Item], Awaitable[Made]],
    *,
    at_once: int,
    is_last: Callable[[Made], bool] = lambda _: False,
) -> list[Made]:
    """What ``work`` makes of each item, in the order of the items.

    Args:
        items: Started one after another in this order.
        work: Given the number of the item, from 0, and the item.
        at_once: Most items in work at the same time, and most tasks there ever are.
        is_last: Asked about each result: whether nothing new is started after it. What was started
            before is finished.
    """
    made: dict[int, Made] = {}
    line = iter(enumerate(items))
    is_over = False

    async def worker() -> None:
        nonlocal is_over
        while not is_over and (following := next(line, None)) is not None:
            number, item = following
            made[number] = await work(number, item)
            if is_last(made[number]):
                is_over = True

    workers = [asyncio.ensure_future(worker()) for _ in range(min(at_once, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [made[number] for number in sorted(made)]
