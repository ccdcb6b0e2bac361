"""Assessments: how much oversight each kind of task needs, the four questions as a form, and what was signed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, PilotageError
from pilotage.people import ROLES
from pilotage.review.assessment import LEVELS, ask_again, record_assessment
from pilotage.review.assessment.answers import ACCOUNTABLE, DEFINED, DETECTED, REVERSIBLE, SEVERITIES
from pilotage.server.assessment_form import Form as Filled
from pilotage.server.context import Person, PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import SentDep
from pilotage.server.queries import assessments
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/routing/assessments")

CHOICES = {"severity": SEVERITIES, "reversible": REVERSIBLE, "detected": DETECTED, "defined": DEFINED, "accountable": ACCOUNTABLE}
SIGNING = tuple(role for role in ROLES if role != "admin")


@router.get("")
def show_assessments(request: Request, workspace: WorkspaceDep) -> Response:
    """Every category and slice with its level, the rule that decided it, what is due and who signed."""
    return page(request, "routing/assessments.html", found=assessments.list_assessments(workspace), levels=LEVELS)


@router.get("/new")
def show_form(
    request: Request, workspace: WorkspaceDep, person: PersonDep, again: Annotated[str | None, Query(alias="from", max_length=100)] = None
) -> Response:
    """The four questions: empty, filled with an earlier record's answers (``from``), or with what the address says."""
    if again:
        before = assessments.find_assessment(workspace, again)
        return _form(request, workspace, person, Filled.again(before.about, before.answers), before=before)
    return _form(request, workspace, person, Filled.of(request.query_params))


@router.get("/outcome")
def show_outcome(request: Request, workspace: WorkspaceDep) -> Response:
    """The part of the form that says what the answers so far come to."""
    return page(request, "routing/parts/outcome.html", **_outcome(workspace, Filled.of(request.query_params)))


@router.post("", dependencies=[require("sign")])
def sign(request: Request, workspace: WorkspaceDep, person: PresentDep, sent: SentDep) -> Response:
    """Keep the answers, signed in a role the person holds."""
    filled, role = Filled.of(sent), sent.get("role", "")
    try:
        if role not in SIGNING:
            raise InputError("Say in which role you sign.", where="field 'role'")
        made = record_assessment(workspace.acting_as(person.login), filled.file(), person=person, role=role, only=filled.key)
    except PilotageError as error:
        return _form(request, workspace, person, filled, problem=error)
    return RedirectResponse(f"/routing/assessments/{made[0].id}", 303)


@router.get("/{assessment_id}")
def show_assessment(request: Request, workspace: WorkspaceDep, assessment_id: str) -> Response:
    """One record: the level, every rule, the answers and figures, who signed, and what changed since the one before."""
    return page(request, "routing/assessment.html", found=assessments.find_assessment(workspace, assessment_id), levels=LEVELS)


@router.post("/{assessment_id}/again", dependencies=[require("sign")])
def ask(workspace: WorkspaceDep, person: PresentDep, assessment_id: str, reason: Annotated[str, Form(max_length=2000)] = "") -> Response:
    """Put a record in doubt: it must be made again."""
    about = assessments.find_assessment(workspace, assessment_id).about
    if not reason.strip():
        raise InputError("Say why it must be made again.", where="reason", why="it goes into the ledger", mend="say it in a sentence")
    ask_again(workspace, category=about.category, slice=about.slice, person=person, reason=reason)
    return RedirectResponse(f"/routing/assessments/{assessment_id}", 303)


def _form(
    request: Request,
    workspace: Workspace,
    person: Person,
    filled: Filled,
    *,
    before: assessments.AssessmentDetail | None = None,
    problem: PilotageError | None = None,
) -> Response:
    return page(
        request,
        "routing/assessment_form.html",
        status=problem.http_status if problem else 200,
        form=filled,
        before=before,
        problem=problem.to_dict() if problem else None,
        choices=CHOICES,
        figures=assessments.shares_measured(workspace),
        roles=[role for role in SIGNING if person.has(role)],
        **_outcome(workspace, filled),
    )


def _outcome(workspace: Workspace, filled: Filled) -> dict[str, Any]:
    values: dict[str, Any] = {"missing": filled.missing, "profile": None, "outcome": None, "mistake": None, "levels": LEVELS}
    if not filled.missing:
        try:
            values["profile"], values["outcome"] = filled.outcome(workspace)
        except PilotageError as error:
            values["mistake"] = error.to_dict()
    return values
