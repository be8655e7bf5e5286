"""A model that answers by rules, always in the same way, without network or money.

It knows which ``replies`` of a rule it has given, because they are served in turn.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

from pipex_core.errors import ProviderTimeout
from pipex_core.jsonvalue import compact, digest, short
from pipex_core.llm.draws import DrawLists, Drawn
from pipex_core.llm.instance import smallest
from pipex_core.llm.mock_rules import Entry, Rules, default_text
from pipex_core.llm.provider import Delta, Estimate, Request, Response, ToolCall, Usage
from pipex_core.ports import Clock

pieces = re.compile(r"\s*\S+|\s+$")


class MockProvider:
    """Answers by rules.

    Args:
        clock: Where latency is spent; virtual in mock runs.

    Attributes:
        draws: What each rule has given.
    """

    adapter_version = 1
    billable = False

    def __init__(self, rules: Rules | None = None, *, clock: Clock, name: str = "mock") -> None:
        self.name = name
        self._rules = rules or Rules()
        self._clock = clock
        self.draws = DrawLists(short(digest(repr(rule))) for rule in self._rules.rules)

    def estimate(self, request: Request) -> Estimate | None:
        """Exactly what the next answer to ``request`` will take."""
        entry = self._entry(self._position(request))
        if entry.failure is not None:
            return Estimate(nanousd=0, tokens=0)
        usage = _response(entry, request).usage
        return Estimate(nanousd=entry.cost_nanousd, tokens=usage.input + usage.output)

    async def complete(self, request: Request) -> Response:
        """The answer of the first rule that matches, after its latency."""
        position = self._position(request)
        entry = self._entry(position)
        drawn = None
        if position is not None:
            drawn = Drawn(self.draws.names[position], self.draws[position].draw())
        if entry.latency_ms > request.timeout_s * 1000:
            await self._clock.sleep(request.timeout_s)
            late = ProviderTimeout(
                f"no answer within {request.timeout_s:g} s",
                provider=self.name,
                model=request.model,
            )
            late.drawn = drawn
            raise late
        await self._clock.sleep(entry.latency_ms / 1000)
        failure = entry.failure
        if failure is not None:
            error = failure.raises(
                failure.message,
                code=failure.kind,
                status=failure.status,
                retry_after_s=failure.retry_after_s,
                provider=self.name,
                model=request.model,
            )
            error.drawn = drawn
            raise error
        return replace(_response(entry, request), drawn=drawn)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        """The same answer after its latency, word by word, each with the blanks before it."""
        response = await self.complete(request)
        for piece in pieces.findall(response.text):
            yield Delta(text=piece)
        yield response

    async def aclose(self) -> None:
        """Nothing is open."""

    def _position(self, request: Request) -> int | None:
        holding = (i for i, rule in enumerate(self._rules.rules) if rule.when.holds(request))
        return next(holding, None)

    def _entry(self, position: int | None) -> Entry:
        if position is None:
            return self._rules.default or Entry()
        return self._rules.rules[position].entry(self.draws[position].next)


def _response(entry: Entry, request: Request) -> Response:
    asks = bool(request.tools and entry.tool_calls) and (
        request.messages[-1].role != "tool" or entry.only_asks
    )
    text = "" if asks else _text(entry, request)
    calls = tuple(
        ToolCall(id=f"mock_{i}", name=name, arguments=arguments)
        for i, (name, arguments) in enumerate(entry.tool_calls if asks else ())
    )
    return Response(
        text=text,
        finish_reason="tool_calls" if asks else "stop",
        usage=_usage(entry, request, text),
        model_served=request.model or "mock",
        tool_calls=calls,
        latency_ms=entry.latency_ms,
        cost_nanousd=entry.cost_nanousd,
    )


def _text(entry: Entry, request: Request) -> str:
    if entry.echo:
        return request.prompt
    if entry.text is not None:
        return entry.text
    if request.schema is not None:
        return compact(smallest(request.schema))
    if request.origin.must_be_json:
        return "{}"
    return default_text(request.prompt)


def _usage(entry: Entry, request: Request, text: str) -> Usage:
    given_in, given_out = entry.input_tokens, entry.output_tokens
    return Usage(
        input=_quarter(request.prompt) if given_in is None else given_in,
        output=_quarter(text) if given_out is None else given_out,
    )


def _quarter(text: str) -> int:
    """Characters / 4, rounded up."""
    return -(-len(text) // 4)
