"""Accounts: the record, and finding them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, select

from pilotage.core import InputError, NotFound, Refused
from pilotage.people.permissions import ROLES
from pilotage.people.tables import account as account_table
from pilotage.store import Ready, RowLike, Workspace

_ANYBODY = Ready(select(account_table.c.id).where(account_table.c.workspace_id == bindparam("workspace")).limit(1))
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True)
class Account:
    """Somebody who may work here. ``local`` marks the person of a workspace without accounts. ``disabled_at`` is in microseconds, UTC."""

    id: str
    login: str
    display_name: str
    roles: frozenset[str]
    disabled_at: int | None = None
    created_at: int = 0
    lock_version: int = 0
    local: bool = False

    def __str__(self) -> str:
        return f"{self.login} ({', '.join(sorted(self.roles))})" + (" disabled" if self.disabled_at is not None else "")


def has_accounts(workspace: Workspace) -> bool:
    """Whether anybody was ever given an account; disabled ones count, or disabling the last would open the door to everybody."""
    with workspace.read() as conn:
        return _ANYBODY.first(conn, {"workspace": workspace.id}) is not None


def local_account(workspace: Workspace) -> Account:
    """The person at this machine, named by the ``actor`` setting, with every role.

    Raises
    ------
    Refused
        If there are accounts: then whoever acts must say who they are.
    """
    if has_accounts(workspace):
        raise Refused("This workspace has accounts.", why="nobody works here unnamed any more", mend="sign in")
    return Account(id="local", login=workspace.actor, display_name=workspace.actor, roles=frozenset(ROLES), local=True)


def accounts(workspace: Workspace) -> list[Account]:
    """Every account, by login."""
    with workspace.read() as conn:
        return [account_of(row) for row in conn.execute(query_accounts(workspace).order_by(account_table.c.login)).mappings()]


def find_account(workspace: Workspace, login: str) -> Account:
    """The account with this login. Raises ``NotFound`` if there is none."""
    with workspace.read() as conn:
        found = conn.execute(query_accounts(workspace).where(account_table.c.login == login.strip().lower())).first()
    if found is None:
        raise NotFound(f"There is no account {login!r}.", mend="see 'pilotage user list'")
    return account_of(found._mapping)


def query_accounts(workspace: Workspace) -> Select[Any]:
    """The accounts of this workspace."""
    return select(account_table).where(account_table.c.workspace_id == workspace.id)


ACCOUNT_COLUMNS = [account_table.c[name] for name in ("id", "login", "display_name", "roles", "disabled_at", "created_at", "lock_version")]


def account_of(row: RowLike) -> Account:
    """The record of a row that has :data:`ACCOUNT_COLUMNS`. The password's hash stays behind."""
    return Account(**{**{column.name: row[column.name] for column in ACCOUNT_COLUMNS}, "roles": frozenset(row["roles"])})


def require_login(login: str) -> str:
    """``login`` in its one form (lower case). Raises ``InputError`` if it cannot be one."""
    settled = login.strip().lower()
    if not _LOGIN.fullmatch(settled):
        raise InputError(
            f"Not a login: {login!r}.",
            mend="use letters a to z, digits and . _ @ + -, at most 64, starting with a letter or digit",
        )
    return settled
