"""Metrics of users in processes of their own: the pool of this process, and who calls through it.

A call that hangs, crashes or takes too much memory costs its item a score and nothing else. What crosses
the border is JSON: where the function is, its arguments, and the score.
"""

import atexit
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

from pipex_core.adapters.worker_pool import ProcessPool
from pipex_core.app.settings import read_settings
from pipex_core.errors import WorkerError
from pipex_core.jsonvalue import Json, digest
from pipex_core.metrics.contract import Score, Scored, Unscored, Usage
from pipex_core.ports import WorkerPool

timeout_s: Final = 30.0
most_waiting: Final = 2_000
entrance: Final = "pipex_core.app.workerside:called"
codes: Final[Mapping[str, str]] = {
    "worker_timeout": "metric_timeout",
    "worker_died": "metric_crash",
    "worker_memory": "metric_crash",
    "pool_broken": "metric_crash",
    "function_failed": "metric_error",
}


@cache
def metric_workers() -> ProcessPool:
    """The pool of this process, made when it is first needed and ended with the process."""
    settings = read_settings()
    pool = ProcessPool(
        size=settings.values["pool_size"],
        memory_mb=settings.values["pool_memory_mb"],
        import_paths=[str(Path.cwd()), *(path for path in sys.path if path)],
    )
    atexit.register(pool.close)
    return pool


class WorkerCaller:
    """A ``Caller`` through worker processes.

    Args:
        place: Where a worker finds the function: ``{path: module:function}`` or ``{file, name}`` of a
            metric that the file registers.
        pool: Another pool than that of the process.
        timeout_s: Of one call.
    """

    def __init__(
        self,
        place: Mapping[str, str],
        *,
        pool: WorkerPool | None = None,
        timeout_s: float = timeout_s,
    ) -> None:
        self._place = dict(place)
        self._pool = pool
        self._timeout_s = timeout_s
        self._begun: dict[str, Future[Any]] = {}

    def start(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> None:
        argument = self._argument(in_place, named)
        key = digest(argument)
        if key not in self._begun and len(self._begun) < most_waiting:
            self._begun[key] = self._submit(argument)

    def result(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> Score:
        argument = self._argument(in_place, named)
        begun = self._begun.pop(digest(argument), None)
        try:
            return _score(dict((begun or self._submit(argument)).result()))
        except WorkerError as exc:
            return Unscored(code=codes.get(exc.code, "metric_crash"), reason=exc.message)

    def _submit(self, argument: Json) -> Future[Any]:
        pool = self._pool or metric_workers()
        return pool.submit(entrance, argument, timeout_s=self._timeout_s)

    def _argument(self, in_place: Sequence[Json], named: Mapping[str, Json]) -> dict[str, Json]:
        return {
            **self._place,
            "in_place": [_plain(value) for value in in_place],
            "named": {name: _plain(value) for name, value in named.items()},
        }


def _score(found: dict[str, Any]) -> Score:
    return Unscored(**found) if "code" in found else Scored(**found)


def _plain(value: object) -> Json:
    return {"$usage": asdict(value)} if isinstance(value, Usage) else value
