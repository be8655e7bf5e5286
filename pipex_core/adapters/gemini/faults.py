"""Failures of the vendor's SDK as errors of ours; the only place that knows its exceptions."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx2
from google.genai import errors

from pipex_core.errors import (
    AuthFailed,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    ProviderError,
    RateLimited,
    ServerFailed,
    SpendLimit,
)
from pipex_core.jsonvalue import Json
from pipex_core.llm.vendor import Place, vendor_message
from pipex_core.llm.wire import kind_of_status, retry_after_s

name = "gemini"
first_failure = 400
# An error inside a stream may name its kind in words only.
by_word: Mapping[str, type[ProviderError]] = {
    "RESOURCE_EXHAUSTED": RateLimited,
    "UNAVAILABLE": Overloaded,
    "UNAUTHENTICATED": AuthFailed,
    "PERMISSION_DENIED": AuthFailed,
    "INVALID_ARGUMENT": InvalidRequest,
    "FAILED_PRECONDITION": InvalidRequest,
}


@contextmanager
def translated(model: str) -> Iterator[None]:
    """Turns every failure of the SDK inside the block into an error of ours."""
    place = Place(provider=name, model=model)
    try:
        yield
    except ProviderError as exc:
        place.mark(exc)
        raise
    except errors.APIError as exc:
        raise _status_error(exc, place) from exc
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
        raise place.cut("no connection", sent=False) from exc
    except httpx2.TimeoutException as exc:
        raise place.silent("no answer in time") from exc
    except httpx2.HTTPError as exc:
        raise place.cut("the connection failed", sent=True) from exc
    except (ValueError, UserWarning) as exc:
        # A UserWarning is raised where warnings are errors: the SDK warns of words it does not know.
        raise place.malformed(exc) from exc


def _status_error(exc: errors.APIError, place: Place) -> ProviderError:
    details = _details(exc.details)
    response = exc.response if isinstance(exc.response, httpx2.Response) else None
    return _kind(exc, details)(
        vendor_message(exc.message, exc.code),
        status=exc.code,
        retry_after_s=_wait_s(details, response.headers if response else {}),
        # Only an error inside a stream comes without its HTTP response: the call had been accepted.
        maybe_billed=response is None,
        detail=str(exc.status or ""),
        **place.facts,
    )


def _kind(exc: errors.APIError, details: Sequence[Mapping[str, Json]]) -> type[ProviderError]:
    is_status = isinstance(exc.response, httpx2.Response) or exc.code >= first_failure
    kind = kind_of_status(exc.code) if is_status else by_word.get(str(exc.status), ServerFailed)
    if kind is RateLimited and any("PerDay" in quota for quota in _quota_ids(details)):
        return SpendLimit
    if exc.status == "NOT_FOUND":
        return ModelNotFound
    if any(part.get("reason") == "API_KEY_INVALID" for part in details):
        return AuthFailed  # a wrong key comes as 400
    return kind


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
