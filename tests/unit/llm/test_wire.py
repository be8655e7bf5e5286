"""Statuses and Retry-After headers, row by row."""

import pytest

from pipex_core.llm.wire import kind_of_status, retry_after_s


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
