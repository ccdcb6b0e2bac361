"""What people prefer: the votes on each pair of a question, how far they agree, and who they are, without names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import select

from pilotage.core import InputError, NotFound, digest
from pilotage.judging import Agreement, Judgement, Question, RaterKind, judgements, krippendorff_alpha
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item_payload
from pilotage.review.flywheel.exchange import answers_of_pair
from pilotage.review.flywheel.reliability import reliabilities
from pilotage.review.flywheel.slices import kept_out
from pilotage.review.tables import review_guideline, review_task
from pilotage.store import Workspace

A, B, TIE, BOTH_BAD = "a", "b", "tie", "both_bad"
_CHUNK = 500


@dataclass(frozen=True)
class PairVotes:
    """The votes on one pair, one dimension.

    votes
        How many preferred ``a``, ``b``, neither (``tie``), or found both bad. An adjudicator's word is in ``decided``, not here.
    strength
        The mean of signed strengths, above 0 for ``a``, over those who gave one; None if nobody did.
    """

    item: str
    prompt: tuple[dict[str, Any], ...]
    a: str
    b: str
    votes: Mapping[str, int]
    judgements: tuple[str, ...]
    guidelines: Mapping[str, int]
    decided: str | None = None
    strength: float | None = None

    @property
    def n(self) -> int:
        """How many voted."""
        return sum(self.votes.values())

    @property
    def winner(self) -> str:
        """``a``, ``b``, ``tie`` or ``both_bad``: what was decided, else what most said; equally many for several is a tie."""
        if self.decided is not None:
            return self.decided
        most = max(self.votes.values(), default=0)
        leading = [name for name, count in self.votes.items() if count == most]
        return leading[0] if len(leading) == 1 else TIE

    @property
    def vote_share(self) -> float:
        """The winner's share of all votes, ties and both-bad among them."""
        return self.votes.get(self.winner, 0) / self.n if self.n else 0.0


@dataclass(frozen=True)
class RaterPool:
    """Who voted, without names: how many people, how much, how right on gold, and under which guidelines.

    ``guidelines``: id → number of judgements. ``accuracy`` etc. are pooled over the people whom gold measured (``measured`` of them).
    """

    people: int
    judgements: int
    pairs: int
    votes_per_pair: float
    measured: int
    accuracy_mean: float | None
    accuracy_least: float | None
    guidelines: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        gold = (
            f"right on gold {self.accuracy_mean:.2f} on average ({self.measured} measured)"
            if self.accuracy_mean is not None
            else "not measured on gold"
        )
        return f"{self.people} people, {self.judgements} votes on {self.pairs} pairs, {gold}"


@dataclass(frozen=True)
class Preferences:
    """Everything about one dimension of a project. ``alpha`` is over votes given without a suggestion in sight, ``alpha_all`` over all of them.

    ``guideline_hashes``: guideline id → digest of its text.
    """

    question: Question
    pairs: tuple[PairVotes, ...]
    alpha: Agreement
    alpha_all: Agreement
    pool: RaterPool
    guideline_hashes: dict[str, str]
    left_out: dict[str, int]


