"""Agreement for pages that are opened often: counted once, and again when more was answered."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from pilotage.core import MICROSECONDS, PilotageError
from pilotage.review.projects import Project
from pilotage.store import Workspace

KEEP_US = 600 * MICROSECONDS
QUICK = 20_000  # answers: with more, a list shows what was counted before, and only the project's own page counts


@dataclass(frozen=True)
class Agreed:
    """How far people agree on one question: of all answers, and of those given without a suggestion in sight.

    ``all`` and ``unaided`` are :class:`pilotage.judging.Agreement`; None where it cannot be counted, for the ``reason``. ``answers`` is how many
    answers the project had then.
    """

    question: str
    policy: str
    all: Any = None
    unaided: Any = None
    aided: int = 0
    reason: str = ""
    answers: int = 0


class Agreements:
    """What was counted lately, by project version and number of answers. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[int, int, int, tuple[Agreed, ...]]] = {}

    def of(self, workspace: Workspace, project: Project, answers: int, *, first: bool = False) -> tuple[Agreed, ...]:
        """One entry a question. With ``first`` (a list of projects) only that of the first question that can be compared.

        Cost: a pass over the project's answers, at most once in ten minutes while answers come in, and none where nothing new was answered.
        """
        key, now = (workspace.id, project.name), workspace.clock.now_us()
        with self._lock:
            known = self._known.get(key)
        if known is not None and known[0] == project.number and (known[1] == answers or (answers > QUICK and now - known[2] < KEEP_US)):
            found = known[3]
        elif first and answers > QUICK:
            found = known[3] if known is not None else ()
        else:
            found = tuple(_count(workspace, project, question.name, answers) for question in project.rubric.questions)
            with self._lock:
                self._known[key] = (project.number, answers, now, found)
        return tuple(one for one in found if one.all is not None)[:1] if first else found


def _count(workspace: Workspace, project: Project, question: str, answers: int) -> Agreed:
    from pilotage.review.measuring import project_agreement

    policy = project.rubric.question(question).policy
    try:
        found = project_agreement(workspace, project.name, question)[0]
    except PilotageError as error:
        return Agreed(question, policy, reason=error.what, answers=answers)
    return Agreed(question, policy, found.all, found.unaided, found.aided, answers=answers)
