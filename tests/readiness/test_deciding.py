"""From evidence to a verdict: only fresh figures about exactly this pilot, target, rubric and data decide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from pilotage.core import ManualClock, NotFound
from pilotage.ledger import create_workspace, entries
from pilotage.readiness import decide, pilot_status
from pilotage.readiness.tables import pilot_cycle
from small_pilot import Small

DAY_S = 24 * 3600
NAME = "support-assistant"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timed(tmp_path: Path, clock: ManualClock) -> Iterator[Small]:
    """A small pilot of a strong desk, in a workspace whose clock is moved by hand."""
    with create_workspace(tmp_path / "workspace", clock=clock) as workspace:
        small = Small(workspace, tmp_path / "pilot")
        small.desk.weak = False
        yield small


def test_a_pilot_that_was_never_run_has_no_verdict(timed: Small) -> None:
    with pytest.raises(NotFound):
        decide(timed.workspace, NAME)


def test_before_anything_was_measured_no_gate_can_be_assessed(timed: Small) -> None:
    timed.advance()
    decision = decide(timed.workspace, NAME)
    assert decision.outcome == "not_assessable"
    assert {str(gate.verdict) for gate in decision.gates} == {"not_assessable"}


def test_evidence_grows_stale_and_then_decides_nothing(timed: Small, clock: ManualClock) -> None:
    timed.to_the_verdict()
    assert decide(timed.workspace, NAME).outcome == "pass"
    clock.advance(29 * DAY_S)
    assert decide(timed.workspace, NAME).outcome == "pass"
    clock.advance(2 * DAY_S)
    stale = decide(timed.workspace, NAME)
    assert stale.outcome == "not_assessable"
    (why,) = [limit.why for gate in stale.gates for limit in gate.limits if str(limit.verdict) == "not_assessable"]
    assert why.startswith("stale")


def test_running_again_does_not_make_old_evidence_young(timed: Small, clock: ManualClock) -> None:
    timed.to_the_verdict()
    clock.advance(31 * DAY_S)
    assert timed.advance().decision.outcome == "not_assessable"  # type: ignore[union-attr]


def test_a_verdict_that_changed_with_time_is_decided_anew_once(timed: Small, clock: ManualClock) -> None:
    timed.to_the_verdict()
    decided = len(entries(timed.workspace, type="gate.decided"))
    clock.advance(31 * DAY_S)
    timed.advance()
    assert len(entries(timed.workspace, type="gate.decided")) == 2 * decided
    timed.advance()
    assert len(entries(timed.workspace, type="gate.decided")) == 2 * decided


def test_an_interval_across_the_limit_is_inconclusive_and_says_what_n_would_decide(timed: Small) -> None:
    timed.change("attack.success_rate, at_most: 0.8", "attack.success_rate, at_most: 0.2", "gates.yaml")
    decision = timed.to_the_verdict().decision
    assert decision is not None
    assert decision.outcome == "inconclusive"
    (limit,) = [limit for gate in decision.gates for limit in gate.limits if str(limit.verdict) == "inconclusive"]
    assert limit.n_needed is not None and limit.n_needed > 8


def test_a_waived_limit_counts_as_passed_until_its_last_day(timed: Small, clock: ManualClock) -> None:
    timed.change(
        "{metric: attack.success_rate, at_most: 0.8,",
        "{metric: attack.success_rate, at_most: 0.2, waiver: {who: ines, why: accepted for the pilot phase, until: 2023-11-20},",
        "gates.yaml",
    )
    decision = timed.to_the_verdict().decision  # the clock begins on 2023-11-14
    assert decision is not None
    assert decision.outcome == "pass"
    assert {str(gate.verdict) for gate in decision.gates} == {"waived", "pass"}
    assert decision.gates[0].limits[0].unwaived == "inconclusive"
    clock.advance(8 * DAY_S)
    assert decide(timed.workspace, NAME).outcome == "inconclusive"


def test_evidence_of_another_model_never_decides(timed: Small) -> None:
    status = timed.to_the_verdict()

    def tampered(tx: object) -> None:
        tx.conn.execute(update(pilot_cycle).where(pilot_cycle.c.id == status.cycle_id).values(fingerprint="another"))  # type: ignore[attr-defined]

    timed.workspace.write(tampered)
    decision = decide(timed.workspace, NAME)
    assert decision.outcome == "not_assessable"
    assert "wrong version" in decision.gates[0].why


def test_the_digest_is_of_the_verdict_and_the_evidence_and_nothing_else(timed: Small, clock: ManualClock) -> None:
    timed.to_the_verdict()
    first = decide(timed.workspace, NAME)
    clock.advance(DAY_S)
    assert decide(timed.workspace, NAME).digest == first.digest
    clock.advance(31 * DAY_S)
    assert decide(timed.workspace, NAME).digest != first.digest


def test_more_evidence_after_a_disagreement_is_another_digest(small: Small) -> None:
    first = small.to_the_verdict().decision
    small.desk.refuses_twins = True
    second = small.to_the_verdict().decision
    assert first is not None and second is not None
    assert first.digest != second.digest
    assert pilot_status(small.workspace, NAME).decision.digest == second.digest  # type: ignore[union-attr]
