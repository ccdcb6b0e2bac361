"""What people confirmed can become rows beside what they corrected: only where they saw it and could have changed it, and never unasked."""

from __future__ import annotations

from typing import Any

import pytest
from team import CARD, PROJECT, RUBRIC, project, put, source, ticket, work

from pilotage.core import InputError, Refused
from pilotage.data import load_version, rows
from pilotage.judging import judgements
from pilotage.review.flywheel import corrections_ready, freeze_slice, loop_report, publish_corrections
from pilotage.review.measuring.gold import add_gold
from pilotage.review.measuring.known import Known
from pilotage.store import Workspace


def publish(workspace: Workspace, question: str = "topic", **more: Any) -> Any:
    wanted = {"dataset": "learnt", "card": CARD, "sources": [source(workspace).id], **more}
    return publish_corrections(workspace, PROJECT, question, **wanted)


def first_is_wrong(_login: str, task: Any) -> dict[str, Any]:
    return {"topic": "other" if task.item_id == ticket(1).id else "bill"}


def test_what_is_taken_is_what_was_asked_for_and_each_row_says_which_it_is(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(number) for number in range(1, 4)])
    work(workspace, "ada", first_is_wrong)
    corrected, confirmed = publish(workspace, dataset="wrong"), publish(workspace, dataset="right", take="confirmed")
    both = publish(workspace, dataset="all", take="both")
    outcomes = [sorted(row["tags"]["outcome"] for row in rows(workspace, made.version.id)) for made in (corrected, confirmed, both)]
    assert outcomes == [["corrected"], ["confirmed"] * 2, ["confirmed"] * 2 + ["corrected"]]
    assert [(made.corrected, made.confirmed) for made in (corrected, confirmed, both)] == [(1, 0), (0, 2), (1, 2)]
    assert corrected.left_out == {"the model was right": 2} and confirmed.left_out == {"people corrected it": 1} and not both.left_out
    assert "1 corrected, 2 confirmed" in str(both)
    ready = corrections_ready(workspace, PROJECT, "topic")
    assert (ready.rows, ready.confirmed, ready.left_out) == (1, 2, {"the model was right": 2})


def test_a_confirmed_row_rests_on_as_much_as_a_corrected_one(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1), ticket(2)])
    work(workspace, "ada", first_is_wrong)
    made = publish(workspace, take="both")
    by = {row["tags"]["outcome"]: row for row in rows(workspace, made.version.id)}
    right, wrong = by["confirmed"], by["corrected"]
    assert right["tags"].keys() == wrong["tags"].keys() and right["lineage"].keys() == wrong["lineage"].keys()
    (said,) = judgements(workspace, question="topic", item_ids=[ticket(2).id])
    assert right["lineage"]["judgement"] == said.id and right["lineage"]["versions"] == [load_version(workspace, "tickets").id]
    tags = right["tags"]
    assert (tags["made_by"], tags["model_output"], tags["human_value"]) == ("confirmation", "bill", "bill")
    assert tags["people"] == {"agreeing": 1, "against": 0, "adjudicated": False} and tags["agreed_seeing_it"] == 1
    assert (tags["shown"], tags["consent"]) == ("suggestion_shown", CARD.consent)
    assert tags["policy"] == {"guideline": said.guideline_id, "rubric": RUBRIC.id, "route": None, "routing": None}
    assert right["messages"][-1] == {"role": "assistant", "content": "bill"}


def test_who_gave_the_same_answer_without_having_seen_it_confirmed_nothing(workspace: Workspace) -> None:
    project(workspace, arms={"withheld": 1.0})
    put(workspace, [ticket(1)])
    work(workspace, "ada", lambda _login, _task: {"topic": "bill"})
    made = publish(workspace, take="both")
    assert made.version is None
    assert made.left_out == {"the model was right, and nobody who said so had been shown what it said": 1}


def test_a_text_left_as_it_was_is_confirmed_and_one_not_answered_is_not(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1), ticket(2)])

    def says(_login: str, task: Any) -> dict[str, Any]:
        return {"topic": "bill", "correction": "reply 1"} if task.item_id == ticket(1).id else {"topic": "bill"}

    work(workspace, "ada", says)
    made = publish(workspace, "correction", take="confirmed")
    (row,) = rows(workspace, made.version.id)
    assert row["lineage"]["item"] == ticket(1).id and row["tags"]["outcome"] == "confirmed"


def test_neither_gold_nor_what_was_planted_is_confirmed(workspace: Workspace) -> None:
    project(workspace, gold={"share": 0.5}, arms={"seeded": 0.5})
    add_gold(workspace, PROJECT, [Known(ticket(number), {"topic": "bill"}) for number in range(50, 60)])
    put(workspace, [ticket(number) for number in range(20)], seed={"topic": "login"})
    work(workspace, "ada", lambda _login, task: {"topic": (task.suggestion or {"topic": "bill"})["topic"]})
    said = {each.item_id: each.purpose for each in judgements(workspace, question="topic", purposes=("work", "gold", "seeded"))}
    assert set(said.values()) == {"work", "gold", "seeded"}
    made = publish(workspace, take="both")
    learnt = {row["lineage"]["item"] for row in rows(workspace, made.version.id)}
    assert learnt == {item for item, purpose in said.items() if purpose == "work"}


def test_the_two_sorts_are_not_mixed_unasked(workspace: Workspace) -> None:
    project(workspace)
    put(workspace, [ticket(1), ticket(2)])
    work(workspace, "ada", first_is_wrong)
    publish(workspace)
    with pytest.raises(Refused, match="corrected too"):
        publish(workspace, take="confirmed")
    assert publish(workspace, take="both").added == 1
    with pytest.raises(Refused, match="confirmed too"):
        publish(workspace)
    assert publish(workspace, take="both").created is False


@pytest.mark.parametrize("wrong", [{"take": "confirmed", "form": "preference"}, {"take": "both", "form": "preference"}, {"take": "everything"}])
def test_what_cannot_be_taken_is_refused(workspace: Workspace, wrong: dict[str, str]) -> None:
    project(workspace)
    with pytest.raises(InputError):
        publish(workspace, **wrong)


def test_the_loop_report_counts_both(workspace: Workspace) -> None:
    project(workspace, arms={"withheld": 0.5})
    put(workspace, [ticket(number) for number in range(60)])
    put(workspace, [ticket(number) for number in range(60)], version="2", topic="other")
    freeze_slice(workspace, PROJECT, "loop", n=20, seed=3)
    work(workspace, "ada", lambda _login, task: {"topic": "bill" if task.item_id < "itm_8" else "other"})
    made = publish(workspace, take="both")
    report = loop_report(workspace, PROJECT, "topic", slice="loop", old=("m", "1"), new=("m", "2"), trained_on=[made.version.id])
    assert report.learnt == {"confirmed": made.confirmed, "corrected": made.corrected} and min(made.confirmed, made.corrected) > 0
    assert report.to_dict()["learnt"] == report.learnt and f"{made.confirmed} confirmed" in str(report)
