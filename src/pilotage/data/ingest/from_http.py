"""A body that is fetched by GET from a host on the source's list. The server's ETag is remembered: what has not changed is not sent again."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from pilotage.core import InputError, Refused, Unavailable
from pilotage.data.ingest.chunk import Expected
from pilotage.data.ingest.delivery import Cursor, Delivery, Nothing, deliver_body, require_secret
from pilotage.data.ingest.source import HttpSource

_PIECE = 1024 * 1024


def deliver_http(source: HttpSource, *, expected: Expected, folder: Path, cursor: Cursor | None) -> Delivery | Nothing:
    """What the address gives now.

    Raises
    ------
    Refused
        If the host (or that of a redirect) is not on the list, or the way there is not encrypted.
    Unavailable
        If the server does not answer, or answers that it cannot.
    InputError
        If the body is larger than the limit or shorter than announced, or the server says that the request is wrong.
    """
    require_host(source.url, source)
    body = folder / "body"
    known = cursor or {}
    headers = {"Accept-Encoding": "identity", "User-Agent": "pilotage"}
    if known.get("url") == source.url and known.get("etag"):
        headers["If-None-Match"] = str(known["etag"])
    if source.token_env is not None:
        headers["Authorization"] = f"Bearer {require_secret(source.token_env)}"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),  # a proxy in the environment is not what the user configured
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        _SameHost(source),
    )
    try:
        with opener.open(urllib.request.Request(source.url, headers=headers), timeout=source.timeout_s) as reply:  # noqa: S310 - checked above
            after = {"url": source.url, "etag": reply.headers.get("ETag")}
            _copy(reply, body, source)
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return Nothing("the server says that nothing changed since the last delivery", cursor)
        said = f"The server answered {error.code} {error.reason}."
        if error.code >= 500 or error.code == 429:
            raise Unavailable(said, where=source.url, mend="try again later") from error
        raise InputError(said, where=source.url, mend="check the address and the token") from error
    except http.client.HTTPException as error:
        raise Unavailable(f"The server's answer broke off: {error!r}.", where=source.url, mend="try again") from error
    except OSError as error:
        raise Unavailable(f"The server cannot be reached: {getattr(error, 'reason', error)}", where=source.url, mend="try again later") from error
    label = urllib.parse.urlsplit(source.url).path.rpartition("/")[2] or "body"
    return deliver_body(body, label=label, where=source.url, kind=source.format, source=source, expected=expected, folder=folder, cursor=after)


def require_host(url: str, source: HttpSource) -> None:
    """Raise ``Refused`` unless the address is on one of the source's hosts, and encrypted unless that is this machine."""
    parts = urllib.parse.urlsplit(url)
    host = (parts.hostname or "").lower()
    if host not in {allowed.lower() for allowed in source.hosts}:
        raise Refused(f"The host '{host}' is not on the source's list.", where=url, mend="add it to 'hosts' if it may be called")
    if parts.username or parts.password:
        raise Refused("The address holds a user or password.", where=f"source '{source.name}'", mend="use 'token_env'")
    if parts.scheme != "https" and not _is_loopback(host):
        raise Refused("The way to this host is not encrypted.", where=url, why="anybody on it could change the rows", mend="use https")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _SameHost(urllib.request.HTTPRedirectHandler):
    def __init__(self, source: HttpSource) -> None:
        self._source = source
        self._host = urllib.parse.urlsplit(source.url).netloc.lower()

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).netloc.lower() != self._host:
            raise Refused("The server sends us to another host.", where=newurl, why="the token and the trust are for the one declared")
        require_host(newurl, self._source)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _copy(reply: Any, body: Path, source: HttpSource) -> None:
    encoding = reply.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise InputError(f"The server sends the body as {encoding}, which was not asked for.", where=source.url, mend="have it send the plain file")
    size, limit = 0, source.limits.bytes
    announced = reply.headers.get("Content-Length")
    with body.open("wb") as file:
        while piece := reply.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise InputError(f"The body is larger than {limit} bytes.", where=source.url, mend="raise 'limits.bytes' of the source")
            file.write(piece)
    if announced is not None and announced.isdecimal() and int(announced) != size:
        raise Unavailable(f"The body broke off: {size} of {announced} bytes came.", where=source.url, mend="try again")
