"""Routing policies: versions, the editor, what keeps one from being activated, and the acts of people on them."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, PilotageError, parse_declared
from pilotage.server.context import Person, PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import SentDep
from pilotage.server.queries import policies
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/routing")

Reason = Annotated[str, Form(max_length=2000)]
Version = Annotated[int, Form(ge=1, le=2**31)]
LONGEST_POLICY = 100_000
_LINE = re.compile(r"^policy:(\d+)")


@router.get("/policies")
def show_policies(request: Request, workspace: WorkspaceDep) -> Response:
    """Every policy, what is in force of it, and what waits."""
    return page(request, "routing/policies.html", found=policies.list_policies(workspace))


@router.get("/draft")
def show_editor(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    report: Annotated[str | None, Query(max_length=100)] = None,
    policy: Annotated[str | None, Query(max_length=100)] = None,
    version: Annotated[int | None, Query(ge=1, le=2**31)] = None,
) -> Response:
    """The editor: empty, on a report, or from a version."""
    text = ""
    if report:
        text = policies.draft_on(workspace, report)
    elif policy:
        text = policies.find_policy(workspace, policy, version, person).text
    return _editor(request, text)


@router.post("/policies", dependencies=[require("run")])
def draft(request: Request, workspace: WorkspaceDep, person: PresentDep, text: Annotated[str, Form(max_length=LONGEST_POLICY)] = "") -> Response:
    """Keep a draft: the next version of the policy it names."""
    from pilotage.review.routing import draft_policy, policy_of

    try:
        declared = policy_of(parse_declared(text.replace("\r\n", "\n"), file="policy"))
        made = draft_policy(workspace.acting_as(person.login), declared, person=person)
    except PilotageError as error:
        return _editor(request, text, error)
    return RedirectResponse(f"/routing/policies/{made.policy}?version={made.number}", 303)


@router.get("/policies/{name}")
def show_policy(
    request: Request, workspace: WorkspaceDep, person: PersonDep, name: str, version: Annotated[int | None, Query(ge=1, le=2**31)] = None
) -> Response:
    """One version: slice by slice, what changed, what keeps it from being activated, and a box to try an output in."""
    return _policy(request, workspace, person, name, version)


@router.post("/policies/{name}/activate", dependencies=[require("waive")])
def activate(request: Request, workspace: WorkspaceDep, person: PresentDep, name: str, version: Version) -> Response:
    """Put a version into force."""
    from pilotage.review.routing import activate_policy

    try:
        activate_policy(workspace.acting_as(person.login), name, version, person=person)
    except PilotageError as error:
        if error.http_status == 404:
            raise
        return _policy(request, workspace, person, name, version, problem=error, title="Not activated")
    return RedirectResponse(f"/routing/policies/{name}?version={version}", 303)


@router.post("/policies/{name}/suspend", dependencies=[require("run")])
def suspend(workspace: WorkspaceDep, person: PresentDep, name: str, reason: Reason = "") -> Response:
    """Send everything to people from now on."""
    from pilotage.review.routing import suspend_policy

    _need(reason)
    suspend_policy(workspace.acting_as(person.login), name, person=person, reason=reason)
    return RedirectResponse(f"/routing/policies/{name}", 303)


@router.post("/policies/{name}/retire", dependencies=[require("waive")])
def retire(workspace: WorkspaceDep, person: PresentDep, name: str, version: Version) -> Response:
    """End a version for good."""
    from pilotage.review.routing import retire_policy

    retire_policy(workspace.acting_as(person.login), name, version, person=person)
    return RedirectResponse(f"/routing/policies/{name}?version={version}", 303)


@router.post("/policies/{name}/loosen", dependencies=[require("waive")])
def loosen(
    request: Request,
    workspace: WorkspaceDep,
    person: PresentDep,
    name: str,
    report: Annotated[str, Form(max_length=100)] = "",
    slice: Annotated[str, Form(max_length=200)] = "",
    reason: Reason = "",
) -> Response:
    """Take back what an alarm tightened, on fresh evidence."""
    from pilotage.review.routing import loosen as take_back

    try:
        take_back(workspace.acting_as(person.login), name, slice, person=person, report_id=report, reason=reason)
    except PilotageError as error:
        return _policy(request, workspace, person, name, None, problem=error, title="Not loosened")
    return RedirectResponse(f"/routing/policies/{name}#slices", 303)


@router.post("/policies/{name}/try", dependencies=[require("run")])
def try_output(request: Request, workspace: WorkspaceDep, person: PersonDep, name: str, sent: SentDep) -> Response:
    """What a version would decide of an output. Nothing is kept."""
    given = {field: sent.get(field, "") for field in ("version", "payload", "confidence", "slices", "context", "model", "prompt")}
    number = int(given["version"]) if given["version"].isdigit() and len(given["version"]) < 10 else None
    try:
        version = policies.find_policy(workspace, name, number, person).version
        decision, problem = policies.try_output(workspace, name, version.number, _request(given)), None
    except PilotageError as error:
        if error.http_status == 404:
            raise
        decision, problem = None, error
    if request.headers.get("hx-request"):
        told = problem.to_dict() if problem else None
        return page(request, "routing/parts/tried.html", decision=decision, mistake=told)
    return _policy(request, workspace, person, name, number, tried=given, decision=decision, mistake=problem)


def _policy(
    request: Request,
    workspace: Workspace,
    person: Person,
    name: str,
    number: int | None,
    *,
    problem: PilotageError | None = None,
    title: str = "",
    tried: dict[str, str] | None = None,
    decision: Any = None,
    mistake: PilotageError | None = None,
) -> Response:
    shown = problem or mistake
    return page(
        request,
        "routing/policy.html",
        status=shown.http_status if shown else 200,
        found=policies.find_policy(workspace, name, number, person),
        problem=problem.to_dict() if problem else None,
        title=title,
        tried=tried or {},
        decision=decision,
        mistake=mistake.to_dict() if mistake else None,
    )


def _editor(request: Request, text: str, error: PilotageError | None = None) -> Response:
    line = _LINE.match((error.where if error else None) or "")
    told = error.to_dict() if error else None
    if told is not None and line is not None:
        told["where"] = "line " + str(told["where"]).removeprefix("policy:")
    lines = text.replace("\r\n", "\n").splitlines()
    at = int(line[1]) if line else None
    return page(request, "routing/editor.html", status=error.http_status if error else 200, text=text, problem=told, at=at, lines=lines)


def _need(reason: str) -> None:
    if not reason.strip():
        raise InputError("Say why.", where="reason", why="it goes into the ledger", mend="say it in a sentence")


def _request(given: dict[str, str]) -> Any:
    from pilotage.review.routing import RouteRequest

    payload = _object(given["payload"], "payload") if given["payload"].strip().startswith("{") else {"text": given["payload"]}
    confidence: float | None = None
    if given["confidence"].strip():
        try:
            confidence = float(given["confidence"].replace(",", "."))
        except ValueError as error:
            raise InputError(f"'{given['confidence'][:40]}' is no number.", where="field 'confidence'") from error
    slices = {}
    for part in given["slices"].split(","):
        name, mark, value = part.partition("=")
        if part.strip():
            if not mark or not name.strip():
                raise InputError(f"'{part[:60]}' is no slice.", where="field 'slices'", mend="such as language=de, tier=gold")
            slices[name.strip()] = value.strip()
    context = _object(given["context"], "context") if given["context"].strip() else {}
    return RouteRequest("tried", payload, confidence, slices, context, given["model"].strip() or None, given["prompt"].strip() or None)


def _object(text: str, field: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("This is no JSON.", where=f"field '{field}'", why=str(error)[:200], mend="an object, or plain text") from error
    if not isinstance(value, dict):
        raise InputError("This is no JSON object.", where=f"field '{field}'")
    return value
