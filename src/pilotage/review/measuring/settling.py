"""Settling: the answers about each item made one, by the policy its rubric declared before anybody answered, and kept as consensus.

Only what people say about items counts: never gold, exams, calibration, nor planted errors. An adjudicator's decision stands above the others'
answers. What cannot be settled is listed for adjudication (:mod:`.adjudicating`). A run touches only items about which something new was said; it is
one entry in the ledger.

By policy each item is settled by itself. With ``method`` the answers to a question are weighed together (Dawid–Skene and the like, gold clamped):
then every item may move when anybody answers, and an item is written again where its label changes or its posterior moves by more than .01.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, select, update

from pilotage.core import InputError, NotFound, canonical_json, digest
from pilotage.judging import ABOUT_ITEMS, Consensus, Judgement, Question, consensuses, judgements
from pilotage.judging.aggregation import Truth, Votes, infer
from pilotage.judging.consensus import Vote, put_consensuses
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import judgement as judgement_table
from pilotage.ledger import record
from pilotage.review.measuring.accuracy import reliability
from pilotage.review.measuring.combining import Combined, combine, disagreement, possible
from pilotage.review.measuring.known import CHUNK, in_force, known_answers
from pilotage.review.measuring.matching import COMPARABLE, plain
from pilotage.review.measuring.tables import review_adjudication, review_settlement, review_settlement_run
from pilotage.review.tables import review_task
from pilotage.store import Workspace, WriteTransaction

BY_POLICY = "policy"
_SLACK_US = 600_000_000  # a run looks this far back again: a row is stamped before it is seen, and clocks of several servers differ
_MOVED = 0.01
_MOST_PAIR = 200
GOLD_UNIT = "gold "  # what the units of gold begin with, among those of the work
S, R, J, T = review_settlement.c, review_settlement_run.c, judgement_table.c, review_task.c


@dataclass(frozen=True)
class QuestionSettled:
    """One question of a run. ``settled`` and ``adjudicate`` count items that this run wrote; ``banner`` is what a reader must know of the method."""

    question: str
    policy: str
    method: str
    settled: int
    adjudicate: int
    banner: str = ""

    @property
    def written(self) -> int:
        """Items whose consensus is new."""
        return self.settled + self.adjudicate


@dataclass(frozen=True)
class Settlement:
    """What a run did, per question."""

    project: str
    questions: tuple[QuestionSettled, ...]

    @property
    def written(self) -> int:
        """Consensuses that are new."""
        return sum(each.written for each in self.questions)

    def __str__(self) -> str:
        lines = [
            f"{each.question} ({each.policy}, {each.method}): {each.settled} settled, {each.adjudicate} to adjudicate"
            + (f"\n  {each.banner}" if each.banner else "")
            for each in self.questions
        ]
        return "\n".join(lines) or "There is nothing to settle."

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Made:
    consensus: Consensus
    state: str
    n: int
    disagreement: float
    pair: str
    inputs: str


def settle(
    workspace: Workspace,
    project: str,
    *,
    questions: Collection[str] | None = None,
    method: str = BY_POLICY,
    sure: float = 0.95,
    smoothing: float = 1.0,
    whole: bool = False,
    seed: int = 0,
) -> Settlement:
    """Make consensus of what was answered since the last run, for items that wait for nobody any more.

    Parameters
    ----------
    method
        ``policy``: each item by its question's policy. Or a method of :func:`pilotage.judging.aggregation.infer` (``auto`` picks on gold), for
        questions with a short list of answers; the policy still decides what becomes of it: ``soft`` keeps the distribution, and facts below ``sure``
        are adjudicated.
    sure
        The posterior at which a fact stands without adjudication.
    whole
        Look at every item again, also those nobody answered since (after an overlap was lowered, say).

    Raises
    ------
    NotFound, InputError
        If there is no such project or question, or the method cannot take its kind.
    """
    with workspace.read() as conn:
        terms = in_force(conn, workspace.id, project)
        rubric = find_rubric(conn, terms.rubric_id, workspace_id=workspace.id)
    wanted = [rubric.question(name) for name in questions] if questions is not None else list(rubric.questions)
    reports: list[QuestionSettled] = []
    made: list[_Made] = []
    began = workspace.clock.now_us()
    for question in wanted:
        found, report = _question(workspace, project, rubric.id, question, method=method, sure=sure, smoothing=smoothing, whole=whole, seed=seed)
        reports.append(report)
        made += found
    names = [question.name for question in wanted]

    def job(tx: WriteTransaction) -> None:
        _keep(tx, project, rubric.id, made)
        _mark(tx, project, rubric.id, names, began)
        if made:
            body = {"rubric": rubric.id, "questions": [asdict(each) for each in reports if each.written]}
            body["consensuses"] = digest(sorted(each.consensus.id for each in made))
            record(tx, type="consensus.settled", subject=project, body=body)

    workspace.write(job)
    return Settlement(project, tuple(reports))


def _question(
    workspace: Workspace, project: str, rubric_id: str, question: Question, *, method: str, sure: float, smoothing: float, whole: bool, seed: int
) -> tuple[list[_Made], QuestionSettled]:
    together = method != BY_POLICY
    if together and possible(question) is None:
        raise InputError(
            f"A {question.kind} question has no short list of answers, so '{method}' cannot weigh them.",
            where=f"question '{question.name}'",
            mend="settle it by its policy",
        )
    with workspace.read() as conn:
        since = None if whole or together else _since(conn, workspace.id, project, question.name, rubric_id)
        items = _ready(conn, workspace.id, project, question.name, rubric_id, since)
        standing = _standing(conn, workspace.id, project, question.name, items)
        disputed = _disputed(conn, workspace.id, project, question.name)
    by_item = _said(workspace, items, question.name, rubric_id)
    inputs = {item: digest(sorted(each.id for each in said)) for item, said in by_item.items()}
    accuracy = {rater: each.posterior for rater, each in reliability(workspace, project, question.name).items() if each.n}
    banner, truth = "", None
    if together:
        truth = _infer(workspace, project, question, by_item, method, seed)
        method, banner = truth.method, truth.banner
        rows = {unit: index for index, unit in enumerate(truth.units)}
        before = {each.item_id: each for each in consensuses(workspace, item_ids=items, question=question.name)}
    everything = digest(sorted(inputs.values())) if together else ""
    made: list[_Made] = []
    for item, said in by_item.items():
        working = {each.rater_id: each.value for each in said if each.purpose != "adjudication" and not each.abstained}
        decided = [each for each in said if each.purpose == "adjudication" and not each.abstained and item in disputed]
        if not working and not decided:
            continue
        if decided:
            found = _decided(question, decided[-1], working)
        elif truth is not None:
            found = _weighed(question, truth, rows[item], working, sure)
            if standing.get(item) == inputs[item] and not _moved(before.get(item), found):
                continue
        else:
            found = combine(question, working, sure=sure, accuracy=accuracy, smoothing=smoothing)
        if truth is None and standing.get(item) == inputs[item]:
            continue
        hashed = inputs[item] if truth is None or decided else digest({"item": inputs[item], "all": everything})
        made.append(
            _Made(
                _consensus(question, item, found, said, hashed), found.state, len(working), found.disagreement, _pair(question, working), inputs[item]
            )
        )
    states = Counter(each.state for each in made)
    return made, QuestionSettled(question.name, question.policy, method, states["settled"], states["adjudicate"], banner)


def _since(conn: Connection, workspace_id: str, project: str, question: str, rubric_id: str) -> int | None:
    where = (R.workspace_id == workspace_id, R.project == project, R.question == question, R.rubric_id == rubric_id)
    until = conn.execute(select(R.until).where(*where)).scalar()
    return None if until is None else int(until) - _SLACK_US


def _ready(conn: Connection, workspace_id: str, project: str, question: str, rubric_id: str, since: int | None) -> list[str]:
    """Items about which this was answered since then, none of whose tasks waits for further answers."""
    waits = exists().where(
        T.workspace_id == J.workspace_id, T.queue == project, T.item_id == J.item_id, T.rubric_id == rubric_id,
        T.purpose.in_(ABOUT_ITEMS), T.state == "open",
    )  # fmt: skip
    ours = exists().where(
        T.workspace_id == J.workspace_id, T.queue == project, T.item_id == J.item_id, T.rubric_id == rubric_id, T.purpose.in_(ABOUT_ITEMS)
    )
    where = [J.workspace_id == workspace_id, J.question == question, J.rubric_id == rubric_id, J.purpose.in_(ABOUT_ITEMS)]
    if since is not None:
        where.append(J.created_at >= since)
    return list(conn.execute(select(J.item_id).where(*where, ours, ~waits).distinct().order_by(J.item_id)).scalars())


def _standing(conn: Connection, workspace_id: str, project: str, question: str, items: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(items), CHUNK):
        where = (S.workspace_id == workspace_id, S.project == project, S.question == question, S.item_id.in_(items[start : start + CHUNK]))
        found.update({row.item_id: row.inputs for row in conn.execute(select(S.item_id, S.inputs).where(*where))})
    return found


def _disputed(conn: Connection, workspace_id: str, project: str, question: str) -> set[str]:
    """Items whose adjudicator was asked to decide this question. What else their form asked decides nothing."""
    a = review_adjudication.c
    rows = conn.execute(select(a.item_id, a.questions).where(a.workspace_id == workspace_id, a.project == project))
    return {row.item_id for row in rows if question in row.questions}


def _said(workspace: Workspace, items: list[str], question: str, rubric_id: str) -> dict[str, list[Judgement]]:
    by_item: dict[str, list[Judgement]] = defaultdict(list)
    for each in judgements(workspace, item_ids=items, question=question, rubric_id=rubric_id, rater_kind="person", purposes=ABOUT_ITEMS):
        by_item[each.item_id].append(each)
    return dict(sorted(by_item.items()))


def _decided(question: Question, decision: Judgement, working: Mapping[str, Any]) -> Combined:
    """An adjudicator's decision stands; what the others would have come to is kept, to see how often it is overturned."""
    shares = Counter(canonical_json(value) for value in working.values())
    of = {canonical_json(value): value for value in working.values()}
    distribution = tuple((of[key], n / len(working)) for key, n in sorted(shares.items(), key=lambda entry: (-entry[1], entry[0])))
    divided = disagreement(question, list(working.values()))
    return Combined("settled", "adjudicated", decision.value, distribution, divided, "an adjudicator decided", {"by": decision.rater_id})


