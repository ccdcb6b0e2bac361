"""Durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError, format_duration, parse_duration


@given(st.integers(0, 10**12 - 1))
def test_what_is_written_is_read_back(us):
    assert parse_duration(format_duration(us)) == us


@pytest.mark.parametrize(
    ("text", "us"), [("90s", 90_000_000), ("15m", 900_000_000), (" 1h ", 3_600_000_000), ("7d", 604_800_000_000), ("1w", 604_800_000_000)]
)
def test_a_number_and_a_unit_are_microseconds(text, us):
    assert parse_duration(text) == us


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1 h", "1M", "1y", "١h", "1h30m"])
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match="Not a duration"):
        parse_duration(text)
