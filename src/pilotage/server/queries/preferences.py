"""Questions about preferences: who is preferred, how sure that is, what pulls at those who compare, and what an export would say."""

from __future__ import annotations

from dataclasses import dataclass

from pilotage.core import NotFound
from pilotage.data import Version, versions
from pilotage.judging import Question
from pilotage.judging.preferences import Ranking, Strength
from pilotage.review import counts
from pilotage.review.flywheel import PreferenceRanking, Preferences, export_refusal, pair_votes, rank_preferences
from pilotage.review.projects import Project, load_project
from pilotage.server.queries.answers import RangeDrawing, SharesDrawing, draw_range, draw_shares
from pilotage.server.queries.disagreement import MOST_ANSWERS, people_of
from pilotage.store import Workspace

WINNERS = ("a", "b", "tie", "both_bad")


@dataclass(frozen=True)
class Dimensions:
    """A project's pair questions: each is a dimension of its own."""

    project: Project
    questions: tuple[Question, ...]
    answers: int

    @property
    def is_large(self) -> bool:
        """Whether a pass over its answers takes longer than a page may."""
        return self.answers > MOST_ANSWERS


@dataclass(frozen=True)
class StrengthLine:
    """A system in the ranking, and where its interval lies on the scale of all."""

    strength: Strength
    drawing: RangeDrawing


@dataclass(frozen=True)
class CareLine:
    """How far one rater's preferences mean what they say; ``who`` is a login for those who lead, a number for others."""

    who: str
    reliability: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class DimensionDetail:
    """One dimension. ``refusal`` is why an export would be refused now (what, why, mend), None where it would not."""

    question: Question
    votes: Preferences
    ranked: PreferenceRanking
    lines: tuple[StrengthLine, ...]
    cares: tuple[CareLine, ...]
    winners: SharesDrawing | None
    floor: float | None
    refusal: dict[str, str | None] | None
    published: tuple[Version, ...]

    @property
    def ranking(self) -> Ranking | None:
        """Where the biases are read from: the systems' ranking, or that of the sides."""
        return self.ranked.ranking or self.ranked.sides


def find_dimensions(workspace: Workspace, name: str) -> Dimensions:
    """The project and its pair questions. Raises ``NotFound``."""
    project = load_project(workspace, name)
    asked = tuple(question for question in project.rubric.questions if question.kind == "pair")
    return Dimensions(project, asked, counts(workspace, name).answers)


def find_dimension(workspace: Workspace, found: Dimensions, question: str | None, *, names: bool) -> DimensionDetail | None:
    """One dimension in full; None where nothing was put before people yet. Cost: one pass over its answers and their items, and the fits."""
    asked = next((one for one in found.questions if one.name == question), None) if question else found.questions[0]
    if asked is None:
        raise NotFound(f"This project has no pair question '{question}'.", mend="choose one of its dimensions")
    name = found.project.name
    try:
        votes = pair_votes(workspace, name, asked.name)
    except NotFound:
        return None
    ranked = rank_preferences(workspace, name, asked.name)
    refused = export_refusal(workspace, name, votes)
    logins = people_of(workspace, name) if names else {}
    best = ranked.ranking or ranked.sides
    cares = sorted(best.raters, key=lambda each: each.reliability) if best else []
    won: dict[str, int] = {}
    for pair in votes.pairs:
        won[pair.winner] = won.get(pair.winner, 0) + 1
    total = sum(won.values())
    winners = draw_shares(asked, [(key, won.get(key, 0) / total) for key in WINNERS if won.get(key)], None) if total else None
    return DimensionDetail(
        asked,
        votes,
        ranked,
        _lines(ranked.ranking) if ranked.ranking else (),
        tuple(
            CareLine(logins.get(str(each.rater), f"person {place}"), each.reliability, each.lower, each.upper, each.n)
            for place, each in enumerate(cares, start=1)
        ),
        winners,
        found.project.settings.agreement_floor,
        None if refused is None else {"what": refused.what, "where": None, "why": refused.why, "mend": refused.mend},
        tuple(one for form in ("pairs", "unpaired") for one in versions(workspace, f"{name}-{asked.name}-{form}")),
    )


def _lines(ranking: Ranking) -> tuple[StrengthLine, ...]:
    ends = [end for each in ranking.strengths for end in (each.lower, each.upper)]
    low, high = min(ends, default=-1.0), max(ends, default=1.0)
    return tuple(StrengthLine(each, draw_range(each.strength, each.lower, each.upper, low=low, high=high, at=0.0)) for each in ranking.strengths)
