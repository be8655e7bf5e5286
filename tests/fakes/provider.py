"""A provider that says what a test scripted, and a call log that remembers."""

import asyncio
from collections.abc import Callable, Sequence

from pipex_core.errors import ProviderError
from pipex_core.llm.provider import Begun, Estimate, Request, Response, Usage

Line = Response | ProviderError | Callable[[Request], Response]


def answer(text: str = "ok", *, input_tokens: int = 1000, output_tokens: int = 200) -> Response:
    """A plain answer; by default 1 000 tokens in and 200 out."""
    return Response(text=text, usage=Usage(input=input_tokens, output=output_tokens))


class ScriptedProvider:
    """Answers with the lines of a script, one per call, the last one repeating.

    Attributes:
        sent: Requests in the order in which they arrived.
        at_once: The most calls that were inside together.
        gate: When set to an ``asyncio.Event``, calls wait for it before they answer.
    """

    adapter_version = 1

    def __init__(
        self, lines: Sequence[Line] = (), *, name: str = "anthropic", billable: bool = True
    ) -> None:
        self.name = name
        self.billable = billable
        self.known: Estimate | None = None
        self.gate: asyncio.Event | None = None
        self.sent: list[Request] = []
        self.at_once = 0
        self.is_closed = False
        self._inside = 0
        self._lines = list(lines) or [answer()]

    def estimate(self, request: Request) -> Estimate | None:
        del request
        return self.known

    async def complete(self, request: Request) -> Response:
        line = self._lines[min(len(self.sent), len(self._lines) - 1)]
        self.sent.append(request)
        self._inside += 1
        self.at_once = max(self.at_once, self._inside)
        try:
            if self.gate is not None:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self._inside -= 1
        if isinstance(line, ProviderError):
            raise line
        return line if isinstance(line, Response) else line(request)

    async def aclose(self) -> None:
        self.is_closed = True


class MemoryCallLog:
    """A call log in memory that knows what was journalled and answers it to a later call.

    Attributes:
        records: ``(kind, call, cost)`` in order; ``begin`` has cost 0.
    """

    def __init__(self, unit: str = "step") -> None:
        self.unit = unit
        self.records: list[tuple[str, Begun, int]] = []
        self.waits: list[bool] = []
        self._answers: dict[tuple[int, str], Response] = {}
        self._next = 0

    def restart(self) -> None:
        """Number calls from 0 again, as a resumed unit does."""
        self._next = 0

    def next_ordinal(self) -> int:
        self._next += 1
        return self._next - 1

    def answered(self, ordinal: int, request: str) -> Response | None:
        return self._answers.get((ordinal, request))

    def attempts_so_far(self, ordinal: int, request: str) -> int:
        return sum(
            kind == "begin" and (call.ordinal, call.request) == (ordinal, request)
            for kind, call, _ in self.records
        )

    async def begin(self, call: Begun, *, wait: bool) -> None:
        self.records.append(("begin", call, 0))
        self.waits.append(wait)

    async def done(self, call: Begun, response: Response, *, cost_nanousd: int) -> None:
        self.records.append(("done", call, cost_nanousd))
        self._answers[call.ordinal, call.request] = response

    async def fail(self, call: Begun, error: ProviderError, *, cost_nanousd: int) -> None:
        self.records.append((f"fail {error.code}", call, cost_nanousd))

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.records]


class MemoryCallCache:
    """A call cache in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, Response] = {}

    def get(self, key: str, *, max_age_s: float | None = None) -> Response | None:
        return None if max_age_s == 0 else self.entries.get(key)

    def put(self, key: str, response: Response) -> None:
        self.entries.setdefault(key, response)
