"""Questions about assessments: what is in force, what is due and why, how one came about and what changed since the one before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import NotFound
from pilotage.evidence import Evidence
from pilotage.evidence.tables import evidence
from pilotage.review.assessment import LEVELS, Assessment, Due, Finding, assessments, due_assessments, step_of
from pilotage.review.assessment.tables import review_assessment
from pilotage.review.routing.tables import routing_policy_version
from pilotage.store import Workspace

A, E, V = review_assessment.c, evidence.c, routing_policy_version.c
NEWEST_FIGURES = 200


@dataclass(frozen=True)
class AssessmentLine:
    """An assessment in force, the rule that decided it in words, and why it is due, if it is."""

    about: Assessment
    says: str
    due: tuple[Due, ...]


@dataclass(frozen=True)
class Difference:
    """One answer, figure or rule that is not as it was."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class AssessmentDetail:
    """One record, the answers it was made of, every record of its category and slice, and what changed since the one before."""

    about: Assessment
    answers: dict[str, Any]
    says: str
    due: tuple[Due, ...]
    in_force: bool
    history: tuple[Assessment, ...]
    before: Assessment | None
    differences: tuple[Difference, ...]
    note_kept: bool = False


def models_in_use(workspace: Workspace) -> dict[str, str]:
    """Category → the fingerprint that its active policy routes."""
    query = select(V.category, V.declared).where(V.workspace_id == workspace.id, V.state == "active")
    with workspace.read() as conn:
        return {row.category: row.declared["model"]["fingerprint"] for row in conn.execute(query)}


def list_assessments(workspace: Workspace) -> list[AssessmentLine]:
    """What is in force, by category and slice."""
    due: dict[tuple[str, str], list[Due]] = defaultdict(list)
    for one in due_assessments(workspace, models=models_in_use(workspace)):
        due[(one.category, one.slice)].append(one)
    return [AssessmentLine(one, rule_words(one), tuple(due[(one.category, one.slice)])) for one in assessments(workspace)]


def find_assessment(workspace: Workspace, assessment_id: str) -> AssessmentDetail:
    """One record. Raises ``NotFound``."""
    with workspace.read() as conn:
        where = (A.workspace_id == workspace.id, A.id == assessment_id)
        row = conn.execute(select(A.category, A.slice, A.number, A.answers).where(*where)).first()
        if row is None:
            raise NotFound("There is no such assessment.", where=assessment_id, mend="open it from the list of assessments")
        same = (A.workspace_id == workspace.id, A.category == row.category, A.slice == row.slice, A.number == row.number - 1)
        answers_before = conn.execute(select(A.answers).where(*same)).scalar_one_or_none()
    history = [one for one in assessments(workspace, category=row.category, all_versions=True) if one.slice == row.slice]
    about = next(one for one in history if one.id == assessment_id)
    before = next((one for one in history if one.number == about.number - 1), None)
    newest = history[-1].number == about.number
    every = due_assessments(workspace, models=models_in_use(workspace)) if newest else []
    return AssessmentDetail(
        about=about,
        answers=row.answers,
        says=rule_words(about),
        due=tuple(one for one in every if (one.category, one.slice) == (about.category, about.slice)),
        in_force=newest,
        history=tuple(reversed(history)),
        before=before,
        differences=_differences(before, answers_before or {}, about, row.answers) if before else (),
    )


def rule_words(about: Assessment) -> str:
    """What the rule that decided says; that none fired, where none did."""
    return next((one.says for one in about.findings if one.rule == about.decided_by), "no rule fired")


def steps(level: str) -> list[tuple[str, bool]]:
    """The six levels from lax to strict, and which one it is."""
    at = step_of(level)
    return [(name, place == at) for place, name in enumerate(LEVELS)]


def shares_measured(workspace: Workspace) -> list[Evidence]:
    """The newest figures of the workspace that are shares of outputs: what an assessment may rest on."""
    from pilotage.evidence import load_evidence

    inside = (E.estimate >= 0, E.estimate <= 1, E.lower >= 0, E.upper <= 1)
    query = select(E.id).where(E.workspace_id == workspace.id, E.status == "measured", *inside)
    with workspace.read() as conn:
        ids = list(conn.execute(query.order_by(E.created_at.desc(), E.id).limit(NEWEST_FIGURES)).scalars())
    return sorted(load_evidence(workspace, ids=ids), key=lambda one: (-one.created_at, one.metric)) if ids else []


def _differences(before: Assessment, answers_before: dict[str, Any], after: Assessment, answers: dict[str, Any]) -> tuple[Difference, ...]:
    found = [Difference("level", before.level, after.level)] if before.level != after.level else []
    old, new = _flat(answers_before), _flat(answers)
    found += [Difference(name, old.get(name, ""), new.get(name, "")) for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    fired_before, fired = _fired(before.findings), _fired(after.findings)
    found += [Difference(f"rule {name}", "fired", "did not fire") for name in fired_before if name not in fired]
    found += [Difference(f"rule {name}", "did not fire", "fired") for name in fired if name not in fired_before]
    if before.model != after.model:
        found.append(Difference("model", before.model, after.model))
    return tuple(found)


def _fired(findings: tuple[Finding, ...]) -> list[str]:
    return [one.rule for one in findings if one.fired]


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        return {key: said for part, inside in value.items() for key, said in _flat(inside, f"{name}.{part}" if name else str(part)).items()}
    return {name: str(value)}
