"""Batches of a project: choosing from what people have not seen, putting it before them, and saying later what the choice gained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from pilotage.core import NotFound
from pilotage.evidence import Evidence
from pilotage.judging import RaterKind, judgements
from pilotage.judging.rubric import Question
from pilotage.judging.tables import item_payload
from pilotage.ledger import record
from pilotage.review.flywheel.exchange import as_text
from pilotage.review.measuring.matching import plain
from pilotage.review.new_task import NewTask, Suggestion, rank
from pilotage.review.projects import load_project
from pilotage.review.put import put_tasks
from pilotage.review.selecting.candidate import Candidate
from pilotage.review.selecting.choosing import LEAST_RANDOM, Batch, Picked, choose_batch
from pilotage.review.selecting.estimating import Gain, errors_per_label, estimate_rate
from pilotage.review.selecting.tables import review_batch, review_batch_item
from pilotage.review.tables import review_task, suggestion
from pilotage.store import Workspace, WriteTransaction

_CHUNK = 500
_OTHERS = "\x1fothers"


@dataclass(frozen=True)
class Selected:
    """A batch that was put before people: ``put`` new tasks, the ``number``-th batch of the project and question."""

    batch: Batch
    number: int
    put: int

    def __str__(self) -> str:
        return f"batch {self.number}: {self.batch}; {self.put} put before people"


@dataclass(frozen=True)
class SelectionReport:
    """What a project's batches say.

    error_rates
        The model's error rate in each pool, from random draws alone. A pool that items joined meanwhile begins a new one.
    gains
        For each strategy the errors found per label, against chance.
    judged
        Items with an answer; ``aided`` of them only by people who saw the model's suggestion, which finds fewer errors than there are.
    """

    error_rates: tuple[Evidence, ...]
    gains: tuple[Gain, ...]
    judged: int
    aided: int

    def __str__(self) -> str:
        note = f" ({self.aided} only with the suggestion in sight: errors are undercounted)" if self.aided else ""
        return "\n".join([f"{self.judged} items judged{note}", *map(str, self.error_rates), *map(str, self.gains)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "error_rates": [each.to_dict() for each in self.error_rates],
            "gains": [each.to_dict() for each in self.gains],
            "judged": self.judged,
            "aided": self.aided,
        }


def pool_of(workspace: Workspace, project: str, question: str, *, costs: Mapping[str, float] | None = None, texts: bool = False) -> list[Candidate]:
    """What may be chosen: items with a suggestion for ``question`` that no task of the project is about.

    Several models' suggestions are votes. Of the surest one the probability is taken; with one probability only, the rest is one other value.
    ``costs``: item → cost of a wrong output. ``texts``: read payloads too, which diversity needs.

    Cost: one pass over the question's suggestions; with ``texts`` over the pool's payloads.
    """
    s, t = suggestion.c, review_task.c
    seen = select(t.id).where(t.workspace_id == s.workspace_id, t.item_id == s.item_id, t.queue == project).exists()
    query = (
        select(s.item_id, s.value, s.probability, s.score)
        .where(s.workspace_id == workspace.id, s.question == question, ~seen)
        .order_by(s.item_id, s.model, s.model_version)
    )
    given: dict[str, list[Any]] = defaultdict(list)
    with workspace.read() as conn:
        for row in conn.execute(query):
            given[row.item_id].append(row)
        words = _texts(conn, workspace.id, list(given)) if texts else {}
    return [_candidate(item, rows, (costs or {}).get(item, 1.0), words.get(item, "")) for item, rows in given.items()]


def _candidate(item: str, rows: Sequence[Any], cost: float, text: str) -> Candidate:
    surest = max(rows, key=lambda row: rank(row.probability, row.score))
    votes = Counter(str(row.value) for row in rows) if len(rows) > 1 else Counter[str]()
    p = surest.probability
    probabilities = {} if p is None else {str(surest.value): p, _OTHERS: 1 - p}
    return Candidate(item, probabilities, dict(votes), text, None if p is None else 1 - p, cost)


def _texts(conn: Connection, workspace_id: str, items: Sequence[str]) -> dict[str, str]:
    p, found = item_payload.c, {}
    for start in range(0, len(items), _CHUNK):
        part = items[start : start + _CHUNK]
        for row in conn.execute(select(p.item_id, p.payload).where(p.workspace_id == workspace_id, p.item_id.in_(part))):
            found[row.item_id] = as_text(row.payload)
    return found


def select_batch(
    workspace: Workspace,
    project: str,
    question: str,
    *,
    n: int,
    shares: Mapping[str, float] | None = None,
    random_share: float = LEAST_RANDOM,
    costs: Mapping[str, float] | None = None,
    seed: int = 0,
    priority: int = 0,
) -> Selected:
    """Choose ``n`` items of the project's pool, put them before people and keep how each was chosen.

    Parameters are those of :func:`choose_batch` and :func:`pool_of`. Each task says in ``selected_by`` how it was chosen; who answers is not told.

    Raises
    ------
    NotFound
        If there is no such project, or nothing to choose from.
    """
    found = load_project(workspace, project)
    found.rubric.question(question)
    wanted = dict(shares or {"uncertainty": 1.0})
    pool = pool_of(workspace, project, question, costs=costs, texts="diversity" in wanted)
    if not pool:
        raise NotFound(
            f"There is nothing to choose from for '{project}'.", mend=f"items need a suggestion for '{question}' and no task of the project yet"
        )
    batch = choose_batch(pool, n, shares=wanted, random_share=random_share, seed=seed)

    def job(tx: WriteTransaction) -> Selected:
        b = review_batch.c
        mine = (b.workspace_id == tx.workspace_id, b.project == project, b.question == question)
        number = 1 + int(tx.conn.execute(select(func.max(b.number)).where(*mine)).scalar() or 0)
        settings = {"shares": wanted, "random_share": random_share, "seed": seed}
        made = f"{batch.id}.{number}"
        tx.insert(review_batch, {"id": made, "project": project, "question": question, "number": number, "pool": batch.pool, "settings": settings})
        tx.insert(
            review_batch_item,
            *(
                {
                    "batch_id": made,
                    "item_id": each.item,
                    "position": place,
                    "selected_by": each.selected_by,
                    "probability": each.probability,
                    "score": each.score,
                }
                for place, each in enumerate(batch.picked)
            ),
        )
        proposals = _proposals(tx.conn, tx.workspace_id, [each.item for each in batch.picked])
        tasks = [
            NewTask(item=each.item, suggestions=proposals.get(each.item, ()), selected_by=each.selected_by, priority=priority)
            for each in batch.picked
        ]
        report = put_tasks(tx, project, tasks)
        record(tx, type="review.batch_selected", subject=project, body={"batch": made, "number": number, "pool": batch.pool, "by": batch.by})
        return Selected(batch, number, report.put)

    return workspace.write(job)


def _proposals(conn: Connection, workspace_id: str, items: Sequence[str]) -> dict[str, list[Suggestion]]:
    s, found = suggestion.c, defaultdict(list)
    for start in range(0, len(items), _CHUNK):
        query = (
            select(suggestion)
            .where(s.workspace_id == workspace_id, s.item_id.in_(items[start : start + _CHUNK]))
            .order_by(s.question, s.model, s.model_version)
        )
        for row in conn.execute(query):
            found[row.item_id].append(Suggestion(row.question, row.value, row.score, row.probability, row.model, row.model_version))
    return dict(found)


def batches_of(workspace: Workspace, project: str, question: str) -> list[Batch]:
    """The project's batches for a question, oldest first."""
    b, i = review_batch.c, review_batch_item.c
    with workspace.read() as conn:
        heads = conn.execute(
            select(b.id, b.pool, b.settings).where(b.workspace_id == workspace.id, b.project == project, b.question == question).order_by(b.number)
        ).all()
        items: dict[str, list[Picked]] = defaultdict(list)
        for start in range(0, len(heads), _CHUNK):
            part = [head.id for head in heads[start : start + _CHUNK]]
            query = select(review_batch_item).where(i.workspace_id == workspace.id, i.batch_id.in_(part)).order_by(i.batch_id, i.position)
            for row in conn.execute(query):
                items[row.batch_id].append(Picked(row.item_id, row.selected_by, row.probability, row.score))
    return [Batch(tuple(items[head.id]), head.pool, head.settings["seed"], {}) for head in heads]


