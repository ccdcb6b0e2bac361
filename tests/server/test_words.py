"""Figures, times and intervals as the pages say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import MICROSECONDS
from pilotage.server import words
from pilotage.server.queries.drawing import WIDTH, draw_interval
from pilotage.server.queries.gates import limit_words, read_bound
from pilotage.server.queries.pilots import plain_verdict, roles_to_sign

NOW = 1_700_000_000 * MICROSECONDS


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "just now"), (8, "8 s ago"), (61, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago"), (-90, "in 1 min")]
)
def test_how_long_ago(seconds: int, said: str) -> None:
    assert words.ago(NOW - seconds * MICROSECONDS, NOW) == said


def test_what_is_not_known_is_a_dash_and_never_zero() -> None:
    assert {words.count(None), words.figure(None), words.duration(None), words.spent(None), words.clock_time(None), words.share(1, 0)} == {"–"}
    assert words.ago(None, NOW) == "never"


@pytest.mark.parametrize(
    ("value", "said"), [(900, "1 ms"), (340_000, "340 ms"), (2_100_000, "2.1 s"), (200_000_000, "3 min 20 s"), (3_720_000_000, "1 h 2 min")]
)
def test_spans_have_units(value: int, said: str) -> None:
    assert words.duration(value) == said


def test_money_counts_millionths_of_minor_units() -> None:
    assert words.spent(184_000_000) == "1.84"
    assert words.spent(123_456_700_000_000).replace("\u202f", " ") == "1 234 567.00"


def test_long_ids_keep_their_prefix() -> None:
    assert words.short("out_0123456789abcdef", 6) == "out_012345…"
    assert words.short("rub_1") == "rub_1"
    assert words.short(None) == "–"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_brief_value_is_one_short_line(value: object) -> None:
    said = words.brief(value, 40)
    assert len(said) <= 40 and len(said.splitlines()) <= 1


finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.tuples(finite, finite, finite), finite, st.sampled_from(["above", "below"]))
def test_a_drawing_keeps_everything_inside_and_in_order(ends: tuple[float, float, float], limit: float, allowed: str) -> None:
    lower, estimate, upper = sorted(ends)
    drawn = draw_interval(estimate, lower, upper, limit=limit, allowed=allowed)
    assert 0 <= drawn.lower <= drawn.estimate <= drawn.upper <= WIDTH
    assert 0 <= drawn.limit <= WIDTH and drawn.allowed_from <= drawn.allowed_to
    assert (drawn.limit == drawn.allowed_from) if allowed == "above" else (drawn.limit == drawn.allowed_to)


def test_a_share_is_drawn_between_zero_and_one() -> None:
    drawn = draw_interval(0.03, 0.0, 0.9, limit=0.05, allowed="below")
    assert (drawn.low, drawn.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ({"metric": "attack_success", "at_most": 0.05, "slice": {"category": "canary"}}, "attack success at most 0.05 (category: canary)"),
        ({"metric": "accuracy", "at_least": 0.8, "at_most": None}, "accuracy at least 0.8"),
        ({"metric": "accuracy", "no_worse_than": {"margin": 0.0, "against": "cycle 1"}}, "accuracy no worse than cycle 1 by more than 0"),
        ({"metric": "accuracy", "kind": "at_most", "value": 2}, "accuracy at most 2"),
        ({}, "figure  ?"),
    ],
)
def test_a_limit_reads_as_a_sentence(limit: dict[str, object], said: str) -> None:
    assert limit_words(limit) == said


def test_a_limit_of_zero_is_a_limit() -> None:
    assert read_bound({"at_most": 0}).value == 0.0


def test_verdicts_however_written() -> None:
    assert [plain_verdict(word) for word in ("pass", "go", "fail", "NO-GO", "inconclusive", "not_assessable", None, "")] == [
        "go", "go", "no_go", "no_go", "not_known", "not_known", None, None,
    ]  # fmt: skip


def test_whose_signature_is_wanted() -> None:
    assert roles_to_sign({}) == ["owner"]
    assert roles_to_sign({"sign_off": ["owner", "auditor"]}) == ["owner", "auditor"]
    assert roles_to_sign({"sign_off": {"roles": [{"role": "auditor"}]}}) == ["auditor"]
