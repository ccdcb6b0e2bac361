"""When to try again, and after how long."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.models.redact import Redactor
from pilotage.models.retry import CAP_S, backoff_s, parse_retry_after, worth_retrying

NOW_US = 1_700_000_000 * 1_000_000


@given(st.integers(1, 200), st.floats(0.001, 5), st.none() | st.floats(0, 1000))
def test_a_wait_stays_within_its_bounds(failures: int, base_s: float, retry_after_s: float | None) -> None:
    wait = backoff_s(failures, base_s=base_s, retry_after_s=retry_after_s)
    floor = retry_after_s or 0.0
    assert floor <= wait <= floor + CAP_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        (" 3 ", 3.0),
        ("-1", None),
        ("soon", None),
        ("²", None),
        (format_datetime(datetime.fromtimestamp(1_700_000_030, UTC), usegmt=True), 30.0),
        (format_datetime(datetime.fromtimestamp(1_600_000_000, UTC), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, now_us=NOW_US) == seconds


def test_only_failures_that_may_pass_are_worth_a_retry() -> None:
    assert [
        status for status in (200, 301, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 501, 502, 503, 504, 505, 529) if worth_retrying(status)
    ] == [
        408,
        425,
        429,
        500,
        502,
        503,
        504,
        529,
    ]


def test_known_secrets_and_what_looks_like_one_are_redacted() -> None:
    redactor = Redactor("hunter2", None)
    assert redactor.text("key hunter2; Authorization: Bearer abcdefgh.ijk; sk-abcdefghijklmnop1234") == (
        "key [redacted]; Authorization: Bearer [redacted]; [redacted]"
    )
    assert redactor.body(b'{"echo": "hunter2"}') == b'{"echo": "[redacted]"}'
    assert redactor.text("nothing to hide") == "nothing to hide"
