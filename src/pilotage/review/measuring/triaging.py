"""Why people disagree about an item: a rule with its evidence, which a person may overrule.

In this order:

plurality
    The question's policy is ``soft``, or people of different declared groups each agree among themselves on different answers. Kept, never "solved".
annotator_error
    One against at least two who agree, and that one is surely less reliable than each of them (gold; where there is no gold, how often they agree
    with the majority of the others).
unclear_guideline
    The two answers are mixed up more often than chance makes of how often each is given; or the item's slice, or the guideline in force, has surely
    more disagreement than the rest. Then the words are at fault, not the people.
    Where gold shows people on both sides to be reliable, their disputes are looked at alone (:mod:`.disputes`): gathered on one pair of answers
    beyond what they mix up on gold, or on one slice, they are about the words too.
ambiguous_item
    Reliable people stand on both sides, and their disputes gather nowhere.
unknown
    None of these can be shown. It is said rather than guessed.

The evidence of each is kept. What a person says stands until they say otherwise; every finding is kept, the newest holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from sqlalchemy import select, update

from pilotage.core import InputError, NotFound, new_id
from pilotage.judging import Judgement, Question, item_refs
from pilotage.ledger import record
from pilotage.review.measuring.accuracy import confusion, reliability
from pilotage.review.measuring.agreement import people_said
from pilotage.review.measuring.disputes import Gathering, gatherings
from pilotage.review.measuring.divergence import PairConfusion, Reliability, confused_pairs, reliabilities, worse_guidelines, worse_slices
from pilotage.review.measuring.known import CHUNK
from pilotage.review.measuring.matching import COMPARABLE, plain
from pilotage.review.measuring.tables import review_settlement, review_triage
from pilotage.store import Workspace, WriteTransaction

CAUSES = ("annotator_error", "ambiguous_item", "unclear_guideline", "plurality", "unknown")
RULE = "rule"
_RELIABLE = 0.5  # the lower bound of accuracy from which somebody's dissent is not put down to carelessness
S = review_settlement.c


@dataclass(frozen=True)
class Finding:
    """Why people disagree about one item, by whom it was found, and what it rests on."""

    item_id: str
    question: str
    cause: str
    made_by: str
    evidence: dict[str, Any]
    note: str | None = None
    created_at: int = 0


@dataclass(frozen=True)
class TriageReport:
    """What a run found: items by cause, per question. Items that a person spoke about are left as they are (``overruled``)."""

    counts: dict[str, dict[str, int]]
    overruled: int = 0

    def __str__(self) -> str:
        lines = [f"{question}: " + ", ".join(f"{n} {cause}" for cause, n in sorted(causes.items())) for question, causes in self.counts.items()]
        return "\n".join(lines) or "Nobody disagrees."


@dataclass(frozen=True)
class _Ground:
    """What is known of a question's answers as a whole, to judge one item by."""

    question: Question
    reliable: Mapping[str, Reliability]
    pairs: Mapping[frozenset[str], PairConfusion]
    slices: Mapping[tuple[str, str], dict[str, Any]]
    guidelines: Mapping[str, dict[str, Any]]
    groups: Mapping[str, str] = field(default_factory=dict)
    gathering: Gathering | None = None  # of the disputes between people whom gold shows to be reliable


def triage(workspace: Workspace, project: str, question: str, *, groups: Mapping[str, str] | None = None) -> TriageReport:
    """Find a cause for every settled item people disagree about.

    Parameters
    ----------
    groups
        Rater id → group (a trait people chose to declare), to tell real plurality between groups.

    Cost: one pass over the question's answers; writes only causes that changed.
    """
    asked, said = people_said(workspace, project, question)
    if asked.kind not in COMPARABLE:
        raise InputError(f"Disagreement on free text is not counted; '{question}' is a {asked.kind}.", mend="ask about another question")
    with workspace.read() as conn:
        where = (S.workspace_id == workspace.id, S.project == project, S.question == question, S.disagreement > 0)
        rows = conn.execute(select(S.item_id, S.cause, S.cause_by).where(*where)).all()
    by_item: dict[str, list[Judgement]] = defaultdict(list)
    for each in said:
        by_item[each.item_id].append(each)
    refs = {ref.id: ref.slices for ref in item_refs(workspace, ids=by_item)}
    reliable = reliabilities(asked, by_item, reliability(workspace, project, question))
    answers = {item: {each.rater_id: plain(asked, each.value) for each in given} for item, given in by_item.items()}
    ground = _Ground(
        asked,
        reliable,
        {frozenset((pair.first, pair.second)): pair for pair in confused_pairs(asked, by_item)},
        worse_slices(asked, by_item, refs),
        worse_guidelines(asked, by_item),
        groups or {},
        gatherings(answers, refs, _slips(workspace, project, question), [rater for rater, each in reliable.items() if _sound(each)]),
    )
    found = [
        (cause_of(ground, row.item_id, by_item[row.item_id], refs.get(row.item_id, {})), row.cause)
        for row in rows
        if row.cause_by in ("", RULE) and row.item_id in by_item
    ]
    changed = [finding for finding, before in found if finding.cause != before]

    def job(tx: WriteTransaction) -> None:
        for finding in changed:
            _keep(tx, project, finding)
        if changed:
            causes = Counter(finding.cause for finding in changed)
            record(tx, type="triage.made", subject=project, body={"question": question, "changed": dict(sorted(causes.items()))})

    workspace.write(job)
    counts = Counter(finding.cause for finding, _ in found)
    return TriageReport({question: dict(counts)} if counts else {}, sum(row.cause_by not in ("", RULE) for row in rows))


