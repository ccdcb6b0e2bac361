"""Signing in with a password.

After five failed attempts in a row a login must wait: 30 s, doubled with each further failure, at most 15 minutes. An attempt is counted before its
password is looked at, so that many at once gain nothing. Logins that do not exist are counted, and cost the same work, as those that do: neither
the answer nor its timing says which is which.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select, update

from pilotage.core import MICROSECONDS, Refused, sha256_hex
from pilotage.ledger import record
from pilotage.people.account import Account, account_of, query_accounts
from pilotage.people.passwords import hash_password, is_outdated, password_matches
from pilotage.people.tables import account as account_table
from pilotage.people.tables import sign_in_failure
from pilotage.store import Workspace, WriteTransaction

FREE_ATTEMPTS = 5
FIRST_WAIT_S = 30
LONGEST_WAIT_S = 15 * 60
_FORGET_AFTER_S = 24 * 3600


def authenticate(workspace: Workspace, login: str, *, password: str) -> Account:
    """The account whose login and password these are.

    Raises
    ------
    Refused
        If they are not, the account is disabled, or the login must wait. Which of the first two it is, is not said.
    """
    login = login.strip().lower()
    wait_s = workspace.write(lambda tx: _count_attempt(tx, login))
    if wait_s > 0:
        raise Refused(
            "There were too many failed attempts to sign in with this login.",
            why="guessing must be slow",
            mend=f"try again in {wait_s} seconds",
        )
    with workspace.read() as conn:
        found = conn.execute(query_accounts(workspace).where(account_table.c.login == login)).first()
    matches = password_matches(password, None if found is None else found.password_hash)
    if found is None or not matches or found.disabled_at is not None:
        raise Refused("The login or the password is wrong.", mend="try again, or ask an admin")
    stronger = hash_password(password) if is_outdated(found.password_hash) else None
    workspace.write(lambda tx: _forget_failures(tx, login, account_id=found.id, old=found.password_hash, stronger=stronger))
    return account_of(found._mapping)


def wait_after(failures: int) -> int:
    """Seconds a login must wait after so many failed attempts in a row."""
    if failures < FREE_ATTEMPTS:
        return 0
    doublings = min(failures - FREE_ATTEMPTS, 20)
    return min(FIRST_WAIT_S << doublings, LONGEST_WAIT_S)


def _count_attempt(tx: WriteTransaction, login: str) -> int:
    """Count an attempt as failed until it is shown to be good; or the seconds it must still wait, and then it is not counted."""
    now = tx.clock.now_us()
    key = sha256_hex(login.encode("utf-8", errors="replace"))  # a password typed into the wrong box is not kept
    mine = (sign_in_failure.c.workspace_id == tx.workspace_id, sign_in_failure.c.login_hash == key)
    tx.conn.execute(
        delete(sign_in_failure).where(
            sign_in_failure.c.workspace_id == tx.workspace_id, sign_in_failure.c.last_at < now - _FORGET_AFTER_S * MICROSECONDS
        )
    )
    found: Any = tx.conn.execute(select(sign_in_failure.c.count, sign_in_failure.c.last_at).where(*mine)).first()
    if found is None:
        tx.insert(sign_in_failure, {"login_hash": key, "count": 1, "last_at": now}, actor="nobody")
        return 0
    failures = int(found._mapping["count"])
    left_us = found.last_at + wait_after(failures) * MICROSECONDS - now
    if left_us > 0:
        return int(-(-left_us // MICROSECONDS))
    tx.conn.execute(update(sign_in_failure).where(*mine).values(count=failures + 1, last_at=now))
    if failures + 1 == FREE_ATTEMPTS:
        known = select(account_table.c.id).where(account_table.c.workspace_id == tx.workspace_id, account_table.c.login == login)
        account_id = tx.conn.execute(known).scalar()
        if account_id is not None:
            record(tx, type="account.attempts", subject=str(account_id), body={"attempts": failures + 1}, actor="nobody")
    return 0


def _forget_failures(tx: WriteTransaction, login: str, *, account_id: str, old: str, stronger: str | None) -> None:
    key = sha256_hex(login.encode("utf-8", errors="replace"))
    tx.conn.execute(delete(sign_in_failure).where(sign_in_failure.c.workspace_id == tx.workspace_id, sign_in_failure.c.login_hash == key))
    if stronger is not None:
        mine = (account_table.c.workspace_id == tx.workspace_id, account_table.c.id == account_id, account_table.c.password_hash == old)
        tx.conn.execute(update(account_table).where(*mine).values(password_hash=stronger))
