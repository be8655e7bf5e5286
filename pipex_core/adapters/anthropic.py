"""Claude through the Messages API: one request, one validated answer, or one error of ours.

The SDK's own retries, environment look-ups and redirects are off; sampling options are no parameters
of its typed call any more and go into the body.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2

from pipex_core.errors import (
    AuthFailed,
    ConnectionFailed,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerFailed,
    SpendLimit,
)
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import Estimate, FinishReason, Request, Response, Usage
from pipex_core.llm.wire import kind_of_status, retry_after_s

default_base_url = "https://api.anthropic.com"
connect_s = 5.0

sampling = ("temperature", "top_p", "top_k")
finish_reasons: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "content_filter",
}
by_code: Mapping[str, type[ProviderError]] = {
    "contract_spend_limit_reached": SpendLimit,
    "enforced_spend_limit_reached": SpendLimit,
    "linked_organization_spend_limit_reached": SpendLimit,
    "ramp_limit_exceeded": RateLimited,
}
by_type: Mapping[str, type[ProviderError]] = {
    "not_found_error": ModelNotFound,
    "overloaded_error": Overloaded,
}


class AnthropicProvider:
    """Calls Claude with one key at one address.

    Args:
        api_key: Must not be empty; the environment is not asked.
        base_url: Where the API is; the vendor's own variable is not asked either.

    Raises:
        AuthFailed: There is no key.
    """

    name = "anthropic"
    adapter_version = 1
    billable = True

    def __init__(self, *, api_key: str, base_url: str = "") -> None:
        if not api_key:
            raise AuthFailed("no key for Anthropic; set ANTHROPIC_API_KEY", provider=self.name)
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or default_base_url,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )
        # 2.13 adds headers of ANTHROPIC_CUSTOM_HEADERS to every request and offers no way to refuse them.
        self._client._custom_headers = {}  # noqa: SLF001 - see above

    def estimate(self, request: Request) -> Estimate | None:
        """Nothing is known before the call."""
        del request
        return None

    async def complete(self, request: Request) -> Response:
        """The answer of ``POST /v1/messages``."""
        arguments = arguments_of(request)
        with translated(request.model):
            message = await self._client.messages.create(
                **arguments,
                timeout=httpx2.Timeout(
                    request.timeout_s, connect=min(connect_s, request.timeout_s)
                ),
            )
            return response_of(message)

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.close()


def arguments_of(request: Request) -> dict[str, Any]:
    """Arguments of ``messages.create``; everything that matters is sent, the rest is refused.

    Raises:
        InvalidRequest: A tool, or an option that this service does not have.
    """
    unknown = set(request.options) - {*sampling, "stop"}
    if unknown:
        raise _invalid(request, f"option {min(unknown)!r} does not exist for Claude")
    if request.tools or any(m.role == "tool" or m.tool_calls for m in request.messages):
        raise _invalid(request, "tools cannot be sent to Claude yet")
    arguments: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [{"role": m.role, "content": m.text} for m in request.messages],
        "extra_body": {name: request.options[name] for name in sampling if name in request.options},
    }
    if request.system is not None:
        arguments["system"] = request.system
    if "stop" in request.options:
        arguments["stop_sequences"] = list(request.options["stop"])
    if request.schema is not None:
        schema = anthropic.transform_schema(dict(request.schema))
        arguments["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return arguments


def response_of(reply: object) -> Response:
    """The answer, believed only when it is whole: the SDK checks nothing.

    Raises:
        ValueError: Something is missing or unknown.
    """
    if not isinstance(reply, anthropic.types.Message):
        raise ValueError("the reply is no message")  # noqa: TRY004 - malformed, as all below
    message = reply.model_dump(warnings=False)
    stop, content = message["stop_reason"], message["content"]
    if stop not in finish_reasons:
        raise ValueError(f"stop reason {stop!r} is not known")
    texts = [block["text"] for block in content or () if block["type"] == "text"]
    if content is None or not all(isinstance(text, str) for text in texts):
        raise ValueError("content is missing")
    if not isinstance(message["model"], str):
        raise ValueError("the model is missing")  # noqa: TRY004 - malformed
    return Response(
        text="".join(texts),
        finish_reason=finish_reasons[stop],
        usage=_usage_of(message["usage"] or {}),
        model_served=message["model"],
        request_id=reply._request_id,  # noqa: SLF001 - the SDK documents it under this name
        raw={"id": message["id"], "stop_reason": stop},
    )


def _usage_of(usage: Mapping[str, Json]) -> Usage:
    """Tokens in normal form: input excludes what was read from or written to the cache."""
    split = usage.get("cache_creation") or {}
    long = _count(split.get("ephemeral_1h_input_tokens") or 0)
    return Usage(
        input=_count(usage.get("input_tokens")),
        cache_read=_count(usage.get("cache_read_input_tokens") or 0),
        cache_write_5m=_count(usage.get("cache_creation_input_tokens") or 0) - long,
        cache_write_1h=long,
        output=_count(usage.get("output_tokens")),
        thinking=_count((usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0),
    )


def _count(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("usage lacks a count of tokens")
    return value


@contextmanager
def translated(model: str) -> Iterator[None]:
    """Turns every failure of the SDK inside the block into an error of ours."""
    facts: dict[str, Any] = {"provider": AnthropicProvider.name, "model": model}
    try:
        yield
    except anthropic.APIStatusError as exc:
        raise _status_error(exc, facts) from exc
    except anthropic.APITimeoutError as exc:
        if isinstance(exc.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
            raise ConnectionFailed("no connection in time", **facts) from exc
        raise ProviderTimeout("no answer in time", maybe_billed=True, **facts) from exc
    except anthropic.APIConnectionError as exc:
        sent = not isinstance(exc.__cause__, httpx2.ConnectError)
        raise ConnectionFailed("the connection failed", maybe_billed=sent, **facts) from exc
    except (anthropic.AnthropicError, ValueError) as exc:
        raise ServerFailed(
            f"the reply cannot be used: {_reason(exc)}",
            maybe_billed=True,
            detail="malformed_reply",
            **facts,
        ) from exc


def _status_error(exc: anthropic.APIStatusError, facts: Mapping[str, Any]) -> ProviderError:
    # Codes first: a spend limit comes with status 429 and would otherwise be waited for.
    kind = by_code.get(exc.error_code or "") or by_type.get(str(exc.type))
    return (kind or kind_of_status(exc.status_code))(
        exc.api_message or f"HTTP status {exc.status_code}",
        status=exc.status_code,
        retry_after_s=retry_after_s(exc.response.headers),
        request_id=exc.request_id,
        detail=exc.error_code or str(exc.type or ""),
        **facts,
    )


def _reason(exc: Exception) -> str:
    """What is wrong, without quoting a reply: parsers put whole documents into their messages."""
    return str(exc) if type(exc) is ValueError else type(exc).__name__


def _invalid(request: Request, message: str) -> InvalidRequest:
    return InvalidRequest(message, provider=AnthropicProvider.name, model=request.model)
