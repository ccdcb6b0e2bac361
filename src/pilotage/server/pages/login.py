"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pilotage import people
from pilotage.core import Refused
from pilotage.server.context import WorkspaceDep, visitor_of
from pilotage.server.guard import cookie_name, safe_next, set_session_cookie
from pilotage.server.render import page
from pilotage.server.sessions import Sessions
from pilotage.server.throttle import Throttle
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False)


@router.get("/login")
def show_login(request: Request, next: str = "/", stale: bool = False) -> Response:
    """The sign-in page: a password where there are accounts, else how to get in from the terminal."""
    if visitor_of(request) is not None:
        return RedirectResponse(safe_next(next), 303)
    return _show(request, next=next, problem="This address has been used up or belongs to an earlier start of the server." if stale else None)


@router.post("/login")
def sign_in(
    request: Request,
    workspace: WorkspaceDep,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Check the password (or the printed token) and open a session."""
    sessions: Sessions = request.app.state.sessions
    throttle: Throttle = request.app.state.throttle
    address = request.client.host if request.client else "unknown"
    throttle.check(address)
    if token:
        session_token = sessions.open_local(token.strip())
        problem = "That token does not open this workspace."
    else:
        session_token, problem = _check_password(workspace, login, password)
    if session_token is None:
        throttle.failed(address)
        return _show(request, next=next, problem=problem, login=login, status=401)
    response = RedirectResponse(safe_next(next), 303)
    set_session_cookie(response, request, session_token)
    return response


def _check_password(workspace: Workspace, login: str, password: str) -> tuple[str | None, str]:
    """A new session's token, or None and what to tell."""
    try:
        account = people.authenticate(workspace, login, password=password)
    except Refused as refused:
        return None, f"{refused.what} {(refused.mend or '').capitalize()}."
    return people.open_session(workspace, account_id=account.id).token, ""


@router.post("/logout")
def sign_out(request: Request) -> Response:
    """End the session."""
    visitor = visitor_of(request)
    if visitor is not None and visitor.session_token:
        request.app.state.sessions.close(visitor.session_token)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(cookie_name(request.headers["host"]), path="/")
    return response


def _show(request: Request, *, next: str, problem: str | None, login: str = "", status: int = 200) -> Response:
    return page(
        request,
        "login.html",
        status=status,
        local=not people.has_accounts(request.app.state.workspace),
        next=safe_next(next),
        problem=problem,
        login=login,
    )
