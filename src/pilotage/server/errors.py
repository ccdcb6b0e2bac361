"""How errors reach whoever asked: the same four lines (what, where, why, mend), as JSON for programs and as a page for people."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from pilotage.core import InputError, PilotageError

logger = logging.getLogger("pilotage.server")


class SignInNeeded(PilotageError):
    """Nobody is signed in."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "Sign in first.",
            mend="open /login, or send 'Authorization: Bearer <token>' with a token from the People page",
        )


class TooManyTries(PilotageError):
    """Too many failed sign-ins in a short time."""

    http_status = 429


class PageNotFound(PilotageError):
    """No such address."""

    http_status = 404


def wants_json(request: Request) -> bool:
    """Whether a program asks. Pages are for browsers; everything under ``/api/`` is for programs."""
    if request.url.path.startswith("/api/"):
        return True
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def error_response(request: Request, error: PilotageError, *, headers: dict[str, str] | None = None) -> Response:
    """``error`` as JSON or as a page."""
    if wants_json(request):
        return JSONResponse(error.to_dict(), status_code=error.http_status, headers=headers)
    from pilotage.server.render import page

    return page(request, "error.html", status=error.http_status, headers=headers, error=error.to_dict(), code=error.http_status)


def unexpected(error: Exception) -> PilotageError:
    """What the reader is told of a defect of ours. The traceback goes to the log, never to the page."""
    logger.error("A request failed.", exc_info=error)
    told = PilotageError(
        "Something broke on our side.",
        why="this is a defect of Pilotage; nothing was half-written",
        mend="try again; if it stays, look at the log of 'pilotage serve' and report what it says",
    )
    told.http_status = 500
    return told


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error in our form."""

    @app.exception_handler(PilotageError)
    def _ours(request: Request, error: PilotageError) -> Response:
        return error_response(request, error)

    @app.exception_handler(RequestValidationError)
    def _malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0] if error.errors() else {"loc": (), "msg": "malformed"}
        where = " ".join(str(part) for part in first["loc"])
        return error_response(request, InputError(f"The request cannot be read: {first['msg']}.", where=where or None, mend="mend that field"))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            told: PilotageError = PageNotFound(
                "There is nothing at this address.", where=request.url.path, mend="go back, or start from the overview"
            )
        else:
            told = PilotageError(str(error.detail), where=request.url.path)
            told.http_status = error.status_code
        return error_response(request, told, headers=dict(error.headers) if error.headers else None)