def cause_of(ground: _Ground, item_id: str, said: list[Judgement], slices: Mapping[str, str]) -> Finding:
    """Why these people disagree about this item; pure."""
    question = ground.question
    answers = {each.rater_id: plain(question, each.value) for each in said}

    def finding(cause: str, **evidence: Any) -> Finding:
        return Finding(item_id, question.name, cause, RULE, {"answers": dict(Counter(answers.values())), **evidence})

    if question.policy == "soft":
        return finding("plurality", because="the question's policy keeps the distribution")
    camps = _camps(answers, ground.groups)
    if camps:
        return finding("plurality", because="groups agree among themselves on different answers", groups=camps)
    slip = _slip(answers, ground.reliable)
    if slip is not None:
        return finding("annotator_error", **slip)
    unclear = _unclear(ground, answers, said, slices)
    if unclear is not None:
        return finding("unclear_guideline", **unclear)
    sides = {
        value: max((ground.reliable[rater].lower for rater, given in answers.items() if given == value and rater in ground.reliable), default=0.0)
        for value in set(answers.values())
    }
    good = sorted(value for value, lower in sides.items() if lower >= _RELIABLE)
    if len(good) >= 2:
        by_gold = {value for rater, value in answers.items() if rater in ground.reliable and _sound(ground.reliable[rater])}
        gathered = _gathered(ground.gathering, by_gold, slices) if len(by_gold) >= 2 else None
        if gathered is not None:
            return finding("unclear_guideline", sides=sorted(by_gold), **gathered)
        looked = {} if ground.gathering is None else {"looked_at": ground.gathering.told()}
        return finding("ambiguous_item", because="reliable people stand on both sides", sides=good, **looked)
    return finding("unknown", because="too little is known of who answered")


def _sound(each: Reliability) -> bool:
    """Whether gold has shown this person to be reliable."""
    return each.rests_on == "gold" and each.lower >= _RELIABLE


def _slips(workspace: Workspace, project: str, question: str) -> dict[tuple[str, str], int]:
    """How often each two answers were taken for one another on gold, by anybody."""
    found: Counter[tuple[str, str]] = Counter()
    for table in confusion(workspace, project, question):
        for right, row in table.counts.items():
            for given, n in row.items():
                if given != right:
                    found[min(given, right), max(given, right)] += n
    return dict(found)


def _gathered(gathering: Gathering | None, sides: set[str], slices: Mapping[str, str]) -> dict[str, Any] | None:
    if gathering is None:
        return None
    for pair in combinations(sorted(sides), 2):
        if pair in gathering.pairs:
            because = "people whom gold shows to be reliable differ on these two answers beyond what is mixed up on gold and by chance"
            return {"because": because, "pair": list(pair), **gathering.pairs[pair]}
    for entry in sorted(slices.items()):
        if entry in gathering.slices:
            because = "people whom gold shows to be reliable surely differ more in this slice than elsewhere"
            return {"because": because, "slice": dict([entry]), **gathering.slices[entry]}
    return None


def _slip(answers: Mapping[str, str], known: Mapping[str, Reliability]) -> dict[str, Any] | None:
    counts = Counter(answers.values())
    if len(counts) != 2 or len(answers) < 3 or min(counts.values()) != 1:
        return None
    alone = counts.most_common()[-1][0]
    dissenter = next(rater for rater, value in answers.items() if value == alone)
    others = [rater for rater in answers if rater != dissenter]
    if dissenter not in known or any(rater not in known for rater in others):
        return None
    least = min(known[rater].estimate for rater in others)
    if known[dissenter].upper >= least:
        return None
    return {
        "because": "one stands against several, and is surely less reliable than each of them",
        "dissenter": dissenter,
        "dissenter_upper": known[dissenter].upper,
        "others_least": least,
        "rests_on": sorted({known[rater].rests_on for rater in answers}),
    }


