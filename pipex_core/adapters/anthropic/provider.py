"""Claude through the Messages API: one request, one validated answer, or one error of ours.

The SDK's own retries, environment look-ups and redirects are off; sampling options are no parameters
of its typed call any more and go into the body.
"""

from collections.abc import AsyncIterator

import anthropic
import httpx2

from pipex_core.adapters.anthropic.faults import name, translated
from pipex_core.adapters.anthropic.stream import Assembly
from pipex_core.adapters.anthropic.turns import arguments_of, response_of
from pipex_core.errors import AuthFailed, ConnectionFailed
from pipex_core.llm.provider import Delta, Estimate, Request, Response

default_base_url = "https://api.anthropic.com"
connect_s = 5.0


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

    def __init__(self, *, api_key: str, base_url: str = "", idle_s: float = 60.0) -> None:
        if not api_key:
            raise AuthFailed("no key for Anthropic; set ANTHROPIC_API_KEY", provider=self.name)
        self._idle_s = idle_s
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
                **arguments, timeout=_timeout(request.timeout_s, read_s=request.timeout_s)
            )
            if not isinstance(message, anthropic.types.Message):
                raise ValueError("the reply is no message")  # noqa: TRY004 - malformed
            reply = message.model_dump(warnings=False, exclude_unset=True)
            return response_of(reply, message._request_id)  # noqa: SLF001 - documented under this name

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
            yield response_of(assembly.message(), events.response.headers.get("request-id"))

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.close()


def _timeout(whole_s: float, *, read_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(whole_s, connect=min(connect_s, whole_s), read=read_s)
