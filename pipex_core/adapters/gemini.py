"""Gemini through ``generateContent``: one request, one validated answer, or one error of ours.

The SDK would retry, go on with a cut answer in a second bill, run Python callables that a model names,
wait forever, and read a dozen environment variables; all of that is off.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
from google import genai
from google.genai import client as genai_client, errors, types

from pipex_core.errors import (
    AuthFailed,
    ConnectionFailed,
    InvalidReply,
    InvalidRequest,
    ModelNotFound,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    ServerFailed,
    SpendLimit,
)
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import Estimate, FinishReason, Request, Response, Usage
from pipex_core.llm.wire import kind_of_status, retry_after_s

default_base_url = "https://generativelanguage.googleapis.com/"
api_version = "v1beta"
connect_s = 5.0

option_names: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "stop": "stop_sequences",
}
finish_reasons: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
bad_calls = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")


class GeminiProvider:
    """Calls Gemini with one key at one address.

    Args:
        api_key: Must not be empty; the environment is not asked.
        base_url: Where the API is; the vendor's own variables are not asked either.

    Raises:
        AuthFailed: There is no key.
    """

    name = "gemini"
    adapter_version = 1
    billable = True

    def __init__(self, *, api_key: str, base_url: str = "") -> None:
        if not api_key:
            raise AuthFailed("no key for Gemini; set GEMINI_API_KEY", provider=self.name)
        # An HTTP client of our own: the SDK's follows redirects, and another transport that happens to
        # be installed would be preferred and repeats requests.
        self._http = httpx2.AsyncClient(
            follow_redirects=False, event_hooks={"request": [_connect_soon]}
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

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.aio.aclose()
        self._client.close()
        await self._http.aclose()


async def _connect_soon(request: httpx2.Request) -> None:
    """Bounds the time to connect, which the SDK cannot set apart from the whole time."""
    timeouts = request.extensions["timeout"]
    timeouts["connect"] = min(connect_s, timeouts["connect"])


def contents_of(request: Request) -> list[types.ContentUnion]:
    """The turns of the conversation in the vendor's words."""
    roles = {"user": "user", "assistant": "model"}
    return [
        types.Content(role=roles.get(m.role, m.role), parts=[types.Part(text=m.text)])
        for m in request.messages
    ]


