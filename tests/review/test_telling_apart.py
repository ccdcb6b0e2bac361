"""People who try to tell tests, planted errors and other people's answers from work, by whatever they are handed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from pilotage.core import Conflict, ManualClock
from pilotage.judging import Item, Rubric, judgements, person
from pilotage.review import Claimed, NewTask, Suggestion, answer, claim, escalate_overdue, progress, put_tasks, release, skip, standing, undo
from pilotage.review.measuring import Known, add_gold
from pilotage.review.new_task import TASK_PURPOSES, task_id
from pilotage.review.projects import Arms, Gold, Overlap, ProjectSettings, Sla, create_project
from pilotage.review.tables import review_assignment, review_author, review_task
from pilotage.store import Workspace

ANN, BEN, CAT = person("ann"), person("ben"), person("cat")
SAID = {"verdict": {"value": "yes"}, "proposed_correction": "No."}


def project(workspace: Workspace, rubric: Rubric, **settings: Any) -> None:
    settings.setdefault("gold", Gold(share=0))
    create_project(workspace, ProjectSettings(name="p", **settings), rubric=rubric, guideline="Be fair.", salt="salt")


def new(name: str, **task: Any) -> NewTask:
    task.setdefault("suggestions", [Suggestion("failure", "yes", probability=0.8, model="judge", model_version="3")])
    return NewTask(Item("output", name, SAID), **task)


def put(workspace: Workspace, *tasks: NewTask) -> None:
    assert not put_tasks(workspace, "p", tasks).refused


def say(workspace: Workspace, login: str, task: Claimed, value: str = "no") -> None:
    answer(workspace, task.task_id, person(login), {"failure": value}, idempotency_key=f"{login}{task.task_id}{value}")


def kind_of(workspace: Workspace, task: Claimed) -> tuple[str, str | None]:
    t = review_task.c
    with workspace.read() as conn:
        row = conn.execute(select(t.purpose, t.role).where(t.workspace_id == workspace.id, t.id == task.task_id)).one()
    return row.purpose, row.role


def test_the_purpose_of_a_task_cannot_be_hashed_out_of_its_id(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=0.5))
    put(workspace, *(new(str(n)) for n in range(6)), *(new(f"g{n}", purpose="gold", gold={"failure": "no"}) for n in range(6)))
    served = claim(workspace, "p", ANN, n=6)
    assert {kind_of(workspace, task)[0] for task in served} == {"work", "gold"}
    for task in served:
        guesses = {task_id("p", task.item_id, task.rubric_id, purpose=purpose) for purpose in TASK_PURPOSES}
        assert task.task_id not in guesses


def test_a_queue_that_became_a_project_knows_the_tasks_it_had(workspace: Workspace, rubric: Rubric) -> None:
    assert put_tasks(workspace, "p", [new("1")], rubric=rubric).put == 1
    project(workspace, rubric)
    again = put_tasks(workspace, "p", [new("1"), new("2")])
    assert (again.put, again.known) == (1, 1)
    assert len(claim(workspace, "p", ANN, n=9)) == standing(workspace, "p", BEN).held_by_others == 2


def test_gold_has_no_due_date_or_priority_that_work_has_not_and_is_never_handed_over(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    project(timed, rubric, gold=Gold(share=0.5), sla=Sla(due="1h", escalate_to="owner", raise_priority=5))
    put(timed, *(new(f"g{n}", purpose="gold", gold={"failure": "no"}) for n in range(6)))
    clock.advance(86_400)
    put(timed, *(new(str(n), priority=n) for n in range(6)))
    escalate_overdue(timed)
    served = claim(timed, "p", ANN, n=6, roles={"reviewer"})
    assert {kind_of(timed, task) for task in served} == {("work", ""), ("gold", "")}
    assert {(task.priority, task.due_at) for task in served} == {(0, None)}


def test_gold_made_of_work_is_shown_as_the_work_was(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=0.5))
    work = [new(str(n), harmful=True) for n in range(8)]
    put(workspace, *work)
    for task in claim(workspace, "p", CAT, n=2):
        say(workspace, "cat", task)
    done = {each.item_id for each in judgements(workspace)}
    add_gold(workspace, "p", [Known(item, {"failure": "no"}) for item in sorted(done)])
    served = claim(workspace, "p", ANN, n=6)
    assert {kind_of(workspace, task)[0] for task in served} == {"work", "gold"}
    assert {(str(task.suggestion), task.harmful, task.suggestions_by) for task in served} == {
        (str({"failure": "yes"}), True, served[0].suggestions_by)
    }


def test_a_planted_suggestion_comes_with_the_payload_any_other_comes_with(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(seeded=0.5))
    put(workspace, *(new(str(n), seed={"failure": "no"}) for n in range(20)))
    served = claim(workspace, "p", ANN, n=20)
    assert {str(task.suggestion) for task in served} == {str({"failure": value}) for value in ("yes", "no")}
    assert {tuple(sorted(task.payload)) for task in served} == {()}


def test_taking_back_an_answer_does_not_tell_whether_the_suggestion_was_planted(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(seeded=0.5))
    put(workspace, *(new(str(n), seed={"failure": "no"}) for n in range(12)))
    mine = claim(workspace, "p", ANN, n=12)
    planted = {task.task_id for task in mine if task.suggestion == {"failure": "no"}}
    assert planted and len(planted) < 12
    for task in mine:
        say(workspace, "ann", task)
    for who in (BEN, CAT):  # the places that planted suggestions left free are filled by somebody
        for task in claim(workspace, "p", who, n=12):
            say(workspace, who.name, task)
    told = {}
    for task in mine:
        undo(workspace, task.task_id, ANN)
        told[task.task_id] = answer(workspace, task.task_id, ANN, {"failure": "unclear"}, idempotency_key=f"again{task.task_id}").late
    assert set(told.values()) == {False}
    by_ann = [each for each in judgements(workspace) if each.rater_id == ANN.id and not each.abstained]
    assert len(by_ann) == 12 - len(planted)


def arm_of(workspace: Workspace, task: Claimed) -> str | None:
    a = review_assignment.c
    with workspace.read() as conn:
        return conn.execute(select(a.arm).where(a.workspace_id == workspace.id, a.task_id == task.task_id)).scalar_one()


@pytest.mark.parametrize("overlap", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
def test_who_compares_the_numbers_around_each_answer_cannot_tell_which_item_was_known_or_planted(
    workspace: Workspace, rubric: Rubric, overlap: int, batch: int
) -> None:
    """The attack: claim, note every number one is told, answer, ask again, and sort the items by how the numbers moved."""
    project(workspace, rubric, gold=Gold(share=0.3), arms=Arms(seeded=0.3), overlap=Overlap(start=overlap))
    put(workspace, *(new(str(n), seed={"failure": "no"}) for n in range(40)))
    put(workspace, *(new(f"g{n}", purpose="gold", gold={"failure": "no"}) for n in range(9)))
    moved: dict[tuple[str, bool], set[tuple[int, int]]] = {}
    served_moved = set()
    before = progress(workspace, "p", ANN)
    total = before.left
    while served := claim(workspace, "p", ANN, n=batch):
        after = progress(workspace, "p", ANN)
        served_moved.add(after.left - before.left)
        for task in served:
            before = progress(workspace, "p", ANN)
            say(workspace, "ann", task)
            after = progress(workspace, "p", ANN)
            kind = (kind_of(workspace, task)[0], arm_of(workspace, task) == "seeded")
            moved.setdefault(kind, set()).add((after.answered - before.answered, after.left - before.left))
        before = after
    assert {kind for kind, _ in moved} == {"work", "gold"} and {planted for _, planted in moved} == {True, False}
    assert set().union(*moved.values()) == {(1, -1)}, "every answer moves the numbers alike"
    assert served_moved == {0}, "being served something moves none"
    assert (before.answered, before.left, before.more) == (total, 0, False)


def test_numbers_beyond_a_hundred_are_not_told(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric)
    put(workspace, *(new(str(n)) for n in range(103)))
    told = []
    for _ in range(5):
        told.append(progress(workspace, "p", ANN))
        say(workspace, "ann", claim(workspace, "p", ANN, n=1)[0])
    assert [(each.answered, each.left, each.more) for each in told] == [
        (0, 100, True),
        (1, 100, True),
        (2, 100, True),
        (3, 100, False),
        (4, 99, False),
    ]


def test_taking_back_skipping_and_giving_back_move_the_numbers_alike_whatever_was_shown(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(seeded=0.5))
    put(workspace, *(new(str(n), seed={"failure": "no"}) for n in range(12)))
    moved: dict[bool, set[tuple[int, ...]]] = {True: set(), False: set()}
    for task in claim(workspace, "p", ANN, n=12):
        told = [progress(workspace, "p", ANN)]
        say(workspace, "ann", task)
        told.append(progress(workspace, "p", ANN))
        undo(workspace, task.task_id, ANN)
        told.append(progress(workspace, "p", ANN))
        skip(workspace, task.task_id, ANN)
        told.append(progress(workspace, "p", ANN))
        moved[arm_of(workspace, task) == "seeded"].add(tuple(b.left - a.left for a, b in pairwise(told)))
    assert moved[True] == moved[False] == {(-1, 1, -1)}


@pytest.mark.parametrize("skipping", [False, True])
def test_what_was_let_go_comes_back_whether_its_answer_was_known_or_not(workspace: Workspace, rubric: Rubric, skipping: bool) -> None:
    project(workspace, rubric, gold=Gold(share=0.4))
    put(workspace, *(new(str(n)) for n in range(12)))
    add_gold(workspace, "p", [Known(Item("output", f"known {n}", SAID), {"failure": "no"}) for n in range(8)])
    first = claim(workspace, "p", ANN, n=8)
    assert {kind_of(workspace, task)[0] for task in first} == {"work", "gold"}
    before = progress(workspace, "p", ANN)
    if skipping:
        for task in first:
            skip(workspace, task.task_id, ANN)
        assert progress(workspace, "p", ANN).left == before.left - 8
    else:
        release(workspace, [task.task_id for task in first], ANN)
        assert progress(workspace, "p", ANN).left == before.left, "what is given back is still to come"
    again = claim(workspace, "p", ANN, n=8, skipped_too=skipping)
    assert {task.task_id for task in again} == {task.task_id for task in first}
    for task in again:
        say(workspace, "ann", task)
    while more := claim(workspace, "p", ANN, n=5):
        for task in more:
            say(workspace, "ann", task)
    assert progress(workspace, "p", ANN).left == 0


def test_giving_back_and_skipping_do_not_tell_whether_the_suggestion_was_planted(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    """What was let go is late, and lost once others took it, whatever was shown; what nobody took can be had again."""
    project(timed, rubric, arms=Arms(seeded=0.5))
    put(timed, *(new(str(n), seed={"failure": "no"}) for n in range(16)))
    mine = claim(timed, "p", ANN, n=16)
    planted = {task.task_id for task in mine if arm_of(timed, task) == "seeded"}
    kept, back, lost = mine[:5], mine[5:10], mine[10:]
    assert all(0 < len({task.task_id for task in part} & planted) < len(part) for part in (kept, back, lost))
    release(timed, [task.task_id for task in back], ANN)
    assert {answer(timed, task.task_id, ANN, {"failure": "no"}, idempotency_key=task.task_id).late for task in back} == {True}
    clock.advance(1)
    for who in (BEN, CAT):  # the places that planted suggestions leave free from the beginning
        claim(timed, "p", who, n=16)
    for task in kept:
        skip(timed, task.task_id, ANN)
        undo(timed, task.task_id, ANN)
    clock.advance(1)
    release(timed, [task.task_id for task in lost[::2]], ANN)
    for task in lost[1::2]:
        skip(timed, task.task_id, ANN)
    clock.advance(1)
    for who in (person("dan"), person("eva")):
        claim(timed, "p", who, n=16)
    told: dict[bool, set[str]] = {True: set(), False: set()}
    for number, task in enumerate(lost):
        try:
            if number % 2:
                undo(timed, task.task_id, ANN)
            else:
                say(timed, "ann", task)
            told[task.task_id in planted].add("had again")
        except Conflict as error:
            told[task.task_id in planted].add(error.what)
    assert told[False] == {"Others have taken this item in the meantime."}


def places(workspace: Workspace, task: Claimed) -> tuple[int, int, str]:
    t = review_task.c
    with workspace.read() as conn:
        row = conn.execute(select(t.claims, t.answers, t.state).where(t.workspace_id == workspace.id, t.id == task.task_id)).one()
    return row.claims, row.answers, row.state


def test_a_planted_suggestion_never_takes_a_place(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    """Not when it is served, answered, taken back, answered again, skipped, given back or lapsed; and the item waits for somebody else throughout."""
    project(timed, rubric, arms=Arms(seeded=0.5))
    put(timed, *(new(str(n), seed={"failure": "no"}) for n in range(12)))
    served = claim(timed, "p", ANN, n=12)
    planted = [task for task in served if arm_of(timed, task) == "seeded"]
    one, two, three = planted[:3]
    acts = (
        lambda: say(timed, "ann", one),
        lambda: undo(timed, one.task_id, ANN),
        lambda: say(timed, "ann", one, "unclear"),
        lambda: undo(timed, one.task_id, ANN),
        lambda: skip(timed, one.task_id, ANN),
        lambda: undo(timed, one.task_id, ANN),
        lambda: release(timed, [two.task_id], ANN),
        lambda: clock.advance(3_600),
        lambda: claim(timed, "p", CAT, n=0),
    )
    assert {places(timed, task) for task in planted} == {(0, 0, "open")}
    for act in acts:
        act()
        assert {places(timed, task) for task in (one, two, three)} == {(0, 0, "open")}
    others = {task.task_id for task in claim(timed, "p", BEN, n=12)}
    assert {task.task_id for task in planted} <= others


def test_a_place_that_a_planted_suggestion_held_before_is_freed(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, arms=Arms(seeded=0.5))
    put(workspace, *(new(str(n), seed={"failure": "no"}) for n in range(12)))
    task = next(task for task in claim(workspace, "p", ANN, n=12) if arm_of(workspace, task) == "seeded")
    t = review_task.c
    workspace.write(lambda tx: tx.conn.execute(update(review_task).where(t.workspace_id == tx.workspace_id, t.id == task.task_id).values(claims=1)))
    say(workspace, "ann", task)
    assert places(workspace, task) == (0, 0, "open")


def test_what_is_held_with_a_planted_suggestion_is_not_handed_over(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    project(timed, rubric, arms=Arms(seeded=0.5), sla=Sla(due="1h", escalate_to="owner"))
    put(timed, *(new(str(n), seed={"failure": "no"}) for n in range(12)))
    held = claim(timed, "p", ANN, n=12, lease_s=9_000)
    clock.advance(7_200)
    escalate_overdue(timed)
    assert {kind_of(timed, task)[1] for task in held} == {""}


@pytest.mark.parametrize(
    ("first", "then"), [("work", "adjudication"), ("adjudication", "work"), ("work", "gold"), ("gold", "work"), ("work", "audit")]
)
def test_nobody_answers_an_item_for_two_purposes_whichever_was_put_first(workspace: Workspace, rubric: Rubric, first: str, then: str) -> None:
    project(workspace, rubric, gold=Gold(share=1.0))
    known = {"gold": {"failure": "no"}}
    put(workspace, *(new("one", purpose=purpose, overlap=2, **(known if purpose == "gold" else {})) for purpose in (first, then)))
    with workspace.read() as conn:
        t = review_task.c
        assert len(conn.execute(select(t.id).where(t.workspace_id == workspace.id)).all()) == 2
    seen = 0
    while served := claim(workspace, "p", ANN, n=1):
        seen += len(served)
        say(workspace, "ann", served[0])
    assert seen == 1
    here = standing(workspace, "p", ANN)
    assert here.open == 0


def test_the_author_of_an_item_is_not_served_it_however_their_name_is_spelt(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric)
    report = put_tasks(workspace, "p", [NewTask(Item("output", "1", {"authors": ["Ann "]})), NewTask(Item("output", "2", {}), authors=["ANN"])])
    assert report.put == 2
    assert claim(workspace, "p", ANN, n=9) == [] and len(claim(workspace, "p", BEN, n=9)) == 2
    with workspace.read() as conn:
        a = review_author.c
        assert "ann" in set(conn.execute(select(a.login).where(a.workspace_id == workspace.id)).scalars())


def test_who_skipped_gold_has_seen_it(workspace: Workspace, rubric: Rubric) -> None:
    project(workspace, rubric, gold=Gold(share=1.0, exposure_cap=2))
    put(workspace, *(new(str(n), overlap=9) for n in range(5)), new("known", purpose="gold", gold={"failure": "no"}))
    shown = 0
    for login in ("ann", "ben", "cat", "dan"):
        for task in claim(workspace, "p", person(login), n=1):
            shown += kind_of(workspace, task)[0] == "gold"
            skip(workspace, task.task_id, person(login))
    assert shown == 2


def test_what_is_overdue_is_counted_once_though_its_transaction_ran_twice(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    project(timed, rubric, sla=Sla(due="1h"))
    put(timed, *(new(str(n)) for n in range(3)))
    clock.advance(7_200)
    assert [each.raised for each in escalate_overdue(_twice(timed))] == [3]


def _twice(workspace: Workspace) -> Any:
    """The workspace, whose every job is run, undone, and run again, as where two servers collided."""

    class Undone(Exception):
        pass

    class Colliding:
        def __getattr__(self, name: str) -> Any:
            return getattr(workspace, name)

        def write(self, job: Any) -> Any:
            def lost(tx: Any) -> None:
                job(tx)
                raise Undone

            with pytest.raises(Undone):
                workspace.write(lost)
            return workspace.write(job)

    return Colliding()
