"""How often a reviewer lets a wrong output pass: the e_h of the economics, counted in the project itself.

Two things tell: gold whose right answer is that the output is wrong, and planted suggestions that say it is right. What counts is the person's answer
to the audit's question; who could not tell let nothing pass. Complaints and what reviewers say of live outputs never count here: nobody knows what is
true of those.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError
from pilotage.judging.rubric import find_rubric
from pilotage.review.measuring.known import in_force, known_answers
from pilotage.review.measuring.matching import plain
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.evidence import Evidence
    from pilotage.judging.calibration import ReviewerError

ENOUGH_SEEDS = 30


@dataclass(frozen=True)
class Misses:
    """Wrong outputs that people were shown, and how many of them they let pass, by where the truth is known from."""

    project: str
    question: str
    gold: int = 0
    gold_missed: int = 0
    seeds: int = 0
    seeds_missed: int = 0

    @property
    def n(self) -> int:
        return self.gold + self.seeds

    @property
    def missed(self) -> int:
        return self.gold_missed + self.seeds_missed

    def figure(self) -> Evidence:
        """The rate with its interval; not assessable below 30."""
        return reviewer_error(wrong=self.missed, n=self.n)

    def for_costs(self) -> ReviewerError:
        """As the economics take it. Raises ``InputError`` where nothing was counted."""
        from pilotage.judging.calibration import ReviewerError

        return ReviewerError(self.missed, self.n)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "n": self.n, "missed": self.missed}

    def __str__(self) -> str:
        gold, seeds = f"gold {self.gold_missed}/{self.gold}", f"planted {self.seeds_missed}/{self.seeds}"
        return f"{self.project}, {self.question}: {self.missed} of {self.n} wrong outputs let pass ({gold}; {seeds})"


def count_misses(workspace: Workspace, project: str, question: str, *, wrong: Collection[str | int | bool]) -> Misses:
    """Count, over everybody who answered, the wrong outputs they were shown and those they let pass.

    Parameters
    ----------
    question, wrong
        The audit's question and the answers to it that say that an output is wrong: those of the policy's ``audit``.

    Raises
    ------
    NotFound
        If there is no such project.
    InputError
        If its rubric does not ask the question, or it has no such answers.

    Cost: one pass over the project's answers to gold, and one over those to suggestions.
    """
    from pilotage.review.bias import aided_answers

    with workspace.read() as conn:
        asked = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id).question(question)
        gold = [each for each in known_answers(conn, workspace.id, project) if each.question == question and not each.abstained]
    for value in wrong:
        asked.check(value)
    bad = {plain(asked, value) for value in wrong}
    shown_wrong = [each for each in gold if plain(asked, each.right) in bad]
    planted = [
        each
        for each in aided_answers(workspace, project)
        if each.question == question and each.arm == "seeded" and each.planted not in bad and (each.truth is None or each.truth in bad)
    ]
    return Misses(
        project,
        question,
        gold=len(shown_wrong),
        gold_missed=sum(plain(asked, each.value) not in bad for each in shown_wrong),
        seeds=len(planted),
        seeds_missed=sum(each.answer not in bad for each in planted),
    )


def reviewer_error(*, wrong: int, n: int) -> Evidence:
    """How often a reviewer lets a wrong output pass, from gold or planted errors: ``wrong`` missed of ``n`` > 0; the e_h of the economics.

    Not assessable below 30: the interval would be wider than anything it could decide.
    """
    from pilotage.evidence import Evidence, clopper_pearson, not_assessable

    if n < 0 or not 0 <= wrong <= max(n, 0):
        raise InputError(f"{wrong} of {n} is no rate.")
    if n < ENOUGH_SEEDS:
        return not_assessable("reviewer_error", reason=f"not enough seeds: {n}, at least {ENOUGH_SEEDS} are needed", n=n, method="Clopper-Pearson")
    interval = clopper_pearson(wrong, n)
    return Evidence(
        metric="reviewer_error",
        status="measured",
        estimate=wrong / n,
        lower=interval.lower,
        upper=interval.upper,
        level=interval.level,
        n=n,
        n_clusters=None,
        method=interval.method,
    )
