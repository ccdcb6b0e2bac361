"""Exams: who passes gets the skill a project asks for.

An exam belongs to a guideline version and has terms that are part of it (``qualification`` in the project's settings). Each try draws items the
person has not had, from a pool larger than one try. An item counts as right when every question of it is right, so that items are independent and
the lower bound is honest. What was wrong, what is right and why is told when the try is over, never before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, null, select, update

from pilotage.core import MICROSECONDS, Conflict, InputError, NotFound, Refused, new_id, parse_duration
from pilotage.core.clock import iso
from pilotage.evidence import wilson
from pilotage.judging import Rater, ensure_rater
from pilotage.ledger import record
from pilotage.review.arms import draw
from pilotage.review.measuring.known import Known, in_force, put_known
from pilotage.review.measuring.tables import review_exam, review_exam_task, review_exam_try
from pilotage.review.measuring.telling import Feedback, tell
from pilotage.review.rows import check_person, load_assignment, load_task, move, set_assignment
from pilotage.review.serving import load_claimed, serve
from pilotage.review.skills import grant_skill
from pilotage.review.tables import review_assignment, review_author, review_skill, review_task
from pilotage.review.task import Claimed
from pilotage.store import Workspace, WriteTransaction

LEVEL = 0.90  # two-sided, so the lower bound errs once in twenty
TIME_S = 24 * 3600
MOST_PEOPLE = 10_000
E, T = review_exam.c, review_exam_try.c


@dataclass(frozen=True)
class Exam:
    """An exam: the skill it gives, and its terms (``items`` a try, ``pass_at``, ``judged_by`` rate or lower, ``tries``, ``wait``, ``valid_for``)."""

    id: str
    project: str
    guideline_id: str
    skill: str
    terms: dict[str, Any]
    pool: int

    def __str__(self) -> str:
        judged = "the lower bound of the share right" if self.terms["judged_by"] == "lower" else "the share right"
        return (
            f"exam for '{self.skill}': {self.terms['items']} of {self.pool} items, passed where {judged} reaches {self.terms['pass_at']:g}, "
            f"{self.terms['tries']} tries"
        )


@dataclass(frozen=True)
class ExamResult:
    """How a try ended. ``mistakes`` are the questions answered wrongly, with what is right and why; ``unanswered`` items count as wrong.

    ``rate`` and ``lower``: the share of items right and its one-sided 95 % lower bound. ``again_at``: when the next try may begin (µs, UTC), None if
    passed or if there is no further try.
    """

    exam_id: str
    login: str
    number: int
    passed: bool
    right: int
    n: int
    rate: float
    lower: float
    unanswered: int
    mistakes: tuple[Feedback, ...]
    again_at: int | None

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "not passed"
        again = f"; the next try may begin {iso(self.again_at)}" if self.again_at else ""
        return f"{self.login}, try {self.number}: {verdict}, {self.right} of {self.n} right (lower bound {self.lower:.3f}){again}"


def open_exam(workspace: Workspace, project: str, items: Iterable[Known]) -> Exam:
    """Make the exam of the project's guideline in force, on the terms of its settings, and close the one before it.

    Raises
    ------
    InputError
        If the settings declare no qualification, or the pool is smaller than one try.
    """
    given = list(items)

    def job(tx: WriteTransaction) -> Exam:
        terms = in_force(tx.conn, tx.workspace_id, project)
        declared = terms.settings.qualification
        if declared is None:
            raise InputError("The project asks for no qualification.", where=f"project '{project}'", mend="declare 'qualification:' with its skill")
        if len(given) < declared.items:
            raise InputError(
                f"A pool of {len(given)} items is too small for an exam of {declared.items}.", mend="hand in more; each try draws new ones"
            )
        tx.conn.execute(update(review_exam).where(E.workspace_id == tx.workspace_id, E.project == project, E.state == "open").values(state="closed"))
        made, plain = new_id("exm", clock=tx.clock), declared.model_dump(mode="json")
        row = {"id": made, "project": project, "guideline_id": terms.guideline_id, "skill": declared.skill, "terms": plain, "state": "open"}
        tx.insert(review_exam, row)
        ids = list(dict.fromkeys(put_known(tx, project, given, purpose="qualification", most=MOST_PEOPLE)))
        tx.insert(review_exam_task, *({"exam_id": made, "task_id": task_id} for task_id in ids))
        record(tx, type="exam.opened", subject=made, body={"project": project, "guideline": terms.guideline_id, "terms": plain, "pool": len(ids)})
        return Exam(made, project, terms.guideline_id, declared.skill, plain, len(ids))

    return workspace.write(job)


def current_exam(workspace: Workspace, project: str) -> Exam:
    """The project's open exam. Raises ``NotFound``."""
    with workspace.read() as conn:
        return find_exam(conn, workspace.id, project)


