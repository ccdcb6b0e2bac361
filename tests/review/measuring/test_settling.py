"""Consensus by the policy declared, of what people said about items and of nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from pilotage.core import Conflict, InputError, NotFound
from pilotage.judging import consensuses, person
from pilotage.ledger import entries
from pilotage.review import claim
from pilotage.review.measuring import add_gold, adjudications, consensus_of, open_adjudications, overturns, reopen, settle
from pilotage.review.measuring.tables import review_settlement
from pilotage.store import Workspace

from .conftest import QUESTION, MakeTeam, Team, serve_only


def settled(team: Team, name: str) -> object:
    """The value that stands for the item called ``name``."""
    return consensus_of(team.workspace, team.name, team.item(name).id, "tone").value


def runs(workspace: Workspace) -> int:
    return sum(entry.type == "consensus.settled" for entry in entries(workspace))


def test_a_majority_stands_and_a_tie_is_for_somebody_to_decide(team: Team) -> None:
    clear = team.judge("one", ann="good", ben="good", cem="bad")
    tied = team.judge("two", ann="good", ben="bad")
    found = settle(team.workspace, team.name)
    assert (found.questions[0].settled, found.questions[0].adjudicate) == (1, 1)
    assert consensus_of(team.workspace, team.name, clear, "tone").value == "good"
    standing = consensus_of(team.workspace, team.name, tied, "tone")
    assert standing.value is None and dict(standing.distribution) == {"good": 0.5, "bad": 0.5}


def test_a_run_touches_only_what_was_answered_since_and_is_one_entry_in_the_ledger(team: Team) -> None:
    team.judge("one", ann="good", ben="good")
    assert settle(team.workspace, team.name).written == 1
    assert settle(team.workspace, team.name).written == 0
    assert settle(team.workspace, team.name, whole=True).written == 0
    assert runs(team.workspace) == 1
    team.judge("two", ann="bad", ben="bad")
    assert settle(team.workspace, team.name).written == 1
    assert runs(team.workspace) == 2


def test_an_item_that_waits_for_more_people_is_not_settled(team: Team) -> None:
    task = team.put("one", overlap=2)
    team.answer(task, "ann", "good")
    assert settle(team.workspace, team.name).written == 0
    with pytest.raises(NotFound):
        settled(team, "one")
    team.answer(task, "ben", "good")
    assert settle(team.workspace, team.name).written == 1


def test_gold_answers_never_become_consensus(team: Team) -> None:
    add_gold(team.workspace, team.name, [team.known("gold one")])
    team.answer(team.task("gold one", "gold"), "ann", "bad")
    team.answer(team.task("gold one", "gold"), "ben", "bad")
    assert settle(team.workspace, team.name).written == 0
    assert consensuses(team.workspace, item_ids=[team.item("gold one").id], question="tone") == []


def test_facts_are_adjudicated_unless_all_agree(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    team.judge("alike", ann="good", ben="good")
    team.judge("split", ann="good", ben="good", cem="bad")
    settle(team.workspace, team.name)
    assert settled(team, "alike") == "good"
    assert settled(team, "split") is None


def test_a_fact_stands_where_measured_people_outweigh_the_rest(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    gold = [team.known(f"gold {n}") for n in range(20)]
    add_gold(team.workspace, team.name, gold)
    for n in range(20):
        for login, value in (("ann", "good"), ("ben", "good"), ("cem", "bad" if n % 2 else "good")):
            team.answer(team.task(f"gold {n}", "gold"), login, value)
    team.judge("split", ann="good", ben="good", cem="bad")
    settle(team.workspace, team.name, sure=0.95)
    standing = consensus_of(team.workspace, team.name, team.item("split").id, "tone")
    assert (standing.value, standing.method) == ("good", "posterior")
    assert dict(standing.distribution)["good"] > 0.95


def test_opinions_keep_their_distribution_and_are_never_one_value(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="soft"))
    team.judge("one", ann="good", ben="good", cem="good")
    settle(team.workspace, team.name)
    standing = consensus_of(team.workspace, team.name, team.item("one").id, "tone")
    assert standing.value is None and standing.method == "soft"
    shares = dict(standing.distribution)
    assert set(shares) == {"good", "bad", "odd"} and shares["good"] < 1
    assert sum(shares.values()) == pytest.approx(1)


def test_answers_weighed_together_keep_their_posterior_and_method(team: Team) -> None:
    for n in range(12):
        team.judge(f"item {n}", ann="good" if n % 2 else "bad", ben="good" if n % 2 else "bad", cem="odd")
    found = settle(team.workspace, team.name, method="dawid_skene")
    assert found.questions[0].method == "dawid_skene" and found.written == 12
    standing = consensus_of(team.workspace, team.name, team.item("item 1").id, "tone")
    assert standing.value == "good" and sum(p for _, p in standing.distribution) == pytest.approx(1)
    assert settle(team.workspace, team.name, method="dawid_skene").written == 0


def test_a_method_cannot_weigh_what_has_no_short_list_of_answers(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, kind="choices"))
    with pytest.raises(InputError, match="no short list"):
        settle(team.workspace, team.name, method="dawid_skene")


def test_who_answered_an_item_is_never_served_its_adjudication(team: Team) -> None:
    team.judge("one", ann="good", ben="bad")
    settle(team.workspace, team.name)
    [task] = open_adjudications(team.workspace, team.name)
    assert claim(team.workspace, team.name, person("ann"), 5) == []
    assert serve_only(team.workspace, team.name, "ben", [task]) == []
    [served] = claim(team.workspace, team.name, person("eve"), 5)
    assert served.task_id == task


def test_an_adjudicator_sees_aliases_and_nothing_of_who_said_what(team: Team) -> None:
    task = team.put("one", overlap=2)
    team.answer(task, "ann", "good", reason="polite enough")
    team.answer(task, "ben", "bad")
    settle(team.workspace, team.name)
    open_adjudications(team.workspace, team.name)
    [served] = claim(team.workspace, team.name, person("eve"), 5)
    assert served.context is not None
    shown = served.context["answers"]
    assert [each["alias"] for each in shown] == ["A", "B"]
    assert {each["answers"]["tone"] for each in shown} == {"good", "bad"}
    assert {each["reason"] for each in shown} == {"polite enough", None}
    assert "ann" not in str(served.context) and "ben" not in str(served.context) and "rtr_" not in str(served.context)


def test_a_decision_stands_above_the_majority_and_counts_as_overturned(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    team.judge("one", ann="good", ben="good", cem="bad")
    team.judge("two", ann="good", ben="bad")
    settle(team.workspace, team.name)
    for task in open_adjudications(team.workspace, team.name):
        team.answer(task, "eve", "bad")
    settle(team.workspace, team.name)
    standing = consensus_of(team.workspace, team.name, team.item("one").id, "tone")
    assert (standing.value, standing.method) == ("bad", "adjudicated")
    assert {vote.value: vote.count for vote in standing.votes} == {"good": 2, "bad": 1}
    [found] = overturns(team.workspace, team.name)
    assert (found.decided, found.ties) == (2, 1)
    assert all(each.state == "decided" for each in adjudications(team.workspace, team.name))
    assert open_adjudications(team.workspace, team.name) == []


def test_a_decision_can_be_reopened_for_somebody_else(team: Team) -> None:
    team.judge("one", ann="good", ben="bad")
    settle(team.workspace, team.name)
    [task] = open_adjudications(team.workspace, team.name)
    with pytest.raises(Conflict):
        reopen(team.workspace, task, reason="too early")
    team.answer(task, "eve", "bad")
    settle(team.workspace, team.name)
    reopen(team.workspace, task, reason="the guideline says otherwise")
    assert settled(team, "one") == "bad"
    assert claim(team.workspace, team.name, person("eve"), 5) == []
    team.answer(task, "fay", "good")
    settle(team.workspace, team.name)
    assert settled(team, "one") == "good"


def test_a_kept_row_says_how_divided_people_are(team: Team) -> None:
    team.judge("one", ann="good", ben="good")
    team.judge("two", ann="good", ben="bad")
    settle(team.workspace, team.name)
    with team.workspace.read() as conn:
        rows = {row.item_id: row for row in conn.execute(select(review_settlement).where(review_settlement.c.workspace_id == team.workspace.id))}
    assert rows[team.item("one").id].disagreement == 0
    assert rows[team.item("two").id].disagreement == pytest.approx(1)
    assert rows[team.item("two").id].pair == "bad | good"
