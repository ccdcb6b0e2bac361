"""Gold: items whose right answers are known, hidden among the work.

They come from what people settled together (:func:`gold_from`) or by hand (:func:`add_gold`). Each may be seen by so many people and no more, and
those seen least come first (:func:`.standing_of.least_exposed`). Whether word of them goes round is tested: if people who see an item late are right
more often than those who saw it early, beyond what those people are on other gold, it is suspected to be known (:func:`leak_test`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import exists, func, select, update

from pilotage.core import InputError, NotFound
from pilotage.core.distributions import fisher_exact
from pilotage.evidence import Evidence, Observation, holm, mean, not_assessable
from pilotage.judging import consensuses
from pilotage.judging.rubric import find_rubric
from pilotage.ledger import record
from pilotage.review.measuring.accuracy import right_with
from pilotage.review.measuring.known import Known, KnownAnswer, in_force, known_answers, put_known
from pilotage.review.measuring.matching import COMPARABLE
from pilotage.review.measuring.tables import review_settlement
from pilotage.review.rows import load_task, move
from pilotage.review.sealing import sealed
from pilotage.review.tables import review_assignment, review_gold, review_task
from pilotage.store import Workspace, WriteTransaction

ENOUGH_VOTES = 3
_HALF = 3  # answers in each half of an item's exposures, or the item says nothing about leaking
_ENOUGH_ITEMS = 10
_SUSPICIOUS = 0.05


@dataclass(frozen=True)
class GoldItem:
    """One gold task in a list: how often it was seen, of how often it may be."""

    task_id: str
    item_id: str
    questions: tuple[str, ...]
    exposures: int
    most: int
    state: str


@dataclass(frozen=True)
class GoldMade:
    """What became gold, and what could not, with the reason."""

    task_ids: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeakTest:
    """Whether gold seems to be known beforehand.

    rise
        How much more often people were right on an item's late exposures than on its early ones, each compared with how often the same person is
        right on other gold; the mean over items, with its interval.
    suspected
        Whether that interval lies above 0.
    items
        Tasks whose own rise is beyond chance (Fisher's exact test, Holm-adjusted p below .05), with that p.
    """

    rise: Evidence
    suspected: bool
    items: dict[str, float]

    def __str__(self) -> str:
        verdict = "leakage is suspected" if self.suspected or self.items else "no sign of leakage" if self.rise.measured else "not assessable"
        return f"{verdict}: {self.rise}"


def add_gold(workspace: Workspace, project: str, items: Iterable[Known], *, exposure_cap: int | None = None) -> GoldMade:
    """Hide these items, with their right answers, among the project's work. All or none. ``exposure_cap`` None: as the project's settings say.

    Raises ``InputError`` naming the question if an answer does not fit, or is to free text; ``NotFound`` if there is no such project or item.
    """
    given = list(items)

    def job(tx: WriteTransaction) -> GoldMade:
        most = exposure_cap or in_force(tx.conn, tx.workspace_id, project).settings.gold.exposure_cap
        ids = put_known(tx, project, given, purpose="gold", most=most)
        _say(tx, project, ids, source="by hand")
        return GoldMade(tuple(ids))

    return workspace.write(job)


def gold_from(workspace: Workspace, project: str, item_ids: Collection[str], *, explanation: str = "", exposure_cap: int | None = None) -> GoldMade:
    """Make gold of items that people settled: adjudicated, or said alike by at least three. Others are refused with the reason.

    Who judged such an item is never served it as gold.
    """
    with workspace.read() as conn:
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
    questions = [question for question in rubric.questions if question.kind in COMPARABLE]
    values: dict[str, dict[str, object]] = {item_id: {} for item_id in item_ids}
    doubts: dict[str, str] = {}
    for question in questions:
        for found in consensuses(workspace, item_ids=item_ids, question=question.name):  # oldest first: the newest stays
            sure = found.method == "adjudicated" or (found.unanimous and found.n >= ENOUGH_VOTES)
            if sure and found.value is not None:
                values[found.item_id][question.name] = found.value
            else:
                values[found.item_id].pop(question.name, None)
                doubts[found.item_id] = f"'{question.name}' was neither adjudicated nor said alike by {ENOUGH_VOTES} people"
    refused = {item_id: doubts.get(item_id, "nothing is settled about it") for item_id in item_ids if not values[item_id]}
    wanted = [Known(item_id, known, explanation) for item_id, known in values.items() if known]

    def job(tx: WriteTransaction) -> GoldMade:
        most = exposure_cap or in_force(tx.conn, tx.workspace_id, project).settings.gold.exposure_cap
        ids = put_known(tx, project, wanted, purpose="gold", most=most, rubric_id=rubric.id)
        _say(tx, project, ids, source="settled")
        return GoldMade(tuple(ids), refused)

    return workspace.write(job)


def gold_candidates(workspace: Workspace, project: str, *, most: int = 50) -> list[str]:
    """Items that :func:`gold_from` would take: adjudicated, or said alike by at least three, and not known already. Cost: one index range.

    A candidate may still be refused for a question on which people parted.
    """
    s, t = review_settlement.c, review_task.c
    known = exists().where(t.workspace_id == s.workspace_id, t.item_id == s.item_id, t.purpose.in_(("gold", "qualification", "calibration")))
    sure = (s.method == "adjudicated") | ((s.disagreement == 0) & (s.n >= ENOUGH_VOTES))
    query = select(s.item_id).distinct().where(s.workspace_id == workspace.id, s.project == project, s.state == "settled", sure, ~known)
    with workspace.read() as conn:
        return list(conn.execute(query.order_by(s.item_id).limit(most)).scalars())


def _say(tx: WriteTransaction, project: str, task_ids: list[str], *, source: str) -> None:
    # The answers stay out: a ledger that people may read would give the gold away.
    if task_ids:
        salt = in_force(tx.conn, tx.workspace_id, project).salt
        record(tx, type="gold.added", subject=project, body={"n": len(task_ids), "tasks": sealed(salt, gold=sorted(task_ids)), "source": source})


def retire_gold(workspace: Workspace, project: str, task_ids: Collection[str], *, reason: str) -> int:
    """Take gold out of service; what people answered of it no longer counts for or against them. Returns how many were in service."""
    if not reason:
        raise InputError("Retiring gold needs a reason.", why="figures about people change with it", mend="say what is wrong with it")

    def job(tx: WriteTransaction) -> int:
        retired = 0
        for task_id in dict.fromkeys(task_ids):
            task = load_task(tx.conn, tx.workspace_id, task_id)
            if task["queue"] != project or task["purpose"] != "gold":
                raise NotFound(f"This is no gold of '{project}'.", where=task_id)
            g = review_gold.c
            where = (g.workspace_id == tx.workspace_id, g.task_id == task_id, g.state == "active")
            if tx.conn.execute(update(review_gold).where(*where).values(state="retired")).rowcount == 0:
                continue
            retired += 1
            if task["state"] == "open":
                a = review_assignment.c
                held = (a.workspace_id == tx.workspace_id, a.task_id == task_id, a.state == "claimed")
                tx.conn.execute(update(review_assignment).where(*held).values(state="released"))
                move(tx, task, claims=-task["claims"], state="withdrawn")
            record(tx, type="gold.retired", subject=task_id, body={"project": project}, personal={"reason": reason})
        return retired

    return workspace.write(job)


def gold_items(workspace: Workspace, project: str) -> list[GoldItem]:
    """The project's gold, those seen least first. For who leads a project; never for who answers."""
    t, g = review_task.c, review_gold.c
    query = (
        select(t.id, t.item_id, g.question, (t.claims + t.answers).label("seen"), t.overlap, g.state)
        .join(review_gold, (g.workspace_id == t.workspace_id) & (g.task_id == t.id))
        .where(t.workspace_id == workspace.id, t.queue == project, t.purpose == "gold")
        .order_by(t.claims + t.answers, t.id, g.question)
    )
    with workspace.read() as conn:
        rows = conn.execute(query).all()
    names: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        names[row.id].append(row.question)
    first = {row.id: row for row in reversed(rows)}
    return [GoldItem(task_id, first[task_id].item_id, tuple(asked), first[task_id].seen, first[task_id].overlap, first[task_id].state)
            for task_id, asked in names.items()]  # fmt: skip


def gold_in_service(workspace: Workspace, project: str) -> int:
    """How many gold tasks can still be served."""
    t = review_task.c
    query = select(func.count()).where(t.workspace_id == workspace.id, t.queue == project, t.purpose == "gold", t.state == "open")
    with workspace.read() as conn:
        return int(conn.execute(query.select_from(review_task)).scalar_one())


def leak_test(workspace: Workspace, project: str, *, level: float = 0.95) -> LeakTest:
    """Compare how often people are right on late and on early exposures of the project's gold."""
    with workspace.read() as conn:
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
        answers = [answer for answer in known_answers(conn, workspace.id, project) if not answer.abstained]
    asked = {question.name: question for question in rubric.questions}
    right = right_with(asked)
    return leaking([(answer, right(answer)) for answer in answers if answer.question in asked], level=level)


def leaking(outcomes: list[tuple[KnownAnswer, bool]], *, level: float = 0.95) -> LeakTest:
    """As :func:`leak_test`, of answers (oldest first) and whether each was right."""
    by_rater: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    by_item: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    task_of: dict[str, str] = {}
    for answer, right in outcomes:
        key = f"{answer.task_id}:{answer.question}"
        task_of[key] = answer.task_id
        by_rater[answer.rater_id].append((key, right))
        by_item[key].append((answer.rater_id, right))

    def beyond(rater: str, key: str, right: bool) -> float | None:
        others = [was for other, was in by_rater[rater] if other != key]
        return right - sum(others) / len(others) if others else None

    rises: list[Observation] = []
    p_values: dict[str, float] = {}
    for key, given in by_item.items():
        half = len(given) // 2
        if half < _HALF:
            continue
        early, late = given[:half], given[len(given) - half :]
        of_early = [value for rater, right in early if (value := beyond(rater, key, right)) is not None]
        of_late = [value for rater, right in late if (value := beyond(rater, key, right)) is not None]
        if not of_early or not of_late:
            continue
        rise = sum(of_late) / len(of_late) - sum(of_early) / len(of_early)
        rises.append(Observation(item=key, value=max(-2.0, min(2.0, rise)), cluster=task_of[key]))
        hits_late, hits_early = sum(right for _, right in late), sum(right for _, right in early)
        p_values[key] = fisher_exact(hits_late, half - hits_late, hits_early, half - hits_early) if hits_late > hits_early else 1.0
    metric = "gold_leak_rise"
    if len(rises) < _ENOUGH_ITEMS:
        reason = f"{len(rises)} gold answers were given by at least {2 * _HALF} people each; the test needs {_ENOUGH_ITEMS}"
        return LeakTest(not_assessable(metric, reason=reason, n=len(rises), level=level), False, {})
    found = mean(rises, metric=metric, scale=(-2.0, 2.0), level=level)
    loud = {task_of[key]: p for key, p in holm(p_values).items() if p < _SUSPICIOUS}
    return LeakTest(found, found.lower is not None and found.lower > 0, loud)
