"""Claude through the Messages API: one request, one validated answer, or one error of ours.

The SDK's own retries, environment look-ups and redirects are off; sampling options are no parameters
of its typed call any more and go into the body.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import anthropic
import httpx2

from pipex_core.adapters.anthropic.faults import name, translated
from pipex_core.adapters.anthropic.stream import Assembly
from pipex_core.adapters.anthropic.turns import arguments_of, response_of
from pipex_core.errors import ConnectionFailed
from pipex_core.llm.provider import Delta, Estimate, Request, Response
from pipex_core.llm.vendor import connect_s, counted_tokens, idle_s, keep_quiet, require_key
from pipex_core.llm.wire import rate_limits

default_base_url = "https://api.anthropic.com"
# What a prompt is made of; everything else of a request is unknown to the count.
counted_names = ("model", "messages", "system", "tools", "output_config")
loggers = ("anthropic", "httpx2", "httpcore2")


class AnthropicProvider:
    """Calls Claude with one key at one address.

    Args:
        api_key: Must not be empty; the environment is not asked.
        base_url: Where the API is; the vendor's own variable is not asked either.
        idle_s: A stream that says nothing for so long is given up.

    Raises:
        AuthFailed: There is no key.
    """

    name = name
    adapter_version = 1
    billable = True

    def __init__(self, *, api_key: str, base_url: str = "", idle_s: float = idle_s) -> None:
        keep_quiet(loggers)
        self._idle_s = idle_s
        self._client = anthropic.AsyncAnthropic(
            api_key=require_key(api_key, provider=name, vendor="Anthropic"),
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
            raw = await self._client.messages.with_raw_response.create(
                **arguments, timeout=_timeout(request.timeout_s, read_s=request.timeout_s)
            )
            message = await raw.parse()
            if not isinstance(message, anthropic.types.Message):
                raise ValueError("the reply is no message")  # noqa: TRY004 - malformed
            return _response(message.model_dump(warnings=False, exclude_unset=True), raw.headers)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        """The same answer as server-sent events."""
        arguments = arguments_of(request)
        assembly = Assembly()
        with translated(request.model):
            read_s = min(self._idle_s, request.timeout_s)
            events = await self._client.messages.create(
                **arguments, stream=True, timeout=_timeout(request.timeout_s, read_s=read_s)
            )
            async with events:
                if "text/event-stream" not in events.response.headers.get("content-type", ""):
                    raise ValueError("the reply is no stream")
                async for event in events:
                    text = assembly.add(event)
                    if text:
                        yield Delta(text=text)
            if not assembly.is_complete:
                raise ConnectionFailed("the stream was cut", maybe_billed=True)
            yield _response(assembly.message(), events.response.headers)

    async def count_tokens(self, request: Request) -> int | None:
        """The answer of ``POST /v1/messages/count_tokens``, which is free."""
        arguments = arguments_of(request)
        counted = {name: arguments[name] for name in counted_names if name in arguments}
        with translated(request.model):
            found = await self._client.messages.count_tokens(
                **counted, timeout=_timeout(request.timeout_s, read_s=request.timeout_s)
            )
            # The SDK checks no reply: this may be a page as well.
            return counted_tokens(getattr(found, "input_tokens", None))

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.close()


def _response(message: Mapping[str, Any], headers: httpx2.Headers) -> Response:
    found = response_of(message, headers.get("request-id"))
    return replace(found, rates=rate_limits(headers, prefix="anthropic-ratelimit-"))


def _timeout(whole_s: float, *, read_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(whole_s, connect=min(connect_s, whole_s), read=read_s)
