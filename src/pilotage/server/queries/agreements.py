"""How far a project's people agree: with and without a suggestion in sight, part by part, and before and after a guideline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pilotage.judging import Agreement, Judgement, Question, item_refs
from pilotage.judging.agreement import AgreementChange, agreement_by, agreement_change, fleiss_kappa, gwet_ac1, rows_of
from pilotage.judging.agreement.figure import Rating
from pilotage.review.measuring.agreement import people_said
from pilotage.review.measuring.matching import COMPARABLE, plain
from pilotage.review.projects import Guideline, GuidelineDiff, guideline_diff, guideline_versions
from pilotage.server.queries.disagreement import Chosen, people_of
from pilotage.store import Workspace

BY = ("slice", "guideline", "pair")
_SINGLE = ("choice", "bool", "pair")


@dataclass(frozen=True)
class Line:
    """One part of the answers: without a suggestion in sight, and with one (None where nobody saw any)."""

    part: str
    unaided: Agreement
    aided: Agreement | None


@dataclass(frozen=True)
class Coefficient:
    """One coefficient over all answers, both ways."""

    name: str
    unaided: Agreement | None
    aided: Agreement | None


@dataclass(frozen=True)
class Agreeing:
    """What the page shows. ``people`` judged; ``answers`` of them ``aided`` ones were given in sight of a suggestion."""

    coefficients: tuple[Coefficient, ...]
    lines: tuple[Line, ...]
    answers: int
    aided: int
    people: int


@dataclass(frozen=True)
class GuidelineChange:
    """One guideline to the next: what changed in it, and in the agreement of unaided answers."""

    old: Guideline
    new: Guideline
    diff: GuidelineDiff
    change: AgreementChange | None
    reason: str = ""


def agreeing(workspace: Workspace, chosen: Chosen, by: str, *, names: bool) -> Agreeing | None:
    """Agreement on the question, in all and by ``by``; None for free text. People's names only with ``names``. Cost: one pass over its answers."""
    question = chosen.question
    if question.kind not in COMPARABLE:
        return None
    _, given = people_said(workspace, chosen.project.name, question.name)
    whole = agreement_by(given, [question])
    coefficients = [Coefficient("Krippendorff's alpha", whole[0].unaided, whole[0].aided)] if whole else []
    if question.kind in _SINGLE and given:
        unaided, aided = ([Rating(row.unit, row.rater, _one(question, row.value)) for row in rows_of(given, aided=aided)] for aided in (False, True))
        for name, figure in (("Gwet's AC1", gwet_ac1), ("Fleiss' kappa", fleiss_kappa)):
            coefficients.append(Coefficient(name, _measured(figure, unaided), _measured(figure, aided)))
    lines = _lines(workspace, chosen, given, by, names=names) if given else []
    seen = sum(each.suggestion is not None for each in given)
    return Agreeing(tuple(coefficients), tuple(lines), len(given), seen, len({each.rater_id for each in given}))


def guideline_changes(workspace: Workspace, chosen: Chosen) -> list[GuidelineChange]:
    """Each guideline against the one before, the newest first. Cost: one pass over the question's answers."""
    every = guideline_versions(workspace, chosen.project.name)
    if len(every) < 2:
        return []
    question = chosen.question
    given: list[Judgement] = []
    if question.kind in COMPARABLE:
        _, given = people_said(workspace, chosen.project.name, question.name)
    found = []
    for old, new in pairwise(every):
        diff = guideline_diff(old, new)
        if question.kind not in COMPARABLE:
            found.append(GuidelineChange(old, new, diff, None, "free text has no agreement figure"))
            continue
        sides = [_rows(question, [each for each in given if each.guideline_id == one.id]) for one in (old, new)]
        if not all(sides):
            which = "before" if not sides[0] else "after"
            found.append(GuidelineChange(old, new, diff, None, f"{which}: nobody answered without a suggestion in sight"))
            continue
        scale: Any = question.scale if question.kind in ("rating", "choice") else "nominal"
        order = [option.value for option in question.options] if question.kind == "choice" and scale == "ordinal" else None
        found.append(GuidelineChange(old, new, diff, agreement_change(sides[0], sides[1], scale=scale, order=order)))
    return found[::-1]


def _lines(workspace: Workspace, chosen: Chosen, given: list[Judgement], by: str, *, names: bool) -> list[Line]:
    slices: Mapping[str, Mapping[str, str]] | None = None
    if by == "slice":
        slices = {ref.id: ref.slices for ref in item_refs(workspace, ids={each.item_id for each in given})}
    logins = people_of(workspace, chosen.project.name) if by == "pair" and names else {}
    numbers = {one.id: f"guideline {one.number}" for one in guideline_versions(workspace, chosen.project.name)} if by == "guideline" else {}
    how: Any = by
    found = agreement_by(given, [chosen.question], by=how, slices=slices)
    return [Line(_part(each.group, logins, numbers), each.unaided, each.aided) for each in found]


def _part(group: Mapping[str, str], logins: Mapping[str, str], numbers: Mapping[str, str]) -> str:
    if "first" in group:
        return " and ".join(sorted(logins.get(group[side], "somebody") for side in ("first", "second")))
    if "guideline" in group:
        return numbers.get(group["guideline"], "no guideline")
    return ", ".join(f"{name} {value}" for name, value in group.items())


def _measured(figure: Any, rows: list[Rating]) -> Agreement | None:
    found: Agreement | None = figure(rows) if rows else None
    return found


def _one(question: Question, value: Any) -> Any:
    return value["preferred"] if question.kind == "pair" else value


def _rows(question: Question, given: list[Judgement]) -> list[Rating]:
    """Unaided answers as single values: of several parts (options, marks) the whole."""
    whole = question.kind not in ("choice", "bool", "rating")
    return [Rating(row.unit, row.rater, plain(question, row.value) if whole else row.value) for row in rows_of(given)]