def config_of(request: Request) -> types.GenerateContentConfig:
    """Everything besides the turns; what cannot be sent is refused.

    Raises:
        InvalidRequest: A tool, or an option that this service does not have.
    """
    unknown = set(request.options) - set(option_names)
    if unknown:
        raise _invalid(request, f"option {min(unknown)!r} does not exist for Gemini")
    if request.tools or any(m.role == "tool" or m.tool_calls for m in request.messages):
        raise _invalid(request, "tools cannot be sent to Gemini yet")
    form: dict[str, Any] = {}
    if request.schema is not None:
        form["response_mime_type"] = "application/json"
        form["response_json_schema"] = dict(request.schema)
    return types.GenerateContentConfig(
        system_instruction=request.system,
        max_output_tokens=request.max_tokens,
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        http_options=types.HttpOptions(
            timeout=max(1, round(request.timeout_s * 1000)),
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
        **{option_names[name]: value for name, value in request.options.items()},
        **form,
    )


def response_of(reply: types.GenerateContentResponse) -> Response:
    """The answer, believed only when it is whole: the SDK takes any JSON for an answer.

    Raises:
        ValueError: Something is missing or unknown.
        InvalidReply: The model called a function that cannot be.
    """
    served = reply.model_version
    if not reply.candidates:
        feedback = reply.prompt_feedback
        if feedback is None or feedback.block_reason is None:
            raise ValueError("there is no candidate")
        return _response(reply, text="", finish="content_filter", word=feedback.block_reason.value)
    if not served:
        raise ValueError("the model is missing")
    candidate = reply.candidates[0]
    word = candidate.finish_reason.value if candidate.finish_reason else None
    if word in bad_calls:
        raise InvalidReply(f"the model ended with {word}", maybe_billed=True)
    if word is None or word not in finish_reasons:
        raise ValueError(f"finish reason {word!r} is not known")
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    return _response(reply, text=text, finish=finish_reasons[word], word=word)


def _response(
    reply: types.GenerateContentResponse, *, text: str, finish: FinishReason, word: str
) -> Response:
    return Response(
        text=text,
        finish_reason=finish,
        usage=_usage_of(reply.usage_metadata, is_refusal=finish == "content_filter"),
        model_served=reply.model_version or "",
        request_id=reply.response_id,
        raw={"id": reply.response_id, "finish_reason": word},
    )


def _usage_of(
    usage: types.GenerateContentResponseUsageMetadata | None, *, is_refusal: bool
) -> Usage:
    """Tokens in normal form: the vendor's prompt count includes what came from the cache.

    Raises:
        ValueError: The prompt's count is missing or smaller than its cached part.
    """
    if usage is None and is_refusal:
        return Usage()
    if usage is None or usage.prompt_token_count is None:
        raise ValueError("usage is missing")
    cached = usage.cached_content_token_count or 0
    thoughts = usage.thoughts_token_count or 0
    counts = Usage(
        input=usage.prompt_token_count - cached,
        cache_read=cached,
        output=(usage.candidates_token_count or 0) + thoughts,
        thinking=thoughts,
        tool_use=usage.tool_use_prompt_token_count or 0,
    )
    if min(counts.input, counts.cache_read, counts.output, counts.thinking) < 0:
        raise ValueError("a count of usage is negative")
    return counts


@contextmanager
def translated(model: str) -> Iterator[None]:
    """Turns every failure of the SDK inside the block into an error of ours."""
    facts: dict[str, Any] = {"provider": GeminiProvider.name, "model": model}
    try:
        yield
    except ProviderError as exc:
        exc.provider, exc.model = GeminiProvider.name, model
        raise
    except errors.APIError as exc:
        raise _status_error(exc, facts) from exc
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
        raise ConnectionFailed("no connection", **facts) from exc
    except httpx2.TimeoutException as exc:
        raise ProviderTimeout("no answer in time", maybe_billed=True, **facts) from exc
    except httpx2.HTTPError as exc:
        raise ConnectionFailed("the connection failed", maybe_billed=True, **facts) from exc
    except (ValueError, UserWarning) as exc:
        # A UserWarning is raised where warnings are errors: the SDK warns of words it does not know.
        raise ServerFailed(
            f"the reply cannot be used: {_reason(exc)}",
            maybe_billed=True,
            detail="malformed_reply",
            **facts,
        ) from exc


def _status_error(exc: errors.APIError, facts: Mapping[str, Any]) -> ProviderError:
    details = _details(exc.details)
    kind = kind_of_status(exc.code)
    if kind is RateLimited and any("PerDay" in quota for quota in _quota_ids(details)):
        kind = SpendLimit
    elif exc.status == "NOT_FOUND":
        kind = ModelNotFound
    elif any(part.get("reason") == "API_KEY_INVALID" for part in details):
        kind = AuthFailed  # a wrong key comes as 400
    headers = exc.response.headers if isinstance(exc.response, httpx2.Response) else {}
    return kind(
        exc.message or f"HTTP status {exc.code}",
        status=exc.code,
        retry_after_s=_wait_s(details, headers),
        detail=str(exc.status or ""),
        **facts,
    )


def _details(document: Json) -> Sequence[Mapping[str, Json]]:
    """The ``google.rpc`` details of an error; empty when it has none."""
    error = document.get("error") if isinstance(document, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return (
        [part for part in details if isinstance(part, Mapping)] if isinstance(details, list) else []
    )


def _quota_ids(details: Sequence[Mapping[str, Json]]) -> list[str]:
    violations = [v for part in details for v in part.get("violations") or []]
    return [str(v.get("quotaId", "")) for v in violations if isinstance(v, Mapping)]


def _wait_s(details: Sequence[Mapping[str, Json]], headers: Mapping[str, str]) -> float | None:
    """The longest wait that a ``RetryInfo`` or a header asks for."""
    asked = [str(p["retryDelay"]).removesuffix("s") for p in details if "retryDelay" in p]
    waits = [retry_after_s(headers), *(retry_after_s({"retry-after": text}) for text in asked)]
    return max((wait for wait in waits if wait is not None), default=None)


def _reason(exc: Exception) -> str:
    """What is wrong, without quoting a reply: parsers put whole documents into their messages."""
    return str(exc) if type(exc) is ValueError else type(exc).__name__


def _invalid(request: Request, message: str) -> InvalidRequest:
    return InvalidRequest(message, provider=GeminiProvider.name, model=request.model)
