"""What a project serves each person: the arm drawn and kept, gold hidden, caps, variety; and nothing of it told to who answers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from pilotage.core import Conflict, InputError, ManualClock, Refused
from pilotage.judging import ABOUT_RATERS, Item, Question, Rater, Rubric, judgements, load_rater, person
from pilotage.ledger import entries
from pilotage.review import (
    NewTask,
    Suggestion,
    answer,
    claim,
    commit,
    counts,
    export_judgements,
    grant_skill,
    look,
    put_tasks,
    release,
    revoke_skill,
    skip,
    standing,
    undo,
)
from pilotage.review.limits import until_break
from pilotage.review.projects import (
    Arms,
    Caps,
    Countermeasures,
    Gold,
    Overlap,
    ProjectSettings,
    Qualification,
    Rotation,
    change_project,
    create_project,
    find_terms,
    pause_project,
    resume_project,
)
from pilotage.review.tables import review_assignment, review_task
from pilotage.store import Workspace

ANN, BEN, CAT = person("ann"), person("ben"), person("cat")


def project(workspace: Workspace, rubric: Rubric, **settings: Any) -> None:
    settings.setdefault("gold", Gold(share=0))
    create_project(workspace, ProjectSettings(name="p", **settings), rubric=rubric, guideline="Be fair.", salt="salt")


def put(workspace: Workspace, n: int = 1, *, start: int = 0, **task: Any) -> None:
    said = {"conversation": [], "verdict": {"value": "yes"}, "proposed_correction": "No."}
    task.setdefault("suggestions", [Suggestion("failure", "yes", score=2.5, probability=0.8, model="judge", model_version="3")])
    report = put_tasks(workspace, "p", (NewTask(Item("output", str(start + k), said), **task) for k in range(n)))
    assert report.put == n, report.refused


def assignments(workspace: Workspace, rater: Rater = ANN) -> list[Any]:
    a = review_assignment
    with workspace.read() as conn:
        return list(conn.execute(select(a).where(a.c.workspace_id == workspace.id, a.c.rater_id == rater.id)).mappings())


def test_the_arm_is_drawn_when_served_and_stamped_from_there(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(withheld=0.5))
    put(workspace, 40)
    for task in claim(workspace, "p", ANN, n=40):
        (row,) = [each for each in assignments(workspace) if each["task_id"] == task.task_id]
        assert (task.suggestion is None) == (row["arm"] == "withheld")
        assert ("verdict" in task.payload) == (row["arm"] == "suggestion_shown")  # nor does the payload tell
        answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key=task.task_id)
    made = judgements(workspace, question="failure")
    seen = Counter((judgement.arm, judgement.suggestion) for judgement in made)
    assert set(seen) == {("withheld", None), ("suggestion_shown", "yes")} and sum(seen.values()) == 40
    assert all(judgement.guideline_id and judgement.purpose == "work" for judgement in made)


def test_what_was_shown_stays_what_was_shown_when_settings_change(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(withheld=1))
    put(workspace)
    (task,) = claim(workspace, "p", ANN)
    change_project(workspace, "p", number=1, settings=ProjectSettings(name="p"), guideline="Be fairer.")
    release(workspace, [task.task_id], ANN)
    (again,) = claim(workspace, "p", ANN)
    assert again.suggestion is None and again.guideline_number == 1
    assert look(workspace, task.task_id, ANN).suggestion is None
    release(workspace, [task.task_id], ANN)
    assert claim(workspace, "p", BEN)[0].guideline_number == 2


def test_where_there_is_nothing_to_show_there_is_no_arm(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(withheld=0.5, answer_first=0.5))
    put(workspace, 6, suggestions=[])
    assert {task.suggestion for task in claim(workspace, "p", ANN, n=6)} == {None}
    assert {row["arm"] for row in assignments(workspace)} == {None}


def test_a_planted_suggestion_looks_like_any_other_and_its_answer_is_never_about_the_item(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(seeded=1))
    put(workspace, seed={"failure": "no"})
    (task,) = claim(workspace, "p", ANN)
    assert task.suggestion == {"failure": "no"}
    assert [(by.model, by.probability) for by in task.suggestions_by] == [("judge", 0.8)]
    answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="1")
    assert judgements(workspace) == [] and list(export_judgements(workspace, "p")) == []
    (planted,) = judgements(workspace, purposes=["seeded"])
    assert (planted.arm, planted.suggestion, planted.value) == ("seeded", "no", "no")
    assert claim(workspace, "p", ANN) == []  # not served to the same person again …
    seen = counts(workspace, "p")
    assert (seen.open, seen.done, seen.answers) == (1, 0, 0)
    assert len(claim(workspace, "p", BEN)) == 1  # … and the place is free for somebody else


def test_taking_back_an_answer_to_a_planted_suggestion_leaves_no_trace_about_the_item(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(seeded=1))
    put(workspace, seed={"failure": "no"})
    (task,) = claim(workspace, "p", ANN)
    answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="1")
    undo(workspace, task.task_id, ANN)
    answer(workspace, task.task_id, ANN, {"failure": "yes"}, idempotency_key="2")
    assert judgements(workspace, current_only=False) == []
    assert [each.value for each in judgements(workspace, purposes=["seeded"])] == ["yes"]


def test_answering_first_reveals_the_suggestion_only_after_a_commitment(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, countermeasures=Countermeasures(answer_first=True))
    put(workspace, overlap=2)
    (task,) = claim(workspace, "p", ANN)
    assert task.answer_first and task.suggestion is None and task.suggestions_by == ()
    assert commit(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="c", first_key_ms=900) == {"failure": "yes"}
    assert commit(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="c") == {"failure": "yes"}
    with pytest.raises(Conflict, match="committed"):
        commit(workspace, task.task_id, ANN, {"failure": "yes"}, idempotency_key="d")
    assert judgements(workspace) == []
    after = look(workspace, task.task_id, ANN)
    assert not after.answer_first and after.suggestion == {"failure": "yes"}
    answer(workspace, task.task_id, ANN, {"failure": "yes"}, idempotency_key="a", first_key_ms=900)
    (made,) = judgements(workspace)
    assert (made.arm, made.suggestion, made.first_key_ms) == ("answer_first", "yes", 900)
    assert len(entries(workspace, type="review.committed")) == 1
    (other,) = claim(workspace, "p", BEN)
    answer(workspace, other.task_id, BEN, {"failure": "no"}, idempotency_key="b")  # without looking
    assert [each.suggestion for each in judgements(workspace, rater_id=BEN.id)] == [None]


def test_only_a_task_that_asks_for_it_takes_a_commitment(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric)
    put(workspace)
    (task,) = claim(workspace, "p", ANN)
    with pytest.raises(Refused, match="does not ask for your answer first"):
        commit(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="c")


def test_gold_is_served_at_the_projects_share_hidden_among_the_work(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=0.25, exposure_cap=2))
    put(workspace, 60)
    put(workspace, 30, start=100, purpose="gold", gold={"failure": "yes"})
    served = claim(workspace, "p", ANN, n=50)
    gold = {row.id for row in rows(workspace, purpose="gold")}
    shown = [task.task_id in gold for task in served]
    assert 4 <= sum(shown) <= 22  # 12.5 expected of 50, three standard errors either way
    assert set(served[shown.index(True)].to_dict()) == set(served[shown.index(False)].to_dict())
    for task in served:
        answer(workspace, task.task_id, ANN, {"failure": "yes"}, idempotency_key=task.task_id)
    assert len(judgements(workspace)) == 50 - sum(shown)
    assert len(judgements(workspace, purposes=["gold"])) == sum(shown)
    assert {each.purpose for each in export_judgements(workspace, "p")} == {"work"}
    again = claim(workspace, "p", ANN, n=50)
    assert not {task.task_id for task in again} & {task.task_id for task in served}


def rows(workspace: Workspace, **where: Any) -> list[Any]:
    t = review_task
    with workspace.read() as conn:
        return list(conn.execute(select(t).where(t.c.workspace_id == workspace.id, *(t.c[name] == value for name, value in where.items()))))


def test_gold_is_seen_by_no_more_people_than_its_cap_and_never_alone(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=1, exposure_cap=2))
    put(workspace, 1, start=100, purpose="gold", gold={"failure": "yes"})
    assert claim(workspace, "p", ANN) == []  # no work, no gold
    put(workspace, 4)
    gold = rows(workspace, purpose="gold")[0].id
    got = [claim(workspace, "p", rater, n=1)[0].task_id == gold for rater in (ANN, BEN, CAT)]
    assert got == [True, True, False]


def test_nothing_that_is_handed_to_who_answers_says_what_it_is_for(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=0.5), arms=Arms(withheld=0.25, seeded=0.25, answer_first=0.25))
    put(workspace, 30, seed={"failure": "no"})
    put(workspace, 20, start=100, purpose="gold", gold={"failure": "yes"}, explanation="because")
    served = claim(workspace, "p", ANN, n=30)
    assert len({row["arm"] for row in assignments(workspace)}) == 4
    text = json.dumps([task.to_dict() for task in served]).lower()
    for word in ('arm"', "purpose", "seed", "gold", "withheld", "planted", "overlap", "because", "salt"):
        assert word not in text


def test_skills_decide_which_slices_a_person_is_served(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    project(timed, rubric, skills={"language=de": "german"})
    put(timed, slices={"language": "de"})
    assert claim(timed, "p", ANN) == []
    assert standing(timed, "p", ANN).other_skills == 1
    grant_skill(timed, "ann", "german", expires_at=clock.now_us() + 60_000_000)
    (task,) = claim(timed, "p", ANN)
    release(timed, [task.task_id], ANN)
    clock.advance(61)
    assert claim(timed, "p", ANN) == []
    grant_skill(timed, "ann", "german")
    assert revoke_skill(timed, "ann", "german") and not revoke_skill(timed, "ann", "german")
    assert claim(timed, "p", ANN) == []


def test_who_is_not_qualified_is_served_nothing(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, qualification=Qualification(skill="replies"))
    put(workspace)
    assert claim(workspace, "p", ANN) == [] and standing(workspace, "p", ANN).limit == "qualification"
    grant_skill(workspace, "ann", "replies", source="exam")
    assert len(claim(workspace, "p", ANN)) == 1


def test_a_days_work_ends_at_its_cap_and_begins_again_the_next_day(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    project(timed, rubric, caps=Caps(per_day=3))
    put(timed, 10)
    for task in claim(timed, "p", ANN, n=9):
        answer(timed, task.task_id, ANN, {"failure": "no"}, idempotency_key=task.task_id)
    assert counts(timed, "p").answers == 3
    assert claim(timed, "p", ANN) == [] and standing(timed, "p", ANN).limit == "per_day"
    assert len(claim(timed, "p", BEN, n=1)) == 1
    clock.advance(24 * 3600)
    assert len(claim(timed, "p", ANN, n=9)) == 3


def test_nobody_holds_more_at_once_than_they_may(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, caps=Caps(at_once=2))
    put(workspace, 5)
    held = claim(workspace, "p", ANN, n=5)
    assert len(held) == 2 and claim(workspace, "p", ANN) == []
    skip(workspace, held[0].task_id, ANN)
    assert len(claim(workspace, "p", ANN, n=5)) == 1


def test_after_many_answers_in_a_row_comes_a_pause(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    project(timed, rubric, caps=Caps(break_after=3, break_for="10m"))
    put(timed, 10)
    for turn in range(3):
        (task,) = claim(timed, "p", ANN, n=1)
        answer(timed, task.task_id, ANN, {"failure": "no"}, idempotency_key=str(turn))
        clock.advance(60)
        with timed.read() as conn:
            assert until_break(conn, timed.id, find_terms(conn, timed.id, "p"), ANN.id, timed.clock.now_us()) == 2 - turn
    assert claim(timed, "p", ANN) == [] and standing(timed, "p", ANN).limit == "break"
    clock.advance(540)
    assert len(claim(timed, "p", ANN, n=9)) == 3


def test_a_paused_project_serves_nothing_but_takes_the_answers_of_what_is_held(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric)
    put(workspace, 2)
    (task,) = claim(workspace, "p", ANN, n=1)
    pause_project(workspace, "p")
    assert claim(workspace, "p", ANN) == [] and standing(workspace, "p", ANN).limit == "paused"
    answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="1")
    resume_project(workspace, "p")
    assert len(claim(workspace, "p", ANN)) == 1


def test_variety_puts_what_a_person_had_much_of_behind_the_rest_but_never_hides_it(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, rotation=Rotation(by="language", most=0.5, over=4))
    put(workspace, 6, slices={"language": "en"})
    put(workspace, 2, start=50, slices={"language": "de"})
    served = [task.slices["language"] for task in claim(workspace, "p", ANN, n=8)]
    assert served[:4].count("en") == 2 and served.count("en") == 6


def test_agreeing_needs_a_reason_where_the_project_says_so(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, countermeasures=Countermeasures(reason_on_accept=("risk=high",), hide_confidence=True, evidence_first=True))
    put(workspace, slices={"risk": "high"}, overlap=3)
    (task,) = claim(workspace, "p", ANN)
    assert task.reason_on_accept and task.evidence_first
    assert [(by.model, by.score, by.probability) for by in task.suggestions_by] == [("judge", None, None)]
    with pytest.raises(InputError, match="needs a reason"):
        answer(workspace, task.task_id, ANN, {"failure": "yes"}, idempotency_key="1")
    answer(workspace, task.task_id, ANN, {"failure": "yes"}, idempotency_key="2", reason="it tells the address")
    (task,) = claim(workspace, "p", BEN)
    answer(workspace, task.task_id, BEN, {"failure": "no"}, idempotency_key="1")  # disagreeing needs none


def test_one_more_person_is_asked_while_the_answers_leave_doubt(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, overlap=Overlap(start=2, most=4, until=0.9, question="failure"))
    put(workspace, 2)
    say = {"ann": ("yes", "yes"), "ben": ("yes", "no")}
    for rater in (ANN, BEN):
        for task, value in zip(claim(workspace, "p", rater, n=2), say[rater.name], strict=True):
            answer(workspace, task.task_id, rater, {"failure": value}, idempotency_key=task.task_id)
    assert [(row.overlap, row.state) for row in sorted(rows(workspace), key=lambda row: row.position)] == [(2, "done"), (3, "open")]
    for rater in (CAT, person("dan"), person("eve")):
        for task in claim(workspace, "p", rater, n=2):
            answer(workspace, task.task_id, rater, {"failure": "unclear"}, idempotency_key=task.task_id)
    assert sorted((row.overlap, row.answers, row.state) for row in rows(workspace)) == [(2, 2, "done"), (4, 4, "done")]
    seen = counts(workspace, "p")
    assert (seen.open, seen.done, seen.answers) == (0, 2, 6)


def test_sides_of_a_pair_are_drawn_and_stamped(workspace: Workspace) -> None:
    pair = Rubric(name="pair", questions=(Question(name="better", prompt="Which is better?", kind="pair"),))
    project(workspace, pair)
    pairs = (NewTask(Item("pair", str(n), {"prompt": "?", "a": "x", "b": "y"})) for n in range(30))
    assert put_tasks(workspace, "p", pairs).put == 30
    served = claim(workspace, "p", ANN, n=30)
    assert {task.sides for task in served} == {"ab", "ba"}
    for task in served:
        answer(workspace, task.task_id, ANN, {"better": {"preferred": "a", "strength": None}}, idempotency_key=task.task_id)
    assert Counter(each.sides for each in judgements(workspace)) == Counter(task.sides for task in served)


def test_nobody_adjudicates_an_item_they_answered(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric)
    put(workspace)
    (task,) = claim(workspace, "p", ANN)
    answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="1")
    put(workspace, purpose="adjudication")
    assert claim(workspace, "p", ANN) == [] and len(claim(workspace, "p", BEN)) == 1


def test_a_claim_is_one_entry_that_says_what_was_served_and_how(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(withheld=1))
    put(workspace, 3)
    claim(workspace, "p", ANN, n=3)
    claim(workspace, "p", ANN, n=3)  # nothing was left to serve: nothing is told
    (entry,) = entries(workspace, type="review.served")
    assert entry.actor == "ann" and [set(each) for each in entry.body["tasks"]] == [{"task", "item", "seal"}] * 3


def test_no_purpose_that_measures_people_is_exported_unless_named(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=1))
    put(workspace, 3)
    put(workspace, 1, start=100, purpose="gold", gold={"failure": "yes"})
    for task in claim(workspace, "p", ANN, n=3):
        answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key=task.task_id)
    exported = list(export_judgements(workspace, "p"))
    assert len(exported) == 2 and {each.rater_name for each in exported} == {"ann"} and all(each.source_id for each in exported)
    assert len(list(export_judgements(workspace, "p", purposes=ABOUT_RATERS))) == 1
    with pytest.raises(InputError, match="No purpose"):
        export_judgements(workspace, "p", purposes=["fun"])
    assert entries(workspace, type="review.exported")[0].body["purposes"] == ["adjudication", "audit", "work"]


RANKED = Rubric(
    name="ranked", guideline="Best first.", questions=(Question("order", "Which order?", "ranking"), Question("note", "Why?", "text", required=False))
)


def ranked_item(number: int) -> Item:
    return Item(kind="output", source_id=f"r{number}", payload={"candidates": [{"id": one, "text": f"text {one}"} for one in "abcd"]})


def test_candidates_stand_in_an_order_of_the_persons_own_that_is_kept_and_stamped(workspace: Workspace) -> None:
    project(workspace, RANKED, overlap=Overlap(start=3, most=3))
    put_tasks(workspace, "p", [NewTask(ranked_item(number)) for number in range(12)])
    orders: dict[str, list[str]] = {}
    for rater in (ANN, BEN, CAT):
        for task in claim(workspace, "p", rater, n=12):
            shown = (task.served_order or {})["order"]
            assert sorted(shown) == list("abcd") and [one["id"] for one in task.payload["candidates"]] == list("abcd")
            assert look(workspace, task.task_id, rater).served_order == task.served_order
            orders[f"{rater.name}/{task.item_id}"] = shown
            answer(workspace, task.task_id, rater, {"order": [["a"], ["b", "c"], ["d"]]}, idempotency_key=f"{rater.name}{task.task_id}")
    assert len({tuple(order) for order in orders.values()}) > 6
    kept = judgements(workspace, question="order")
    assert {each.served_order == orders[f"{load_rater(workspace, each.rater_id).name}/{each.item_id}"] for each in kept} == {True}
    assert all(each.value == [["a"], ["b", "c"], ["d"]] for each in kept)  # as it is kept, whatever stood where


def test_a_released_task_comes_back_in_the_order_it_stood_in(workspace: Workspace) -> None:
    project(workspace, RANKED)
    put_tasks(workspace, "p", [NewTask(ranked_item(1))])
    (first,) = claim(workspace, "p", ANN, n=1)
    release(workspace, [first.task_id], ANN)
    (again,) = claim(workspace, "p", ANN, n=1)
    assert again.served_order == first.served_order and first.served_order


def test_what_stands_nowhere_in_an_order_has_none(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric)
    put(workspace, 1)
    (task,) = claim(workspace, "p", ANN, n=1)
    assert task.served_order is None
