"""Sessions of people who signed in with a password."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select

from pilotage.core import MICROSECONDS, NotFound
from pilotage.ledger import record
from pilotage.people.account import ACCOUNT_COLUMNS, Account, account_of
from pilotage.people.secret import new_secret, secret_hash
from pilotage.people.tables import account as account_table
from pilotage.people.tables import account_session
from pilotage.store import Ready, Workspace, WriteTransaction

SESSION_HOURS = 12.0
_S = account_session.c
_WHOSE = Ready(
    select(_S.csrf_token, _S.expires_at, *ACCOUNT_COLUMNS)
    .join(account_table, (account_table.c.workspace_id == _S.workspace_id) & (account_table.c.id == _S.account_id))
    .where(_S.workspace_id == bindparam("workspace"), _S.token_hash == bindparam("hash"), account_table.c.disabled_at.is_(None))
)


@dataclass(frozen=True)
class Session:
    """An open session. ``token`` goes into the cookie, ``csrf_token`` into forms. ``expires_at`` is in microseconds, UTC."""

    account: Account
    token: str = field(repr=False)
    csrf_token: str = field(repr=False)
    expires_at: int


def open_session(workspace: Workspace, *, account_id: str, hours: float = SESSION_HOURS) -> Session:
    """Open a session for somebody who has just shown who they are; ended ones are cleared away.

    Raises
    ------
    NotFound
        If there is no such account, or it is disabled.
    """
    token, csrf_token = new_secret(), new_secret()
    expires_at = workspace.clock.now_us() + round(hours * 3600) * MICROSECONDS

    def job(tx: WriteTransaction) -> Account:
        found = tx.conn.execute(
            select(account_table).where(
                account_table.c.workspace_id == tx.workspace_id, account_table.c.id == account_id, account_table.c.disabled_at.is_(None)
            )
        ).first()
        if found is None:
            raise NotFound("There is no such account, or it is disabled.", where=account_id)
        mine = account_session.c.workspace_id == tx.workspace_id
        tx.conn.execute(delete(account_session).where(mine, account_session.c.expires_at <= tx.clock.now_us()))
        row = {"token_hash": secret_hash(token), "account_id": account_id, "csrf_token": csrf_token, "expires_at": expires_at}
        tx.insert(account_session, row, actor=found.login)
        record(tx, type="account.signed_in", subject=account_id, body={"login": found.login, "until": expires_at}, actor=found.login)
        return account_of(found._mapping)

    return Session(account=workspace.write(job), token=token, csrf_token=csrf_token, expires_at=expires_at)


def find_session(workspace: Workspace, token: str) -> Session | None:
    """The session with this token, or None if there is none, it has ended, or the account is disabled."""
    with workspace.read() as conn:
        found = _WHOSE.first(conn, {"workspace": workspace.id, "hash": secret_hash(token)})
    if found is None or found["expires_at"] <= workspace.clock.now_us():
        return None
    return Session(account=account_of(found), token=token, csrf_token=found["csrf_token"], expires_at=found["expires_at"])


def close_session(workspace: Workspace, token: str) -> None:
    """End the session. Ending one that is gone is no error."""

    def job(tx: WriteTransaction) -> None:
        mine = (account_session.c.workspace_id == tx.workspace_id, account_session.c.token_hash == secret_hash(token))
        found = tx.conn.execute(select(account_session.c.account_id, account_session.c.created_by).where(*mine)).first()
        if found is None:
            return
        tx.conn.execute(delete(account_session).where(*mine))
        record(tx, type="account.signed_out", subject=found.account_id, body={"login": found.created_by}, actor=found.created_by)

    workspace.write(job)


def check_csrf(session: Session, token: str) -> bool:
    """Whether ``token`` is the session's CSRF token, in constant time."""
    return hmac.compare_digest(session.csrf_token.encode(), token.encode("utf-8", errors="replace"))
