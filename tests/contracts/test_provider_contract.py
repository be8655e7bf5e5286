"""What every provider promises, held against each of them; the vendors' SDKs talk to a server on loopback."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pipex_core.adapters.anthropic import AnthropicProvider
from pipex_core.adapters.gemini import GeminiProvider
from pipex_core.adapters.mock import MockProvider
from pipex_core.adapters.replay import RecordingProvider, ReplayProvider, cassette_key
from pipex_core.errors import ProviderError
from pipex_core.llm.mock_rules import rules_of
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import (
    Delta,
    Message,
    Provider,
    Request,
    Response,
    StreamingProvider,
    Usage,
)
from tests.fakes.clock import ManualClock
from tests.fakes.provider import ScriptedProvider
from tests.fakes.provider_server import ProviderServer, Reply, good_key, running

prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: any, match: [m], valid_from: 2026-11-23, input: "1", output: "5", cache_read: "0.1"}
"""
)
models = {"anthropic": "claude-haiku-5-5", "gemini": "gemini-3.8-flash"}
four = Response(text="four", usage=Usage(input=12, output=3))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One implementation: how to make one that answers "four", and one that fails with 500."""

    name: str
    answers: Callable[[ProviderServer], Provider]
    fails: Callable[[ProviderServer], Provider]
    knows_price: bool


def failing(server: ProviderServer) -> ProviderServer:
    server.script(*[Reply(status=500, body={"error": {"code": 500, "message": "boom"}})] * 9)
    return server


def anthropic(server: ProviderServer) -> Provider:
    return AnthropicProvider(api_key=good_key, base_url=server.url)


def gemini(server: ProviderServer) -> Provider:
    return GeminiProvider(api_key=good_key, base_url=server.url)


def mock(rule: dict[str, object]) -> Provider:
    return MockProvider(rules_of({"responses": [rule]}), clock=ManualClock(auto=True))


def recorded(inner: Provider) -> Provider:
    return RecordingProvider(inner, append=lambda _: None, clock=ManualClock())


def replayed(_: ProviderServer) -> Provider:
    line = {"key": cassette_key(question("replay")), "request": {}, "reply": four.to_json()}
    return ReplayProvider([json.dumps(line)] * 9, prices=prices)


cases = [
    Case(
        name="anthropic",
        answers=anthropic,
        fails=lambda server: anthropic(failing(server)),
        knows_price=False,
    ),
    Case(
        name="gemini",
        answers=gemini,
        fails=lambda server: gemini(failing(server)),
        knows_price=False,
    ),
    Case(
        name="mock",
        answers=lambda _: mock({"reply": "four"}),
        fails=lambda _: mock({"error": {"kind": "server_error"}}),
        knows_price=True,
    ),
    Case(
        name="replay",
        answers=replayed,
        fails=lambda _: ReplayProvider([], prices=prices),
        knows_price=True,
    ),
    Case(
        name="recording",
        answers=lambda _: recorded(ScriptedProvider([four])),
        fails=lambda server: recorded(anthropic(failing(server))),
        knows_price=False,
    ),
]


def question(name: str) -> Request:
    return Request(
        provider=name,
        model=models.get(name, "m"),
        messages=[Message(role="user", text="What is 2+2?")],
        max_tokens=10,
        timeout_s=20.0,
    )


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


@pytest.fixture(params=cases, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found = request.param
    assert isinstance(found, Case)
    return found


async def used_once(provider: Provider, request: Request) -> Response:
    try:
        return await provider.complete(request)
    finally:
        await provider.aclose()


def test_an_answer_is_whole(case: Case, server: ProviderServer) -> None:
    response = asyncio.run(used_once(case.answers(server), question(case.name)))
    assert (response.text, response.finish_reason) == ("four", "stop")
    assert (response.usage.total_input, response.usage.output >= 1) in {(12, True), (3, True)}


def test_a_failure_is_one_of_ours_and_names_its_place(case: Case, server: ProviderServer) -> None:
    request = question(case.name)
    with pytest.raises(ProviderError) as caught:
        asyncio.run(used_once(case.fails(server), request))
    assert caught.value.model == request.model
    assert caught.value.provider
    assert caught.value.message


def test_a_failure_is_sent_once(case: Case, server: ProviderServer) -> None:
    with pytest.raises(ProviderError):
        asyncio.run(used_once(case.fails(server), question(case.name)))
    assert len(server.requests) <= 1


def test_calls_at_once_do_not_mix(case: Case, server: ProviderServer) -> None:
    async def work() -> list[Response]:
        provider = case.answers(server)
        calls = [provider.complete(question(case.name)) for _ in range(5)]
        responses = await asyncio.gather(*calls)
        await provider.aclose()
        return responses

    assert [response.text for response in asyncio.run(work())] == ["four"] * 5


def test_the_price_is_known_before_by_those_who_cannot_bill(
    case: Case, server: ProviderServer
) -> None:
    async def work() -> None:
        provider = case.answers(server)
        request = question(case.name)
        estimate = provider.estimate(request)
        assert (estimate is not None) is case.knows_price
        response = await provider.complete(request)
        if estimate is not None:
            assert estimate.nanousd == response.cost_nanousd
            assert estimate.tokens == response.usage.total_input + response.usage.output
        await provider.aclose()

    asyncio.run(work())


def test_who_can_bill_says_so(case: Case, server: ProviderServer) -> None:
    async def work() -> None:
        provider = case.answers(server)
        assert provider.billable is (case.name not in {"mock", "replay"})
        assert provider.adapter_version >= 1
        assert provider.name
        await provider.aclose()

    asyncio.run(work())


def test_a_request_is_not_changed(case: Case, server: ProviderServer) -> None:
    request = question(case.name)
    asyncio.run(used_once(case.answers(server), request))
    assert request == question(case.name)


async def streamed(provider: Provider, request: Request) -> list[Delta | Response]:
    assert isinstance(provider, StreamingProvider)
    try:
        return [item async for item in provider.stream(request)]
    finally:
        await provider.aclose()


def test_a_stream_ends_with_the_answer_that_a_call_would_give(
    case: Case, server: ProviderServer
) -> None:
    *deltas, last = asyncio.run(streamed(case.answers(server), question(case.name)))
    assert isinstance(last, Response)
    assert all(isinstance(delta, Delta) and delta.text for delta in deltas)
    assert "".join(delta.text for delta in deltas) == last.text == "four"
    assert last == asyncio.run(used_once(case.answers(server), question(case.name)))


def test_a_stream_that_fails_raises_the_error_of_a_call(case: Case, server: ProviderServer) -> None:
    request = question(case.name)
    with pytest.raises(ProviderError) as streaming:
        asyncio.run(streamed(case.fails(server), request))
    with pytest.raises(ProviderError) as calling:
        asyncio.run(used_once(case.fails(server), request))
    assert (streaming.value.code, streaming.value.status) == (
        calling.value.code,
        calling.value.status,
    )
    assert (streaming.value.model, streaming.value.maybe_billed) == (request.model, False)