def votes_of(workspace: Workspace, project: str, question: Question) -> tuple[Votes, dict[Any, Any]]:
    """What people say of the items that wait for nobody, as votes, and the gold among their units.

    Raises ``InputError`` if the question has no short list of answers, or there are none. Cost: one pass over its answers.
    """
    if possible(question) is None:
        raise InputError(
            f"A {question.kind} question has no short list of answers.", where=f"question '{question.name}'", mend="settle it by its policy"
        )
    with workspace.read() as conn:
        rubric_id = in_force(conn, workspace.id, project).rubric_id
        items = _ready(conn, workspace.id, project, question.name, rubric_id, None)
    return _votes(workspace, project, question, _said(workspace, items, question.name, rubric_id))


def _infer(workspace: Workspace, project: str, question: Question, by_item: Mapping[str, list[Judgement]], method: str, seed: int) -> Truth:
    votes, gold = _votes(workspace, project, question, by_item)
    return infer(votes, gold=gold or None, method=method, seed=seed)


def _votes(workspace: Workspace, project: str, question: Question, by_item: Mapping[str, list[Judgement]]) -> tuple[Votes, dict[Any, Any]]:
    cells = [
        (item, each.rater_id, plain(question, each.value))
        for item, said in by_item.items()
        for each in said
        if each.purpose != "adjudication" and not each.abstained
    ]
    gold: dict[Any, Any] = {}
    with workspace.read() as conn:
        for answer in known_answers(conn, workspace.id, project):
            if answer.question == question.name and not answer.abstained:
                # Their own units: gold teaches how good the raters are, and is never an item of the work.
                cells.append((f"{GOLD_UNIT}{answer.item_id}", answer.rater_id, plain(question, answer.value)))
                gold[f"{GOLD_UNIT}{answer.item_id}"] = plain(question, answer.right)
    if not cells:
        raise InputError("There are no answers to weigh together.", where=f"question '{question.name}'", mend="wait for answers")
    unit, rater, value = zip(*cells, strict=True)
    among = [_as_text(question, each) for each in possible(question) or ()]
    return Votes.from_rows(unit, rater, value, values=among), gold


