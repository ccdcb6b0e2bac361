"""Adding and disabling accounts, giving roles, changing passwords. Each act is in the ledger, in the same transaction.

``by`` is who does it. With ``by`` they must be an admin (or change their own password); without, it is whoever holds the workspace itself, at the
command line.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, update

from pilotage.core import Conflict, InputError, new_id
from pilotage.ledger import record
from pilotage.people.account import Account, find_account, require_login
from pilotage.people.passwords import hash_password, require_good_password
from pilotage.people.permissions import require, require_known_roles
from pilotage.people.tables import account as account_table
from pilotage.people.tables import account_session, api_token
from pilotage.store import Workspace, WriteTransaction, update_if_unchanged


def add_account(
    workspace: Workspace,
    *,
    login: str,
    roles: Iterable[str],
    password: str,
    display_name: str = "",
    by: Account | None = None,
) -> Account:
    """Give somebody an account. From the first one on, nobody works in this workspace without signing in.

    Raises
    ------
    InputError
        If the login or a role cannot be one, no role is given, or the password is too easy to guess.
    Conflict
        If the login is taken.
    Refused
        If ``by`` is no admin.
    """
    _require_admin(by)
    login, held = require_login(login), _require_roles(roles)
    require_good_password(password, login=login)
    name = display_name.strip() or login
    made = new_id("acc", clock=workspace.clock)
    hashed = hash_password(password)

    def job(tx: WriteTransaction) -> None:
        taken = select(account_table.c.id).where(account_table.c.workspace_id == tx.workspace_id, account_table.c.login == login)
        if tx.conn.execute(taken).first() is not None:
            raise Conflict(f"The login '{login}' is taken.", mend="choose another")
        row = {"id": made, "login": login, "display_name": name, "roles": held, "password_hash": hashed, "lock_version": 1}
        tx.insert(account_table, row, actor=_actor(by))
        record(tx, type="account.added", subject=made, body={"login": login, "roles": held}, actor=_actor(by), personal={"display_name": name})

    workspace.write(job)
    return find_account(workspace, login)


def set_roles(workspace: Workspace, account: Account, *, roles: Iterable[str], by: Account | None = None) -> Account:
    """Give the account exactly these roles. Raises ``Conflict`` if it was changed since it was read."""
    _require_admin(by)
    held = _require_roles(roles)

    def job(tx: WriteTransaction) -> None:
        update_if_unchanged(tx, account_table, account.id, lock_version=account.lock_version, values={"roles": held})
        body = {"before": sorted(account.roles), "after": held}
        record(tx, type="account.roles", subject=account.id, body=body, actor=_actor(by))

    workspace.write(job)
    return find_account(workspace, account.login)


def change_password(workspace: Workspace, account: Account, *, password: str, by: Account | None = None) -> Account:
    """Set a new password and end the account's sessions. Their own is for everybody to change, others' for admins."""
    if by is not None and by.id != account.id:
        _require_admin(by)
    require_good_password(password, login=account.login)
    hashed = hash_password(password)

    def job(tx: WriteTransaction) -> None:
        update_if_unchanged(tx, account_table, account.id, lock_version=account.lock_version, values={"password_hash": hashed})
        _end_sessions(tx, account.id)
        record(tx, type="account.password", subject=account.id, body={"login": account.login}, actor=_actor(by))

    workspace.write(job)
    return find_account(workspace, account.login)


def disable_account(workspace: Workspace, account: Account, *, by: Account | None = None) -> Account:
    """Disable the account and end its sessions and tokens. What the person did stays. Disabling twice is no error."""
    _require_admin(by)

    def job(tx: WriteTransaction) -> None:
        now = tx.clock.now_us()
        mine = (account_table.c.workspace_id == tx.workspace_id, account_table.c.id == account.id)
        done = tx.conn.execute(
            update(account_table)
            .where(*mine, account_table.c.disabled_at.is_(None))
            .values(disabled_at=now, lock_version=account_table.c.lock_version + 1)
        )
        if done.rowcount == 0:
            return
        _end_sessions(tx, account.id)
        tx.conn.execute(
            update(api_token)
            .where(api_token.c.workspace_id == tx.workspace_id, api_token.c.account_id == account.id, api_token.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        record(tx, type="account.disabled", subject=account.id, body={"login": account.login}, actor=_actor(by))

    workspace.write(job)
    return find_account(workspace, account.login)


def _end_sessions(tx: WriteTransaction, account_id: str) -> None:
    tx.conn.execute(delete(account_session).where(account_session.c.workspace_id == tx.workspace_id, account_session.c.account_id == account_id))


def _require_roles(roles: Iterable[str]) -> list[str]:
    held = sorted(set(roles))
    require_known_roles(held)
    if not held:
        raise InputError("An account needs at least one role.", mend="see the table of permissions for what each may do")
    return held


def _require_admin(by: Account | None) -> None:
    if by is not None:
        require(by, "people")


def _actor(by: Account | None) -> str | None:
    return None if by is None else by.login
