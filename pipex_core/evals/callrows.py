"""Rows of the table ``calls``, from the journal of a run: every call that was sent, and what became of it.

Calls that may cost money stand in the journal one by one, and so do those of a pipeline's steps. Calls
that cannot cost anything are noted beside the answer that they led to.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

import pyarrow as pa

from pipex_core.engine.calls import usage_json
from pipex_core.engine.fold import input_classes
from pipex_core.errors import ProviderError
from pipex_core.evals.table import joined, record_batch
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import NullCallLog
from pipex_core.llm.provider import Begun, Response
from pipex_core.ports import Clock

rows_per_batch: Final = 1_000
judge_prefix: Final = "judge:"  # of the units in which judges are asked
in_doubt: Final = "in_doubt"  # code of a call that was sent and whose end nobody saw

Record = Mapping[str, Json]
_Call = tuple[str, int, str, int]


class NotedCalls(NullCallLog):
    """A log of one try that keeps what it is told, in the form of the journal's records.

    Attributes:
        calls: One for each call that ended.
    """

    def __init__(self, unit: str, clock: Clock) -> None:
        super().__init__(unit)
        self.calls: list[dict[str, Json]] = []
        self._clock = clock

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        self._note(
            call,
            usage=usage_json(response),
            cost_nanousd=cost_nanousd,
            model_served=response.model_served,
            latency_ms=round(response.latency_ms),
        )

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        wait_s = error.retry_after_s
        self._note(
            call,
            kind=error.code,
            status=error.status,
            cost_nanousd=cost_nanousd,
            maybe_billed=error.maybe_billed,
            retry_after_ms=None if wait_s is None else round(wait_s * 1000),
        )

    def _note(self, call: Begun, **end: Json) -> None:
        self.calls.append(
            {
                "request": call.request,
                "attempt": call.attempt,
                "provider": call.provider,
                "model": call.model,
                "at": self._clock.now().isoformat(timespec="milliseconds"),
                **end,
            }
        )


def calls_table(records: Iterable[Record], *, run_id: str) -> pa.Table:
    """The table ``calls`` of a run.

    Args:
        records: Of its journal, in their order.
        run_id: Of the run; with the number of the record it names the call.
    """
    batches, waiting = [], []
    for row in call_rows(records, run_id=run_id):
        waiting.append(row)
        if len(waiting) >= rows_per_batch:
            batches.append(record_batch("calls", waiting))
            waiting = []
    return joined("calls", [*batches, record_batch("calls", waiting)])


def call_rows(records: Iterable[Record], *, run_id: str) -> Iterator[dict[str, Json]]:
    """Columns of one row for every call, by name; a call without an end comes last."""
    begun: dict[_Call, Record] = {}
    for record in records:
        match record["t"]:
            case "begin":
                begun[_identity(record)] = record
            case "done" | "fail":
                begin = begun.pop(_identity(record))
                yield _row(run_id, str(begin["n"]), begin["unit"], begin, record)
            case "unit_end":
                for place, noted in enumerate(record.get("calls", ())):
                    yield _row(run_id, f"{record['n']}.{place}", record["unit"], noted, noted)
            case _:
                pass
    for begin in begun.values():
        lost = {"kind": in_doubt, "maybe_billed": True, "cost_nanousd": begin["reserved_nanousd"]}
        yield _row(run_id, str(begin["n"]), begin["unit"], begin, lost)


def _identity(record: Record) -> _Call:
    return record["unit"], record["ordinal"], record["request"], record["attempt"]


def _row(run_id: str, number: str, unit: str, begin: Record, end: Record) -> dict[str, Json]:
    is_judged = unit.startswith(judge_prefix)
    case, _, rest = unit.removeprefix(judge_prefix if is_judged else "case:").partition("#")
    repeat, _, step = rest.partition("/")
    usage = end.get("usage")
    return {
        "call_id": f"{run_id}:{number}",
        "case_id": case,
        "repeat": int(repeat),
        "role": "judge" if is_judged else "target",
        "step_path": None if is_judged else step or None,
        "metric": step if is_judged else None,
        "attempt": begin["attempt"],
        "request_key": begin["request"],
        "provider": begin["provider"],
        "model": begin["model"],
        "model_served": end.get("model_served") or None,
        "http_status": end.get("status"),
        "error_code": end.get("kind"),
        "retry_after_ms": end.get("retry_after_ms"),
        "cache": "miss",
        **({} if usage is None else _tokens(usage)),
        "cost_nanousd": end["cost_nanousd"],
        "maybe_billed": end.get("maybe_billed", False),
        "latency_ms": end.get("latency_ms"),
        "started_at": datetime.fromisoformat(begin["at"]),
    }


def _tokens(usage: Mapping[str, int]) -> dict[str, int]:
    return {
        "input_tokens": sum(usage.get(name, 0) for name in input_classes),
        "output_tokens": usage.get("output", 0),
        "cache_read_tokens": usage.get("cache_read", 0),
        "cache_write_tokens": usage.get("cache_write_5m", 0) + usage.get("cache_write_1h", 0),
        "reasoning_tokens": usage.get("thinking", 0),
    }
