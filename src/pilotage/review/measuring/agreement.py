"""Agreement of a project's people: per question, slice, guideline and pair of people, and what a new guideline changed.

Where suggestions were shown, people agree with each other because they agree with the machine. So the figure is always given twice: for all answers,
and for those made without a suggestion in sight.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sqlalchemy import select

from pilotage.core import InputError
from pilotage.judging import Agreement, Judgement, Question, cohen_kappa, item_refs, judgements, krippendorff_alpha
from pilotage.judging.rubric import find_rubric
from pilotage.review.measuring.known import in_force
from pilotage.review.measuring.matching import COMPARABLE, plain
from pilotage.review.tables import review_task
from pilotage.store import Workspace

BY = ("slice", "guideline", "pair")


@dataclass(frozen=True)
class Agreeing:
    """Agreement of one part of the answers. ``unaided`` is of those who saw no suggestion; ``aided`` how many answers were given in sight of one."""

    question: str
    part: str
    all: Agreement
    unaided: Agreement
    aided: int

    def __str__(self) -> str:
        part = f" [{self.part}]" if self.part else ""
        return f"{self.question}{part}: {self.all}" + (f"\n  without a suggestion: {self.unaided}" if self.aided else "")


@dataclass(frozen=True)
class Change:
    """Agreement before and after. ``difference`` and its interval are None where either is not assessable (then ``reason``)."""

    question: str
    before: Agreement
    after: Agreement
    difference: float | None
    lower: float | None
    upper: float | None
    reason: str = ""

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.question}: not assessable: {self.reason}"
        return f"{self.question}: alpha changed by {self.difference:+.3f} [{self.lower:+.3f}, {self.upper:+.3f}]"


def project_agreement(
    workspace: Workspace, project: str, question: str, *, by: str | None = None, slice: str | None = None, of: str | None = None, seed: int = 0
) -> list[Agreeing]:
    """How far the project's people agree on ``question``; with ``by`` for each part too.

    Parameters
    ----------
    by
        ``slice`` (then name it), ``guideline``, or ``pair`` (Cohen's kappa of each two people who share items).
    of
        With ``pair``: only the pairs of the rater with this id.

    Cost: one pass over the question's judgements.
    """
    if by is not None and by not in BY:
        raise InputError(f"Agreement is not kept by '{by}'.", mend=f"use one of: {', '.join(BY)}")
    if (by == "slice") != (slice is not None):
        raise InputError("Agreement by slice needs the slice's name, and only that does.", mend="give by='slice', slice='language'")
    asked, given = people_said(workspace, project, question)
    found = [_agreeing(asked, "", given, seed)]
    if by == "pair":
        return found + _pairs(asked, given, seed, of)
    parts: dict[str, list[Judgement]] = defaultdict(list)
    if by == "guideline":
        for judgement in given:
            parts[judgement.guideline_id or ""].append(judgement)
    elif slice is not None:
        where = {ref.id: ref.slices for ref in item_refs(workspace, ids=[judgement.item_id for judgement in given])}
        for judgement in given:
            parts[where[judgement.item_id].get(slice, "")].append(judgement)
    return found + [_agreeing(asked, part, mine, seed) for part, mine in sorted(parts.items())]


def agreement_change(workspace: Workspace, project: str, question: str, *, before: str, after: str, seed: int = 0) -> Change:
    """Agreement on work done under the guideline ``before`` and under ``after`` (ids), and the difference.

    The interval is the square-and-add combination of the two (Zou & Donner 2008, MOVER): the two samples share no items.
    """
    asked, given = people_said(workspace, project, question)
    old = alpha(asked, [judgement for judgement in given if judgement.guideline_id == before], seed)
    new = alpha(asked, [judgement for judgement in given if judgement.guideline_id == after], seed)
    for name, side in (("before", old), ("after", new)):
        if side.status != "measured" or side.lower is None:
            return Change(question, old, new, None, None, None, f"{name}: {side.reason or 'no interval'}")
    return Change(question, old, new, *_mover(old, new))


def people_said(workspace: Workspace, project: str, question: str) -> tuple[Question, list[Judgement]]:
    """The question, and what people currently say of the project's items under its rubric: work and audits, never what measures a rater."""
    with workspace.read() as conn:
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
        t = review_task.c
        mine = select(t.item_id).where(t.workspace_id == workspace.id, t.queue == project, t.purpose.in_(("work", "audit")), t.answers > 0)
        items = set(conn.execute(mine.distinct()).scalars())
    said = judgements(workspace, question=question, rater_kind="person", rubric_id=rubric.id, purposes=("work", "audit"))
    return rubric.question(question), [judgement for judgement in said if judgement.item_id in items and not judgement.abstained]


def alpha(question: Question, given: Iterable[Judgement], seed: int = 0) -> Agreement:
    """Krippendorff's alpha of answers to ``question``, on its scale. Answers of several parts (options, spans, pairs) are compared as wholes."""
    if question.kind not in COMPARABLE:
        raise InputError(f"Agreement on free text is not counted; '{question.name}' is a {question.kind}.", mend="ask about another question")
    whole: Any = (lambda value: value) if question.kind == "rating" else (lambda value: plain(question, value))
    scale = question.scale if question.kind in ("rating", "choice") else "nominal"
    order = [option.value for option in question.options] if question.kind == "choice" and scale == "ordinal" else None
    return krippendorff_alpha([(each.item_id, each.rater_id, whole(each.value)) for each in given], scale=scale, order=order, seed=seed)


def _agreeing(question: Question, part: str, given: list[Judgement], seed: int) -> Agreeing:
    unaided = [each for each in given if each.suggestion is None]
    everybody = alpha(question, given, seed)
    return Agreeing(
        question.name, part, everybody, everybody if len(unaided) == len(given) else alpha(question, unaided, seed), len(given) - len(unaided)
    )


def _pairs(question: Question, given: list[Judgement], seed: int, of: str | None) -> list[Agreeing]:
    said: dict[str, dict[str, Judgement]] = defaultdict(dict)
    for each in given:
        said[each.rater_id][each.item_id] = each
    found: list[Agreeing] = []
    for first, second in combinations(sorted(said), 2):
        shared = sorted(set(said[first]) & set(said[second]))
        if not shared or (of is not None and of not in (first, second)):
            continue
        alone = [item for item in shared if said[first][item].suggestion is None and said[second][item].suggestion is None]
        tables = [
            cohen_kappa(
                {item: plain(question, said[first][item].value) for item in items},
                {item: plain(question, said[second][item].value) for item in items},
                seed=seed,
            )
            for items in (shared, alone)
        ]
        found.append(Agreeing(question.name, f"{first} and {second}", tables[0], tables[1], len(shared) - len(alone)))
    return found


def _mover(old: Agreement, new: Agreement) -> tuple[float, float, float]:
    assert old.estimate is not None and new.estimate is not None  # noqa: S101 - the caller looked
    assert old.lower is not None and old.upper is not None and new.lower is not None and new.upper is not None  # noqa: S101
    difference = new.estimate - old.estimate
    down = math.hypot(new.estimate - new.lower, old.upper - old.estimate)
    up = math.hypot(new.upper - new.estimate, old.estimate - old.lower)
    return difference, difference - down, difference + up
