from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import as_text_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"])
def test_text_that_begins_a_formula_gets_an_apostrophe(text: str) -> None:
    assert as_text_cell(text) == "'" + text


@pytest.mark.parametrize("value", ["", "yes", "a=b", "1-2", " =1", -1, 0.5, None])
def test_anything_else_stays_what_it_is(value: object) -> None:
    assert as_text_cell(value) is value


@given(st.text())
def test_nothing_begins_a_formula_afterwards_and_doing_it_twice_changes_nothing_more(text: str) -> None:
    made = as_text_cell(text)
    assert made[:1] not in set("=+-@\t\r\n＝＋－＠") and as_text_cell(made) == made and made.endswith(text)
