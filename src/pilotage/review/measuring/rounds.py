"""Calibration rounds: a new guideline is practised before work is served under it.

Each person answers some items whose answers are known and is told after each what is right and why (:func:`.telling.feedback`). Until then
:func:`.standing_of.must_calibrate` says so, and the claim serves nothing else. :func:`round_report` says whether the guideline helped: agreement
before and after, and who got what wrong.

An item somebody has judged before is not among those they practise on: their answer here would take the place of the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select, update

from pilotage.core import Conflict, InputError, NotFound, content_id
from pilotage.judging.rubric import find_rubric
from pilotage.ledger import record
from pilotage.review.measuring.accuracy import Accuracy, accuracy
from pilotage.review.measuring.agreement import Change, agreement_change
from pilotage.review.measuring.known import Known, in_force, known_answers, put_known
from pilotage.review.measuring.matching import COMPARABLE, score
from pilotage.review.measuring.tables import review_round, review_round_task
from pilotage.review.projects import guideline_versions
from pilotage.review.rows import load_task, move
from pilotage.store import Workspace, WriteTransaction

MOST_PEOPLE = 10_000


@dataclass(frozen=True)
class CalibrationRound:
    """A guideline's round: each person answers ``needed`` of its ``tasks``."""

    id: str
    project: str
    guideline_id: str
    needed: int
    tasks: int
    state: str


@dataclass(frozen=True)
class Practised:
    """One person in a round: how many items they answered, and how many questions of them right."""

    login: str
    answered: int
    needed: int
    accuracy: Accuracy

    @property
    def done(self) -> bool:
        """Whether they may be served work."""
        return self.answered >= self.needed


@dataclass(frozen=True)
class RoundReport:
    """What a round did. ``changes``: agreement of work before and under the guideline, per question; ``people``: who practised, by login."""

    round: CalibrationRound
    people: tuple[Practised, ...]
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        head = f"{sum(each.done for each in self.people)} of {len(self.people)} people done, {self.round.needed} items each"
        return "\n".join([head, *(str(change) for change in self.changes)])


def open_round(workspace: Workspace, project: str, items: Iterable[Known], *, needed: int | None = None) -> CalibrationRound:
    """Begin the calibration round of the project's guideline in force, and close the round before it.

    Parameters
    ----------
    items
        What people practise on: at least ``needed`` items, whose answers everybody who practises will know afterwards. Never gold that stays in use.
    needed
        How many each person answers; left out: the project's ``calibration_round.items``, else all.

    Raises
    ------
    Conflict
        If the guideline has had its round.
    InputError
        If there are fewer items than each person needs, or an item stands as gold.
    """
    given = list(items)

    def job(tx: WriteTransaction) -> CalibrationRound:
        terms = in_force(tx.conn, tx.workspace_id, project)
        declared = terms.settings.calibration_round
        each = needed if needed is not None else declared.items if declared is not None else len(given)
        if not 1 <= each <= len(given):
            raise InputError(f"{len(given)} items cannot give each person {each} to practise on.", mend="hand in more items, or ask for fewer")
        r = review_round.c
        same = (r.workspace_id == tx.workspace_id, r.project == project)
        if tx.conn.execute(select(r.id).where(*same, r.guideline_id == terms.guideline_id)).first() is not None:
            raise Conflict("This guideline has had its calibration round.", where=f"project '{project}'", mend="open one for the next guideline")
        _close(tx, project)
        made = content_id("rnd", {"project": project, "guideline": terms.guideline_id})
        tx.insert(review_round, {"id": made, "project": project, "guideline_id": terms.guideline_id, "needed": each, "state": "open"})
        ids = put_known(tx, project, given, purpose="calibration", most=MOST_PEOPLE)
        if len(set(ids)) < len(ids):
            raise InputError("An item is in the round twice.", mend="hand in each item once")
        tx.insert(review_round_task, *({"round_id": made, "task_id": task_id} for task_id in ids))
        record(tx, type="round.opened", subject=made, body={"project": project, "guideline": terms.guideline_id, "items": len(ids), "needed": each})
        return CalibrationRound(made, project, terms.guideline_id, each, len(ids), "open")

    return workspace.write(job)


def close_round(workspace: Workspace, project: str) -> int:
    """End the project's open round: nobody need practise any more. Returns how many were open (0 or 1)."""
    return workspace.write(lambda tx: _close(tx, project))


def _close(tx: WriteTransaction, project: str) -> int:
    r, rt = review_round.c, review_round_task.c
    found = tx.conn.execute(select(r.id).where(r.workspace_id == tx.workspace_id, r.project == project, r.state == "open")).scalars().all()
    for round_id in found:
        tx.conn.execute(update(review_round).where(r.workspace_id == tx.workspace_id, r.id == round_id).values(state="closed"))
        tasks = tx.conn.execute(select(rt.task_id).where(rt.workspace_id == tx.workspace_id, rt.round_id == round_id)).scalars().all()
        for task_id in tasks:
            task = load_task(tx.conn, tx.workspace_id, task_id)
            # What somebody holds they may still answer; the rest is not served any more.
            if task["state"] == "open" and not task["claims"]:
                move(tx, task, state="withdrawn")
        record(tx, type="round.closed", subject=round_id, body={"project": project})
    return len(found)


def current_round(workspace: Workspace, project: str) -> CalibrationRound:
    """The newest round of the project. Raises ``NotFound`` if there was none."""
    r, rt = review_round.c, review_round_task.c
    with workspace.read() as conn:
        row = conn.execute(
            select(review_round).where(r.workspace_id == workspace.id, r.project == project).order_by(r.created_at.desc(), r.id).limit(1)
        ).first()
        if row is None:
            raise NotFound(f"The project '{project}' has had no calibration round.", mend="open one with items whose answers are known")
        tasks = conn.execute(select(rt.task_id).where(rt.workspace_id == workspace.id, rt.round_id == row.id)).all()
    return CalibrationRound(row.id, project, row.guideline_id, row.needed, len(tasks), row.state)


def round_report(workspace: Workspace, project: str) -> RoundReport:
    """Who practised how well in the newest round, and agreement before and after its guideline. Cost: one pass over the project's judgements."""
    found = current_round(workspace, project)
    rt = review_round_task.c
    with workspace.read() as conn:
        tasks = list(conn.execute(select(rt.task_id).where(rt.workspace_id == workspace.id, rt.round_id == found.id)).scalars())
        answers = known_answers(conn, workspace.id, project, purposes=("calibration",), task_ids=tasks)
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
    asked = {question.name: question for question in rubric.questions}
    people: list[Practised] = []
    for login in sorted({answer.login for answer in answers}):
        mine = [answer for answer in answers if answer.login == login and not answer.abstained and answer.question in asked]
        scores = [score(asked[answer.question], answer.value, answer.right) for answer in mine]
        people.append(
            Practised(login, len({answer.task_id for answer in mine}), found.needed, accuracy(scores, login=login, question="all of the round"))
        )
    before = [version.id for version in guideline_versions(workspace, project)]
    earlier = before[: before.index(found.guideline_id)]
    changes = [
        agreement_change(workspace, project, question.name, before=earlier[-1], after=found.guideline_id)
        for question in rubric.questions
        if earlier and question.kind in COMPARABLE
    ]
    return RoundReport(found, tuple(people), tuple(changes))
