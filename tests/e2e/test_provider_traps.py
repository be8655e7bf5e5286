"""Traps of the vendors' SDKs that only show through the client, in the log or over time."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipex_core.errors import BudgetExceeded, ProviderError
from pipex_core.llm.guard import Limits
from pipex_core.llm.provider import CountingProvider, Message, Request, ToolDefinition
from tests.fakes.provider_server import (
    ProviderServer,
    Reply as Served,
    anthropic_error,
    anthropic_message,
    anthropic_stream,
    gemini_answer,
    gemini_ended,
    gemini_error,
    gemini_stream,
    is_count,
    running,
)
from tests.fakes.vendors import called, with_provider

pytestmark = pytest.mark.e2e
claude = Request(
    provider="anthropic",
    model="claude-haiku-5-5",
    system="Be brief.",
    messages=[Message(role="user", text="What is 2+2?")],
    max_tokens=100,
    timeout_s=20.0,
)
gemini = replace(claude, provider="gemini", model="gemini-3.8-flash")
both = pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
tool = ToolDefinition(name="t", description="d", parameters={})


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


def stream_of(request: Request, *, drip_s: float = 0.0) -> Served:
    chunks = anthropic_stream() if request.provider == "anthropic" else gemini_stream()
    return Served(chunks=chunks, drip_s=drip_s)


def error_of(request: Request, status: int, **more: Any) -> Served:
    if request.provider == "anthropic":
        return anthropic_error(status, "rate_limit_error", **more)
    return gemini_error(status, "RESOURCE_EXHAUSTED", **more)


# -- time-outs: a per-read time-out lets a trickling server hold a call for minutes


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@both
def test_an_answer_that_trickles_ends_at_the_wall_deadline(
    server: ProviderServer, request_: Request, *, is_streamed: bool
) -> None:
    server.script(stream_of(request_, drip_s=0.05) if is_streamed else Served(drip_s=0.05))
    shown = (lambda _: None) if is_streamed else None
    with pytest.raises(ProviderError) as caught:
        called(server.url, replace(request_, timeout_s=0.3), shown=shown)
    assert (caught.value.code, caught.value.maybe_billed) == ("timeout", True)
    assert len(server.requests) == 1


# -- a connection that is reset after the request was sent may be billed, and is not tried again unasked


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@both
def test_a_reset_after_the_request_is_a_connection_that_may_be_billed(
    server: ProviderServer, request_: Request, *, is_streamed: bool
) -> None:
    server.script(Served(reset=True))
    with pytest.raises(ProviderError) as caught:
        called(server.url, request_, shown=(lambda _: None) if is_streamed else None)
    assert (caught.value.code, caught.value.maybe_billed) == ("connection", True)
    assert len(server.requests) == 1


# -- hidden retries: another transport that happens to be installed would be preferred and repeats requests

asked_once = """
import asyncio, json, sys
from pipex_core.adapters.gemini import GeminiProvider
from pipex_core.errors import ProviderError
from pipex_core.llm.provider import CountingProvider, Message, Request
async def main():
    provider = GeminiProvider(api_key="key-of-the-tests", base_url=sys.argv[1])
    try:
        await provider.complete(Request(provider="gemini", model="gemini-3.8-flash",
            messages=[Message(role="user", text="x")], timeout_s=20.0))
    except ProviderError as error:
        print(json.dumps([error.code, "aiohttp" in sys.modules]))
    finally:
        await provider.aclose()
asyncio.run(main())
"""
other_transport = """
class ClientConnectorError(Exception): ...
class ClientConnectorDNSError(Exception): ...
class ClientOSError(Exception): ...
class ServerDisconnectedError(Exception): ...
class ClientError(Exception): ...
class ClientTimeout:
    def __init__(self, *args, **kwargs): ...
class TCPConnector: ...
class ClientResponse: ...
class ClientSession:
    def __init__(self, *args, **kwargs):
        raise RuntimeError("the other transport was used")
