"""Judgements: one rater, one item, one question, one value, under one rubric version. Append-only.

A changed mind is a new judgement that supersedes the old one; taking an answer back is one that abstains. The database holds the law: one chain per
rater, item, question and rubric, each judgement superseded at most once. What a person says goes into the ledger in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, exists, select

from pilotage.core import Conflict, InputError, NotFound, content_id
from pilotage.judging.item import CHUNK
from pilotage.judging.question import FREE_TEXT
from pilotage.judging.rater import RaterKind
from pilotage.judging.rubric import Rubric, find_rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import judgement as judgement_table
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

ABOUT_ITEMS = ("work", "adjudication", "audit")
ABOUT_RATERS = ("gold", "qualification", "calibration", "seeded")


@dataclass(frozen=True)
class Judgement:
    """What one rater said of one item.

    value
        The answer; None where ``abstained``.
    confidence
        How sure the rater said it was, 0 to 1. Not calibrated unless something says so.
    suggestion, arm
        What the rater was shown as a proposal, and the arm of the experiment the showing belonged to.
    active_ms
        Milliseconds the person worked on it, idle time taken out.
    idempotency_key
        The same key again is the same judgement. Left out: the same answer by the same rater again is.
    supersedes
        The judgement this one replaces. Left out: the rater's current one, if there is one.
    first_key_ms
        Milliseconds from the first sight of the item to the first key.
    sides
        ``ab`` or ``ba``: which of a pair stood on the left.
    served_order
        The ids of a ranking's candidates as they stood before the rater, from the top; None where they stood as in the item.
    guideline_id
        The project's guideline in force.
    purpose
        What the answer was asked for. Only those of :data:`ABOUT_ITEMS` say something about the item; ``gold``, ``qualification``, ``calibration``
        and ``seeded`` say something about the rater, and are left out of :func:`judgements` unless they are asked for.
    rater_kind, id, created_at
        Filled when read from the workspace.
    """

    item_id: str
    question: str
    rater_id: str
    rubric_id: str
    value: Any = None
    abstained: bool = False
    confidence: float | None = None
    reason: str | None = None
    suggestion: Any = None
    arm: str | None = None
    active_ms: int | None = None
    first_key_ms: int | None = None
    sides: str | None = None
    served_order: list[str] | None = None
    guideline_id: str | None = None
    purpose: str = "work"
    idempotency_key: str = ""
    supersedes: str | None = None
    id: str = ""
    created_at: int = 0
    rater_kind: str = ""

    def said(self) -> dict[str, Any]:
        """What was said, without when: two judgements that say the same are equal here."""
        return {
            "item": self.item_id,
            "question": self.question,
            "rater": self.rater_id,
            "rubric": self.rubric_id,
            "value": self.value,
            "abstained": self.abstained,
        }


def add_judgement(tx: WriteTransaction, judgement: Judgement) -> str:
    """Write ``judgement`` and return its id; see :func:`add_judgements`."""
    return add_judgements(tx, [judgement])[0]


Seal = Callable[[Judgement, str], dict[str, Any]]


def add_judgements(tx: WriteTransaction, judgements: Iterable[Judgement], *, seal: Seal | None = None) -> list[str]:
    """Write each judgement once and return their ids. All or none.

    Parameters
    ----------
    seal
        From a judgement and its id: what its ledger entry says in place of the suggestion and the arm, where who reads the ledger must not learn
        them. None: they stand there in words.

    Raises
    ------
    InputError
        If the question is not asked by the rubric, the value does not answer it, or a number is out of range.
    NotFound
        If the item, the rater or the rubric is not known.
    Conflict
        If the idempotency key was used for another answer, or ``supersedes`` names a judgement that is not the rater's current one.

    Cost: some four look-ups for every 500 judgements, and one insert for them all.
    """
    wanted = list(judgements)
    rubrics = {rubric_id: find_rubric(tx.conn, rubric_id, workspace_id=tx.workspace_id) for rubric_id in {j.rubric_id for j in wanted}}
    raters = _known_raters(tx, {j.rater_id for j in wanted})
    _require_items(tx, {j.item_id for j in wanted})
    standing = _Standing.before(tx, wanted)
    rows: list[dict[str, Any]] = []
    ids = [_add(tx, judgement, rubrics[judgement.rubric_id], raters, standing, rows, seal) for judgement in wanted]
    tx.insert(judgement_table, *rows)
    return ids


_Chain = tuple[str, str, str, str]


class _Standing:
    """What stood before a batch, and what the batch added since: by idempotency key, and the current judgement of each chain."""

    def __init__(self) -> None:
        self.by_key: dict[str, Judgement] = {}
        self.current: dict[_Chain, Judgement] = {}

    @classmethod
    def before(cls, tx: WriteTransaction, wanted: list[Judgement]) -> _Standing:
        made = cls()
        t = judgement_table
        keys = sorted({judgement.idempotency_key for judgement in wanted if judgement.idempotency_key})
        items = sorted({judgement.item_id for judgement in wanted})
        raters = {judgement.rater_id for judgement in wanted}
        of_raters = [t.c.rater_id.in_(sorted(raters))] if len(raters) <= CHUNK else []
        for start in range(0, len(keys), CHUNK):
            for found in _read(tx, t.c.idempotency_key.in_(keys[start : start + CHUNK])):
                made.by_key[found.idempotency_key] = found
        for start in range(0, len(items), CHUNK):
            for found in _read(tx, t.c.item_id.in_(items[start : start + CHUNK]), *of_raters, ~_superseded()):
                made.current[_chain(found)] = found
        return made

    def add(self, judgement: Judgement) -> None:
        self.by_key[judgement.idempotency_key] = judgement
        self.current[_chain(judgement)] = judgement


def _chain(judgement: Judgement) -> _Chain:
    return judgement.item_id, judgement.question, judgement.rater_id, judgement.rubric_id


def _add(
    tx: WriteTransaction,
    given: Judgement,
    rubric: Rubric,
    raters: dict[str, tuple[str, str]],
    standing: _Standing,
    rows: list[dict[str, Any]],
    seal: Seal | None,
) -> str:
    given = _checked(given, rubric)
    if given.idempotency_key:
        earlier = standing.by_key.get(given.idempotency_key)
        if earlier is not None:
            if earlier.said() != given.said():
                raise Conflict(
                    "This answer's key was already used for another answer.",
                    where=f"idempotency key '{given.idempotency_key}', judgement {earlier.id}",
                    why="sending one answer twice must not change it",
                    mend="give a changed answer a new key",
                )
            return earlier.id
    current = standing.current.get(_chain(given))
    if given.supersedes is not None and (current is None or current.id != given.supersedes):
        raise Conflict(
            "The judgement this one replaces is not the rater's current one.",
            where=f"item {given.item_id} question '{given.question}'",
            mend="read the current judgement and decide again",
        )
    if not given.idempotency_key and current is not None and current.said() == given.said():
        return current.id
    settled = replace(given, supersedes=current.id if current else None)
    if not settled.idempotency_key:
        settled = replace(settled, idempotency_key=content_id("auto", {**settled.said(), "after": settled.supersedes or ""}))
    made = content_id("jdg", {**settled.said(), "key": settled.idempotency_key, "supersedes": settled.supersedes or ""})
    kind, login = raters[settled.rater_id]
    person = kind == RaterKind.PERSON
    rows.append({**tx.stamp(actor=login if person else None), **_row(settled, made)})
    standing.add(replace(settled, id=made))
    if person:
        shown = seal(settled, made) if seal is not None else {"suggestion": settled.suggestion, "arm": settled.arm}
        _record(tx, settled, made, shown, kind_of_question=rubric.question(settled.question).kind, login=login)
    return made


def _checked(given: Judgement, rubric: Rubric) -> Judgement:
    """The judgement with its value as it is kept, so that two who said the same are equal."""
    question = rubric.question(given.question)
    if given.abstained:
        if given.value is not None:
            raise InputError("An abstention has no value.", where=f"question '{given.question}'", mend="leave the value out, or do not abstain")
        if not given.reason:
            raise InputError("An abstention must say why.", where=f"question '{given.question}' field 'reason'", mend="give a reason")
    else:
        given = replace(given, value=question.check(given.value))
    if given.confidence is not None and not 0 <= given.confidence <= 1:
        raise InputError(f"A confidence of {given.confidence} is not between 0 and 1.", where=f"question '{given.question}' field 'confidence'")
    if given.purpose not in (*ABOUT_ITEMS, *ABOUT_RATERS):
        raise InputError(f"'{given.purpose}' is no purpose of an answer.", mend=f"use one of: {', '.join((*ABOUT_ITEMS, *ABOUT_RATERS))}")
    if given.active_ms is not None and given.active_ms < 0:
        raise InputError("Time worked cannot be negative.", where=f"question '{given.question}' field 'active_ms'")
    return given


def _row(judgement: Judgement, made: str) -> dict[str, Any]:
    return {
        "id": made,
        "item_id": judgement.item_id,
        "question": judgement.question,
        "rater_id": judgement.rater_id,
        "rubric_id": judgement.rubric_id,
        "value": judgement.value,
        "abstained": int(judgement.abstained),
        "confidence": judgement.confidence,
        "reason": judgement.reason,
        "supersedes": judgement.supersedes or "",
        "suggestion": judgement.suggestion,
        "arm": judgement.arm,
        "active_ms": judgement.active_ms,
        "first_key_ms": judgement.first_key_ms,
        "sides": judgement.sides,
        "served_order": judgement.served_order,
        "guideline_id": judgement.guideline_id,
        "purpose": judgement.purpose,
        "idempotency_key": judgement.idempotency_key,
    }


def _record(tx: WriteTransaction, judgement: Judgement, made: str, shown: dict[str, Any], *, kind_of_question: str, login: str) -> None:
    """Free text may hold personal data, so it is committed to apart, where it can be erased; every other answer is in the entry itself."""
    free_text = kind_of_question in FREE_TEXT
    body = {
        "judgement": made,
        "item": judgement.item_id,
        "question": judgement.question,
        "rubric": judgement.rubric_id,
        "value": None if free_text else judgement.value,
        "abstained": judgement.abstained,
        **shown,
        "supersedes": judgement.supersedes,
    }
    personal: dict[str, Any] = {}
    if free_text and judgement.value is not None:
        personal["value"] = judgement.value
    if judgement.reason:
        personal["reason"] = judgement.reason
    record(tx, type="judgement.made", subject=judgement.item_id, body=body, actor=login, personal=personal or None)


def _known_raters(tx: WriteTransaction, ids: set[str]) -> dict[str, tuple[str, str]]:
    t = rater_table
    rows = tx.conn.execute(select(t.c.id, t.c.kind, t.c.name).where(t.c.workspace_id == tx.workspace_id, t.c.id.in_(sorted(ids))))
    known = {row.id: (row.kind, row.name) for row in rows}
    for missing in sorted(ids - set(known)):
        raise NotFound(f"There is no rater {missing}.", mend="call ensure_rater first")
    return known


def _require_items(tx: WriteTransaction, ids: set[str]) -> None:
    t, ordered = item_table, sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        part = ordered[start : start + CHUNK]
        known = set(tx.conn.execute(select(t.c.id).where(t.c.workspace_id == tx.workspace_id, t.c.id.in_(part))).scalars())
        for missing in part:
            if missing not in known:
                raise NotFound(f"There is no item {missing}.", mend="call put_item first")


def _superseded() -> Any:
    t, later = judgement_table, judgement_table.alias("later")
    same = [later.c[name] == t.c[name] for name in ("workspace_id", "item_id", "question", "rater_id", "rubric_id")]
    return exists().where(*same, later.c.supersedes == t.c.id)


def _read(tx: WriteTransaction, *conditions: Any) -> list[Judgement]:
    found = tx.conn.execute(_select().where(judgement_table.c.workspace_id == tx.workspace_id, *conditions))
    return [_judgement(row) for row in found]


def _select() -> Select[Any]:
    t, r = judgement_table, rater_table
    return select(t, r.c.kind.label("rater_kind")).join(r, (r.c.workspace_id == t.c.workspace_id) & (r.c.id == t.c.rater_id))


def judgements(
    workspace: Workspace,
    *,
    item_ids: Iterable[str] | None = None,
    question: str | None = None,
    rater_kind: str | None = None,
    rater_id: str | None = None,
    rubric_id: str | None = None,
    purposes: Iterable[str] = ABOUT_ITEMS,
    current_only: bool = True,
) -> list[Judgement]:
    """The judgements that match, oldest first. Superseded ones are left out unless ``current_only`` is False.

    ``purposes``: answers that were asked for to measure the rater (gold, planted errors, exams) are not among them unless named.

    Cost: one indexed look-up per 500 items.
    """
    t = judgement_table
    conditions = [t.c.workspace_id == workspace.id, t.c.purpose.in_(sorted(purposes))]
    if question is not None:
        conditions.append(t.c.question == question)
    if rater_kind is not None:
        conditions.append(rater_table.c.kind == str(rater_kind))
    if rater_id is not None:
        conditions.append(t.c.rater_id == rater_id)
    if rubric_id is not None:
        conditions.append(t.c.rubric_id == rubric_id)
    if current_only:
        conditions.append(~_superseded())
    base = _select().where(*conditions)
    with workspace.read() as conn:
        if item_ids is None:
            rows = list(conn.execute(base))
        else:
            ids = sorted(set(item_ids))
            rows = [row for start in range(0, len(ids), CHUNK) for row in conn.execute(base.where(t.c.item_id.in_(ids[start : start + CHUNK])))]
    return sorted((_judgement(row) for row in rows), key=lambda judgement: (judgement.created_at, judgement.id))


def load_judgement(workspace: Workspace, judgement_id: str) -> Judgement:
    """The judgement with this id. Raises ``NotFound``."""
    t = judgement_table
    with workspace.read() as conn:
        found = conn.execute(_select().where(t.c.workspace_id == workspace.id, t.c.id == judgement_id)).first()
    if found is None:
        raise NotFound(f"There is no judgement {judgement_id}.")
    return _judgement(found)


def _judgement(row: Any) -> Judgement:
    return Judgement(
        item_id=row.item_id,
        question=row.question,
        rater_id=row.rater_id,
        rubric_id=row.rubric_id,
        value=row.value,
        abstained=bool(row.abstained),
        confidence=row.confidence,
        reason=row.reason,
        suggestion=row.suggestion,
        arm=row.arm,
        active_ms=row.active_ms,
        first_key_ms=row.first_key_ms,
        sides=row.sides,
        served_order=row.served_order,
        guideline_id=row.guideline_id,
        purpose=row.purpose,
        idempotency_key=row.idempotency_key,
        supersedes=row.supersedes or None,
        id=row.id,
        created_at=row.created_at,
        rater_kind=row.rater_kind,
    )
