"""Journals that a test breaks: appends that fail, and a look at what was written."""

import json
from collections.abc import Sequence
from typing import Any

from pipex_core.adapters.memory import MemoryJournals
from pipex_core.errors import StoreError
from pipex_core.ports import AppendLog


class NoFaults:
    """Nothing goes wrong at any point."""

    def hit(self, point: str) -> None:
        """Nothing happens."""


class BreakableLog:
    """A log that refuses its appends once its journals say so."""

    def __init__(self, log: AppendLog, journals: "BreakableJournals") -> None:
        self._log = log
        self._journals = journals
        self._failed = False

    @property
    def epoch(self) -> int:
        return self._log.epoch

    def segments(self) -> Sequence[str]:
        return self._log.segments()

    def read(self, name: str) -> bytes:
        return self._log.read(name)

    def cut(self, name: str, length: int) -> None:
        self._log.cut(name, length)

    def append(self, name: str, data: bytes) -> None:
        self._journals.appends += 1
        if self._failed or self._journals.appends > self._journals.good_appends:
            self._failed = True
            raise StoreError("no space left", code="storage_full")
        self._log.append(name, data)

    def close(self) -> None:
        self._log.close()


class BreakableJournals(MemoryJournals):
    """Journals in memory.

    Attributes:
        good_appends: Appends (frames) that succeed, over all logs; later ones find the disk full.
        appends: Appends so far.
    """

    def __init__(self, *, good_appends: int = 10**9) -> None:
        super().__init__()
        self.good_appends = good_appends
        self.appends = 0

    def open_log(self, run_id: str, scope: str) -> AppendLog:
        return BreakableLog(super().open_log(run_id, scope), self)

    def segments_of(self, run_id: str, scope: str = "main") -> dict[str, bytes]:
        """The segments themselves, to be changed by a test."""
        return self._segments[run_id, scope]

    def records_of(self, run_id: str, scope: str = "main") -> list[dict[str, Any]]:
        """All records of a journal, read without the code under test."""
        records: list[dict[str, Any]] = []
        for _, data in self.read_log(run_id, scope):
            for line in data.splitlines():
                records += json.loads(line.split(b":", 2)[2])
        return records
