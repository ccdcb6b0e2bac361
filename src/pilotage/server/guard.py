"""The guard in front of every route.

In this order: the Host header must name this server (against DNS rebinding); the body must not be too large; a request that changes something must
come from our own pages (Sec-Fetch-Site and Origin); somebody must be signed in; and where a cookie says who, the CSRF token must be there too. It
stands outside the routes so that no route can forget it. It also puts the security headers on every answer, those of errors included.
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pilotage.core import InputError, PilotageError, Refused
from pilotage.server.context import Visitor
from pilotage.server.errors import BodyTooLarge, SignInNeeded, error_response, unexpected, wants_json
from pilotage.server.sessions import Sessions

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
OPEN_PATHS = frozenset({"/login", "/healthz"})
MAX_BODY_BYTES = 1 << 20
# A file that somebody who may take items in sends to a project, or to the lab. It is read as it comes, and spooled to disk.
MAX_UPLOAD_BYTES = 1 << 30
_UPLOAD = re.compile(r"/review/projects/[^/]+/import|/routing/lab/samples")
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?')
_HEAD_BYTES = 1 << 16  # the token of a form with a file is its first part
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/\\]+)(?::[0-9]*)?", re.IGNORECASE)

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: with that, browsers send "Origin: null" with our own forms and we could not tell them from strangers'.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def cookie_name(host: str) -> str:
    """The session cookie's name. It holds the port, because browsers share cookies between all ports of one host."""
    port = host.rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
    return f"pilotage_session_{port}" if port.isdigit() else "pilotage_session"


def safe_next(target: str | None) -> str:
    """``target`` if it is a path of ours, else ``/``: a sign-in must not send people to strangers."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\") or any(ord(character) < 32 for character in target):
        return "/"
    return target


class Guard:
    """ASGI middleware that lets a request through to the routes, or answers it."""

    def __init__(self, app: ASGIApp, *, sessions: Sessions, allowed_hosts: frozenset[str]) -> None:
        self._app = app
        self._sessions = sessions
        self._allowed_hosts = allowed_hosts | LOOPBACK_HOSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "private, no-cache")
            await send(message)

        scope.setdefault("state", {})
        request = Request(scope, receive)
        try:
            answer, receive = await self._check(request, receive)
            if answer is None:
                await self._app(scope, receive, send_guarded)
                return
        except PilotageError as error:
            answer = error_response(request, error)
        except Exception as error:
            if started:
                raise
            answer = error_response(request, unexpected(error))
        await answer(scope, receive, send_guarded)

    async def _check(self, request: Request, receive: Receive) -> tuple[Response | None, Receive]:
        """An answer that ends the request here, or None; and what the routes shall read the body from."""
        self._check_host(request)
        path = request.url.path
        changes = request.method not in SAFE_METHODS
        uploads = request.method == "POST" and _UPLOAD.fullmatch(path) is not None
        if not uploads:
            receive = _bounded(request, receive, MAX_BODY_BYTES)
        if changes:
            _check_origin(request)
        if path.startswith("/static/"):
            return None, receive
        visitor = await run_in_threadpool(self._identify, request)
        request.state.visitor = visitor
        if not changes and "token" in request.query_params and not (visitor and visitor.via == "bearer"):
            return await run_in_threadpool(self._open_printed_address, request), receive
        if uploads:
            may = visitor is not None and visitor.person.may("run")
            receive = _bounded(request, receive, MAX_UPLOAD_BYTES if may else MAX_BODY_BYTES)
        if visitor is None:
            if path in OPEN_PATHS:
                return None, receive
            if changes or wants_json(request):
                raise SignInNeeded
            wanted = path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}" if wanted != "/" else "/login", 303), receive
        if changes and visitor.via == "cookie":
            receive = await _check_csrf(request, receive, visitor)
        return None, receive

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        found = _HOST.fullmatch(host)
        name = found[1] if found else ""
        if name.lower().rstrip(".") not in self._allowed_hosts:
            raise InputError(
                "This server does not answer to that host name.",
                where=f"Host: {host[:200]}",
                why="a page elsewhere could otherwise reach it under a name of its own (DNS rebinding)",
                mend="open the address that 'pilotage serve' printed, or start it with --allow-host <name>",
            )

    def _identify(self, request: Request) -> Visitor | None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            found = self._sessions.find_bearer(credentials.strip())
            if found is None:
                raise SignInNeeded
            return found
        token = request.cookies.get(cookie_name(request.headers["host"]))
        return self._sessions.find(token) if token else None

    def _open_printed_address(self, request: Request) -> Response:
        session_token = self._sessions.open_local(request.query_params["token"])
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        clean = safe_next(request.url.path) + (f"?{urlencode(rest)}" if rest else "")
        if session_token is None:
            return RedirectResponse("/login?stale=1", 303)
        response = RedirectResponse(clean, 303)
        set_session_cookie(response, request, session_token)
        return response


def set_session_cookie(response: Response, request: Request, token: str) -> None:
    """Keep the session in the browser until it is closed or the session ends."""
    response.set_cookie(cookie_name(request.headers["host"]), token, httponly=True, samesite="lax", secure=request.url.scheme == "https", path="/")


def _check_origin(request: Request) -> None:
    """Refuse a change that another site's page asked for. Programs send neither header; they are told apart by their token."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if (site is not None and site not in ("same-origin", "none")) or (
        origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    ):
        raise Refused(
            "This request came from another site.",
            where=f"Origin: {origin}" if origin else f"Sec-Fetch-Site: {site}",
            why="another site must not act in your name",
            mend="do it from a page of the workbench",
        )


