"""A correction becomes a row that says what it rests on, once, and leaves again when it is taken back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from team import CARD, PROJECT, RUBRIC, project, put, source, ticket, work

from pilotage.core import InputError, NotFound, Refused
from pilotage.data import Card, load_version, rows
from pilotage.data.lineage import Node, made_of
from pilotage.judging import judgements, person
from pilotage.review import undo
from pilotage.review.flywheel import exchange_of, publish_corrections
from pilotage.review.measuring.gold import add_gold
from pilotage.review.measuring.known import Known
from pilotage.review.routing.tables import route_decision
from pilotage.store import Workspace


def rewrites(_login: str, _task: Any) -> dict[str, Any]:
    return {"topic": "bill", "correction": "Here is your bill."}


def other(_login: str, _task: Any) -> dict[str, Any]:
    return {"topic": "other"}


def publish(workspace: Workspace, question: str = "correction", **more: Any) -> Any:
    wanted = {"dataset": "learnt", "card": CARD, "sources": [source(workspace).id], **more}
    return publish_corrections(workspace, PROJECT, question, **wanted)


def test_a_row_says_what_it_rests_on(workspace: Workspace) -> None:
    project(workspace, gold={"share": 1.0})
    add_gold(workspace, PROJECT, [Known(ticket(number), {"topic": "bill"}) for number in range(50, 80)])
    put(workspace, [ticket(1)])
    work(workspace, "ada", rewrites)
    made = publish(workspace)
    (row,) = rows(workspace, made.version.id)
    (said,) = judgements(workspace, question="correction", item_ids=[ticket(1).id])
    assert row["messages"] == [{"role": "user", "content": "ticket 1"}, {"role": "assistant", "content": "Here is your bill."}]
    assert row["lineage"] == {
        "judgement": said.id,
        "judgements": [said.id],
        "item": ticket(1).id,
        "output": "out1",
        "task": row["lineage"]["task"],
        "versions": [load_version(workspace, "tickets").id],
    }
    tags = row["tags"]
    assert (tags["model_output"], tags["human_value"], tags["consent"]) == ("reply 1", "Here is your bill.", CARD.consent)
    assert tags["contains_personal_data"] is False
    assert tags["policy"] == {"guideline": said.guideline_id, "rubric": RUBRIC.id, "route": None, "routing": None}
    (reliability,) = tags["reliability"]
    assert (reliability["n"], reliability["accuracy"], reliability["of"]) == (30, 1.0, "all questions")
    assert 0 < reliability["lower"] < 1
    assert not re.search(r"\bada\b", str(row))


def test_the_version_descends_from_its_sources(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1)])
    work(workspace, "ada", rewrites)
    made = publish(workspace)
    assert load_version(workspace, "tickets").id in made.version.parents
    assert Node("version", made.version.id) in {
        edge.child for edge in made_of(workspace, Node("version", load_version(workspace, "tickets").id)).edges
    }


def test_a_label_the_model_got_wrong_is_a_row_and_one_it_got_right_is_not(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1), ticket(2)])
    work(workspace, "ada", lambda _login, task: {"topic": "other" if task.item_id == ticket(1).id else "bill"})
    made = publish(workspace, "topic", form="preference")
    (row,) = rows(workspace, made.version.id)
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("other", "bill")
    assert row["messages"][0]["content"].startswith("What is it about?\n\nuser: ticket 1")
    assert made.left_out == {"the model was right": 1}


def test_publishing_again_makes_nothing_new_and_what_is_taken_back_leaves(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1), ticket(2)])
    done = work(workspace, "ada", other)
    first = publish(workspace, "topic")
    again = publish(workspace, "topic")
    assert (first.created, first.added, again.created, again.version) == (True, 2, False, first.version)
    undo(workspace, done[0].task_id, person("ada"))
    third = publish(workspace, "topic")
    assert (third.version.number, third.kept, third.dropped) == (2, 1, 1)
    undo(workspace, done[1].task_id, person("ada"))
    with pytest.raises(Refused, match="taken back"):
        publish(workspace, "topic")


def test_people_who_disagree_make_no_row_and_a_majority_does(workspace: Workspace) -> None:
    project(workspace, overlap={"start": 3})
    put(workspace, [ticket(1), ticket(2)])
    work(workspace, "ada", other)
    work(workspace, "bob", lambda _login, _task: {"topic": "login"})
    assert publish(workspace, "topic").left_out == {"people disagree": 2}
    work(workspace, "eve", other)
    made = publish(workspace, "topic")
    assert {tuple(sorted(row["tags"]["people"].items())) for row in rows(workspace, made.version.id)} == {
        (("adjudicated", False), ("against", 1), ("agreeing", 2))
    }


@pytest.mark.parametrize("lacking", ["licence", "consent", "contains_personal_data", "purposes"])
def test_without_licence_consent_or_privacy_status_nothing_is_published(workspace: Workspace, lacking: str) -> None:
    project(workspace)
    put(workspace, [ticket(1)])
    work(workspace, "ada", other)
    known = CARD.model_dump()
    empty = () if lacking == "purposes" else None
    with pytest.raises(Refused, match=lacking):
        publish(workspace, "topic", card=Card.model_validate({**known, lacking: empty}))
    with pytest.raises(Refused, match="tickets@"):
        publish(workspace, "topic", sources=[source(workspace, **{lacking: empty}).id])


def test_a_source_that_is_for_evaluation_only_is_refused(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1)])
    work(workspace, "ada", other)
    with pytest.raises(Refused, match="not for training"):
        publish(workspace, "topic", sources=[source(workspace, purposes=("evaluation",)).id])
    with pytest.raises(InputError, match="not named"):
        publish(workspace, "topic", sources=[])
    with pytest.raises(NotFound, match="asks 'mood'"):
        publish(workspace, "mood")


def test_without_a_persons_judgement_there_is_no_row(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1)])
    made = publish(workspace, "topic")
    assert made.version is None and str(made) == "nothing to learn from"


def test_an_exchange_is_read_from_the_forms_payloads_have() -> None:
    asked = ({"role": "user", "content": "why?"},)
    for payload in (
        {"messages": [*asked, {"role": "assistant", "content": "so"}]},
        {"conversation": [*asked, {"role": "assistant", "content": "so", "extra": 1}]},
        {"prompt": "why?", "output": "so"},
        {"question": "why?", "answer": "so"},
    ):
        found = exchange_of(payload)
        assert found is not None and (found.prompt, found.output) == (asked, "so")
    assert exchange_of({"picture": "x.png"}) is None
    assert exchange_of({"prompt": [{"no": "role"}]}) is None


def test_a_row_names_the_routing_policy_that_sent_its_output_to_people(workspace: Workspace) -> None:
    project(workspace)
    route = {
        "policy": "live",
        "number": 3,
        "request_id": "r1",
        "request": "d",
        "action": "review",
        "reasons": [],
        "slice": "",
        "level": "in_the_loop",
    }
    workspace.write(lambda tx: tx.insert(route_decision, {"id": "rte_1", **route, "audit": 0, "inclusion": 0.0, "held": 0, "item_id": ticket(1).id}))
    put(workspace, [ticket(1)], route_id="rte_1")
    put(workspace, [ticket(2)])
    work(workspace, "ada", rewrites)
    told = {row["lineage"]["item"]: row["tags"]["policy"] for row in rows(workspace, publish(workspace).version.id)}
    assert (told[ticket(1).id]["route"], told[ticket(1).id]["routing"]) == ("rte_1", {"policy": "live", "version": 3})
    assert (told[ticket(2).id]["route"], told[ticket(2).id]["routing"]) == (None, None)
