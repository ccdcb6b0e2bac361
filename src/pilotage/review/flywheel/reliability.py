"""How reliable the people behind a row are: their accuracy on gold, with n and interval, without their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pilotage.judging import person
from pilotage.review.measuring.accuracy import Accuracy, accuracy, team_accuracy
from pilotage.store import Workspace


@dataclass(frozen=True)
class Reliability:
    """A person's accuracy on gold. ``of`` is the question it was measured on, or ``all questions``; ``reason`` says why there is no figure."""

    accuracy: float | None
    lower: float | None
    upper: float | None
    n: int
    of: str
    reason: str = ""

    @classmethod
    def unknown(cls) -> Reliability:
        """Of somebody who answered no gold."""
        return cls(None, None, None, 0, "all questions", "no known items answered")

    @classmethod
    def of_accuracy(cls, found: Accuracy, *, of: str) -> Reliability:
        """The figure without the name."""
        return cls(found.estimate, found.lower, found.upper, found.n, of, found.reason)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def reliabilities(workspace: Workspace, project: str, question: str) -> dict[str, Reliability]:
    """By rater id: accuracy on this question where gold measures it, else over all questions of the project. Empty for a queue without a project."""
    from pilotage.review.projects import find_terms

    with workspace.read() as conn:
        if find_terms(conn, workspace.id, project) is None:
            return {}
    by_person: dict[str, list[Accuracy]] = defaultdict(list)
    for each in team_accuracy(workspace, project, last=None):
        by_person[each.login].append(each)
    return {person(login).id: _of(login, found, question) for login, found in by_person.items()}


def _of(login: str, found: Iterable[Accuracy], question: str) -> Reliability:
    given = list(found)
    for each in given:
        if each.question == question:
            return Reliability.of_accuracy(each, of=question)
    n, right = sum(each.n for each in given), sum(each.right for each in given)
    pooled = accuracy([1.0] * right + [0.0] * (n - right), login=login, question="")
    return Reliability.of_accuracy(pooled, of="all questions")
