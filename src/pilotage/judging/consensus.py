"""Consensus: what the judgements of one question about one item together say. Disagreement is kept, never averaged away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from pilotage.core import InputError, canonical_json, content_id, digest
from pilotage.judging.item import CHUNK
from pilotage.judging.judgement import Judgement
from pilotage.judging.rater import RaterKind
from pilotage.judging.tables import consensus as consensus_table
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class Vote:
    """How many raters gave ``value``."""

    value: Any
    count: int


@dataclass(frozen=True)
class Consensus:
    """What several judgements say together.

    ``value`` is None on a tie and when nobody answered; ``votes`` (most first) and ``abstained`` keep what each side said. ``inputs_hash`` is
    the hash of the judgements it was made from: other judgements make another consensus. ``method`` is ``majority``, ``soft``, ``adjudicated`` or the
    name of an inference; ``distribution`` holds (value, probability) where the method gives one, and ``detail`` its parameters.
    """

    item_id: str
    question: str
    method: str
    value: Any
    votes: tuple[Vote, ...]
    abstained: int
    inputs_hash: str
    id: str = ""
    distribution: tuple[tuple[Any, float], ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        content = {"item": self.item_id, "question": self.question, "method": self.method, "inputs": self.inputs_hash}
        object.__setattr__(self, "id", content_id("con", content))

    @property
    def n(self) -> int:
        """How many raters answered."""
        return sum(vote.count for vote in self.votes)

    @property
    def tied(self) -> bool:
        """Whether several values have the most votes."""
        return len(self.votes) > 1 and self.votes[0].count == self.votes[1].count

    @property
    def unanimous(self) -> bool:
        """Whether all who answered (at least one) said the same."""
        return len(self.votes) == 1

    @property
    def share(self) -> float | None:
        """The leading value's share of the answers, or None when nobody answered."""
        return self.votes[0].count / self.n if self.votes else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "id": self.id,
            "item_id": self.item_id,
            "question": self.question,
            "method": self.method,
            "value": self.value,
            "tied": self.tied,
            "votes": [{"value": vote.value, "count": vote.count} for vote in self.votes],
            "abstained": self.abstained,
            "inputs_hash": self.inputs_hash,
            "distribution": [{"value": value, "probability": probability} for value, probability in self.distribution],
            "detail": self.detail,
        }

    def __str__(self) -> str:
        votes = ", ".join(f"{vote.value}: {vote.count}" for vote in self.votes) or "no answers"
        outcome = "tie" if self.tied else "nobody answered" if not self.votes else str(self.value)
        return f"{self.question}: {outcome} ({votes}" + (f"; {self.abstained} abstained)" if self.abstained else ")")


def majority(judgements: Iterable[Judgement]) -> Consensus:
    """The value most raters gave. A tie stays a tie. Abstentions are counted, not voted.

    Raises
    ------
    InputError
        If the judgements are none, are about several items or questions, count a rater twice, or mix people with machines.
    """
    given = list(judgements)
    _check(given)
    counts: Counter[bytes] = Counter(canonical_json(judgement.value) for judgement in given if not judgement.abstained)
    values = {canonical_json(judgement.value): judgement.value for judgement in given if not judgement.abstained}
    votes = tuple(Vote(values[key], count) for key, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
    tied = len(votes) > 1 and votes[0].count == votes[1].count
    return Consensus(
        item_id=given[0].item_id,
        question=given[0].question,
        method="majority",
        value=votes[0].value if votes and not tied else None,
        votes=votes,
        abstained=sum(judgement.abstained for judgement in given),
        inputs_hash=digest(sorted(judgement.id or digest(judgement.said()) for judgement in given)),
    )


def _check(given: list[Judgement]) -> None:
    if not given:
        raise InputError("There is no judgement to take a majority of.", mend="ask only about items that were judged")
    about = {(judgement.item_id, judgement.question) for judgement in given}
    if len(about) > 1:
        raise InputError("A consensus is about one item and one question.", where=", ".join(sorted(f"{i} '{q}'" for i, q in about)[:3]))
    raters = [judgement.rater_id for judgement in given]
    if len(set(raters)) != len(raters):
        twice = Counter(raters).most_common(1)[0][0]
        raise InputError("A rater would count twice.", where=f"rater {twice}", mend="hand in current judgements under one rubric version only")
    kinds = {judgement.rater_kind for judgement in given if judgement.rater_kind}
    if RaterKind.PERSON in kinds and len(kinds) > 1:
        raise InputError(
            "People and machines were mixed in one vote.",
            why="a machine never counts as a person",
            mend="ask for judgements(…, rater_kind='person') and for machines apart",
        )


def put_consensus(tx: WriteTransaction, consensus: Consensus) -> str:
    """Keep ``consensus`` and return its id. Putting it again changes nothing."""
    put_consensuses(tx, [consensus])
    return consensus.id


def put_consensuses(tx: WriteTransaction, made: Iterable[Consensus]) -> int:
    """As :func:`put_consensus` for many; how many were new. Cost: one look-up and one insert per 500."""
    t = consensus_table
    given = list({consensus.id: consensus for consensus in made}.values())
    new = 0
    for start in range(0, len(given), CHUNK):
        part = given[start : start + CHUNK]
        known = set(tx.conn.execute(select(t.c.id).where(t.c.workspace_id == tx.workspace_id, t.c.id.in_([each.id for each in part]))).scalars())
        rows = [_row(each) for each in part if each.id not in known]
        tx.insert(t, *rows)
        new += len(rows)
    return new


def _row(consensus: Consensus) -> dict[str, Any]:
    support: dict[str, Any] = {"votes": [{"value": vote.value, "count": vote.count} for vote in consensus.votes], "abstained": consensus.abstained}
    if consensus.distribution:
        support["distribution"] = [{"value": value, "probability": probability} for value, probability in consensus.distribution]
    if consensus.detail:
        support["detail"] = consensus.detail
    about = {"id": consensus.id, "item_id": consensus.item_id, "question": consensus.question, "method": consensus.method}
    return {**about, "value": consensus.value, "support": support, "inputs_hash": consensus.inputs_hash}


def consensuses(workspace: Workspace, *, item_ids: Iterable[str], question: str) -> list[Consensus]:
    """The stored consensuses about these items, oldest first. An item judged further has several: the last is the newest."""
    t, ids = consensus_table, sorted(set(item_ids))
    rows: list[Any] = []
    with workspace.read() as conn:
        for start in range(0, len(ids), CHUNK):
            query = select(t).where(t.c.workspace_id == workspace.id, t.c.question == question, t.c.item_id.in_(ids[start : start + CHUNK]))
            rows += conn.execute(query)
    return [
        Consensus(
            item_id=row.item_id,
            question=row.question,
            method=row.method,
            value=row.value,
            votes=tuple(Vote(vote["value"], vote["count"]) for vote in row.support["votes"]),
            abstained=row.support["abstained"],
            inputs_hash=row.inputs_hash,
            distribution=tuple((each["value"], each["probability"]) for each in row.support.get("distribution", ())),
            detail=row.support.get("detail", {}),
        )
        for row in sorted(rows, key=lambda row: (row.created_at, row.id))
    ]