def _as_text(question: Question, value: Any) -> str:
    return str(value) if question.kind == "pair" else plain(question, value)


def _weighed(question: Question, truth: Truth, row: int, working: Mapping[str, Any], sure: float) -> Combined:
    values = {_as_text(question, value): value for value in possible(question) or ()}
    distribution = tuple((values[str(text)], float(p)) for text, p in zip(truth.values, truth.posterior[row], strict=True))
    divided = disagreement(question, list(working.values()))
    detail = {"parameters": dict(truth.parameters), "banner": truth.banner}
    if question.policy == "soft":
        return Combined("settled", truth.method, None, distribution, divided, "the distribution is the answer", detail)
    best = max(probability for _, probability in distribution)
    label = truth.labels[row]
    if label is None or (question.policy == "adjudicate" and best < sure):
        return Combined("adjudicate", truth.method, None, distribution, divided, f"the posterior of {best:.3f} is not enough", detail)
    value = {"preferred": label, "strength": None} if question.kind == "pair" else values[str(label)]
    return Combined("settled", truth.method, value, distribution, divided, f"its posterior is {best:.3f}", detail)


def _moved(before: Consensus | None, now: Combined) -> bool:
    if before is None or before.method != now.method or before.value != now.value or len(before.distribution) != len(now.distribution):
        return True
    return any(abs(old - new) > _MOVED for (_, old), (_, new) in zip(before.distribution, now.distribution, strict=True))


