"""What is known to be right, for measuring people: gold, then random audits, then adjudications.

Answers of reviewers who saw a suggestion are never the truth here: they lean towards it, which is what is to be measured. Adjudicated items are those
people disagreed about; figures that rest on them alone say nothing about the rest, so :attr:`Truths.sources` counts where the truth came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from pilotage.judging.tables import judgement, rater
from pilotage.review.tables import review_gold, review_task

_CHUNK = 500
_RANK = {"given": 0, "gold": 1, "audit": 2, "adjudication": 3}


@dataclass(frozen=True)
class Truths:
    """Known truths by (item, question), each with its source."""

    found: Mapping[tuple[str, str], tuple[Any, str]]

    def value(self, item_id: str, question: str) -> Any:
        """What is right, or None where it is not known."""
        return self.found.get((item_id, question), (None, ""))[0]

    @property
    def sources(self) -> dict[str, int]:
        """How many come from where."""
        return dict(sorted(Counter(source for _, source in self.found.values()).items()))


def known_truth(conn: Connection, workspace_id: str, *, item_ids: Iterable[str], given: Mapping[tuple[str, str], Any] | None = None) -> Truths:
    """What is known of these items. ``given`` is what the caller knows, and goes before all else.

    Of several audits or adjudications of one question the newest stands. Cost: two indexed look-ups per 500 items.
    """
    found: dict[tuple[str, str], tuple[int, int, Any, str]] = {}

    def take(key: tuple[str, str], value: Any, source: str, at: int = 0) -> None:
        standing = found.get(key)
        rank = -_RANK[source]
        if standing is None or (rank, at) > standing[:2]:
            found[key] = (rank, at, value, source)

    ids = sorted(set(item_ids))
    for key, value in (given or {}).items():
        take(key, value, "given")
    t, g, j, r = review_task.c, review_gold.c, judgement.c, rater.c
    later = judgement.alias("later")
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        gold = (
            select(t.item_id, g.question, g.value, g.created_at)
            .join(review_task, (t.workspace_id == g.workspace_id) & (t.id == g.task_id))
            .where(g.workspace_id == workspace_id, t.item_id.in_(part), g.state == "active")
        )
        for known in conn.execute(gold):
            take((known.item_id, known.question), known.value, "gold", known.created_at)
        superseded = (
            select(later.c.id)
            .where(
                later.c.workspace_id == j.workspace_id,
                later.c.item_id == j.item_id,
                later.c.question == j.question,
                later.c.rater_id == j.rater_id,
                later.c.rubric_id == j.rubric_id,
                later.c.supersedes == j.id,
            )
            .exists()
        )
        settled = (
            select(j.item_id, j.question, j.value, j.purpose, j.created_at)
            .join(rater, (r.workspace_id == j.workspace_id) & (r.id == j.rater_id))
            .where(j.workspace_id == workspace_id, j.item_id.in_(part), j.purpose.in_(("audit", "adjudication")))
            .where(r.kind == "person", j.abstained == 0, ~superseded)
        )
        for row in conn.execute(settled):
            take((row.item_id, row.question), row.value, row.purpose, row.created_at)
    return Truths({key: (value, source) for key, (_, _, value, source) in found.items()})
