"""What nested steps did, for the step around them, and what they took, for its account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from pipex_core.engine.records import StepRecord
from pipex_core.jsonvalue import Json
from pipex_core.llm.session import Said
from pipex_core.steps.blocks import BlockResult, Written, nothing_written, with_sessions
from pipex_core.steps.contract import Tokens


@dataclass(slots=True, kw_only=True)
class Below:
    """What nested steps took, for the account of the step around them.

    Attributes:
        said: Exchanges that sessions gained in child pipelines.
        session: Variables of sessions that child pipelines wrote.
        end: The first record that ends the run whatever the steps around it make of it.
    """

    cost_nanousd: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    files: set[str] = field(default_factory=set)
    said: list[Said] = field(default_factory=list)
    session: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    end: StepRecord | None = None

    def add(self, records: Sequence[StepRecord]) -> None:
        """Count records of nested steps."""
        for record in records:
            self.cost_nanousd += record.cost_nanousd
            self.tokens += record.tokens
            self.files.update(record.files)
            if record.stops_all:
                self.end = self.end or record

    def add_child(self, records: Sequence[StepRecord]) -> None:
        """Count records of a child pipeline; of what they wrote, only sessions reach beyond it."""
        self.add(records)
        for record in records:
            self.said += record.said
            self.session = with_sessions(self.session, record.session)


def block_of(records: Sequence[StepRecord]) -> BlockResult:
    """What a block did whose steps left these records."""
    last = records[-1] if records else None
    shown = {record.name: record.as_json() for record in records}
    return BlockResult(
        records=shown,
        error=shown[last.name] if last is not None and last.ends_run else None,
        ends_run=last is not None and last.stops_all,
        signal=None if last is None else last.signal,
        written=reduce(Written.then, (record.written for record in records), nothing_written),
        aliases={alias: record.name for record in records for alias in record.aliases},
    )