def selection_report(workspace: Workspace, project: str, question: str, *, level: float = 0.95) -> SelectionReport:
    """What the project's batches say so far: error rates from the random draws, and each strategy's gain over chance.

    An item is an error where the majority of people says otherwise than the surest suggestion; ties and unanswered items are not judged yet.
    """
    asked = load_project(workspace, project).rubric.question(question)
    batches = batches_of(workspace, project, question)
    items = [each.item for batch in batches for each in batch.picked]
    outcomes, aided = _outcomes(workspace, asked, items)
    rates = tuple(estimate_rate(chain, outcomes, level=level) for chain in _chains(batches))
    return SelectionReport(rates, tuple(errors_per_label(batches, outcomes, level=level)), len(outcomes), aided)


def _chains(batches: Sequence[Batch]) -> list[list[Batch]]:
    """Batches in runs that draw from one pool, each from what the one before left over."""
    chains: list[list[Batch]] = []
    for batch in batches:
        if chains and batch.pool == chains[-1][-1].pool - len(chains[-1][-1].picked):
            chains[-1].append(batch)
        else:
            chains.append([batch])
    return chains


def _outcomes(workspace: Workspace, question: Question, items: Collection[str]) -> tuple[dict[str, bool], int]:
    with workspace.read() as conn:
        proposals = _proposals(conn, workspace.id, sorted(set(items)))
    said: dict[str, list[Any]] = defaultdict(list)
    for each in judgements(workspace, item_ids=items, question=question.name, rater_kind=RaterKind.PERSON):
        if not each.abstained:
            said[each.item_id].append(each)
    outcomes: dict[str, bool] = {}
    aided = 0
    for item, given in said.items():
        ours = [each for each in proposals.get(item, []) if each.question == question.name]
        votes = Counter(plain(question, each.value) for each in given).most_common(2)
        if not ours or (len(votes) > 1 and votes[0][1] == votes[1][1]):
            continue
        surest = max(ours, key=lambda each: rank(each.probability, each.score))
        outcomes[item] = plain(question, surest.value) != votes[0][0]
        aided += all(each.suggestion is not None for each in given)
    return outcomes, aided
