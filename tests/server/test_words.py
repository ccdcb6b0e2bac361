"""Figures, times and intervals as the pages say them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import MICROSECONDS
from pilotage.evidence import Evidence, Limit, NoWorseThan
from pilotage.server import words
from pilotage.server.queries.drawing import WIDTH, draw_count, draw_interval
from pilotage.server.queries.gates import GateGroup, GateLine, limit_words
from pilotage.server.queries.next_steps import next_steps
from pilotage.server.queries.pilots import plain_verdict

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


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(["above", "below"]))
def test_a_count_is_drawn_from_zero_to_a_whole_number_beyond_it(count: int, limit: int, allowed: str) -> None:
    drawn = draw_count(count, limit=limit, allowed=allowed)
    assert drawn.low == 0 and drawn.high == int(drawn.high) > max(count, limit)
    assert drawn.lower == drawn.estimate == drawn.upper and drawn.counted
    assert 0 <= drawn.allowed_from < drawn.allowed_to <= WIDTH and 0 <= drawn.estimate <= WIDTH


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (Limit("attack.success_rate", at_most=0.05, slice={"category": "canary"}), "attack success rate at most 0.05 (category: canary)"),
        (Limit("quality.accuracy", at_least=0.8), "accuracy of the answers at least 0.8"),
        (Limit("tone", no_worse_than=NoWorseThan(0.0, "cycle 1")), "tone no worse than cycle 1 by more than 0"),
        (Limit("findings.open", at_most=0), "open findings at most 0"),
    ],
)
def test_a_limit_reads_as_a_sentence(limit: Limit, said: str) -> None:
    assert limit_words(limit) == said


def test_a_verdict_is_go_no_go_or_not_known() -> None:
    assert [plain_verdict(word) for word in ("pass", "fail", "inconclusive", "not_assessable", None)] == [
        "go",
        "no_go",
        "not_known",
        "not_known",
        None,
    ]


def line(metric: str, verdict: str, *, figure: Evidence | None = None, n_needed: int | None = None) -> GateLine:
    limit = Limit(metric, at_most=0.1)
    return GateLine("gate", "owner", verdict, limit.to_dict(), limit_words(limit), "because", n_needed, figure, None)


def figure(metric: str, value: float, method: str = "count") -> Evidence:
    return Evidence(metric, "measured", value, value, value, 0.95, 40, None, method)


def test_what_to_do_next_begins_with_the_cheapest_and_leaves_out_what_passes() -> None:
    undecided = replace(figure("attack.success_rate", 0.08), lower=0.02, upper=0.2, method="rate")
    lines = [
        line("tone", "not_assessable"),
        line("over_refusal.rate", "fail"),
        line("attack.success_rate", "inconclusive", figure=undecided, n_needed=410),
        line("findings.open", "fail", figure=figure("findings.open", 4)),
        line("runs.error_rate", "pass"),
        line("quality.accuracy", "waived"),
    ]
    steps = next_steps("shop", [GateGroup("gate", "owner", "fail", lines)], has_training=True)
    assert [step.what for step in steps] == [
        "4 open findings",
        "attack success rate is not decided",
        "over-refusal rate is beyond its limit",
        "tone: not assessable",
    ]
    assert "Train on the data below" in steps[0].how and steps[0].link == "/findings?pilot=shop&state=open"
    assert "About 410 observations would decide; there are 40" in steps[1].how
    assert "twins_per_attack" in steps[2].how


def test_one_open_finding_without_new_data_is_said_so() -> None:
    (step,) = next_steps(
        "shop", [GateGroup("g", "o", "fail", [line("findings.open", "fail", figure=figure("findings.open", 1))])], has_training=False
    )
    assert step.what == "1 open finding" and "Nothing new to train on" in step.how
