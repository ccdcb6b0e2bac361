"""Looking at the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import event

from pilotage.core import ManualClock
from pilotage.judging import Item, Question, Rubric, person
from pilotage.review import answer, answered_by, claim, counts, history, put_task, skip, standing, tasks, undo, waiting
from pilotage.store import Workspace

ANN, BEN = person("ann"), person("ben")


def test_an_empty_queue_has_nothing_and_waits_for_nobody(workspace: Workspace) -> None:
    assert counts(workspace, "none").total == 0
    assert waiting(workspace) == []
    assert history(workspace, ANN) == []
    assert standing(workspace, "none", ANN).open == 0


def test_what_waits_is_told_by_queue_and_role_with_its_age(tmp_path: Path, rubric: Rubric, item: Callable[..., Item]) -> None:
    clock = ManualClock()
    medicine = Rubric(name="medicine", questions=(Question(name="dose", prompt="?", kind="bool", required_role="physician"),))
    with Workspace.create(tmp_path, clock=clock) as workspace:
        workspace.write(lambda tx: put_task(tx, "pilot", item("a"), rubric, ["sample"]))
        clock.advance(7200)
        workspace.write(lambda tx: put_task(tx, "pilot", item("b"), rubric, ["sample"]))
        workspace.write(lambda tx: put_task(tx, "pilot", item("c"), medicine, ["sample"]))
        workspace.write(lambda tx: put_task(tx, "second", item("d"), rubric, ["sample"]))
        assert [(w.queue, w.role, w.open, w.oldest_us // 1_000_000) for w in waiting(workspace)] == [
            ("pilot", None, 2, 7200),
            ("pilot", "physician", 1, 0),
            ("second", None, 1, 0),
        ]
        assert str(waiting(workspace, "pilot")[0]) == "2 items in 'pilot' wait for anybody who reviews, the oldest for 2 hours"
        (task,) = claim(workspace, "pilot", ANN, n=1)
        answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="k")
        assert waiting(workspace, "pilot")[0].open == 1


def test_the_history_is_newest_first_in_pages_and_says_what_was_undone(tmp_path: Path, rubric: Rubric, item: Callable[..., Item]) -> None:
    clock = ManualClock()
    with Workspace.create(tmp_path, clock=clock) as workspace:
        for name in "abc":
            workspace.write(lambda tx, name=name: put_task(tx, "pilot", item(name), rubric, ["sample"]))
            clock.advance(1)
        one, two, three = (task.task_id for task in claim(workspace, "pilot", ANN))
        answer(workspace, one, ANN, {"failure": "no"}, idempotency_key="1", correction="free text stays out of lists")
        clock.advance(1)
        skip(workspace, two, ANN)
        clock.advance(1)
        answer(workspace, three, ANN, {"failure": "yes"}, idempotency_key="3")
        clock.advance(1)
        undo(workspace, three, ANN)
        seen = history(workspace, ANN, queue="pilot", limit=2)
        assert [(d.task_id, d.kind, d.undone) for d in seen] == [(three, "answered", True), (two, "skipped", False)]
        (rest,) = history(workspace, ANN, before=seen[-1].id)
        assert (rest.task_id, rest.answers) == (one, {"failure": "no"})
        assert answered_by(workspace, "pilot", ANN) == 1
        assert history(workspace, BEN) == []


def test_the_list_is_paged_in_the_order_of_service(workspace: Workspace, put: Callable[..., str]) -> None:
    put_ids = [put(str(n), priority=n % 3) for n in range(10)]
    listed, after = [], None
    while True:
        page = tasks(workspace, "pilot", limit=4, after=after)
        listed += page.rows
        after = page.next
        if after is None:
            break
    assert sorted(row.id for row in listed) == sorted(put_ids)
    assert [row.priority for row in listed] == sorted((row.priority for row in listed), reverse=True)
    assert tasks(workspace, "pilot", state="done").rows == ()


def test_no_list_or_count_reads_a_payload(workspace: Workspace, put: Callable[..., str]) -> None:
    put("one")
    claim(workspace, "pilot", ANN)
    statements: list[str] = []
    event.listen(workspace.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    counts(workspace, "pilot")
    waiting(workspace)
    tasks(workspace, "pilot")
    history(workspace, ANN)
    standing(workspace, "pilot", ANN)
    assert statements and not any("payload" in statement for statement in statements)


def test_a_person_is_told_why_there_is_nothing_for_them(workspace: Workspace, put: Callable[..., str]) -> None:
    question = Question(name="dose", prompt="?", kind="bool", required_role="physician")
    put("own", authors=["ann"])
    put("role", rubric=Rubric(name="medicine", questions=(question,)))
    put("free")
    held, skipped, done = put("held", priority=3), put("skipped", priority=2), put("done", priority=1)
    claim(workspace, "pilot", BEN, n=1)
    mine = claim(workspace, "pilot", ANN, n=2, roles={"reviewer"})
    assert {task.task_id for task in mine} == {skipped, done} and held not in mine
    skip(workspace, skipped, ANN)
    answer(workspace, done, ANN, {"failure": "no"}, idempotency_key="k")
    seen = standing(workspace, "pilot", ANN, roles={"reviewer"})
    assert (seen.answered, seen.skipped, seen.held, seen.open, seen.held_by_others, seen.own_work) == (1, 1, 0, 1, 1, 1)
    assert seen.other_roles == {"physician": 1}
