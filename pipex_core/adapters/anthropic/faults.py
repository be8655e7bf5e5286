"""Failures of the vendor's SDK as errors of ours; the only place that knows its exceptions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import anthropic
import httpx2

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
from pipex_core.llm.vendor import Place, vendor_message
from pipex_core.llm.wire import kind_of_status, retry_after_s

name = "anthropic"

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
# An error that comes after the status 200 of its stream has nothing but its type.
by_type_in_stream: Mapping[str, type[ProviderError]] = {
    **by_type,
    "rate_limit_error": RateLimited,
    "authentication_error": AuthFailed,
    "permission_error": AuthFailed,
    "billing_error": SpendLimit,
    "invalid_request_error": InvalidRequest,
    "request_too_large": InvalidRequest,
}
first_failure = 300


@contextmanager
def translated(model: str) -> Iterator[None]:
    """Turns every failure of the SDK inside the block into an error of ours."""
    place = Place(provider=name, model=model)
    try:
        yield
    except ProviderError as exc:
        place.mark(exc)
        raise
    except anthropic.APIStatusError as exc:
        raise _status_error(exc, place) from exc
    except anthropic.APITimeoutError as exc:
        if isinstance(exc.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
            raise place.cut("no connection in time", sent=False) from exc
        raise place.silent("no answer in time") from exc
    except anthropic.APIConnectionError as exc:
        sent = not isinstance(exc.__cause__, httpx2.ConnectError)
        raise place.cut("the connection failed", sent=sent) from exc
    except httpx2.TimeoutException as exc:
        # Failures while a stream is read are not wrapped by the SDK.
        raise place.silent("the stream fell silent") from exc
    except httpx2.HTTPError as exc:
        raise place.cut("the stream was cut", sent=True) from exc
    except (anthropic.AnthropicError, ValueError) as exc:
        raise place.malformed(exc) from exc


def _status_error(exc: anthropic.APIStatusError, place: Place) -> ProviderError:
    is_in_stream = exc.status_code < first_failure
    # Codes first: a spend limit comes with status 429 and would otherwise be waited for.
    kind = by_code.get(exc.error_code or "")
    if kind is None and is_in_stream:
        kind = by_type_in_stream.get(str(exc.type), ServerFailed)
    kind = kind or by_type.get(str(exc.type)) or kind_of_status(exc.status_code)
    return kind(
        vendor_message(exc.api_message, exc.status_code),
        status=exc.status_code,
        retry_after_s=retry_after_s(exc.response.headers),
        maybe_billed=is_in_stream,
        request_id=exc.request_id,
        detail=exc.error_code or str(exc.type or ""),
        **place.facts,
    )
