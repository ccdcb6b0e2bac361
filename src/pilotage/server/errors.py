"""How errors reach whoever asked: the same four lines (what, where, why, mend), as JSON for programs and as a page for people."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
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


class BodyTooLarge(InputError):
    """More was sent than any form or request holds."""

    http_status = 413


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
    told = _without_folder(request, error.to_dict())
    wait_s = getattr(error, "retry_after_s", None)  # of features.streams.Busy: held back, not turned away
    if wait_s is not None:
        headers = {**(headers or {}), "retry-after": str(wait_s)}
    if wants_json(request):
        return JSONResponse(told, status_code=error.http_status, headers=headers)
    from pilotage.server.render import page

    return page(request, "error.html", status=error.http_status, headers=headers, error=told, code=error.http_status)


def _without_folder(request: Request, told: dict[str, Any]) -> dict[str, Any]:
    """Where the workspace lies on the machine is for whoever keeps the machine: it is in the log."""
    location = request.app.state.workspace.location
    if "://" in location:
        return told
    folders = (str(Path(location).expanduser().resolve()), location)
    return {name: _replace_all(text, folders) if isinstance(text, str) else text for name, text in told.items()}


def _replace_all(text: str, folders: tuple[str, ...]) -> str:
    for folder in folders:
        text = text.replace(folder, "<workspace>") if len(folder) > 1 else text
    return text


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

    @app.exception_handler(OverflowError)
    @app.exception_handler(DataError)
    def _no_such_value(request: Request, error: Exception) -> Response:
        """A number no database column holds, or text it cannot: what was asked for cannot exist."""
        told = InputError("The request holds a number or a text that cannot be looked up.", where=request.url.path, mend="mend the address")
        return error_response(request, told)

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
