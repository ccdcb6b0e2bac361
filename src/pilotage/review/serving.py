"""What a person is shown of a task: drawn when it is served, kept in the assignment, and told without saying why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from pilotage.judging import Rater, Rubric
from pilotage.judging.answers import at_path, candidate_ids
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload
from pilotage.ledger import record
from pilotage.review.arms import ANSWER_FIRST, SEEDED, SHOWN, WITHHELD, arm_of, order_of, sides_of
from pilotage.review.measuring.standing_of import adjudication_context
from pilotage.review.new_task import rank
from pilotage.review.projects.project import Terms, find_terms
from pilotage.review.questions import asked_of, payload_for, rubric_of
from pilotage.review.rows import A, T, set_assignment
from pilotage.review.sealing import seal_of_serving
from pilotage.review.tables import review_assignment, review_guideline, review_seed, review_task, suggestion
from pilotage.review.task import Claimed, SuggestedBy
from pilotage.store import Ready, Row, RowLike, WriteTransaction

# What the machine said stands in some payloads too. Who is not to see it must not see it there.
_SAID_IN_PAYLOAD = ("verdict", "proposed_correction")
_BEHIND_A_SIDE = ("model", "model_version")


@dataclass(frozen=True)
class Showing:
    """What one person is shown of one task, and the arm it belongs to; ``arm`` is None where there was nothing to show."""

    arm: str | None
    shown: dict[str, Any] | None
    sides: str | None
    order: dict[str, list[str]] | None = None  # of each ranking question: its candidates, from the top


def serve(tx: WriteTransaction, terms: Terms | None, rater: Rater, tasks: Sequence[RowLike], *, until: int, holder: str) -> list[str]:
    """Write the claims on ``tasks`` for this person and return the tasks' ids. One entry in the ledger says what was served."""
    if not tasks:
        return []
    ids = [task["id"] for task in tasks]
    now = tx.clock.now_us()
    claim = {"state": "claimed", "expires_at": until, "holder": holder}
    rows, told = [], []
    arms: dict[str, str | None] = {}
    showings = _draw(tx, terms, rater, tasks)
    for task in tasks:
        showing = showings[task["id"]]
        fresh = {
            "served_at": now,
            "arm": showing.arm,
            "shown": showing.shown,
            "sides": showing.sides,
            "served_order": showing.order,
            "guideline_id": terms.guideline_id if terms is not None else None,
        }
        if task["mine"] is None:
            rows.append({"task_id": task["id"], "rater_id": rater.id, "queue": task["queue"], **claim, **fresh})
        else:  # what was shown once stays what was shown
            set_assignment(tx, task["id"], rater.id, **(claim if task["had"] is not None else {**claim, **fresh}))
            if task["had"] is not None:
                where = (A.workspace_id == tx.workspace_id, A.task_id == task["id"], A.rater_id == rater.id)
                showing = Showing(*tx.conn.execute(select(A.arm, A.shown, A.sides).where(*where)).one())
        arms[task["id"]] = showing.arm
        # Who may read the ledger must not find the planted ones there.
        how = {"arm": showing.arm} if terms is None else {"seal": _seal(terms.salt, task["id"], rater, showing)}
        told.append({"task": task["id"], "item": task["item_id"], **how})
    tx.insert(review_assignment, *rows)
    # A planted suggestion is about the person, so it takes nobody's place: not now, not with the answer, not when that is taken back.
    if places := [task_id for task_id in ids if arms[task_id] != SEEDED]:
        _taking().run(tx.conn, {"workspace": tx.workspace_id, "ids": places})
    body: dict[str, Any] = {"tasks": told}
    if terms is not None:
        body |= {"project": terms.number, "guideline": terms.guideline_id}
    record(tx, type="review.served", subject=tasks[0]["queue"], body=body, actor=rater.name)
    return ids


@lru_cache
def _taking() -> Ready:
    return Ready(
        update(review_task).where(T.workspace_id == bindparam("workspace"), T.id.in_(bindparam("ids", expanding=True))).values(claims=T.claims + 1)
    )


def _seal(salt: str, task_id: str, rater: Rater, showing: Showing) -> str:
    return seal_of_serving(salt, task=task_id, login=rater.name, arm=showing.arm, shown=showing.shown)


