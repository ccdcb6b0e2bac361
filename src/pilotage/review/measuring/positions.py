"""Whether what stands at the top of a ranking is preferred for standing there.

Every person meets the candidates in an order drawn for them (:func:`pilotage.review.arms.order_of`), so of two candidates either is as likely to
stand above. If places did not matter, the upper one of two would be preferred half the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING

from sqlalchemy import select

from pilotage.core import InputError
from pilotage.judging import ABOUT_ITEMS, Judgement, RaterKind, judgements
from pilotage.judging.rubric import find_rubric
from pilotage.review.measuring.known import in_force
from pilotage.review.tables import review_task
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.evidence import Evidence

ENOUGH = 30


def upper_preferred(judgement: Judgement) -> float | None:
    """Of the pairs of candidates that a ranking tells apart, the share in which the one that stood above is preferred, 0 to 1.

    None where the order is not on record, or everything stands equal.
    """
    if judgement.abstained or not judgement.served_order:
        return None
    place = {one: number for number, group in enumerate(judgement.value) for one in group}
    told = [place[upper] < place[lower] for upper, lower in combinations(judgement.served_order, 2) if place[upper] != place[lower]]
    return sum(told) / len(told) if told else None


def position_bias_of(given: Iterable[Judgement], *, level: float = 0.95) -> Evidence:
    """The mean of :func:`upper_preferred`, persons as clusters: .5 where places do not matter. Not assessable below 30 rankings."""
    from pilotage.evidence import Observation, mean, not_assessable

    shares = [(each, share) for each in given if (share := upper_preferred(each)) is not None]
    if len(shares) < ENOUGH:
        reason = f"{len(shares)} rankings whose order is on record; a figure needs {ENOUGH}"
        return not_assessable("position_bias", reason=reason, n=len(shares), method="mean over rankings, persons as clusters")
    seen = [Observation(f"{each.item_id}/{each.rater_id}", share, cluster=each.rater_id) for each, share in shares]
    return mean(seen, metric="position_bias", scale=(0.0, 1.0), level=level)


def position_bias(workspace: Workspace, project: str, question: str, *, level: float = 0.95) -> Evidence:
    """The bias of a project's people towards what stands at the top, in one ranking question; see :func:`position_bias_of`.

    Raises ``NotFound`` if there is no such project, and ``InputError`` if the question is no ranking. Cost: one pass over its judgements.
    """
    with workspace.read() as conn:
        asked = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id).question(question)
        t = review_task.c
        items = list(conn.execute(select(t.item_id).where(t.workspace_id == workspace.id, t.queue == project).distinct()).scalars())
    if asked.kind != "ranking":
        raise InputError("Only rankings have places.", where=f"question '{question}'", mend="of pairs, see judging.preferences")
    return position_bias_of(judgements(workspace, item_ids=items, question=question, rater_kind=RaterKind.PERSON, purposes=ABOUT_ITEMS), level=level)
