"""Who is signed in.

A workspace without accounts is used by one person on one machine: the address that ``pilotage serve`` prints carries a random token, which opens
a session kept in this process. From the first account on that way is closed, and people sign in with a password or send an API token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass

from pilotage import people
from pilotage.core import MICROSECONDS, Refused
from pilotage.people import has_accounts
from pilotage.server.context import Person, Visitor
from pilotage.store import Workspace

LOCAL_SESSION_S = 12 * 3600


@dataclass(frozen=True)
class LocalSession:
    """A session of the local person; forgotten when the process ends."""

    csrf_token: str
    expires_at: int


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Opens, finds and ends sessions of one workspace.

    Parameters
    ----------
    local_token
        The token of the printed address, or None where only accounts may sign in.
    """

    def __init__(self, workspace: Workspace, *, local_token: str | None) -> None:
        self._workspace = workspace
        self._local_token = local_token
        self._local: dict[str, LocalSession] = {}
        self._lock = threading.Lock()

    @property
    def offers_local(self) -> bool:
        """Whether the printed address still signs in: a token was made and there are no accounts."""
        return self._local_token is not None and not has_accounts(self._workspace)

    def open_local(self, token: str) -> str | None:
        """A new session's token if ``token`` is that of the printed address, else None."""
        if self._local_token is None or not hmac.compare_digest(token.encode(), self._local_token.encode()) or not self.offers_local:
            return None
        session_token = secrets.token_urlsafe(32)
        now = self._workspace.clock.now_us()
        with self._lock:
            self._local = {key: kept for key, kept in self._local.items() if kept.expires_at > now}
            self._local[_hash(session_token)] = LocalSession(secrets.token_urlsafe(32), now + LOCAL_SESSION_S * MICROSECONDS)
        return session_token

    def find(self, session_token: str) -> Visitor | None:
        """Whose session it is, or None if there is no such session or it has ended."""
        local = self._local.get(_hash(session_token))
        if local is not None:
            if local.expires_at <= self._workspace.clock.now_us():
                return None
            try:
                account = people.local_account(self._workspace)
            except Refused:  # there are accounts by now
                return None
            return Visitor(_person(account), "cookie", local.csrf_token, session_token)
        session = people.find_session(self._workspace, session_token)
        if session is None:
            return None
        return Visitor(_person(session.account), "cookie", session.csrf_token, session_token)

    def find_bearer(self, token: str) -> Visitor | None:
        """Whose API token it is, or None if unknown, revoked or expired."""
        account = people.find_token(self._workspace, token)
        return None if account is None else Visitor(_person(account), "bearer")

    def close(self, session_token: str) -> None:
        """End the session. Ending one that is gone is no error."""
        with self._lock:
            found = self._local.pop(_hash(session_token), None)
        if found is None:
            people.close_session(self._workspace, session_token)


def _person(account: people.Account) -> Person:
    return Person(account.login, account.display_name, account.roles, None if account.local else account.id)
