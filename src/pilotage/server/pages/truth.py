"""Truth: what a project's answers have come to, settling it, and the methods of inference side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, NotFound
from pilotage.judging import person
from pilotage.server.context import JobsDep, Person, PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.jobs import Handle, Jobs
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import truth
from pilotage.server.queries.paging import Turn
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/review/projects/{name}/truth")
Question = Annotated[str | None, Query(max_length=200)]
State = Annotated[Literal["settled", "adjudicate", ""], Query()]
Text = Annotated[str, Form(max_length=2000)]
_SENT = 200


@router.get("")
def show(
    request: Request, workspace: WorkspaceDep, who: PersonDep, jobs: JobsDep, turn: TurnDep, name: str, question: Question = None, state: State = ""
) -> Response:
    """Every question with how far it is settled, and one of them item by item."""
    return page(request, "review/truth.html", **_seen(jobs, workspace, who, name, question, state, turn))


@router.get("/live")
def show_live(
    request: Request, workspace: WorkspaceDep, who: PersonDep, jobs: JobsDep, turn: TurnDep, name: str, question: Question = None, state: State = ""
) -> Response:
    """The part of the page that changes while something is worked out."""
    return page(request, "review/truth_live.html", **_seen(jobs, workspace, who, name, question, state, turn))


@router.post("/settle", dependencies=[require("run")])
def settle(
    workspace: WorkspaceDep, who: PresentDep, jobs: JobsDep, name: str, method: Annotated[str, Form(max_length=50)], question: Text = ""
) -> Response:
    """Settle what was answered since the last time, in the background."""
    found = truth.find_truth(workspace, name)
    if method not in truth.methods():
        raise InputError(f"'{method}' is no method.", where="method", mend=f"use one of: {', '.join(truth.methods())}")
    asked = [found.project.rubric.question(question).name] if question else None
    if method != "policy" and asked is None:
        asked = [line.question.name for line in found.lines if line.weighable]

    def work(acting: Workspace, _: Handle) -> Any:
        from pilotage.review.measuring import settle as settle_project

        return settle_project(acting, name, questions=asked, method=method)

    jobs.start(("settle", name), work, by=who.login)
    return _back(name, question)


@router.post("/compare", dependencies=[require("run")])
def compare(workspace: WorkspaceDep, who: PresentDep, jobs: JobsDep, name: str, question: Text) -> Response:
    """Fit every method to one question's answers, in the background. Writes nothing."""
    truth.find_truth(workspace, name).project.rubric.question(question)

    def work(acting: Workspace, _: Handle) -> Any:
        from pilotage.review.measuring import compare_methods

        return compare_methods(acting, name, question)

    jobs.start(("compare", name, question), work, by=who.login)
    return _back(name, question)


@router.post("/adjudicate", dependencies=[require("run")])
def adjudicate(workspace: WorkspaceDep, who: PresentDep, jobs: JobsDep, name: str, question: Text, reason: Text) -> Response:
    """Put the items the methods do not agree about before adjudicators."""
    from pilotage.review.measuring import dispute, open_adjudications

    compared = jobs.of("compare", name, question)
    if compared is None or compared.result is None:
        raise NotFound("The methods were not compared here.", why="the server keeps it until it ends", mend="compare them again")
    if not reason.strip():
        raise InputError("Say why.", where="reason", why="the adjudication overrides what is settled", mend="say it in a sentence")
    acting = workspace.acting_as(who.login)
    dispute(acting, name, question, [str(each.unit) for each in compared.result.differing[:_SENT]], reason=reason.strip())
    open_adjudications(acting, name)
    return RedirectResponse(f"/review/adjudication?project={quote(name, safe='')}", 303)


def _seen(jobs: Jobs, workspace: Workspace, who: Person, name: str, question: str | None, state: str, turn: Turn) -> dict[str, Any]:
    found = truth.find_truth(workspace, name)
    leads = who.may("run")
    line = next((one for one in found.lines if one.question.name == question), None) if question else found.lines[0]
    if line is None:
        raise NotFound(f"This project does not ask '{question}'.", mend="choose a question from the list")
    return {
        "truth": found,
        "line": line,
        "leads": leads,
        "found": truth.list_settled(
            workspace,
            found,
            line.question.name,
            state=state or None,
            sees_waiting=leads or not who.may("review"),
            turn=turn,
            without=person(who.login) if who.measured else None,
        ),
        "state": state or None,
        "settling": jobs.of("settle", name) if leads else None,
        "compared": jobs.of("compare", name, line.question.name) if leads else None,
        "methods": truth.methods(),
        "sent": _SENT,
        "with_query": with_query,
    }


def _back(name: str, question: str) -> Response:
    asked = f"?question={quote(question, safe='')}" if question else ""
    return RedirectResponse(f"/review/projects/{quote(name, safe='')}/truth{asked}", 303)