def begin_exam(workspace: Workspace, project: str, rater: Rater) -> list[Claimed]:
    """Start a try, or go on with the one that runs: the items not yet answered. They are answered like any other.

    Raises
    ------
    Refused
        If the person has no try left, must wait, or has had every item of the pool.
    Conflict
        If they hold the skill already.
    """
    check_person(rater)

    def job(tx: WriteTransaction) -> list[Claimed]:
        ensure_rater(tx, rater)
        exam = find_exam(tx.conn, tx.workspace_id, project)
        now = tx.clock.now_us()
        tries = _tries(tx, exam.id, rater.name)
        if tries and tries[-1].state == "running":
            return load_claimed(tx.conn, tx.workspace_id, rater.id, _go_on(tx, tries[-1], rater.id))
        _may_begin(tx, exam, rater.name, tries, now)
        number = len(tries) + 1
        chosen = _draw(tx, project, exam, rater, number)
        until = now + TIME_S * MICROSECONDS
        c = review_task.c
        never = select(review_task, null().label("had"), null().label("mine"))  # each is new to this person
        tasks = tx.conn.execute(never.where(c.workspace_id == tx.workspace_id, c.id.in_(chosen))).mappings().all()
        serve(tx, in_force(tx.conn, tx.workspace_id, project), rater, tasks, until=until, holder="exam")
        made = new_id("try", clock=tx.clock)
        tx.insert(
            review_exam_try,
            {"id": made, "exam_id": exam.id, "login": rater.name, "number": number, "tasks": chosen, "state": "running", "until": until},
        )
        record(tx, type="exam.begun", subject=exam.id, body={"try": number}, actor=rater.name)
        return load_claimed(tx.conn, tx.workspace_id, rater.id, chosen)

    return workspace.write(job)


def finish_exam(workspace: Workspace, project: str, rater: Rater, *, give_up: bool = False) -> ExamResult:
    """End the running try and say how it went; passing gives the skill.

    Parameters
    ----------
    give_up
        End it although items are unanswered; they count as wrong. A try whose time is over ends so anyway.

    Raises
    ------
    NotFound
        If no try runs.
    Conflict
        If items are unanswered and there is time left.
    """

    def job(tx: WriteTransaction) -> ExamResult:
        exam = find_exam(tx.conn, tx.workspace_id, project)
        tries = _tries(tx, exam.id, rater.name)
        if not tries or tries[-1].state != "running":
            raise NotFound("No try of this exam runs.", where=f"project '{project}'", mend="begin one")
        running = tries[-1]
        left = _unanswered(tx, running.tasks, rater.id)
        now = tx.clock.now_us()
        if left and not give_up and now < running.until:
            raise Conflict(f"{len(left)} items are not answered yet.", mend="answer them, or give up")
        for task_id in left:
            found = load_assignment(tx.conn, tx.workspace_id, task_id, rater.id)
            held = found is not None and found["state"] == "claimed"
            set_assignment(tx, task_id, rater.id, state="skipped")
            move(tx, load_task(tx.conn, tx.workspace_id, task_id), claims=-1 if held else 0)
        told = tell(tx, project, "qualification", [task_id for task_id in running.tasks if task_id not in left], rater)
        wrong_items = {each.task_id for each in told if not each.was_right}
        n = len(running.tasks)
        right = len({each.task_id for each in told} - wrong_items)
        lower = wilson(right, n, level=LEVEL).lower
        passed = (lower if exam.terms["judged_by"] == "lower" else right / n) >= exam.terms["pass_at"]
        tx.conn.execute(
            update(review_exam_try)
            .where(T.workspace_id == tx.workspace_id, T.id == running.id)
            .values(state="passed" if passed else "failed", ended_at=now, right=right, n=n, rate=right / n, lower=lower)
        )
        body = {"exam": exam.id, "try": running.number, "right": right, "n": n, "skill": exam.skill, "guideline": exam.guideline_id}
        record(tx, type="exam.passed" if passed else "exam.failed", subject=exam.id, body=body, actor=rater.name)
        if passed:
            _give_skill(tx, exam, rater.name, now)
        again = None if passed or running.number >= exam.terms["tries"] else now + parse_duration(exam.terms["wait"])
        mistakes = tuple(each for each in told if not each.was_right)
        return ExamResult(exam.id, rater.name, running.number, passed, right, n, right / n, lower, len(left), mistakes, again)

    return workspace.write(job)


