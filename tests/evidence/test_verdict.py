"""Every way a gate can decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pilotage.core import MICROSECONDS
from pilotage.evidence import (
    Evidence,
    Gate,
    GateResult,
    Limit,
    NoWorseThan,
    Observation,
    Verdict,
    Waiver,
    compare_paired,
    conjunction,
    evaluate_gate,
    exit_code,
    n_for_none,
    not_assessable,
    overall,
    put_gate_result,
    rate,
    wilson,
)
from pilotage.evidence.tables import gate_result
from pilotage.store import Workspace

SUBJECT: dict[str, Any] = {"pilot": "support", "fingerprint": "f1", "versions": ["v1", "v2"]}
MEASURED = {**SUBJECT, "versions": ["v1"], "runs": ["r1"]}
NOW = 1_700_000_000 * MICROSECONDS
DAY = 86_400 * MICROSECONDS


def figure(events: int, n: int, *, age_days: float = 1, subject: dict[str, Any] | None = None, **more: Any) -> Evidence:
    made = rate(
        [Observation(f"i{index}", index < events) for index in range(n)], metric="asr", subject=MEASURED if subject is None else subject, **more
    )
    return replace(made, created_at=NOW - int(age_days * DAY))


def decided(limit: Limit, *evidence: Evidence, subject: dict[str, Any] = SUBJECT) -> GateResult:
    return evaluate_gate(Gate("g", "owner", (limit,)), evidence, subject=subject, now_us=NOW)


AT_MOST = Limit("asr", at_most=0.1)


def test_the_whole_interval_within_the_limit_passes() -> None:
    result = decided(AT_MOST, figure(0, 40))
    assert result.verdict == Verdict.PASS
    assert result.n_needed is None
    assert len(result.evidence_ids) == 1


def test_the_whole_interval_beyond_the_limit_fails() -> None:
    result = decided(AT_MOST, figure(20, 60))
    assert result.verdict == Verdict.FAIL
    assert "beyond 0.1" in result.why


def test_an_interval_across_the_limit_is_inconclusive_and_says_what_n_would_decide() -> None:
    result = decided(Limit("asr", at_most=0.05), figure(0, 40))
    assert result.verdict == Verdict.INCONCLUSIVE
    assert result.n_needed == n_for_none(0.05) == 73
    assert wilson(0, 73).upper <= 0.05 < wilson(0, 72).upper
    low = decided(Limit("asr", at_least=0.8), figure(34, 40))
    needed = low.n_needed
    assert needed is not None
    assert wilson(0.85 * needed, needed).lower >= 0.8 > wilson(0.85 * (needed - 1), needed - 1).lower


def test_a_figure_on_the_limit_is_inconclusive_for_ever() -> None:
    result = decided(Limit("asr", at_most=0.25), figure(10, 40))
    assert result.verdict == Verdict.INCONCLUSIVE
    assert result.n_needed is None
    assert "no n would decide" in result.why


def test_too_few_never_pass_but_may_fail() -> None:
    few = decided(replace(AT_MOST, min_n=100), figure(0, 40))
    assert few.verdict == Verdict.INCONCLUSIVE
    assert few.n_needed == 100
    assert decided(replace(AT_MOST, min_n=100), figure(20, 60)).verdict == Verdict.FAIL


@pytest.mark.parametrize(
    ("evidence", "limit", "why"),
    [
        ([], AT_MOST, "missing"),
        ([figure(0, 40, slice={"severity": "high"})], AT_MOST, "missing"),
        ([figure(0, 40)], replace(AT_MOST, slice={"severity": "high"}), "missing"),
        ([figure(0, 40, age_days=40)], replace(AT_MOST, max_age_days=30), "stale"),
        ([figure(0, 40, age_days=-1)], replace(AT_MOST, max_age_days=30), "future"),
        ([replace(figure(0, 40), created_at=0)], replace(AT_MOST, max_age_days=30), "unknown age"),
        ([figure(0, 40, subject={**MEASURED, "fingerprint": "f0"})], AT_MOST, "wrong version: measured on fingerprint f0"),
        ([figure(0, 40, subject={**MEASURED, "versions": ["v0"]})], AT_MOST, "wrong version: measured on dataset version v0"),
        ([figure(0, 40, subject={**MEASURED, "pilot": "other"})], AT_MOST, "wrong version: measured on pilot other"),
        ([figure(0, 40, subject={"pilot": "support"})], AT_MOST, "does not say which fingerprint"),
        ([figure(0, 40, subject={"pilot": "support", "fingerprint": "f1"})], AT_MOST, "does not say which dataset versions"),
        ([figure(0, 40, level=0.8)], AT_MOST, "80% confidence"),
        ([figure(0, 40), figure(1, 40)], AT_MOST, "ambiguous"),
        ([replace(not_assessable("asr", reason="one cluster only", subject=MEASURED), created_at=NOW)], AT_MOST, "one cluster only"),
    ],
)
def test_evidence_that_is_missing_stale_or_foreign_never_passes(evidence: list[Evidence], limit: Limit, why: str) -> None:
    result = decided(limit, *evidence)
    assert result.verdict == Verdict.NOT_ASSESSABLE
    assert why in result.why


def test_too_many_missing_outcomes_decide_nothing() -> None:
    rows = [Observation(f"i{index}", False) for index in range(90)] + [Observation(f"m{index}", None, missing="error") for index in range(10)]
    holey = replace(rate(rows, metric="asr", subject=MEASURED), created_at=NOW)
    result = decided(AT_MOST, holey)
    assert result.verdict == Verdict.NOT_ASSESSABLE
    assert "10.0%" in result.why
    assert decided(replace(AT_MOST, max_missing_share=0.2), holey).verdict == Verdict.PASS


def test_the_newest_figure_of_the_subject_counts() -> None:
    foreign_and_newer = figure(0, 40, age_days=0, subject={**MEASURED, "fingerprint": "f0"})
    assert decided(AT_MOST, figure(0, 40, age_days=9), figure(30, 40, age_days=2), foreign_and_newer).verdict == Verdict.FAIL


@pytest.mark.parametrize(
    ("flips_up", "flips_down", "better", "margin", "verdict"),
    [
        (1, 1, "lower", 0.05, Verdict.PASS),
        (60, 1, "lower", 0.05, Verdict.FAIL),
        (60, 1, "higher", 0.05, Verdict.PASS),
        (1, 60, "higher", 0.05, Verdict.FAIL),
        (10, 6, "lower", 0.02, Verdict.INCONCLUSIVE),
    ],
)
def test_no_worse_than_reads_which_way_is_better(flips_up: int, flips_down: int, better: Any, margin: float, verdict: Verdict) -> None:
    before = [index < flips_down for index in range(300)]
    after = [flips_down <= index < flips_down + flips_up for index in range(300)]
    sides = [[Observation(f"i{index}", value) for index, value in enumerate(side)] for side in (before, after)]
    found = compare_paired(*sides, metric="asr", better=better, against="previous", subject=MEASURED)
    limit = Limit("asr", no_worse_than=NoWorseThan(margin, "previous"))
    assert decided(limit, found.evidence).verdict == verdict
    assert decided(Limit("asr", no_worse_than=NoWorseThan(margin, "another")), found.evidence).verdict == Verdict.NOT_ASSESSABLE
    assert decided(AT_MOST, found.evidence).verdict == Verdict.NOT_ASSESSABLE, "a difference is no rate"


def test_a_waiver_holds_to_the_end_of_its_day_and_hides_nothing() -> None:
    waiver = Waiver("ann", "a known gap", "2023-11-14")  # NOW is on that day
    result = decided(replace(AT_MOST, waiver=waiver), figure(20, 60))
    assert result.verdict == Verdict.WAIVED
    assert result.limits[0].unwaived == Verdict.FAIL
    assert "ann" in result.why
    assert "fail" in result.why
    late = decided(replace(AT_MOST, waiver=replace(waiver, until="2023-11-13")), figure(20, 60))
    assert late.verdict == Verdict.FAIL
    assert "ran out" in late.why
    assert decided(replace(AT_MOST, waiver=waiver), figure(0, 40)).verdict == Verdict.PASS


def test_a_gate_is_as_good_as_its_worst_limit() -> None:
    gate = Gate("g", "owner", (AT_MOST, Limit("quality", at_least=0.5)))
    result = evaluate_gate(gate, [figure(0, 40)], subject=SUBJECT, now_us=NOW)
    assert result.verdict == Verdict.NOT_ASSESSABLE
    assert [limit.verdict for limit in result.limits] == [Verdict.PASS, Verdict.NOT_ASSESSABLE]
    assert overall([result, decided(AT_MOST, figure(20, 60))]) == Verdict.FAIL


def test_the_conjunction_and_its_exit_code() -> None:
    order = [Verdict.PASS, Verdict.WAIVED, Verdict.INCONCLUSIVE, Verdict.NOT_ASSESSABLE, Verdict.FAIL]
    for worse, verdict in enumerate(order):
        assert conjunction(order[: worse + 1]) == verdict
    assert conjunction([]) == Verdict.NOT_ASSESSABLE
    assert [exit_code(verdict) for verdict in order] == [0, 0, 2, 3, 1]


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.01, 0.99))
def test_what_passes_one_way_fails_the_other(events: int, more: int, bound: float) -> None:
    made = figure(events, events + more + 1)
    below = decided(Limit("asr", at_most=bound), made).verdict
    above = decided(Limit("asr", at_least=bound), made).verdict
    assert not (below == above == Verdict.PASS) or made.lower == made.upper
    if below == Verdict.FAIL:
        assert above == Verdict.PASS
    if below == Verdict.INCONCLUSIVE:
        assert above == Verdict.INCONCLUSIVE


def test_a_decision_is_kept_row_by_row(workspace: Workspace) -> None:
    gate = Gate("safety", "legal", (AT_MOST, Limit("quality", at_least=0.5)))
    result = evaluate_gate(gate, [figure(0, 40)], subject=SUBJECT, now_us=NOW)
    ids = workspace.write(lambda tx: put_gate_result(tx, result, pilot_id="pil_1", cycle=2))
    with workspace.read() as conn:
        rows = list(conn.execute(select(gate_result).where(gate_result.c.workspace_id == workspace.id)))
    assert {row.id for row in rows} == set(ids)
    assert {row.verdict for row in rows} == {"pass", "not_assessable"}
    assert {row.limit["owner_role"] for row in rows} == {"legal"}


def test_a_result_shows_itself_escaped() -> None:
    result = decided(replace(AT_MOST, waiver=Waiver("<i>ann</i>", "why", "2099-01-01")), figure(20, 60))
    assert "&lt;i&gt;" in result._repr_html_()
    assert "waived" in str(result)
    assert result.to_dict()["limits"][0]["unwaived"] == "fail"