def _camps(answers: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, str]:
    """Group → its one answer, if at least two groups of two or more people each agree among themselves, and not with each other."""
    said: dict[str, list[str]] = defaultdict(list)
    for rater, value in answers.items():
        if rater in groups:
            said[groups[rater]].append(value)
    one = {group: values[0] for group, values in sorted(said.items()) if len(values) >= 2 and len(set(values)) == 1}
    return one if len(one) >= 2 and len(set(one.values())) >= 2 else {}


def _unclear(ground: _Ground, answers: Mapping[str, str], said: list[Judgement], slices: Mapping[str, str]) -> dict[str, Any] | None:
    for first, second in combinations(sorted(set(answers.values())), 2):
        pair = ground.pairs.get(frozenset((first, second)))
        if pair is not None and pair.concentrated:
            numbers = {"n": pair.n, "share": pair.share, "lower": pair.lower, "expected": pair.expected}
            return {"because": "these two answers are mixed up more often than chance makes", "pair": [first, second], **numbers}
    for name, value in sorted(slices.items()):
        if (name, value) in ground.slices:
            return {"because": "this slice has surely more disagreement than the rest", "slice": {name: value}, **ground.slices[(name, value)]}
    for guideline in sorted({each.guideline_id or "" for each in said}):
        if guideline in ground.guidelines:
            return {"because": "this guideline has surely more disagreement than the others", "guideline": guideline, **ground.guidelines[guideline]}
    return None


def overrule(workspace: Workspace, project: str, item_id: str, question: str, cause: str, *, login: str, note: str | None = None) -> Finding:
    """Say why people disagree about an item, against the rule or before it. It stands until a person says otherwise.

    Raises ``InputError`` on an unknown cause, ``NotFound`` if the item is not settled.
    """
    if cause not in CAUSES:
        raise InputError(f"'{cause}' is no cause of disagreement.", mend=f"use one of: {', '.join(CAUSES)}")
    if not login or login == RULE:
        raise InputError("A person says who they are.", mend="give their login")

    def job(tx: WriteTransaction) -> Finding:
        where = (S.workspace_id == tx.workspace_id, S.project == project, S.item_id == item_id, S.question == question)
        before = tx.conn.execute(select(S.cause, S.cause_by).where(*where)).first()
        if before is None:
            raise NotFound("This item is not settled.", where=item_id, mend="settle the project first")
        made = Finding(item_id, question, cause, login, {"instead_of": before.cause, "by": before.cause_by}, note, tx.clock.now_us())
        _keep(tx, project, made)
        body = {"item": item_id, "question": question, "cause": cause, "instead_of": before.cause}
        record(tx, type="triage.overruled", subject=project, body=body, actor=login, personal={"note": note} if note else None)
        return made

    return workspace.write(job)


def _keep(tx: WriteTransaction, project: str, finding: Finding) -> None:
    row = {"id": new_id("trg", clock=tx.clock), "project": project, "item_id": finding.item_id, "question": finding.question}
    tx.insert(review_triage, {**row, "cause": finding.cause, "made_by": finding.made_by, "evidence": finding.evidence, "note": finding.note})
    where = (S.workspace_id == tx.workspace_id, S.project == project, S.item_id == finding.item_id, S.question == finding.question)
    tx.conn.execute(update(review_settlement).where(*where).values(cause=finding.cause, cause_by=finding.made_by))


def findings(workspace: Workspace, project: str, item_ids: list[str], question: str) -> dict[str, list[Finding]]:
    """Everything that was found of why people disagree about these items, oldest first."""
    t = review_triage.c
    found: dict[str, list[Finding]] = defaultdict(list)
    with workspace.read() as conn:
        for start in range(0, len(item_ids), CHUNK):
            part = item_ids[start : start + CHUNK]
            where = (t.workspace_id == workspace.id, t.project == project, t.question == question, t.item_id.in_(part))
            for row in conn.execute(select(review_triage).where(*where).order_by(t.created_at, t.id)):
                found[row.item_id].append(Finding(row.item_id, question, row.cause, row.made_by, row.evidence, row.note, row.created_at))
    return dict(found)


def confusion_between(workspace: Workspace, project: str, question: str, *, top: int = 20) -> list[PairConfusion]:
    """Which answers people mix up, with examples, most frequent first."""
    asked, said = people_said(workspace, project, question)
    by_item: dict[str, list[Judgement]] = defaultdict(list)
    for each in said:
        by_item[each.item_id].append(each)
    return confused_pairs(asked, by_item)[:top]
