"""The receiver's side of webhooks."""

from __future__ import annotations

import hashlib
import hmac
import time

from pilotage.core import Refused

TOLERANCE_S = 300


def check_signature(secret: str, header: str, body: bytes, *, now_s: float | None = None, tolerance_s: float = TOLERANCE_S) -> None:
    """Raise ``Refused`` unless ``header`` (``X-Pilotage-Signature``) signs exactly these bytes with ``secret``, and not long ago.

    A message may come twice: keep the id it carries and ignore one you have.
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    at, given = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdecimal() and len(at) <= 12):
        raise Refused("The message is not signed.", mend="take it from the workbench only")
    wanted = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        raise Refused("The message's signature does not fit it.", why="somebody else made it, or changed it", mend="check the secret")
    if abs((time.time() if now_s is None else now_s) - int(at)) > tolerance_s:
        raise Refused("The message is too old.", why="it may be one that was sent before", mend="check the machine's clock")
