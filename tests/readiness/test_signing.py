"""Signing: a named person in a named role, to exactly the evidence they were shown."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pilotage.core import InputError, Refused
from pilotage.judging import person
from pilotage.ledger import entries
from pilotage.readiness import PilotStatus, pilot_status, sign, signatures
from pilotage.review import answer, tasks, undo
from small_pilot import Small

NAME = "support-assistant"


@dataclass(frozen=True)
class Somebody:
    login: str
    roles: frozenset[str]


INES = Somebody("ines", frozenset({"owner"}))
AUDITOR = Somebody("ada", frozenset({"auditor", "reviewer"}))


@pytest.fixture
def passed(small: Small) -> PilotStatus:
    small.desk.weak = False
    status = small.to_the_verdict()
    assert status.decision is not None and status.decision.outcome == "pass"
    return status


def test_a_pilot_that_passes_waits_for_each_role_until_it_signed(small: Small, passed: PilotStatus) -> None:
    assert len(passed.waits) == 2
    sign(small.workspace, passed.cycle_id, role="owner", decision="go", person=INES)
    (left,) = pilot_status(small.workspace, NAME).waits
    assert "'auditor'" in left
    sign(small.workspace, passed.cycle_id, role="auditor", decision="go", person=AUDITOR)
    assert pilot_status(small.workspace, NAME).waits == ()


def test_a_signature_is_in_the_ledger_under_its_person_with_the_digest(small: Small, passed: PilotStatus) -> None:
    sign(small.workspace, passed.cycle_id, role="owner", decision="go", note="seen", person=INES)
    (entry,) = entries(small.workspace, type="pilot.signed")
    assert passed.decision is not None
    assert entry.actor == "ines"
    assert entry.body["evidence_digest"] == passed.decision.digest
    assert entry.body["decision"] == "go"


def test_nobody_signs_in_a_role_they_do_not_hold(small: Small, passed: PilotStatus) -> None:
    with pytest.raises(Refused, match="does not hold the role 'owner'"):
        sign(small.workspace, passed.cycle_id, role="owner", decision="go", person=AUDITOR)


def test_nobody_signs_in_a_role_the_pilot_does_not_ask_for(small: Small, passed: PilotStatus) -> None:
    with pytest.raises(Refused, match="asks for no signature"):
        sign(small.workspace, passed.cycle_id, role="reviewer", decision="go", person=AUDITOR)


def test_a_go_over_a_failed_gate_is_refused_and_a_no_go_is_not(small: Small) -> None:
    status = small.to_the_verdict()
    with pytest.raises(Refused, match="A go cannot be signed"):
        sign(small.workspace, status.cycle_id, role="owner", decision="go", person=INES)
    made = sign(small.workspace, status.cycle_id, role="owner", decision="no_go", note="the code leaks", person=INES)
    assert made.counts


def test_a_go_before_anything_was_measured_is_refused(small: Small) -> None:
    status = small.advance()
    with pytest.raises(Refused, match="evidence is missing"):
        sign(small.workspace, status.cycle_id, role="owner", decision="go", person=INES)


def test_a_no_go_needs_a_note(small: Small, passed: PilotStatus) -> None:
    with pytest.raises(InputError, match="needs a note"):
        sign(small.workspace, passed.cycle_id, role="owner", decision="no_go", note=" ", person=INES)


def test_another_word_than_go_or_no_go_is_refused(small: Small, passed: PilotStatus) -> None:
    with pytest.raises(InputError):
        sign(small.workspace, passed.cycle_id, role="owner", decision="maybe", person=INES)


def test_signing_the_same_twice_is_one_signature(small: Small, passed: PilotStatus) -> None:
    first = sign(small.workspace, passed.cycle_id, role="owner", decision="go", note="seen", person=INES)
    second = sign(small.workspace, passed.cycle_id, role="owner", decision="go", note="seen again", person=INES)
    assert second == first
    assert len(entries(small.workspace, type="pilot.signed")) == 1


def test_a_go_can_be_taken_back_and_given_again_and_all_of_it_stays_on_record(small: Small, passed: PilotStatus) -> None:
    for decision in ("go", "no_go", "go"):
        sign(small.workspace, passed.cycle_id, role="owner", decision=decision, note="on reflection", person=INES)
        waits = [line for line in pilot_status(small.workspace, NAME).waits if "'owner'" in line]
        assert bool(waits) == (decision == "no_go")
    assert [signed.decision for signed in pilot_status(small.workspace, NAME).signatures] == ["go", "no_go", "go"]
    assert len(entries(small.workspace, type="pilot.signed")) == 3


def test_the_newest_signature_of_a_role_is_in_force(small: Small, passed: PilotStatus) -> None:
    other = Somebody("olga", frozenset({"owner"}))
    sign(small.workspace, passed.cycle_id, role="owner", decision="go", person=INES)
    sign(small.workspace, passed.cycle_id, role="owner", decision="no_go", note="not yet", person=other)
    assert any("'owner'" in line for line in pilot_status(small.workspace, NAME).waits)


def test_a_go_is_refused_while_something_waits_for_review(small: Small, passed: PilotStatus) -> None:
    answered = tasks(small.workspace, NAME, state="done").rows[0]
    undo(small.workspace, answered.id, person("rita"))
    with pytest.raises(Refused, match="1 item waits for review"):
        sign(small.workspace, passed.cycle_id, role="owner", decision="go", person=INES)


def test_a_signature_no_longer_counts_when_the_evidence_changes(small: Small, passed: PilotStatus) -> None:
    sign(small.workspace, passed.cycle_id, role="owner", decision="go", person=INES)
    answered = tasks(small.workspace, NAME, state="done").rows[0]
    undo(small.workspace, answered.id, person("rita"))
    answer(small.workspace, answered.id, person("rita"), {"failure": "unclear"}, idempotency_key="on reflection")
    status = small.advance()
    assert status.decision is not None
    assert status.decision.digest != passed.decision.digest  # type: ignore[union-attr]
    (signed,) = signatures(small.workspace, _cycle(small), status.decision)
    assert not signed.counts


def _cycle(small: Small) -> object:
    from pilotage.readiness import latest_cycle

    return latest_cycle(small.workspace, NAME)
