"""Statuses and Retry-After headers, row by row."""

import pytest

from pipex_core.llm.provider import RateLimit
from pipex_core.llm.wire import kind_of_status, rate_limits, retry_after_s


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "invalid_request"),
        (307, "invalid_request"),
        (400, "invalid_request"),
        (401, "auth"),
        (402, "spend_limit"),
        (403, "auth"),
        (404, "invalid_request"),
        (408, "api_error"),
        (409, "api_error"),
        (412, "invalid_request"),
        (413, "invalid_request"),
        (422, "invalid_request"),
        (429, "rate_limit"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (504, "server_error"),
        (520, "server_error"),
        (529, "overloaded"),
    ],
)
def test_every_status_has_the_kind_of_the_taxonomy(status: int, code: str) -> None:
    assert kind_of_status(status).code == code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 400}, None),
        (
            {
                "date": "Mon, 23 Nov 2026 12:00:00 GMT",
                "retry-after": "Mon, 23 Nov 2026 12:01:30 GMT",
            },
            90.0,
        ),
        (
            {
                "date": "Mon, 23 Nov 2026 12:00:00 GMT",
                "retry-after": "Mon, 23 Nov 2026 11:00:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:30 GMT"}, None),
        (
            {
                "date": "Mon, 23 Nov 2026 12:00:00",
                "retry-after": "Mon, 23 Nov 2026 12:01:30 GMT",
            },
            None,
        ),
    ],
)
def test_retry_after_is_read_in_all_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers) == seconds


def limits(**stated: str) -> tuple[RateLimit, ...]:
    headers = {f"x-{name.replace('_', '-')}": value for name, value in stated.items()}
    return rate_limits(headers, prefix="x-")


def test_limits_are_read_where_both_numbers_are_stated() -> None:
    assert limits(
        requests_limit="50", requests_remaining="0", tokens_limit="9000", tokens_remaining="8000"
    ) == (
        RateLimit(kind="requests", limit=50, remaining=0),
        RateLimit(kind="tokens", limit=9000, remaining=8000),
    )
    assert limits(requests_limit="50", tokens_remaining="7") == ()
    assert limits(requests_limit="0", requests_remaining="0") == ()
    assert limits(requests_limit="many", requests_remaining="some") == ()


def test_the_tightest_limit_of_tokens_comes_before_that_of_the_input() -> None:
    inputs = {"input_tokens_limit": "40", "input_tokens_remaining": "30"}
    assert limits(**inputs) == (RateLimit(kind="tokens", limit=40, remaining=30),)
    whole = {"tokens_limit": "60", "tokens_remaining": "50"}
    assert limits(**inputs, **whole) == (RateLimit(kind="tokens", limit=60, remaining=50),)
