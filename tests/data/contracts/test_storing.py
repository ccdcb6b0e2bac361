"""Contracts and proposals in the workspace, on each database."""

from __future__ import annotations

import pytest

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.data.contracts import Proposal, contract_of, contracts, decide_proposal, proposals, put_contract, put_proposal
from pilotage.ledger import entries
from pilotage.store import Workspace

from .contracts_for_tests import rides


def test_the_same_content_again_changes_nothing_and_another_needs_another_version(workspace: Workspace) -> None:
    first = put_contract(workspace, rides())
    assert put_contract(workspace, rides()) == first
    assert put_contract(workspace, rides().model_copy(update={"version": 7})) == first
    other = rides(dist={"unit": "mi"})
    with pytest.raises(Conflict, match="released with other content"):
        put_contract(workspace, other)
    second = put_contract(workspace, other.model_copy(update={"version": 3}))
    with pytest.raises(Conflict, match="later version"):
        put_contract(workspace, rides(dist={"unit": "m"}).model_copy(update={"version": 2}))
    assert put_contract(workspace, rides()) == first  # released before: nothing is edited
    assert [each.ref for each in contracts(workspace, name="rides")] == ["rides@3", "rides@1"]
    assert contract_of(workspace, "rides") == contract_of(workspace, "rides@3") == contract_of(workspace, second.id) == second
    assert contract_of(workspace, "rides", 1) == first
    acts = entries(workspace, type="contract.released")
    assert [(act.subject, act.body.get("verdict")) for act in acts] == [(first.id, None), (second.id, "semantic_suspect")]


def test_what_is_not_there_is_told_with_what_is(workspace: Workspace) -> None:
    with pytest.raises(NotFound) as caught:
        contract_of(workspace, "rides")
    assert "put FILE" in str(caught.value.mend)
    put_contract(workspace, rides())
    with pytest.raises(NotFound) as caught:
        contract_of(workspace, "rides@9")
    assert "rides@1" in str(caught.value.mend)
    with pytest.raises(InputError):
        contract_of(workspace, "rides@x")


def proposal(workspace: Workspace, kind: str = "unit", column: str = "dist", before: str = "km", after: str | None = "mi") -> Proposal:
    return Proposal(put_contract(workspace, rides()).id, kind, column, before, after, 0.9, {"n": 3})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "column", "before", "after", "field", "wanted"),
    [
        ("unit", "dist", "km", "mi", "arrives_in", "mi"),
        ("rename", "dist", "dist", "distance", "renamed_from", ("distance",)),
        ("level", "pay", "Cash", "cash", "level_map", {"Cash": "cash"}),
        ("level", "pay", "coin", None, "levels", ("cash", "card", "no", "coin")),
    ],
)
def test_accepting_releases_the_next_version_with_the_change_in_it(
    workspace: Workspace, kind: str, column: str, before: str, after: str | None, field: str, wanted: object
) -> None:
    stored = put_proposal(workspace, proposal(workspace, kind, column, before, after))
    assert contract_of(workspace, "rides").version == 1  # nothing is applied before
    done = decide_proposal(workspace, stored.id, accept=True, by="bob", by_person=True, reason="the source said so")
    latest = contract_of(workspace, "rides")
    assert (latest.version, latest.id) == (2, done.result_id)
    assert getattr(latest.columns[column], field) == wanted
    assert (done.state, done.decided_by, done.reason) == ("accepted", "bob", "the source said so")
    acts = [(act.type, act.actor) for act in entries(workspace)][-2:]
    assert acts == [("contract.released", "bob"), ("contract.change_accepted", "bob")]


def test_a_rejected_proposal_is_not_asked_again(workspace: Workspace) -> None:
    made = proposal(workspace)
    assert put_proposal(workspace, made) == put_proposal(workspace, made)
    decide_proposal(workspace, made.id, accept=False, by="bob", by_person=True, reason="a hot summer")
    assert put_proposal(workspace, made).state == "rejected"
    assert contract_of(workspace, "rides").version == 1
    assert proposals(workspace, state="open") == []
    assert [each.id for each in proposals(workspace, contract="rides")] == [made.id]
    with pytest.raises(Conflict, match="rejected by bob"):
        decide_proposal(workspace, made.id, accept=True, by="eve", by_person=True, reason="no")


def test_only_a_person_decides_and_says_why(workspace: Workspace) -> None:
    made = put_proposal(workspace, proposal(workspace))
    with pytest.raises(Refused, match="no person"):
        decide_proposal(workspace, made.id, accept=True, by="rule:drift", by_person=False, reason="sure")
    with pytest.raises(InputError, match="needs a reason"):
        decide_proposal(workspace, made.id, accept=True, by="bob", by_person=True, reason=" ")
    with pytest.raises(NotFound):
        decide_proposal(workspace, "cp_0", accept=True, by="bob", by_person=True, reason="yes")
    assert proposals(workspace)[0].state == "open"


def test_a_proposal_that_no_longer_fits_is_not_applied(workspace: Workspace) -> None:
    made = put_proposal(workspace, proposal(workspace))
    put_contract(workspace, rides(dist={"unit": "m"}).model_copy(update={"version": 2}))
    with pytest.raises(Conflict, match="no longer arrives in km"):
        decide_proposal(workspace, made.id, accept=True, by="bob", by_person=True, reason="yes")
    assert contract_of(workspace, "rides").version == 2
    with pytest.raises(NotFound):
        put_proposal(workspace, Proposal("ct_0", "unit", "dist", "km", "mi", 0.9))
