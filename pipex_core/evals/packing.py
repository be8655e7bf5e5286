"""Response rows put into Arrow batches while others are still asked."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from pipex_core.evals.results import ResponseRow
from pipex_core.evals.table import joined, response_batch

rows_per_batch = 1_000
Packed = Callable[[pa.Table], None]


@dataclass(slots=True)
class Rows:
    """Response rows in Arrow batches, so that a large run is never a list of objects.

    Attributes:
        packed: Told each batch.
    """

    packed: Packed = lambda _: None
    batches: list[pa.Table] = field(default_factory=list)
    _waiting: list[ResponseRow] = field(default_factory=list)

    def add(self, row: ResponseRow) -> None:
        """Keep a row."""
        self._waiting.append(row)
        if len(self._waiting) >= rows_per_batch:
            self._pack()

    def table(self) -> pa.Table:
        """All rows so far, sorted."""
        self._pack()
        return joined("responses", self.batches)

    def _pack(self) -> None:
        if self._waiting:
            batch = response_batch(self._waiting)
            self._waiting = []
            self.batches.append(batch)
            self.packed(batch)
