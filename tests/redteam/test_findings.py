"""The life of a finding: people confirm, later models fix, and it may come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilotage.core import NotFound
from pilotage.ledger import entries
from pilotage.redteam import AttackOutcome, FindingState, JudgedAttempt, findings, load_finding, update_findings
from pilotage.store import Workspace

BREACHED, DEFENDED, UNDETERMINED, ERROR = AttackOutcome.BREACHED, AttackOutcome.DEFENDED, AttackOutcome.UNDETERMINED, AttackOutcome.ERROR


def attempt(name: str, outcome: AttackOutcome, *, model: str = "v0", person: str | None = None, **changes: Any) -> JudgedAttempt:
    made = JudgedAttempt(
        attempt_key=f"atk_{name}",
        objective=name,
        objective_key=f"obj_{name}",
        category="secret",
        clause="internal-code",
        technique="base64",
        severity="high",
        split="develop",
        sample_id=f"smp_{name}_{model}",
        output_id=f"out_{name}_{model}",
        item_id="",
        fingerprint=model,
        outcome=outcome,
        judged_by=person or "attack-evidence",
        by_person=person is not None,
    )
    return replace(made, **changes)


def take(workspace: Workspace, *attempts: JudgedAttempt, model: str = "v0") -> list[FindingState]:
    """The state the update reported for the one finding, if it changed."""
    changes = workspace.write(lambda tx: update_findings(tx, "pilot", attempts, fingerprint=model))
    return [state for state, ids in changes.changed.items() if ids]


def state(workspace: Workspace) -> FindingState | None:
    found = findings(workspace, "pilot")
    assert len(found) <= 1
    return found[0].state if found else None


def confirmed(workspace: Workspace) -> None:
    take(workspace, attempt("a", BREACHED), attempt("b", DEFENDED))
    take(workspace, attempt("a", BREACHED, person="kim"), attempt("b", DEFENDED))
    assert state(workspace) is FindingState.CONFIRMED


def test_attempts_that_held_make_no_finding(workspace: Workspace) -> None:
    assert take(workspace, attempt("a", DEFENDED), attempt("b", UNDETERMINED), attempt("c", ERROR)) == []
    assert findings(workspace, "pilot") == []


def test_a_breach_that_a_rule_saw_is_new_until_a_person_confirms_it(workspace: Workspace) -> None:
    assert take(workspace, attempt("a", BREACHED)) == [FindingState.NEW]
    assert take(workspace, attempt("a", BREACHED, person="kim")) == [FindingState.CONFIRMED]
    (found,) = findings(workspace, "pilot")
    assert [(step["from"], step["to"], step["by"]) for step in found.history] == [(None, "new", "attack-evidence"), ("new", "confirmed", "kim")]
    assert load_finding(workspace, found.id) == found


def test_taking_in_the_same_again_changes_nothing(workspace: Workspace) -> None:
    confirmed(workspace)
    before = findings(workspace, "pilot")
    acts = len(entries(workspace, limit=1000))
    assert take(workspace, attempt("a", BREACHED, person="kim"), attempt("b", DEFENDED)) == []
    assert findings(workspace, "pilot") == before
    assert len(entries(workspace, limit=1000)) == acts


def test_people_who_find_no_breach_dismiss_it(workspace: Workspace) -> None:
    take(workspace, attempt("a", BREACHED))
    assert take(workspace, attempt("a", DEFENDED, person="kim")) == [FindingState.DISMISSED]


def test_it_is_not_dismissed_while_a_candidate_is_unread(workspace: Workspace) -> None:
    take(workspace, attempt("a", BREACHED), attempt("b", BREACHED))
    assert take(workspace, attempt("a", DEFENDED, person="kim"), attempt("b", BREACHED)) == []
    assert state(workspace) is FindingState.NEW


def test_a_model_that_no_longer_breaches_does_not_settle_an_unread_finding(workspace: Workspace) -> None:
    take(workspace, attempt("a", BREACHED))
    assert take(workspace, attempt("a", DEFENDED, model="v1"), model="v1") == []
    assert state(workspace) is FindingState.NEW


def test_a_later_model_that_holds_every_attempt_fixes_it(workspace: Workspace) -> None:
    confirmed(workspace)
    assert take(workspace, attempt("a", DEFENDED, model="v1"), attempt("b", DEFENDED, model="v1"), model="v1") == [FindingState.FIXED]
    assert findings(workspace, "pilot")[0].history[-1]["fingerprint"] == "v1"


@pytest.mark.parametrize("open_outcome", [BREACHED, UNDETERMINED, ERROR, AttackOutcome.PARTIAL])
def test_one_attempt_that_is_open_keeps_it_from_being_fixed(workspace: Workspace, open_outcome: AttackOutcome) -> None:
    confirmed(workspace)
    take(workspace, attempt("a", DEFENDED, model="v1"), attempt("b", open_outcome, model="v1"), model="v1")
    assert state(workspace) is FindingState.CONFIRMED


def test_an_attempt_that_was_not_made_again_keeps_it_from_being_fixed(workspace: Workspace) -> None:
    confirmed(workspace)
    assert take(workspace, attempt("b", DEFENDED, model="v1"), model="v1") == []
    assert state(workspace) is FindingState.CONFIRMED


def test_changing_ones_mind_on_the_same_model_is_no_fix(workspace: Workspace) -> None:
    confirmed(workspace)
    take(workspace, attempt("a", DEFENDED, person="kim"), attempt("b", DEFENDED))
    assert state(workspace) is not FindingState.FIXED


def test_what_was_fixed_and_breaches_again_is_reopened_and_can_be_fixed_again(workspace: Workspace) -> None:
    confirmed(workspace)
    for model, outcome, expected in (("v1", DEFENDED, "fixed"), ("v2", BREACHED, "reopened"), ("v3", DEFENDED, "fixed")):
        take(workspace, attempt("a", outcome, model=model), attempt("b", DEFENDED, model=model), model=model)
        assert state(workspace) == expected
    assert [step["to"] for step in findings(workspace, "pilot")[0].history] == ["new", "confirmed", "fixed", "reopened", "fixed"]


def test_every_step_is_in_the_ledger(workspace: Workspace) -> None:
    confirmed(workspace)
    take(workspace, attempt("a", DEFENDED, model="v1"), attempt("b", DEFENDED, model="v1"), model="v1")
    (found,) = findings(workspace, "pilot")
    assert [entry.type for entry in entries(workspace, subject=found.id)] == ["finding.opened", "finding.confirmed", "finding.fixed"]


def test_clause_and_technique_make_the_cluster(workspace: Workspace) -> None:
    others = [attempt("a", BREACHED), attempt("b", BREACHED, technique="rot13"), attempt("c", BREACHED, clause="vouchers")]
    take(workspace, *others, attempt("d", BREACHED))
    assert [found.cluster_key for found in findings(workspace, "pilot")] == ["internal-code / base64", "internal-code / rot13", "vouchers / base64"]


def test_the_worst_severity_is_the_findings(workspace: Workspace) -> None:
    take(workspace, attempt("a", BREACHED, severity="low"), attempt("b", BREACHED, severity="critical"), attempt("c", BREACHED, severity="medium"))
    assert findings(workspace, "pilot")[0].severity == "critical"


def test_attempts_of_another_model_are_refused(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="v1"):
        take(workspace, attempt("a", BREACHED, model="v1"), model="v0")


def test_a_finding_that_is_not_there_is_said_so(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        load_finding(workspace, "fnd_none")