def _draw(tx: WriteTransaction, terms: Terms | None, rater: Rater, tasks: Sequence[RowLike]) -> dict[str, Showing]:
    if terms is None:
        return {
            task["id"]: Showing(SHOWN if task["suggestion"] else None, task["suggestion"], *_places(tx.conn, tx.workspace_id, task, "", rater))
            for task in tasks
        }
    settings, salt = terms.settings, terms.salt
    drawn = {task["id"]: arm_of(salt, rater.name, task["item_id"], settings.arms) for task in tasks}
    planted: dict[str, dict[str, Any]] = {}
    if settings.arms.seeded:
        c = review_seed.c
        ids = [task_id for task_id, arm in drawn.items() if arm == SEEDED]
        planted = {
            row.task_id: row.planted
            for row in tx.conn.execute(select(c.task_id, c.planted).where(c.workspace_id == tx.workspace_id, c.task_id.in_(ids)))
        }
    showings = {}
    for task in tasks:
        arm: str | None = drawn[task["id"]]
        shown = task["suggestion"]
        if arm == SEEDED and task["id"] in planted:
            shown = {**(shown or {}), **planted[task["id"]]}
        elif not shown:
            arm, shown = None, None
        elif arm == WITHHELD:
            shown = None
        elif arm == ANSWER_FIRST or settings.countermeasures.answer_first:
            arm = ANSWER_FIRST
        else:
            arm = SHOWN
        showings[task["id"]] = Showing(arm, shown, *_places(tx.conn, tx.workspace_id, task, salt, rater))
    return showings


def _places(conn: Connection, workspace_id: str, task: RowLike, salt: str, rater: Rater) -> tuple[str | None, dict[str, list[str]] | None]:
    """Where the sides of a pair stand, and in which order the candidates of rankings do. The payload is read for rankings only."""
    rubric = rubric_of(conn, workspace_id, task["rubric_id"])
    asked = asked_of(rubric, task["asks"])
    questions = [question for question in rubric.questions if question.name in asked]
    sides = sides_of(salt, rater.name, task["item_id"]) if any(question.kind == "pair" for question in questions) else None
    rankings = [question for question in questions if question.kind == "ranking"]
    if not rankings:
        return sides, None
    payload = payload_for(conn, workspace_id, rubric, task["item_id"])
    ids = {question.name: candidate_ids(at_path(payload, question.about)) or [] for question in rankings}
    return sides, {name: order_of(salt, rater.name, task["item_id"], each) for name, each in ids.items()}


def seen_by(task: Any, assignment: Any) -> dict[str, Any] | None:
    """The suggestion this person sees by now: none before they committed, where they answer first."""
    if assignment["served_at"] is None:  # claimed before what is shown was kept
        shown: dict[str, Any] | None = task["suggestion"]
        return shown
    if assignment["arm"] == ANSWER_FIRST and not assignment["committed"]:
        return None
    seen: dict[str, Any] | None = assignment["shown"]
    return seen


def load_claimed(
    conn: Connection, workspace_id: str, rater_id: str, task_ids: list[str], known: dict[str, Terms | None] | None = None
) -> list[Claimed]:
    """The tasks this person has to do with, with their items' payloads, in the order of ``task_ids``. The one place that reads payloads.

    ``known`` are the terms of queues that were read already.
    """
    if not task_ids:
        return []
    rows = {row["id"]: row for row in _in_hand().rows(conn, {"workspace": workspace_id, "ids": task_ids, "by": rater_id})}
    terms = dict(known or {})
    terms |= {queue: find_terms(conn, workspace_id, queue) for queue in {row["queue"] for row in rows.values()} - terms.keys()}
    by = _suggested_by(conn, workspace_id, [row for row in rows.values() if terms[row["queue"]] is not None], terms)
    return [_claimed(conn, workspace_id, rows[task_id], terms[rows[task_id]["queue"]], by) for task_id in task_ids if task_id in rows]


@lru_cache
def _in_hand() -> Ready:
    i, p, g = item_table.c, item_payload.c, review_guideline.c
    wanted = [
        A[name] for name in ("expires_at", "flagged", "revealed", "served_at", "arm", "shown", "committed", "sides", "served_order", "guideline_id")
    ]
    return Ready(
        select(review_task, A.state.label("mine"), *wanted, i.kind, i.slices, p.payload, g.number.label("guideline_number"))
        .join(review_assignment, (A.workspace_id == T.workspace_id) & (A.task_id == T.id))
        .join(item_table, (i.workspace_id == T.workspace_id) & (i.id == T.item_id))
        .join(item_payload, (p.workspace_id == T.workspace_id) & (p.item_id == T.item_id))
        .outerjoin(review_guideline, (g.workspace_id == A.workspace_id) & (g.id == A.guideline_id))
        .where(T.workspace_id == bindparam("workspace"), T.id.in_(bindparam("ids", expanding=True)), A.rater_id == bindparam("by"))
    )


