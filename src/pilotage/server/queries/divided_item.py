"""One item that people may differ on: what they said, what was made of it, and why they differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import NotFound
from pilotage.judging import ABOUT_ITEMS, Consensus, Judgement, Question, item_refs, judgements
from pilotage.judging.tables import item_payload
from pilotage.judging.tables import rater as rater_table
from pilotage.review.flywheel import exchange_of
from pilotage.review.measuring import Finding, consensus_of, findings
from pilotage.review.measuring.tables import review_adjudication, review_settlement
from pilotage.review.projects import guideline_versions, load_project
from pilotage.review.tables import review_task
from pilotage.server.context import Person
from pilotage.server.queries.answers import SharesDrawing, draw_shares, say
from pilotage.server.queries.disagreement import evidence_words, may_see, waiting_items
from pilotage.store import Workspace

S, A, T = review_settlement.c, review_adjudication.c, review_task.c


@dataclass(frozen=True)
class Said:
    """One answer. ``who`` is '' where names are kept back; ``shown`` is the arm, for who leads."""

    who: str
    words: str
    reason: str | None
    guideline: str
    shown: str
    decides: bool
    created_at: int


@dataclass(frozen=True)
class Cause:
    """What was found of why people differ, and in a sentence what it rests on."""

    finding: Finding
    words: str


@dataclass(frozen=True)
class ItemDetail:
    """One settled item and question. ``names_kept_back`` where an adjudicator has still to decide: whoever decides must not know who said what."""

    item_id: str
    slices: dict[str, str]
    question: Question
    questions: tuple[str, ...]
    state: str
    disagreement: float
    n: int
    cause: str
    consensus: Consensus | None
    value: str
    drawing: SharesDrawing | None
    model: SharesDrawing | None
    said: tuple[Said, ...]
    causes: tuple[Cause, ...]
    adjudication: str | None
    names_kept_back: bool
    harmful: bool
    conversation: tuple[dict[str, Any], ...]
    payload: Any


def find_item(workspace: Workspace, project: str, item_id: str, question: str | None, who: Person) -> ItemDetail:
    """The item, as far as the person may see it. Raises ``NotFound`` if it is not settled, ``Refused`` if they might still be asked about it."""
    found = load_project(workspace, project)
    asked = found.rubric.question(question) if question else found.rubric.questions[0]
    may_see(workspace, who, project, item_id)
    where = (S.workspace_id == workspace.id, S.project == project, S.item_id == item_id)
    with workspace.read() as conn:
        settled = {row.question: row for row in conn.execute(select(review_settlement).where(*where))}
        row = settled.get(asked.name)
        if row is None:
            raise NotFound(f"'{asked.name}' of this item is not settled.", where=item_id, mend="settle the project, or wait for answers")
        opened = conn.execute(select(A.state).where(A.workspace_id == workspace.id, A.project == project, A.item_id == item_id)).scalar()
        waits = item_id in waiting_items(conn, workspace.id, project, [item_id])
        p = item_payload.c
        payload = conn.execute(select(p.payload).where(p.workspace_id == workspace.id, p.item_id == item_id)).scalar()
        mine = (T.workspace_id == workspace.id, T.queue == project, T.item_id == item_id)
        harmful = any(conn.execute(select(T.harmful).where(*mine)).scalars())
    given = [
        each
        for each in judgements(workspace, item_ids=[item_id], question=asked.name, rubric_id=row.rubric_id, rater_kind="person", purposes=ABOUT_ITEMS)
        if not each.abstained
    ]
    leads = who.may("run")
    kept_back = opened is not None and waits
    try:
        consensus: Consensus | None = consensus_of(workspace, project, item_id, asked.name)
    except NotFound:
        consensus = None
    shown = exchange_of(payload)
    return ItemDetail(
        item_id,
        next((dict(ref.slices) for ref in item_refs(workspace, ids=[item_id])), {}),
        asked,
        tuple(sorted(settled)),
        row.state,
        row.disagreement,
        row.n,
        row.cause or "not_looked_into",
        consensus,
        say(asked, consensus.value) if consensus else "–",
        _answers(asked, given),
        _model(asked, consensus),
        tuple(_said(workspace, project, asked, given, names=leads and not kept_back, arms=leads)),
        tuple(Cause(each, evidence_words(each)) for each in findings(workspace, project, [item_id], asked.name).get(item_id, [])),
        opened,
        leads and kept_back,
        harmful,
        () if shown is None or harmful else (*shown.prompt, *([{"role": "assistant", "content": shown.output}] if shown.output is not None else [])),
        None if harmful else payload,
    )


def _answers(question: Question, given: list[Judgement]) -> SharesDrawing | None:
    """The distribution of what people said, adjudicators apart."""
    working = Counter(say(question, each.value) for each in given if each.purpose != "adjudication")
    of = {say(question, each.value): each.value for each in given}
    total = sum(working.values())
    return draw_shares(question, [(of[text], n / total) for text, n in working.most_common()], dict(working)) if total else None


def _model(question: Question, consensus: Consensus | None) -> SharesDrawing | None:
    """The distribution that settling gave, where it is another than the shares of the answers."""
    if consensus is None or not consensus.distribution or consensus.method in ("majority", "adjudicated"):
        return None
    return draw_shares(question, consensus.distribution)


def _said(workspace: Workspace, project: str, question: Question, given: list[Judgement], *, names: bool, arms: bool) -> list[Said]:
    numbers = {one.id: str(one.number) for one in guideline_versions(workspace, project)}
    logins: dict[str, str] = {}
    if names:
        r = rater_table.c
        with workspace.read() as conn:
            query = select(r.id, r.name).where(r.workspace_id == workspace.id, r.id.in_(sorted({each.rater_id for each in given})))
            logins = {row.id: row.name for row in conn.execute(query)}
    # Without names the order says nothing either: by what was said.
    order = given if names else sorted(given, key=lambda each: (each.purpose == "adjudication", say(question, each.value), each.reason or ""))
    return [
        Said(
            logins.get(each.rater_id, ""),
            say(question, each.value),
            each.reason,
            numbers.get(each.guideline_id or "", "–"),
            (each.arm or "nothing to show").replace("_", " ") if arms else "",
            each.purpose == "adjudication",
            each.created_at if names else 0,
        )
        for each in order
    ]
