"""API tokens: for programs that act in somebody's name. They begin with ``plt_``, so that secret scanners know a lost one."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import bindparam, desc, select, update

from pilotage.core import MICROSECONDS, InputError, NotFound, Refused
from pilotage.ledger import record
from pilotage.people.account import ACCOUNT_COLUMNS, Account, account_of
from pilotage.people.permissions import require
from pilotage.people.secret import new_secret, secret_hash
from pilotage.people.tables import account as account_table
from pilotage.people.tables import api_token
from pilotage.store import Ready, Workspace, WriteTransaction

TOKEN_PREFIX = "plt_"  # noqa: S105  (not a secret: what every one begins with)
MAX_DAYS = 3650
_T = api_token.c
_WHOSE = Ready(
    select(_T.expires_at.label("until"), *ACCOUNT_COLUMNS)
    .join(account_table, (account_table.c.workspace_id == _T.workspace_id) & (account_table.c.id == _T.account_id))
    .where(
        _T.workspace_id == bindparam("workspace"),
        _T.token_hash == bindparam("hash"),
        _T.revoked_at.is_(None),
        account_table.c.disabled_at.is_(None),
    )
)


@dataclass(frozen=True)
class ApiToken:
    """A token as the workspace knows it. ``id`` is its hash: it names the token and does not open anything. Times are in microseconds, UTC."""

    id: str
    account_id: str
    name: str
    expires_at: int | None
    revoked_at: int | None
    created_at: int


@dataclass(frozen=True)
class IssuedToken:
    """A new token. ``token`` is the secret, shown this once."""

    id: str
    name: str
    expires_at: int
    token: str = field(repr=False)


def issue_token(workspace: Workspace, account: Account, *, name: str, valid_days: int = 90, by: Account | None = None) -> IssuedToken:
    """Issue an API token for the account. ``by`` must be the account's owner or an admin.

    Raises
    ------
    InputError
        If it has no name, or the days are not between 1 and 3650.
    NotFound
        If the account does not exist or is disabled.
    """
    if by is not None and by.id != account.id:
        require(by, "people")
    if not name.strip() or len(name) > 100:
        raise InputError("An API token needs a name of at most 100 characters.", mend="say what it is for, so that somebody can tell it apart later")
    if not 1 <= valid_days <= MAX_DAYS:
        raise InputError(f"An API token cannot be valid for {valid_days} days.", mend=f"use 1 to {MAX_DAYS}")
    secret = new_secret(TOKEN_PREFIX)
    token_id = secret_hash(secret)
    expires_at = workspace.clock.now_us() + valid_days * 24 * 3600 * MICROSECONDS
    actor = None if by is None else by.login

    def job(tx: WriteTransaction) -> None:
        active = (account_table.c.workspace_id == tx.workspace_id, account_table.c.id == account.id, account_table.c.disabled_at.is_(None))
        if tx.conn.execute(select(account_table.c.id).where(*active)).first() is None:
            raise NotFound("There is no such account, or it is disabled.", where=account.login)
        tx.insert(api_token, {"token_hash": token_id, "account_id": account.id, "name": name.strip(), "expires_at": expires_at}, actor=actor)
        body = {"login": account.login, "name": name.strip(), "token_hash": token_id, "until": expires_at}
        record(tx, type="account.token_issued", subject=account.id, body=body, actor=actor)

    workspace.write(job)
    return IssuedToken(id=token_id, name=name.strip(), expires_at=expires_at, token=secret)


def find_token(workspace: Workspace, token: str) -> Account | None:
    """Whose token it is, or None if it is unknown, expired or revoked, or the account is disabled."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    with workspace.read() as conn:
        found = _WHOSE.first(conn, {"workspace": workspace.id, "hash": secret_hash(token)})
    if found is None or (found["until"] is not None and found["until"] <= workspace.clock.now_us()):
        return None
    return account_of(found)


def tokens(workspace: Workspace, account: Account) -> list[ApiToken]:
    """The account's tokens, newest first, ended ones included."""
    query = select(api_token).where(api_token.c.workspace_id == workspace.id, api_token.c.account_id == account.id)
    with workspace.read() as conn:
        found = conn.execute(query.order_by(desc(api_token.c.created_at), api_token.c.token_hash)).all()
    return [
        ApiToken(
            id=row.token_hash,
            account_id=row.account_id,
            name=row.name,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            created_at=row.created_at,
        )
        for row in found
    ]


def revoke_token(workspace: Workspace, token_id: str, *, by: Account | None = None) -> None:
    """End a token, named by its id. Ending one that has ended is no error. ``by`` must be its owner or an admin.

    Raises
    ------
    NotFound
        If there is no such token.
    Refused
        If it is somebody else's and ``by`` is no admin.
    """

    def job(tx: WriteTransaction) -> None:
        mine = (api_token.c.workspace_id == tx.workspace_id, api_token.c.token_hash == token_id)
        found = tx.conn.execute(select(api_token).where(*mine)).first()
        if found is None:
            raise NotFound("There is no such API token.", mend="see the account's page for those there are")
        if by is not None and by.id != found.account_id and "admin" not in by.roles:
            raise Refused("This API token is somebody else's.", mend="ask them or an admin to revoke it")
        if found.revoked_at is not None:
            return
        tx.conn.execute(update(api_token).where(*mine).values(revoked_at=tx.clock.now_us()))
        body = {"name": found.name, "token_hash": token_id}
        record(tx, type="account.token_revoked", subject=found.account_id, body=body, actor=None if by is None else by.login)

    workspace.write(job)
