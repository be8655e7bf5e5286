"""Gemini through ``generateContent``: one request, one validated answer, or one error of ours.

The SDK would retry, go on with a cut answer in a second bill, run Python callables that a model names,
wait forever, and read a dozen environment variables; all of that is off.
"""

from collections.abc import AsyncIterator

import httpx2
from google import genai
from google.genai import client as genai_client, types

from pipex_core.adapters.gemini.faults import name, translated
from pipex_core.adapters.gemini.stream import Assembly, text_of
from pipex_core.adapters.gemini.turns import (
    config_of,
    contents_of,
    http_options_of,
    response_of,
)
from pipex_core.errors import ConnectionFailed
from pipex_core.llm.provider import Delta, Estimate, Request, Response
from pipex_core.llm.vendor import connect_s, counted_tokens, idle_s, keep_quiet, require_key

default_base_url = "https://generativelanguage.googleapis.com/"
api_version = "v1beta"
loggers = ("google_genai", "httpx2", "httpcore2")


class GeminiProvider:
    """Calls Gemini with one key at one address.

    Args:
        api_key: Must not be empty; the environment is not asked.
        base_url: Where the API is; the vendor's own variables are not asked either.
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
        api_key = require_key(api_key, provider=name, vendor="Gemini")
        # An HTTP client of our own: the SDK's follows redirects, and another transport that happens to
        # be installed would be preferred and repeats requests.
        self._http = httpx2.AsyncClient(
            follow_redirects=False, event_hooks={"request": [self._bound_waits]}
        )
        self._client = genai.Client(
            vertexai=False,
            api_key=api_key,
            debug_config=genai_client.DebugConfig(
                client_mode=None, replays_directory=None, replay_id=None
            ),
            http_options=types.HttpOptions(
                base_url=base_url or default_base_url,
                api_version=api_version,
                httpx_async_client=self._http,
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )

    def estimate(self, request: Request) -> Estimate | None:
        """Nothing is known before the call."""
        del request
        return None

    async def complete(self, request: Request) -> Response:
        """The answer of ``POST .../{model}:generateContent``."""
        contents, config = contents_of(request), config_of(request)
        with translated(request.model):
            reply = await self._client.aio.models.generate_content(
                model=request.model, contents=contents, config=config
            )
            return response_of(reply)

    async def stream(self, request: Request) -> AsyncIterator[Delta | Response]:
        """The same answer from ``:streamGenerateContent``."""
        contents, config = contents_of(request), config_of(request)
        assembly = Assembly()
        with translated(request.model):
            chunks = await self._client.aio.models.generate_content_stream(
                model=request.model, contents=contents, config=config
            )
            async for chunk in _whole(chunks):
                assembly.add(chunk)
                text = text_of(chunk)
                if text:
                    yield Delta(text=text)
            if not assembly.is_complete:
                raise ConnectionFailed("the stream was cut", maybe_billed=True)
            yield response_of(assembly.reply())

    async def count_tokens(self, request: Request) -> int | None:
        """The answer of ``:countTokens``, which is free; None with tools or a schema.

        The SDK sends neither of them, nor system prompts, which are counted as a turn.
        """
        if request.tools or request.schema is not None:
            return None
        contents = contents_of(request)
        if request.system is not None:
            contents = [
                types.Content(role="user", parts=[types.Part(text=request.system)]),
                *contents,
            ]
        with translated(request.model):
            found = await self._client.aio.models.count_tokens(
                model=request.model,
                contents=contents,
                config=types.CountTokensConfig(http_options=http_options_of(request)),
            )
            return counted_tokens(found.total_tokens)

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.aio.aclose()
        self._client.close()
        await self._http.aclose()

    async def _bound_waits(self, request: httpx2.Request) -> None:
        """Bounds the time to connect and of silence, which the SDK cannot set apart from the whole."""
        timeouts = request.extensions["timeout"]
        timeouts["connect"] = min(connect_s, timeouts["connect"])
        if request.url.path.endswith(":streamGenerateContent"):
            timeouts["read"] = min(self._idle_s, timeouts["read"])


async def _whole(
    chunks: AsyncIterator[types.GenerateContentResponse],
) -> AsyncIterator[types.GenerateContentResponse]:
    """The chunks of a stream; what the SDK stumbles over is a malformed one."""
    try:
        async for chunk in chunks:
            yield chunk
    except (TypeError, AttributeError, KeyError) as exc:
        # 3.6 reads a chunk that is no object, or an error without a code, with these.
        raise ValueError("a chunk of the stream is not whole") from exc