def pair_votes(workspace: Workspace, project: str, question: str, *, seed: int = 0) -> Preferences:
    """The votes of one pair question. Gold, exams and planted errors are no votes, and items of frozen slices are left out.

    Raises
    ------
    NotFound
        If no task of the project asks the question.
    InputError
        If it is no pair question, or asked in two rubrics: votes under different words are not added up.

    Cost: one pass over the project's judgements of the question and their items' payloads.
    """
    t = review_task.c
    with workspace.read() as conn:
        tasks = conn.execute(select(t.item_id, t.rubric_id).where(t.workspace_id == workspace.id, t.queue == project)).all()
        out = kept_out(conn, workspace.id, project)
        asked: dict[str, Question] = {}
        for ref in sorted({row.rubric_id for row in tasks}):
            found = next((each for each in find_rubric(conn, ref, workspace_id=workspace.id).questions if each.name == question), None)
            if found is not None:
                asked[ref] = found
    if not asked:
        raise NotFound(
            f"No task of '{project}' asks '{question}'.", mend="name one of the rubric's pair questions: dimensions are exported one by one"
        )
    if any(each.kind != "pair" for each in asked.values()):
        raise InputError(f"'{question}' does not ask to prefer one of two.", mend="name a question of kind 'pair'")
    if len(asked) > 1:
        raise InputError(
            f"'{question}' was asked in {len(asked)} rubrics.",
            where=f"project '{project}'",
            why="votes under different words are not added up",
            mend="put the pairs of one rubric into a project of their own",
        )
    rubric = next(iter(asked))
    left: Counter[str] = Counter()
    items = sorted({row.item_id for row in tasks if row.rubric_id == rubric})
    said: dict[str, list[Judgement]] = defaultdict(list)
    for each in judgements(workspace, item_ids=items, question=question, rubric_id=rubric, rater_kind=RaterKind.PERSON):
        if not each.abstained:
            said[each.item_id].append(each)
    for item in [item for item in said if item in out]:
        left[out[item]] += 1
        del said[item]
    pairs = _pairs(workspace, said, left)
    votes = [each for given in said.values() for each in given if each.purpose != "adjudication"]
    unaided = [each for each in votes if each.suggestion is None]
    return Preferences(
        question=asked[rubric],
        pairs=tuple(pairs),
        alpha=_alpha(unaided, seed),
        alpha_all=_alpha(votes, seed),
        pool=_pool(workspace, project, question, votes),
        guideline_hashes=_hashes(workspace, {each.guideline_id for each in votes if each.guideline_id}),
        left_out=dict(sorted(left.items())),
    )


def _pairs(workspace: Workspace, said: Mapping[str, Sequence[Judgement]], left: Counter[str]) -> list[PairVotes]:
    p, ids, made = item_payload.c, sorted(said), []
    with workspace.read() as conn:
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            query = select(p.item_id, p.payload).where(p.workspace_id == workspace.id, p.item_id.in_(part)).order_by(p.item_id)
            for row in conn.execute(query):
                shown = answers_of_pair(row.payload)
                if shown is None:
                    left["the item shows no prompt with two answers"] += 1
                    continue
                made.append(_count(row.item_id, shown, said[row.item_id]))
    return made


def _count(item: str, shown: tuple[tuple[dict[str, Any], ...], str, str], given: Sequence[Judgement]) -> PairVotes:
    votes: Counter[str] = Counter()
    strengths: list[float] = []
    decided = None
    for each in given:
        preferred = each.value["preferred"]
        if each.purpose == "adjudication":
            decided = preferred
            continue
        votes[preferred] += 1
        if each.value.get("strength") is not None:
            strengths.append(float(each.value["strength"]) * {A: 1, B: -1}.get(preferred, 0))
    return PairVotes(
        item=item,
        prompt=shown[0],
        a=shown[1],
        b=shown[2],
        votes=dict(sorted(votes.items())),
        judgements=tuple(sorted(each.id for each in given)),
        guidelines=dict(sorted(Counter(each.guideline_id or "" for each in given).items())),
        decided=decided,
        strength=sum(strengths) / len(strengths) if strengths else None,
    )


def _alpha(votes: Iterable[Judgement], seed: int) -> Agreement:
    return krippendorff_alpha([(each.item_id, each.rater_id, each.value["preferred"]) for each in votes], scale="nominal", seed=seed)


def _pool(workspace: Workspace, project: str, question: str, votes: Sequence[Judgement]) -> RaterPool:
    people = sorted({each.rater_id for each in votes})
    known = reliabilities(workspace, project, question)
    accuracies = [value for rater in people if rater in known and (value := known[rater].accuracy) is not None]
    pairs = len({each.item_id for each in votes})
    return RaterPool(
        people=len(people),
        judgements=len(votes),
        pairs=pairs,
        votes_per_pair=len(votes) / pairs if pairs else 0.0,
        measured=len(accuracies),
        accuracy_mean=sum(accuracies) / len(accuracies) if accuracies else None,
        accuracy_least=min(accuracies, default=None),
        guidelines=dict(sorted(Counter(each.guideline_id or "none" for each in votes).items())),
    )


def _hashes(workspace: Workspace, ids: Iterable[str]) -> dict[str, str]:
    g = review_guideline.c
    with workspace.read() as conn:
        rows = conn.execute(select(g.id, g.text).where(g.workspace_id == workspace.id, g.id.in_(sorted(ids)))).all()
    return {row.id: digest(row.text) for row in rows}