def _consensus(question: Question, item: str, found: Combined, said: Iterable[Judgement], inputs: str) -> Consensus:
    given = list(said)
    counts = Counter(canonical_json(each.value) for each in given if not each.abstained and each.purpose != "adjudication")
    values = {canonical_json(each.value): each.value for each in given if not each.abstained}
    votes = tuple(Vote(values[key], n) for key, n in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
    return Consensus(
        item_id=item,
        question=question.name,
        method=found.method,
        value=found.value,
        votes=votes,
        abstained=sum(each.abstained for each in given),
        inputs_hash=inputs,
        distribution=found.distribution,
        detail={"policy": question.policy, "why": found.why, **found.detail},
    )


def _pair(question: Question, working: Mapping[str, Any]) -> str:
    if question.kind not in COMPARABLE:
        return ""
    said = sorted({plain(question, value) for value in working.values()})
    return " | ".join(said)[:_MOST_PAIR] if len(said) == 2 else ""


def _keep(tx: WriteTransaction, project: str, rubric_id: str, made: list[_Made]) -> None:
    put_consensuses(tx, [each.consensus for each in made])
    by_question: dict[str, list[_Made]] = defaultdict(list)
    for each in made:
        by_question[each.consensus.question].append(each)
    for question, found in by_question.items():
        for start in range(0, len(found), CHUNK):
            part = found[start : start + CHUNK]
            ids = [each.consensus.item_id for each in part]
            where = (S.workspace_id == tx.workspace_id, S.project == project, S.question == question, S.item_id.in_(ids))
            # What a person said of the cause stands until they say otherwise; what the rule said is found anew.
            overruled = select(S.item_id, S.cause, S.cause_by).where(*where, S.cause_by.not_in(("", "rule")))
            said = {row.item_id: (row.cause, row.cause_by) for row in tx.conn.execute(overruled)}
            tx.conn.execute(delete(review_settlement).where(*where))
            decided = [each.consensus.item_id for each in part if each.consensus.method == "adjudicated"]
            if decided:
                a = review_adjudication.c
                ours = (a.workspace_id == tx.workspace_id, a.project == project, a.item_id.in_(decided))
                tx.conn.execute(update(review_adjudication).where(*ours).values(state="decided"))
            tx.insert(review_settlement, *(_row(project, rubric_id, each, said.get(each.consensus.item_id, ("", ""))) for each in part))


def _row(project: str, rubric_id: str, each: _Made, cause: tuple[str, str]) -> dict[str, Any]:
    about = {"project": project, "item_id": each.consensus.item_id, "question": each.consensus.question, "rubric_id": rubric_id}
    place = f"{1 - each.disagreement:.6f}.{each.consensus.item_id}"
    outcome = {"inputs": each.inputs, "state": each.state, "method": each.consensus.method, "consensus_id": each.consensus.id, "n": each.n}
    return {**about, **outcome, "disagreement": each.disagreement, "position": place, "pair": each.pair, "cause": cause[0], "cause_by": cause[1]}


def _mark(tx: WriteTransaction, project: str, rubric_id: str, names: list[str], until: int) -> None:
    where = (R.workspace_id == tx.workspace_id, R.project == project, R.rubric_id == rubric_id, R.question.in_(names))
    tx.conn.execute(delete(review_settlement_run).where(*where))
    tx.insert(review_settlement_run, *({"project": project, "question": name, "rubric_id": rubric_id, "until": until} for name in names))


def consensus_of(workspace: Workspace, project: str, item_id: str, question: str) -> Consensus:
    """The consensus that stands for this item. Raises ``NotFound`` if it was not settled."""
    with workspace.read() as conn:
        where = (S.workspace_id == workspace.id, S.project == project, S.item_id == item_id, S.question == question)
        row = conn.execute(select(S.consensus_id).where(*where)).first()
    if row is not None:
        for found in consensuses(workspace, item_ids=[item_id], question=question):
            if found.id == row.consensus_id:
                return found
    raise NotFound(f"'{question}' of this item is not settled.", where=item_id, mend="settle the project, or wait for answers")
