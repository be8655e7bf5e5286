"""The calls of one unit in the journal: written before they are sent, found again after a crash."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipex_core.engine.fold import Unit, input_classes, never_begun
from pipex_core.engine.journal import Journal
from pipex_core.errors import ProviderError
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import Begun, CallLog, Response, ToolCall, Usage

usage_fields: Final = (*input_classes, "output", "thinking", "tool_use")


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first call of a unit that is not the one that the journal has at its place.

    Attributes:
        ordinal: Number of the call in its unit, from 0.
    """

    unit: str
    ordinal: int

    @property
    def message(self) -> str:
        """What to tell the user."""
        return (
            f"call {self.ordinal} of {self.unit} is not the one that was answered before the"
            " restart; it and the later calls of the step are sent again"
        )


class JournalCallLog:
    """A ``CallLog`` for one try of one unit.

    Args:
        before: What the journal knew of the try that a crash interrupted; None for a new try.
        kept: The reply as it may be kept: without secrets, where whoever asks needs none of them.

    Attributes:
        divergence: Set when a call differs from the one before the restart; from there on the old
            answers of the unit are not used.
    """

    def __init__(
        self,
        journal: Journal,
        unit: str,
        *,
        before: Unit | None = None,
        kept: Callable[[Json], Json] = lambda reply: reply,
    ) -> None:
        self._kept = kept
        self._journal = journal
        self._unit = unit
        self._before = before or never_begun
        self._next = -1
        self.divergence: Divergence | None = None

    @property
    def unit(self) -> str:
        return self._unit

    def next_ordinal(self) -> int:
        self._next += 1
        return self._next

    def answered(self, ordinal: int, request: str) -> Response | None:
        answer = None if self.divergence else self._before.answers.get(ordinal)
        if answer is None:
            return None
        if answer.request != request:
            self.divergence = Divergence(unit=self._unit, ordinal=ordinal)
            return None
        return response_of(answer.done, self._journal.value("reply", answer.done))

    def attempts_so_far(self, ordinal: int, request: str) -> int:
        return self._before.tries.get((ordinal, request), 0)

    @property
    def has_begun(self) -> bool:
        """Whether the try that a crash interrupted had begun any call."""
        return bool(self._before.tries)

    def was_begun(self, request: str) -> bool:
        """Whether the next call of that try was this one, whatever became of it."""
        return (self._next + 1, request) in self._before.tries

    async def begin(self, call: Begun, *, wait: bool) -> None:
        record = {
            "t": "begin",
            **_identity(call),
            "provider": call.provider,
            "model": call.model,
            "reserved_nanousd": call.reserved_nanousd,
            "reserved_tokens": call.reserved_tokens,
        }
        self._journal.faults.hit("journal.before_begin")
        if wait:
            await self._journal.append(record)
        else:
            self._journal.append_soon(record)
        self._journal.faults.hit("journal.after_begin")

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        reply = await self._journal.field("reply", self._kept(reply_json(response)))
        record = {
            "t": "done",
            **_identity(call),
            **reply,
            "usage": usage_json(response),
            "cost_nanousd": cost_nanousd,
            "price_id": response.price_id,
            "model_served": response.model_served,
            "request_id": response.request_id,
            "latency_ms": round(response.latency_ms),
            **_drawn(response.drawn),
        }
        self._journal.faults.hit("journal.before_done")
        await self._journal.append(record)
        self._journal.faults.hit("journal.after_done")

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        wait_s = error.retry_after_s
        await self._journal.append(
            {
                "t": "fail",
                **_identity(call),
                "kind": error.code,
                "detail": error.detail,
                "status": error.status,
                "cost_nanousd": cost_nanousd,
                "maybe_billed": error.maybe_billed,
                "retry_after_ms": None if wait_s is None else round(wait_s * 1000),
                **_drawn(error.drawn),
            }
        )


class CountedLog:
    """A ``CallLog`` that counts what goes through it.

    Attributes:
        attempts: Number of the last try of the last call, from 1; 0 while none was begun.
        known_nanousd: Cost of answers that were found and not sent again.
    """

    def __init__(self, log: CallLog) -> None:
        self._log = log
        self.attempts = 0
        self.known_nanousd = 0

    @property
    def unit(self) -> str:
        return self._log.unit

    def next_ordinal(self) -> int:
        self.attempts = 0
        return self._log.next_ordinal()

    def answered(self, ordinal: int, request: str) -> Response | None:
        response = self._log.answered(ordinal, request)
        if response is not None:
            self.known_nanousd += response.cost_nanousd or 0
        return response

    def attempts_so_far(self, ordinal: int, request: str) -> int:
        self.attempts = self._log.attempts_so_far(ordinal, request)
        return self.attempts

    async def begin(self, call: Begun, *, wait: bool) -> None:
        self.attempts = call.attempt
        await self._log.begin(call, wait=wait)

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        await self._log.done(call, response, cost_nanousd=cost_nanousd)

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        await self._log.fail(call, error, cost_nanousd=cost_nanousd)


def usage_json(response: Response) -> dict[str, int]:
    """The tokens of an answer by class, without the classes that it used none of."""
    return {name: value for name in usage_fields if (value := getattr(response.usage, name))}


def reply_json(response: Response) -> dict[str, Json]:
    """What the journal keeps of an answer beside its usage and price."""
    return {
        "text": response.text,
        "finish_reason": response.finish_reason,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": dict(call.arguments)}
            for call in response.tool_calls
        ],
        "ttft_ms": None if response.ttft_ms is None else round(response.ttft_ms),
        "raw": dict(response.raw),
    }


def response_of(done: Mapping[str, Json], reply: Mapping[str, Json]) -> Response:
    """The answer that a ``done`` record and its reply came from; times in whole milliseconds."""
    return Response(
        text=reply["text"],
        finish_reason=reply["finish_reason"],
        usage=Usage(**done["usage"]),
        model_served=done["model_served"],
        tool_calls=tuple(ToolCall(**call) for call in reply["tool_calls"]),
        latency_ms=float(done["latency_ms"]),
        ttft_ms=reply["ttft_ms"],
        request_id=done["request_id"],
        cost_nanousd=done["cost_nanousd"],
        price_id=done["price_id"],
        raw=reply["raw"],
    )


def _drawn(drawn: tuple[str, int] | None) -> dict[str, Json]:
    return {} if drawn is None else {"drawn": list(drawn)}


def _identity(call: Begun) -> dict[str, Json]:
    return {
        "unit": call.unit,
        "ordinal": call.ordinal,
        "request": call.request,
        "attempt": call.attempt,
    }