"""


def test_gemini_uses_no_other_transport_that_is_installed(
    server: ProviderServer, tmp_path: Path
) -> None:
    (tmp_path / "aiohttp.py").write_text(other_transport)
    server.script(gemini_error(500, "INTERNAL"))
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", asked_once, server.url],
        env={"PYTHONPATH": paths, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["server_error", True]
    assert len(server.requests) == 1


# -- logs: at DEBUG the SDKs print prompts and keys


@both
def test_nothing_of_a_call_is_logged_even_at_debug(
    server: ProviderServer, request_: Request, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("anthropic", "google_genai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, logger=name)
    called(server.url, request_)
    assert "What is 2+2?" not in caplog.text
    assert "key-of-the-tests" not in caplog.text


# -- messages never hold whole prompts, whatever the vendor quotes


@both
def test_a_long_message_of_a_vendor_is_cut(server: ProviderServer, request_: Request) -> None:
    error = {"type": "invalid_request_error", "message": "bad: " + "prompt " * 200, "code": 400}
    server.script(Served(status=400, body={"type": "error", "error": error}, bills=False))
    with pytest.raises(ProviderError) as caught:
        called(server.url, request_)
    assert caught.value.code == "invalid_request"
    assert caught.value.message.startswith("bad: prompt ")
    assert len(caught.value.message) < 310


# -- throttles: a wait that is too long is not slept, a date counts from the response's own date


@both
def test_a_wait_of_an_hour_parks_the_call(server: ProviderServer, request_: Request) -> None:
    server.script(error_of(request_, 429, headers={"retry-after": "3600"}))
    with pytest.raises(ProviderError) as caught:
        called(server.url, request_)
    assert (caught.value.code, caught.value.retry_after_s) == ("rate_limit", 3600.0)
    assert len(server.requests) == 1


# -- ends and what they mean, those that the other tables leave out


@pytest.mark.parametrize("reason", ["BLOCKLIST", "PROHIBITED_CONTENT"])
def test_geminis_filters_are_refusals_that_are_paid(server: ProviderServer, reason: str) -> None:
    server.script(Served(body=gemini_ended(reason)))
    with pytest.raises(ProviderError) as caught:
        called(server.url, gemini)
    assert (caught.value.code, caught.value.retryable) == ("content_filter", False)
    assert sum(server.bills.values()) == 1


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (claude, anthropic_message(stop_reason="max_tokens")),
        (claude, anthropic_message(stop_reason="model_context_window_exceeded")),
        (gemini, gemini_ended("MAX_TOKENS", text="four")),
    ],
)
def test_a_cut_answer_is_kept_with_a_warning(
    server: ProviderServer, request_: Request, body: dict[str, Any]
) -> None:
    server.script(Served(body=body))
    (reply,) = called(server.url, request_).replies
    assert (reply.response.text, [w.code for w in reply.warnings]) == ("four", ["truncated"])


# -- the model that answered, and usage that cannot be


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (claude, anthropic_message(model="claude-opus-5-5")),
        (gemini, gemini_answer(modelVersion="gemini-2.5-flash-lite")),
    ],
    ids=["anthropic", "gemini"],
)
def test_another_model_than_asked_for_is_flagged(
    server: ProviderServer, request_: Request, body: dict[str, Any]
) -> None:
    server.script(Served(body=body))
    (reply,) = called(server.url, request_).replies
    assert [w.code for w in reply.warnings] == ["model_mismatch"]
    assert reply.response.model_served != request_.model


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (claude, anthropic_message(usage={"input_tokens": 10**6, "output_tokens": 1})),
        (gemini, gemini_answer(usageMetadata={"promptTokenCount": 10**6, "candidatesTokenCount": 1})),
    ],
    ids=["anthropic", "gemini"],
)  # fmt: skip
def test_usage_above_the_bound_is_charged_in_full_and_flagged(
    server: ProviderServer, request_: Request, body: dict[str, Any]
) -> None:
    server.script(Served(body=body))
    found = called(server.url, request_)
    assert "reservation_exceeded" in [w.code for w in found.replies[0].warnings]
    assert found.ledger.spent.tokens == 1_000_001


# -- limits that the vendor states beside an answer


def test_the_limits_that_claude_states_space_the_next_calls(server: ProviderServer) -> None:
    left = {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "1",
    }
    server.script(Served(headers=left))
    found = called(server.url, claude, times=3)
    # one a second: one was left for the second call, the third waits for the next
    assert found.clock.monotonic() == pytest.approx(1.0)


def test_tokens_that_are_used_up_are_waited_for_and_bounds_are_not(server: ProviderServer) -> None:
    left = {"anthropic-ratelimit-tokens-limit": "600", "anthropic-ratelimit-tokens-remaining": "0"}
    server.script(Served(headers=left))
    found = called(server.url, claude, times=2)
    # ten a second: the second call waits for one token, not for all that it may take
    assert found.clock.monotonic() == pytest.approx(0.1)


def test_what_was_configured_is_lowered_by_what_claude_states(server: ProviderServer) -> None:
    left = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
    }
    server.script(Served(headers=left))
    found = called(server.url, claude, times=2, limits=Limits(rpm=60))
    assert found.clock.monotonic() == pytest.approx(1.0)


# -- the free count before a refusal

long = "word " * 2000  # 10 000 bytes; the server counts 40 tokens


@both
def test_a_prompt_whose_bound_does_not_fit_is_counted_and_sent(
    server: ProviderServer, request_: Request
) -> None:
    request = replace(request_, messages=[Message(role="user", text=long)])
    # the bound costs at least 10 000 * 0.10 USD per million = 0.001 USD
    found = called(server.url, request, cap_usd="0.0009")
    assert [is_count(sent.path) for sent in server.requests] == [True, False]
    assert sum(server.bills.values()) == 1
    assert found.replies[0].response.text == "four"


@both
def test_a_prompt_that_is_too_dear_by_any_count_is_refused(
    server: ProviderServer, request_: Request
) -> None:
    request = replace(request_, messages=[Message(role="user", text=long)])
    with pytest.raises(BudgetExceeded):
        called(server.url, request, cap_usd="0.000001")
    assert [is_count(sent.path) for sent in server.requests] == [True]
    assert not server.bills


@pytest.mark.parametrize(
    "reply",
    [
        Served(status=500, body={"error": {}}),
        Served(body=b"<html>", content_type="text/html"),
        Served(body={}),
        Served(body={"input_tokens": 0, "totalTokens": -1}),
    ],
    ids=["failure", "page", "nothing", "no count"],
)
@both
def test_a_count_that_fails_leaves_the_bound(
    server: ProviderServer, request_: Request, reply: Served
) -> None:
    request = replace(request_, messages=[Message(role="user", text=long)])
    server.script(reply)
    with pytest.raises(BudgetExceeded):
        called(server.url, request, cap_usd="0.0009")
    assert len(server.requests) == 1


async def counted(provider: CountingProvider, *, request: Request) -> int | None:
    return await provider.count_tokens(request)


def test_gemini_counts_no_tools_and_claude_counts_them(server: ProviderServer) -> None:
    for request, count in ((claude, 40), (gemini, None)):
        asked = replace(request, tools=[tool])
        assert with_provider(server.url, asked, partial(counted, request=asked)) == count
    (sent,) = server.requests
    assert sent.body["tools"] == [
        {"name": "t", "description": "d", "input_schema": {"type": "object"}}
    ]
    assert "max_tokens" not in sent.body


def test_the_system_prompt_is_part_of_geminis_count(server: ProviderServer) -> None:
    with_provider(server.url, gemini, partial(counted, request=gemini))
    (sent,) = server.requests
    assert sent.path == "/v1beta/models/gemini-3.8-flash:countTokens"
    texts = [part["text"] for content in sent.body["contents"] for part in content["parts"]]
    assert texts == ["Be brief.", "What is 2+2?"]
