"""Streams through the vendors' own SDKs: the answer comes last, and what is not whole is never believed."""

import asyncio
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from pipex_core.adapters.anthropic import translated as anthropic_translated
from pipex_core.errors import ProviderError
from pipex_core.llm.client import LlmClient, NullCallLog, Reply
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Delta, Message, Request, Response, Usage
from tests.fakes.clock import ManualClock
from tests.fakes.provider_server import (
    ProviderServer,
    Reply as Served,
    anthropic_error,
    anthropic_event,
    anthropic_message,
    anthropic_stream,
    gemini_answer,
    gemini_ended,
    gemini_error,
    gemini_stream,
    running,
    sse,
)
from tests.fakes.vendors import provider_for

pytestmark = pytest.mark.e2e
claude = Request(
    provider="anthropic",
    model="claude-haiku-5-5",
    messages=[Message(role="user", text="What is 2+2?")],
    max_tokens=100_000,
    timeout_s=20.0,
)
gemini = replace(claude, provider="gemini", model="gemini-3.8-flash")
both = pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
prices = PriceTable.from_text(
    """
as_of: 2026-11-23
models:
  - {provider: any, match: [claude-haiku-5-5, gemini-3.8-flash], valid_from: 2026-11-23,
     input: "1", output: "5", cache_read: "0.1"}
"""
)


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


def streamed(
    url: str, request: Request, *, idle_s: float = 60.0, shown: list[str] | None = None
) -> Response:
    seen = [] if shown is None else shown

    async def work() -> Response:
        provider = provider_for(request, url, idle_s=idle_s)
        try:
            async for item in provider.stream(request):
                if isinstance(item, Response):
                    return item
                seen.append(item.text)
        finally:
            await provider.aclose()
        raise AssertionError("the stream ended without an answer")

    return asyncio.run(work())