def _go_on(tx: WriteTransaction, running: Any, rater_id: str) -> list[str]:
    """The try's items that are not answered, in the person's hands again where they skipped them or gave them back."""
    left = _unanswered(tx, running.tasks, rater_id)
    for task_id in left:
        found = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if found is not None and found["state"] != "claimed":
            set_assignment(tx, task_id, rater_id, state="claimed", expires_at=running.until, holder="exam")
            move(tx, load_task(tx.conn, tx.workspace_id, task_id), claims=1)
    return left


def find_exam(conn: Connection, workspace_id: str, project: str) -> Exam:
    """As :func:`current_exam`, on a connection that is already open."""
    row = conn.execute(select(review_exam).where(E.workspace_id == workspace_id, E.project == project, E.state == "open")).first()
    if row is None:
        raise NotFound(f"The project '{project}' has no exam.", mend="open one with items whose answers are known")
    t = review_exam_task.c
    pool = conn.execute(select(t.task_id).where(t.workspace_id == workspace_id, t.exam_id == row.id)).all()
    return Exam(row.id, project, row.guideline_id, row.skill, row.terms, len(pool))


def _tries(tx: WriteTransaction, exam_id: str, login: str) -> list[Any]:
    where = (T.workspace_id == tx.workspace_id, T.exam_id == exam_id, T.login == login)
    return list(tx.conn.execute(select(review_exam_try).where(*where).order_by(T.number)))


def _may_begin(tx: WriteTransaction, exam: Exam, login: str, tries: list[Any], now: int) -> None:
    s = review_skill.c
    held = tx.conn.execute(select(s.expires_at).where(s.workspace_id == tx.workspace_id, s.login == login, s.skill == exam.skill)).first()
    passed = bool(tries) and tries[-1].state == "passed"
    if held is not None and (held.expires_at is None or held.expires_at > now) and passed:
        raise Conflict(f"You hold the skill '{exam.skill}' already.", mend="nothing: go on to the work")
    failed = [each for each in tries if each.state == "failed"]
    if len(failed) >= exam.terms["tries"]:
        raise Refused(f"All {exam.terms['tries']} tries of this exam are used.", why="the project allows no more", mend="ask who leads the project")
    again = failed[-1].ended_at + parse_duration(exam.terms["wait"]) if failed else 0
    if now < again:
        raise Refused(f"The next try may begin {iso(again)}.", why="the project asks people to wait between tries")


def _draw(tx: WriteTransaction, project: str, exam: Exam, rater: Rater, number: int) -> list[str]:
    """The items of a try: an order that the project's secret salt fixes, so that nobody chooses and nobody can foresee."""
    t, a, author = review_exam_task.c, review_assignment.c, review_author.c
    pool = set(tx.conn.execute(select(t.task_id).where(t.workspace_id == tx.workspace_id, t.exam_id == exam.id)).scalars())
    had = select(a.task_id).where(a.workspace_id == tx.workspace_id, a.rater_id == rater.id, a.queue == project)
    own = select(author.task_id).where(author.workspace_id == tx.workspace_id, author.login == rater.name)
    pool -= {*tx.conn.execute(had).scalars(), *tx.conn.execute(own).scalars()}
    if len(pool) < exam.terms["items"]:
        raise Refused(
            f"Only {len(pool)} items of the exam are left that you have not had; a try needs {exam.terms['items']}.",
            why="what you were told the answer of would measure nothing",
            mend="ask who leads the project to enlarge the pool",
        )
    salt = in_force(tx.conn, tx.workspace_id, project).salt
    return sorted(pool, key=lambda task_id: draw(salt, "exam", rater.name, str(number), task_id))[: exam.terms["items"]]


def _unanswered(tx: WriteTransaction, tasks: list[str], rater_id: str) -> list[str]:
    a = review_assignment.c
    where = (a.workspace_id == tx.workspace_id, a.rater_id == rater_id, a.task_id.in_(tasks), a.state == "answered")
    answered = set(tx.conn.execute(select(a.task_id).where(*where)).scalars())
    return [task_id for task_id in tasks if task_id not in answered]


def _give_skill(tx: WriteTransaction, exam: Exam, login: str, now: int) -> None:
    valid = exam.terms.get("valid_for")
    grant_skill(tx, login, exam.skill, source="exam", expires_at=now + parse_duration(valid) if valid else None, by=exam.id)
