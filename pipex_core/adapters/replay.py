"""Recorded calls: one JSON line ``{key, request, reply}`` per answer, written live and served offline."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

from pipex_core.errors import ConfigError, ReplayMiss
from pipex_core.jsonvalue import Json, canonical, digest, parse, short
from pipex_core.llm.draws import DrawLists, Drawn
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import (
    CountingProvider,
    Delta,
    Estimate,
    Provider,
    Request,
    Response,
    StreamingProvider,
)
from pipex_core.ports import Clock


def cassette_key(request: Request) -> str:
    """Digest of provider, model, messages, tools and options.

    The address is no part of it: what was recorded through a proxy answers without one.
    """
    body = request.body()
    options = {**body["options"], "max_tokens": body["max_tokens"], "schema": body["schema"]}
    messages = [{"role": "system", "text": body["system"]}, *body["messages"]]
    return digest(
        {
            "provider": body["provider"],
            "model": body["model"],
            "messages": messages,
            "tools": body["tools"],
            "options": options,
        }
    )


class RecordingProvider:
    """Another provider whose answers are also written to a cassette.

    Args:
        append: Writes one line, given without its end.
        redact: Takes secrets out of what is written; the answer that is passed on keeps them.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        append: Callable[[str], None],
        clock: Clock,
        redact: Callable[[Json], Json] = lambda value: value,
    ) -> None:
        self.name = inner.name
        self.adapter_version = inner.adapter_version
        self.billable = inner.billable
        self._inner = inner
        self._append = append
        self._redact = redact
        self._clock = clock

    def estimate(self, request: Request) -> Estimate | None:
        """As the provider says."""
        return self._inner.estimate(request)

    async def count_tokens(self, request: Request) -> int | None:
        """As the provider counts, where it can."""
        inner = self._inner
        return await inner.count_tokens(request) if isinstance(inner, CountingProvider) else None

    async def complete(self, request: Request) -> Response:
        """The provider's answer, recorded; failures are not."""
        sent = self._clock.monotonic()
        return self._recorded(request, await self._inner.complete(request), sent)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        """The provider's pieces as they come; what is recorded is the answer."""
        sent = self._clock.monotonic()
        if not isinstance(self._inner, StreamingProvider):
            response = self._recorded(request, await self._inner.complete(request), sent)
            if response.text:
                yield Delta(text=response.text)
            yield response
            return
        async for item in self._inner.stream(request):
            yield self._recorded(request, item, sent) if isinstance(item, Response) else item

    def _recorded(self, request: Request, response: Response, sent: float) -> Response:
        measured = (self._clock.monotonic() - sent) * 1000
        response = replace(response, latency_ms=response.latency_ms or measured)
        line = {
            "key": cassette_key(request),
            "request": self._redact(request.body()),
            "reply": self._redact(response.to_json()),
        }
        self._append(canonical(line))
        return response

    async def aclose(self) -> None:
        """Close the provider."""
        await self._inner.aclose()


class ReplayProvider:
    """Answers from a cassette only, equal calls in the order in which they were recorded.

    Args:
        lines: Of the cassette; blank ones are skipped.
        prices: What replies without a recorded price count as.
        name: Provider whose calls are replayed.

    Attributes:
        draws: What was given of the answers to each key.

    Raises:
        ConfigError: ``invalid_cassette``, naming the line.
    """

    adapter_version = 1
    billable = False

    def __init__(self, lines: Iterable[str], *, prices: PriceTable, name: str = "replay") -> None:
        self.name = name
        self._prices = prices
        self._replies: defaultdict[str, list[Response]] = defaultdict(list)
        for number, line in enumerate(lines, 1):
            if line.strip():
                key, reply = _entry(line, number)
                self._replies[key].append(reply)
        self.draws = DrawLists(map(short, self._replies))
        self._places = {key: place for place, key in enumerate(self._replies)}

    def estimate(self, request: Request) -> Estimate | None:
        """Exactly what the next answer takes; nothing for a miss."""
        reply = self._next(cassette_key(request))
        if reply is None:
            return Estimate(nanousd=0, tokens=0)
        usage = reply.usage
        return Estimate(nanousd=self._cost(reply, request), tokens=usage.total_input + usage.output)

    async def complete(self, request: Request) -> Response:
        """The next recorded answer to this very call."""
        key = cassette_key(request)
        reply = self._next(key)
        if reply is None:
            raise ReplayMiss(
                f"the cassette has no further answer for call {short(key)} to"
                f" {request.model!r}; record it again",
                provider=self.name,
                model=request.model,
            )
        place = self._places[key]
        drawn = Drawn(self.draws.names[place], self.draws[place].draw())
        return replace(reply, cost_nanousd=self._cost(reply, request), drawn=drawn)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        """The recorded answer in one piece."""
        response = await self.complete(request)
        if response.text:
            yield Delta(text=response.text)
        yield response

    async def aclose(self) -> None:
        """Nothing is open."""

    def _next(self, key: str) -> Response | None:
        """The answer that comes next for a key, or None when there is none (any more)."""
        replies = self._replies.get(key, ())
        number = self.draws[self._places[key]].next if replies else 0
        return replies[number] if number < len(replies) else None

    def _cost(self, response: Response, request: Request) -> int:
        if response.cost_nanousd is not None:
            return response.cost_nanousd
        return self._prices.cost(response.usage, request.model).nanousd


def _entry(line: str, number: int) -> tuple[str, Response]:
    try:
        entry: Json = parse(line)
        return str(entry["key"]), Response.from_json(entry["reply"])
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ConfigError(
            f"line {number} of the cassette is no recorded call: {exc}", code="invalid_cassette"
        ) from exc
