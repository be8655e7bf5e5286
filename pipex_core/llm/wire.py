"""What HTTP says beside an answer: the class of an error by status, the wait asked for, the limits left."""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Literal

from pipex_core.errors import (
    ApiError,
    AuthFailed,
    InvalidRequest,
    Overloaded,
    ProviderError,
    RateLimited,
    ServerFailed,
    SpendLimit,
)
from pipex_core.llm.provider import RateLimit

by_status: Mapping[int, type[ProviderError]] = {
    401: AuthFailed,
    402: SpendLimit,
    403: AuthFailed,
    408: ApiError,
    409: ApiError,
    429: RateLimited,
    503: Overloaded,
    529: Overloaded,
}
first_server_error = 500
# "tokens" is the tightest limit in force; some accounts are only told the input's.
rate_names: Mapping[Literal["requests", "tokens"], Sequence[str]] = {
    "requests": ("requests",),
    "tokens": ("tokens", "input-tokens"),
}


def kind_of_status(status: int) -> type[ProviderError]:
    """The error for an HTTP status that is no success; redirects are requests to the wrong place."""
    if status in by_status:
        return by_status[status]
    return ServerFailed if status >= first_server_error else InvalidRequest


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``retry-after-ms`` or ``retry-after`` asks to wait, at least 0; None without one.

    A date is taken relative to the response's own ``date``, so that a wrong clock here does no harm.

    Args:
        headers: With names in lower case, or a mapping that ignores case.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    return seconds if seconds is not None else _seconds_between(headers.get("date", ""), text)


def rate_limits(headers: Mapping[str, str], *, prefix: str) -> tuple[RateLimit, ...]:
    """The limits per minute that ``<prefix>requests-limit``, ``-remaining`` and their like state.

    Args:
        headers: With names in lower case, or a mapping that ignores case.
        prefix: The vendor's own, such as ``anthropic-ratelimit-``.
    """
    found = []
    for kind, names in rate_names.items():
        stated = (_rate(headers, f"{prefix}{name}") for name in names)
        pair = next((one for one in stated if one is not None), None)
        if pair is not None:
            found.append(RateLimit(kind=kind, limit=pair[0], remaining=pair[1]))
    return tuple(found)


def _rate(headers: Mapping[str, str], name: str) -> tuple[int, int] | None:
    limit = _number(headers.get(f"{name}-limit", ""))
    remaining = _number(headers.get(f"{name}-remaining", ""))
    return None if not limit or remaining is None else (int(limit), int(remaining))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", text, re.ASCII) else None


def _seconds_between(earlier: str, later: str) -> float | None:
    try:
        difference = parsedate_to_datetime(later) - parsedate_to_datetime(earlier)
    except (TypeError, ValueError):
        return None
    return max(0.0, difference.total_seconds())
