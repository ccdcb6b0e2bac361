"""Methods of inference side by side: which one gold favours, and the items they do not agree about, which are for somebody to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilotage.judging.aggregation import Choice, Disagreement, choose_method, disagreements_between, infer
from pilotage.judging.aggregation.choose import METHODS
from pilotage.review.measuring.known import in_force
from pilotage.review.measuring.settling import GOLD_UNIT, votes_of
from pilotage.store import Workspace

_LISTED = 1000


@dataclass(frozen=True)
class MethodsCompared:
    """What the methods say of one question.

    choice
        Which one gold favours, with each one's score; without enough gold the banner that says so.
    differing
        The items whose label is not the same by every method, least certain first; the first thousand of ``n_differing``.
    n_items, n_gold
        Items that were weighed, and gold items among the votes.
    """

    question: str
    choice: Choice
    differing: tuple[Disagreement, ...]
    n_differing: int
    n_items: int
    n_gold: int
    not_at_rest: tuple[str, ...]


def compare_methods(workspace: Workspace, project: str, question: str, *, seed: int = 0) -> MethodsCompared:
    """Fit every method to the answers of one question, and score them on gold they were not given.

    Raises ``NotFound`` if there is no such project, and ``InputError`` if the question has no short list of answers, or there are too few raters.
    Cost: six fits, and five times that where there is enough gold to score them.
    """
    from pilotage.judging.rubric import find_rubric

    with workspace.read() as conn:
        asked = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id).question(question)
    votes, gold = votes_of(workspace, project, asked)
    choice = choose_method(votes, gold, seed=seed)
    truths = [infer(votes, gold=gold or None, method=name, seed=seed) for name in METHODS]
    found = [each for each in disagreements_between(truths) if not _is_gold(each.unit)]
    items = sum(not _is_gold(unit) for unit in votes.units)
    resting = tuple(truth.method for truth in truths if not truth.converged)
    return MethodsCompared(question, choice, tuple(found[:_LISTED]), len(found), items, len(gold), resting)


def _is_gold(unit: Any) -> bool:
    return str(unit).startswith(GOLD_UNIT)
