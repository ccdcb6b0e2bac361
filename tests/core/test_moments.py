"""Moments as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError, iso, parse_moment


@given(st.integers(-62_135_596_800_000, 253_402_300_799_000))
def test_what_is_written_is_read_back(milliseconds):
    assert parse_moment(iso(milliseconds * 1000)) == milliseconds * 1000


@pytest.mark.parametrize("text", ["2026-05-01T12:00:00", "2026-05-01", "yesterday", "", "2026-13-01T00:00:00Z"])
def test_a_moment_without_a_zone_or_that_is_none_is_refused(text):
    with pytest.raises(InputError):
        parse_moment(text)


def test_an_offset_is_taken_into_account():
    assert parse_moment("1970-01-01T02:00:00.000001+02:00") == 1
