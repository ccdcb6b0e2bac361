"""Judgements: append-only, superseding, idempotent, in the ledger when a person makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pilotage.core import Conflict, InputError, NotFound
from pilotage.judging import (
    Item,
    Judgement,
    Option,
    Question,
    Rater,
    Rubric,
    add_judgement,
    add_judgements,
    consensuses,
    ensure_rater,
    item_refs,
    judgements,
    load_item,
    load_judgement,
    load_rater,
    majority,
    person,
    put_consensus,
    put_item,
    put_items,
    put_rubric,
)
from pilotage.store import Workspace

RUBRIC = Rubric("r", (Question("verdict", "?", "choice", options=(Option("good"), Option("bad"))), Question("note", "?", "text")))
ITEM = Item("output", "out_1", {"text": "hello"}, {"lang": "en"})
RULE = Rater("rule", "canary", "1")


@pytest.fixture
def ready(workspace: Workspace) -> Workspace:
    def prepare(tx: Any) -> None:
        put_rubric(tx, RUBRIC)
        put_item(tx, ITEM)
        for rater in (person("ann"), person("bob"), RULE):
            ensure_rater(tx, rater)

    workspace.write(prepare)
    return workspace


def said(value: Any, by: Rater | None = None, **more: Any) -> Judgement:
    return Judgement(ITEM.id, "verdict", (by or person("ann")).id, RUBRIC.id, value=value, **more)


def add(workspace: Workspace, judgement: Judgement) -> str:
    return workspace.write(lambda tx: add_judgement(tx, judgement))


def test_a_judgement_comes_back_as_it_was_made(ready: Workspace) -> None:
    made = said("good", confidence=0.8, reason="clear", suggestion={"value": "bad"}, arm="suggestion_shown", active_ms=4200, idempotency_key="k1")
    found = load_judgement(ready, add(ready, made))
    assert replace(found, id="", created_at=0, rater_kind="") == made
    assert found.rater_kind == "person"
    with pytest.raises(NotFound):
        load_judgement(ready, "jdg_none")


def test_the_same_key_twice_is_one_judgement_and_another_answer_under_it_is_refused(ready: Workspace) -> None:
    first = add(ready, said("good", idempotency_key="k1"))
    assert add(ready, said("good", idempotency_key="k1", active_ms=99)) == first
    with pytest.raises(Conflict, match="already used"):
        add(ready, said("bad", idempotency_key="k1"))
    assert len(judgements(ready, current_only=False)) == 1


def test_a_changed_mind_supersedes_and_the_first_stays(ready: Workspace) -> None:
    first = add(ready, said("good"))
    assert add(ready, said("good")) == first
    second = add(ready, said("bad"))
    third = add(ready, said("good"))
    assert [each.id for each in judgements(ready)] == [third]
    chain = {each.id: each.supersedes for each in judgements(ready, current_only=False)}
    assert chain == {first: None, second: first, third: second}


def test_superseding_anything_but_the_current_judgement_is_a_conflict(ready: Workspace) -> None:
    first = add(ready, said("good"))
    second = add(ready, said("bad", supersedes=first))
    for stale in (first, "jdg_none"):
        with pytest.raises(Conflict, match="not the rater's current one"):
            add(ready, said("good", supersedes=stale))
    assert [each.id for each in judgements(ready)] == [second]


def test_an_answer_is_taken_back_by_abstaining(ready: Workspace) -> None:
    add(ready, said("good"))
    add(ready, said(None, abstained=True, reason="withdrawn"))
    (current,) = judgements(ready)
    assert current.abstained
    assert majority([current]).value is None


@pytest.mark.parametrize(
    ("bad", "error", "what"),
    [
        (said("goood"), InputError, "not an option"),
        (said(None), InputError, "not an option"),
        (said("good", confidence=1.5), InputError, "between 0 and 1"),
        (said("good", confidence=float("nan")), InputError, "between 0 and 1"),
        (said("good", active_ms=-1), InputError, "negative"),
        (said("good", abstained=True, reason="x"), InputError, "no value"),
        (said(None, abstained=True), InputError, "say why"),
        (replace(said("good"), question="tone"), InputError, "does not ask 'tone'"),
        (replace(said("good"), item_id="itm_none"), NotFound, "no item"),
        (replace(said("good"), rater_id="rtr_none"), NotFound, "no rater"),
        (replace(said("good"), rubric_id="rub_none"), NotFound, "no rubric"),
    ],
)
def test_a_judgement_that_is_none_is_refused_and_nothing_is_written(ready: Workspace, bad: Judgement, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        ready.write(lambda tx: add_judgements(tx, [said("good"), bad]))
    assert judgements(ready) == []


def test_people_are_in_the_ledger_and_machines_are_not(ready: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr("pilotage.judging.judgement.record", lambda tx, **entry: kept.append(entry) or 1)
    add(ready, said("good", RULE))
    assert kept == []
    made = add(ready, said("bad", reason="rude to Ms Smith"))
    add(ready, said("bad"))
    add(ready, replace(said("her number is 555"), question="note"))
    verdict, note = kept
    assert (verdict["type"], verdict["subject"], verdict["actor"]) == ("judgement.made", ITEM.id, "ann")
    assert verdict["body"]["value"] == "bad"
    assert verdict["body"]["judgement"] == made
    assert "Smith" not in str(verdict["body"])
    assert verdict["personal"] == {"reason": "rude to Ms Smith"}
    assert note["body"]["value"] is None
    assert note["personal"] == {"value": "her number is 555"}


def test_judgements_are_found_by_what_they_are_about(ready: Workspace) -> None:
    other = Item("output", "out_2", {"text": "bye"})
    ready.write(lambda tx: put_item(tx, other))
    add(ready, said("good"))
    add(ready, said("bad", RULE))
    add(ready, replace(said("good"), item_id=other.id))
    assert len(judgements(ready)) == 3
    assert {each.rater_kind for each in judgements(ready, item_ids=[ITEM.id])} == {"person", "rule"}
    assert [each.value for each in judgements(ready, rater_kind="rule")] == ["bad"]
    assert judgements(ready, question="note") == []
    assert judgements(ready, item_ids=[]) == []
    assert len(judgements(ready, rater_id=person("ann").id, rubric_id=RUBRIC.id)) == 2


def test_items_are_kept_once_and_their_payload_apart(workspace: Workspace) -> None:
    many = [Item("row", f"row_{number}", {"n": number}) for number in range(1200)]
    assert workspace.write(lambda tx: put_items(tx, [*many, many[0]]))[:2] == [many[0].id, many[1].id]
    workspace.write(lambda tx: put_items(tx, many))
    refs = item_refs(workspace, source_ids=[item.source_id for item in many])
    assert len(refs) == 1200
    assert not hasattr(refs[0], "payload")
    assert load_item(workspace, many[7].id) == many[7]
    with pytest.raises(NotFound):
        load_item(workspace, "itm_none")


def test_a_rater_changes_its_version_or_is_refused(workspace: Workspace) -> None:
    rater = Rater("model", "judge:m", "v1", {"temperature": 0})
    assert workspace.write(lambda tx: ensure_rater(tx, rater)) == rater.id
    assert workspace.write(lambda tx: ensure_rater(tx, rater)) == rater.id
    with pytest.raises(Conflict, match="another configuration"):
        workspace.write(lambda tx: ensure_rater(tx, Rater("model", "judge:m", "v1", {"temperature": 1})))
    assert load_rater(workspace, rater.id) == rater
    assert person("ann").is_person
    assert not rater.is_person
    with pytest.raises(InputError, match="version"):
        Rater("model", "judge:m")
    with pytest.raises(InputError, match="kind"):
        Rater("robot", "x", "1")


Vote = Callable[[Any, str], Judgement]


def vote(value: Any, rater: str, *, kind: str = "person", abstained: bool = False) -> Judgement:
    return Judgement("i", "q", rater, "rub", value=value, abstained=abstained, reason="-", rater_kind=kind)


def test_most_votes_win_and_the_rest_are_kept() -> None:
    found = majority([vote("a", "1"), vote("b", "2"), vote("a", "3"), vote(None, "4", abstained=True)])
    assert (found.value, found.n, found.abstained, found.tied) == ("a", 3, 1, False)
    assert [(each.value, each.count) for each in found.votes] == [("a", 2), ("b", 1)]
    assert found.share == pytest.approx(2 / 3)
    assert not found.unanimous


def test_a_tie_stays_a_tie() -> None:
    found = majority([vote("a", "1"), vote("b", "2")])
    assert found.tied
    assert found.value is None
    assert "tie" in str(found)
    # True and 1 are different answers.
    assert majority([vote(True, "1"), vote(1, "2")]).tied


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([], "no judgement"),
        ([vote("a", "1"), vote("a", "1")], "count twice"),
        ([vote("a", "1"), replace(vote("a", "2"), item_id="other")], "one item"),
        ([vote("a", "1"), vote("a", "2", kind="model")], "mixed"),
    ],
)
def test_a_vote_that_is_none_is_refused(given: list[Judgement], what: str) -> None:
    with pytest.raises(InputError, match=what):
        majority(given)


def test_a_consensus_is_kept_with_what_it_rests_on(ready: Workspace) -> None:
    add(ready, said("good"))
    add(ready, said("bad", person("bob")))
    first = majority(judgements(ready))
    ready.write(lambda tx: put_consensus(tx, first))
    add(ready, said("good", person("bob")))
    second = majority(judgements(ready))
    for _ in range(2):
        ready.write(lambda tx: put_consensus(tx, second))
    assert first.inputs_hash != second.inputs_hash
    assert {each.id: each.value for each in consensuses(ready, item_ids=[ITEM.id], question="verdict")} == {first.id: None, second.id: "good"}
