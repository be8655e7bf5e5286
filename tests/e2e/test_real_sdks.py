"""The vendors' own SDKs against a server on loopback: every trap gives its code, and one call is one request."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest

from pipex_core.adapters.anthropic import AnthropicProvider, translated
from pipex_core.adapters.gemini import GeminiProvider
from pipex_core.errors import AuthFailed, InvalidRequest, ProviderError
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import Message, Provider, Request, Response, Usage
from tests.fakes.provider_server import (
    ProviderServer,
    Reply as Served,
    anthropic_error,
    anthropic_message,
    gemini_answer,
    gemini_ended,
    gemini_error,
    good_key,
    running,
)
from tests.fakes.vendors import called, with_provider

pytestmark = pytest.mark.e2e
claude = Request(
    provider="anthropic",
    model="claude-haiku-5-5",
    system="Be brief.",
    messages=[
        Message(role="user", text="What is 2+2?"),
        Message(role="assistant", text="4"),
        Message(role="user", text="In a word?"),
    ],
    options={"temperature": 0, "top_p": 0.9, "top_k": 5, "stop": ["\n\n"]},
    max_tokens=100_000,
    timeout_s=20.0,
)
gemini = replace(claude, provider="gemini", model="gemini-3.8-flash")


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with running() as server:
        yield server


def ask(url: str, request: Request, *, key: str = good_key) -> Response:
    return with_provider(url, request, lambda provider: provider.complete(request), key=key)


def failure(url: str, request: Request, *, key: str = good_key) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(url, request, key=key)
    return caught.value


def test_claude_is_asked_for_exactly_this(server: ProviderServer) -> None:
    response = ask(server.url, claude)
    (sent,) = server.requests
    assert sent.path == "/v1/messages"
    assert sent.headers["x-stainless-retry-count"] == "0"
    assert sent.body == {
        "model": "claude-haiku-5-5",
        "max_tokens": 100_000,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "What is 2+2?"},
            {"role": "assistant", "content": "4"},
            {"role": "user", "content": "In a word?"},
        ],
        "stop_sequences": ["\n\n"],
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 5,
    }
    assert response == Response(
        text="four",
        usage=Usage(input=12, output=3),
        model_served="claude-haiku-5-5",
        request_id="req_01",
        raw={"id": "msg_01", "stop_reason": "end_turn"},
    )


def test_gemini_is_asked_for_exactly_this(server: ProviderServer) -> None:
    response = ask(server.url, replace(gemini, options={**gemini.options, "seed": 7}))
    (sent,) = server.requests
    assert sent.path == "/v1beta/models/gemini-3.8-flash:generateContent"
    assert sent.headers["x-server-timeout"] == "20"
    assert sent.body == {
        "contents": [
            {"role": "user", "parts": [{"text": "What is 2+2?"}]},
            {"role": "model", "parts": [{"text": "4"}]},
            {"role": "user", "parts": [{"text": "In a word?"}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "maxOutputTokens": 100_000,
            "temperature": 0,
            "topP": 0.9,
            "topK": 5,
            "seed": 7,
            "stopSequences": ["\n\n"],
        },
    }
    # 12 in, 4 of them cached; 3 of text and 2 of thought out
    assert response == Response(
        text="four",
        usage=Usage(input=8, cache_read=4, output=5, thinking=2),
        model_served="gemini-3.8-flash",
        request_id="resp_01",
        raw={"id": "resp_01", "finish_reason": "STOP"},
    )


def test_a_schema_goes_to_the_vendor(server: ProviderServer) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    for request in (claude, gemini):
        ask(server.url, replace(request, schema=schema, options={}))
    sent_claude, sent_gemini = (sent.body for sent in server.requests)
    form = sent_claude["output_config"]["format"]
    assert (form["type"], form["schema"]["properties"]) == ("json_schema", schema["properties"])
    config = sent_gemini["generationConfig"]
    assert config["responseJsonSchema"] == schema
    assert config["responseMimeType"] == "application/json"


@pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
def test_what_cannot_be_sent_is_refused_and_never_dropped(
    server: ProviderServer, request_: Request
) -> None:
    with pytest.raises(InvalidRequest):
        ask(server.url, replace(request_, options={"magic": 1}))
    with pytest.raises(InvalidRequest):
        ask(server.url, replace(request_, messages=[Message(role="tool", text="x")]))
    assert server.requests == []


rate_limited = {"retry-after": "7"}
claude_faults: list[tuple[str, Served, dict[str, Any]]] = [
    ("429", anthropic_error(429, "rate_limit_error", headers=rate_limited),
     {"code": "rate_limit", "status": 429, "retry_after_s": 7.0, "request_id": "req_01"}),
    ("429 without a wait", anthropic_error(429, "rate_limit_error"),
     {"code": "rate_limit", "retry_after_s": None}),
    ("429 for an hour", anthropic_error(429, "rate_limit_error", headers={"retry-after": "3600"}),
     {"code": "rate_limit", "retry_after_s": 3600.0}),
    ("spend limit of the contract",
     anthropic_error(429, "rate_limit_error", code="contract_spend_limit_reached", headers=rate_limited),
     {"code": "spend_limit", "detail": "contract_spend_limit_reached", "retryable": False}),
    ("spend limit enforced", anthropic_error(429, "rate_limit_error", code="enforced_spend_limit_reached"),
     {"code": "spend_limit"}),
    ("spend limit of the organisation",
     anthropic_error(402, "billing_error", code="linked_organization_spend_limit_reached"),
     {"code": "spend_limit"}),
    ("ramp limit", anthropic_error(429, "rate_limit_error", code="ramp_limit_exceeded"),
     {"code": "rate_limit", "detail": "ramp_limit_exceeded"}),
    ("529", anthropic_error(529, "overloaded_error"), {"code": "overloaded"}),
    ("500", anthropic_error(500, "api_error"), {"code": "server_error", "maybe_billed": False}),
    ("502 with a page", Served(status=502, body=b"<html>", content_type="text/html"),
     {"code": "server_error", "status": 502}),
    ("503", anthropic_error(503, "api_error"), {"code": "overloaded"}),
    ("400", anthropic_error(400, "invalid_request_error"),
     {"code": "invalid_request", "message": "the vendor says invalid_request_error"}),
    ("403", anthropic_error(403, "permission_error"), {"code": "auth"}),
    ("404 of the model", anthropic_error(404, "not_found_error"), {"code": "not_found"}),
    ("404 of the address", Served(status=404, body=b"no", content_type="text/plain"),
     {"code": "invalid_request"}),
    ("409", anthropic_error(409, "conflict_error"), {"code": "api_error"}),
    ("redirect", Served(status=307, headers={"location": "/elsewhere"}, body={}),
     {"code": "invalid_request", "status": 307}),
    ("cut connection", Served(drop=True), {"code": "connection", "maybe_billed": True}),
    ("no JSON", Served(body=b"{"), {"code": "server_error", "detail": "malformed_reply"}),
    ("a page", Served(body=b"<html>", content_type="text/html"), {"detail": "malformed_reply"}),
    ("not UTF-8", Served(body=b'{"id": "\xff"}'), {"detail": "malformed_reply"}),
    ("empty object", Served(body={}), {"detail": "malformed_reply", "maybe_billed": True}),
    ("a list", Served(body=[1]), {"detail": "malformed_reply"}),
    ("null", Served(body=b"null"), {"detail": "malformed_reply"}),
    ("no usage", Served(body=anthropic_message(usage=None)), {"detail": "malformed_reply"}),
    ("usage in words", Served(body=anthropic_message(usage={"input_tokens": "many", "output_tokens": 1})),
     {"detail": "malformed_reply"}),
    ("no model", Served(body=anthropic_message(model=None)), {"detail": "malformed_reply"}),
    ("no content", Served(body=anthropic_message(content=None)), {"detail": "malformed_reply"}),
    ("text without text", Served(body=anthropic_message(content=[{"type": "text"}])),
     {"detail": "malformed_reply"}),
    ("no stop reason", Served(body=anthropic_message(stop_reason=None)), {"detail": "malformed_reply"}),
    ("unknown stop reason", Served(body=anthropic_message(stop_reason="tired")),
     {"detail": "malformed_reply"}),
]  # fmt: skip
gemini_faults: list[tuple[str, Served, dict[str, Any]]] = [
    ("429", gemini_error(429, "RESOURCE_EXHAUSTED", headers=rate_limited),
     {"code": "rate_limit", "status": 429, "retry_after_s": 7.0}),
    ("429 of a minute", gemini_error(429, "RESOURCE_EXHAUSTED", quota_id="RequestsPerMinutePerProject"),
     {"code": "rate_limit", "retry_after_s": None}),
    ("429 of a day", gemini_error(429, "RESOURCE_EXHAUSTED", quota_id="GenerateRequestsPerDayPerProject"),
     {"code": "spend_limit"}),
    ("429 with a delay in the body",
     Served(status=429, body={"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED",
           "details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}),
     {"code": "rate_limit", "retry_after_s": 34.5}),
    ("wrong key", Served(status=400, body={"error": {"code": 400, "message": "key", "status": "INVALID_ARGUMENT",
           "details": [{"reason": "API_KEY_INVALID"}]}}), {"code": "auth"}),
    ("500", gemini_error(500, "INTERNAL"), {"code": "server_error", "maybe_billed": False}),
    ("502 with a page", Served(status=502, body=b"<html>", content_type="text/html"),
     {"code": "server_error", "status": 502}),
    ("503", gemini_error(503, "UNAVAILABLE"), {"code": "overloaded"}),
    ("504", gemini_error(504, "DEADLINE_EXCEEDED"), {"code": "server_error"}),
    ("400", gemini_error(400, "INVALID_ARGUMENT"), {"code": "invalid_request", "detail": "INVALID_ARGUMENT"}),
    ("403", gemini_error(403, "PERMISSION_DENIED"), {"code": "auth"}),
    ("404 of the model", gemini_error(404, "NOT_FOUND"), {"code": "not_found"}),
    ("404 of the address", Served(status=404, body=b"no", content_type="text/plain"),
     {"code": "invalid_request"}),
    ("redirect", Served(status=307, headers={"location": "/elsewhere"}, body={}),
     {"code": "invalid_request", "status": 307}),
    ("error that is a list", Served(status=500, body=[1, 2]), {"code": "server_error"}),
    ("cut connection", Served(drop=True), {"code": "connection", "maybe_billed": True}),
    ("no JSON", Served(body=b"{"), {"code": "server_error", "detail": "malformed_reply"}),
    ("a page", Served(body=b"<html>", content_type="text/html"), {"detail": "malformed_reply"}),
    ("empty object", Served(body={}), {"detail": "malformed_reply", "maybe_billed": True}),
    ("a list", Served(body=[1]), {"detail": "malformed_reply"}),
    ("null", Served(body=b"null"), {"detail": "malformed_reply"}),
    ("nothing", Served(body=b""), {"detail": "malformed_reply"}),
    ("no usage", Served(body=gemini_answer(usageMetadata=None)), {"detail": "malformed_reply"}),
    ("usage that contradicts itself",
     Served(body=gemini_answer(usageMetadata={"promptTokenCount": 1, "cachedContentTokenCount": 2})),
     {"detail": "malformed_reply"}),
    ("no model", Served(body=gemini_answer(modelVersion=None)), {"detail": "malformed_reply"}),
    ("no finish reason", Served(body=gemini_answer(candidates=[{"content": {"parts": [{"text": "x"}]}}])),
     {"detail": "malformed_reply"}),
    ("unknown finish reason", Served(body=gemini_ended("TIRED", text="x")), {"detail": "malformed_reply"}),
    ("unusable call", Served(body=gemini_ended("MALFORMED_FUNCTION_CALL")),
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
def test_every_fault_has_its_code_and_is_sent_once(
    server: ProviderServer, request_: Request, reply: Served, facts: dict[str, Any]
) -> None:
    server.script(reply)
    error = failure(server.url, request_)
    assert {name: getattr(error, name) for name in facts} == facts
    assert (error.provider, error.model) == (request_.provider, request_.model)
    assert len(server.requests) == 1
    assert good_key not in f"{error.message} {error.detail}"


@pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
def test_a_wrong_key_is_refused_and_not_shown(server: ProviderServer, request_: Request) -> None:
    error = failure(server.url, request_, key="key-of-somebody-else")
    assert (error.code, error.status, error.retryable) == ("auth", 401, False)
    assert "key-of-somebody-else" not in str(error)


@pytest.mark.parametrize("provider", [AnthropicProvider, GeminiProvider])
def test_a_missing_key_is_told_before_any_call(provider: Callable[..., Provider]) -> None:
    with pytest.raises(AuthFailed, match="_API_KEY"):
        provider(api_key="")


@pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
def test_a_server_that_says_nothing_is_a_timeout_that_may_be_billed(
    server: ProviderServer, request_: Request
) -> None:
    server.script(Served(hang=True))
    error = failure(server.url, replace(request_, timeout_s=0.2))
    assert (error.code, error.maybe_billed) == ("timeout", True)
    assert sum(server.bills.values()) == 1


@pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
def test_nobody_listening_is_a_connection_that_cannot_be_billed(request_: Request) -> None:
    with running() as server:
        gone = server.url
    error = failure(gone, request_)
    assert (error.code, error.maybe_billed) == ("connection", False)


@pytest.mark.parametrize(
    ("request_", "body", "finish", "text"),
    [
        (claude, anthropic_message(stop_reason="max_tokens"), "max_tokens", "four"),
        (claude, anthropic_message(stop_reason="model_context_window_exceeded"), "max_tokens", "four"),
        (claude, anthropic_message(stop_reason="stop_sequence"), "stop", "four"),
        (claude, anthropic_message(stop_reason="refusal", content=[]), "content_filter", ""),
        (gemini, gemini_ended("MAX_TOKENS", text="fo"), "max_tokens", "fo"),
        (gemini, gemini_ended("SAFETY"), "content_filter", ""),
        (gemini, gemini_ended("RECITATION"), "content_filter", ""),
        (gemini, gemini_ended("SPII"), "content_filter", ""),
        (gemini, gemini_answer(candidates=[], promptFeedback={"blockReason": "SAFETY"}), "content_filter", ""),
        (gemini, gemini_answer(candidates=None, usageMetadata=None, promptFeedback={"blockReason": "OTHER"}), "content_filter", ""),
    ],
)  # fmt: skip
def test_every_end_keeps_its_meaning(
    server: ProviderServer, request_: Request, body: dict[str, Any], finish: str, text: str
) -> None:
    server.script(Served(body=body))
    response = ask(server.url, request_)
    assert (response.finish_reason, response.text) == (finish, text)


def test_claude_counts_cache_and_thinking_apart(server: ProviderServer) -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 40,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens_details": {"thinking_tokens": 25},
    }
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "fo"},
        {"type": "text", "text": "ur"},
    ]
    server.script(Served(body=anthropic_message(usage=usage, content=content)))
    response = ask(server.url, claude)
    assert response.text == "four"
    assert response.usage == Usage(
        input=5, cache_read=100, cache_write_5m=20, cache_write_1h=10, output=40, thinking=25
    )


def test_thoughts_of_gemini_are_no_part_of_the_text(server: ProviderServer) -> None:
    parts = [{"text": "hm", "thought": True}, {"text": "fo"}, {"text": "ur"}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    server.script(Served(body=gemini_answer(candidates=[candidate])))
    assert ask(server.url, gemini).text == "four"


def test_gemini_does_not_go_on_in_a_second_bill(server: ProviderServer) -> None:
    body = gemini_ended("CONTINUATION", text="fo")
    body["candidates"][0]["continuationToken"] = "dG9r"
    server.script(Served(body=body))
    response = ask(server.url, gemini)
    assert (response.text, response.finish_reason) == ("fo", "max_tokens")
    assert sum(server.bills.values()) == 1


def test_the_environment_of_the_vendors_is_not_looked_at(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_CUSTOM_HEADERS": "x-smuggled: yes",
        "ANTHROPIC_AUTH_TOKEN": "other",
        "GOOGLE_API_KEY": "other",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_API_VERSION": "v9",
        "GOOGLE_GENAI_CLIENT_MODE": "replay",
    }.items():
        monkeypatch.setenv(name, value)
    for request in (claude, gemini):
        assert ask(server.url, request).text == "four"
    assert all("x-smuggled" not in sent.headers for sent in server.requests)


def test_nothing_of_a_call_is_logged_at_info(
    server: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for request in (claude, gemini):
        ask(server.url, request)
    assert "What is 2+2?" not in caplog.text
    assert good_key not in caplog.text


def test_a_connection_that_is_not_made_in_time_cannot_be_billed() -> None:
    request = httpx2.Request("POST", "http://127.0.0.1/v1/messages")
    with pytest.raises(ProviderError) as caught, translated("m"):
        raise anthropic.APITimeoutError(request) from httpx2.ConnectTimeout("slow")
    assert (caught.value.code, caught.value.maybe_billed) == ("connection", False)


@pytest.mark.parametrize(
    ("request_", "nanousd"),
    [
        (claude, 2_700),  # 12 * 0.10 + 3 * 0.50 = 2.70 USD per million
        (gemini, 25_050),  # 8 * 0.75 + 4 * 0.075 + 5 * 3.75 = 25.05 USD per million
    ],
    ids=["anthropic", "gemini"],
)
def test_the_client_pays_the_list_price_and_retries_alone(
    server: ProviderServer, request_: Request, nanousd: int
) -> None:
    busy = Served(status=429, headers={"retry-after": "7"}, body={"error": {}}, bills=False)
    server.script(busy, Served(status=500, body={"error": {}}, bills=False))
    found = called(server.url, request_, retry=RetryPolicy(jitter=False))
    (reply,), ledger, clock = found.replies, found.ledger, found.clock
    assert (reply.cost_nanousd, reply.attempts, reply.warnings) == (nanousd, 3, ())
    assert (ledger.spent.nanousd, ledger.spent.calls) == (nanousd, 3)
    assert clock.sleeps == [7.0, 2.0]
    assert len(server.requests) == 3
    assert list(server.bills.values()) == [1]


@pytest.mark.parametrize("request_", [claude, gemini], ids=["anthropic", "gemini"])
def test_the_wall_deadline_ends_a_call_that_hangs(
    server: ProviderServer, request_: Request
) -> None:
    server.script(Served(hang=True))
    brief = replace(request_, timeout_s=0.2)
    with pytest.raises(ProviderError) as caught:
        called(server.url, brief)
    assert (caught.value.code, caught.value.maybe_billed) == ("timeout", True)