def _bounded(request: Request, receive: Receive, most: int) -> Receive:
    """``receive`` that gives no more than the largest body: whoever is not signed in, too, must not fill our memory."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said[:20]) > most:
        raise _too_large(most)
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise _too_large(most)
        return message

    return bounded


def _too_large(most: int) -> InputError:
    return BodyTooLarge("What was sent is too large.", where=f"more than {most} bytes", mend="send less at once")


async def _check_csrf(request: Request, receive: Receive, visitor: Visitor) -> Receive:
    given = request.headers.get("x-csrf-token", "")
    kind = request.headers.get("content-type", "")
    if not given and kind.startswith("application/x-www-form-urlencoded"):
        body = await _read(receive)
        given = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).get("csrf_token", [""])[0]
        receive = _replay(body, receive)
    elif not given and kind.startswith("multipart/form-data") and _UPLOAD.fullmatch(request.url.path):
        given, receive = await _first_part(kind, receive)
    if not hmac.compare_digest(given.encode(), visitor.csrf_token.encode()):
        raise Refused(
            "The page's security token is missing or out of date.",
            why="without it another site could act in your name",
            mend="load the page again and repeat what you did",
        )
    return receive


async def _first_part(kind: str, receive: Receive) -> tuple[str, Receive]:
    """The CSRF token of a form with a file, whose first part it must be, and the whole body to read again. Reads no more of it than that part."""
    messages: list[Message] = []
    head = b""
    while head.count(b"\r\n") < 5 and len(head) < _HEAD_BYTES:
        message = await receive()
        messages.append(message)
        head += bytes(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    boundary = _BOUNDARY.search(kind)
    lines = head.split(b"\r\n", 5)
    stands = (
        boundary is not None
        and len(lines) > 4
        and lines[0] == b"--" + boundary[1].encode()
        and lines[1].lower() == b'content-disposition: form-data; name="csrf_token"'
        and lines[2] == b""
    )
    given = lines[3].decode("ascii", "replace") if stands else ""
    waiting = iter(messages)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    return given, again


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """What was read, once more; then what comes, which is the end of the connection. Saying so at once would cut an answer off that is a file."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