def failure(url: str, request: Request, **more: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        streamed(url, request, **more)
    return caught.value


def test_claude_is_asked_for_a_stream_of_the_same_message(server: ProviderServer) -> None:
    shown: list[str] = []
    response = streamed(server.url, claude, shown=shown)
    assert server.requests[0].body["stream"] is True
    assert shown == ["fo", "ur"]
    assert response == Response(
        text="four",
        usage=Usage(input=12, output=3),
        model_served="claude-haiku-5-5",
        request_id="req_01",
        raw={"id": "msg_01", "stop_reason": "end_turn"},
    )


def test_gemini_is_asked_for_a_stream_of_the_same_answer(server: ProviderServer) -> None:
    shown: list[str] = []
    response = streamed(server.url, gemini, shown=shown)
    assert server.requests[0].path.endswith(":streamGenerateContent")
    assert shown == ["fo", "ur"]
    assert response == Response(
        text="four",
        usage=Usage(input=8, cache_read=4, output=5, thinking=2),
        model_served="gemini-3.8-flash",
        request_id="resp_01",
        raw={"id": "resp_01", "finish_reason": "STOP"},
    )


def test_the_totals_of_claude_are_the_last_ones_and_keep_what_came_first(
    server: ProviderServer,
) -> None:
    events = anthropic_stream(
        anthropic_message(
            usage={"input_tokens": 5, "output_tokens": 40, "cache_read_input_tokens": 100}
        )
    )
    events[-2] = anthropic_event(
        "message_delta",
        delta={"stop_reason": "end_turn"},
        usage={
            "output_tokens": 40,
            "input_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 25},
        },
    )
    server.script(Served(chunks=events))
    usage = streamed(server.url, claude).usage
    assert usage == Usage(input=7, cache_read=100, output=40, thinking=25)


def test_thoughts_are_not_shown(server: ProviderServer) -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "four"},
    ]
    parts = [{"text": "hm", "thought": True}, {"text": "four"}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    server.script(
        Served(chunks=anthropic_stream(anthropic_message(content=content))),
        Served(chunks=gemini_stream(gemini_answer(candidates=[candidate]))),
    )
    for request in (claude, gemini):
        shown: list[str] = []
        assert streamed(server.url, request, shown=shown).text == "four"
        assert shown == ["fo", "ur"]


def in_stream(kind: str) -> Served:
    error = {"type": "error", "error": {"type": kind, "message": f"the vendor says {kind}"}}
    return Served(chunks=[*anthropic_stream()[:4], sse(error, event="error")])


def in_chunk(error: Any) -> Served:
    return Served(chunks=[gemini_stream()[0], sse({"error": error})])


claude_faults: list[tuple[str, Served, dict[str, Any]]] = [
    ("overloaded at 200", in_stream("overloaded_error"),
     {"code": "overloaded", "status": 200, "message": "the vendor says overloaded_error", "maybe_billed": True}),
    ("rate limit at 200", in_stream("rate_limit_error"), {"code": "rate_limit", "maybe_billed": True}),
    ("failure at 200", in_stream("api_error"), {"code": "server_error", "maybe_billed": True}),
    ("timeout at 200", in_stream("timeout_error"), {"code": "server_error"}),
    ("key at 200", in_stream("authentication_error"), {"code": "auth", "retryable": False}),
    ("bill at 200", in_stream("billing_error"), {"code": "spend_limit"}),
    ("bad request at 200", in_stream("invalid_request_error"), {"code": "invalid_request"}),
    ("unheard of at 200", in_stream("tired_error"), {"code": "server_error"}),
    ("error without a word", Served(chunks=[sse(b"oops", event="error")]), {"code": "server_error"}),
    ("429 before the stream", anthropic_error(429, "rate_limit_error", headers={"retry-after": "7"}),
     {"code": "rate_limit", "retry_after_s": 7.0, "maybe_billed": False}),
    ("cut before the end", Served(chunks=anthropic_stream()[:5]), {"code": "connection", "maybe_billed": True}),
    ("cut before its stop", Served(chunks=anthropic_stream()[:-1]), {"code": "connection", "maybe_billed": True}),
    ("cut before the reason", Served(chunks=[*anthropic_stream()[:-2], anthropic_stream()[-1]]),
     {"code": "connection"}),
    ("cut connection", Served(chunks=anthropic_stream()[:5], cut=True), {"code": "connection", "maybe_billed": True}),
    ("nothing at all", Served(chunks=[]), {"code": "connection", "maybe_billed": True}),
    ("a page", Served(body=b"<html>", content_type="text/html"),
     {"code": "server_error", "detail": "malformed_reply", "maybe_billed": True}),
    ("no JSON", Served(chunks=[sse(b"{", event="message_start")]),
     {"code": "server_error", "detail": "malformed_reply", "maybe_billed": True}),
    ("a list", Served(chunks=[sse([1], event="message_start")]), {"detail": "malformed_reply"}),
    ("a delta of nothing", Served(chunks=anthropic_stream()[3:]), {"detail": "malformed_reply"}),
    ("a delta without text", Served(chunks=[*anthropic_stream()[:3],
     anthropic_event("content_block_delta", index=0, delta={"type": "text_delta"})]), {"detail": "malformed_reply"}),
    ("unknown stop reason", Served(chunks=anthropic_stream(anthropic_message(stop_reason="tired"))),
     {"detail": "malformed_reply"}),
    ("no model", Served(chunks=anthropic_stream(anthropic_message(model=None))), {"detail": "malformed_reply"}),
]  # fmt: skip
gemini_faults: list[tuple[str, Served, dict[str, Any]]] = [
    ("429 at 200", in_chunk({"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}),
     {"code": "rate_limit", "status": 429, "message": "slow", "maybe_billed": True}),
    ("day at 200", in_chunk({"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED", "details": [
        {"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}]}), {"code": "spend_limit"}),
    ("503 at 200", in_chunk({"code": 503, "message": "busy", "status": "UNAVAILABLE"}),
     {"code": "overloaded", "maybe_billed": True}),
    ("500 at 200", in_chunk({"code": 500, "message": "boom", "status": "INTERNAL"}), {"code": "server_error"}),
    ("words at 200", in_chunk({"code": 0o16, "message": "busy", "status": "UNAVAILABLE"}), {"code": "overloaded"}),
    ("error without a code", in_chunk({"message": "?"}), {"code": "server_error", "detail": "malformed_reply"}),
    ("error that is a text", in_chunk("?"), {"code": "server_error", "detail": "malformed_reply"}),
    ("429 before the stream", gemini_error(429, "RESOURCE_EXHAUSTED", headers={"retry-after": "7"}),
     {"code": "rate_limit", "retry_after_s": 7.0, "maybe_billed": False}),
    ("cut before the end", Served(chunks=gemini_stream()[:1]), {"code": "connection", "maybe_billed": True}),
    ("cut connection", Served(chunks=gemini_stream()[:1], cut=True), {"code": "connection", "maybe_billed": True}),
    ("nothing at all", Served(chunks=[]), {"code": "connection", "maybe_billed": True}),
    ("a page", Served(body=b"<html>", content_type="text/html"),
     {"code": "server_error", "detail": "malformed_reply", "maybe_billed": True}),
    ("no JSON", Served(chunks=[sse(b"{")]), {"detail": "malformed_reply"}),
    ("a list", Served(chunks=[sse([1])]), {"code": "connection", "maybe_billed": True}),
    ("no usage", Served(chunks=gemini_stream(gemini_answer(usageMetadata=None))), {"detail": "malformed_reply"}),
    ("unknown finish reason", Served(chunks=gemini_stream(gemini_ended("TIRED", text="x"))),
     {"detail": "malformed_reply"}),
    ("unusable call", Served(chunks=gemini_stream(gemini_ended("MALFORMED_FUNCTION_CALL", text="x"))),
     {"code": "invalid_reply", "maybe_billed": True}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "reply", "facts"),
    [
        pytest.param(request, reply, facts, id=f"{request.provider}-{name}")
        for request, faults in ((claude, claude_faults), (gemini, gemini_faults))
        for name, reply, facts in faults
    ],
)
def test_every_fault_of_a_stream_has_its_code(
    server: ProviderServer, request_: Request, reply: Served, facts: dict[str, Any]
) -> None:
    server.script(reply)
    error = failure(server.url, request_)
    assert {name: getattr(error, name) for name in facts} == facts
    assert (error.provider, error.model) == (request_.provider, request_.model)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("request_", "chunks", "finish", "text"),
    [
        (claude, anthropic_stream(anthropic_message(stop_reason="max_tokens")), "max_tokens", "four"),
        (claude, anthropic_stream(anthropic_message(stop_reason="refusal")), "content_filter", "four"),
        (gemini, gemini_stream(gemini_ended("MAX_TOKENS", text="four")), "max_tokens", "four"),
        (gemini, gemini_stream(gemini_ended("SAFETY", text="four")), "content_filter", "four"),
        (gemini, gemini_stream(gemini_ended("CONTINUATION", text="four")), "max_tokens", "four"),
        (gemini, [sse(gemini_answer(candidates=None, promptFeedback={"blockReason": "SAFETY"}))], "content_filter", ""),
    ],
)  # fmt: skip
def test_every_end_of_a_stream_keeps_its_meaning(
    server: ProviderServer, request_: Request, chunks: list[bytes], finish: str, text: str
) -> None:
    server.script(Served(chunks=chunks))
    response = streamed(server.url, request_)
    assert (response.finish_reason, response.text) == (finish, text)
    assert sum(server.bills.values()) == 1


@both
def test_a_stream_that_falls_silent_is_a_timeout_that_may_be_billed(
    server: ProviderServer, request_: Request
) -> None:
    chunks = anthropic_stream()[:4] if request_ is claude else gemini_stream()[:1]
    server.script(Served(chunks=[*chunks, threading.Event()]))
    shown: list[str] = []
    error = failure(server.url, request_, idle_s=0.2, shown=shown)
    assert (error.code, error.maybe_billed, shown) == ("timeout", True, ["fo"])


@both
def test_pieces_arrive_before_the_answer_is_complete(
    server: ProviderServer, request_: Request
) -> None:
    go_on = threading.Event()
    whole = anthropic_stream() if request_ is claude else gemini_stream()
    place = 4 if request_ is claude else 1
    server.script(Served(chunks=[*whole[:place], go_on, *whole[place:]]))

    async def work() -> list[str]:
        provider = provider_for(request_, server.url)
        seen = []
        async for item in provider.stream(request_):
            seen.append(item.text)
            go_on.set()  # the server sends the rest only after the first piece was seen
        await provider.aclose()
        return seen

    assert asyncio.run(work()) == ["fo", "ur", "four"]


def test_a_read_that_fails_without_a_response_is_a_cut() -> None:
    with pytest.raises(ProviderError) as caught, anthropic_translated("m"):
        raise httpx2.ReadTimeout("slow")
    assert (caught.value.code, caught.value.maybe_billed) == ("timeout", True)


@both
def test_a_retry_after_a_partial_stream_discards_it_and_pays_for_both(
    server: ProviderServer, request_: Request
) -> None:
    cut = anthropic_stream()[:4] if request_ is claude else gemini_stream()[:1]
    server.script(Served(chunks=cut, cut=True))
    seen: list[Delta] = []
    clock, ledger = ManualClock(auto=True), Ledger(Budget())

    async def work() -> Reply:
        client = LlmClient(
            providers={request_.provider: provider_for(request_, server.url)},
            clock=clock,
            rng=random.Random(1),
            prices=prices,
        )
        try:
            return await client.call(
                replace(request_, max_tokens=10),
                log=NullCallLog(),
                ledger=ledger,
                retry=RetryPolicy(jitter=False),
                on_delta=seen.append,
            )
        finally:
            await client.aclose()

    reply = asyncio.run(work())
    assert [(delta.text, delta.restart) for delta in seen] == [
        ("fo", False),
        ("", True),
        ("fo", False),
        ("ur", False),
    ]
    assert (reply.response.text, reply.attempts, reply.response.ttft_ms) == ("four", 2, 0.0)
    # The cut attempt is settled at its bound: 12 bytes and 32 of wrapping in, 10 out.
    assert reply.failed_nanousd == 44 * 1_000 + 10 * 5_000
    assert ledger.spent.nanousd == reply.failed_nanousd + reply.cost_nanousd
