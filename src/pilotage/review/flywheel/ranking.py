"""Ranking what stood behind the sides of a project's pairs, one dimension at a time.

A side says what it is beside its text: ``{"content": …, "model": "m", "model_version": "2"}``. Who answers is served the text alone, so that they
judge what was said and not who said it (``serving``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import InputError
from pilotage.judging import RaterKind, judgements
from pilotage.judging.preferences import Pair, Ranking, bradley_terry
from pilotage.judging.tables import item_payload
from pilotage.review.flywheel.exchange import answers_of_pair
from pilotage.review.flywheel.slices import kept_out
from pilotage.review.projects import load_project
from pilotage.review.tables import review_task
from pilotage.store import Workspace

_CHUNK = 500


@dataclass(frozen=True)
class PreferenceRanking:
    """What the pairs of one dimension say.

    ranking
        The systems, strongest first; None where that cannot be said (``reason``).
    sides
        The same answers as if every a and every b were one system: it holds the biases of position and length, whoever wrote the sides. None without
        an answer.
    unnamed
        Pairs left out because a side does not say what it is, or both are the same.
    """

    dimension: str
    ranking: Ranking | None
    sides: Ranking | None
    unnamed: int
    reason: str = ""


def system_of(side: Any) -> str | None:
    """What stood behind a side, ``model@version``; None where it does not say."""
    if not isinstance(side, Mapping) or not isinstance(side.get("model"), str) or not side["model"]:
        return None
    version = side.get("model_version")
    return f"{side['model']}@{version}" if version else str(side["model"])


def rank_preferences(workspace: Workspace, project: str, question: str, *, replicates: int = 200, seed: int = 0) -> PreferenceRanking:
    """Rank the systems behind the pairs of one question, by people's answers about items: no gold, no planted errors, no frozen slice.

    Raises
    ------
    NotFound, InputError
        If there is no such project, or the question is no pair question of it.

    Cost: one pass over the question's answers and their items' payloads, and one fit a replicate.
    """
    asked = load_project(workspace, project)
    if asked.rubric.question(question).kind != "pair":
        raise InputError(f"'{question}' does not ask to prefer one of two.", mend="name a question of kind 'pair'")
    t, p = review_task.c, item_payload.c
    mine = select(t.item_id).where(t.workspace_id == workspace.id, t.queue == project, t.purpose.in_(("work", "audit")), t.answers > 0)
    with workspace.read() as conn:
        out = kept_out(conn, workspace.id, project)
        items = sorted(set(conn.execute(mine).scalars()) - out.keys())
        behind: dict[str, tuple[str | None, str | None]] = {}
        lengths: dict[str, tuple[float, float]] = {}
        for start in range(0, len(items), _CHUNK):
            part = items[start : start + _CHUNK]
            for row in conn.execute(select(p.item_id, p.payload).where(p.workspace_id == workspace.id, p.item_id.in_(part))):
                texts = answers_of_pair(row.payload)
                if texts is None:
                    continue
                behind[row.item_id] = (system_of(row.payload["a"]), system_of(row.payload["b"]))
                lengths[row.item_id] = (float(max(1, len(texts[1].split()))), float(max(1, len(texts[2].split()))))
    said = [
        each
        for each in judgements(
            workspace, item_ids=list(behind), question=question, rubric_id=asked.rubric.id, rater_kind=RaterKind.PERSON, purposes=("work", "audit")
        )
        if not each.abstained
    ]
    if not said:
        return PreferenceRanking(question, None, None, 0, "nobody compared anything yet")
    how: dict[str, Any] = {"replicates": replicates, "seed": seed}
    whole, named, unnamed = [], [], set()
    for each in said:
        first, second = behind[each.item_id]
        rest = (each.value["preferred"], each.rater_id, each.sides, lengths[each.item_id], question)
        whole.append(Pair("a", "b", *rest))
        if first is None or second is None or first == second:
            unnamed.add(each.item_id)
        else:
            named.append(Pair(first, second, *rest))
    sides = bradley_terry(whole, **{**how, "replicates": 50})
    if not named:
        return PreferenceRanking(question, None, sides, len(unnamed), "the pairs do not say what stood behind their sides")
    try:
        return PreferenceRanking(question, bradley_terry(named, **how), sides, len(unnamed))
    except InputError as error:  # systems that were never compared, not even through others
        return PreferenceRanking(question, None, sides, len(unnamed), f"{error.what} {error.mend or ''}".strip())