def _claimed(conn: Connection, workspace_id: str, row: RowLike, terms: Terms | None, by: dict[str, dict[str, SuggestedBy]]) -> Claimed:
    seen = seen_by(row, row)
    answer_first = row["arm"] == ANSWER_FIRST and not row["committed"]
    payload = row["payload"]
    settings = terms.settings if terms is not None else None
    disputed = row["purpose"] == "adjudication"
    # Where errors are planted, nobody sees it: a suggestion whose payload is silent would give the planted ones away.
    planted = settings is not None and settings.arms.seeded > 0
    if row["arm"] in (WITHHELD, SEEDED) or answer_first or planted or disputed:
        payload = {name: value for name, value in payload.items() if name not in _SAID_IN_PAYLOAD} if isinstance(payload, dict) else payload
    rubric = rubric_of(conn, workspace_id, row["rubric_id"])
    asked = asked_of(rubric, row["asks"])
    if any(question.kind == "pair" for question in rubric.questions):
        payload = _blind(payload)
    context = adjudication_context(conn, workspace_id, row["id"]) if disputed else None
    if context is not None:  # what nobody disputes is not asked again
        asked = tuple(name for name in asked if name in context["questions"])
    return Claimed(
        task_id=row["id"],
        queue=row["queue"],
        item_id=row["item_id"],
        rubric_id=row["rubric_id"],
        kind=row["kind"],
        slices=row["slices"],
        payload=payload,
        why=tuple(row["why"]),
        suggestion=seen,
        harmful=bool(row["harmful"]),
        flagged=bool(row["flagged"]),
        revealed=bool(row["revealed"]),
        # In a project known items hide among the work: they have no priority, and were put at another time than what is served beside them.
        priority=row["priority"] if terms is None else 0,
        due_at=row["due_at"] if terms is None else None,
        expires_at=row["expires_at"],
        state=row["mine"],
        questions=asked,
        suggestions_by=tuple(by[row["item_id"]][question] for question in (seen or {}) if question in by.get(row["item_id"], {})),
        answer_first=answer_first,
        evidence_first=settings is not None and settings.countermeasures.evidence_first,
        reason_on_accept=settings is not None and seen is not None and settings.needs_reason(row["slices"]),
        sides=row["sides"],
        served_order=row["served_order"],
        guideline_id=row["guideline_id"],
        guideline_number=row["guideline_number"],
        context=context,
    )


def as_served(payload: Any, rubric: Rubric) -> Any:
    """An item's payload without what a machine said and what stands behind a pair's sides: what anybody who answers may see at any time."""
    if isinstance(payload, dict):
        payload = {name: value for name, value in payload.items() if name not in _SAID_IN_PAYLOAD}
    return _blind(payload) if any(question.kind == "pair" for question in rubric.questions) else payload


def _blind(payload: Any) -> Any:
    """A pair without what its sides come from: who compares judges what was said, not who said it."""
    if not isinstance(payload, dict):
        return payload
    sides = {name: payload[name] for name in ("a", "b") if isinstance(payload.get(name), dict)}
    bare = {name: {key: part for key, part in side.items() if key not in _BEHIND_A_SIDE} for name, side in sides.items()}
    return {**payload, **bare}


@lru_cache
def _suggested() -> Ready:
    s = suggestion.c
    wanted = (s.item_id, s.question, s.model, s.model_version, s.score, s.probability)
    where = (s.workspace_id == bindparam("workspace"), s.item_id.in_(bindparam("ids", expanding=True)))
    return Ready(select(*wanted).where(*where).order_by(s.created_at, s.model, s.model_version))


def _suggested_by(conn: Connection, workspace_id: str, rows: list[RowLike], terms: dict[str, Terms | None]) -> dict[str, dict[str, SuggestedBy]]:
    """Who suggests what is shown, by item and question. A planted suggestion has the same source as the one it stands for."""
    if not any(seen_by(row, row) for row in rows):
        return {}
    hidden = {row["item_id"] for row in rows if (found := terms[row["queue"]]) is not None and found.settings.countermeasures.hide_confidence}
    best: dict[str, dict[str, Row]] = {}
    for said in _suggested().rows(conn, {"workspace": workspace_id, "ids": [row["item_id"] for row in rows]}):
        of_item = best.setdefault(said["item_id"], {})
        standing = of_item.get(said["question"])
        if standing is None or rank(said["probability"], said["score"]) > rank(standing["probability"], standing["score"]):
            of_item[said["question"]] = said
    return {
        item_id: {
            question: SuggestedBy(
                question,
                said["model"],
                said["model_version"],
                score=None if item_id in hidden else said["score"],
                probability=None if item_id in hidden else said["probability"],
            )
            for question, said in of_item.items()
        }
        for item_id, of_item in best.items()
    }
